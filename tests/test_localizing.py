import json
import math
from itertools import pairwise

import numpy as np
import pytest
from conftest import DATA
from factories_fusing import list_segments, make_scores
from hypothesis import given, settings
from hypothesis import strategies as st
from naive import naive_label, naive_runs, naive_smooth, naive_threshold_runs

from tsmfeat.errors import ConfigurationError, InputError
from tsmfeat.kernels.runs import find_argmax_runs, find_threshold_runs
from tsmfeat.localization.localizing import localize
from tsmfeat.localization.options import LocalizationOptions
from tsmfeat.values.intervals import IntervalGrid
from tsmfeat.values.predictions import IntervalScores
from tsmfeat.values.vocabulary import Vocabulary

HANDWORKED = json.loads((DATA / "evaluation" / "handworked.json").read_text())
NAN = float("nan")

values = st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0, NAN])
score_videos = st.integers(2, 4).flatmap(
    lambda columns: st.lists(
        st.lists(st.lists(values, min_size=columns, max_size=columns), max_size=8), min_size=1, max_size=3
    ).filter(any)
)


def rows_of_labels(labels, label_scores, background, num_labels):
    """Score rows whose argmax and best score are given; background moves to the last column."""
    columns = [k for k in range(num_labels) if k != background] + [background]
    rows = np.full((len(labels), num_labels), -1.0)
    rows[np.arange(len(labels)), [columns.index(label) for label in labels]] = label_scores
    return rows, columns


@pytest.mark.parametrize("case", HANDWORKED["localize"], ids=lambda case: case["name"])
def test_handworked_labels(case):
    duration = case["options"].get("L", len(case["labels"]) * case["interval"])
    num_intervals = IntervalGrid(duration, case["interval"]).count
    assert num_intervals == len(case["labels"])
    rows, columns = rows_of_labels(case["labels"], case["scores"], case["background"], 3)
    names = Vocabulary(tuple(str(label) for label in columns[:-1]))
    offset, duration_seconds = np.array([0, num_intervals]), np.array([duration])
    scores = IntervalScores(("v",), names, offset, rows, case["interval"], duration_seconds)
    options = {key: value for key, value in case["options"].items() if key != "L"}
    found = list_segments(localize(scores, LocalizationOptions(**options)))["v"]
    assert [int(row[0]) for row in found] == [row[0] for row in case["expected"]]
    for row, expected in zip(found, case["expected"], strict=True):
        assert row[1:] == pytest.approx(expected[1:], rel=0, abs=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("case", HANDWORKED["localize_probs"], ids=lambda case: case["name"])
def test_handworked_probabilities(case, dtype):
    rows = [[NAN if value is None else value for value in row] for row in case["probs"]]
    options = LocalizationOptions()
    if case["score_threshold"] is not None:
        options = LocalizationOptions(localize="threshold", threshold=case["score_threshold"])
    assert case["background"] == len(rows[0]) - 1
    found = localize(make_scores([rows], case["interval"], dtype=dtype), options).segments
    assert found.label.tolist() == [row[0] for row in case["expected"]]
    tolerance = 1e-12 if dtype == np.float64 else 1e-7
    for row, expected in zip(zip(found.start, found.end, found.score, strict=True), case["expected"], strict=True):
        assert row == pytest.approx(expected[1:], rel=0, abs=tolerance)


@pytest.mark.parametrize("case", HANDWORKED["localize_probs"][:3], ids=lambda case: case["name"])
def test_background_first_beats_an_action_on_a_tie(case):
    rows = np.array([[NAN if value is None else value for value in row] for row in case["probs"]])[:, [2, 0, 1]]
    found = find_argmax_runs(np.array([0, len(rows)]), rows, 0, 0)
    expected = [row for row in case["expected"] if row[3] != 0.4]
    assert [label - 1 for label in found.label.tolist()] == [row[0] for row in expected]


@settings(max_examples=100, deadline=None)
@given(
    score_videos,
    st.sampled_from(["argmax", "threshold"]),
    st.integers(0, 2),
    st.sampled_from([0.1, 0.25, 0.3]),
    st.sampled_from([1, 3]),
)
def test_localize_equals_the_naive_twin(videos, mode, max_gap, step, width):
    smooth = "none" if width == 1 else f"mean:{width}"
    options = LocalizationOptions(localize=mode, threshold=0.5, max_gap=max_gap, smooth=smooth)
    scores = make_scores(videos, step)
    found = list_segments(localize(scores, options))
    background = len(scores.vocabulary)
    for video, rows in zip(scores.video_ids, videos, strict=True):
        filtered = naive_smooth(rows, width)
        best = [naive_label(row, background) for row in filtered]
        if mode == "argmax":
            runs = naive_runs([label for label, _ in best], [score for _, score in best], background, max_gap)
        else:
            runs = naive_threshold_runs(filtered, background, 0.5, max_gap)
        assert found[video] == [(f"action{label}", a * step, b * step, score) for label, a, b, score in runs]


@settings(max_examples=100, deadline=None)
@given(score_videos, st.integers(0, 3), st.sampled_from(["drop", "extend"]))
def test_argmax_segments_never_overlap(videos, max_gap, tail):
    durations = [len(rows) * 0.5 + 0.3 for rows in videos]
    options = LocalizationOptions(max_gap=max_gap, tail=tail)
    for segments in list_segments(localize(make_scores(videos, 0.5, durations), options)).values():
        assert all(start < end for _, start, end, _ in segments)
        for one, other in pairwise(segments):
            assert one[2] <= other[1]


@settings(max_examples=50, deadline=None)
@given(score_videos, st.sampled_from(["argmax", "threshold"]))
def test_float32_and_float64_agree(videos, mode):
    options = LocalizationOptions(localize=mode, threshold=0.25, smooth="mean:3")
    single, double = (list_segments(localize(make_scores(videos, dtype=dtype), options)) for dtype in "fd")
    for video, rows in double.items():
        assert [row[:3] for row in single[video]] == [row[:3] for row in rows]
        assert [row[3] for row in single[video]] == pytest.approx([row[3] for row in rows], rel=1e-6)


@pytest.mark.parametrize("threshold", [0.1, 0.3, 0.7, 0.9])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_score_equal_to_the_threshold_passes_in_either_dtype(threshold, dtype):
    options = LocalizationOptions(localize="threshold", threshold=threshold)
    assert len(localize(make_scores([[[threshold, 0.0]]], dtype=dtype), options).segments) == 1


def test_bounds_are_multiplied_within_the_video():
    videos = [[[1.0, 0.0]] * 7, [[0.0, 1.0], [1.0, 0.0], [1.0, 0.0]]]
    found = localize(make_scores(videos, 0.1)).segments
    assert found.start.tolist() == [0.0, 0.1]
    assert found.end.tolist() == [7 * 0.1, 3 * 0.1]  # a running sum of 0.1 gives 0.7 and 0.30000000000000004


def test_extend_ends_the_last_run_at_the_duration_and_leaves_others():
    on, off = [1.0, 0.0], [0.0, 1.0]
    videos = [[on, off, on], [on, on, off], [], [on]]
    scores = make_scores(videos, 0.5, [1.9, 1.9, 0.4, 0.4999])
    extended = list_segments(localize(scores, LocalizationOptions(tail="extend")))
    assert [row[1:3] for row in extended["video0"]] == [(0.0, 0.5), (1.0, 1.9)]
    assert [row[1:3] for row in extended["video1"]] == [(0.0, 1.0)]
    # The grid's tolerance counted an interval that ends after the video: extending does not shorten it.
    assert [row[1:3] for row in extended["video3"]] == [(0.0, 0.5)]


def test_extend_refuses_unknown_durations_and_names_the_videos():
    scores = make_scores([[[1.0, 0.0]], [[1.0, 0.0]]], 0.5, [0.5, NAN])
    with pytest.raises(InputError, match="video1"):
        localize(scores, LocalizationOptions(tail="extend"))
    assert len(localize(scores).segments) == 2


def test_min_duration_keeps_a_segment_of_exactly_that_length():
    rows = [[1.0, 0.0]] * 3 + [[0.0, 1.0]] + [[1.0, 0.0]] * 2
    assert 3 * 0.7 < 2.1
    found = localize(make_scores([rows], 0.7), LocalizationOptions(min_duration=2.1)).segments
    assert found.start.tolist() == [0.0]


def test_min_duration_counts_bridged_gaps_and_extended_tails():
    rows = [[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]
    options = LocalizationOptions(max_gap=1, tail="extend", min_duration=1.9)
    assert len(localize(make_scores([rows], 0.5, [1.9]), options).segments) == 1
    assert len(localize(make_scores([rows], 0.5, [1.8]), options).segments) == 0


def test_smoothing_stays_within_videos_and_gives_the_smoothed_score():
    videos = [[[0.0, 1.0], [0.0, 1.0]], [[0.9, 0.1], [0.3, 0.7], [0.9, 0.1]]]
    found = list_segments(localize(make_scores(videos), LocalizationOptions(smooth="mean:3")))
    assert found["video0"] == []
    assert found["video1"] == [("action0", 0.0, 1.5, pytest.approx(0.7))]


def test_a_nan_row_is_left_out_of_the_mean_and_stays_background():
    videos = [[[0.8, 0.2], [NAN, 0.2], [0.6, 0.4]]]
    found = list_segments(localize(make_scores(videos), LocalizationOptions(smooth="mean:3")))["video0"]
    assert [row[1:] for row in found] == [(0.0, 0.5, 0.8), (1.0, 1.5, 0.6)]


def test_scene_scores_pass_through():
    one = make_scores([[[1.0, 0.0]]])
    scenes, scene_scores = Vocabulary(("park", "room")), np.array([[0.25, 0.75]])
    parts = (one.video_ids, one.vocabulary, one.row_offset, one.scores, one.step_seconds, one.duration_seconds)
    found = localize(IntervalScores(*parts, scenes, scene_scores))
    assert found.scene_vocabulary == scenes
    assert found.scenes().tolist() == [[0.25, 0.75]]


def test_strided_and_read_only_scores_are_taken():
    wide = np.zeros((4, 6))
    wide[:, 0] = 0.5
    wide.flags.writeable = False
    one = make_scores([[[1.0, 0.0, 0.0]] * 4])
    scores = IntervalScores(one.video_ids, one.vocabulary, one.row_offset, wide[:, ::2], 0.5, one.duration_seconds)
    assert localize(scores).segments.end.tolist() == [2.0]


def test_no_videos_and_no_intervals_give_no_segments():
    empty = IntervalScores((), Vocabulary(("a",)), np.array([0]), np.empty((0, 2)), 0.5, np.empty(0))
    assert len(localize(empty).segments) == 0
    assert len(localize(make_scores([[], []])).segments) == 0


def test_only_background_in_the_vocabulary_gives_no_segments():
    scores = IntervalScores(("v",), Vocabulary(()), np.array([0, 2]), np.ones((2, 1)), 0.5, np.array([1.0]))
    assert len(localize(scores).segments) == 0
    assert len(localize(scores, LocalizationOptions(localize="threshold")).segments) == 0


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ({"localize": "argmaxx"}, "did you mean 'argmax'"),
        ({"tail": "keep"}, "drop, extend"),
        ({"threshold": NAN}, "threshold nan"),
        ({"max_gap": -1}, "max_gap -1"),
        ({"max_gap": 2**63 - 1}, "max_gap 9223372036854775807"),
        ({"max_gap": 2**80}, "0 to 2,147,483,647"),
        ({"min_duration": -0.5}, "min_duration -0.5"),
        ({"min_duration": math.inf}, "min_duration inf"),
        ({"smooth": "mean:4"}, "odd"),
        ({"smooth": "mean:"}, "odd"),
        ({"smooth": "mean:-3"}, "odd"),
        ({"smooth": "median:3"}, "odd"),
        ({"smooth": ""}, "odd"),
    ],
)
def test_options_that_cannot_be_carried_out_are_refused(values, found):
    with pytest.raises(ConfigurationError, match=found):
        LocalizationOptions(**values)


def read_stream(path):
    """Scores, labels and truth of published frames, background moved from column 0 to the last; and the offsets."""
    with np.load(path) as stored:
        scores, labels, offset = stored["scores"], (stored["predicted"], stored["truth"]), stored["offsets"]
    num_classes = scores.shape[1]
    return np.roll(scores, -1, axis=1), *((label - 1) % num_classes for label in labels), offset


def stream_scores(rows, offset):
    names = Vocabulary(tuple(f"action{k + 1}" for k in range(rows.shape[1] - 1)))
    ids = tuple(f"video{v}" for v in range(len(offset) - 1))
    return IntervalScores(ids, names, offset, rows, 1.0, np.diff(offset).astype(float))


@pytest.mark.golden
def test_published_score_streams_give_their_published_segments_and_accuracy(shared_data):
    folder = shared_data("segmentation")
    expected = json.loads((folder / "expected.json").read_text())
    streams = [(name, model, numbers) for name, models in expected.items() for model, numbers in models.items()]
    assert len(streams) == 12
    for name, model, numbers in streams:
        rows, predicted, truth, offset = read_stream(folder / f"{name}.{model}.npz")
        # The published count has the runs of background too: give it a name, and nothing the place of background.
        nothing = np.full((len(rows), 1), -np.inf, rows.dtype)
        everything = localize(stream_scores(np.hstack([rows, nothing]), offset))
        assert len(everything.segments) == numbers["num_segments"]
        found = localize(stream_scores(rows, offset)).segments
        rebuilt = np.full(len(rows), rows.shape[1] - 1)
        for video, label, start, end in zip(found.video, found.label, found.start, found.end, strict=True):
            rebuilt[offset[video] + int(start) : offset[video] + int(end)] = label
        np.testing.assert_array_equal(rebuilt, predicted)
        right = [np.mean(rebuilt[low:high] == truth[low:high]) for low, high in pairwise(offset)]
        assert 100 * np.mean(right) == pytest.approx(numbers["accuracy"], rel=0, abs=1e-9)


@pytest.mark.golden
@pytest.mark.parametrize("max_gap", [0, 2])
def test_runs_of_a_published_stream_equal_the_naive_twins(shared_data, max_gap):
    rows, _, _, offset = read_stream(shared_data("segmentation") / "gtea.video_tCNN_C30.npz")
    background, threshold = rows.shape[1] - 1, float(np.float32(0.3))
    above = find_threshold_runs(offset, rows, background, threshold, max_gap)
    best = find_argmax_runs(offset, rows, background, max_gap)
    expected_above, expected_best = [], []
    for video, (low, high) in enumerate(pairwise(offset)):
        listed = rows[low:high].tolist()
        labels = [naive_label(row, background) for row in listed]
        expected_above += [(video, *run) for run in naive_threshold_runs(listed, background, threshold, max_gap)]
        expected_best += [(video, *run) for run in naive_runs(*zip(*labels, strict=True), background, max_gap)]
    for found, expected in ((above, expected_above), (best, expected_best)):
        low = offset[found.video]
        columns = (found.video, found.label, found.first_row - low, found.last_row - low, found.score)
        assert list(zip(*(column.tolist() for column in columns), strict=True)) == expected
