"""Stable sorting of row numbers by values that stand elsewhere."""

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

Indexes = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_BLOCK = 16


@njit(cache=True, nogil=True)
def sort_rows(
    rows: Indexes, first: int, last: int, major: npt.NDArray[Any], minor: npt.NDArray[Any], spare: Indexes
) -> None:
    """Sort ``rows[first:last]`` in place by (major, minor); stable.

    Parameters
    ----------
    rows
        int64: row numbers.
    first, last
        The part to sort.
    major, minor
        Indexed by row number; without NaN. Give one array twice to sort by it alone.
    spare
        int64, at least half as long as the part: room to work in.

    Examples
    --------
    >>> rows, key = np.arange(3), np.array([2.0, 1.0, 1.0])
    >>> sort_rows(rows, 0, 3, key, np.array([0.0, 5.0, 4.0]), np.empty(3, np.int64))
    >>> rows.tolist()
    [2, 1, 0]
    """
    for low in range(first, last, _BLOCK):
        _insert(rows, low, min(low + _BLOCK, last), major, minor)
    width = _BLOCK
    while width < last - first:
        for low in range(first, last - width, 2 * width):
            _merge(rows, (low, low + width, min(low + 2 * width, last)), major, minor, spare)
        width *= 2


@njit(cache=True, nogil=True, inline="always")
def _follows(one: int, other: int, major: npt.NDArray[Any], minor: npt.NDArray[Any]) -> bool:
    if major[one] != major[other]:
        return bool(major[one] > major[other])
    return bool(minor[one] > minor[other])


@njit(cache=True, nogil=True, inline="always")
def _insert(rows: Indexes, first: int, last: int, major: npt.NDArray[Any], minor: npt.NDArray[Any]) -> None:
    for place in range(first + 1, last):
        row = rows[place]
        hole = place
        while hole > first and _follows(rows[hole - 1], row, major, minor):
            rows[hole] = rows[hole - 1]
            hole -= 1
        rows[hole] = row


@njit(cache=True, nogil=True)
def _merge(
    rows: Indexes, bounds: tuple[int, int, int], major: npt.NDArray[Any], minor: npt.NDArray[Any], spare: Indexes
) -> None:
    low, middle, high = bounds
    left = middle - low
    for place in range(left):
        spare[place] = rows[low + place]
    taken, right = 0, middle
    for place in range(low, high):
        if taken == left:
            return
        # The left part goes first among equals: that is what makes the sort stable.
        if right < high and _follows(spare[taken], rows[right], major, minor):
            rows[place] = rows[right]
            right += 1
        else:
            rows[place] = spare[taken]
            taken += 1
