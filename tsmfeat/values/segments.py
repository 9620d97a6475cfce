"""Segments of many videos as a struct of arrays."""

from collections.abc import Iterable
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from tsmfeat.errors import InputError

_DTYPES = {"video": np.int32, "label": np.int32, "start": np.float64, "end": np.float64, "score": np.float64}


@dataclass(frozen=True, eq=False)
class Segments:
    """Labelled, scored pieces of videos; row k of every array is segment k.

    Parameters
    ----------
    video
        int32 (N,): index into the video ids of whoever owns the segments.
    label
        int32 (N,): index into the vocabulary of whoever owns them.
    start, end
        float64 (N,): seconds, half-open. Order and finiteness are the reader's rule, not this value's: a parity
        protocol must see what stands in the file.
    score
        float64 (N,).

    Raises
    ------
    InputError
        Lengths differ, an array is not one-dimensional, or an id is negative; the first bad row is named.

    Examples
    --------
    >>> two = Segments([0, 0], [1, 0], [0.0, 2.0], [1.5, 3.0], [0.9, 0.4])
    >>> len(two), two.take([1]).start.tolist()
    (2, [2.0])
    """

    video: npt.NDArray[np.int32]
    label: npt.NDArray[np.int32]
    start: npt.NDArray[np.float64]
    end: npt.NDArray[np.float64]
    score: npt.NDArray[np.float64]

    def __post_init__(self) -> None:
        """Cast, freeze and check the arrays."""
        for name, dtype in _DTYPES.items():
            values = np.ascontiguousarray(getattr(self, name), dtype).view()
            values.flags.writeable = False
            object.__setattr__(self, name, values)
        shapes = {name: getattr(self, name).shape for name in _DTYPES}
        if len(set(shapes.values())) != 1 or self.video.ndim != 1:
            raise InputError(f"segments of shapes {shapes}; all five arrays are one-dimensional and equally long", "")
        for name in ("video", "label"):
            require_ids_in_range(getattr(self, name), None, name)

    def __len__(self) -> int:
        """Return the number of segments."""
        return len(self.video)

    def take(self, rows: npt.ArrayLike) -> "Segments":
        """Return the segments of some rows: indexes or a boolean mask."""
        index = np.asarray(rows)
        if index.size == 0 and index.dtype != np.bool_:
            index = index.astype(np.int64)
        return Segments(*(getattr(self, name)[index] for name in _DTYPES))

    @staticmethod
    def empty() -> "Segments":
        """Return no segments."""
        return Segments(*(np.empty(0, dtype) for dtype in _DTYPES.values()))

    @staticmethod
    def concatenate(parts: Iterable["Segments"]) -> "Segments":
        """Join segments that speak of the same videos and labels, in order."""
        listed = list(parts)
        if not listed:
            return Segments.empty()
        return Segments(*(np.concatenate([getattr(part, f.name) for part in listed]) for f in fields(Segments)))


def require_ids_in_range(ids: npt.NDArray[np.int32], count: int | None, what: str) -> None:
    """Refuse ids below 0 or, where a count is given, at or above it.

    Raises
    ------
    InputError
        Names the first bad row and its id.

    Examples
    --------
    >>> require_ids_in_range(np.array([0, 1], np.int32), 2, "label")
    """
    bad = ids < 0 if count is None else (ids < 0) | (ids >= count)
    if bad.any():
        row = int(np.argmax(bad))
        rule = "ids are >= 0" if count is None else f"ids lie in 0..{count - 1}"
        raise InputError(f"row {row} has {what} id {int(ids[row])}; {rule}", "check where the rows come from")
