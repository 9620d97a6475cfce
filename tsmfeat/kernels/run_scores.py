"""The mean score of a run, beside the largest that finding it gives."""

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from tsmfeat.kernels.runs import Runs


@njit(cache=True, nogil=True)
def average_runs(runs: Runs, scores: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Return the mean score of each run's label over its rows, bridged ones among them.

    Parameters
    ----------
    runs
        Their `label`, `first_row` and `last_row` are read.
    scores
        float32 or float64 (N, K); NaN are left out.

    Returns
    -------
    float64 (R,): NaN where every score is.

    Examples
    --------
    >>> from tsmfeat.kernels.runs import find_argmax_runs
    >>> two = np.array([[0.75, 0.25], [1.0, 0.0], [0.0, 1.0]])
    >>> average_runs(find_argmax_runs(np.array([0, 3]), two, 1, 0), two).tolist()
    [0.875]
    """
    means = np.empty(len(runs.label), np.float64)
    for run in range(len(means)):
        total, count = 0.0, 0
        for row in range(runs.first_row[run], runs.last_row[run]):
            score = scores[row, runs.label[run]]
            if score == score:
                total += score
                count += 1
        means[run] = total / count if count else np.nan
    return means
