"""Average precision in every variant, from the precision at each true positive."""

import numpy as np
import numpy.typing as npt
from numba import njit

Indexes = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bits = npt.NDArray[np.uint64]
Flags = npt.NDArray[np.bool_]

VOC_ALL, VOC_11, MEAN_AT_TP = 0, 1, 2
"""What `summarize_hits` makes of precision at true positives."""

_NUM_POINTS = 11


@njit(cache=True, nogil=True)
def summarize_hits(
    hits: Bits, is_forgiven: Flags, is_tied: Flags, offset: Indexes, num_truths: Indexes, shape: tuple[int, int]
) -> Floats:
    """Return the average precision of each class at each threshold under one of three rules.

    Parameters
    ----------
    hits
        uint64 (P,): bit t is set where the detection is a true positive at threshold t; ranked within each class.
    is_forgiven
        bool (P,): detections that count at no threshold where they are no hit.
    is_tied
        bool (P,): where a detection's rank is shared with the one before it, hits go first among them. All false: the
        detections rank as they stand.
    offset
        int64 (at least K + 1,): class k owns ``hits[offset[k]:offset[k + 1]]``.
    num_truths
        int64 (K,): truths of each class, at least 1.
    shape
        T, at most 64, and the rule: `VOC_ALL`, `VOC_11` (recall 0, 0.1, ... 1, each ``i * 0.1`` in floating point), or
        `MEAN_AT_TP`.

    Returns
    -------
    numpy.ndarray
        float64 (K, T), from 0 to 1.

    Examples
    --------
    >>> hits, none, one = np.array([1, 0, 1], np.uint64), np.zeros(3, np.bool_), np.array([2])
    >>> summarize_hits(hits, none, none, np.array([0, 3]), one, (1, VOC_ALL)).tolist()  # (1 + 2/3) / 2
    [[0.8333333333333333]]
    """
    num_thresholds, rule = shape
    areas = np.zeros((len(num_truths), num_thresholds))
    largest = 0
    for group in range(len(num_truths)):
        largest = max(largest, offset[group + 1] - offset[group])
    precision = np.empty(largest)
    for group in range(len(num_truths)):
        span = offset[group], offset[group + 1]
        for t in range(num_thresholds):
            count = _list_precision(hits, is_forgiven, is_tied, span, np.uint64(t), precision)
            if rule != MEAN_AT_TP:
                for place in range(count - 2, -1, -1):
                    precision[place] = max(precision[place], precision[place + 1])
            if rule == VOC_11:
                areas[group, t] = _eleven_points(precision, count, num_truths[group])
            else:
                for place in range(count):
                    areas[group, t] += precision[place]
                areas[group, t] /= num_truths[group]
    return areas


@njit(cache=True, nogil=True)
def _list_precision(
    hits: Bits, is_forgiven: Flags, is_tied: Flags, span: tuple[int, int], t: np.uint64, precision: Floats
) -> int:
    """Write the precision at each hit in rank order and return how many there are."""
    count, rank, place = 0, 0, span[0]
    while place < span[1]:
        num_passed, run_end = 0, place
        while run_end < span[1] and (run_end == place or is_tied[run_end]):
            if (hits[run_end] >> t) & np.uint64(1):
                count += 1
                rank += 1
                precision[count - 1] = count / rank
            elif not is_forgiven[run_end]:
                num_passed += 1
            run_end += 1
        rank += num_passed
        place = run_end
    return count


@njit(cache=True, nogil=True)
def _eleven_points(ceiling: Floats, count: int, num_truths: int) -> float:
    total, found = 0.0, 0
    for point in range(_NUM_POINTS):
        while found < count and (found + 1) / num_truths < point * 0.1:
            found += 1
        if found < count:
            total += ceiling[found] / _NUM_POINTS
    return total
