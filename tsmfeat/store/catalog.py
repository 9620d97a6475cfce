"""One list of videos over many store files: which copy of a video counts, and where its rows lie."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tsmfeat.store.validation import FileIndex


@dataclass(frozen=True, eq=False)
class Catalog:
    """The videos of several store files of one spec, each once.

    A *slot* is the running number of a stored video over all files. A video stored twice counts once: the copy in
    the lexicographically first file wins, the others are kept as stand-ins for a winner that turns out damaged.

    Parameters
    ----------
    video_ids
        All ids in ascending order, so that it never matters how videos were spread over files.
    slots
        int64 (V,): the slot that counts for each video.
    copies
        Further slots of the videos stored more than once.
    file_of, place_of
        int64 (S,): the file of each slot, and its place among that file's videos.
    first_row, last_row
        int64 (S,): the half-open range of rows in that file.
    """

    video_ids: tuple[str, ...]
    slots: npt.NDArray[np.int64]
    copies: dict[str, tuple[int, ...]]
    file_of: npt.NDArray[np.int64]
    place_of: npt.NDArray[np.int64]
    first_row: npt.NDArray[np.int64]
    last_row: npt.NDArray[np.int64]


def build_catalog(indexes: Sequence[FileIndex]) -> Catalog:
    """List the videos of some files; a file earlier in the sequence wins over a later one."""
    slot_ids = [video_id for index in indexes for video_id in index.video_ids]
    order = sorted(range(len(slot_ids)), key=slot_ids.__getitem__)
    video_ids: tuple[str, ...] = tuple([slot_ids[slot] for slot in order])
    copies: dict[str, tuple[int, ...]] = {}
    if len(set(slot_ids)) < len(slot_ids):
        # The sort is stable: among equal ids the slot of the first file comes first.
        slots_of: dict[str, list[int]] = defaultdict(list)
        for slot in order:
            slots_of[slot_ids[slot]].append(slot)
        video_ids = tuple(slots_of)
        order = [slots[0] for slots in slots_of.values()]
        copies = {video_id: tuple(slots[1:]) for video_id, slots in slots_of.items() if len(slots) > 1}
    return Catalog(
        video_ids=video_ids,
        slots=np.array(order, np.int64),
        copies=copies,
        place_of=_join([np.arange(len(index.video_ids)) for index in indexes]),
        file_of=np.repeat(np.arange(len(indexes)), [len(index.video_ids) for index in indexes]),
        first_row=_join([index.columns["row_offset"][:-1] for index in indexes]),
        last_row=_join([index.columns["row_offset"][1:] for index in indexes]),
    )


def conflicting_videos(catalog: Catalog, checksums: npt.NDArray[np.uint32]) -> tuple[str, ...]:
    """List the videos of which copies differ in checksum or number of intervals; no row is read.

    Parameters
    ----------
    catalog
        The videos.
    checksums
        Stored CRC-32 of the embeddings by slot.
    """
    if not catalog.copies:
        return ()
    counting = dict(zip(catalog.video_ids, catalog.slots.tolist(), strict=True))
    num_rows = catalog.last_row - catalog.first_row
    return tuple(
        video_id
        for video_id, copies in catalog.copies.items()
        if len({(int(checksums[slot]), int(num_rows[slot])) for slot in (counting[video_id], *copies)}) > 1
    )


def join_column(indexes: Sequence[FileIndex], name: str) -> npt.NDArray[Any]:
    """Return a column with one value a video over all files, by slot."""
    return _join([index.columns[name] for index in indexes])


def _join(arrays: list[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)
