"""Boundaries move off the grid, to where the scores of neighbouring intervals say that one label gives way."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from tsmfeat.kernels.runs import Runs

# In steps: a run of one interval whose boundaries both move inwards keeps some length.
_LARGEST_MOVE = 0.49

Floats = npt.NDArray[np.float64]
Scores = npt.NDArray[Any]
Indexes = npt.NDArray[np.int64]
Margin = Callable[[Indexes, Indexes], Floats]


def move_between_labels(
    row_offset: Indexes, scores: Scores, labels: npt.NDArray[np.int32], runs: Runs
) -> tuple[Floats, Floats]:
    """Return how far each start and end moves: to where the two labels that meet there score the same.

    The scores of an interval are taken to hold at its middle and to change linearly from one middle to the next. Both
    runs that meet at a boundary see the same two labels, so both move it to the same place: no overlap and no gap.

    Parameters
    ----------
    row_offset
        int64 (V + 1,).
    scores
        float32 or float64 (N, C + 1).
    labels
        int32 (N,): what each row was called, background among them.
    runs
        Of those labels.

    Returns
    -------
    start, end
        float64 (R,) in steps, at most 0.49 either way. 0 at the ends of a video, beside a NaN, and where the scores do
        not cross (a path or a bridged gap may call a row otherwise than its scores do).

    Examples
    --------
    >>> from tsmfeat.kernels.runs import find_argmax_runs
    >>> rows = np.array([[0.0, 1.0], [0.6, 0.4], [0.9, 0.1]])
    >>> found = find_argmax_runs(np.array([0, 3]), rows, 1, 0)
    >>> move_between_labels(np.array([0, 3]), rows, np.array([1, 0, 0], np.int32), found)[0].round(3).tolist()
    [0.333]
    """

    def margin(row: Indexes, outside: Indexes) -> Floats:
        with np.errstate(invalid="ignore"):  # logarithms of 0: infinity less infinity
            return _at(scores, row, runs.label) - _at(scores, row, labels[outside])

    return _move(row_offset, runs, margin)


def move_to_thresholds(row_offset: Indexes, scores: Scores, thresholds: Floats, runs: Runs) -> tuple[Floats, Floats]:
    """Return how far each start and end moves: to where the label's score crosses the run's threshold.

    Parameters
    ----------
    row_offset, scores, runs
        As in `move_between_labels`.
    thresholds
        float64 (R,): what each run's scores reach.

    Returns
    -------
    start, end
        As in `move_between_labels`.
    """

    def margin(row: Indexes, _: Indexes) -> Floats:
        return _at(scores, row, runs.label) - thresholds

    return _move(row_offset, runs, margin)


def _at(scores: Scores, row: Indexes, label: npt.NDArray[np.int32]) -> Floats:
    return np.asarray(scores[row, label], np.float64)


def _move(row_offset: Indexes, runs: Runs, margin: Margin) -> tuple[Floats, Floats]:
    first, last = runs.first_row, runs.last_row - 1
    # At the ends of a video the neighbour is the row itself: its margin does not change sign, so nothing moves.
    before = np.maximum(first - 1, row_offset[runs.video])
    after = np.minimum(last + 1, row_offset[runs.video + 1] - 1)
    # A margin that overflows is infinite, and moves nothing.
    with np.errstate(over="ignore"):
        start = _cross(margin(before, before), margin(first, before))
        end = _cross(margin(after, after), margin(last, after))
    return np.where(before < first, start, 0.0), np.where(after > last, -end, 0.0)


def _cross(outside: Floats, inside: Floats) -> Floats:
    finite = np.isfinite(outside) & np.isfinite(inside)
    crosses = finite & (outside <= 0) & (inside >= 0) & (outside < inside)
    share = np.full(len(outside), 0.5)
    # Halves: the difference of two finite numbers may overflow.
    half_outside, half_inside = outside[crosses] / 2, inside[crosses] / 2
    share[crosses] = half_outside / (half_outside - half_inside)
    move: Floats = np.clip(share - 0.5, -_LARGEST_MOVE, _LARGEST_MOVE)
    return move
