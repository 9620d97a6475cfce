"""Greedy matching of ranked detections to ground truth, as in the ActivityNet evaluator.

One pass serves every tIoU threshold: each truth keeps one lock bit a threshold in a uint64.
"""

import numpy as np
import numpy.typing as npt
from numba import njit

from tsmfeat.kernels.pair_tious import BESIDE_THRESHOLD, MatchRule, pair_tiou
from tsmfeat.kernels.ranking import Pieces, Ranking

_AT_ONCE = 16
_OUT_OF_REACH = 4.0

Floats = npt.NDArray[np.float64]
Indexes = npt.NDArray[np.int64]
Bits = npt.NDArray[np.uint64]


def match_detections(ranking: Ranking, truth_offset: Indexes, truths: Pieces, rule: MatchRule) -> tuple[Bits, int]:
    """Decide for each detection at which thresholds it is a true positive.

    A detection looks at the truths of its video and class by decreasing tIoU, of equal ones the later first. For each
    threshold by itself it stops as a false positive at the first truth below the threshold, passes over truths already
    taken at that threshold, and takes the first other one.

    Parameters
    ----------
    ranking
        P detections.
    truth_offset
        int64 (K + 1,): class k owns the truths ``truth_offset[k]:truth_offset[k + 1]``.
    truths
        G segments by class, within a class by video, within a video in the order of their file.
    rule
        The thresholds, and what an undefined tIoU means.

    Returns
    -------
    hits
        uint64 (P,): bit t is set where the detection is a true positive at threshold t.
    num_at_threshold
        Pairs of a detection and a truth whose tIoU lies within 1e-9 of a threshold.

    Notes
    -----
    The rules are those of ``Evaluation/eval_detection.py`` in activitynet/ActivityNet. Truths that overlap a detection
    too little for every threshold are never sorted, and nothing is sorted for the others but the few that are passed
    over.
    """
    hits = np.zeros(len(ranking.rows), np.uint64)
    return hits, _match_in_order((ranking.offset, ranking.order), ranking.pieces, truth_offset, truths, rule, hits)


@njit(cache=True, nogil=True)
def _match_in_order(
    ranks: tuple[Indexes, Indexes],
    detections: Pieces,
    truth_offset: Indexes,
    truths: Pieces,
    rule: MatchRule,
    hits: Bits,
) -> int:
    offset, order = ranks
    # Of each truth: the thresholds it is taken at, those the detection at hand reaches, and the tIoU.
    room = np.zeros(len(truths.video), np.uint64), np.zeros(len(truths.video), np.uint64), np.empty(len(truths.video))
    num_videos, largest = 0, 0
    for video in truths.video:
        num_videos = max(num_videos, video + 1)
    for group in range(len(truth_offset) - 1):
        largest = max(largest, offset[group + 1] - offset[group])
    # Where the truths of the class at hand lie for each video, none for the last, which stands for all others. Filled
    # and emptied class by class: no table of classes times videos is needed.
    spans = np.zeros((num_videos + 1, 2), np.int32)
    places, is_near = np.empty(largest, np.int64), np.zeros(len(hits), np.bool_)
    lowest = rule.thresholds.min() - BESIDE_THRESHOLD
    ladder = _pad_thresholds(rule.thresholds)
    num_at_threshold = 0
    for group in range(len(truth_offset) - 1):
        _point_to_truths(truths.video, truth_offset[group], truth_offset[group + 1], spans)
        bounds = offset[group], offset[group + 1]
        _mark_near(bounds, detections, truths, spans, (rule, lowest), (places, is_near))
        count = _list_near(bounds, order, is_near, places)
        for place in places[:count]:
            at = np.uintp(order[place])
            video = detections.video[at]
            span: tuple[int, int] = (np.int64(spans[video, 0]), np.int64(spans[video, 1]))  # type: ignore[assignment]
            piece = (detections.start[at], detections.end[at])
            num_at_threshold += _reach_truths(truths, span, piece, (rule, lowest), ladder, room)
            hits[place] = _take_truths(span, room)
        for truth in range(truth_offset[group], truth_offset[group + 1]):
            spans[truths.video[truth], 1] = 0
    return num_at_threshold


@njit(cache=True, nogil=True)
def _point_to_truths(video: npt.NDArray[np.int32], low: int, high: int, spans: npt.NDArray[np.int32]) -> None:
    for truth in range(low, high):
        if spans[video[truth], 1] == 0:
            spans[video[truth], 0] = truth
        spans[video[truth], 1] = truth + 1


@njit(cache=True, nogil=True)
def _mark_near(
    bounds: tuple[int, int],
    detections: Pieces,
    truths: Pieces,
    spans: npt.NDArray[np.int32],
    floor: tuple[MatchRule, float],
    out: tuple[Indexes, npt.NDArray[np.bool_]],
) -> None:
    """Mark the detections of a class that reach the lowest threshold, in the order in which they lie in memory.

    Each place is written and the count moved on or not: the processor would guess a branch wrongly half the time.
    """
    rule, lowest = floor
    places, is_near = out
    nowhere = np.uintp(len(spans) - 1)
    count = 0
    for place in range(bounds[0], bounds[1]):
        video = np.uintp(detections.video[np.uintp(place)])  # -1 becomes the largest number of all
        places[np.uintp(count)] = place
        count += spans[video if video < nowhere else nowhere, 1] > 0
    for candidate in range(count):
        at = np.uintp(places[np.uintp(candidate)])
        video = np.uintp(detections.video[at])
        most = -1.0
        for truth in range(spans[video, 0], spans[video, 1]):
            one = np.uintp(truth)
            tiou = pair_tiou((detections.start[at], detections.end[at]), (truths.start[one], truths.end[one]), rule)
            most = tiou if tiou > most else most
        is_near[at] = most >= lowest


@njit(cache=True, nogil=True)
def _list_near(bounds: tuple[int, int], order: Indexes, is_near: npt.NDArray[np.bool_], places: Indexes) -> int:
    """List the ranks of marked detections and return how many there are."""
    count = 0
    for place in range(bounds[0], bounds[1]):
        places[np.uintp(count)] = place
        count += is_near[np.uintp(order[np.uintp(place)])]
    return count


@njit(cache=True, nogil=True)
def _pad_thresholds(thresholds: Floats) -> tuple[Floats, Bits]:
    """Return thresholds and their bits, with others that set none, so that a processor compares all of them at once."""
    count = -(-len(thresholds) // _AT_ONCE) * _AT_ONCE
    padded, bits = np.full(count, _OUT_OF_REACH), np.zeros(count, np.uint64)
    for t in range(len(thresholds)):
        padded[t], bits[t] = thresholds[t], np.uint64(1) << np.uint64(t)
    return padded, bits


@njit(cache=True, nogil=True, inline="always")
def _reach_truths(
    truths: Pieces,
    span: tuple[int, int],
    piece: tuple[float, float],
    floor: tuple[MatchRule, float],
    ladder: tuple[Floats, Bits],
    room: tuple[Bits, Bits, Floats],
) -> int:
    """Note the tIoU with each truth and the thresholds it reaches; return how many lie beside a threshold."""
    rule, lowest = floor
    thresholds, bits = ladder
    _, reached, tious = room
    num_near = 0
    for truth in range(span[0], span[1]):
        here = np.uintp(truth)
        tiou = pair_tiou(piece, (truths.start[here], truths.end[here]), rule)
        tious[here], reached[here] = tiou, np.uint64(0)
        if tiou >= lowest:
            passed, near = np.uint64(0), np.uint64(0)
            for t in range(len(thresholds)):
                passed |= bits[t] if tiou >= thresholds[t] else np.uint64(0)
                near |= np.uint64(1) if abs(tiou - thresholds[t]) <= BESIDE_THRESHOLD else np.uint64(0)
            reached[here] = passed
            num_near += int(near)
    return num_near


@njit(cache=True, nogil=True, inline="always")
def _take_truths(span: tuple[int, int], room: tuple[Bits, Bits, Floats]) -> np.uint64:
    locks, reached, tious = room
    searching = ~np.uint64(0)
    taken: np.uint64 = np.uint64(0)
    for _ in range(span[0], span[1]):
        best = span[0]
        for truth in range(span[0] + 1, span[1]):
            if tious[np.uintp(truth)] >= tious[np.uintp(best)]:
                best = truth
        here = np.uintp(best)
        searching &= reached[here]
        fresh = searching & ~locks[here]
        locks[here] |= fresh
        taken |= fresh
        searching &= ~fresh
        if searching == np.uint64(0):
            break
        # Every tIoU is above -1: what has been looked at does not come up again before the others.
        tious[here] = -1.0
    return taken
