"""Ranking and greedy matching of detections to ground truth, as in the ActivityNet evaluator.

One pass serves every tIoU threshold: each truth keeps one lock bit a threshold in a uint64.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

MAX_THRESHOLDS = 64
"""One bit of a uint64 each."""

_BESIDE_THRESHOLD = 1e-9

Floats = npt.NDArray[np.float64]
Indexes = npt.NDArray[np.int64]
Bits = npt.NDArray[np.uint64]


class Ranking(NamedTuple):
    """Rows of detections, class after class, each class by decreasing score.

    Attributes
    ----------
    rows
        int64 (P,): row numbers; those of unknown classes come last.
    offset
        int64 (K + 2,): class k owns ``rows[offset[k]:offset[k + 1]]``; place K is the unknown ones.
    num_tied
        Detections of known classes whose score equals another's of the same class.
    """

    rows: Indexes
    offset: Indexes
    num_tied: int


class Pieces(NamedTuple):
    """Segments as plain arrays: video int32 (N,), start and end float64 (N,) in seconds."""

    video: npt.NDArray[np.int32]
    start: Floats
    end: Floats


class MatchRule(NamedTuple):
    """What a match is.

    Attributes
    ----------
    thresholds
        float64 (T,), T from 1 to 64, in any order; a match needs tIoU >= threshold.
    undefined_matches
        Whether a tIoU of 0 / 0 passes every threshold, as in the official code, where ``nan < threshold`` is false.
        Otherwise the tIoU is 0 wherever the union is not positive.
    """

    thresholds: Floats
    undefined_matches: bool


def rank_detections(label: npt.NDArray[np.int32], score: Floats, num_classes: int) -> Ranking:
    """Order detections by class, then decreasing score, then row; NaN scores rank first.

    Parameters
    ----------
    label
        int32 (P,): class of each detection, `num_classes` where it is unknown.
    score
        float64 (P,).
    num_classes
        K.

    Returns
    -------
    Ranking
        The rows in order.

    Notes
    -----
    numpy's default sort leaves equal scores in any order, but is several times faster than its stable one; the pass
    that deals the rows out to their classes puts runs of equal scores back in row order.

    Examples
    --------
    >>> ranking = rank_detections(np.array([0, 1, 0, 0], np.int32), np.array([.5, .1, .9, .5]), 2)
    >>> ranking.rows.tolist(), ranking.offset.tolist(), ranking.num_tied
    ([2, 0, 3, 1], [0, 3, 4, 4], 2)
    """
    offset = np.zeros(num_classes + 2, np.int64)
    np.cumsum(np.bincount(label, minlength=num_classes + 1), out=offset[1:])
    rows = np.empty(len(label), np.int64)  # by numpy, which asks the system for large pages, as numba does not
    num_tied = _deal_to_classes(np.argsort(score), label, score, offset, rows)
    return Ranking(rows, offset, int(num_tied))


@njit(cache=True, nogil=True)
def _deal_to_classes(
    ascending: Indexes, label: npt.NDArray[np.int32], score: Floats, offset: Indexes, rows: Indexes
) -> int:
    num_groups = len(offset) - 1
    cursor = offset[:-1].copy()
    run_start = offset[:-1].copy()
    run_score = np.zeros(num_groups)
    run_in_order = np.ones(num_groups, np.bool_)
    num_tied = 0
    for place in range(len(ascending) - 1, -1, -1):
        # Unsigned indexes spare numba the question whether they count from the end.
        row = ascending[np.uintp(place)]
        group = np.uintp(label[np.uintp(row)])
        value = score[np.uintp(row)]
        begin, end = run_start[group], cursor[group]
        if end > begin and _same_score(value, run_score[group]):
            if label[np.uintp(row)] < num_groups - 1:
                num_tied += 2 if end == begin + 1 else 1
            run_in_order[group] &= row > rows[end - 1]
        else:
            if not run_in_order[group]:
                rows[begin:end].sort()
            run_start[group], run_score[group], run_in_order[group] = end, value, True
        rows[np.uintp(end)] = row
        cursor[group] = end + 1
    for last in range(num_groups):
        if not run_in_order[last]:
            rows[run_start[last] : cursor[last]].sort()
    return num_tied


@njit(cache=True, nogil=True)
def _same_score(one: float, other: float) -> bool:
    return one == other or (np.isnan(one) and np.isnan(other))


def match_detections(
    offset: Indexes, detections: Pieces, truth_offset: Indexes, truths: Pieces, rule: MatchRule
) -> tuple[Bits, int]:
    """Decide for each detection at which thresholds it is a true positive.

    A detection looks at the truths of its video and class by decreasing tIoU, of equal ones the later first. For each
    threshold by itself it stops as a false positive at the first truth below the threshold, passes over truths already
    taken at that threshold, and takes the first other one.

    Parameters
    ----------
    offset
        int64 (at least K + 1,): class k owns the detections ``offset[k]:offset[k + 1]``.
    detections
        P segments by class, within a class in rank order; the video is -1 where no truth knows it.
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
    hits = np.zeros(len(detections.video), np.uint64)
    return hits, _match_in_order(offset, detections, truth_offset, truths, rule, hits)


@njit(cache=True, nogil=True)
def _match_in_order(
    offset: Indexes, detections: Pieces, truth_offset: Indexes, truths: Pieces, rule: MatchRule, hits: Bits
) -> int:
    locks = np.zeros(len(truths.video), np.uint64)
    tious = np.empty(len(truths.video), np.float64)
    # Where the truths of the class at hand lie for each video. Filled and emptied class by class: no table of classes
    # times videos is needed.
    num_videos = 0
    for video in truths.video:
        num_videos = max(num_videos, video + 1)
    first = np.zeros(num_videos, np.int64)
    beyond = np.zeros(num_videos, np.int64)
    lowest = 1.0
    bits = np.empty(len(rule.thresholds), np.uint64)
    for t in range(len(bits)):
        lowest = min(lowest, rule.thresholds[t] - _BESIDE_THRESHOLD)
        bits[t] = np.uint64(1) << np.uint64(t)
    num_at_threshold = 0
    for group in range(len(truth_offset) - 1):
        _point_to_truths(truths.video, truth_offset[group], truth_offset[group + 1], first, beyond)
        for place in range(offset[group], offset[group + 1]):
            video = detections.video[place]
            if video < 0 or video >= num_videos or beyond[video] == 0:
                continue
            span = (first[video], beyond[video])
            piece = (detections.start[place], detections.end[place])
            best = _fill_tious(tious, truths, span, piece, rule.undefined_matches)
            if tious[best] >= lowest:
                num_at_threshold += _count_at_threshold(tious, span, rule.thresholds, lowest)
                hits[place] = _take_truths(tious, locks, span, best, rule.thresholds, bits)
        for truth in range(truth_offset[group], truth_offset[group + 1]):
            beyond[truths.video[truth]] = 0
    return num_at_threshold


@njit(cache=True, nogil=True)
def _point_to_truths(video: npt.NDArray[np.int32], low: int, high: int, first: Indexes, beyond: Indexes) -> None:
    for truth in range(low, high):
        if beyond[video[truth]] == 0:
            first[video[truth]] = truth
        beyond[video[truth]] = truth + 1


@njit(cache=True, nogil=True)
def _fill_tious(
    tious: Floats, truths: Pieces, span: tuple[int, int], piece: tuple[float, float], undefined_matches: bool
) -> int:
    start, end = piece
    best = span[0]
    for truth in range(span[0], span[1]):
        truth_start, truth_end = truths.start[truth], truths.end[truth]
        inner = (end if end < truth_end else truth_end) - (start if start > truth_start else truth_start)
        if not inner > 0.0:
            inner = 0.0
        union = (truth_end - truth_start) + (end - start) - inner
        if union > 0.0:
            tious[truth] = inner / union
        elif undefined_matches and not union < 0.0:
            # 0 / 0 or NaN: an ascending sort puts it last, its reversal first, and no comparison stops it.
            tious[truth] = np.inf
        else:
            tious[truth] = 0.0
        if tious[truth] >= tious[best]:
            best = truth
    return best


@njit(cache=True, nogil=True, inline="always")
def _count_at_threshold(tious: Floats, span: tuple[int, int], thresholds: Floats, lowest: float) -> int:
    count = 0
    for truth in range(span[0], span[1]):
        tiou = tious[np.uintp(truth)]
        if tiou >= lowest:
            # No early end: without it the processor compares several thresholds at a time.
            is_near = False
            for threshold in thresholds:
                is_near |= abs(tiou - threshold) <= _BESIDE_THRESHOLD
            count += is_near
    return count


@njit(cache=True, nogil=True, inline="always")
def _take_truths(
    tious: Floats, locks: Bits, span: tuple[int, int], best: int, thresholds: Floats, bits: Bits
) -> np.uint64:
    searching = ~np.uint64(0)
    taken: np.uint64 = np.uint64(0)
    for _ in range(span[0], span[1]):
        here = np.uintp(best)
        tiou, passed = tious[here], np.uint64(0)
        for t in range(len(thresholds)):
            passed |= bits[t] if tiou >= thresholds[t] else np.uint64(0)
        searching &= passed
        fresh = searching & ~locks[here]
        locks[here] |= fresh
        taken |= fresh
        searching &= ~fresh
        if searching == np.uint64(0):
            break
        # Every threshold is above -1: what has been looked at does not come up again before the others.
        tious[here] = -1.0
        best = _latest_of_largest(tious, span)
    return taken


@njit(cache=True, nogil=True)
def _latest_of_largest(values: Floats, span: tuple[int, int]) -> int:
    best = span[0]
    for place in range(span[0], span[1]):
        if values[place] >= values[best]:
            best = place
    return best
