"""Top-kx recall: the official evaluators' own output, a slow twin, and counts by hand."""

import json

import numpy as np
import pytest
from factories_metrics import annotations_of, predictions_of
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_measures import naive_top_recall

from tsmfeat.errors import ConfigurationError
from tsmfeat.formats.reading import read_annotations, read_predictions
from tsmfeat.metrics.recall import top_recall


@pytest.mark.golden
@pytest.mark.parametrize(
    ("name", "truth", "subset"),
    [("thumos14_synth_unique", "gt_thumos14_test", "testing"), ("binego_like", "gt_binego_like", "test")],
)
@pytest.mark.parametrize("protocol", ["opentad", "actionformer"])
def test_the_recall_is_that_of_the_official_evaluators(shared_data, name, truth, subset, protocol):
    expected = json.loads(shared_data(f"evaluation/expected_{name}.json").read_text())
    wanted = expected["protocols"].get(protocol)
    if wanted is None:
        pytest.skip(f"no golden values of {protocol} for {name}")
    annotations = read_annotations(shared_data(f"evaluation/{truth}.json"), "keep").select_subset(subset)
    predictions = read_predictions(shared_data(f"evaluation/pred_{name}.json"), "keep")
    found = top_recall(predictions, annotations, protocol, expected["tiou_thresholds"])
    recall = wanted["recall_topkx"]
    assert list(found.best_of) == recall["top_k"]
    place = [found.classes.index(label) for label in wanted["classes"]]
    golden = np.moveaxis(np.array(recall["per_class_tiou_k"]), 1, 2)
    assert np.abs(found.per_class[place] - golden).max() <= 1e-12


BOUNDS = st.tuples(st.integers(0, 12), st.integers(1, 8)).map(lambda pair: (pair[0], pair[0] + pair[1]))
LABELS = st.sampled_from(["walk", "sit"])
SCORES = st.sampled_from([0.1, 0.2, 0.2, 0.5, 0.9, float("nan")])
DETECTIONS = st.lists(st.tuples(st.sampled_from("abz"), LABELS, BOUNDS, SCORES), min_size=1, max_size=25)
TRUTHS = st.lists(st.tuples(st.sampled_from("abc"), LABELS, BOUNDS), min_size=1, max_size=10)


@settings(deadline=None, max_examples=80)
@given(DETECTIONS, TRUTHS)
def test_the_recall_is_that_of_a_slow_twin(detections, truths):
    rows = [(video, label, *bounds, score) for video, label, bounds, score in detections]
    wanted = [(video, label, *bounds) for video, label, bounds in truths]
    thresholds, multiples = (0.75, 0.3, 1.0), (1, 2, 5)
    found = top_recall(predictions_of(rows), annotations_of(wanted), tiou_thresholds=thresholds, best_of=(5, 1, 2))
    expected = naive_top_recall(rows, wanted, thresholds, multiples)
    assert found.best_of == multiples
    assert list(found.classes) == list(expected)
    assert found.per_class.tolist() == list(expected.values())


def test_as_many_detections_are_looked_at_as_there_are_truths_times_k():
    truth = annotations_of([("a", "walk", 0, 10), ("a", "walk", 20, 30)])
    found = predictions_of(
        [
            ("a", "walk", 50, 60, 0.9),
            ("a", "walk", 0, 10, 0.8),
            ("a", "walk", 20, 30, 0.7),  # the third of two
            ("b", "walk", 0, 10, 1.0),  # of another video: takes no one's place
            ("a", "sit", 20, 30, 1.0),
        ]
    )
    recall = top_recall(found, truth, tiou_thresholds=(0.5,)).recall
    assert recall.tolist() == [[0.5], [1.0]]


def test_a_detection_may_find_several_truths():
    truth = annotations_of([("a", "walk", 0, 10), ("a", "walk", 1, 11)])
    one = predictions_of([("a", "walk", 0, 11, 0.9)])
    assert top_recall(one, truth, tiou_thresholds=(0.5,)).recall.tolist() == [[1.0], [1.0]]


@pytest.mark.parametrize("best_of", [(), (0,), (1, -1)])
def test_multiples_that_are_none_are_refused(best_of):
    truth = annotations_of([("a", "walk", 0, 10)])
    with pytest.raises(ConfigurationError, match="multiples"):
        top_recall(predictions_of([("a", "walk", 0, 10, 0.9)]), truth, best_of=best_of)
