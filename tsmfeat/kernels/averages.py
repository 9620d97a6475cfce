"""Weighted averages of segments that several models share."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from tsmfeat.kernels.ordering import Floats, Indexes, count_order, sort_rows
from tsmfeat.kernels.unions import Rows


class Voices(NamedTuple):
    """Who says what, and how much it counts.

    Attributes
    ----------
    model
        int32 (N,): the model of each row, never falling.
    weight
        float64 (M,): positive.
    """

    model: npt.NDArray[np.int32]
    weight: Floats


@njit(cache=True, nogil=True)
def average_segments(rows: Rows, voices: Voices, absent_counts: bool) -> Rows:
    """Average the scores of rows with equal video, label, start and end over the models.

    A model that says one segment several times counts with its highest score.

    Parameters
    ----------
    rows
        In any order within a model; no NaN.
    voices
        The model of each row, and the weights.
    absent_counts
        Whether a model without the segment counts as a score of 0; otherwise it is left out of the average.

    Returns
    -------
    Rows
        Sorted by (video, label, start, end), no two equal.

    Examples
    --------
    >>> same = np.zeros(2, np.int32)
    >>> rows = Rows(same, same, np.zeros(2), np.ones(2), np.array([0.8, 0.6]))
    >>> voices = Voices(np.array([0, 1], np.int32), np.array([3.0, 1.0]))
    >>> average_segments(rows, voices, True).score.round(9).tolist()
    [0.75]
    """
    order = order_segments(rows)
    averages = _empty_rows(len(order))
    total = voices.weight.sum()
    settled = voiced = weight = best = 0.0  # settled: the voices of the models before this one
    model = kept = -1
    for place in range(len(order)):
        row = order[place]
        if place == 0 or not _is_same_segment(rows, order[place - 1], row):
            kept += 1
            averages.video[kept], averages.label[kept] = rows.video[row], rows.label[row]
            averages.start[kept], averages.end[kept] = rows.start[row], rows.end[row]
            voiced, weight, model = 0.0, 0.0, -1
        if voices.model[row] == model:
            best = max(best, rows.score[row])
        else:
            model, best, settled = voices.model[row], rows.score[row], voiced
            weight += voices.weight[model]
        voiced = settled + voices.weight[model] * best
        averages.score[kept] = voiced / (total if absent_counts else weight)
    return _first_rows(averages, kept + 1)


@njit(cache=True, nogil=True)
def order_segments(rows: Rows) -> Indexes:
    """Return the row numbers by (video, label, start, end), equal rows in their own order.

    Parameters
    ----------
    rows
        No NaN.

    Returns
    -------
    int64 (N,)
    """
    order = count_order(count_order(np.arange(len(rows.start)), rows.label), rows.video)
    spare = np.empty_like(order)
    first = int(np.int64(0))  # a literal 0 would compile sort_rows twice
    for place in range(1, len(order) + 1):
        if place == len(order) or not _is_same_group(rows, order[first], order[place]):
            sort_rows(order, first, place, rows.start, rows.end, spare)
            first = place
    return order


@njit(cache=True, nogil=True, inline="always")
def _is_same_group(rows: Rows, one: int, other: int) -> bool:
    return bool(rows.video[one] == rows.video[other] and rows.label[one] == rows.label[other])


@njit(cache=True, nogil=True, inline="always")
def _is_same_segment(rows: Rows, one: int, other: int) -> bool:
    return bool(
        rows.start[one] == rows.start[other]
        and rows.end[one] == rows.end[other]
        and rows.label[one] == rows.label[other]
        and rows.video[one] == rows.video[other]
    )


@njit(cache=True, nogil=True)
def _empty_rows(count: int) -> Rows:
    return Rows(
        np.empty(count, np.int32),
        np.empty(count, np.int32),
        np.empty(count, np.float64),
        np.empty(count, np.float64),
        np.empty(count, np.float64),
    )


@njit(cache=True, nogil=True)
def _first_rows(rows: Rows, count: int) -> Rows:
    return Rows(rows.video[:count], rows.label[:count], rows.start[:count], rows.end[:count], rows.score[:count])
