"""Features that stay in their files: the rows of many videos as one table, read where they are asked for."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt

from tsmfeat.workflows.inference import GatheredFeatures

if TYPE_CHECKING:
    from tsmfeat.store.reader import FeatureStore

# Of the memory that is free: the rest is for batches, targets and validation.
_LARGEST_SHARE = 0.5


class MappedRows:
    """Rows of several arrays, one after another; indexing by rows copies them, and nothing else is read.

    It has what heads ask of a table: `shape`, `ndim`, `dtype`, its length, and indexing by a slice or by int64 (B,).

    Parameters
    ----------
    parts
        Arrays (N_i, D), such as parts of memory-mapped files.
    embedding_size
        D.

    Examples
    --------
    >>> rows = MappedRows([np.float16([[1], [2]]), np.float16([[3]])], 1)
    >>> rows.shape, rows[np.array([2, 0])].tolist(), rows[1:].tolist()
    ((3, 1), [[3.0], [1.0]], [[2.0], [3.0]])
    """

    ndim = 2
    dtype = np.dtype(np.float16)

    def __init__(self, parts: Sequence[npt.NDArray[np.float16]], embedding_size: int) -> None:
        self._parts = tuple(parts)
        self.row_offset = np.concatenate([[0], np.cumsum([len(part) for part in parts])]).astype(np.int64)
        self.shape = (int(self.row_offset[-1]), embedding_size)

    def __len__(self) -> int:
        """Return the number of rows."""
        return self.shape[0]

    def __getitem__(self, key: "slice | npt.NDArray[np.int64]") -> npt.NDArray[np.float16]:
        """Return a copy of some rows, float16 (B, D)."""
        rows = np.arange(*key.indices(len(self))) if isinstance(key, slice) else np.asarray(key)
        found = np.empty((len(rows), self.shape[1]), np.float16)
        part = np.searchsorted(self.row_offset, rows, side="right") - 1
        order = np.argsort(part, kind="stable")
        borders = np.flatnonzero(np.diff(part[order], prepend=-1, append=-1))
        for first, last in zip(borders[:-1].tolist(), borders[1:].tolist(), strict=True):
            own = order[first:last]
            place = int(part[own[0]])
            found[own] = self._parts[place][rows[own] - self.row_offset[place]]
        return found


def map_features(store: "FeatureStore", video_ids: Sequence[str]) -> GatheredFeatures:
    """Return the embeddings of some videos as they lie in the store's files.

    Every video is read once here, for its checksum.

    Parameters
    ----------
    store
        Open; its files must stay where they are.
    video_ids
        Those wanted, in their order.
    """
    parts = [store.embeddings(video_id) for video_id in video_ids]
    rows = MappedRows(parts, store.spec.embedding_size)
    length = dict(zip(store.video_ids, store.column("duration_seconds").tolist(), strict=True))
    durations = np.array([length[video_id] for video_id in video_ids], np.float64)
    # What heads do with a table, `MappedRows` can do; to everything else it would be no array.
    table = cast("npt.NDArray[np.float16]", rows)
    return GatheredFeatures(tuple(video_ids), table, rows.row_offset, store.spec.step_seconds, durations)


def is_mapped(embeddings: Any) -> bool:  # noqa: ANN401 - an array, or what stands for one
    """Tell whether rows stay in their files."""
    return isinstance(embeddings, MappedRows)


def exceeds_memory(num_bytes: int) -> bool:
    """Tell whether so many bytes are more than half of the memory that is free.

    Where the system does not say how much is free, nothing exceeds it.
    """
    free = _free_bytes(Path("/proc/meminfo"))
    return free is not None and num_bytes > _LARGEST_SHARE * free


def _free_bytes(source: Path) -> int | None:
    try:
        lines = source.read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        name, _, rest = line.partition(":")
        if name == "MemAvailable":
            return int(rest.split()[0]) * 1024
    return None
