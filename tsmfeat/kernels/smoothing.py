"""Filters of scores over time."""

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

Floats = npt.NDArray[np.float64]

# Beyond four deviations a normal curve weighs less than 1 in 2,900 of its peak.
_REACH_IN_SIGMAS = 4.0


def filter_mean(row_offset: npt.NDArray[np.int64], scores: npt.NDArray[Any], width: int) -> npt.NDArray[Any]:
    """Return the mean of each score over the rows around it, within its video.

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
    reach = min(width // 2, _longest_reach(row_offset))
    return filter_window(row_offset, scores, np.ones(2 * reach + 1))


def filter_gaussian(row_offset: npt.NDArray[np.int64], scores: npt.NDArray[Any], sigma: float) -> npt.NDArray[Any]:
    """Return the average of each score over the rows around it by a normal curve, within its video.

    Parameters
    ----------
    row_offset, scores
        As in `filter_mean`.
    sigma
        The curve's deviation in rows; it is cut off beyond four of them. At the ends of a video, and beside a row with
        a NaN, the shares of the remaining ones are scaled to sum 1.

    Returns
    -------
    (N, K) of the scores' dtype.

    Examples
    --------
    >>> smooth = filter_gaussian(np.array([0, 3]), np.array([[0.0], [1.0], [0.0]]), 0.5)
    >>> smooth.round(3).tolist()
    [[0.119], [0.787], [0.119]]
    """
    reach = int(min(_REACH_IN_SIGMAS * sigma + 0.5, _longest_reach(row_offset)))
    distance = np.arange(-reach, reach + 1) / sigma
    return filter_window(row_offset, scores, np.exp(-0.5 * distance * distance))


def _longest_reach(row_offset: npt.NDArray[np.int64]) -> int:
    # A wider window sees no more rows, and would only cost memory.
    return int(np.diff(row_offset).max(initial=0))


@njit(cache=True, nogil=True)
def filter_window(row_offset: npt.NDArray[np.int64], scores: npt.NDArray[Any], window: Floats) -> npt.NDArray[Any]:
    """Return the average of each score over the rows around it, each with its share, within its video.

    Sums are taken anew for each row in float64: no error is carried along, so equal windows give equal averages.

    Parameters
    ----------
    row_offset, scores
        As in `filter_mean`.
    window
        float64 (W,), W odd, positive: the share of each row around the one in the middle.

    Returns
    -------
    (N, K) of the scores' dtype.
    """
    smooth = np.empty_like(scores)
    undefined = _find_undefined_rows(scores)
    total = np.empty(scores.shape[1], np.float64)
    reach = len(window) // 2
    for video in range(len(row_offset) - 1):
        low, high = row_offset[video], row_offset[video + 1]
        for row in range(low, high):
            if undefined[row]:
                smooth[row] = scores[row]
                continue
            total[:] = 0.0
            shares = 0.0
            for other in range(max(low, row - reach), min(high, row + reach + 1)):
                if not undefined[other]:
                    share = window[other - row + reach]
                    shares += share
                    for column in range(len(total)):
                        total[column] += share * scores[other, column]
            for column in range(len(total)):
                smooth[row, column] = total[column] / shares
    return smooth


@njit(cache=True, nogil=True)
def _find_undefined_rows(scores: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    undefined = np.zeros(scores.shape[0], np.bool_)
    for row in range(scores.shape[0]):
        for column in range(scores.shape[1]):
            value = scores[row, column]
            undefined[row] |= value != value
    return undefined
