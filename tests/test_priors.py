"""What is known of a whole video: pure functions against a naive twin, worked examples and what must not change."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from naive_priors import naive_rates, naive_scene_logs, naive_tilt_row

from tsmfeat.errors import ConfigurationError, InputError
from tsmfeat.priors.counts import ActionCounts, action_rates, count_actions
from tsmfeat.priors.folds import choose_strengths, fold_videos
from tsmfeat.priors.information import scene_information
from tsmfeat.priors.options import PriorOptions
from tsmfeat.priors.ratios import class_ratios, mean_scores, scene_ratios, share_scores, shares_of_highest
from tsmfeat.priors.tilting import tilt_intervals, tilt_segments
from tsmfeat.values.annotations import Annotations
from tsmfeat.values.predictions import IntervalScores, Predictions
from tsmfeat.values.segments import Segments
from tsmfeat.values.video_scores import VideoScores
from tsmfeat.values.vocabulary import Vocabulary

NAN = float("nan")


def intervals(rows, offset=None, dtype=np.float64):
    rows = np.asarray(rows, dtype)
    offset = [0, len(rows)] if offset is None else offset
    names = tuple(f"a{index}" for index in range(rows.shape[1] - 1))
    videos = tuple(f"v{index}" for index in range(len(offset) - 1))
    return IntervalScores(videos, Vocabulary(names), np.array(offset), rows, 0.5, np.full(len(videos), NAN))


def probabilities(rng, num_rows, num_actions):
    return rng.dirichlet(np.full(num_actions + 1, 0.5), num_rows)


def test_the_worked_example_of_two_scenes_and_two_actions():
    # Kitchen: stir 3, dig 1; garden: dig 4. One instance added a class: p = (4/10, 6/10).
    counts = ActionCounts(Vocabulary(("stir", "dig")), Vocabulary(("kitchen", "garden")), [3, 5], [[3, 1], [0, 4]])
    rates, by_scene = action_rates(counts, 1.0)
    assert rates == pytest.approx([0.4, 0.6], abs=1e-15)
    assert by_scene[0] == pytest.approx([3.8 / 6, 2.2 / 6], abs=1e-15)
    assert by_scene[1] == pytest.approx([0.8 / 6, 5.2 / 6], abs=1e-15)
    ratios = scene_ratios(np.array([[0.75, 0.25]]), rates, by_scene)
    # .75 · 3.8/6 + .25 · .8/6 = 3.05/6, over .4; .75 · 2.2/6 + .25 · 5.2/6 = 2.95/6, over .6.
    assert ratios[0] == pytest.approx([3.05 / 2.4, 2.95 / 3.6], abs=1e-15)
    found = tilt_intervals(intervals([[0.3, 0.3, 0.4]]), ratios, 1.0).scores[0]
    stir, dig = 3.05 / 2.4, 2.95 / 3.6
    assert found == pytest.approx([0.6 * stir / (stir + dig), 0.6 * dig / (stir + dig), 0.4], abs=1e-15)
    assert found[:2] == pytest.approx([0.36479, 0.23521], abs=1e-5)
    half = tilt_intervals(intervals([[0.3, 0.3, 0.4]]), ratios, 0.5).scores[0]
    assert half[0] / half[1] == pytest.approx(math.sqrt(stir / dig), rel=1e-14)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_no_strength_changes_no_bit(dtype):
    rng = np.random.default_rng(0)
    scores = intervals(probabilities(rng, 50, 4), [0, 20, 20, 50], dtype)
    found = tilt_intervals(scores, rng.random((3, 4)), 0.0)
    assert found.scores.dtype == dtype
    assert np.array_equal(found.scores, scores.scores)
    rows = Segments([0, 1], [0, 1], [0, 1], [2, 3], [0.7, 0.3])
    segments = Predictions(("a", "b"), Vocabulary(("x", "y")), rows)
    assert tilt_segments(segments, np.zeros((2, 2)), 0.0).segments.score.tolist() == [0.7, 0.3]


def test_a_uniform_prior_changes_no_bit():
    rng = np.random.default_rng(1)
    scores = intervals(probabilities(rng, 40, 5), [0, 15, 40])
    for value in (1e-9, 0.3, 1.0, 7.0):
        for gamma in (0.1, 1.0, 3.0):
            assert np.array_equal(tilt_intervals(scores, np.full((2, 5), value), gamma).scores, scores.scores)
    rows = Segments([0, 1], [0, 1], [0, 1], [2, 3], [0.7, 0.3])
    segments = Predictions(("a", "b"), Vocabulary(("x", "y")), rows)
    uniform = shares_of_highest(np.full((2, 2), 0.25), np.full((2, 2), 0.25))
    assert tilt_segments(segments, uniform, 0.5).segments.score.tolist() == [0.7, 0.3]


def test_scenes_as_frequent_as_in_training_say_nothing():
    counts = ActionCounts(Vocabulary(("a", "b")), Vocabulary(("s", "t")), [40, 60], [[30, 10], [10, 50]])
    rates, by_scene = action_rates(counts, 1e-9)
    assert scene_ratios(np.array([[0.4, 0.6]]), rates, by_scene) == pytest.approx(1.0, abs=1e-9)
    never = ActionCounts(Vocabulary(("a", "b")), Vocabulary(("s", "t")), [3, 5], [[3, 5], [0, 0]])
    rates, by_scene = action_rates(never, 1.0)
    unknown = np.array([[0.0, 1.0], [NAN, NAN], [0.0, 0.0]])
    assert scene_ratios(unknown, rates, by_scene) == pytest.approx(1.0, abs=1e-15)


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 6), st.integers(1, 4), st.integers(0, 10**6), st.floats(0, 3), st.floats(0.01, 5))
def test_intervals_follow_the_naive_twin_and_background_keeps_its_share(num_actions, num_scenes, seed, gamma, added):
    rng = np.random.default_rng(seed)
    by_scene = rng.integers(0, 9, (num_scenes, num_actions))
    total = by_scene.sum(axis=0) + rng.integers(0, 3, num_actions)
    names = [Vocabulary(tuple(f"n{i}" for i in range(count))) for count in (num_actions, num_scenes)]
    rates, of_scene = action_rates(ActionCounts(*names, total, by_scene), added)
    naive = naive_rates(total.tolist(), by_scene.tolist(), added)
    assert rates == pytest.approx(naive[0], abs=1e-14)
    assert of_scene == pytest.approx(np.array(naive[1]), abs=1e-14)
    shares = rng.dirichlet(np.ones(num_scenes), 2)
    rows = probabilities(rng, 7, num_actions)
    found = tilt_intervals(intervals(rows, [0, 3, 7]), scene_ratios(shares, rates, of_scene), gamma).scores
    for row, video in enumerate([0, 0, 0, 1, 1, 1, 1]):
        expected = naive_tilt_row(rows[row].tolist(), naive_scene_logs(shares[video].tolist(), *naive), gamma)
        assert found[row] == pytest.approx(expected, abs=1e-12)
    assert np.array_equal(found[:, -1], rows[:, -1])
    share = found[:, -1] / found.sum(axis=1)
    assert np.abs(share - rows[:, -1] / rows.sum(axis=1)).max() <= 1e-12


@settings(max_examples=100, deadline=None)
@given(
    arrays(np.float64, (3, 4), elements=st.floats(0, 1)),
    arrays(np.float64, (1, 3), elements=st.floats(0, 1e300)),
    st.floats(0, 50),
)
def test_nothing_overflows_and_sums_stay(rows, ratios, gamma):
    found = tilt_intervals(intervals(rows), ratios, gamma).scores
    assert np.isfinite(found).all()
    assert (found >= 0).all()
    assert found.sum(axis=1) == pytest.approx(rows.sum(axis=1), abs=1e-12)


def test_undefined_rows_and_impossible_videos_stay_as_they_are():
    rows = [[0.5, NAN, 0.1], [0.2, 0.3, NAN], [0.5, 0.25, 0.25], [0.0, 0.0, 1.0]]
    found = tilt_intervals(intervals(rows), np.array([[2.0, 1.0]]), 1.0).scores
    np.testing.assert_array_equal(found[[0, 1, 3]], np.array(rows)[[0, 1, 3]])
    assert found[2] == pytest.approx([0.6, 0.15, 0.25], abs=1e-15)
    # The prior excludes the only action an interval shows: nothing is left to weigh.
    for least in (0.0, 1e-320, 1e-205):
        one = intervals([[0.5, 0.0, 0.5]])
        assert tilt_intervals(one, np.array([[least, 1.0]]), 1.0).scores.tolist() == one.scores.tolist()
    assert tilt_intervals(one, np.array([[1e-140, 1.0]]), 1.0).scores[0] == pytest.approx([0.5, 0.0, 0.5], abs=1e-15)
    excluded = tilt_intervals(intervals([[0.5, 0.25, 0.25]]), np.array([[0.0, 1.0]]), 1.0).scores
    assert excluded.tolist() == [[0.0, 0.75, 0.25]]
    all_excluded = tilt_intervals(intervals([[0.5, 0.25, 0.25]]), np.zeros((1, 2)), 1.0).scores
    assert all_excluded.tolist() == [[0.5, 0.25, 0.25]]


def test_what_are_no_probabilities_is_refused():
    with pytest.raises(InputError, match="interval scores below 0"):
        tilt_intervals(intervals([[-0.5, 1.0]]), np.ones((1, 1)), 1.0)
    rows = Segments([0], [0], [0], [1], [-0.5])
    with pytest.raises(InputError, match="segments with scores below 0"):
        tilt_segments(Predictions(("a",), Vocabulary(("x",)), rows), np.ones((1, 1)), 1.0)


def test_segments_are_multiplied_by_the_power_of_their_own_prior():
    rows = Segments([1, 0, 1], [0, 1, 1], [0, 1, 2], [2, 3, 4], [0.5, 0.5, 0.25])
    found = tilt_segments(
        Predictions(("a", "b"), Vocabulary(("x", "y")), rows), np.array([[0.04, 0.16], [0.64, 0.36]]), 0.5
    )
    assert found.segments.score == pytest.approx([0.5 * 0.8, 0.5 * 0.4, 0.25 * 0.6], abs=1e-15)
    for name in ("video", "label", "start", "end"):
        assert np.array_equal(getattr(found.segments, name), getattr(rows, name))


def test_class_scores_become_shares_means_and_ratios():
    scores = np.array([[3.0, 1.0, NAN], [0.0, 2.0, NAN], [NAN, NAN, NAN]])
    np.testing.assert_array_equal(share_scores(scores), [[0.75, 0.25, NAN], [0.0, 1.0, NAN], [NAN] * 3])
    np.testing.assert_array_equal(mean_scores(scores), [1.5, 1.5, NAN])
    np.testing.assert_array_equal(class_ratios(scores, np.array([1.5, 0.0, NAN])), [[2, 1, 1], [0, 1, 1], [1, 1, 1]])
    np.testing.assert_array_equal(shares_of_highest(scores, scores), [[1, 0.5, 1], [0, 1, 1], [0.5, 0.75, 1]])
    assert mean_scores(np.zeros((0, 2))).shape == (2,)
    assert shares_of_highest(np.zeros((0, 2)), np.zeros((0, 2))).shape == (0, 2)


def test_instances_are_counted_by_scene_and_in_all():
    rows = Segments([0, 0, 1, 2], [0, 0, 1, 1], [0, 1, 0, 0], [1, 2, 1, 1], [1] * 4)
    truth = Annotations(
        ("a", "b", "c"), Vocabulary(("x", "y", "z")), rows, [NAN] * 3, ("",) * 3, [1, -1, 0], Vocabulary(("s", "t"))
    )
    counts = count_actions(truth)
    assert counts.total.tolist() == [2, 2, 0]
    assert counts.by_scene.tolist() == [[0, 1, 0], [2, 0, 0]]
    again = ActionCounts.from_dict(counts.to_dict())
    assert again.to_dict() == counts.to_dict()
    bare = count_actions(Annotations(("a",), Vocabulary(("x",)), Segments.empty(), [NAN], ("",), [-1], Vocabulary(())))
    assert bare.by_scene.shape == (0, 1)
    nothing = count_actions(
        Annotations(("a",), Vocabulary(()), Segments.empty(), [NAN], ("",), [0], Vocabulary(("s",)))
    )
    assert [values.shape for values in action_rates(nothing, 1.0)] == [(0,), (1, 0)]
    assert ActionCounts.from_dict(bare.to_dict()).by_scene.shape == (0, 1)


@pytest.mark.parametrize(
    "bad",
    [
        {},
        {"actions": ["x"], "scenes": ["s"], "total": [1], "by_scene": [[1], [2]]},
        {"actions": ["x"], "scenes": ["s"], "total": [-1], "by_scene": [[1]]},
        {"actions": ["x"], "scenes": ["s"], "total": [1, 2], "by_scene": [[1]]},
        {"actions": ["x"], "scenes": ["s"], "total": [1], "by_scene": []},
        {"actions": ["x"], "scenes": ["s"], "total": ["many"], "by_scene": [[1]]},
        {"actions": ["x", "x"], "scenes": [], "total": [1, 1], "by_scene": []},
        {"actions": 7, "scenes": [], "total": [], "by_scene": []},
    ],
)
def test_damaged_counts_are_refused(bad):
    with pytest.raises(InputError):
        ActionCounts.from_dict(bad)


def test_video_scores_are_checked_and_aligned_by_name():
    scores = VideoScores(("a", "b"), Vocabulary(("x", "y")), np.array([[0.1, 0.2], [0.3, NAN]]))
    found = scores.align(("b", "c", "a"), Vocabulary(("y", "w", "x")))
    np.testing.assert_array_equal(found, [[NAN, NAN, 0.3], [NAN] * 3, [0.2, NAN, 0.1]])
    for bad, reason in (([[0.1, -0.2], [0, 0]], "class 'y': score -0.2"), ([[np.inf, 0], [0, 0]], "score inf")):
        with pytest.raises(InputError, match=reason):
            VideoScores(("a", "b"), Vocabulary(("x", "y")), np.array(bad))
    with pytest.raises(InputError, match="shape"):
        VideoScores(("a",), Vocabulary(("x", "y")), np.zeros((2, 2)))
    with pytest.raises(InputError, match="twice"):
        VideoScores(("a", "a"), Vocabulary(("x",)), np.zeros((2, 1)))


def test_folds_are_even_and_know_no_order():
    names = [f"video {index}" for index in range(23)]
    folds = fold_videos(names, 5)
    assert sorted(np.bincount(list(folds.values())).tolist()) == [4, 4, 5, 5, 5]
    assert fold_videos(names[::-1], 5) == folds


def test_the_weakest_of_equally_good_strengths_is_chosen():
    gammas = [1.0, 0.0, 0.5]
    assert choose_strengths(gammas, np.array([[0.3, 0.3, 0.4], [0.3, 0.1, 0.1], [0.2, 0.3, 0.4]])) == (0.0, 0.5, 0.5)


@pytest.mark.parametrize(
    "wrong",
    [
        {"gamma": -0.1},
        {"gamma": NAN},
        {"gamma": math.inf},
        {"gamma": "much"},
        {"gammas": ()},
        {"gammas": (0.0, -1.0)},
        {"smoothing": 0.0},
        {"smoothing": NAN},
        {"num_folds": 1},
    ],
)
def test_options_that_cannot_be_carried_out_are_refused(wrong):
    with pytest.raises(ConfigurationError):
        PriorOptions(**wrong)


def counted(table):
    names = [Vocabulary(tuple(f"n{i}" for i in range(count))) for count in (len(table[0]), len(table))]
    return ActionCounts(*names, np.sum(table, axis=0), table)


@settings(max_examples=60, deadline=None)
@given(arrays(np.int64, st.tuples(st.integers(1, 4), st.integers(1, 5)), elements=st.integers(0, 9)))
def test_what_scenes_tell_follows_the_definition(table):
    told = scene_information(counted(table.tolist()))
    total = int(table.sum())
    if not total:
        assert told is None
        return
    information = entropy = 0.0
    for action in range(table.shape[1]):
        p = table[:, action].sum() / total
        entropy -= p * math.log2(p) if p else 0.0
        for scene in range(table.shape[0]):
            both, q = table[scene, action] / total, table[scene].sum() / total
            information += both * math.log2(both / (p * q)) if both else 0.0
    assert told.information_bits == pytest.approx(max(0.0, information), abs=1e-12)
    assert told.action_bits == pytest.approx(entropy, abs=1e-12)
    assert told.action_given_scene_bits == pytest.approx(entropy - information, abs=1e-12)
    assert 0.0 <= told.corrected_bits <= told.information_bits


def test_chance_alone_tells_nothing_once_corrected():
    rng = np.random.default_rng(7)
    tables = [np.bincount(rng.integers(0, 20 * 10, 2000), minlength=200).reshape(20, 10) for _ in range(30)]
    told = [scene_information(counted(table.tolist())) for table in tables]
    # Nothing links the two, and yet some 19 * 9 / (2 * 2000 * ln 2) bits are counted.
    assert np.mean([one.information_bits for one in told]) == pytest.approx(0.0617, abs=0.006)
    assert np.mean([one.corrected_bits for one in told]) < 0.006
