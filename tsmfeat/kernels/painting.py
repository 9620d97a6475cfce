"""Segments laid on a grid of rows."""

import numpy as np
import numpy.typing as npt
from numba import njit

from tsmfeat.kernels.ranking import Pieces

Indexes = npt.NDArray[np.int64]


@njit(cache=True, nogil=True)
def paint_rows(
    order: Indexes, pieces: Pieces, label: npt.NDArray[np.int32], row_offset: Indexes, step_seconds: float
) -> npt.NDArray[np.int32]:
    """Give every row the label of the first segment that covers its middle, -1 where none does.

    Parameters
    ----------
    order
        int64 (P,): segments, those first that win a row.
    pieces
        P segments; a video of -1 is passed over.
    label
        int32 (P,).
    row_offset
        int64 (V + 1,): video v owns rows ``row_offset[v]:row_offset[v + 1]``; row i of it stands for the time from
        ``i * step_seconds`` to ``(i + 1) * step_seconds``.
    step_seconds
        Length of a row.

    Returns
    -------
    int32 (N,)

    Examples
    --------
    >>> one = Pieces(np.array([0], np.int32), np.array([0.6]), np.array([2.4]))
    >>> paint_rows(np.array([0]), one, np.array([7], np.int32), np.array([0, 4]), 1.0).tolist()
    [-1, 7, -1, -1]
    """
    labels = np.full(row_offset[-1], -1, np.int32)
    for place in order:
        video = pieces.video[place]
        if video < 0:
            continue
        low, count = row_offset[video], row_offset[video + 1] - row_offset[video]
        first = _first_middle_at(pieces.start[place], step_seconds, count)
        beyond = _first_middle_at(pieces.end[place], step_seconds, count)
        for row in range(low + first, low + beyond):
            if labels[row] < 0:
                labels[row] = label[place]
    return labels


@njit(cache=True, nogil=True)
def count_covers(pieces: Pieces, row_offset: Indexes, step_seconds: float) -> npt.NDArray[np.int32]:
    """Return how many segments cover the middle of every row.

    Parameters
    ----------
    pieces, row_offset, step_seconds
        As in `paint_rows`.

    Returns
    -------
    int32 (N,)

    Examples
    --------
    >>> two = Pieces(np.array([0, 0], np.int32), np.array([0.0, 1.0]), np.array([2.0, 3.0]))
    >>> count_covers(two, np.array([0, 4]), 1.0).tolist()
    [1, 2, 1, 0]
    """
    covers = np.zeros(row_offset[-1] + 1, np.int32)
    for place in range(len(pieces.video)):
        video = pieces.video[place]
        if video < 0:
            continue
        low, count = row_offset[video], row_offset[video + 1] - row_offset[video]
        first = _first_middle_at(pieces.start[place], step_seconds, count)
        beyond = _first_middle_at(pieces.end[place], step_seconds, count)
        if first < beyond:
            covers[low + first] += 1
            covers[low + beyond] -= 1
    for row in range(1, len(covers)):
        covers[row] += covers[row - 1]
    return covers[:-1]


@njit(cache=True, nogil=True)
def _first_middle_at(seconds: float, step_seconds: float, count: int) -> int:
    """Return the first row whose middle is at or after a time, from 0 to `count`."""
    guess = seconds / step_seconds - 0.5
    if not guess > 0.0:
        return 0
    if guess >= count:
        return count
    # Rounding of times such as 0.1 * 3 must not move a boundary by a row.
    return min(count, int(np.ceil(guess - 1e-9)))
