import numpy as np
import pytest
from factories_fusing import make_scores
from hypothesis import given, settings
from hypothesis import strategies as st
from naive import naive_label, naive_runs, naive_smooth, naive_threshold_runs

from tsmfeat.kernels.ordering import sort_rows
from tsmfeat.kernels.runs import find_argmax_runs, find_best_labels, find_label_runs, find_threshold_runs
from tsmfeat.kernels.smoothing import filter_mean

NAN = float("nan")

# Quarters make ties frequent, and are exact in float32 and float64.
values = st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0, -0.5, NAN])


@st.composite
def score_videos(draw, min_columns=1):
    columns = draw(st.integers(min_columns, 4))
    row = st.lists(values, min_size=columns, max_size=columns)
    return draw(st.lists(st.lists(row, max_size=8), min_size=1, max_size=3).filter(any))


def per_video(runs, row_offset):
    """Runs of a kernel as one list a video of (label, first, beyond, score), rows counted within the video."""
    listed = [[] for _ in row_offset[1:]]
    for video, label, first, last, score in zip(*runs, strict=True):
        low = row_offset[video]
        listed[video].append((int(label), int(first - low), int(last - low), float(score)))
    return listed


@settings(max_examples=150, deadline=None)
@given(score_videos(), st.integers(0, 3), st.integers(0, 2), st.sampled_from([np.float32, np.float64]))
def test_argmax_runs_equal_the_naive_twin(videos, background, max_gap, dtype):
    scores = make_scores(videos, dtype=dtype)
    found = find_argmax_runs(scores.row_offset, scores.scores, background, max_gap)
    expected = []
    for rows in videos:
        best = [naive_label(row, background) for row in rows]
        expected.append(naive_runs([label for label, _ in best], [score for _, score in best], background, max_gap))
    assert per_video(found, scores.row_offset) == expected


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.lists(st.tuples(st.integers(-1, 2), values), max_size=10), min_size=1, max_size=3),
    st.integers(-1, 1),
    st.integers(0, 3),
)
def test_label_runs_equal_the_naive_twin(videos, background, max_gap):
    offset = np.cumsum([0, *map(len, videos)])
    labels = np.array([label for rows in videos for label, _ in rows], np.int32)
    scores = np.array([score for rows in videos for _, score in rows], np.float64)
    found = find_label_runs(offset, labels, scores, background, max_gap)
    expected = [naive_runs([row[0] for row in rows], [row[1] for row in rows], background, max_gap) for rows in videos]
    assert per_video(found, offset) == expected


@settings(max_examples=150, deadline=None)
@given(
    score_videos(), st.integers(0, 3), values.filter(lambda v: v == v), st.integers(0, 2),
    st.sampled_from([np.float32, np.float64]),
)  # fmt: skip
def test_threshold_runs_equal_the_naive_twin(videos, background, threshold, max_gap, dtype):
    scores = make_scores(videos, dtype=dtype)
    found = find_threshold_runs(scores.row_offset, scores.scores, background, threshold, max_gap)
    expected = [naive_threshold_runs(rows, background, threshold, max_gap) for rows in videos]
    assert per_video(found, scores.row_offset) == expected


def test_equal_labels_of_neighbouring_videos_stay_apart():
    rows = np.array([[0.9, 0.1]] * 4)
    offset = np.array([0, 2, 2, 4])
    for found in (find_argmax_runs(offset, rows, 1, 5), find_threshold_runs(offset, rows, 1, 0.5, 5)):
        assert found.video.tolist() == [0, 2]
        assert found.first_row.tolist() == [0, 2]
        assert found.last_row.tolist() == [2, 4]


@pytest.mark.parametrize(("background", "label"), [(0, None), (1, 0)])
def test_on_a_tie_the_lowest_column_wins_wherever_background_stands(background, label):
    found = find_argmax_runs(np.array([0, 1]), np.array([[0.5, 0.5]]), background, 0)
    assert found.label.tolist() == ([] if label is None else [label])


def test_negative_zero_ties_with_zero_and_minus_infinity_is_a_score():
    rows = np.array([[-0.0, 0.0], [-np.inf, -np.inf], [-np.inf, -2.0]])
    labels, best = find_best_labels(rows, 1)
    assert labels.tolist() == [0, 0, 1]
    assert best.tolist() == [0.0, -np.inf, -2.0]


def test_a_bridged_gap_gives_no_score_and_another_action_is_never_bridged():
    labels = np.array([1, 0, 1, 2, 1, 0, 0, 1], np.int32)
    scores = np.array([0.5, 0.9, 0.25, 0.5, 0.5, 0.9, 0.9, 0.75])
    found = find_label_runs(np.array([0, 8]), labels, scores, 0, 1)
    assert per_video(found, [0, 8]) == [[(1, 0, 3, 0.5), (2, 3, 4, 0.5), (1, 4, 5, 0.5), (1, 7, 8, 0.75)]]


def test_runs_that_start_together_are_ordered_by_their_ends():
    rows = np.array([[0.9, 0.9, 0.9], [0.9, 0.1, 0.9], [0.1, 0.1, 0.9]])
    found = find_threshold_runs(np.array([0, 3]), rows, 9, 0.5, 0)
    assert found.label.tolist() == [1, 0, 2]
    assert found.last_row.tolist() == [1, 2, 3]


@pytest.mark.parametrize("offset", [np.array([0]), np.array([0, 0, 0])])
def test_no_rows_give_no_runs(offset):
    rows = np.empty((0, 3), np.float32)
    assert len(find_argmax_runs(offset, rows, 2, 0).label) == 0
    assert len(find_threshold_runs(offset, rows, 2, 0.5, 0).label) == 0


@settings(max_examples=100, deadline=None)
@given(score_videos(), st.sampled_from([1, 3, 5, 21]), st.sampled_from([np.float32, np.float64]))
def test_the_mean_filter_equals_the_naive_twin(videos, width, dtype):
    scores = make_scores(videos, dtype=dtype)
    smooth = filter_mean(scores.row_offset, scores.scores, width)
    expected = [row for rows in videos for row in naive_smooth(rows, width)]
    assert smooth.dtype == dtype
    np.testing.assert_array_equal(smooth, np.array(expected, dtype).reshape(smooth.shape))


def test_equal_windows_give_equal_means_however_far_into_a_video():
    # A running sum would carry the rounding error of the large rows along.
    rows = np.array([[1e9]] * 5 + [[0.1], [0.7], [0.2]] * 20 + [[-1e9 / 3]] * 5 + [[0.1], [0.7], [0.2]] * 20)
    smooth = filter_mean(np.array([0, len(rows)]), rows, 3)[:, 0]
    assert smooth[6:64].tolist() == smooth[71:129].tolist()


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=90), st.data())
def test_sort_rows_is_a_stable_sort_of_the_part_alone(keys, data):
    major = np.array([key[0] for key in keys], np.float64)
    minor = np.array([key[1] for key in keys], np.float64)
    first = data.draw(st.integers(0, len(keys)))
    last = data.draw(st.integers(first, len(keys)))
    rows = np.arange(len(keys))
    sort_rows(rows, first, last, major, minor, np.empty(len(keys), np.int64))
    expected = list(range(first)) + sorted(range(first, last), key=keys.__getitem__) + list(range(last, len(keys)))
    assert rows.tolist() == expected
