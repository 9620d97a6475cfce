"""Average precision from true-positive bits: by hand, and against the twin."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_metrics import naive_average_precision

from tsmfeat.kernels.hit_precision import MEAN_AT_TP, VOC_11, VOC_ALL, summarize_hits
from tsmfeat.kernels.precision import average_precisions


def ap_of(hits, num_truths):
    """AP of one class at one threshold."""
    bits = np.array(hits, np.uint64)
    return average_precisions(bits, np.array([0, len(hits)]), np.array([num_truths]), 1)[0, 0]


@pytest.mark.parametrize(
    ("hits", "num_truths", "expected"),
    [
        ([], 3, 0.0),
        ([0, 0], 1, 0.0),
        ([1], 1, 1.0),
        ([1, 1, 1], 3, 1.0),
        ([1], 2, 0.5),
        ([0, 1], 1, 1 / 2),
        # Precision 1, 1/2, 2/3: recall 1/2 at 1, recall 1 at 2/3.
        ([1, 0, 1], 2, (1 + 2 / 3) / 2),
        # Precision 1, 1/2, 2/3, 3/4: the third truth lifts the second's 2/3 to 3/4; one truth is never found.
        ([1, 0, 1, 1, 0, 0], 4, (1 + 3 / 4 + 3 / 4 + 0) / 4),
    ],
)
def test_areas_worked_by_hand(hits, num_truths, expected):
    assert ap_of(hits, num_truths) == pytest.approx(expected, abs=1e-15)


def test_a_perfect_class_is_exactly_one():
    # Summing steps of recall would give 0.9999999999999999 for 49 truths.
    assert all(ap_of([1] * count, count) == 1.0 for count in range(1, 60))


@given(
    st.lists(st.integers(0, 7), max_size=30),
    st.lists(st.integers(0, 7), max_size=10),
    st.integers(0, 5),
)
@settings(max_examples=200, deadline=None)
def test_classes_and_thresholds_equal_the_twin(one, other, missed):
    words = [one, other]
    offset = np.array([0, len(one), len(one) + len(other)])
    num_truths = np.array([len(one) + missed + 1, len(other) + missed + 1])
    found = average_precisions(np.array(one + other, np.uint64), offset, num_truths, 3)
    for group in range(2):
        for t in range(3):
            hits = [bool(word >> t & 1) for word in words[group]]
            expected = naive_average_precision(hits, int(num_truths[group]))
            assert found[group, t] == pytest.approx(expected, abs=1e-12)


def test_the_last_of_sixty_four_bits_counts():
    bits = np.array([1 << 63, 1], np.uint64)
    found = average_precisions(bits, np.array([0, 2]), np.array([1]), 64)[0]
    assert (found[63], found[0], found[1]) == (1.0, 0.5, 0.0)


# --- the other rules of AP --------------------------------------------------------------------------------------------


def summary_of(hits, num_truths, rule, forgiven=(), tied=()):
    """AP of one class at one threshold; forgiven and tied name places."""
    flags = np.zeros((2, len(hits)), np.bool_)
    flags[0, list(forgiven)] = flags[1, list(tied)] = True
    bits = np.array(hits, np.uint64)
    return summarize_hits(bits, *flags, np.array([0, len(hits)]), np.array([num_truths]), (1, rule))[0, 0]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        # Precision at the hits 1, 1/2 and 3/5 (the last lifts the second), one truth of four is never found.
        (VOC_ALL, (1 + 3 / 5 + 3 / 5) / 4),
        (MEAN_AT_TP, (1 + 1 / 2 + 3 / 5) / 4),
        # Recall 0, .1 and .2 are reached with the first hit, .3 to .5 with the second, .6 and .7 with the third.
        (VOC_11, (3 * 1 + 5 * 3 / 5) / 11),
    ],
)
def test_rules_worked_by_hand(rule, expected):
    assert summary_of([1, 0, 0, 1, 1], 4, rule) == pytest.approx(expected, abs=1e-15)


def test_recall_points_are_multiples_in_floating_point():
    # 3 * 0.1 is above 0.3: three of ten truths do not reach the fourth point, three of nine do.
    assert summary_of([1, 1, 1], 10, VOC_11) == pytest.approx(3 / 11, abs=1e-15)
    assert summary_of([1, 1, 1], 9, VOC_11) == pytest.approx(4 / 11, abs=1e-15)


def test_forgiven_misses_do_not_count_and_forgiven_hits_do():
    assert summary_of([0, 1, 1], 2, MEAN_AT_TP, forgiven=[0, 2]) == 1.0
    assert summary_of([0, 1, 1], 2, MEAN_AT_TP) == pytest.approx((1 / 2 + 2 / 3) / 2, abs=1e-15)


def test_hits_go_first_among_equal_scores():
    # Places 0 to 2 share a score, place 3 stands alone.
    assert summary_of([0, 1, 0, 1], 2, MEAN_AT_TP, tied=[1, 2]) == (1 + 2 / 4) / 2
    assert summary_of([0, 1, 0, 1], 2, MEAN_AT_TP) == (1 / 2 + 2 / 4) / 2
