"""Suppression of segments that overlap better ones of their class, as the post-processing of detectors does it.

The rules are those of the 1-D NMS in happyharrycn/actionformer_release (`libs/utils/csrc/nms_cpu.cpp`), which OpenTAD
uses too, in float64. There, lengths grow by 1e-6 and everything is float32: a tIoU of exactly the threshold may fall on
either side.
"""

import math

import numpy as np
from numba import njit

from tsmfeat.kernels.ordering import Floats, Indexes
from tsmfeat.kernels.overlap import tiou
from tsmfeat.kernels.pools import Pool, rank_stretches, settle_stretch, weigh_rows
from tsmfeat.kernels.rows import Rows, empty_rows, first_rows


def suppress_hard(pool: Pool, weight: Floats, threshold: float) -> Rows:
    """Keep a segment unless a better kept one of its class and video overlaps it by the threshold or more.

    Parameters
    ----------
    pool
        Any scores.
    weight
        float64 (M,): a score counts times the weight of its model.
    threshold
        In 0..1, or infinite: all are kept. A tIoU equal to it suppresses; one of 0 never does.

    Returns
    -------
    Rows
        By (video, label, start, end). Of equal scores the earlier start goes first, then the earlier end: independent
        of the order of the input, and unchanged by a second pass with one weight of 1.

    Examples
    --------
    >>> from tsmfeat.kernels.pools import pool_segments
    >>> ids = np.zeros(2, np.int32)
    >>> pool = pool_segments(Rows(ids, ids, np.array([0.0, 2.0]), np.array([8.0, 10.0]), np.array([0.6, 0.7])), ids)
    >>> suppress_hard(pool, np.ones(1), 0.5).start.tolist()
    [2.0]
    """
    kept = empty_rows(len(pool.model))
    return first_rows(kept, suppress_all_hard(pool, weight, threshold, kept))


@njit(cache=True, nogil=True)
def suppress_all_hard(pool: Pool, weight: Floats, threshold: float, kept: Rows) -> int:
    """Do the work of `suppress_hard` in given room; return the number of kept segments."""
    scores = weigh_rows(pool, weight)
    order = rank_stretches(pool.offset, scores)
    survivors = np.empty(len(order), np.int64)
    count = 0
    for stretch in range(len(pool.offset) - 1):
        base = count
        for place in range(pool.offset[stretch], pool.offset[stretch + 1]):
            if not _is_suppressed(pool.rows, survivors, (base, count), order[place], threshold):
                survivors[count] = order[place]
                count += 1
        for at in range(base, count):
            _put_scored(kept, at, pool.rows, survivors[at], scores[survivors[at]])
        if count > base + 1:
            settle_stretch(kept, base, count)
    return count


@njit(cache=True, nogil=True, inline="always")
def _is_suppressed(rows: Rows, survivors: Indexes, span: tuple[int, int], row: int, threshold: float) -> bool:
    for at in range(span[0], span[1]):
        better = np.uintp(survivors[np.uintp(at)])
        overlap = tiou(rows.start[better], rows.end[better], rows.start[row], rows.end[row])
        if overlap >= threshold and overlap > 0.0:
            return True
    return False


def suppress_soft(pool: Pool, weight: Floats, sigma: float) -> Rows:
    """Weaken every segment by its overlap with the better ones of its class and video (Gaussian soft-NMS).

    Again and again the best of the remaining segments is settled, and the score of each other one is multiplied by
    ``exp(-tIoU² / sigma)`` (Bodla et al., ICCV 2017).

    Parameters
    ----------
    pool
        Scores >= 0.
    weight
        float64 (M,): a score counts times the weight of its model.
    sigma
        Above 0; the larger, the weaker.

    Returns
    -------
    Rows
        All, by (video, label, start, end). Of equal scores the earlier start goes first, then the earlier end:
        independent of the order of the input.

    Examples
    --------
    >>> from tsmfeat.kernels.pools import pool_segments
    >>> ids = np.zeros(2, np.int32)
    >>> pool = pool_segments(Rows(ids, ids, np.array([0.0, 2.0]), np.array([8.0, 10.0]), np.array([0.6, 0.7])), ids)
    >>> suppress_soft(pool, np.ones(1), 0.5).score.round(4).tolist()
    [0.2921, 0.7]
    """
    kept = empty_rows(len(pool.model))
    return first_rows(kept, suppress_all_soft(pool, weight, sigma, kept))


@njit(cache=True, nogil=True)
def suppress_all_soft(pool: Pool, weight: Floats, sigma: float, kept: Rows) -> int:
    """Do the work of `suppress_soft` in given room; return the number of segments."""
    scores = weigh_rows(pool, weight)
    is_settled = np.zeros(len(scores), np.bool_)
    for stretch in range(len(pool.offset) - 1):
        first, last = pool.offset[stretch], pool.offset[stretch + 1]
        for _ in range(first, last if last > first + 1 else first):
            best = _find_best(scores, is_settled, first, last)
            is_settled[best] = True
            _weaken(pool.rows, scores, is_settled, (first, best, last), sigma)
        for row in range(first, last):
            _put_scored(kept, row, pool.rows, row, scores[row])
        if last > first + 1:
            settle_stretch(kept, first, last)
    return len(scores)


@njit(cache=True, nogil=True, inline="always")
def _find_best(scores: Floats, is_settled: "np.ndarray[tuple[int], np.dtype[np.bool_]]", first: int, last: int) -> int:
    best = -1
    for row in range(first, last):
        if not is_settled[row] and (best < 0 or scores[row] > scores[best]):
            best = row
    return best


@njit(cache=True, nogil=True, inline="always")
def _weaken(
    rows: Rows,
    scores: Floats,
    is_settled: "np.ndarray[tuple[int], np.dtype[np.bool_]]",
    places: tuple[int, int, int],
    sigma: float,
) -> None:
    first, best, last = places
    for row in range(first, last):
        if not is_settled[row]:
            overlap = tiou(rows.start[best], rows.end[best], rows.start[row], rows.end[row])
            if overlap > 0.0:
                scores[row] *= math.exp(-overlap * overlap / sigma)


@njit(cache=True, nogil=True, inline="always")
def _put_scored(target: Rows, place: int, source: Rows, row: int, score: float) -> None:
    target.video[place], target.label[place] = source.video[row], source.label[row]
    target.start[place], target.end[place], target.score[place] = source.start[row], source.end[row], score
