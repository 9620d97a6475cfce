"""Rows of probabilities, tilted by a factor a class while one class keeps its share."""

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

_LEAST_LEFT = 1e-200


@njit(cache=True, nogil=True)
def tilt_rows(
    row_offset: npt.NDArray[np.int64], scores: npt.NDArray[Any], factors: npt.NDArray[np.float64]
) -> npt.NDArray[Any]:
    """Multiply each row by the factors of its video, then scale it so that its sum stays; the last column is kept.

    Parameters
    ----------
    row_offset
        int64 (V + 1,): video v owns rows ``row_offset[v]:row_offset[v + 1]``.
    scores
        float32 or float64 (N, C + 1), 0 or more. A row with any NaN stays as it is, and so does one of which the
        factors would leave nothing to speak of.
    factors
        float64 (V, C), 0 or more.

    Returns
    -------
    (N, C + 1) of the scores' dtype: the same bits where all factors are 1.

    Examples
    --------
    >>> tilt_rows(np.array([0, 1]), np.array([[0.25, 0.25, 0.5]]), np.array([[3.0, 1.0]])).tolist()
    [[0.375, 0.125, 0.5]]
    """
    tilted = scores.copy()
    last = scores.shape[1] - 1
    for video in range(len(row_offset) - 1):
        for row in range(row_offset[video], row_offset[video + 1]):
            before = 0.0
            after = 0.0
            for column in range(last):
                before += np.float64(scores[row, column])
                after += np.float64(scores[row, column]) * factors[video, column]
            # False for NaN too; less than that could not be scaled back.
            if after > before * _LEAST_LEFT and scores[row, last] == scores[row, last]:
                scale = before / after
                for column in range(last):
                    tilted[row, column] = np.float64(scores[row, column]) * factors[video, column] * scale
    return tilted
