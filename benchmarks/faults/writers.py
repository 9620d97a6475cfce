"""Sixteen extractions write into one folder, some of them killed, while a reader reads it all the time."""

import shutil
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from faults.findings import Findings
from faults.material import (
    COMPLETE,
    FOLDER,
    Setting,
    Stored,
    extract_words,
    judge_stopped,
    left_overs,
    make_truth,
    new_place,
)
from faults.nursery import Order, Running

NUM_WRITERS = 16
NUM_KILLS = 120
NUM_SHARD_KILLS = 60
# Every video is in the lists of two writers: the same work is done twice, and counts once.
_NUM_SHARED = 2
_LONGEST_PAUSE = 0.25


def share_a_folder(setting: Setting, findings: Findings) -> None:
    """Let sixteen writers share a folder, kill some at random and start them again, and poll the folder meanwhile."""
    lists = [[path] for path in _write_lists(setting)]
    _share_until_killed(setting, lists, NUM_KILLS, findings)


def share_by_shards(setting: Setting, findings: Findings) -> None:
    """Let sixteen writers share a folder by ``--shard``: each finds out by itself which videos are its own."""
    everything = [setting.broken, setting.videos]
    shards = [[*everything, "--shard", f"{writer}/{NUM_WRITERS}"] for writer in range(NUM_WRITERS)]
    _share_until_killed(setting, shards, NUM_SHARD_KILLS, findings)


def _share_until_killed(
    setting: Setting, writers: Sequence[Sequence[object]], num_kills: int, findings: Findings
) -> None:
    truth, wanted = make_truth(setting, FOLDER), setting.share(num_kills)
    while findings.counts["kills"] < wanted:
        place = new_place(setting)
        _share(setting, place, writers, (truth, wanted), findings)
        _judge(place, truth, findings)
        shutil.rmtree(place)


def _write_lists(setting: Setting) -> list[Path]:
    folder = new_place(setting)
    videos = sorted(setting.videos.iterdir())
    lists = []
    for writer in range(NUM_WRITERS):
        own = [path for n, path in enumerate(videos) if (n - writer) % NUM_WRITERS < _NUM_SHARED]
        lists.append(folder / f"{writer}.txt")
        lists[-1].write_text("".join(f"{path}\n" for path in [setting.broken, *own]))
    return lists


def _share(
    setting: Setting, place: Path, writers: Sequence[Sequence[object]], goal: tuple[Stored, int], findings: Findings
) -> None:
    truth, wanted = goal
    with _ended_for_certain({}) as running:
        for writer in range(NUM_WRITERS):
            running[writer] = _start(setting, place, writers[writer])
        while running:
            time.sleep(setting.chance.uniform(0, _LONGEST_PAUSE))
            if findings.counts["kills"] < wanted:
                running[setting.chance.choice(sorted(running))].send(signal.SIGKILL)
            for writer, process in list(running.items()):
                if (ended := process.poll()) is None:
                    continue
                del running[writer]
                if ended.signal:
                    findings.counts["kills"] += 1
                    running[writer] = _start(setting, place, writers[writer])
                else:
                    findings.require(ended.code in (0, COMPLETE), "every writer completes", ended)
            judge_stopped(place, FOLDER, truth, findings, "polling")
            findings.counts["polls"] += 1


def _start(setting: Setting, place: Path, words: Sequence[object]) -> Running:
    # The smallest parts: as many files from as many writers as can be.
    return setting.nursery.start(Order(extract_words(words, place, FOLDER), part_bytes=1))


@contextmanager
def _ended_for_certain(running: dict[int, Running]) -> Iterator[dict[int, Running]]:
    try:
        yield running
    finally:
        for process in running.values():
            process.send(signal.SIGKILL)
            process.wait()


def _judge(place: Path, truth: Stored, findings: Findings) -> None:
    found = judge_stopped(place, FOLDER, truth, findings, "all writers done")
    findings.require(found == truth, "ids, counts and checksums equal an uninterrupted run", found)
    findings.require(not left_overs(place, FOLDER), "nothing is left over", left_overs(place, FOLDER))
    findings.counts["folders"] += 1
