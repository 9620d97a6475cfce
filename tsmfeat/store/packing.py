"""Packing many parts into one file, and what can be found out by reading every row."""

from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tsmfeat.errors import InputError, StoreError
from tsmfeat.files import make_folder
from tsmfeat.store import schema
from tsmfeat.store.image import Columns, build_image, encode_video_ids, rows_as_bytes
from tsmfeat.store.publishing import publish_file, timestamp_now
from tsmfeat.store.reader import FeatureStore
from tsmfeat.store.temporaries import remove_stale_temporaries
from tsmfeat.values.features import VideoStatus


class DamagedVideo(NamedTuple):
    """A stored video whose embeddings cannot be trusted, and why."""

    video_id: str
    reason: str


def _ignore(num_bytes: int) -> None:
    """Hear of written rows and do nothing."""


def pack(
    store: FeatureStore,
    out: Path,
    *,
    created: str | None = None,
    on_rows: Callable[[int], object] = _ignore,
) -> None:
    """Write all videos of a store into one file, by the same path as a part.

    Every checksum is verified on the way and rows are copied video by video, so a file of any size needs little
    memory. Videos are laid in ascending order of their ids: how they were spread over parts leaves no trace.

    Parameters
    ----------
    store
        What to pack; it may include the present content of `out`.
    out
        The ``.h5`` file, replaced as a whole if it exists.
    created
        Time stamp of the file; default: now.
    on_rows
        Called before the rows of each video are written, with their bytes. What it raises stops the packing; nothing
        is left behind.

    Raises
    ------
    StoreError
        A video is damaged and no other file holds it intact; nothing is written.
    OutputError
        No room, or the folder cannot be written; an existing `out` is untouched.
    """
    make_folder(out.parent)
    remove_stale_temporaries(out.parent, lambda name: name == out.name)
    for video_id in store.duplicated:
        store.verified_embeddings(video_id)
    image = build_image(store.spec, packed_columns(store), created or timestamp_now())
    publish_file(out, image, _verified_rows(store, on_rows), replace=True)


def packed_bytes(store: FeatureStore) -> int:
    """Return how large the file would be that `pack` makes of a store."""
    return build_image(store.spec, packed_columns(store), timestamp_now()).num_bytes


def packed_columns(store: FeatureStore) -> Columns:
    """Return the index arrays of a store whose videos are laid in the order of its ids."""
    names = [c.name for c in schema.COLUMNS if c.axis == "videos" and c.required]
    columns: Columns = {name: store.column(name) for name in names}
    columns["row_offset"] = store.row_offset
    # Filled in place: a million small arrays would take more memory than what they hold.
    columns["distinct_frames"] = np.empty(store.num_intervals, np.uint8)
    for video_id, (first, last) in zip(store.video_ids, pairwise(store.row_offset.tolist()), strict=True):
        columns["distinct_frames"][first:last] = store.distinct_frames(video_id)
    return columns | encode_video_ids(store.video_ids)


def _verified_rows(store: FeatureStore, on_rows: Callable[[int], object]) -> Iterator[memoryview]:
    checksums = store.column("embedding_crc32")
    for video_id in store.video_ids:
        rows = rows_as_bytes(store.verified_embeddings(video_id))
        on_rows(rows.nbytes)
        yield rows
    if not np.array_equal(checksums, store.column("embedding_crc32")):
        # A copy stood in for a video that was intact a moment ago: the index written before no longer fits.
        raise StoreError("a file changed while it was packed; store files never change", "run the same command again")


def find_damaged(store: FeatureStore, video_ids: Iterable[str] | None = None) -> list[DamagedVideo]:
    """List the videos whose checksum does not match or whose embeddings are not finite; every row is read.

    Parameters
    ----------
    store
        What to read.
    video_ids
        Only these videos; None: all.
    """
    damaged = []
    for video_id in store.video_ids if video_ids is None else video_ids:
        try:
            store.verified_embeddings(video_id)
            store.features(video_id)
        except InputError as error:
            damaged.append(DamagedVideo(video_id, error.message))
    return damaged


def find_differing_copies(store: FeatureStore, share: float = schema.LARGE_DIFFERENCE) -> list[str]:
    """List the videos of which two files hold copies that differ by more than rounding.

    Parameters
    ----------
    store
        Several files.
    share
        The largest tolerated norm of the difference, as a share of the embeddings' norm. Other devices and batch
        sizes stay far below the default.

    Returns
    -------
    video_ids
        Ids of videos with another number of intervals, or embeddings further apart.
    """
    return [video_id for video_id in store.conflicting if _copies_differ(store, video_id, share)]


def _copies_differ(store: FeatureStore, video_id: str, share: float) -> bool:
    mine = store.embeddings(video_id).astype(np.float32)
    for copy in store.copies(video_id):
        if copy.shape != mine.shape:
            return True
        if np.linalg.norm(copy.astype(np.float32) - mine) > share * np.linalg.norm(mine):
            return True
    return False


def describe_store(store: FeatureStore) -> dict[str, Any]:
    """Return what ``tsmfeat inspect --json`` prints about a store (the shape is a contract, `CLI.md`)."""
    step = store.spec.step_seconds
    columns = (store.column("num_intervals"), store.duration_seconds, store.status)
    rows = zip(store.video_ids, *[column.tolist() for column in columns], strict=True)
    return {
        "kind": "features",
        "version": schema.VERSION_MAJOR,
        "spec": store.spec.to_dict(),
        "num_videos": store.num_videos,
        "num_intervals": store.num_intervals,
        "embedding_size": store.spec.embedding_size,
        "videos": [
            {
                "video_id": video_id,
                "num_intervals": count,
                "duration_seconds": duration,
                "step_seconds": step,
                "status": VideoStatus(status).name.lower(),
            }
            for video_id, count, duration, status in rows
        ],
    }
