"""Which truths one of the best detections of their video and class overlaps enough."""

import numpy as np
import numpy.typing as npt
from numba import njit

from tsmfeat.kernels.overlap import tiou
from tsmfeat.kernels.ranking import Pieces

Indexes = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@njit(cache=True, nogil=True)
def find_in_best(
    offset: Indexes, detections: Pieces, truth_offset: Indexes, truths: Pieces, best_of: Indexes, thresholds: Floats
) -> Flags:
    """Tell of each truth whether one of the best detections of its video and class overlaps it enough.

    Parameters
    ----------
    offset
        int64 (at least K + 1,): class k owns the detections ``offset[k]:offset[k + 1]``.
    detections
        Segments by class, within a class in rank order; the video is -1 where no truth knows it.
    truth_offset
        int64 (K + 1,): class k owns the truths ``truth_offset[k]:truth_offset[k + 1]``.
    truths
        G segments by class, within a class by video.
    best_of
        int64 (M,): as many times the truths of a video and class as detections are looked at there.
    thresholds
        float64 (T,).

    Returns
    -------
    bool (G, M, T)
    """
    num_videos = 0
    for video in truths.video:
        num_videos = max(num_videos, video + 1)
    # Where the truths of the class at hand lie for each video, and how many of its detections were seen: filled and
    # emptied class by class.
    first, count, seen = np.zeros(num_videos, np.int64), np.zeros(num_videos, np.int64), np.zeros(num_videos, np.int64)
    is_found = np.zeros((len(truths.video), len(best_of), len(thresholds)), np.bool_)
    for group in range(len(truth_offset) - 1):
        for truth in range(truth_offset[group + 1] - 1, truth_offset[group] - 1, -1):
            first[truths.video[truth]] = truth
            count[truths.video[truth]] += 1
        for place in range(offset[group], offset[group + 1]):
            video = detections.video[place]
            if 0 <= video < num_videos and count[video] > 0:
                piece = (detections.start[place], detections.end[place])
                best = np.searchsorted(best_of * count[video], seen[video], side="right")
                _mark(is_found, truths, (first[video], first[video] + count[video]), piece, best, thresholds)
                seen[video] += 1
        for truth in range(truth_offset[group], truth_offset[group + 1]):
            count[truths.video[truth]] = 0
            seen[truths.video[truth]] = 0
    return is_found


@njit(cache=True, nogil=True)
def _mark(
    is_found: Flags, truths: Pieces, span: tuple[int, int], piece: tuple[float, float], best: int, thresholds: Floats
) -> None:
    """Mark the truths of a span that a piece reaches, for the multiples from `best` on: they grow."""
    for truth in range(span[0], span[1]):
        overlap = tiou(piece[0], piece[1], truths.start[truth], truths.end[truth])
        for m in range(best, is_found.shape[1]):
            for t in range(len(thresholds)):
                is_found[truth, m, t] |= overlap >= thresholds[t]
