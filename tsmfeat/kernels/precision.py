"""Average precision from the true-positive bits of ranked detections."""

import numpy as np
import numpy.typing as npt
from numba import njit

Indexes = npt.NDArray[np.int64]
Bits = npt.NDArray[np.uint64]


@njit(cache=True, nogil=True)
def average_precisions(
    hits: Bits, offset: Indexes, num_truths: Indexes, num_thresholds: int
) -> npt.NDArray[np.float64]:
    """Return the all-point interpolated average precision of each class at each threshold.

    The area under precision over recall, precision made monotone from the right. Recall rises by ``1 / num_truths`` at
    each true positive and nowhere else, so the area is the sum over true positives of the largest precision at or after
    them, divided by the number of truths: one sweep from the last detection to the first.

    Parameters
    ----------
    hits
        uint64 (P,): bit t is set where the detection is a true positive at threshold t; ranked within each class.
    offset
        int64 (at least K + 1,): class k owns ``hits[offset[k]:offset[k + 1]]``.
    num_truths
        int64 (K,): truths of each class, at least 1.
    num_thresholds
        T, at most 64.

    Returns
    -------
    numpy.ndarray
        float64 (K, T), from 0 to 1.

    Examples
    --------
    >>> hits = np.array([1, 0, 1], np.uint64)
    >>> average_precisions(hits, np.array([0, 3]), np.array([2]), 1).tolist()  # (1 + 2/3) / 2
    [[0.8333333333333333]]
    """
    areas = np.zeros((len(num_truths), num_thresholds))
    num_hits = np.empty(num_thresholds, np.int64)
    ceiling = np.empty(num_thresholds)
    for group in range(len(num_truths)):
        begin, end = offset[group], offset[group + 1]
        for t in range(num_thresholds):
            num_hits[t] = 0
            ceiling[t] = 0.0
        for place in range(begin, end):
            _add_bits(hits[place], num_hits)
        for place in range(end - 1, begin - 1, -1):
            bits = hits[place]
            for t in range(num_thresholds if bits else 0):
                if _is_set(bits, t):
                    ceiling[t] = max(ceiling[t], num_hits[t] / (place - begin + 1))
                    areas[group, t] += ceiling[t]
                    num_hits[t] -= 1
        for t in range(num_thresholds):
            areas[group, t] /= num_truths[group]
    return areas


@njit(cache=True, nogil=True)
def _is_set(bits: np.uint64, t: int) -> bool:
    return bool((bits >> np.uint64(t)) & np.uint64(1))


@njit(cache=True, nogil=True)
def _add_bits(bits: np.uint64, counts: Indexes) -> None:
    for t in range(len(counts) if bits else 0):
        if _is_set(bits, t):
            counts[t] += 1
