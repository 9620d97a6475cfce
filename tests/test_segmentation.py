"""Frame accuracy, edit score and F1: an executed official implementation, a slow twin, and sequences by hand."""

import json

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from naive_measures import levenshtein, naive_accuracy, naive_counts, naive_edit, naive_f1

from tsmfeat.errors import ConfigurationError, InputError
from tsmfeat.kernels.sequences import edit_distances
from tsmfeat.metrics.segmentation import segmentation_scores

SETS = {
    "50salads_eval": [f"eval_video_{model}" for model in ("DilatedTCN_L5_B2", "ED-TCN_L2_C18", "SVM", "tCNN_C36")],
    "50salads_mid": [f"mid_video_{model}" for model in ("DilatedTCN_B3_L5", "ED-TCN_L2_C15", "SVM", "tCNN_C36")],
    "gtea": [f"video_{model}" for model in ("DilatedTCN_L5_B2", "ED-TCN_L2_C25", "SVM", "tCNN_C30")],
}
STREAMS = [(data_set, model) for data_set, models in SETS.items() for model in models]
EXACT = 1e-11


@pytest.mark.golden
@pytest.mark.parametrize(("data_set", "model"), STREAMS)
def test_published_models_have_the_numbers_of_the_official_code(shared_data, data_set, model):
    expected = json.loads(shared_data("segmentation/expected.json").read_text())[data_set][model]
    with np.load(shared_data(f"segmentation/{data_set}.{model}.npz")) as arrays:
        found = segmentation_scores(arrays["truth"], arrays["predicted"], arrays["offsets"], expected["background"])
    assert found.num_videos == expected["videos"]
    assert 100 * found.accuracy == pytest.approx(expected["accuracy"], abs=EXACT)
    assert 100 * found.edit == pytest.approx(expected["edit"], abs=EXACT)
    wanted = {float(threshold): value for threshold, value in expected["f1"].items()}
    assert set(wanted) == set(found.tiou_thresholds)
    for threshold, value in zip(found.tiou_thresholds, found.f1, strict=True):
        assert 100 * value == pytest.approx(wanted[threshold], abs=EXACT)


LABELS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=20)
VIDEOS = st.lists(LABELS, min_size=1, max_size=4)


@settings(deadline=None, max_examples=150)
@given(VIDEOS, st.integers(0, 4))
@example([[(0, 0)], [(1, 1)]], 0)
@example([[(0, 1)], [(1, 0)]], 0)
def test_the_scores_are_those_of_a_slow_twin(videos, background):
    pairs = [tuple(zip(*video, strict=True)) for video in videos]
    offset = np.cumsum([0, *map(len, videos)])
    rows = np.array([row for video in videos for row in video])
    found = segmentation_scores(rows[:, 0], rows[:, 1], offset, background)
    assert found.accuracy == pytest.approx(np.mean([naive_accuracy(*pair) for pair in pairs]))
    assert found.accuracy_pooled == pytest.approx((rows[:, 0] == rows[:, 1]).mean())
    edits = [naive_edit(*pair, background) for pair in pairs]
    assert found.num_empty_videos == edits.count(None)
    known = [edit for edit in edits if edit is not None]
    assert found.edit == pytest.approx(np.mean(known) if known else 1.0)
    for place, threshold in enumerate(found.tiou_thresholds):
        counts = [naive_counts(*pair, background, threshold) for pair in pairs]
        scores = [score for score in (naive_f1(*count) for count in counts) if score is not None]
        assert found.f1[place] == pytest.approx(np.mean(scores) if scores else 1.0)
        pooled = naive_f1(*np.sum(counts, axis=0))
        assert found.f1_pooled[place] == pytest.approx(1.0 if pooled is None else pooled)


@settings(deadline=None, max_examples=100)
@given(st.lists(st.integers(0, 3), max_size=8), st.lists(st.integers(0, 3), max_size=8))
def test_the_distance_is_that_of_a_slow_twin_and_a_metric(one, other):
    def distance(left, right):
        pieces = (np.array(left, np.int32), np.array([0, len(left)]), np.array(right, np.int32), [0, len(right)])
        return int(edit_distances(*pieces[:3], np.array(pieces[3]))[0])

    assert distance(one, other) == levenshtein(tuple(one), tuple(other)) == distance(other, one)
    assert distance(one, one) == 0


def test_a_perfect_labelling_and_its_opposite():
    labels = [0, 1, 1, 2, 2, 2]
    perfect = segmentation_scores(labels, labels, [0, 6], 0)
    assert (perfect.accuracy, perfect.edit, perfect.f1, perfect.f1_pooled) == (1.0, 1.0, (1.0,) * 3, (1.0,) * 3)
    wrong = segmentation_scores(labels, [3] * 6, [0, 6], 0)
    assert (wrong.accuracy, wrong.edit, wrong.f1) == (0.0, 0.0, (0.0,) * 3)
    silent = segmentation_scores(labels, [0] * 6, [0, 6], 0)
    assert (silent.accuracy, silent.edit, silent.f1) == (pytest.approx(1 / 6), 0.0, (0.0,) * 3)


def test_a_segment_cut_in_two_is_right_once():
    truth, cut = [1] * 8, [1, 1, 1, 1, 2, 1, 1, 1]
    found = segmentation_scores(truth, cut, [0, 8], 0, (0.5,))
    assert found.f1 == (0.5,)  # one of three is right: precision 1/3, recall 1
    assert found.edit == pytest.approx(1 / 3)


def test_an_overlap_equal_to_the_threshold_counts():
    assert segmentation_scores([1, 1, 0, 0], [1, 0, 0, 0], [0, 4], 0, (0.5,)).f1 == (1.0,)
    assert segmentation_scores([1, 1, 1, 0], [1, 0, 0, 0], [0, 4], 0, (0.5,)).f1 == (0.0,)


def test_videos_weigh_alike_in_means_and_rows_in_what_is_pooled():
    found = segmentation_scores([1, 1, 1, 1], [1, 2, 2, 2], [0, 1, 4], 0)
    assert (found.accuracy, found.accuracy_pooled) == (0.5, 0.25)
    assert (found.f1[0], found.f1_pooled[0]) == (0.5, 0.5)


def test_videos_without_rows_are_passed_over():
    one = segmentation_scores([1, 2], [1, 1], [0, 2], 0)
    assert segmentation_scores([1, 2], [1, 1], [0, 0, 2, 2], 0) == one


def test_the_object_holds_lists():
    found = segmentation_scores([1, 2], [1, 1], [0, 2], 0).to_dict()
    assert json.loads(json.dumps(found)) == found
    assert found["tiou_thresholds"] == [0.1, 0.25, 0.5]


@pytest.mark.parametrize(
    ("truth", "predicted", "offset"),
    [([1, 2], [1], [0, 2]), ([1], [1], [0, 2]), ([1, 2], [1, 2], [0, 2, 1, 2]), ([], [], [0]), ([], [], [0, 0])],
)
def test_rows_that_do_not_fit_are_refused(truth, predicted, offset):
    with pytest.raises(InputError):
        segmentation_scores(truth, predicted, offset, 0)


@pytest.mark.parametrize("thresholds", [(), (0.0,), (1.5,), (float("nan"),)])
def test_thresholds_out_of_range_are_refused(thresholds):
    with pytest.raises(ConfigurationError):
        segmentation_scores([1], [1], [0, 1], 0, thresholds)
