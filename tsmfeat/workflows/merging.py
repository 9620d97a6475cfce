"""Stores become one: shards, parts and packed files of one spec are packed into one file, each video once."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tsmfeat.errors import ConfigurationError, StoreError
from tsmfeat.store.folders import is_packed_output
from tsmfeat.store.packing import DamagedVideo, find_differing_copies, pack, packed_bytes
from tsmfeat.store.reader import FeatureStore, open_features
from tsmfeat.values.progress import Progress, Silence
from tsmfeat.workflows.merge_failures import StoredVideos, gather_failures, write_failures
from tsmfeat.workflows.merge_options import MergeOptions
from tsmfeat.workflows.merge_report import MergedStore, MergeReport
from tsmfeat.workflows.merge_sources import (
    SpecFiles,
    find_store_files,
    group_by_spec,
    missing_shards,
    name_merged,
    read_indexes,
    refusal,
    require_readable,
)
from tsmfeat.workflows.outputs import hold_output, require_usable_output

_SILENCE = Silence()
_DEFAULTS = MergeOptions()
_REMEDY = "run the same `tsmfeat extract` of that shard again, or copy the file anew"


class _StoppedError(Exception):
    """The merge was asked to stop while rows were read."""


@dataclass
class _Run:
    """A merge while it lasts: what to tell, when to stop."""

    options: MergeOptions
    progress: Progress
    should_stop: Callable[[], bool]
    stored: list[StoredVideos] = field(default_factory=list)

    def count(self, num_bytes: int) -> None:
        """Count rows that were read; ask whether to go on."""
        self.progress.advance(num_bytes / 1e6)
        if self.should_stop():
            raise _StoppedError


def merge(
    stores: Sequence[str | Path],
    out: str | Path,
    options: MergeOptions = _DEFAULTS,
    progress: Progress = _SILENCE,
    should_stop: Callable[[], bool] = lambda: False,
) -> MergeReport:
    """Pack stores of one spec into one file, or those of several into one file each; every checksum is verified.

    The stores are left as they are. A video that several files hold counts once: the copy in the first file by name,
    or another one where that is damaged. What the shards listed as failed is listed beside the result.

    Parameters
    ----------
    stores
        Store files, folders of parts, and folders of both (`tsmfeat.workflows.merge_sources.find_store_files`).
    out
        ``Y.h5``, or a folder: one file a spec, called as its parts' folder or file. An output among the stores is
        added to.
    options
        `MergeOptions`.
    progress
        Told of the rows read, in MB.
    should_stop
        Asked after every video; once true, the output that is being written is left out.

    Returns
    -------
    MergeReport

    Raises
    ------
    StoreError
        A store is missing or damaged, and no other file holds its videos intact: all are named, nothing is written.
    SpecMismatchError
        Several specs for one file: each differing field is named.
    ConfigurationError
        The output exists and is not among the stores, or is something else.
    OutputError
        No room, or the folder cannot be written; an output that was there is untouched.
    """
    began = time.monotonic()
    out = Path(out)
    run = _Run(options, progress, should_stop)
    with _hold(out, run):
        files = find_store_files(stores)
        indexes, unreadable = read_indexes(files)
        if not (options.dry_run and indexes):
            require_readable(unreadable)
        groups = group_by_spec(indexes)
        targets = name_merged(groups, out)
        for target, group in zip(targets, groups, strict=True):
            _require_free(target, group, options)
        missing = missing_shards(files)
        if missing:
            progress.warn(f"no part of shard {_listed(missing)} is here; it has no video, or has not been extracted")
        merged = list(_merge_all(groups, targets, run))
        stopped = len(merged) < len(groups)
        failures, num_failed = None, 0
        if not (stopped or options.dry_run):
            path, num_failed = write_failures(out, gather_failures(stores, progress), run.stored)
            failures = path if num_failed else None
    return MergeReport(
        tuple(merged),
        options,
        tuple(unreadable),
        failures,
        num_failed,
        tuple(missing),
        stopped,
        time.monotonic() - began,
    )


@contextmanager
def _hold(out: Path, run: _Run) -> Iterator[None]:
    """Keep extractions from packing into the output meanwhile: what they add would be lost."""
    target = out if is_packed_output(out) else out / "merged.h5"
    if run.options.dry_run or not target.parent.is_dir():
        yield
        return
    with hold_output(target, run.progress):
        yield


def _require_free(target: Path, group: SpecFiles, options: MergeOptions) -> None:
    require_usable_output(target)
    if not target.exists() or options.overwrite or _is_among(target, group):
        return
    with open_features(target) as there:
        if there.spec == group.spec and _holds_all(there, _open(group)):
            return
    raise ConfigurationError(
        f"{target}: exists and is not among the stores, and holds other videos or features than they do",
        "name it as one of the stores to add to it, or replace it with --overwrite",
    )


def _is_among(target: Path, group: SpecFiles) -> bool:
    return target.resolve() in {index.path.resolve() for index in group.indexes}


def _open(group: SpecFiles) -> FeatureStore:
    return FeatureStore(group.indexes, verify=True)


def _holds_all(there: FeatureStore, store: FeatureStore) -> bool:
    """Tell by ids and checksums whether a file holds exactly the videos of a store."""
    same = there.video_ids == store.video_ids
    return same and np.array_equal(there.column("embedding_crc32"), store.column("embedding_crc32"))


def _merge_all(groups: Sequence[SpecFiles], targets: Sequence[Path], run: _Run) -> Iterator[MergedStore]:
    for group, target in zip(groups, targets, strict=True):
        with _open(group) as store:
            row_bytes = store.num_intervals * store.spec.embedding_size * 2
            run.progress.begin(f"merge into {target.name}", row_bytes / 1e6, "MB")
            try:
                yield _merge_one(store, group, target, run)
            except _StoppedError:
                return
            finally:
                run.progress.end()
            run.stored.append((store.spec.view, frozenset(store.video_ids)))


def _merge_one(store: FeatureStore, group: SpecFiles, target: Path, run: _Run) -> MergedStore:
    unchanged = _is_finished(store, target, run)
    damaged: list[DamagedVideo] = []
    if run.options.dry_run and not unchanged:
        damaged = _find_damaged(store, run.count)
    differing = [] if damaged else _tell_of_copies(store, run.progress)
    if not (unchanged or run.options.dry_run):
        _pack(store, target, run)
    num_bytes = packed_bytes(store) if run.options.dry_run and not unchanged else target.stat().st_size
    if store.mended:
        run.progress.warn(
            f"{len(store.mended)} videos are damaged in one file and were taken from another, such as "
            f"{store.mended[0]!r}"
        )
    return MergedStore(
        target,
        store.spec,
        len(group.indexes),
        store.num_videos,
        store.num_intervals,
        num_bytes,
        len(store.duplicated),
        tuple(differing),
        store.mended,
        tuple(damaged),
        unchanged,
    )


def _is_finished(store: FeatureStore, target: Path, run: _Run) -> bool:
    """Tell whether the output holds all of it intact already: the same command again then writes nothing."""
    if run.options.overwrite or not target.exists():
        return False
    with open_features(target) as there:
        return _holds_all(there, store) and there.spec == store.spec and not _find_damaged(there, run.count)


def _tell_of_copies(store: FeatureStore, progress: Progress) -> list[str]:
    try:
        differing = find_differing_copies(store)
    except StoreError:
        # Damaged: packing lists all such videos.
        return []
    if differing:
        progress.warn(
            f"{len(differing)} videos are stored twice with embeddings that differ by more than rounding, such as "
            f"{differing[0]!r}: the first by file name counts"
        )
    return differing


def _pack(store: FeatureStore, target: Path, run: _Run) -> None:
    try:
        pack(store, target, on_rows=run.count)
    except StoreError:
        damaged = _find_damaged(store, lambda _: None)
        if not damaged:
            raise
        raise refusal([video.reason for video in damaged], _REMEDY) from None


def _find_damaged(store: FeatureStore, on_rows: Callable[[int], object]) -> list[DamagedVideo]:
    """Read every row and list the videos of which no file holds an intact copy."""
    damaged = []
    for video_id in store.video_ids:
        try:
            on_rows(store.verified_embeddings(video_id).nbytes)
        except StoreError as error:
            damaged.append(DamagedVideo(video_id, error.message))
    return damaged


def _listed(names: Sequence[str]) -> str:
    most = 10
    return ", ".join(names[:most]) + (f" and {len(names) - most:,} more" if len(names) > most else "")
