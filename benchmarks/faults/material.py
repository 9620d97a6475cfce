"""The small videos of the programme, the command over them, and what a store holds of them."""

import random
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from faults.findings import Findings
from faults.nursery import Ended, Nursery, Order
from tsmfeat.errors import TsmfeatError
from tsmfeat.files import TEMPORARY_NAME
from tsmfeat.store.folders import output_files
from tsmfeat.store.reader import open_features
from tsmfeat.video.encoding import write_video

NUM_VIDEOS = 20
# Exit code of a run that is complete but for the broken one.
COMPLETE = 3
_FPS = 10
_SMALL = "--trunk resnet18 --num-frames 2 --resize square32 --device cpu --checkpoint random:0 --batch-size 4 --json"

# Interval count and CRC-32 of the embeddings, by output and video.
Stored = dict[tuple[str, str], tuple[int, int]]


@dataclass(frozen=True)
class Layout:
    """A kind of output.

    Parameters
    ----------
    out
        Name given to ``-o``.
    words
        Options that belong to it.
    stores
        Outputs that come to be, relative to its folder.
    """

    out: str
    words: tuple[str, ...]
    stores: tuple[str, ...]


PACKED = Layout("x.h5", (), ("x.h5",))
FOLDER = Layout("x", (), ("x",))
MANY = Layout("many", ("--step", "0.5,1.0"), ("many/resnet18_t0.5.h5", "many/resnet18_t1.h5"))
LAYOUTS = (PACKED, FOLDER)


@dataclass(frozen=True)
class Setting:
    """What all parts of the programme need.

    Parameters
    ----------
    nursery
        Runs commands.
    videos, broken, work
        Folder of the videos, the file that is none, and an empty folder of this process.
    index, num
        This process does the points whose number modulo `num` is `index`.
    scale
        1: the whole programme. A smaller share of every part is done in proportion.
    chance
        Of everything random.
    """

    nursery: Nursery
    videos: Path
    broken: Path
    work: Path
    index: int
    num: int
    scale: float
    chance: random.Random

    def share(self, total: int) -> int:
        """Return how many of so many trials are this process's."""
        return max(1, round(total * self.scale / self.num))

    def mine(self, points: Sequence[int]) -> list[int]:
        """Return the points that are this process's; at a smaller scale some of them, spread over all."""
        stride = max(1, round(1 / self.scale))
        return list(points)[self.index * stride :: self.num * stride]


def write_videos(folder: Path, num_videos: int = NUM_VIDEOS) -> None:
    """Write some videos of 1 to 2 seconds, every one different."""
    folder.mkdir(parents=True)
    for number in range(num_videos):
        write_video(folder / f"clip{number:02d}.mp4", _frames(number), fps=_FPS)


def _frames(seed: int) -> list[np.ndarray[tuple[int, ...], np.dtype[np.uint8]]]:
    rng = np.random.default_rng(seed)
    phase, speed = rng.uniform(0, 6, (3, 1, 1)), rng.uniform(0.2, 0.6, (3, 1, 1))
    y, x = np.mgrid[:32, :48]
    waves = [np.sin(x / 6 + phase + speed * n) * np.cos(y / 5 - phase) for n in range(_FPS + seed % 3 * _FPS // 2)]
    return [np.moveaxis(wave * 100 + 128, 0, 2).astype(np.uint8) for wave in waves]


def extract_words(videos: Sequence[object], out: Path, layout: Layout, workers: int = 1) -> list[object]:
    """Return the words of an extraction."""
    return ["extract", *videos, "-o", out / layout.out, *layout.words, *_SMALL.split(), "--workers", workers]


def order_of(setting: Setting, place: Path, layout: Layout, workers: int = 1) -> Order:
    """Return an extraction of all videos, and of the broken one, into a place."""
    # The one that fails comes first: the list of failures is then written with every part.
    return Order(extract_words([setting.broken, setting.videos], place, layout, workers))


def stored(place: Path, layout: Layout) -> Stored:
    """Read everything that an extraction has published so far; every checksum is verified.

    Raises
    ------
    TsmfeatError
        Something cannot be read.
    """
    found: Stored = {}
    for name in layout.stores:
        if files := output_files(place / name):
            with open_features(files) as store:
                for video_id in store.video_ids:
                    rows = store.embeddings(video_id)
                    found[name, video_id] = (len(rows), zlib.crc32(rows.tobytes()))
    return found


@cache
def make_truth(setting: Setting, layout: Layout) -> Stored:
    """Return what an uninterrupted run stores."""
    place = new_place(setting)
    ended = setting.nursery.run(order_of(setting, place, layout))
    if ended.code != COMPLETE or ended.report["num_done"] != NUM_VIDEOS:
        raise RuntimeError(f"an uninterrupted run ended with {ended}")
    return stored(place, layout)


def new_place(setting: Setting) -> Path:
    """Return a new empty folder."""
    place = setting.work / f"{sum(1 for _ in setting.work.iterdir()):05d}"
    place.mkdir()
    return place


def judge_stopped(place: Path, layout: Layout, truth: Stored, findings: Findings, where: object) -> Stored:
    """Check an output whose run was stopped, and return what it holds."""
    try:
        found = stored(place, layout)
    except TsmfeatError as error:
        findings.require(False, "what is published can be read", f"{where}: {error.message}")
        return {}
    findings.require(True, "what is published can be read", where)
    findings.require(found.items() <= truth.items(), "no video is listed that is not finished", where)
    findings.counts["finished videos at a stop"] += len(found)
    return found


def judge_complete(
    place: Path, layout: Layout, truth: Stored, findings: Findings, resumed: tuple[object, Ended, Stored]
) -> None:
    """Check an output whose run was resumed until it was complete.

    Parameters
    ----------
    place, layout
        The output.
    truth
        What it should hold.
    findings
        Filled.
    resumed
        What this is, how the last run ended, and what was finished before it.
    """
    name, ended, before = resumed
    where = (name, ended.said)
    found = stored(place, layout)
    findings.require(ended.code == COMPLETE, "the resumed run completes", where)
    findings.require(found.keys() >= before.keys(), "no finished video is lost", where)
    # A video that only some outputs hold goes on in the others: it is not skipped, nor made again where it is finished.
    everywhere = {v for _, v in before if all((name, v) in before for name in layout.stores)}
    skipped = ended.report.get("num_skipped", 0)
    findings.require(skipped >= len(everywhere), "no finished video is made again", where)
    findings.require(found == truth, "ids, counts and checksums equal an uninterrupted run", where)
    findings.require(not left_overs(place, layout), "nothing is left over", (left_overs(place, layout), where))


def left_overs(place: Path, layout: Layout) -> list[str]:
    """List what a complete run must not leave: temporary files, and parts beside what is packed."""
    found = [path for path in place.rglob("*") if TEMPORARY_NAME.fullmatch(path.name)]
    for name in layout.stores:
        if name.endswith(".h5"):
            found += list((place / name).with_suffix(".parts").glob("*"))
    return [str(path.relative_to(place)) for path in found]
