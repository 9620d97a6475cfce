"""Evaluation against hand-worked examples, the twin, and values of the official evaluators."""

import gzip
import json
import math
from dataclasses import replace

import numpy as np
import pytest
from conftest import DATA
from factories_metrics import annotations_of, predictions_of
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_metrics import naive_evaluation, naive_num_at_threshold, naive_num_tied

from tsmfeat.errors import ConfigurationError, InputError
from tsmfeat.formats.activitynet import read_annotations, read_predictions
from tsmfeat.metrics.average_precision import evaluate
from tsmfeat.metrics.protocols import protocol_named

EXACT = 1e-12
EDGE_CASES = json.loads((DATA / "evaluation" / "edge_cases.json").read_text())


def load(path):
    content = path.read_bytes()
    return json.loads(gzip.decompress(content) if path.suffix == ".gz" else content)


def largest_difference(found, expected):
    """expected: {class: [AP per threshold]} or, as in the expected files, with the classes beside it."""
    assert set(found.classes) == set(expected)
    rows = np.array([expected[name] for name in found.classes])
    assert rows.shape == found.ap.shape
    return float(np.abs(rows - found.ap).max())


def by_class(entry):
    ap = entry["ap"]
    return ap if isinstance(ap, dict) else dict(zip(entry["classes"], ap, strict=True))


def judge(folder, gt, pred, expected):
    """Our activitynet protocol on official files, and what the official evaluators said."""
    golden = load(folder / expected)
    annotations = read_annotations(folder / gt, "keep").select_subset(golden["subset"])
    predictions = read_predictions(folder / pred, "keep")
    return evaluate(predictions, annotations, "activitynet", golden["tiou_thresholds"]), golden["protocols"]


# --- golden -----------------------------------------------------------------------------------------------------------


# Where the unchanged evaluator stops with a KeyError we ignore the label, as OpenTAD does. The file's "stable" variant
# sorts the negated scores, which moves NaN to the end; the unchanged code, like OpenTAD, ranks it first, and so do we.
WITNESS = {"unknown_label": "opentad", "unknown_label_id_collision": "opentad", "nan_score": "opentad"}


def test_all_edge_cases_are_there():
    assert len(EDGE_CASES) == 27


@pytest.mark.parametrize("name", EDGE_CASES)
def test_edge_cases_equal_the_official_evaluator(name, tmp_path):
    case = EDGE_CASES[name]
    (tmp_path / "gt.json").write_text(json.dumps(case["gt"]))
    (tmp_path / "pred.json").write_text(json.dumps(case["pred"]))
    annotations = read_annotations(tmp_path / "gt.json", "keep").select_subset(case["subset"])
    predictions = read_predictions(tmp_path / "pred.json", "keep")
    found = evaluate(predictions, annotations, "activitynet", case["tiou_thresholds"])
    witness = dict(case["ap"][WITNESS.get(name, "activitynet_stable")])
    expected_map = witness.pop("__mAP__")
    assert largest_difference(found, witness) <= EXACT
    assert np.abs(found.map - expected_map).max() <= EXACT


@pytest.mark.parametrize("official", ["opentad", "epic"])
def test_binego_like_data_equals_the_official_evaluators(official):
    folder = DATA / "evaluation"
    found, golden = judge(folder, "gt_binego_like.json", "pred_binego_like.json", "expected_binego_like.json")
    assert largest_difference(found, by_class(golden[official])) <= EXACT
    assert np.abs(found.map - golden[official]["mAP"]).max() <= EXACT
    assert abs(found.final_score - golden[official]["average_mAP"]) <= EXACT
    assert (found.num_annotations, found.num_predictions) == (golden["opentad"]["n_gt"], golden["opentad"]["n_pred"])
    assert found.num_predictions - found.num_ignored == golden["epic"]["n_pred"]


def test_the_paper_protocol_agrees_with_them_where_nothing_is_degenerate():
    folder = DATA / "evaluation"
    annotations = read_annotations(folder / "gt_binego_like.json")
    predictions = read_predictions(folder / "pred_binego_like.json")
    golden = load(folder / "expected_binego_like.json")["protocols"]["opentad"]
    found = evaluate(predictions, annotations)
    assert (found.protocol, found.tiou_thresholds) == ("paper", (0.5, 0.75, 0.95))
    assert largest_difference(found, by_class(golden)) <= EXACT


@pytest.mark.golden
@pytest.mark.parametrize(
    ("gt", "pred", "expected", "official"),
    [
        (
            "gt_thumos14_test.json",
            "pred_thumos14_synth_unique.json",
            "expected_thumos14_synth_unique.json",
            "activitynet_as_is",
        ),
        (
            "gt_thumos14_test.json",
            "pred_thumos14_synth_ties.json",
            "expected_thumos14_synth_ties.json",
            "activitynet_stable",
        ),
        ("gt_thumos14_test.json", "pred_scnn_nms0.0.json.gz", "expected_scnn_nms0.0.json", "activitynet_stable"),
        (
            "gt_activitynet13_validation.json.gz",
            "pred_activitynet_sample.json.gz",
            "expected_activitynet_sample.json",
            "activitynet_stable",
        ),
    ],
)
def test_real_data_equals_the_official_evaluator(shared_data, gt, pred, expected, official):
    found, golden = judge(shared_data("evaluation"), gt, pred, expected)
    assert list(found.classes) == golden[official]["classes"]
    assert largest_difference(found, by_class(golden[official])) <= EXACT
    assert abs(found.average_map - golden[official]["average_mAP"]) <= EXACT
    assert (found.num_annotations, found.num_predictions) == (golden[official]["n_gt"], golden[official]["n_pred"])


@pytest.mark.golden
def test_the_share_of_ties_tells_files_apart(shared_data):
    folder = shared_data("evaluation")
    gt = "gt_thumos14_test.json"
    unique, _ = judge(folder, gt, "pred_thumos14_synth_unique.json", "expected_thumos14_synth_unique.json")
    ties, _ = judge(folder, gt, "pred_thumos14_synth_ties.json", "expected_thumos14_synth_ties.json")
    assert unique.tied_share == 0.0
    assert ties.tied_share > 0.5


# --- by hand ----------------------------------------------------------------------------------------------------------


def test_a_worked_example_of_the_paper_protocol():
    # walk: truths [0, 10] and [20, 30] in a; run: [0, 4] in b.
    truth = annotations_of([("a", "walk", 0, 10), ("a", "walk", 20, 30), ("b", "run", 0, 4)])
    found = evaluate(
        predictions_of(
            [
                ("a", "walk", 0, 8, 0.9),  # tIoU .8 with [0, 10]
                ("a", "walk", 40, 50, 0.8),  # nothing there
                ("a", "walk", 20, 26, 0.7),  # tIoU .6 with [20, 30]
                ("b", "run", 0, 3, 0.5),  # tIoU .75 exactly
            ]
        ),
        truth,
    )
    assert found.classes == ("walk", "run")
    # walk at .5: hits 1 0 1, precision 1 and 2/3 at the hits: (1 + 2/3) / 2 = 5/6. At .75: hits 1 0 0: 1/2. At .95: 0.
    # run at .5 and .75: 1. At .95: 0.
    assert found.ap == pytest.approx(np.array([[5 / 6, 1 / 2, 0], [1, 1, 0]]), abs=1e-15)
    assert found.map == pytest.approx([11 / 12, 3 / 4, 0], abs=1e-15)
    assert found.final_score == pytest.approx((11 / 12 + 3 / 4) / 3, abs=1e-15)
    assert found.average_map == found.final_score
    # On a threshold: run's .75 only.
    assert (found.num_annotations, found.num_predictions, found.num_ignored) == (3, 4, 0)
    assert (found.tied_share, found.num_at_threshold) == (0.0, 1)


def test_equal_scores_rank_in_the_order_of_the_file():
    truth = annotations_of([("a", "walk", 0, 10)])
    right, wrong = ("a", "walk", 0, 10, 0.5), ("a", "walk", 50, 60, 0.5)
    assert evaluate(predictions_of([right, wrong]), truth).ap[0].tolist() == [1, 1, 1]
    # Precision 1/2 where the only truth is found.
    tied = evaluate(predictions_of([wrong, right]), truth)
    assert tied.ap[0].tolist() == [0.5, 0.5, 0.5]
    assert tied.tied_share == 1.0


def test_videos_without_annotations_count_against_the_predictions():
    truth = annotations_of([("a", "walk", 0, 10)])
    found = evaluate(predictions_of([("z", "walk", 0, 10, 0.9), ("a", "walk", 0, 10, 0.4)]), truth)
    assert found.ap[0].tolist() == [0.5, 0.5, 0.5]


def test_annotated_videos_without_predictions_count_as_missed():
    truth = annotations_of([("a", "walk", 0, 10), ("b", "walk", 0, 10)])
    assert evaluate(predictions_of([("a", "walk", 0, 10, 0.9)]), truth).ap[0].tolist() == [0.5, 0.5, 0.5]


def test_labels_without_truth_are_ignored_and_counted():
    truth = annotations_of([("a", "walk", 0, 10)], labels=["sit", "walk"])
    rows = [("a", "walk", 0, 10, 0.5), ("a", "fly", 0, 10, 0.5), ("a", "sit", 0, 10, 0.5)]
    found = evaluate(predictions_of(rows), truth)
    assert (found.classes, found.ap.tolist()) == (("walk",), [[1, 1, 1]])
    assert (found.num_predictions, found.num_ignored, found.tied_share) == (3, 2, 0.0)


def test_a_class_without_predictions_is_zero_and_counts():
    truth = annotations_of([("a", "walk", 0, 10), ("a", "run", 20, 30)])
    assert evaluate(predictions_of([("a", "walk", 0, 10, 0.5)]), truth).map.tolist() == [0.5, 0.5, 0.5]


def test_no_prediction_at_all_scores_zero():
    truth = annotations_of([("a", "walk", 0, 10)])
    found = evaluate(predictions_of([]), truth)
    assert (found.final_score, found.num_predictions, found.tied_share) == (0.0, 0, 0.0)


def test_classes_come_in_the_order_of_the_truth():
    truth = annotations_of([("a", "walk", 0, 10), ("b", "run", 0, 10)], labels=["jump", "run", "walk"])
    assert evaluate(predictions_of([]), truth).classes == ("walk", "run")


def test_degenerate_segments_match_only_under_the_official_rule():
    # Zero-length on both sides, and a reversed detection as long as its truth: 0 / 0.
    truth = annotations_of([("a", "walk", 4, 4), ("b", "walk", 4, 8)])
    found = predictions_of([("a", "walk", 6, 6, 0.9), ("b", "walk", 20, 16, 0.8)])
    assert evaluate(found, truth, "paper").final_score == 0.0
    assert evaluate(found, truth, "activitynet").final_score == 1.0


def test_infinite_and_nan_ends_are_no_arithmetic_warning():
    truth = annotations_of([("a", "walk", 0, math.inf), ("a", "walk", 0, 10)])
    rows = [("a", "walk", 0, math.inf, 0.9), ("a", "walk", math.inf, math.inf, 0.8), ("a", "walk", math.nan, 10, 0.7)]
    assert evaluate(predictions_of(rows), truth, "paper").final_score == 0.0
    # Official: inf - inf is NaN, and NaN matches whatever is free: two hits of three, precision 1 and 1.
    assert evaluate(predictions_of(rows), truth, "activitynet").final_score == 1.0


def test_nan_scores_rank_first():
    truth = annotations_of([("a", "walk", 0, 10)])
    rows = [("a", "walk", 0, 10, math.inf), ("a", "walk", 50, 60, math.nan)]
    assert evaluate(predictions_of(rows), truth, "activitynet").ap[0, 0] == 0.5


def test_thresholds_given_replace_those_of_the_protocol():
    truth = annotations_of([("a", "walk", 0, 10)])
    found = evaluate(predictions_of([("a", "walk", 0, 6, 0.5)]), truth, tiou_thresholds=[0.7, 0.6])
    assert (found.tiou_thresholds, found.map.tolist(), found.final_score) == ((0.7, 0.6), [0.0, 1.0], 0.5)


def test_a_record_of_ones_own_is_a_protocol():
    truth = annotations_of([("a", "walk", 0, 10)])
    record = replace(protocol_named("paper"), name="mine", tiou_thresholds=(0.2,))
    found = evaluate(predictions_of([("a", "walk", 0, 3, 0.5)]), truth, record)
    assert (found.protocol, found.ap.tolist()) == ("mine", [[1.0]])


def test_dropped_rows_of_both_sides_are_handed_on():
    truth = replace(annotations_of([("a", "walk", 0, 10)]), num_dropped=3)
    found = evaluate(replace(predictions_of([]), num_dropped=5), truth)
    assert (found.num_dropped_annotations, found.num_dropped_predictions) == (3, 5)


# --- refusals ---------------------------------------------------------------------------------------------------------


def test_no_truth_at_all_is_refused():
    with pytest.raises(InputError, match="no segment among the 2 annotated videos"):
        evaluate(predictions_of([]), annotations_of([], videos=["a", "b"]))


@pytest.mark.parametrize("bad", [0.0, -0.5, 1.5, math.nan, math.inf])
def test_thresholds_out_of_range_are_refused(bad):
    with pytest.raises(ConfigurationError, match="tIoU threshold"):
        evaluate(predictions_of([]), annotations_of([("a", "walk", 0, 1)]), tiou_thresholds=[0.5, bad])


@pytest.mark.parametrize("thresholds", [[], [0.5] * 65, [[0.5]]])
def test_a_list_of_one_to_sixty_four_thresholds_is_asked_for(thresholds):
    with pytest.raises(ConfigurationError, match="1 to 64"):
        evaluate(predictions_of([]), annotations_of([("a", "walk", 0, 1)]), tiou_thresholds=thresholds)


def test_an_unknown_protocol_is_refused():
    with pytest.raises(ConfigurationError, match="papr"):
        evaluate(predictions_of([]), annotations_of([("a", "walk", 0, 1)]), "papr")


# --- properties -------------------------------------------------------------------------------------------------------

VIDEOS, LABELS = ["a", "b", "c"], ["walk", "run", "sit"]
SPOT = st.integers(0, 8).map(lambda k: k * 0.5)
TRUTH = st.tuples(st.sampled_from(VIDEOS[:2]), st.sampled_from(LABELS[:2]), SPOT, SPOT)
SCORE = st.sampled_from([0.1, 0.2, 0.3, math.nan, math.inf])
PREDICTION = st.tuples(st.sampled_from(VIDEOS), st.sampled_from(LABELS), SPOT, SPOT, SCORE)


@given(
    st.lists(TRUTH, min_size=1, max_size=10),
    st.lists(PREDICTION, max_size=20),
    st.permutations(VIDEOS),
    st.permutations(LABELS),
    st.sampled_from(["paper", "activitynet"]),
)
@settings(max_examples=300, deadline=None)
def test_evaluation_equals_the_twin(truths, rows, videos, labels, protocol):
    annotations = annotations_of(truths)
    found = evaluate(predictions_of(rows, videos, labels), annotations, protocol)
    thresholds = found.tiou_thresholds
    expected = naive_evaluation(rows, truths, thresholds, undefined_matches=protocol == "activitynet")
    assert list(found.classes) == list(expected)
    assert largest_difference(found, expected) <= EXACT
    assert found.num_at_threshold == naive_num_at_threshold(rows, truths, thresholds)
    known = sum(row[1] in expected for row in rows)
    assert found.num_ignored == len(rows) - known
    assert round(found.tied_share * known) == naive_num_tied(rows, truths)
