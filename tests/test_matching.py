"""Ranking and greedy matching: by hand, and against the twin."""

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from naive_metrics import naive_hits, naive_rank

from tsmfeat.kernels.matching import match_detections
from tsmfeat.kernels.pair_tious import MAX_THRESHOLDS, MatchRule, pair_tiou
from tsmfeat.kernels.ranking import Detections, Pieces, Ranking, TieRule, rank_detections
from tsmfeat.kernels.repeats import mark_repeats
from tsmfeat.kernels.truth_matching import match_truths, touch_segments

SCORES = st.sampled_from([0.0, -0.0, 0.25, 0.5, 0.75, 1.0, math.inf, -math.inf, math.nan])
# A coarse grid: exact tIoUs, equal tIoUs, zero-length and reversed segments all happen often.
SPOT = st.integers(0, 8).map(lambda k: k * 0.5)
PIECE = st.tuples(st.integers(0, 2), SPOT, SPOT)


def pieces(rows):
    return Pieces(
        np.array([row[0] for row in rows], np.int32),
        np.array([row[1] for row in rows], np.float64),
        np.array([row[2] for row in rows], np.float64),
    )


def rank(label, score, num_classes, ties=TieRule()):  # noqa: B008
    label, score = np.asarray(label, np.int32), np.asarray(score, np.float64)
    video = np.arange(len(label), dtype=np.int32)
    classes = np.arange(num_classes + 1, dtype=np.int32)
    return rank_detections(Detections(label, video, score + 1, score + 2, score, classes, video), num_classes, ties)


def ranked(rows, counts=None):
    """A ranking of rows that stand in rank order, class by class."""
    offset = np.cumsum([0, *([len(rows)] if counts is None else counts), 0])
    places, none = np.arange(len(rows)), np.zeros(len(rows), np.bool_)
    return Ranking(places, offset, places, pieces(rows), none, 0)


def hits_of(detections, truths, thresholds, undefined_matches=False):
    """Match one class; rows of booleans, one column a threshold. Truths are sorted by video."""
    rule = MatchRule(np.array(thresholds, np.float64), undefined_matches)
    bits, _ = match_detections(ranked(detections), np.array([0, len(truths)]), pieces(truths), rule)
    return [[bool(int(word) >> t & 1) for t in range(len(thresholds))] for word in bits]


@given(st.lists(st.tuples(st.integers(0, 3), SCORES), max_size=40))
@example([(0, math.nan), (0, math.inf), (0, math.nan)])
@settings(max_examples=200, deadline=None)
def test_ranking_equals_a_stable_sort_of_each_class(rows):
    label = np.array([row[0] for row in rows], np.int32)
    score = np.array([row[1] for row in rows], np.float64)
    ranking = rank(label, score, 3)
    for group in range(4):
        own = np.flatnonzero(label == group)
        # Place 3 holds the unknown classes, which nobody ranks.
        expected = [int(own[k]) for k in naive_rank(score[own].tolist())] if group < 3 else own.tolist()
        assert ranking.rows[ranking.offset[group] : ranking.offset[group + 1]].tolist() == expected


@pytest.mark.parametrize("num_scores", [1, 2, 7])
def test_long_runs_of_equal_scores_keep_the_order_of_the_rows(num_scores):
    # Far beyond the sizes that numpy's default sort happens to leave stable.
    rng = np.random.default_rng(0)
    label = rng.integers(0, 2, 3000).astype(np.int32)
    score = rng.integers(0, num_scores, 3000) / 8
    ranking = rank(label, score, 2)
    expected = np.lexsort((np.arange(3000), -score, label))
    assert ranking.rows.tolist() == expected.tolist()
    assert ranking.num_tied == 3000


def test_tied_scores_are_counted_within_known_classes_only():
    label = np.array([0, 0, 0, 1, 2, 2], np.int32)
    score = np.array([0.5, 0.5, 0.5, 0.5, 0.5, 0.5])
    # Class 0 holds a run of three; class 1 a single row; class 2 is the unknown one.
    assert rank(label, score, 2).num_tied == 3


def test_no_detection_ranks_to_nothing():
    ranking = rank(np.empty(0, np.int32), np.empty(0), 2)
    assert (ranking.rows.tolist(), ranking.offset.tolist(), ranking.num_tied) == ([], [0, 0, 0, 0], 0)


def test_a_second_detection_of_one_truth_is_a_false_positive():
    assert hits_of([(0, 0, 10), (0, 0, 10)], [(0, 0, 10)], [0.5]) == [[True], [False]]


def test_a_taken_truth_is_passed_over_for_the_next_best():
    # Both detections fit [0, 20] best; the second falls through to [2, 20] with tIoU 18/20 = .9.
    detections = [(0, 0, 20), (0, 0, 20)]
    truths = [(0, 0, 20), (0, 2, 20)]
    assert hits_of(detections, truths, [0.5, 0.9, 0.95]) == [[True, True, True], [True, True, False]]


def test_locks_are_kept_for_each_threshold_by_itself():
    # The first detection takes [0, 10] at .5 only (tIoU .6), so at .75 the second still finds it free.
    detections = [(0, 0, 6), (0, 0, 8)]
    assert hits_of(detections, [(0, 0, 10)], [0.5, 0.75]) == [[True, False], [False, True]]


def test_of_equal_tious_the_later_truth_is_taken():
    # [10, 30] has tIoU 10/30 with both truths and takes the second; [22, 40] then finds only the first, at tIoU 0.
    truths = [(0, 0, 20), (0, 20, 40)]
    assert hits_of([(0, 10, 30), (0, 22, 40)], truths, [0.3]) == [[True], [False]]
    assert hits_of([(0, 10, 30), (0, 0, 18)], truths, [0.3]) == [[True], [True]]


def test_of_equal_tious_behind_a_taken_truth_the_later_is_taken():
    # The second [10, 30] finds its twin taken; of the two at tIoU 1/3 it takes [20, 40], and [0, 20] stays free.
    truths = [(0, 0, 20), (0, 20, 40), (0, 10, 30)]
    assert hits_of([(0, 10, 30), (0, 10, 30), (0, 22, 40)], truths, [0.3]) == [[True], [True], [False]]
    assert hits_of([(0, 10, 30), (0, 10, 30), (0, 0, 18)], truths, [0.3]) == [[True], [True], [True]]


def test_a_tiou_equal_to_the_threshold_matches():
    # 3/10 is the literal .3; numpy.linspace(.1, .5, 5)[2] is one ulp above it.
    assert hits_of([(0, 0, 3)], [(0, 0, 10)], [0.3, 0.30000000000000004]) == [[True, False]]


def test_thresholds_may_come_in_any_order():
    assert hits_of([(0, 0, 6)], [(0, 0, 10)], [0.75, 0.5, 0.95]) == [[False, True, False]]


def test_other_videos_and_unknown_ones_do_not_match():
    truths = [(1, 0, 10)]
    assert hits_of([(0, 0, 10), (-1, 0, 10), (5, 0, 10), (1, 0, 10)], truths, [0.5]) == [
        [False],
        [False],
        [False],
        [True],
    ]


def test_sixty_four_thresholds_have_a_bit_each():
    thresholds = [(k + 1) / MAX_THRESHOLDS for k in range(MAX_THRESHOLDS)]
    assert hits_of([(0, 0, 10)], [(0, 0, 10)], thresholds) == [[True] * 64]
    assert hits_of([(0, 0, 5)], [(0, 0, 10)], thresholds) == [[True] * 32 + [False] * 32]


def test_zero_over_zero_matches_only_where_the_official_slip_is_wanted():
    # gt [4, 8], detection [20, 16]: lengths 4 and -4, no overlap, tIoU 0/0.
    for detection, truth in [((0, 20, 16), (0, 4, 8)), ((0, 6, 6), (0, 4, 4))]:
        assert hits_of([detection], [truth], [0.5, 1.0], undefined_matches=True) == [[True, True]]
        assert hits_of([detection], [truth], [0.5, 1.0]) == [[False, False]]


def test_a_negative_union_never_matches():
    # gt [4, 8], detection [20, 10]: union 4 - 10 < 0.
    for undefined_matches in (False, True):
        assert hits_of([(0, 20, 10)], [(0, 4, 8)], [0.5], undefined_matches) == [[False]]


def test_pairs_on_a_threshold_are_counted_once():
    rule = MatchRule(np.array([0.5, 0.5 + 5e-10, 0.75]), False)
    detections = ranked([(0, 0, 5), (0, 0, 7), (0, 0, 7.5), (0, 0, 5 - 5e-9), (0, 0, 5 - 5e-8)])
    _, count = match_detections(detections, np.array([0, 1]), pieces([(0, 0, 10)]), rule)
    # tIoU .5 (beside two thresholds, counted once), .7, .75, .5 - 5e-10 (beside the lowest) and .5 - 5e-9 (too far).
    assert count == 3


def test_truths_of_one_class_are_invisible_to_the_next():
    rule = MatchRule(np.array([0.5]), False)
    detections = ranked([(0, 0, 10), (0, 0, 10), (1, 0, 10)], [1, 2])
    truths = pieces([(0, 0, 10), (1, 0, 10)])
    # Class 0: a truth in video 0; class 1: a truth in video 1.
    bits, _ = match_detections(detections, np.array([0, 1, 2]), truths, rule)
    assert bits.tolist() == [1, 0, 1]


@given(
    st.lists(PIECE, max_size=12),
    st.lists(PIECE, min_size=1, max_size=8),
    st.lists(st.sampled_from([0.1, 0.25, 0.3, 0.5, 0.75, 0.95, 1.0]), min_size=1, max_size=4),
    st.booleans(),
)
@settings(max_examples=300, deadline=None)
def test_matching_equals_the_twin(detections, truths, thresholds, undefined_matches):
    truths = sorted(truths, key=lambda row: row[0])
    found = hits_of(detections, truths, thresholds, undefined_matches)
    for t, threshold in enumerate(thresholds):
        expected = naive_hits(detections, truths, threshold, undefined_matches)
        assert [row[t] for row in found] == expected


# --- led by the truth -------------------------------------------------------------------------------------------------


def hits_by_truth(detections, truths, thresholds):
    rule = MatchRule(np.array(thresholds, np.float64), False, is_hull=True)
    bits, near = match_truths(ranked(detections), np.array([0, len(truths)]), pieces(truths), rule)
    return [[bool(int(word) >> t & 1) for t in range(len(thresholds))] for word in bits], near


def test_a_truth_takes_the_best_detection_whatever_its_rank():
    # The first in rank has tIoU .5, the second .9: the truth takes the second, and the first stays free for no one.
    assert hits_by_truth([(0, 0, 5), (0, 0, 9)], [(0, 0, 10)], [0.4]) == ([[False], [True]], 0)


def test_an_earlier_truth_takes_what_a_later_one_fits_better():
    # Both truths overlap the only detection; the first in the file has it, though the second equals it.
    found, near = hits_by_truth([(0, 2, 10)], [(0, 0, 10), (0, 2, 10)], [0.5, 0.8, 0.9])
    assert (found, near) == ([[True, True, True]], 1)  # at .9 the first is refused, and the second takes it
    assert hits_by_truth([(0, 2, 10), (0, 2, 10)], [(0, 0, 10), (0, 2, 10)], [0.5])[0] == [[True], [True]]


def test_of_detections_that_overlap_alike_the_first_in_rank_is_taken():
    assert hits_by_truth([(0, 0, 8), (0, 2, 10)], [(0, 0, 10)], [0.5])[0] == [[True], [False]]


def test_what_overlaps_is_touched_and_what_meets_is_not():
    others = pieces([(0, 4, 6), (2, 0, 1)])
    found = touch_segments(pieces([(0, 0, 4), (0, 5.9, 9), (1, 4, 6), (2, 0.5, 9), (-1, 4, 6), (7, 4, 6)]), others)
    assert found.tolist() == [False, True, False, True, False, False]
    assert touch_segments(pieces([(0, 0, 4)]), pieces([])).tolist() == [False]


def test_repeats_are_of_what_is_kept():
    # The third is near the second only, which is a repeat itself: it stays.
    start, end = np.array([0.0, 0.0008, 0.0016]), np.full(3, 9.0)
    assert mark_repeats(np.array([0, 3]), start, end, 1e-3).tolist() == [False, True, False]
    assert mark_repeats(np.array([0, 1, 3]), start, end, 1e-3).tolist() == [False, False, True]


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({}, 0.5),
        ({"is_single": True}, 0.5),
        ({"least_union": 30.0}, 6 / 30),
        ({"is_hull": True}, 0.5),
    ],
)
def test_rules_of_the_tiou(told, expected):
    assert pair_tiou((0.0, 9.0), (3.0, 12.0), MatchRule(np.array([0.5]), False, **told)) == expected


def test_float32_rounds_and_the_hull_of_segments_apart_is_no_overlap():
    single, hull = (MatchRule(np.array([0.5]), True, **{name: True}) for name in ("is_single", "is_hull"))
    assert pair_tiou((0.0, 9.0), (0.0, 10.0), single) == float(np.float32(0.9)) < 0.9
    assert pair_tiou((0.0, 1.0), (5.0, 6.0), hull) == pair_tiou((5.0, 5.0), (5.0, 5.0), hull) == 0.0
