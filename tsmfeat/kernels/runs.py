"""Runs: maximal stretches of rows of one video that carry the same label."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from tsmfeat.kernels.ordering import sort_rows

Indexes = npt.NDArray[np.int64]
Labels = npt.NDArray[np.int32]
Scores = npt.NDArray[Any]  # float32 or float64


class Runs(NamedTuple):
    """Runs of many videos, one place of every array each.

    Attributes
    ----------
    video, label
        int32 (R,).
    first_row, last_row
        int64 (R,): the run owns rows ``first_row:last_row`` of the scores (not counted within the video).
    score
        float64 (R,): the largest score of the label over the rows that carry it.
    """

    video: Labels
    label: Labels
    first_row: Indexes
    last_row: Indexes
    score: npt.NDArray[np.float64]


def find_argmax_runs(row_offset: Indexes, scores: Scores, background: int, max_gap: int) -> Runs:
    """Return the runs of the best-scored label, in the order of the rows.

    The lowest column wins a tie. A row with any NaN counts as background. Background ends a run, unless at most
    `max_gap` background rows lie between two rows of one label; their scores are ignored.

    Parameters
    ----------
    row_offset
        int64 (V + 1,): video v owns rows ``row_offset[v]:row_offset[v + 1]``.
    scores
        float32 or float64 (N, C + 1).
    background
        The column of background.
    max_gap
        Background rows that may be bridged; 0 for none.

    Returns
    -------
    Runs

    Examples
    --------
    >>> two = np.array([[0.7, 0.3], [0.6, 0.4], [0.1, 0.9], [0.5, 0.5]])
    >>> found = find_argmax_runs(np.array([0, 4]), two, 1, 0)
    >>> found.first_row.tolist(), found.last_row.tolist(), found.score.tolist()
    ([0, 3], [2, 4], [0.7, 0.5])
    """
    labels, best = find_best_labels(scores, background)
    return find_label_runs(row_offset, labels, best, background, max_gap)


@njit(cache=True, nogil=True)
def find_best_labels(scores: Scores, background: int) -> tuple[Labels, Scores]:
    """Return the best column of each row (the lowest of equal ones) and its score.

    Parameters
    ----------
    scores
        float32 or float64 (N, K), K >= 1.
    background
        The label given to a row that holds a NaN.

    Returns
    -------
    labels
        int32 (N,).
    best
        (N,) of the scores' dtype; of no meaning in a row that holds a NaN.
    """
    labels = np.empty(scores.shape[0], np.int32)
    best = np.empty(scores.shape[0], scores.dtype)
    for row in range(scores.shape[0]):
        highest = scores[row, 0]
        label = 0
        undefined = highest != highest
        for column in range(1, scores.shape[1]):
            value = scores[row, column]
            undefined |= value != value
            if value > highest:
                highest = value
                label = column
        labels[row] = background if undefined else label
        best[row] = highest
    return labels, best


def find_label_runs(row_offset: Indexes, labels: Labels, scores: Scores, background: int, max_gap: int) -> Runs:
    """Return the runs of labels that are given with their scores.

    Parameters
    ----------
    row_offset
        int64 (V + 1,).
    labels
        int32 (N,).
    scores
        float32 or float64 (N,): the score of the row's label; a row whose score is NaN counts as background.
    background
        The label that belongs to no run.
    max_gap
        Background rows that may be bridged between two rows of one label; 0 for none.

    Returns
    -------
    Runs

    Examples
    --------
    >>> labels = np.array([2, 2, 0, 1], np.int32)
    >>> found = find_label_runs(np.array([0, 4]), labels, np.array([0.5, 0.75, 0.25, 0.875]), 0, 0)
    >>> found.label.tolist(), found.last_row.tolist(), found.score.tolist()
    ([2, 1], [2, 4], [0.75, 0.875])
    """
    runs = _allocate_runs(len(labels))
    num_runs = _fill_label_runs(row_offset, labels, scores, (background, max_gap), runs)
    return Runs(
        runs.video[:num_runs],
        runs.label[:num_runs],
        runs.first_row[:num_runs],
        runs.last_row[:num_runs],
        runs.score[:num_runs],
    )


@njit(cache=True, nogil=True)
def _fill_label_runs(row_offset: Indexes, labels: Labels, scores: Scores, rule: tuple[int, int], runs: Runs) -> int:
    """Write the runs to the front of `runs`; return their number.

    Where a run starts cannot be foreseen, so the loop has no branch that depends on it: the open run is written anew
    with every row, and a row of background goes to the place after it, where the next run will be. Unsigned indexes
    spare numba the question whether they count from the end. Three times faster than the obvious loop.
    """
    background, max_gap = rule
    place = np.int64(-1)
    for video in range(len(row_offset) - 1):
        before = place + 1
        label, reach, first = background, -1, 0
        best: float = -np.inf
        for row in range(row_offset[video], row_offset[video + 1]):
            mine = labels[np.uintp(row)]
            score: float = np.float64(scores[np.uintp(row)])
            acts = (mine != background) & (score == score)
            # Only background lies between the run and this row: any other action would have opened a run of its own.
            opens = acts & ((mine != label) | (row > reach))
            if not acts:
                score = -np.inf
            if opens:
                first, best = row, -np.inf
            best = max(best, score)
            if acts:
                label, reach = mine, row + 1 + max_gap
            place += np.int64(opens)
            at = np.uintp(place + np.int64(not acts))
            runs.label[at], runs.first_row[at], runs.last_row[at], runs.score[at] = mine, first, row + 1, best
        runs.video[before : place + 1] = video
    return int(place + 1)


def find_threshold_runs(
    row_offset: Indexes, scores: Scores, background: int, thresholds: npt.ArrayLike, max_gap: int
) -> Runs:
    """Return the runs of rows whose score reaches its class's threshold, each class on its own (multi-label).

    Parameters
    ----------
    row_offset
        int64 (V + 1,).
    scores
        float32 or float64 (N, C + 1); a NaN reaches no threshold.
    background
        A column to ignore.
    thresholds
        A number, or float64 (C + 1,): scores at or above it pass; give it in the scores' own dtype.
    max_gap
        Rows below the threshold that may be bridged within a class; 0 for none.

    Returns
    -------
    Runs
        By video, then first row, then last row, then class.

    Examples
    --------
    >>> three = np.array([[0.5, 0.3, 0.2], [0.4, 0.5, 0.1]])
    >>> found = find_threshold_runs(np.array([0, 2]), three, 2, 0.4, 0)
    >>> found.label.tolist(), found.first_row.tolist(), found.last_row.tolist()
    ([0, 1], [0, 1], [2, 2])
    """
    rule = (np.array(np.broadcast_to(thresholds, scores.shape[1:]), np.float64), max_gap)
    runs = _allocate_runs(_walk_threshold(row_offset, scores, background, rule, _allocate_runs(0)))
    _walk_threshold(row_offset, scores, background, rule, runs)
    return _sort_runs(runs)


@njit(cache=True, nogil=True)
def _sort_runs(runs: Runs) -> Runs:
    order = np.arange(len(runs.label))
    spare = np.empty_like(order)
    # Runs were numbered as they opened, hence by (video, first row, class): only equal first rows are left to order.
    low = int(np.int64(0))  # a literal 0 would compile sort_rows twice
    for place in range(1, len(order) + 1):
        if place == len(order) or runs.first_row[place] != runs.first_row[low]:
            sort_rows(order, low, place, runs.last_row, runs.last_row, spare)
            low = place
    return Runs(runs.video[order], runs.label[order], runs.first_row[order], runs.last_row[order], runs.score[order])


@njit(cache=True, nogil=True)
def _walk_threshold(
    row_offset: Indexes, scores: Scores, background: int, rule: tuple[npt.NDArray[np.float64], int], runs: Runs
) -> int:
    """Count the runs of each class; fill them where `runs` has room."""
    thresholds, max_gap = rule
    fill = len(runs.label) > 0
    num_runs = 0
    beyond = np.empty(scores.shape[1], np.int64)
    run_of = np.zeros(scores.shape[1], np.int64)
    for video in range(len(row_offset) - 1):
        beyond[:] = -1
        for row in range(row_offset[video], row_offset[video + 1]):
            for label in range(scores.shape[1]):
                score = scores[row, label]
                if label == background or not score >= thresholds[label]:
                    continue
                if beyond[label] < 0 or row - beyond[label] > max_gap:
                    run_of[label] = num_runs
                    num_runs += 1
                    if fill:
                        _open_run(runs, run_of[label], (video, label, row), score)
                beyond[label] = row + 1
                if fill:
                    place = run_of[label]
                    runs.last_row[place] = row + 1
                    runs.score[place] = max(runs.score[place], score)
    return num_runs


def _allocate_runs(count: int) -> Runs:
    # By numpy, which asks the system for large pages, as numba does not; those no run is written to are never touched.
    return Runs(
        np.empty(count, np.int32),
        np.empty(count, np.int32),
        np.empty(count, np.int64),
        np.empty(count, np.int64),
        np.empty(count, np.float64),
    )


@njit(cache=True, nogil=True, inline="always")
def _open_run(runs: Runs, place: int, what: tuple[int, int, int], score: float) -> None:
    runs.video[place] = what[0]
    runs.label[place] = what[1]
    runs.first_row[place] = what[2]
    runs.score[place] = score
