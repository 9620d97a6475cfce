"""Filters of scores over time."""

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit


@njit(cache=True, nogil=True)
def filter_mean(row_offset: npt.NDArray[np.int64], scores: npt.NDArray[Any], width: int) -> npt.NDArray[Any]:
    """Return the mean of each score over the rows around it, within its video.

    Sums are taken anew for each row in float64: no error is carried along, so equal windows give equal means.

    Parameters
    ----------
    row_offset
        int64 (V + 1,): video v owns rows ``row_offset[v]:row_offset[v + 1]``.
    scores
        float32 or float64 (N, K). A row with any NaN stays as it is and is left out of its neighbours' means.
    width
        Rows of the window, odd: (width - 1) / 2 on either side; at the ends of a video the window shrinks.

    Returns
    -------
    (N, K) of the scores' dtype.

    Examples
    --------
    >>> filter_mean(np.array([0, 3]), np.array([[3.0], [0.0], [6.0]]), 3).tolist()
    [[1.5], [3.0], [3.0]]
    """
    smooth = np.empty_like(scores)
    undefined = _find_undefined_rows(scores)
    total = np.empty(scores.shape[1], np.float64)
    reach = width // 2
    for video in range(len(row_offset) - 1):
        low, high = row_offset[video], row_offset[video + 1]
        for row in range(low, high):
            if undefined[row]:
                smooth[row] = scores[row]
                continue
            total[:] = 0.0
            count = 0
            for other in range(max(low, row - reach), min(high, row + reach + 1)):
                if not undefined[other]:
                    count += 1
                    for column in range(len(total)):
                        total[column] += scores[other, column]
            for column in range(len(total)):
                smooth[row, column] = total[column] / count
    return smooth


@njit(cache=True, nogil=True)
def _find_undefined_rows(scores: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    undefined = np.zeros(scores.shape[0], np.bool_)
    for row in range(scores.shape[0]):
        for column in range(scores.shape[1]):
            value = scores[row, column]
            undefined[row] |= value != value
    return undefined
