"""Segments of many videos and classes as plain arrays."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tsmfeat.kernels.ordering import Floats


class Rows(NamedTuple):
    """Segments of many videos and classes.

    Attributes
    ----------
    video, label
        int32 (N,).
    start, end, score
        float64 (N,): times in any unit; no NaN, start < end.
    """

    video: npt.NDArray[np.int32]
    label: npt.NDArray[np.int32]
    start: Floats
    end: Floats
    score: Floats


def empty_rows(count: int) -> Rows:
    """Return room for rows, not filled.

    Allocated by numpy, which asks the system for large pages, as numba does not; untouched pages cost nothing.
    """
    return Rows(
        np.empty(count, np.int32),
        np.empty(count, np.int32),
        np.empty(count, np.float64),
        np.empty(count, np.float64),
        np.empty(count, np.float64),
    )


def first_rows(rows: Rows, count: int) -> Rows:
    """Return the first rows, as views."""
    return Rows(rows.video[:count], rows.label[:count], rows.start[:count], rows.end[:count], rows.score[:count])
