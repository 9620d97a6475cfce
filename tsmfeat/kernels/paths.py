"""Paths: the labels of consecutive rows chosen together, where a change of label costs."""

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

Labels = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]


@njit(cache=True, nogil=True)
def find_best_paths(
    row_offset: npt.NDArray[np.int64], scores: npt.NDArray[Any], background: int, costs: Floats
) -> Labels:
    """Return the labels of largest total score less the costs of their changes, each video on its own (Viterbi).

    Of paths of equal total the one that ends in the lowest label is taken, and going back it rather stays than changes,
    and rather comes from a lower label. A row with any NaN says nothing and is called background; the path goes through
    it.

    Parameters
    ----------
    row_offset
        int64 (V + 1,): video v owns rows ``row_offset[v]:row_offset[v + 1]``.
    scores
        float32 or float64 (N, K).
    background
        The label of a row that holds a NaN.
    costs
        float64 (K, K): what it costs that label j follows label i, in place ``[i, j]``; a diagonal above 0 is what
        staying costs. Of shape (1, 1): the cost of any change, and staying is free, which is K times faster.

    Returns
    -------
    int32 (N,)

    Examples
    --------
    >>> rows = np.array([[0.9, 0.1], [0.4, 0.6], [0.9, 0.1]])
    >>> find_best_paths(np.array([0, 3]), rows, 1, np.array([[0.0]])).tolist()
    [0, 1, 0]
    >>> find_best_paths(np.array([0, 3]), rows, 1, np.array([[0.2]])).tolist()
    [0, 0, 0]
    """
    labels = np.empty(scores.shape[0], np.int32)
    num_labels = scores.shape[1]
    for video in range(len(row_offset) - 1):
        low, high = row_offset[video], row_offset[video + 1]
        source = np.empty((high - low, num_labels), np.int32)
        total = np.zeros(num_labels)
        before = np.zeros(num_labels)
        for row in range(low, high):
            total, before = before, total
            if row == low:
                total[:] = 0.0
            elif costs.shape[0] == num_labels and num_labels > 1:
                _move_by_table(before, costs, total, source[row - low])
            else:
                _move_by_one_cost(before, costs[0, 0], total, source[row - low])
            _add_row(scores[row], total)
        _trace_back(total, source, labels[low:high])
        _call_background(scores[low:high], background, labels[low:high])
    return labels


@njit(cache=True, nogil=True)
def _move_by_table(before: Floats, costs: Floats, total: Floats, source: Labels) -> None:
    for label in range(len(total)):
        source[label] = label
        total[label] = before[label] - costs[label, label]
        for other in range(len(total)):
            value = before[other] - costs[other, label]
            if value > total[label]:
                total[label] = value
                source[label] = other


@njit(cache=True, nogil=True)
def _move_by_one_cost(before: Floats, cost: float, total: Floats, source: Labels) -> None:
    best = 0
    for label in range(1, len(total)):
        if before[label] > before[best]:
            best = label
    changed = before[best] - cost
    for label in range(len(total)):
        stays = before[label] >= changed
        total[label] = before[label] if stays else changed
        source[label] = label if stays else best


@njit(cache=True, nogil=True)
def _add_row(scores: npt.NDArray[Any], total: Floats) -> None:
    undefined = False
    for label in range(len(total)):
        undefined |= scores[label] != scores[label]
    if not undefined:
        for label in range(len(total)):
            total[label] += scores[label]


@njit(cache=True, nogil=True)
def _trace_back(total: Floats, source: Labels, labels: Labels) -> None:
    label = 0
    for other in range(1, len(total)):
        if total[other] > total[label]:
            label = other
    for row in range(len(labels) - 1, -1, -1):
        labels[row] = label
        if row > 0:
            label = source[row, label]


@njit(cache=True, nogil=True)
def _call_background(scores: npt.NDArray[Any], background: int, labels: Labels) -> None:
    for row in range(len(labels)):
        for label in range(scores.shape[1]):
            if scores[row, label] != scores[row, label]:
                labels[row] = background
