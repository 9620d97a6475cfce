"""Average precision of resampled videos under every rule, where `tsmfeat.kernels.resampling` knows the usual one."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from tsmfeat.kernels.hit_precision import MEAN_AT_TP, VOC_11
from tsmfeat.kernels.resampling import Counts, Floats, Indexes, RankedHits

Flags = npt.NDArray[np.bool_]

_NUM_POINTS = 11


class Exceptions(NamedTuple):
    """Detections that count or rank in ways of their own.

    Attributes
    ----------
    is_forgiven
        bool (P,): counts at no threshold where it is no hit.
    is_tied
        bool (P,): shares its rank with the one before it, and hits go first among them.
    """

    is_forgiven: Flags
    is_tied: Flags


class _Room(NamedTuple):
    """Precision behind the last copy of each hit, and hits up to there."""

    precision: Floats
    num_hits: Indexes


@njit(cache=True, nogil=True)
def resampled_summaries(ranked: RankedHits, exceptions: Exceptions, counts: Counts, shape: tuple[int, int]) -> Floats:
    """Return the average precision of each class at each threshold where each video stands several times.

    Parameters
    ----------
    ranked, counts
        As in `tsmfeat.kernels.resampling.resampled_precisions`.
    exceptions
        Detections that are forgiven, or tied.
    shape
        T, at most 64, and the rule (`tsmfeat.kernels.hit_precision`).

    Returns
    -------
    numpy.ndarray
        float64 (B, K, T); NaN for a class without truth in a resample.

    Notes
    -----
    The copies of a hit are one step where precision is made monotone, for it rises from copy to copy. Where precision
    counts as it is, each copy adds its own.

    Examples
    --------
    >>> none = np.zeros(3, np.bool_)
    >>> hits, video = np.array([1, 0, 1], np.uint64), np.array([0, 1, 1], np.int32)
    >>> ranked = RankedHits(hits, video, np.array([0, 3]), np.array([0, 1], np.int32), np.array([0, 2]))
    >>> twice = np.array([[0, 2, 0]], np.uint16)  # twice video 1: hits 0 0 1 1, precision 1/3 and 2/4, of two truths
    >>> resampled_summaries(ranked, Exceptions(none, none), twice, (1, MEAN_AT_TP)).ravel().round(4).tolist()
    [0.4167]
    """
    num_thresholds, rule = shape
    num_classes = len(ranked.truth_offset) - 1
    areas = np.zeros((len(counts), num_classes, num_thresholds))
    largest = 0
    for group in range(num_classes):
        largest = max(largest, ranked.offset[group + 1] - ranked.offset[group])
    room = _Room(np.empty(largest), np.empty(largest, np.int64))
    for group in range(num_classes):
        truths = ranked.truth_video[ranked.truth_offset[group] : ranked.truth_offset[group + 1]]
        for row in range(len(counts)):
            num_truths = 0
            for video in truths:
                num_truths += counts[row, video]
            for t in range(num_thresholds):
                if num_truths == 0:
                    areas[row, group, t] = np.nan
                    continue
                span = ranked.offset[group], ranked.offset[group + 1]
                size, plain = _list_steps(ranked, exceptions, counts[row], (span[0], span[1], t), room)
                areas[row, group, t] = plain / num_truths if rule == MEAN_AT_TP else _area(room, size, num_truths, rule)
    return areas


@njit(cache=True, nogil=True)
def _list_steps(
    ranked: RankedHits, exceptions: Exceptions, count: Counts, where: tuple[int, int, int], room: _Room
) -> tuple[int, float]:
    """Fill the room in rank order; return the number of steps, and the sum of precision over all copies of hits."""
    place, end, t = where
    size, num_hits, rank, total = 0, np.int64(0), np.int64(0), 0.0
    while place < end:
        num_passed, run_end = np.int64(0), place
        while run_end < end and (run_end == place or exceptions.is_tied[run_end]):
            copies = np.int64(count[ranked.video[run_end]])
            if (ranked.hits[run_end] >> np.uint64(t)) & np.uint64(1):
                for copy in range(1, copies + 1):
                    total += (num_hits + copy) / (rank + copy)
                num_hits += copies
                rank += copies
                if copies:
                    room.precision[size] = num_hits / rank
                    room.num_hits[size] = num_hits
                    size += 1
            elif not exceptions.is_forgiven[run_end]:
                num_passed += copies
            run_end += 1
        rank += num_passed
        place = run_end
    return size, total


@njit(cache=True, nogil=True)
def _area(room: _Room, size: int, num_truths: int, rule: int) -> float:
    precision, num_hits = room.precision, room.num_hits
    for step in range(size - 2, -1, -1):
        precision[step] = max(precision[step], precision[step + 1])
    area = 0.0
    if rule == VOC_11:
        step = 0
        for point in range(_NUM_POINTS):
            while step < size and num_hits[step] / num_truths < point * 0.1:
                step += 1
            if step < size:
                area += precision[step] / _NUM_POINTS
        return area
    for step in range(size):
        before = num_hits[step - 1] if step else 0
        area += (num_hits[step] - before) * precision[step]
    return area / num_truths
