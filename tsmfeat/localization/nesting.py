"""Runs of several thresholds become one list."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from tsmfeat.kernels.runs import Runs


def nest_runs(found: Sequence[Runs]) -> tuple[Runs, npt.NDArray[np.int64]]:
    """Join the runs of several thresholds, each stretch of a label once.

    Parameters
    ----------
    found
        The runs of each threshold, one or more.

    Returns
    -------
    runs
        By video, then first row, then last row, then label.
    level
        int64 (R,): the first place in `found` that holds the run.

    Examples
    --------
    >>> from tsmfeat.kernels.runs import find_threshold_runs
    >>> rows = np.array([[0.4, 0.6], [0.9, 0.1]])
    >>> runs, level = nest_runs([find_threshold_runs(np.array([0, 2]), rows, 1, t, 0) for t in (0.3, 0.5, 0.8)])
    >>> runs.first_row.tolist(), runs.last_row.tolist(), level.tolist()
    ([0, 1], [2, 2], [0, 1])
    """
    level = np.repeat(np.arange(len(found)), [len(runs.label) for runs in found])
    runs = _join(found)
    order = np.lexsort((level, runs.label, runs.last_row, runs.first_row))
    new = np.ones(len(order), np.bool_)
    new[1:] = False
    for values in (runs.first_row, runs.last_row, runs.label):
        new[1:] |= np.diff(values[order]) != 0
    kept = order[new]
    return _take(runs, kept), level[kept]


def _join(found: Sequence[Runs]) -> Runs:
    return Runs(
        np.concatenate([runs.video for runs in found]),
        np.concatenate([runs.label for runs in found]),
        np.concatenate([runs.first_row for runs in found]),
        np.concatenate([runs.last_row for runs in found]),
        np.concatenate([runs.score for runs in found]),
    )


def _take(runs: Runs, rows: npt.NDArray[np.int64]) -> Runs:
    return Runs(runs.video[rows], runs.label[rows], runs.first_row[rows], runs.last_row[rows], runs.score[rows])
