"""The segments of all models in one pool, cut into stretches that nothing reaches across."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from tsmfeat.kernels.averages import order_segments
from tsmfeat.kernels.ordering import Floats, Indexes, sort_rows
from tsmfeat.kernels.rows import Rows

# Stretches up to this length are sorted by insertion: most are.
SHORT = 32

Owners = npt.NDArray[np.int32]


class Pool(NamedTuple):
    """Segments of several models.

    Attributes
    ----------
    rows
        Sorted by (video, label, start, end); equal ones of several models stay beside each other.
    model
        int32 (N,): whose each row is.
    offset
        int64 (S + 1,): stretch s, rows of one video and class that touch, is ``offset[s]:offset[s + 1]``. Segments of
        two stretches do not overlap.
    """

    rows: Rows
    model: Owners
    offset: Indexes


def pool_segments(rows: Rows, model: Owners) -> Pool:
    """Sort the segments of all models and find their stretches.

    Parameters
    ----------
    rows
        In any order; no NaN, start < end.
    model
        int32 (N,): whose each row is.

    Examples
    --------
    >>> same = np.zeros(3, np.int32)
    >>> rows = Rows(same, same, np.array([4.0, 0.0, 1.0]), np.array([6.0, 2.0, 4.0]), np.ones(3))
    >>> pool_segments(rows, same).offset.tolist()
    [0, 2, 3]
    """
    order = order_segments(rows)
    video, label, start, end, score = rows
    ordered = Rows(video[order], label[order], start[order], end[order], score[order])
    return Pool(ordered, model[order], find_stretches(ordered))


@njit(cache=True, nogil=True)
def find_stretches(rows: Rows) -> Indexes:
    """Return where stretches of touching rows begin, int64 (S + 1,); rows by (video, label, start, end)."""
    offset = np.empty(len(rows.start) + 1, np.int64)
    count = 0
    until = -np.inf
    for row in range(len(rows.start)):
        before = row - 1
        if row == 0 or (
            rows.start[row] >= until or rows.label[row] != rows.label[before] or rows.video[row] != rows.video[before]
        ):
            offset[count] = row
            count += 1
            until = -np.inf
        until = max(until, rows.end[row])
    offset[count] = len(rows.start)
    return offset[: count + 1]


@njit(cache=True, nogil=True)
def weigh_rows(pool: Pool, weight: Floats) -> Floats:
    """Return the rows' scores times the weights of their models, float64 (N,)."""
    scores = np.empty(len(pool.model), np.float64)
    for row in range(len(scores)):
        scores[row] = pool.rows.score[row] * weight[pool.model[row]]
    return scores


@njit(cache=True, nogil=True)
def rank_stretches(offset: Indexes, scores: Floats) -> Indexes:
    """Return the row numbers, each stretch by falling score; equal scores stay in order, hence by (start, end)."""
    order = np.empty(len(scores), np.int64)
    falling, spare = np.empty(0, np.float64), np.empty(0, np.int64)
    for stretch in range(len(offset) - 1):
        first, last = offset[stretch], offset[stretch + 1]
        if last - first <= SHORT:
            insert_falling(order, first, last, scores)
            continue
        if len(falling) == 0:
            falling, spare = -scores, np.empty(len(scores), np.int64)
        for row in range(first, last):
            order[row] = row
        sort_rows(order, first, last, falling, falling, spare)
    return order


@njit(cache=True, nogil=True, inline="always")
def insert_falling(order: Indexes, first: int, last: int, scores: Floats) -> None:
    """Write the rows from first to last by falling score, equal ones in order: for few rows."""
    for row in range(first, last):
        score, hole = scores[np.uintp(row)], row
        while hole > first and scores[np.uintp(order[np.uintp(hole - 1)])] < score:
            order[np.uintp(hole)] = order[np.uintp(hole - 1)]
            hole -= 1
        order[np.uintp(hole)] = row


@njit(cache=True, nogil=True)
def settle_stretch(rows: Rows, first: int, last: int) -> None:
    """Sort a stretch in place by (start, end, falling score): nearly so already, hence by insertion."""
    start, end, score = rows.start, rows.end, rows.score
    for place in range(first + 1, last):
        low, high, best = start[place], end[place], score[place]
        hole = place
        while hole > first and (low, high, -best) < (start[hole - 1], end[hole - 1], -score[hole - 1]):
            start[hole], end[hole], score[hole] = start[hole - 1], end[hole - 1], score[hole - 1]
            hole -= 1
        start[hole], end[hole], score[hole] = low, high, best
