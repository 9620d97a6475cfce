import math
from itertools import pairwise

import numpy as np
import pytest
from factories_fusing import list_segments, make_scores
from hypothesis import given, settings
from hypothesis import strategies as st
from naive import naive_label, naive_runs, naive_threshold_runs
from naive_localizing import (
    naive_best_total,
    naive_contrast,
    naive_gaussian,
    naive_refined,
    naive_transition_costs,
    path_total,
)

from tsmfeat.errors import ConfigurationError, InputError
from tsmfeat.kernels.paths import find_best_paths
from tsmfeat.kernels.smoothing import filter_gaussian, filter_mean
from tsmfeat.localization.localizing import localize
from tsmfeat.localization.options import LocalizationOptions
from tsmfeat.localization.transitions import learn_transition_costs
from tsmfeat.metrics.segmentation import segmentation_scores

NAN = float("nan")

# Margins: neither positive nor of sum 1. Quarters, so that sums are exact.
values = st.sampled_from([-2.0, -0.25, 0.0, 0.25, 0.5, 0.75, 1.0, NAN])


def videos_of(most_rows, most_columns=4):
    return st.integers(2, most_columns).flatmap(
        lambda columns: st.lists(
            st.lists(st.lists(values, min_size=columns, max_size=columns), max_size=most_rows), min_size=1, max_size=3
        ).filter(any)
    )


@settings(max_examples=60, deadline=None)
@given(videos_of(8), st.sampled_from([0.3, 1.0, 2.5]))
def test_the_gaussian_filter_equals_its_naive_twin(videos, sigma):
    scores = make_scores(videos)
    found = filter_gaussian(scores.row_offset, scores.scores, sigma)
    expected = np.array([row for rows in videos for row in naive_gaussian(rows, sigma)]).reshape(found.shape)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_filters_far_wider_than_the_video_take_all_of_it(dtype):
    rows = np.array([[1.0], [2.0], [6.0]], dtype)
    offset = np.array([0, 3])
    np.testing.assert_allclose(filter_gaussian(offset, rows, 1e9), np.full((3, 1), 3.0))
    assert filter_mean(offset, rows, 10**12 + 1).tolist() == [[3.0]] * 3
    assert filter_gaussian(offset, rows, 1e-9).tolist() == rows.tolist()
    assert filter_gaussian(offset, rows, 1.0).dtype == dtype


@pytest.mark.golden
@pytest.mark.parametrize("sigma", [None, 1.5])
def test_filters_of_real_scores_equal_a_convolution(sigma, shared_data):
    with np.load(shared_data("segmentation") / "50salads_mid.mid_video_SVM.npz") as stored:
        rows, offset = stored["scores"].astype(np.float64), stored["offsets"]
    window = np.ones(15) if sigma is None else np.exp(-0.5 * (np.arange(-6, 7) / sigma) ** 2)
    found = filter_mean(offset, rows, 15) if sigma is None else filter_gaussian(offset, rows, sigma)
    for first, last in pairwise(offset.tolist()):
        weight = np.convolve(np.ones(last - first), window, "same")
        for column in range(rows.shape[1]):
            expected = np.convolve(rows[first:last, column], window, "same") / weight
            np.testing.assert_allclose(found[first:last, column], expected, rtol=1e-9, atol=1e-12)


@pytest.mark.golden
def test_paths_lift_the_frames_of_a_model_without_time(shared_data):
    with np.load(shared_data("segmentation") / "50salads_mid.mid_video_SVM.npz") as stored:
        rows, offset, truth, split = (stored[name] for name in ("scores", "offsets", "truth", "split"))
    held_out = np.flatnonzero(split == split[0])
    training = [truth[offset[v] : offset[v + 1]] for v in range(len(split)) if v not in held_out]
    bounds = np.cumsum([0, *map(len, training)])
    costs = learn_transition_costs(bounds, np.concatenate(training).astype(np.int32), rows.shape[1])
    test_rows = np.concatenate([np.arange(offset[v], offset[v + 1]) for v in held_out])
    test_offset = np.cumsum([0, *np.diff(offset)[held_out]])
    f1 = {
        name: segmentation_scores(truth[test_rows], labels, test_offset, 0).f1[2]
        for name, labels in {
            "argmax": rows[test_rows].argmax(axis=1),
            "path": find_best_paths(test_offset, rows[test_rows], 0, 2 * (1 - np.eye(rows.shape[1]))),
            "learned": find_best_paths(test_offset, rows[test_rows], 0, costs),
        }.items()
    }
    assert f1["argmax"] < 0.2
    assert f1["path"] > 0.4
    assert f1["learned"] > 0.4


def switch_cost(cost):
    return lambda first, second: 0.0 if first == second else cost


@settings(max_examples=80, deadline=None)
@given(videos_of(5, 3), st.sampled_from([0.0, 0.25, 0.5, 2.0]), st.booleans())
def test_a_path_has_the_largest_total_of_all_paths(videos, cost, as_table):
    scores = make_scores(videos)
    columns = scores.scores.shape[1]
    table = cost * (1 - np.eye(columns)) if as_table else np.array([[cost]])
    # No row is called background for its NaN here: what the path itself is, is asked.
    rows = [[row if not any(map(math.isnan, row)) else [0.0] * columns for row in video] for video in videos]
    filled = make_scores(rows)
    labels = find_best_paths(filled.row_offset, filled.scores, columns - 1, table)
    for video, first, last in zip(rows, filled.row_offset[:-1], filled.row_offset[1:], strict=True):
        if video:
            total = path_total(video, labels[first:last].tolist(), switch_cost(cost))
            assert total == naive_best_total(video, switch_cost(cost))


@settings(max_examples=60, deadline=None)
@given(videos_of(5, 3), st.integers(0, 2**32 - 1))
def test_a_path_pays_each_change_its_own_cost(videos, seed):
    scores = make_scores(videos)
    columns = scores.scores.shape[1]
    table = np.random.default_rng(seed).integers(0, 8, (columns, columns)) / 4
    labels = find_best_paths(scores.row_offset, np.nan_to_num(scores.scores), columns - 1, table)
    for video, first, last in zip(videos, scores.row_offset[:-1], scores.row_offset[1:], strict=True):
        rows = [[0.0 if math.isnan(value) else value for value in row] for row in video]
        if rows:
            cost = lambda one, two: table[one, two]  # noqa: E731
            assert path_total(rows, labels[first:last].tolist(), cost) == naive_best_total(rows, cost)


def test_a_row_with_a_nan_says_nothing_is_background_and_does_not_end_the_path():
    on, off = [1.0, 0.0], [0.0, 1.0]
    videos = [[on, [NAN, 9.0], on, off, on]]
    found = list_segments(localize(make_scores(videos), LocalizationOptions(smooth="viterbi:2")))["video0"]
    assert [row[1:3] for row in found] == [(0.0, 0.5), (1.0, 2.5)]
    assert [row[3] for row in found] == [1.0, 1.0]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.integers(0, 40).map(lambda v: v / 8), min_size=3, max_size=3), min_size=1, max_size=9))
def test_a_free_path_is_the_argmax_where_no_two_scores_are_equal(rows):
    rows = [[value + column / 64 for column, value in enumerate(row)] for row in rows]
    rows = [row for row in rows if len(set(row)) == 3]
    scores = make_scores([rows])
    found = list_segments(localize(scores, LocalizationOptions(smooth="viterbi:0")))
    assert found == list_segments(localize(scores))


@pytest.mark.parametrize("costs", [[[0.5]], [[0.0, 0.5], [0.5, 0.0]]])
def test_of_equal_paths_the_one_that_stays_is_taken(costs):
    # Coming from the first label costs what it is ahead: both ways to the second label are worth 1.5.
    rows = np.array([[1.0, 0.5], [0.0, 1.0]])
    assert find_best_paths(np.array([0, 2]), rows, 9, np.array(costs)).tolist() == [1, 1]


def test_an_unaffordable_change_leaves_one_label_a_video():
    videos = [[[0.6, 0.4], [0.1, 0.9], [0.6, 0.4], [0.9, 0.1]], [[0.1, 0.9], [0.8, 0.2]]]
    found = list_segments(localize(make_scores(videos), LocalizationOptions(smooth="viterbi:9")))
    assert [row[1:3] for row in found["video0"]] == [(0.0, 2.0)]
    assert found["video1"] == []


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.integers(-1, 2), max_size=8), min_size=1, max_size=4), st.sampled_from([0.5, 1.0]))
def test_learned_costs_equal_their_naive_twin(videos, smoothing):
    offset = np.cumsum([0, *(len(labels) for labels in videos)])
    labels = np.array([label for video in videos for label in video], np.int32)
    found = learn_transition_costs(offset, labels, 3, smoothing)
    np.testing.assert_allclose(found, naive_transition_costs(videos, 3, smoothing), rtol=1e-12, atol=1e-12)
    assert (np.diag(found) == 0).all()
    assert (found >= 0).all()


def test_learned_costs_prefer_what_was_seen():
    # 0 is often followed by 1, never by 2: between two rows that leave it open, the path takes 1.
    videos = [[0, 0, 1, 1]] * 20
    costs = learn_transition_costs(np.arange(0, 84, 4), np.array(videos).ravel(), 4)
    rows = [[1.0, 0.0, 0.0, 0.0], [0.0, 0.5, 0.5, 0.0], [0.0, 0.5, 0.55, 0.0]]
    found = localize(make_scores([rows]), LocalizationOptions(smooth="viterbi:0.1"), costs).segments
    assert found.label.tolist() == [0, 1]
    free = localize(make_scores([rows]), LocalizationOptions(smooth="viterbi:0.1")).segments
    assert free.label.tolist() == [0, 2]


def test_costs_that_nothing_pays_or_of_another_size_are_refused():
    scores = make_scores([[[1.0, 0.0]]])
    with pytest.raises(ConfigurationError, match="only viterbi pays"):
        localize(scores, LocalizationOptions(smooth="mean:3"), np.zeros((2, 2)))
    with pytest.raises(ConfigurationError, match="shape"):
        localize(scores, LocalizationOptions(smooth="viterbi:1"), np.zeros((3, 3)))


@settings(max_examples=120, deadline=None)
@given(videos_of(7), st.integers(0, 2), st.sampled_from([0.5, 1.0]))
def test_refined_argmax_boundaries_equal_the_naive_twin_and_never_overlap(videos, max_gap, step):
    scores = make_scores(videos, step)
    background = len(scores.vocabulary)
    found = list_segments(localize(scores, LocalizationOptions(max_gap=max_gap, refine=True)))
    for video, rows in zip(scores.video_ids, videos, strict=True):
        best = [naive_label(row, background) for row in rows]
        runs = naive_runs([label for label, _ in best], [score for _, score in best], background, max_gap)
        expected = [naive_refined(rows, run, lambda row, best=best: best[row][0], step) for run in runs]
        assert [x for row in found[video] for x in row[1:3]] == pytest.approx([x for pair in expected for x in pair])
        assert [row[3] for row in found[video]] == [run[3] for run in runs]
        assert all(0 <= start < end <= len(rows) * step for _, start, end, _ in found[video])
        for one, other in pairwise(found[video]):
            assert one[2] <= other[1] + 1e-12


@settings(max_examples=80, deadline=None)
@given(videos_of(7), st.integers(0, 2))
def test_refined_threshold_boundaries_equal_the_naive_twin(videos, max_gap):
    scores = make_scores(videos)
    options = LocalizationOptions("threshold", 0.4, max_gap, refine=True)
    found = list_segments(localize(scores, options))
    for video, rows in zip(scores.video_ids, videos, strict=True):
        runs = naive_threshold_runs(rows, len(scores.vocabulary), 0.4, max_gap)
        expected = [naive_refined(rows, run, None, 0.5, level=0.4) for run in runs]
        assert [x for row in found[video] for x in row[1:3]] == pytest.approx([x for pair in expected for x in pair])


def test_a_refined_boundary_by_hand():
    # Background and action cross a third of the way from the first middle (.5) to the second (1.5).
    rows = [[0.0, 0.5], [1.0, 0.0], [0.75, 0.25], [0.25, 0.75]]
    found = localize(make_scores([rows], 1.0), LocalizationOptions(refine=True)).segments
    assert found.start.tolist() == [pytest.approx(0.5 + 1 / 3)]
    assert found.end.tolist() == [pytest.approx(3.0)]


def test_infinite_scores_leave_boundaries_on_the_grid():
    rows = [[-math.inf, 0.0], [0.0, -math.inf], [-math.inf, -math.inf]]
    found = localize(make_scores([rows], 1.0), LocalizationOptions(refine=True)).segments
    assert (found.start.tolist(), found.end.tolist()) == ([1.0], [3.0])


def test_refined_boundaries_of_huge_scores_are_those_of_small_ones():
    rows = np.array([[0.0, 1.7, 0.0], [0.85, 0.0, 0.0], [0.0, 1.7, 0.0]])
    small, huge = (
        localize(make_scores([(rows * scale).tolist()], 1.0), LocalizationOptions(refine=True)).segments
        for scale in (1.0, 1e308)
    )
    assert small.start.tolist() == pytest.approx([0.0, 1.0 + 1 / 6, 2.0 - 1 / 6])
    assert huge.start.tolist() == pytest.approx(small.start.tolist())


def test_margins_that_overflow_move_no_boundary():
    rows = [[-1.7e308, 1.7e308, 0.0], [1.7e308, -1.7e308, 0.0]]
    found = localize(make_scores([rows], 1.0), LocalizationOptions(refine=True)).segments
    assert found.start.tolist() == [0.0, 1.0]


def test_a_refined_last_segment_is_still_extended_to_the_duration():
    rows = [[0.0, 1.0], [1.0, 0.0]]
    options = LocalizationOptions(tail="extend", refine=True)
    assert localize(make_scores([rows], 1.0, [2.5]), options).segments.end.tolist() == [2.5]


@settings(max_examples=80, deadline=None)
@given(videos_of(7), st.lists(st.sampled_from([-1.0, 0.1, 0.4, 0.6, 0.9]), min_size=1, max_size=4), st.integers(0, 1))
def test_nested_segments_are_those_of_every_threshold_each_once(videos, thresholds, max_gap):
    scores = make_scores(videos)
    found = list_segments(localize(scores, LocalizationOptions("threshold", tuple(thresholds), max_gap)))
    for video, rows in zip(scores.video_ids, videos, strict=True):
        runs = {r for t in thresholds for r in naive_threshold_runs(rows, len(scores.vocabulary), t, max_gap)}
        expected = [(f"action{r[0]}", r[1] * 0.5, r[2] * 0.5, r[3]) for r in runs]
        assert found[video] == sorted(expected, key=lambda row: (row[1], row[2], row[0]))


def test_a_class_takes_its_own_threshold_in_either_dtype():
    rows = [[0.3, 0.3, 0.4], [0.7, 0.3, 0.0]]
    options = LocalizationOptions("threshold", 0.7, class_thresholds=(("action1", 0.3),))
    for dtype in (np.float32, np.float64):
        found = localize(make_scores([rows], dtype=dtype), options).segments
        assert found.label.tolist() == [1, 0]
        assert found.start.tolist() == [0.0, 0.5]
    nested = LocalizationOptions("threshold", (0.2, 0.5), class_thresholds=(("action1", 0.3),))
    assert len(localize(make_scores([rows]), nested).segments) == 3


def test_an_unknown_class_with_a_threshold_is_refused_with_the_nearest_name():
    options = LocalizationOptions("threshold", class_thresholds=(("actoin0", 0.3),))
    with pytest.raises(InputError, match="actoin0") as caught:
        localize(make_scores([[[1.0, 0.0]]]), options)
    assert "action0" in caught.value.hint


@pytest.mark.parametrize("mode", ["argmax", "threshold"])
def test_the_mean_score_is_over_every_interval_of_the_segment(mode):
    rows = [[0.9, 0.1], [0.2, 0.8], [0.7, 0.3], [0.0, 1.0]]
    options = LocalizationOptions(mode, max_gap=1, segment_score="mean")
    assert localize(make_scores([rows]), options).segments.score.tolist() == [pytest.approx(0.6)]


@settings(max_examples=80, deadline=None)
@given(videos_of(9), st.integers(0, 2))
def test_the_contrast_equals_its_naive_twin(videos, max_gap):
    scores = make_scores(videos)
    options = LocalizationOptions("threshold", 0.4, max_gap, segment_score="contrast")
    found = list_segments(localize(scores, options))
    for video, rows in zip(scores.video_ids, videos, strict=True):
        runs = naive_threshold_runs(rows, len(scores.vocabulary), 0.4, max_gap)
        assert [row[3] for row in found[video]] == pytest.approx([naive_contrast(rows, run) for run in runs], abs=1e-12)


def test_the_contrast_ranks_the_nested_segment_that_fits_first():
    rows = [[0.1, 0.9]] * 4 + [[0.4, 0.6]] * 2 + [[0.9, 0.1]] * 4 + [[0.1, 0.9]] * 4
    found = {}
    for rule in ("max", "contrast"):
        options = LocalizationOptions("threshold", (0.3, 0.5), segment_score=rule)
        found[rule] = localize(make_scores([rows], 1.0), options).segments
    assert found["max"].score.tolist() == [0.9, 0.9]
    assert (found["contrast"].start.tolist(), found["contrast"].end.tolist()) == ([4.0, 6.0], [10.0, 10.0])
    assert found["contrast"].score[1] > found["contrast"].score[0]


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ({"smooth": "gaussian:0"}, "SIGMA"),
        ({"smooth": "gaussian:inf"}, "SIGMA"),
        ({"smooth": "viterbi"}, "COST"),
        ({"smooth": "viterbi:-1"}, "COST"),
        ({"smooth": "mean:nan"}, "odd"),
        ({"smooth": "viterbi:1", "localize": "threshold"}, "one label"),
        ({"threshold": ()}, "no threshold"),
        ({"threshold": (0.5, NAN)}, "threshold nan"),
        ({"class_thresholds": (("run", math.inf),)}, "of class 'run'"),
        ({"segment_score": "maximum"}, "max, mean, contrast"),
    ],
)
def test_extras_that_cannot_be_carried_out_are_refused(values, found):
    with pytest.raises(ConfigurationError, match=found):
        LocalizationOptions(**values)
