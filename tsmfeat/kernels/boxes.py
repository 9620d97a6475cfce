"""Weighted boxes fusion in one dimension: segments that overlap become their weighted average.

The rule is that of Solovyev, Wang and Gabruseva (Image and Vision Computing, 2021), as `weighted_boxes_fusion_1d` of
ZFTurbo/Weighted-Boxes-Fusion carries it out on line segments.
"""

import math

import numpy as np
from numba import njit

from tsmfeat.kernels.ordering import Floats
from tsmfeat.kernels.overlap import tiou
from tsmfeat.kernels.pools import Pool, rank_stretches, settle_stretch, weigh_rows
from tsmfeat.kernels.rows import Rows, empty_rows, first_rows

Rule = tuple[float, float]
"""The threshold, and the sum of all weights; 0 where a model without the segment is left out of the average."""


def average_boxes(pool: Pool, weight: Floats, threshold: float, absent_counts: bool) -> Rows:
    """Average segments that overlap, bounds and scores.

    Segments come by falling score × weight, equal ones by (start, end). Each joins the average so far that it overlaps
    most (the oldest of equals), if their tIoU exceeds the threshold, or begins one of its own. Bounds are averages
    weighted by score × weight.

    Parameters
    ----------
    pool
        Scores >= 0.
    weight
        float64 (M,): positive.
    threshold
        In 0..1, or infinite: nothing joins.
    absent_counts
        True: an average's score is ``sum(weight * score) / n * min(M, n) / sum(weights)`` over its n segments, so that
        a model without one counts as 0. False: ``sum(weight * score) / sum(weight)`` over its segments.

    Returns
    -------
    Rows
        By (video, label, start, end). Independent of the order of the input.

    Examples
    --------
    >>> from tsmfeat.kernels.pools import pool_segments
    >>> ids = np.zeros(2, np.int32)
    >>> pool = pool_segments(Rows(ids, ids, np.array([0.0, 2.0]), np.array([8.0, 10.0]), np.array([0.6, 0.2])),
    ...                      np.array([0, 1], np.int32))
    >>> one = average_boxes(pool, np.ones(2), 0.5, True)
    >>> one.start.tolist(), one.end.tolist(), one.score.tolist()
    ([0.5], [8.5], [0.4])
    """
    fused = empty_rows(len(pool.model))
    # fsum: the same whatever the order of the models.
    rule = (threshold, math.fsum(weight) if absent_counts else 0.0)
    return first_rows(fused, average_all_boxes(pool, weight, rule, fused))


@njit(cache=True, nogil=True)
def average_all_boxes(pool: Pool, weight: Floats, rule: Rule, fused: Rows) -> int:
    """Do the work of `average_boxes` in given room; return the number of averages."""
    rows, (threshold, total) = pool.rows, rule
    scores = weigh_rows(pool, weight)
    order = rank_stretches(pool.offset, scores)
    said, count = np.empty(len(order), np.float64), np.empty(len(order), np.int64)
    kept = 0
    for stretch in range(len(pool.offset) - 1):
        base = kept
        for place in range(pool.offset[stretch], pool.offset[stretch + 1]):
            # Unsigned indexes spare numba the question whether they count from the end.
            row = np.uintp(order[np.uintp(place)])
            bounds = (rows.start[row], rows.end[row])
            nearest = _find_nearest(fused, (base, kept), bounds, threshold)
            at = np.uintp(nearest if nearest >= 0 else kept)
            if nearest < 0:
                kept += 1
                fused.video[at], fused.label[at] = rows.video[row], rows.label[row]
                fused.start[at], fused.end[at], fused.score[at] = bounds[0], bounds[1], 0.0
                said[at], count[at] = 0.0, 0
            _join(fused, int(at), bounds, scores[row])
            said[at] += weight[np.uintp(pool.model[row])]
            count[at] += 1
        for mean in range(base, kept):
            # As many weights as segments count at least, whoever said them.
            divisor = total * max(1.0, count[mean] / len(weight)) if total > 0.0 else said[mean]
            fused.score[mean] = fused.score[mean] / divisor
        if kept > base + 1:
            settle_stretch(fused, base, kept)
    return kept


@njit(cache=True, nogil=True, inline="always")
def _find_nearest(fused: Rows, span: tuple[int, int], bounds: tuple[float, float], threshold: float) -> int:
    nearest, most = -1, threshold
    for place in range(span[0], span[1]):
        here = np.uintp(place)
        overlap = tiou(fused.start[here], fused.end[here], bounds[0], bounds[1])
        if overlap > most:
            nearest, most = place, overlap
    return nearest


@njit(cache=True, nogil=True, inline="always")
def _join(fused: Rows, at: int, bounds: tuple[float, float], score: float) -> None:
    """Move an average towards a segment by its part of the mass, which keeps equal bounds exactly as they are."""
    fused.score[at] += score
    if score > 0.0:  # a score of 0 moves nothing, and where all are 0 the first bounds stay
        part = score / fused.score[at]
        fused.start[at] += (bounds[0] - fused.start[at]) * part
        fused.end[at] += (bounds[1] - fused.end[at]) * part
