"""Truths that repeat an earlier one."""

import numpy as np
import numpy.typing as npt
from numba import njit

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@njit(cache=True, nogil=True)
def mark_repeats(
    group_offset: npt.NDArray[np.int64], start: Floats, end: Floats, tolerance: float
) -> npt.NDArray[np.bool_]:
    """Return which segments repeat an earlier one of their group that is no repeat itself.

    Parameters
    ----------
    group_offset
        int64: group g owns the segments ``group_offset[g]:group_offset[g + 1]``.
    start, end
        float64 (N,): seconds, group by group, in the order of the file.
    tolerance
        Both ends lie within this much of the earlier segment's.

    Examples
    --------
    >>> start, end = np.array([0.0, 0.0, 0.0]), np.array([5.0, 6.0, 5.0005])
    >>> mark_repeats(np.array([0, 3]), start, end, 1e-3).tolist()
    [False, False, True]
    """
    repeats = np.zeros(len(start), np.bool_)
    for group in range(len(group_offset) - 1):
        for later in range(group_offset[group], group_offset[group + 1]):
            for earlier in range(group_offset[group], later):
                near = abs(start[later] - start[earlier]) <= tolerance and abs(end[later] - end[earlier]) <= tolerance
                if near and not repeats[earlier]:
                    repeats[later] = True
                    break
    return repeats
