"""AR@AN: the official evaluators' own output, a slow twin, and curves by hand."""

import json

import numpy as np
import pytest
from factories_metrics import annotations_of, predictions_of
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_measures import naive_average_recall

from tsmfeat.errors import ConfigurationError, InputError
from tsmfeat.formats.reading import read_annotations
from tsmfeat.metrics.proposals import PROPOSAL_THRESHOLDS, AverageRecall, average_recall
from tsmfeat.values.predictions import Predictions
from tsmfeat.values.segments import Segments
from tsmfeat.values.vocabulary import Vocabulary


@pytest.fixture(scope="module")
def golden(shared_data):
    expected = json.loads(shared_data("evaluation/expected_aran.json").read_text())
    listed = json.loads(shared_data("evaluation/proposals_aran.json").read_text())["results"]
    rows = [(video, one) for video, own in enumerate(listed.values()) for one in own]
    bounds = np.array([one["segment"] for _, one in rows])
    score = [one["score"] for _, one in rows]
    segments = Segments([video for video, _ in rows], [0] * len(rows), bounds[:, 0], bounds[:, 1], score)
    truth = read_annotations(shared_data("evaluation/gt_thumos14_test.json"), "keep").select_subset("testing")
    return Predictions(tuple(listed), Vocabulary(("any",)), segments), truth, expected


@pytest.mark.golden
@pytest.mark.parametrize(
    ("name", "variant", "max_average"),
    [
        ("activitynet_max_avg_None", "activitynet", None),
        ("activitynet_max_avg_20", "activitynet", 20),
        ("activitynet_max_avg_100", "activitynet", 100),
        ("opentad_max_avg_20", "opentad", 20),
        ("opentad_max_avg_100", "opentad", 100),
    ],
)
def test_the_curve_is_that_of_the_official_evaluator(golden, name, variant, max_average):
    proposals, truth, expected = golden
    wanted = expected["protocols"][name]
    assert tuple(expected["tiou_thresholds"]) == PROPOSAL_THRESHOLDS
    found = average_recall(proposals, truth, max_average, variant)
    assert np.abs(found.recall - wanted["recall"]).max() <= 1e-12
    assert np.abs(found.proposals_per_video - wanted["proposals_per_video"]).max() <= 1e-12
    metric = wanted.get("metric", {"AUC": wanted.get("auc")})
    assert found.auc == pytest.approx(metric.pop("AUC"), abs=1e-12)
    assert {key: found.at(int(key.removeprefix("AR@"))) for key in metric} == pytest.approx(metric, abs=1e-12)


@pytest.mark.golden
def test_float32_bounds_give_the_curve_of_mmaction2(golden):
    proposals, truth, expected = golden
    wanted = expected["protocols"]["mmaction2_videos_with_proposals_only_max_avg_100"]
    filled = {proposals.video_ids[video] for video in proposals.segments.video}
    some = truth.select_videos([video for video, name in enumerate(truth.video_ids) if name in filled])
    found = average_recall(proposals, some, 100, "mmaction2")
    assert np.abs(found.recall - wanted["recall"]).max() <= 1e-12
    assert 100 * found.auc == pytest.approx(wanted["auc_percent"], abs=1e-12)
    assert np.abs(average_recall(proposals, some, 100).recall - wanted["recall"]).max() > 1e-4


BOUNDS = st.tuples(st.integers(0, 12), st.integers(1, 8)).map(lambda pair: (pair[0], pair[0] + pair[1]))
SCORES = st.sampled_from([0.1, 0.2, 0.2, 0.5, 0.9, float("nan")])
PROPOSALS = st.lists(st.tuples(st.sampled_from("abz"), BOUNDS, SCORES), min_size=1, max_size=25)
TRUTHS = st.lists(st.tuples(st.sampled_from("abc"), BOUNDS), min_size=1, max_size=8)


@settings(deadline=None, max_examples=60)
@given(PROPOSALS, TRUTHS, st.sampled_from([None, 0.7, 1.0, 3.0, 40.0]), st.sampled_from(["activitynet", "opentad"]))
def test_the_curve_is_that_of_a_slow_twin(proposals, truths, max_average, variant):
    if variant == "opentad":
        max_average = max(1.0, round(max_average or 2))
    rows = [(video, *bounds, score) for video, bounds, score in proposals]
    wanted = [(video, *bounds) for video, bounds in truths]
    thresholds = (0.75, 0.5, 1.0)
    found = average_recall(
        predictions_of([(video, "any", *rest) for video, *rest in rows]),
        annotations_of([(video, "other", *rest) for video, *rest in wanted]),
        max_average,
        variant,
        thresholds,
    )
    num_points = 100 if variant == "activitynet" else round(max_average)
    numbers, recall = naive_average_recall(rows, wanted, thresholds, max_average, num_points)
    assert found.proposals_per_video == pytest.approx(np.array(numbers), abs=1e-12)
    assert found.recall == pytest.approx(np.array(recall), abs=1e-12)


TWO = annotations_of([("a", "walk", 0, 10), ("a", "sit", 20, 30), ("b", "walk", 0, 4)])


def test_labels_play_no_part_and_one_proposal_finds_several():
    both = predictions_of([("a", "zzz", 0, 30, 0.5), ("b", "zzz", 0, 4, 0.1)])
    assert average_recall(both, TWO, 1, "opentad", (0.3,)).recall.tolist() == [[1.0]]


def test_numbers_of_proposals_are_cut_to_whole_ones():
    three = predictions_of([("a", "x", 0, 10, 0.9), ("a", "x", 20, 30, 0.8), ("b", "x", 0, 4, 0.7)])
    # 1 x 2 videos / 3 proposals: of two proposals one is kept, of one none.
    assert average_recall(three, TWO, 1, "opentad").recall[0].tolist() == pytest.approx([1 / 3])
    assert average_recall(three, TWO, 2, "opentad").recall[0].tolist() == pytest.approx([1 / 3, 1.0])


def test_proposals_outside_thin_out_those_inside():
    inside = [("a", "x", 0, 10, 0.9), ("a", "x", 20, 30, 0.8), ("b", "x", 0, 4, 0.7), ("b", "x", 9, 10, 0.6)]
    outside = [("q", "x", 0, 1, 0.5)] * 4
    assert average_recall(predictions_of(inside), TWO, None).recall[0, -1] == 1.0
    thinned = average_recall(predictions_of(inside + outside), TWO, 2)
    # 2 x 2 videos / 8 proposals: each video keeps half of its own.
    assert thinned.recall[0, -1] == pytest.approx(2 / 3)
    assert thinned.proposals_per_video[-1] == 2.0


def test_no_proposals_find_nothing():
    none = predictions_of([], videos=["a"], labels=["x"])
    for max_average in (100, None):
        found = average_recall(none, TWO, max_average)
        assert (found.auc, found.recall.any()) == (0.0, False)
    assert average_recall(none, TWO, 3, "opentad").proposals_per_video.tolist() == [1.0, 2.0, 3.0]


def test_a_point_that_rounding_moves_is_reached_all_the_same():
    curve = AverageRecall("activitynet", (0.5,), np.array([np.nextafter(5.0, 6.0), 10.0]), np.array([[0.25, 0.5]]))
    assert (curve.at(5), curve.at(4.9)) == (0.25, 0.0)
    assert curve.shown == {5: 0.25, 10: 0.5} | {1: 0.0}


def test_the_area_is_that_under_straight_lines():
    curve = AverageRecall(
        "opentad", (0.5, 0.6), np.array([1.0, 2.0, 4.0]), np.array([[0.0, 0.5, 1.0], [0.0, 0.1, 0.2]])
    )
    assert curve.average_recall == pytest.approx([0.0, 0.3, 0.6])
    assert curve.auc == pytest.approx((0.15 + 0.9) / 4)
    assert curve.shown == {1: 0.0}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"variant": "opentadd"}, "variant 'opentadd'"),
        ({"max_average": 0}, "0 proposals a video"),
        ({"max_average": float("nan")}, "nan proposals"),
        ({"max_average": 2.5, "variant": "opentad"}, "a whole one for opentad"),
        ({"tiou_thresholds": (0.5, 1.5)}, "threshold 1.5"),
    ],
)
def test_what_cannot_be_is_refused(words, message):
    with pytest.raises(ConfigurationError, match=message):
        average_recall(predictions_of([("a", "x", 0, 1, 0.5)]), TWO, **words)


def test_annotations_without_a_segment_are_refused():
    with pytest.raises(InputError, match="nothing to find"):
        average_recall(predictions_of([("a", "x", 0, 1, 0.5)]), annotations_of([], ["a"], ["x"]))
