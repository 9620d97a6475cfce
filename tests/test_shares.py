"""Targets of several actions at once: by hand, and against exact fractions."""

from fractions import Fraction

import numpy as np
import pytest
from factories_heads import make_annotations
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_shares import naive_coverage, naive_multi_hot, naive_shares

from tsmfeat.errors import InputError
from tsmfeat.heads.shares import coverage_targets, multi_hot_targets, share_targets
from tsmfeat.heads.targets import interval_targets


def coverage_of(segments, count, step=1.0, num_actions=2):
    found = coverage_targets(make_annotations({"a": segments}, num_actions), ["a"], [0, count], step)
    return found.astype(float).round(6).tolist()


def hot_of(segments, count, min_overlap=0.5, step=1.0, num_actions=2):
    return multi_hot_targets(
        make_annotations({"a": segments}, num_actions), ["a"], [0, count], step, min_overlap
    ).tolist()


def test_shares_of_one_action_and_background():
    assert coverage_of([(1, 0.5, 1.25)], 3) == [[0, 0.5, 0.5], [0, 0.25, 0.75], [0, 0, 1]]


def test_segments_of_one_action_that_overlap_count_once():
    # Together .2 to .8, not .5 + .4.
    assert coverage_of([(0, 0.2, 0.7), (0, 0.4, 0.8)], 1) == [[0.6, 0, 0.4]]
    assert coverage_of([(0, 0.1, 0.9), (0, 0.3, 0.4), (0, 0.3, 0.4)], 1) == [[0.8, 0, 0.2]]


def test_segments_that_touch_or_stay_apart_add_up():
    assert coverage_of([(0, 0.25, 0.5), (0, 0.5, 0.75)], 1) == [[0.5, 0, 0.5]]
    assert coverage_of([(0, 0.0, 0.25), (0, 0.75, 1.0)], 1) == [[0.5, 0, 0.5]]


def test_actions_at_the_same_time_all_count_and_background_is_what_none_covers():
    segments = [(0, 0.0, 0.75), (1, 0.5, 0.75)]
    assert coverage_of(segments, 1) == [[0.75, 0.25, 0.25]]
    shares = share_targets(make_annotations({"a": segments}, 2), ["a"], [0, 1], 1.0)
    assert shares.astype(float).round(6).tolist() == [[0.6, 0.2, 0.2]]


def test_several_actions_can_be_hot_and_background_only_where_none_is():
    segments = [(0, 0.0, 2.0), (1, 0.5, 1.4), (1, 2.6, 3.0)]
    assert hot_of(segments, 3) == [[1, 1, 0], [1, 0, 0], [0, 0, 1]]
    assert hot_of(segments, 3, min_overlap=0.4) == [[1, 1, 0], [1, 1, 0], [0, 1, 0]]


def test_exactly_half_counts_where_floats_cannot_say_half():
    assert hot_of([(0, 0.3, 0.35)], 5, step=0.1)[3] == [1, 0, 0]


def test_any_overlap_is_enough_at_zero_but_an_overlap_there_must_be():
    assert hot_of([(0, 0.9, 1.0)], 2, min_overlap=0.0) == [[1, 0, 0], [0, 0, 1]]


def test_rows_that_are_no_segments_are_left_out_and_the_grid_cuts():
    segments = [(0, 0.0, np.nan), (0, -np.inf, 1.0), (0, 1.0, 0.0), (0, 0.5, 0.5), (1, -5.0, 0.75), (1, 2.5, 99.0)]
    assert coverage_of(segments, 3) == [[0, 0.75, 0.25], [0, 0, 1], [0, 0.5, 0.5]]


def test_videos_are_found_by_id_and_unknown_ones_have_nan():
    truth = make_annotations({"a": [(0, 0.0, 1.0)], "b": [(1, 1.0, 2.0)], "not stored": [(0, 0.0, 9.0)]}, 2)
    for found in (
        share_targets(truth, ["b", "unknown", "a"], [0, 2, 4, 5], 1.0),
        multi_hot_targets(truth, ["b", "unknown", "a"], [0, 2, 4, 5], 1.0, 0.5),
    ):
        assert found[[0, 1, 4]].tolist() == [[0, 0, 1], [0, 1, 0], [1, 0, 0]]
        assert np.isnan(found[2:4]).all()
        assert found.dtype == np.float32


def test_no_segments_and_no_actions_leave_background():
    assert coverage_of([], 2) == [[0, 0, 1], [0, 0, 1]]
    assert coverage_targets(make_annotations({"a": []}, 0), ["a"], [0, 2], 1.0).tolist() == [[1], [1]]
    assert hot_of([], 2) == [[0, 0, 1], [0, 0, 1]]


def test_a_video_listed_twice_is_refused():
    with pytest.raises(InputError, match="'a' occurs twice"):
        share_targets(make_annotations({"a": []}, 1), ["a", "a"], [0, 1, 2], 1.0)


segment = st.tuples(st.integers(0, 2), st.integers(-10, 40), st.integers(-10, 40))
video = st.tuples(st.integers(0, 6), st.lists(segment, max_size=10))


@settings(max_examples=120, deadline=None)
@given(st.lists(video, min_size=1, max_size=3), st.integers(1, 9), st.integers(0, 10))
def test_targets_equal_those_of_exact_fractions(videos, step, min_overlap):
    """Times in tenths of a second, which floats cannot hold."""
    exact, share = Fraction(step, 10), Fraction(min_overlap, 10)
    rows = [
        ([(label, Fraction(start, 10), Fraction(end, 10)) for label, start, end in segments], interval)
        for count, segments in videos
        for interval in range(count)
    ]
    listed = {f"v{k}": [(label, s / 10, e / 10) for label, s, e in segments] for k, (_, segments) in enumerate(videos)}
    truth = make_annotations(listed, 3)
    place = list(listed), np.cumsum([0] + [count for count, _ in videos]), step / 10
    covered, shares = coverage_targets(truth, *place), share_targets(truth, *place)
    hot = multi_hot_targets(truth, *place, min_overlap / 10)
    assert len(covered) == len(shares) == len(hot) == len(rows)
    for row, (segments, interval) in enumerate(rows):
        for found, naive in ((covered, naive_coverage), (shares, naive_shares)):
            expected = [float(value) for value in naive(segments, interval, exact, 3)]
            np.testing.assert_allclose(found[row], expected, atol=1e-6)
        assert hot[row].tolist() == naive_multi_hot(segments, interval, exact, 3, share)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 20), st.integers(0, 20)), max_size=6))
def test_without_simultaneous_actions_all_targets_tell_the_same_story(bounds):
    """One action at a time: shares are coverages, and the hard target is the one that is hot."""
    segments, at = [], 0
    for label, gap, length in bounds:
        segments.append((label, (at + gap) / 10, (at + gap + length) / 10))
        at += gap + length
    truth, place = make_annotations({"a": segments}, 4), (["a"], [0, 20], 0.7)
    covered = coverage_targets(truth, *place)
    np.testing.assert_allclose(share_targets(truth, *place), covered, atol=1e-6)
    hot, hard = multi_hot_targets(truth, *place, 0.6), interval_targets(truth, *place, 0.6)
    assert hot.argmax(axis=1).tolist() == hard.tolist()
    assert (hot.sum(axis=1) == 1).all()
