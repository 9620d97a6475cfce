"""Segments as a label a frame: by hand, against a slow twin, and there and back again on real labels."""

from dataclasses import replace

import numpy as np
import pytest
from factories_metrics import annotations_of, predictions_of
from factories_streams import read_stream
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_measures import naive_frames

from tsmfeat.errors import ConfigurationError, InputError
from tsmfeat.localization.localizing import localize
from tsmfeat.metrics.frames import BACKGROUND, frame_scores, label_frames
from tsmfeat.metrics.segmentation import segmentation_scores
from tsmfeat.values.annotations import Annotations
from tsmfeat.values.vocabulary import Vocabulary

LABELS = ["walk", "sit"]


def lasting(annotations, *seconds):
    return replace(annotations, duration_seconds=np.array(seconds, np.float64))


TIMES = st.tuples(st.integers(-8, 70), st.integers(1, 40)).map(lambda pair: (pair[0] / 4, (pair[0] + pair[1]) / 4))
ROWS = st.lists(
    st.tuples(st.sampled_from("ab"), st.sampled_from(LABELS), TIMES, st.sampled_from([0.2, 0.5, 0.5, float("nan")])),
    max_size=12,
)


@settings(deadline=None, max_examples=100)
@given(ROWS, st.integers(0, 60), st.sampled_from([0.25, 0.5, 1.0]))
def test_frames_are_those_of_a_slow_twin(rows, quarters, step):
    listed = [(video, label, *times, score) for video, label, times, score in rows]
    seconds = (quarters / 4, 15.0)
    truth = lasting(annotations_of([row[:4] for row in listed], ["a", "b"], LABELS), *seconds)
    frames = label_frames(predictions_of(listed, ["a", "b"], LABELS), truth, step)
    for place, (video, duration) in enumerate(zip("ab", seconds, strict=True)):
        span = slice(frames.row_offset[place], frames.row_offset[place + 1])
        own = [(LABELS.index(row[1]), *row[2:]) for row in listed if row[0] == video]
        assert frames.predicted[span].tolist() == naive_frames(own, duration, step, BACKGROUND)
        alike = [(*row[:3], 1.0) for row in own]
        assert frames.truth[span].tolist() == naive_frames(alike, duration, step, BACKGROUND)
    assert frames.num_shared == sum(
        sum(row[0] == video and row[2] <= (place + 0.5) * step < row[3] for row in listed) > 1
        for video, duration in zip("ab", seconds, strict=True)
        for place in range(int(duration / step))
    )


@pytest.mark.golden
@pytest.mark.parametrize("name", ["gtea.video_ED-TCN_L2_C25", "50salads_mid.mid_video_SVM"])
def test_segments_of_real_scores_become_the_labels_they_came_from(shared_data, name):
    scores, truth = read_stream(shared_data(f"segmentation/{name}.npz"))
    scores = replace(scores, step_seconds=0.1, duration_seconds=scores.duration_seconds * 0.1)
    count, background = len(scores.video_ids), scores.vocabulary.background
    true_rows = replace(scores, scores=np.eye(background + 1, dtype=np.float32)[truth])
    annotations = Annotations(
        scores.video_ids,
        scores.vocabulary,
        localize(true_rows).segments,
        scores.duration_seconds,
        ("",) * count,
        np.full(count, -1),
        Vocabulary(()),
    )
    found = frame_scores(localize(scores), annotations, 0.1)
    wanted = segmentation_scores(truth, scores.scores.argmax(1), scores.row_offset, background)
    assert found.scores == wanted
    # On a grid of another length little changes: the measures are of time, not of rows.
    finer = frame_scores(localize(scores), annotations, 0.025).scores
    assert (finer.edit, finer.f1) == (pytest.approx(wanted.edit), pytest.approx(wanted.f1))


def test_the_higher_score_wins_and_of_equal_ones_the_earlier_row():
    truth = lasting(annotations_of([("a", "walk", 0, 4), ("a", "sit", 2, 6)]), 6)
    found = predictions_of([("a", "walk", 0, 4, 0.5), ("a", "sit", 2, 6, 0.9), ("a", "walk", 3, 5, 0.9)])
    frames = label_frames(found, truth, 1.0)
    assert frames.predicted.tolist() == [0, 0, 1, 1, 1, 1]
    assert frames.truth.tolist() == [0, 0, 0, 0, 1, 1]


def test_a_frame_belongs_to_what_covers_its_middle():
    truth = lasting(annotations_of([("a", "walk", 0.5, 1.5)]), 3.9)
    frames = label_frames(predictions_of([("a", "walk", 0.51, 1.51, 0.5)]), truth, 1.0)
    assert frames.truth.tolist() == [0, -1, -1]  # half-open: 1.5 is the middle of the second
    assert frames.predicted.tolist() == [-1, 0, -1]


def test_a_middle_that_rounding_moves_is_covered_all_the_same():
    assert 0.07 / 0.02 - 0.5 > 3  # the middle of the fourth frame
    frames = label_frames(predictions_of([]), lasting(annotations_of([("a", "walk", 0.07, 0.1)]), 0.12), 0.02)
    assert frames.truth.tolist() == [-1, -1, -1, 0, 0, -1]


def test_names_join_and_what_only_the_predictions_know_is_wrong():
    truth = lasting(annotations_of([("a", "walk", 0, 2), ("b", "sit", 0, 2)]), 2, 2)
    found = predictions_of([("b", "sit", 0, 2, 0.5), ("a", "jump", 0, 2, 0.5), ("z", "walk", 0, 2, 0.9)])
    frames = label_frames(found, truth, 1.0)
    assert frames.truth.tolist() == [0, 0, 1, 1]
    assert frames.predicted.tolist() == [2, 2, 1, 1]
    assert frame_scores(found, truth, 1.0).scores.accuracy == 0.5


def test_frames_of_several_truths_are_counted():
    truth = lasting(annotations_of([("a", "walk", 0, 3), ("a", "sit", 2, 9), ("a", "walk", 2, 4)]), 4)
    found = frame_scores(predictions_of([]), truth, 1.0)
    assert (found.num_frames, found.num_shared) == (4, 2)
    assert found.to_dict()["num_shared"] == 2


def test_times_beyond_the_video_are_cut():
    truth = lasting(annotations_of([("a", "walk", -5, 50)]), 3)
    assert label_frames(predictions_of([("a", "walk", 9, 12, 0.5)]), truth, 1.0).predicted.tolist() == [-1, -1, -1]
    assert label_frames(predictions_of([]), truth, 1.0).truth.tolist() == [0, 0, 0]


def test_unknown_durations_are_named():
    truth = lasting(annotations_of([("a", "walk", 0, 2), ("b", "sit", 0, 2)]), 2, np.nan)
    with pytest.raises(InputError, match=r"1 of 2 annotated videos have no duration \('b'\)") as caught:
        label_frames(predictions_of([]), truth)
    assert "leave the measure 'frames' out" in caught.value.hint


def test_videos_shorter_than_a_frame_and_steps_that_are_none_are_refused():
    truth = lasting(annotations_of([("a", "walk", 0, 2)]), 2)
    with pytest.raises(InputError, match="as long as a frame of 9"):
        frame_scores(predictions_of([]), truth, 9.0)
    with pytest.raises(ConfigurationError, match="step"):
        frame_scores(predictions_of([]), truth, 0.0)
