"""Scores of a run other than the largest, which finding it gives."""

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
        total, count = _sum_rows(scores, runs.label[run], runs.first_row[run], runs.last_row[run])
        means[run] = total / count if count else np.nan
    return means


@njit(cache=True, nogil=True)
def contrast_runs(row_offset: npt.NDArray[np.int64], runs: Runs, scores: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Return how far each run's mean score stands out from the rows beside it, at least 0.

    On either side a quarter of the run's rows is looked at (rounded, one at least), as far as the video goes. A run
    that fills its video stands out from 0. (The outer-inner contrast of Shou et al., AutoLoc, ECCV 2018.)

    Parameters
    ----------
    row_offset
        int64 (V + 1,).
    runs
        Their `video`, `label`, `first_row` and `last_row` are read.
    scores
        float32 or float64 (N, K); NaN are left out.

    Returns
    -------
    float64 (R,): NaN where every score of the run is.

    Examples
    --------
    >>> from tsmfeat.kernels.runs import find_argmax_runs
    >>> rows = np.array([[0.25, 0.75], [0.75, 0.25], [1.0, 0.0], [0.0, 1.0]])
    >>> offset = np.array([0, 4])
    >>> contrast_runs(offset, find_argmax_runs(offset, rows, 1, 0), rows).tolist()
    [0.75]
    """
    contrast = np.empty(len(runs.label), np.float64)
    for run in range(len(contrast)):
        first, last, label = runs.first_row[run], runs.last_row[run], runs.label[run]
        flank = max(1, (last - first + 2) // 4)
        inside, num_inside = _sum_rows(scores, label, first, last)
        low, num_low = _sum_rows(scores, label, max(first - flank, row_offset[runs.video[run]]), first)
        high, num_high = _sum_rows(scores, label, last, min(last + flank, row_offset[runs.video[run] + 1]))
        beside = (low + high) / (num_low + num_high) if num_low + num_high else 0.0
        contrast[run] = max(inside / num_inside - beside, 0.0) if num_inside else np.nan
    return contrast


@njit(cache=True, nogil=True)
def _sum_rows(scores: npt.NDArray[Any], label: int, first: int, last: int) -> tuple[float, int]:
    total, count = 0.0, 0
    for row in range(first, last):
        score = scores[row, label]
        if score == score:
            total += score
            count += 1
    return total, count
