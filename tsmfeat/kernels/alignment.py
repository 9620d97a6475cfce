"""Segments that models share, found once and weighed again and again."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from tsmfeat.kernels.averages import is_same_segment, order_segments
from tsmfeat.kernels.ordering import Floats, Indexes
from tsmfeat.kernels.pools import Owners, Pool, find_stretches
from tsmfeat.kernels.rows import Rows, empty_rows, first_rows


class Alignment(NamedTuple):
    """Segments that differ in video, label, start or end, and what each model says of them.

    Attributes
    ----------
    rows
        K segments by (video, label, start, end); their scores mean nothing.
    score
        float64 (K, M): the highest score the model gives; 0 where it lacks the segment.
    is_said
        bool (K, M): whether the model has the segment.
    """

    rows: Rows
    score: npt.NDArray[np.float64]
    is_said: npt.NDArray[np.bool_]


def align_segments(rows: Rows, model: Owners, num_models: int) -> Alignment:
    """Find the segments that models share.

    Parameters
    ----------
    rows
        In any order within a model; no NaN.
    model
        int32 (N,): the model of each row, never falling.
    num_models
        M.

    Examples
    --------
    >>> same = np.zeros(2, np.int32)
    >>> rows = Rows(same, same, np.zeros(2), np.ones(2), np.array([0.8, 0.6]))
    >>> align_segments(rows, np.array([0, 1], np.int32), 2).score.tolist()
    [[0.8, 0.6]]
    """
    room = empty_rows(len(model))
    score, is_said = np.zeros((len(model), num_models)), np.zeros((len(model), num_models), np.bool_)
    count = _align_in_order(rows, order_segments(rows), model, Alignment(room, score, is_said))
    return Alignment(first_rows(room, count), score[:count], is_said[:count])


@njit(cache=True, nogil=True)
def _align_in_order(rows: Rows, order: Indexes, model: Owners, found: Alignment) -> int:
    kept = -1
    for place in range(len(order)):
        row = order[place]
        if place == 0 or not is_same_segment(rows, order[place - 1], row):
            kept += 1
            _put_bounds(found.rows, kept, rows, row)
        speaker, score = model[row], rows.score[row]
        if not found.is_said[kept, speaker] or score > found.score[kept, speaker]:
            found.score[kept, speaker], found.is_said[kept, speaker] = score, True
    return kept + 1


@njit(cache=True, nogil=True)
def weigh_alignment(found: Alignment, weight: Floats, absent_counts: bool, averages: Rows) -> int:
    """Average the models' scores as `tsmfeat.kernels.averages.average_segments` does, to the same bits.

    Parameters
    ----------
    found
        The aligned segments.
    weight
        float64 (M,): >= 0, not all 0; what only models of weight 0 say is left out.
    absent_counts
        Whether a model without the segment counts as a score of 0; otherwise it is left out of the average.
    averages
        Written to; as long as the aligned rows.

    Returns
    -------
    int
        The averages' number.
    """
    total = weight.sum()
    kept = 0
    for row in range(len(found.score)):
        voiced = said = 0.0
        for model in range(len(weight)):
            voiced += weight[model] * found.score[row, model]
            if found.is_said[row, model]:
                said += weight[model]
        if said > 0.0:
            _put_bounds(averages, kept, found.rows, row)
            averages.score[kept] = voiced / (total if absent_counts else said)
            kept += 1
    return kept


@njit(cache=True, nogil=True)
def weigh_scores(found: Alignment, weight: Floats, absent_counts: bool, scores: Floats) -> None:
    """Write the averages of `weigh_alignment` alone, one an aligned segment.

    Parameters
    ----------
    found
        The aligned segments.
    weight
        float64 (M,): positive.
    absent_counts
        Whether a model without the segment counts as a score of 0; otherwise it is left out of the average.
    scores
        float64 (K,): written to.
    """
    total = weight.sum()
    for row in range(len(scores)):
        # Unsigned indexes spare numba the question whether they count from the end.
        here = np.uintp(row)
        voiced = said = 0.0
        for number in range(len(weight)):
            model = np.uintp(number)
            voiced += weight[model] * found.score[here, model]
            said += weight[model] if found.is_said[here, model] else 0.0
        scores[here] = voiced / (total if absent_counts else said)


@njit(cache=True, nogil=True)
def select_voices(pool: Pool, weight: Floats) -> Pool:
    """Return a pool without the models of weight 0; the others keep their numbers."""
    count = 0
    for row in range(len(pool.model)):
        count += weight[pool.model[row]] > 0.0
    chosen = np.empty(count, np.int64)
    count = 0
    for row in range(len(pool.model)):
        if weight[pool.model[row]] > 0.0:
            chosen[count] = row
            count += 1
    rows = pool.rows
    kept = Rows(rows.video[chosen], rows.label[chosen], rows.start[chosen], rows.end[chosen], rows.score[chosen])
    return Pool(kept, pool.model[chosen], find_stretches(kept))


@njit(cache=True, nogil=True, inline="always")
def _put_bounds(target: Rows, place: int, source: Rows, row: int) -> None:
    # Unsigned indexes spare numba the question whether they count from the end.
    here, there = np.uintp(place), np.uintp(row)
    target.video[here], target.label[here] = source.video[there], source.label[there]
    target.start[here], target.end[here] = source.start[there], source.end[there]
