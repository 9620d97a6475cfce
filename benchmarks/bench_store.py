"""Reading stored features: against one HDF5 dataset a video, a group a video, np.memmap and a copy (the limits)."""

import sys
import tempfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from harness import Case, call, compete, growth, require_equal
from inputs import make_features, write_store
from reporting import Goal, Report, Setting, judge, run_benchmark

from tsmfeat.store.reader import FeatureStore, open_features

SIZE = 2048
OURS, DATASETS, MEMMAP = "tsmfeat", "dataset per video", "np.memmap"
FIRST, LIMIT = "tsmfeat, first read", "copy and crc32"
INDEX_SIZES, QUICK_INDEX_SIZES = (500, 2_000, 10_000), (5, 10, 20)


def measure(setting: Setting) -> Report:
    """Time reads of rows and whole videos, and opening stores of many small videos."""
    num_videos, rows = (4, 5) if setting.quick else (100, 250)
    with tempfile.TemporaryDirectory() as folder:
        reads = _measure_reads(Path(folder), num_videos, rows, setting)
        opens = [
            _measure_open(Path(folder), size, setting) for size in (QUICK_INDEX_SIZES if setting.quick else INDEX_SIZES)
        ]
    row, whole, first = reads
    goals = [
        judge(Goal("one random row", DATASETS, OURS, 10, 25), row),
        judge(Goal("whole read, once verified", OURS, MEMMAP, 1.2, 1.2, at_most=True), whole),
        judge(Goal("first read", FIRST, LIMIT, 1.0, 1.0, at_most=True), first),
        judge(Goal("open the index", "group per video", OURS, 100, 1000), opens[-1]),
    ]
    return Report([*reads, *opens], goals, {who: growth(opens, who, "videos") for who in opens[0].costs})


@dataclass(frozen=True)
class _Table:
    """The same rows three times over: stored by us, a dataset a video, and flat."""

    store: FeatureStore
    datasets: h5py.File
    flat: np.memmap
    names: list[str]
    rows: int

    @property
    def sizes(self) -> dict[str, float]:
        return {"videos": len(self.names), "rows": len(self.flat), "embedding_size": self.flat.shape[1]}


def _measure_reads(folder: Path, num_videos: int, rows: int, setting: Setting) -> list[Case]:
    videos = make_features(num_videos, rows, SIZE, setting.seed)
    packed, peer = write_store(folder / "ours.h5", videos), folder / "datasets.h5"
    with h5py.File(peer, "w") as file:
        for video in videos:
            file.create_dataset(video.video_id, data=video.embeddings)
    np.concatenate([video.embeddings for video in videos]).tofile(folder / "flat.bin")
    mapped = np.memmap(folder / "flat.bin", np.float16, "r", shape=(num_videos * rows, SIZE))
    with open_features(packed) as store, h5py.File(peer, "r") as file:
        table = _Table(store, file, mapped, [video.video_id for video in videos], rows)
        return [_measure_rows(table, setting), _measure_whole(table, setting), _measure_first(packed, table, setting)]


def _measure_rows(table: _Table, setting: Setting) -> Case:
    shape = (len(table.names), table.rows)
    picks = np.random.default_rng(setting.seed).integers(0, shape, (1_000, 2)).tolist()
    works: dict[str, Callable[[], list[np.ndarray]]] = {
        OURS: lambda: [table.store.embeddings(table.names[video])[row].copy() for video, row in picks],
        DATASETS: lambda: [table.datasets[table.names[video]][row] for video, row in picks],
        MEMMAP: lambda: [table.flat[video * table.rows + row].copy() for video, row in picks],
    }
    for who in (DATASETS, MEMMAP):
        require_equal(f"rows of {who}", np.stack(works[OURS]()), np.stack(works[who]()))
    contestants = {who: call(work) for who, work in works.items()}
    return compete("1,000 random rows", table.sizes, contestants, setting.pace(5))


def _measure_whole(table: _Table, setting: Setting) -> Case:
    room = np.empty_like(table.flat)
    works: dict[str, Callable[[], object]] = {
        OURS: lambda: _fill(room, [table.store.embeddings(name) for name in table.names]),
        DATASETS: lambda: _fill(room, [table.datasets[name][:] for name in table.names]),
        MEMMAP: lambda: np.copyto(room, table.flat),
    }
    for who, work in works.items():
        room[:] = 0
        work()
        require_equal(f"whole read of {who}", room, table.flat)
    contestants = {who: call(work) for who, work in works.items()}
    return compete("all rows, verified before", table.sizes, contestants, setting.pace(5))


def _measure_first(packed: Path, table: _Table, setting: Setting) -> Case:
    room = np.empty_like(table.flat)

    def read_first() -> None:
        with open_features(packed) as fresh:
            _fill(room, [fresh.embeddings(name) for name in table.names])

    def copy_and_check() -> None:
        for first in range(0, len(table.flat), table.rows):
            zlib.crc32(table.flat[first : first + table.rows].data)
        np.copyto(room, table.flat)

    read_first()
    require_equal("first read", room, table.flat)
    contestants = {FIRST: call(read_first), LIMIT: call(copy_and_check)}
    return compete("all rows, opened anew", table.sizes, contestants, setting.pace(5))


def _fill(room: np.ndarray, parts: list[np.ndarray]) -> None:
    np.concatenate(parts, out=room)


def _measure_open(folder: Path, num_videos: int, setting: Setting) -> Case:
    videos = make_features(num_videos, 1, 8, setting.seed)
    packed, peer = write_store(folder / f"many{num_videos}.h5", videos), folder / f"groups{num_videos}.h5"
    with h5py.File(peer, "w") as file:
        for video in videos:
            group = file.create_group(video.video_id)
            group.create_dataset("embeddings", data=video.embeddings)
            group.attrs["duration_seconds"] = video.duration_seconds

    def open_ours() -> tuple[list[str], list[float]]:
        with open_features(packed) as store:
            return list(store.video_ids), store.duration_seconds.tolist()

    def open_groups() -> tuple[list[str], list[float]]:
        with h5py.File(peer, "r") as file:
            found = {name: (len(group["embeddings"]), group.attrs["duration_seconds"]) for name, group in file.items()}
        return list(found), [float(seconds) for _, seconds in found.values()]

    require_equal("ids", open_ours()[0], open_groups()[0])
    require_equal("durations", open_ours()[1], open_groups()[1])
    contestants = {OURS: call(open_ours), "group per video": call(open_groups)}
    return compete(f"open {num_videos:,} videos", {"videos": num_videos}, contestants, setting.pace(8))


if __name__ == "__main__":
    sys.exit(run_benchmark("store", measure))
