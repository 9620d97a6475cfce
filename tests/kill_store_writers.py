"""Run as a child: fork writers, kill them with SIGKILL at random moments, and check what they had declared.

Usage: kill_store_writers.py alone|together FOLDER NUM_KILLS SEED. Prints one JSON object.
`alone`: one writer at a time, killed and resumed until its store is whole, then the next store.
`together`: four writers of overlapping shares in one folder, while the parent reads it all the time.
"""

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import numpy as np
from factories_store import make_spec, make_videos

from tsmfeat.store.folders import finished_videos
from tsmfeat.store.options import StoreOptions
from tsmfeat.store.packing import find_damaged
from tsmfeat.store.reader import open_features
from tsmfeat.store.writer import PartWriter

SIZE = 64
SPEC = make_spec(SIZE)
VIDEOS = make_videos(48, embedding_size=SIZE)


def write_share(folder: Path, worker: str, video_ids: list[str], pipe: int) -> None:
    """Extract what is missing of a share, and declare each video over a pipe once it is finished."""
    done = finished_videos(folder, SPEC).num_intervals
    declared = 0
    with PartWriter(folder, SPEC, worker=worker, options=StoreOptions(part_bytes=SIZE * 2 * 12)) as writer:
        for video in VIDEOS:
            if video.video_id not in video_ids or video.video_id in done:
                continue
            writer.append(video)
            if writer.publish_due:
                writer.publish()
            os.write(pipe, "".join(f"{v}\n" for v in writer.finished[declared:]).encode())
            declared = len(writer.finished)


def start(folder: Path, worker: str, video_ids: list[str]) -> tuple[int, int]:
    """Fork a writer; return its process id and the reading end of its pipe."""
    reading, writing = os.pipe()
    if child := os.fork():
        os.close(writing)
        return child, reading
    status = 1
    try:
        write_share(folder, worker, video_ids, writing)
        status = 0
    finally:
        os._exit(status)


def finish(child: int, pipe: int) -> tuple[list[str], int]:
    """Wait for a writer; return the videos it declared and how it ended."""
    _, status = os.waitpid(child, 0)
    with os.fdopen(pipe, "rb") as stream:
        return stream.read().decode().splitlines(), status


def problems_in(folder: Path, declared: set[str]) -> int:
    """Count declared videos that are missing and listed ones that are wrong."""
    if not any(folder.glob("*.h5")):
        return len(declared)
    truth = {video.video_id: video.embeddings for video in VIDEOS}
    with open_features(folder) as store:
        lost = sum(video_id not in store for video_id in declared)
        wrong = sum(not np.array_equal(store.embeddings(v), truth[v]) for v in store.video_ids)
        return lost + wrong + len(find_damaged(store))


def seconds_of_a_whole_run(folder: Path) -> float:
    """Time a writer that nobody kills."""
    began = time.perf_counter()
    finish(*start(folder, "timing", [video.video_id for video in VIDEOS]))
    return time.perf_counter() - began


def kill_alone(folder: Path, num_kills: int, chance: random.Random) -> dict[str, int]:
    kills = problems = stores = 0
    everything = [video.video_id for video in VIDEOS]
    longest = seconds_of_a_whole_run(folder / "timing") * 0.8
    while kills < num_kills:
        place, declared, status = folder / str(stores), set[str](), -1
        while status != 0:
            child, pipe = start(place, "w", everything)
            if kills < num_kills:
                time.sleep(chance.uniform(0, longest))
                os.kill(child, signal.SIGKILL)
            more, status = finish(child, pipe)
            kills += status == signal.SIGKILL
            declared.update(more)
            problems += problems_in(place, declared)
        problems += problems_in(place, set(everything)) + sum(1 for _ in place.glob(".*"))
        stores += 1
    return {"kills": kills, "problems": problems, "stores": stores}


def kill_together(folder: Path, num_kills: int, chance: random.Random) -> dict[str, int]:
    longest = seconds_of_a_whole_run(folder / "timing") * 0.8
    kills = problems = stores = 0
    while kills < num_kills:
        more_kills, more_problems = share_a_folder(folder / str(stores), longest, num_kills - kills, chance)
        kills, problems, stores = kills + more_kills, problems + more_problems, stores + 1
    return {"kills": kills, "problems": problems, "stores": stores}


def share_a_folder(place: Path, longest: float, num_kills: int, chance: random.Random) -> tuple[int, int]:
    shares = [[v.video_id for i, v in enumerate(VIDEOS) if i % 4 in (k, (k + 1) % 4)] for k in range(4)]
    running = {k: start(place, f"w{k}", shares[k]) for k in range(4)}
    declared: set[str] = set()
    kills = problems = 0
    while running:
        k = chance.choice(sorted(running))
        if kills < num_kills:
            time.sleep(chance.uniform(0, longest))
            os.kill(running[k][0], signal.SIGKILL)
        more, status = finish(*running.pop(k))
        declared.update(more)
        if status:
            kills += status == signal.SIGKILL
            problems += status != signal.SIGKILL
            running[k] = start(place, f"w{k}", shares[k])
        problems += problems_in(place, declared)
    return kills, problems + problems_in(place, {video.video_id for video in VIDEOS})


if __name__ == "__main__":
    run = {"alone": kill_alone, "together": kill_together}[sys.argv[1]]
    place = Path(sys.argv[2])
    sys.stdout.write(json.dumps(run(place, int(sys.argv[3]), random.Random(int(sys.argv[4])))))
