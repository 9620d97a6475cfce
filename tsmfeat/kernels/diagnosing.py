"""What a diagnosis of detections needs: which truth each one takes, which lies nearest, and AP of any selection."""

import numpy as np
import numpy.typing as npt
from numba import njit

from tsmfeat.kernels.overlap import tiou
from tsmfeat.kernels.ranking import Floats, Indexes, Pieces

States = npt.NDArray[np.int8]

HIT = 1
FALSE_ALARM = 0
LEFT_OUT = -1


@njit(cache=True, nogil=True)
def assign_truths(
    offset: Indexes, detections: Pieces, truth_offset: Indexes, truths: Pieces, thresholds: Floats
) -> npt.NDArray[np.int32]:
    """Name the truth that each detection takes at each threshold: the free one of largest tIoU, of equal ones the last.

    Parameters
    ----------
    offset, detections, truth_offset, truths
        As in `tsmfeat.kernels.matching.match_detections`.
    thresholds
        float64 (T,).

    Returns
    -------
    numpy.ndarray
        int32 (P, T): place among the truths, -1 where none is taken.
    """
    taken = np.zeros((len(truths.video), len(thresholds)), np.bool_)
    assigned = np.full((len(detections.video), len(thresholds)), -1, np.int32)
    num_videos = 0
    for video in truths.video:
        num_videos = max(num_videos, video + 1)
    first = np.zeros(num_videos, np.int64)
    beyond = np.zeros(num_videos, np.int64)
    for group in range(len(truth_offset) - 1):
        for truth in range(truth_offset[group], truth_offset[group + 1]):
            if beyond[truths.video[truth]] == 0:
                first[truths.video[truth]] = truth
            beyond[truths.video[truth]] = truth + 1
        for place in range(offset[group], offset[group + 1]):
            video = detections.video[place]
            if 0 <= video < num_videos and beyond[video] > 0:
                _take(assigned[place], taken, (first[video], beyond[video]), detections, place, truths, thresholds)
        for truth in range(truth_offset[group], truth_offset[group + 1]):
            beyond[truths.video[truth]] = 0
    return assigned


@njit(cache=True, nogil=True)
def _take(  # noqa: PLR0913 - a kernel's working set
    assigned: npt.NDArray[np.int32],
    taken: npt.NDArray[np.bool_],
    span: tuple[int, int],
    detections: Pieces,
    place: int,
    truths: Pieces,
    thresholds: Floats,
) -> None:
    best = np.zeros(len(thresholds))
    for truth in range(span[0], span[1]):
        overlap = tiou(detections.start[place], detections.end[place], truths.start[truth], truths.end[truth])
        for t in range(len(thresholds)):
            if overlap >= thresholds[t] and overlap >= best[t] and not taken[truth, t]:
                best[t] = overlap
                assigned[t] = truth
    for t in range(len(thresholds)):
        if assigned[t] >= 0:
            taken[assigned[t], t] = True


@njit(cache=True, nogil=True)
def find_nearest(detections: Pieces, video_offset: Indexes, truths: Pieces) -> tuple[Floats, Indexes]:
    """Find the truth of largest tIoU in the video of each detection, whatever its class; of equal ones the first.

    Parameters
    ----------
    detections
        P segments; the video is -1 outside the annotated ones.
    video_offset
        int64 (V + 1,): video v owns the truths ``video_offset[v]:video_offset[v + 1]``.
    truths
        G segments, video after video.

    Returns
    -------
    largest
        float64 (P,): tIoU with it, 0 in a video without truth.
    nearest
        int64 (P,): place of the truth, -1 in a video without truth.
    """
    largest = np.zeros(len(detections.video))
    nearest = np.full(len(detections.video), -1, np.int64)
    for place in range(len(detections.video)):
        video = detections.video[place]
        if video < 0:
            continue
        for truth in range(video_offset[video], video_offset[video + 1]):
            overlap = tiou(detections.start[place], detections.end[place], truths.start[truth], truths.end[truth])
            if nearest[place] < 0 or overlap > largest[place]:
                largest[place] = overlap
                nearest[place] = truth
    return largest, nearest


@njit(cache=True, nogil=True)
def state_precisions(state: States, offset: Indexes, num_truths: Indexes, num_usual: Floats) -> Floats:
    """Return average precision from the state of each detection, some of them left out.

    Parameters
    ----------
    state
        int8 (P, T): `HIT`, `FALSE_ALARM` or `LEFT_OUT`, ranked within each class.
    offset
        int64 (at least K + 1,): class k owns ``state[offset[k]:offset[k + 1]]``.
    num_truths
        int64 (K,): truths that could be hit.
    num_usual
        float64 (K,): truths that precision pretends there are. With as many as there are it is the usual precision;
        with one number for all classes, AP no longer depends on how common a class is (normalised AP).

    Returns
    -------
    numpy.ndarray
        float64 (K, T), NaN where a class has no truth.

    Notes
    -----
    Behind h hits and f false alarms, recall is ``r = h / num_truths`` and precision ``r * n / (r * n + f)`` with the
    n pretended truths: D. Hoiem, Y. Chodpathumwan and Q. Dai, Diagnosing Error in Object Detectors, 2012.

    Examples
    --------
    >>> state = np.array([[1], [0], [1]], np.int8)
    >>> state_precisions(state, np.array([0, 3]), np.array([2]), np.array([2.0])).round(4).tolist()
    [[0.8333]]
    >>> state_precisions(state, np.array([0, 3]), np.array([2]), np.array([1.0])).tolist()  # (1 + 1 / 2) / 2
    [[0.75]]
    """
    areas = np.zeros((len(num_truths), state.shape[1]))
    for group in range(len(num_truths)):
        begin, end = offset[group], offset[group + 1]
        for t in range(state.shape[1]):
            num_hits, num_false = 0, 0
            for place in range(begin, end):
                num_hits += state[place, t] == HIT
                num_false += state[place, t] == FALSE_ALARM
            ceiling = 0.0
            for place in range(end - 1, begin - 1, -1):
                if state[place, t] == HIT:
                    usual_hits = num_hits / num_truths[group] * num_usual[group]
                    ceiling = max(ceiling, usual_hits / (usual_hits + num_false))
                    areas[group, t] += ceiling
                    num_hits -= 1
                elif state[place, t] == FALSE_ALARM:
                    num_false -= 1
            areas[group, t] = areas[group, t] / num_truths[group] if num_truths[group] else np.nan
    return areas


@njit(cache=True, nogil=True)
def mark_precise(
    state: States, offset: Indexes, num_truths: Indexes, num_usual: Floats, least: float
) -> npt.NDArray[np.bool_]:
    """Mark the hits at whose rank normalised precision exceeds a least one: those behind are found too late to count.

    Parameters
    ----------
    state, offset, num_truths, num_usual
        As in `state_precisions`.
    least
        Precision that must be exceeded.

    Returns
    -------
    numpy.ndarray
        bool (P, T).
    """
    marked = np.zeros(state.shape, np.bool_)
    for group in range(len(num_truths)):
        for t in range(state.shape[1]):
            num_hits, num_false = 0, 0
            for place in range(offset[group], offset[group + 1]):
                num_hits += state[place, t] == HIT
                num_false += state[place, t] == FALSE_ALARM
                if state[place, t] == HIT:
                    usual_hits = num_hits / num_truths[group] * num_usual[group]
                    marked[place, t] = usual_hits / (usual_hits + num_false) > least
    return marked
