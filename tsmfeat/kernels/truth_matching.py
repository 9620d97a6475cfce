"""Matching led by the truth, as in the THUMOS14 devkit, and the detections it forgives."""

import numpy as np
import numpy.typing as npt
from numba import njit

from tsmfeat.kernels.pair_tious import BESIDE_THRESHOLD, MatchRule, pair_tiou
from tsmfeat.kernels.ranking import Pieces, Ranking, take_pieces

Indexes = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bits = npt.NDArray[np.uint64]

_NONE = -1


def match_truths(ranking: Ranking, truth_offset: Indexes, truths: Pieces, rule: MatchRule) -> tuple[Bits, int]:
    """Let each truth take the detection of its video and class that overlaps it most, in the order of the truths.

    For each threshold by itself a truth takes, among the detections no earlier truth has taken, the one with the
    highest tIoU, of equal ones the first in rank, if that tIoU is not below the threshold. Scores play no other part.

    Parameters
    ----------
    ranking, truth_offset, truths, rule
        As in `tsmfeat.kernels.matching.match_detections`. For the hull, no end may lie before its start.

    Returns
    -------
    hits
        uint64 (P,): bit t is set where the detection is a true positive at threshold t.
    num_at_threshold
        Pairs of a detection and a truth whose tIoU lies within 1e-9 of a threshold.

    Notes
    -----
    The rules are those of ``TH14eventdetpr.m`` of the THUMOS14 development kit.
    """
    hits = np.zeros(len(ranking.rows), np.uint64)
    detections = take_pieces(ranking.pieces, ranking.order)
    return hits, _match_by_truth(ranking.offset, detections, truth_offset, truths, rule, hits)


def touch_segments(detections: Pieces, others: Pieces) -> npt.NDArray[np.bool_]:
    """Return which detections overlap a segment of their video by any length.

    Parameters
    ----------
    detections
        P segments; a negative video has no others.
    others
        Segments by video. No end may lie before its start.

    Examples
    --------
    >>> one, other = np.zeros(2, np.int32), np.zeros(1, np.int32)
    >>> detections = Pieces(one, np.array([0.0, 5.0]), np.array([4.0, 9.0]))
    >>> touch_segments(detections, Pieces(other, np.array([4.0]), np.array([6.0]))).tolist()
    [False, True]
    """
    touched = np.zeros(len(detections.video), np.bool_)
    if len(others.video):
        bounds = np.searchsorted(others.video, np.arange(int(others.video.max()) + 2))
        _touch(detections, others, bounds, touched)
    return touched


@njit(cache=True, nogil=True)
def _touch(detections: Pieces, others: Pieces, bounds: Indexes, touched: npt.NDArray[np.bool_]) -> None:
    for place in range(len(touched)):
        video = detections.video[place]
        if video < 0 or video >= len(bounds) - 1:
            continue
        for other in range(bounds[video], bounds[video + 1]):
            inner = min(detections.end[place], others.end[other]) - max(detections.start[place], others.start[other])
            if inner > 0.0:
                touched[place] = True
                break


@njit(cache=True, nogil=True)
def _match_by_truth(
    offset: Indexes, detections: Pieces, truth_offset: Indexes, truths: Pieces, rule: MatchRule, hits: Bits
) -> int:
    num_videos = 0
    for video in truths.video:
        num_videos = max(num_videos, video + 1)
    chains = np.full(num_videos, _NONE, np.int64), np.empty(len(hits), np.int64)
    leaders = np.empty(len(rule.thresholds), np.int64), np.empty(len(rule.thresholds))
    num_at_threshold = 0
    for group in range(len(truth_offset) - 1):
        _link_detections(detections.video, offset[group], offset[group + 1], chains)
        for truth in range(truth_offset[group], truth_offset[group + 1]):
            piece = truths.start[truth], truths.end[truth]
            first = chains[0][truths.video[truth]]
            num_at_threshold += _take_best(detections, (first, chains[1]), piece, rule, leaders, hits)
    return num_at_threshold


@njit(cache=True, nogil=True)
def _link_detections(video: npt.NDArray[np.int32], low: int, high: int, chains: tuple[Indexes, Indexes]) -> None:
    """Make the detections of a class a chain a video, in rank order."""
    head, following = chains
    head[:] = _NONE
    for place in range(high - 1, low - 1, -1):
        if 0 <= video[place] < len(head):
            following[place] = head[video[place]]
            head[video[place]] = place


@njit(cache=True, nogil=True)
def _take_best(
    detections: Pieces,
    chain: tuple[int, Indexes],
    truth: tuple[float, float],
    rule: MatchRule,
    leaders: tuple[Indexes, Floats],
    hits: Bits,
) -> int:
    best, most = leaders
    best[:] = _NONE
    most[:] = -1.0
    num_at_threshold = 0
    place, following = chain
    while place != _NONE:
        piece = detections.start[place], detections.end[place]
        tiou = pair_tiou(piece, truth, rule)
        num_at_threshold += _offer(place, tiou, hits[place], rule.thresholds, leaders)
        place = following[place]
    for t in range(len(best)):
        if best[t] != _NONE and most[t] >= rule.thresholds[t]:
            hits[best[t]] |= np.uint64(1) << np.uint64(t)
    return num_at_threshold


@njit(cache=True, nogil=True)
def _offer(place: int, tiou: float, taken: np.uint64, thresholds: Floats, leaders: tuple[Indexes, Floats]) -> int:
    """Make the detection the best one at each threshold where it is free and better; 1 if it is beside a threshold."""
    best, most = leaders
    is_near = False
    for t in range(len(thresholds)):
        is_near |= abs(tiou - thresholds[t]) <= BESIDE_THRESHOLD
        if tiou > most[t] and not (taken >> np.uint64(t)) & np.uint64(1):
            best[t], most[t] = place, tiou
    return 1 if is_near else 0
