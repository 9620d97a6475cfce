"""Annotations become targets: by hand, and against exact fractions."""

import hashlib
from fractions import Fraction

import numpy as np
import pytest
from factories_heads import make_annotations
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_targets import naive_targets

from tsmfeat.errors import InputError
from tsmfeat.heads.targets import NO_TARGET, interval_targets, scene_targets, validation_split
from tsmfeat.values.annotations import Annotations
from tsmfeat.values.segments import Segments
from tsmfeat.values.vocabulary import Vocabulary


def targets_of(segments, count, step=1.0, min_overlap=0.5, num_actions=3):
    truth = make_annotations({"a": segments}, num_actions)
    return interval_targets(truth, ["a"], [0, count], step, min_overlap).tolist()


def test_an_interval_covered_by_half_has_the_action_and_by_less_is_background():
    assert targets_of([(1, 0.5, 1.4)], 3) == [1, 3, 3]


def test_exactly_half_counts_where_floats_cannot_say_half():
    # 0.35 - 0.3 is 0.04999999999999999 in floats, half of the step 0.1 in the file.
    assert 0.35 - 0.3 < 0.05
    assert targets_of([(0, 0.3, 0.35)], 5, step=0.1) == [3, 3, 3, 0, 3]


def test_a_hair_below_the_threshold_is_background():
    assert targets_of([(0, 0.0, 0.499_999)], 1) == [3]


def test_overlaps_of_segments_of_one_action_are_added():
    # Action 1 covers .3 + .3, action 0 only .4 at once.
    assert targets_of([(0, 0.3, 0.7), (1, 0.0, 0.3), (1, 0.7, 1.0)], 1) == [1]


def test_an_action_annotated_twice_over_the_same_time_counts_twice():
    assert targets_of([(2, 0.0, 0.3), (2, 0.0, 0.3)], 1) == [2]


def test_the_winner_needs_its_own_overlap_not_that_of_all():
    # Together they cover everything, but neither covers half: background.
    assert targets_of([(0, 0.0, 0.4), (1, 0.4, 0.75), (2, 0.75, 1.0)], 1) == [3]


def test_ties_go_to_the_lower_label():
    assert targets_of([(2, 0.0, 0.5), (1, 0.5, 1.0)], 1) == [1]
    assert targets_of([(1, 0.0, 0.5), (2, 0.5, 1.0)], 1) == [1]


def test_a_tie_that_floats_break_is_still_a_tie():
    # The grid's edges are 7 * .1 = .7000000000000001 and .8: in floats the later half of the interval is larger.
    assert 0.75 - 7 * 0.1 < 8 * 0.1 - 0.75
    assert targets_of([(0, 0.7, 0.75), (1, 0.75, 0.8)], 8, step=0.1)[7] == 0
    assert targets_of([(1, 0.7, 0.75), (0, 0.75, 0.8)], 8, step=0.1)[7] == 0


def test_any_overlap_suffices_at_zero_and_touching_is_no_overlap():
    assert targets_of([(0, 1.0, 2.01)], 4, min_overlap=0.0) == [3, 0, 0, 3]


def test_an_overlap_made_by_rounding_is_none():
    # The third interval ends at 3 * .1 = .30000000000000004, a hair after the segment starts.
    assert 3 * 0.1 > 0.3
    assert targets_of([(0, 0.3, 0.35)], 4, step=0.1, min_overlap=0.0) == [3, 3, 3, 0]


def test_all_of_it_is_asked_for_at_one():
    assert targets_of([(0, 0.1, 2.0)], 3, min_overlap=1.0) == [3, 0, 3]


def test_segments_beyond_the_grid_are_cut_to_it():
    assert targets_of([(0, -5.0, 0.8), (1, 2.1, 99.0), (2, 50.0, 60.0), (2, -9.0, -8.0)], 3) == [0, 3, 1]


def test_rows_that_are_no_segments_are_left_out():
    segments = [(0, 0.0, np.nan), (0, np.inf, np.inf), (0, -np.inf, 1.0), (0, 1.0, 0.0), (0, 0.5, 0.5)]
    assert targets_of(segments, 2) == [3, 3]


def test_times_beyond_any_integer_do_not_overflow():
    assert targets_of([(0, -1e300, 1e300)], 2) == [0, 0]


def test_videos_are_found_by_id_whatever_the_order_and_unknown_ones_have_no_target():
    truth = make_annotations({"a": [(0, 0.0, 1.0)], "b": [(1, 1.0, 2.0)], "not stored": [(0, 0.0, 9.0)]}, 2)
    found = interval_targets(truth, ["b", "unknown", "a"], [0, 2, 5, 6], 1.0, 0.5)
    assert found.tolist() == [2, 1, NO_TARGET, NO_TARGET, NO_TARGET, 0]
    assert found.dtype == np.int32


def test_a_video_shorter_than_a_step_has_no_rows():
    truth = make_annotations({"a": [(0, 0.0, 1.0)], "b": [(1, 0.0, 1.0)]}, 2)
    assert interval_targets(truth, ["a", "b"], [0, 0, 1], 1.0, 0.5).tolist() == [1]


def test_a_video_without_segments_is_all_background():
    assert targets_of([], 3) == [3, 3, 3]


def test_a_vocabulary_without_actions_leaves_background_only():
    assert interval_targets(make_annotations({"a": []}, 0), ["a"], [0, 2], 1.0, 0.5).tolist() == [0, 0]


def test_a_video_listed_twice_is_refused():
    with pytest.raises(InputError, match="'a' occurs twice"):
        interval_targets(make_annotations({"a": []}, 1), ["a", "a"], [0, 1, 2], 1.0, 0.5)


segment = st.tuples(st.integers(0, 3), st.integers(-10, 60), st.integers(-10, 60))
video = st.tuples(st.integers(0, 12), st.lists(segment, max_size=12))


@settings(max_examples=150, deadline=None)
@given(st.lists(video, min_size=1, max_size=4), st.integers(1, 9), st.integers(0, 10))
def test_targets_equal_those_of_exact_fractions(videos, step, min_overlap):
    """Times in tenths of a second, which floats cannot hold: sums and ties must come out as in fractions."""
    exact = [
        (count, [(label, Fraction(start, 10), Fraction(end, 10)) for label, start, end in segments])
        for count, segments in videos
    ]
    expected = naive_targets(exact, Fraction(step, 10), Fraction(min_overlap, 10), 4)
    listed = {f"v{k}": [(label, s / 10, e / 10) for label, s, e in segments] for k, (_, segments) in enumerate(videos)}
    offsets = np.cumsum([0] + [count for count, _ in videos])
    found = interval_targets(make_annotations(listed, 4), list(listed), offsets, step / 10, min_overlap / 10)
    assert found.tolist() == expected


@settings(max_examples=50, deadline=None)
@given(st.lists(segment, max_size=12), st.randoms(use_true_random=False))
def test_the_order_of_the_segments_does_not_matter(segments, random):
    rows = [(label, start / 10, end / 10) for label, start, end in segments]
    shuffled = rows.copy()
    random.shuffle(shuffled)
    assert targets_of(rows, 8, 0.5, num_actions=4) == targets_of(shuffled, 8, 0.5, num_actions=4)


def test_many_segments_take_no_python_loop():
    """20,000 segments on 200,000 intervals: a loop over intervals or segments would take seconds."""
    rng = np.random.default_rng(0)
    video = np.repeat(np.arange(200), 100)
    start = rng.uniform(0, 480, len(video))
    segments = Segments(video, rng.integers(0, 39, len(video)), start, start + rng.uniform(0, 5, len(video)), start)
    ids = tuple(f"v{k}" for k in range(200))
    names = Vocabulary(tuple(f"c{k}" for k in range(39)))
    truth = Annotations(ids, names, segments, np.full(200, 500.0), ("",) * 200, np.full(200, -1), Vocabulary(()))
    found = interval_targets(truth, ids, np.arange(201) * 1000, 0.5, 0.5)
    row = 123 * 1000 + 321
    inside = [(video == 123) & (segments.label == label) for label in range(39)]
    totals = [np.clip(np.minimum(segments.end, 161.0) - np.maximum(start, 160.5), 0, None)[of].sum() for of in inside]
    assert found[row] == (int(np.argmax(totals)) if max(totals) >= 0.25 else 39)


def test_scenes_are_those_of_the_videos_and_unknown_is_minus_one():
    truth = make_annotations({"a": [], "b": [], "c": []}, 1, a=1, c=0)
    found = scene_targets(truth, ["c", "unknown", "b", "a"], [0, 2, 3, 4, 6])
    assert found.tolist() == [0, 0, -1, -1, 1, 1]
    assert found.dtype == np.int32


def test_the_videos_of_the_smallest_hashes_are_set_aside():
    ids = [f"video {k}" for k in range(30)]
    ranked = sorted(ids, key=lambda name: hashlib.sha256(name.encode()).hexdigest())
    training, validation = validation_split(ids, 0.1)
    assert set(validation) == set(ranked[:3])
    assert list(training) == [name for name in ids if name not in validation]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.text(st.characters(codec="utf-8"), min_size=1), unique=True, max_size=40), st.floats(0, 1))
def test_both_sides_of_the_split_have_videos_and_no_order_changes_it(ids, share):
    training, validation = validation_split(ids, share)
    assert sorted(training + validation) == sorted(ids)
    if len(ids) >= 2:
        assert training
        assert validation
    elif ids:
        assert training == tuple(ids)
    assert set(validation_split(ids[::-1], share)[1]) == set(validation)
