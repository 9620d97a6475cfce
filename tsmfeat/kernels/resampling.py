"""Average precision of resampled videos, from hits that were found once."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

Floats = npt.NDArray[np.float64]
Indexes = npt.NDArray[np.int64]
Bits = npt.NDArray[np.uint64]
Counts = npt.NDArray[np.uint16]


class RankedHits(NamedTuple):
    """Detections in rank order with what they hit, and the truths, class after class.

    Attributes
    ----------
    hits
        uint64 (P,): bit t is set where the detection is a true positive at threshold t.
    video
        int32 (P,): index of its video, -1 outside the annotated ones.
    offset
        int64 (at least K + 1,): class k owns the detections ``offset[k]:offset[k + 1]``.
    truth_video
        int32 (G,): video of each truth.
    truth_offset
        int64 (K + 1,): class k owns the truths ``truth_offset[k]:truth_offset[k + 1]``.
    """

    hits: Bits
    video: npt.NDArray[np.int32]
    offset: Indexes
    truth_video: npt.NDArray[np.int32]
    truth_offset: Indexes


@njit(cache=True, nogil=True)
def count_draws(drawn: Indexes, counts: Counts) -> None:
    """Count how often each place was drawn, row by row.

    Parameters
    ----------
    drawn
        int64 (B, n).
    counts
        uint16 (B, more than any place): raised by one for each draw.

    Examples
    --------
    >>> counts = np.zeros((1, 4), np.uint16)
    >>> count_draws(np.array([[2, 0, 2]]), counts)
    >>> counts.tolist()
    [[1, 0, 2, 0]]
    """
    for row in range(len(drawn)):
        for place in range(drawn.shape[1]):
            counts[row, drawn[row, place]] += np.uint16(1)


@njit(cache=True, nogil=True)
def resampled_precisions(ranked: RankedHits, counts: Counts, num_thresholds: int) -> Floats:
    """Return the average precision of each class at each threshold where each video stands several times.

    Parameters
    ----------
    ranked
        What one matching found. Matching stays within a video, so copies of a video hit what the video hits.
    counts
        uint16 (B, N + 1): how often each of the N videos stands in each resample; the last place counts the detections
        outside, whose video is -1.
    num_thresholds
        T, at most 64.

    Returns
    -------
    numpy.ndarray
        float64 (B, K, T); NaN for a class without truth in a resample.

    Notes
    -----
    The w copies of a detection have one score and stand side by side. Behind h hits in r places, the j-th copy of a hit
    has precision (h + j) / (r + j), which never falls as j grows because h <= r: the largest precision at or after any
    of the copies is that of the last one or one further down. So a hit adds w times that number, and the sweep of
    `tsmfeat.kernels.precision.average_precisions` from the last detection to the first holds with counts.

    Examples
    --------
    >>> hits, video = np.array([1, 0, 1], np.uint64), np.array([0, 1, 1], np.int32)
    >>> ranked = RankedHits(hits, video, np.array([0, 3]), np.array([0, 1], np.int32), np.array([0, 2]))
    >>> once, twice = [1, 1, 0], [0, 2, 0]  # twice video 1: hits 0 0 1 1, precision 1/3 and 2/4
    >>> resampled_precisions(ranked, np.array([once, twice], np.uint16), 1).ravel().round(4).tolist()
    [0.8333, 0.5]
    """
    num_classes = len(ranked.truth_offset) - 1
    areas = np.zeros((len(counts), num_classes, num_thresholds))
    num_hits = np.empty(num_thresholds, np.int64)
    ceiling = np.empty(num_thresholds)
    for group in range(num_classes):
        truths = ranked.truth_video[ranked.truth_offset[group] : ranked.truth_offset[group + 1]]
        for row in range(len(counts)):
            num_truths = 0
            for video in truths:
                num_truths += counts[row, video]
            if num_truths == 0:
                areas[row, group] = np.nan
            else:
                _add_area(ranked, group, counts[row], (num_hits, ceiling), areas[row, group])
                areas[row, group] /= num_truths
    return areas


@njit(cache=True, nogil=True)
def _add_area(ranked: RankedHits, group: int, count: Counts, room: tuple[Indexes, Floats], area: Floats) -> None:
    num_hits, ceiling = room
    begin, end = ranked.offset[group], ranked.offset[group + 1]
    num_hits[:] = 0
    ceiling[:] = 0.0
    rank = np.int64(0)
    for place in range(begin, end):
        copies = np.int64(count[ranked.video[place]])  # video -1 is the last place
        rank += copies
        bits = ranked.hits[place]
        for t in range(len(area) if bits else 0):
            num_hits[t] += copies * np.int64((bits >> np.uint64(t)) & np.uint64(1))
    for place in range(end - 1, begin - 1, -1):
        copies = np.int64(count[ranked.video[place]])
        bits = ranked.hits[place]
        for t in range(len(area) if bits and copies else 0):
            if (bits >> np.uint64(t)) & np.uint64(1):
                ceiling[t] = max(ceiling[t], num_hits[t] / rank)
                area[t] += copies * ceiling[t]
                num_hits[t] -= copies
        rank -= copies
