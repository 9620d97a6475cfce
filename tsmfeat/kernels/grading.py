"""Average precision of fused segments again and again: what stays the same of the truth is prepared once.

Segments come sorted by video and label, so the greedy matching of a video and class needs no other order than its own,
and only the ranks within a class need a sort of all: of whole numbers, which numpy sorts several times faster.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from tsmfeat.kernels.ordering import Floats, Indexes, sort_rows
from tsmfeat.kernels.overlap import tiou
from tsmfeat.kernels.pools import SHORT, insert_falling
from tsmfeat.kernels.precision import average_precisions
from tsmfeat.kernels.rows import Rows

Bits = npt.NDArray[np.uint64]
Ids = npt.NDArray[np.int32]


class Truth(NamedTuple):
    """Ground truth in the numbering of the fused segments.

    Attributes
    ----------
    video, label
        int32 (G,): sorted by both, then in the order of the file; those of videos without segments are left out.
    start, end
        float64 (G,): seconds.
    class_of
        int64 (L,): the class of each label, -1 where it has no truth.
    fold_of
        int64 (V,): the fold of each video, from 0.
    num_truths
        int64 (F + 1, K): truths of each class, of all videos and then without those of each fold.
    thresholds
        float64 (T,), T <= 64.
    unit
        Units of the fused segments in a second.
    """

    video: Ids
    label: Ids
    start: Floats
    end: Floats
    class_of: Indexes
    fold_of: Indexes
    num_truths: Indexes
    thresholds: Floats
    unit: float


def grade_rows(rows: Rows, truth: Truth) -> Floats:
    """Return the mean average precision over classes and thresholds, of all videos and without each fold.

    The rules are those of `tsmfeat.metrics.average_precision.evaluate` under the protocol ``paper``: greedy matching
    with locks, equal scores in the order of the rows.

    Parameters
    ----------
    rows
        Sorted by (video, label, start, end); bounds in units of the truth.
    truth
        The truth.

    Returns
    -------
    float64 (F + 1,)
        NaN without a fold that holds all truth.
    """
    hits = np.zeros(len(rows.score), np.uint64)
    _match_groups(rows, truth, hits)
    row_bits = len(rows.score).bit_length()
    keys = np.empty(len(rows.score), np.uint64)
    num_ranked = _pack_keys(rows, truth, row_bits, keys)
    keys = keys[:num_ranked]
    keys.sort()
    return _measure_folds(_unpack_rows(keys, row_bits, rows), rows, hits, truth)


@njit(cache=True, nogil=True)
def _match_groups(rows: Rows, truth: Truth, hits: Bits) -> None:
    """Walk through rows and truths side by side; both are sorted by video and label."""
    order, falling = np.empty(len(hits), np.int64), np.empty(len(hits), np.float64)
    spare, locks = np.empty(len(hits), np.int64), np.zeros(len(truth.video), np.uint64)
    low = beyond = 0
    while low < len(truth.video):
        video, label = truth.video[low], truth.label[low]
        high = low + 1
        while high < len(truth.video) and truth.video[high] == video and truth.label[high] == label:
            high += 1
        first = beyond
        while first < len(hits) and (
            rows.video[first] < video or (rows.video[first] == video and rows.label[first] < label)
        ):
            first += 1
        beyond = first
        while beyond < len(hits) and rows.video[beyond] == video and rows.label[beyond] == label:
            beyond += 1
        if beyond - first <= SHORT:
            insert_falling(order, first, beyond, rows.score)
        else:
            for row in range(first, beyond):
                order[row], falling[row] = row, -rows.score[row]
            sort_rows(order, first, beyond, falling, falling, spare)
        for place in range(first, beyond):
            bounds = (rows.start[order[place]] / truth.unit, rows.end[order[place]] / truth.unit)
            hits[order[place]] = _take_truths(bounds, truth.start, truth.end, truth.thresholds, (low, high), locks)
        low = high


@njit(cache=True, nogil=True, inline="always")
def _take_truths(
    bounds: tuple[float, float], start: Floats, end: Floats, thresholds: Floats, span: tuple[int, int], locks: Bits
) -> np.uint64:
    """Lock for each threshold the free truth of the largest tIoU that reaches it; of equal ones the last."""
    taken = np.uint64(0)
    for t in range(len(thresholds)):
        bit = np.uint64(1) << np.uint64(t)
        best, most = -1, thresholds[t]
        for place in range(span[0], span[1]):
            overlap = tiou(start[place], end[place], bounds[0], bounds[1])
            if overlap >= most and not locks[place] & bit:
                best, most = place, overlap
        if best >= 0:
            locks[best] |= bit
            taken |= bit
    return taken


@njit(cache=True, nogil=True)
def _pack_keys(rows: Rows, truth: Truth, row_bits: int, keys: Bits) -> int:
    """Write class, falling score and row into one whole number a row; scores are cut to the bits that are left."""
    class_bits = 0
    while truth.num_truths.shape[1] >> class_bits:
        class_bits += 1
    cut = np.uint64(class_bits + row_bits)
    shift, sign = np.uint64(64 - class_bits), np.uint64(1) << np.uint64(63)
    bits = rows.score.view(np.uint64)
    count = 0
    for row in range(len(rows.score)):
        group = truth.class_of[rows.label[row]]
        if group >= 0:
            # The order of floats is that of their bits once the sign is turned over; falling: all turned over again.
            rising = ~bits[row] if bits[row] & sign else bits[row] | sign
            score = (~rising >> cut) << np.uint64(row_bits)
            keys[count] = (np.uint64(group) << shift) | score | np.uint64(row)
            count += 1
    return count


@njit(cache=True, nogil=True)
def _unpack_rows(keys: Bits, row_bits: int, rows: Rows) -> Indexes:
    """Return the rows of sorted keys; where scores were cut to the same bits, whole scores decide, then rows."""
    order, spare = np.empty(len(keys), np.int64), np.empty(len(keys), np.int64)
    mask, width = (np.uint64(1) << np.uint64(row_bits)) - np.uint64(1), np.uint64(row_bits)
    falling = -rows.score
    first = int(np.int64(0))  # a literal 0 would compile sort_rows twice
    is_mixed = False
    for place in range(len(keys)):
        order[place] = np.int64(keys[place] & mask)
        if place and keys[place] >> width == keys[place - 1] >> width:
            is_mixed |= falling[order[place]] != falling[order[place - 1]]
        else:
            if is_mixed:
                sort_rows(order, first, place, falling, falling, spare)
            first, is_mixed = place, False
    if is_mixed:
        sort_rows(order, first, len(keys), falling, falling, spare)
    return order


@njit(cache=True, nogil=True)
def _measure_folds(order: Indexes, rows: Rows, hits: Bits, truth: Truth) -> Floats:
    num_sets, num_classes = truth.num_truths.shape
    means = np.empty(num_sets, np.float64)
    ranked, offset = np.empty(len(order), np.uint64), np.zeros(num_classes + 1, np.int64)
    for number in range(num_sets):
        count = 0
        offset[:] = 0
        for row in order:
            if truth.fold_of[rows.video[row]] != number - 1:
                ranked[count] = hits[row]
                count += 1
                offset[truth.class_of[rows.label[row]] + 1] += 1
        for group in range(num_classes):
            offset[group + 1] += offset[group]
        means[number] = _mean_precision(ranked, offset, truth.num_truths[number], len(truth.thresholds))
    return means


@njit(cache=True, nogil=True)
def _mean_precision(hits: Bits, offset: Indexes, num_truths: Indexes, num_thresholds: int) -> float:
    total = count = 0.0
    areas = average_precisions(hits, offset, np.maximum(num_truths, 1), num_thresholds)
    for group in range(len(num_truths)):
        if num_truths[group] > 0:
            count += 1.0
            for t in range(num_thresholds):
                total += areas[group, t]
    return total / (count * num_thresholds) if count else np.nan
