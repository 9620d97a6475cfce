"""Every named protocol against the official evaluators' own output, per class and threshold."""

import gzip
import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from conftest import DATA
from factories_metrics import annotations_of, predictions_of
from factories_streams import read_stream

from tsmfeat.errors import InputError
from tsmfeat.formats.activitynet import read_annotations, read_predictions
from tsmfeat.localization.localizing import localize
from tsmfeat.metrics.average_precision import evaluate
from tsmfeat.metrics.protocols import protocol_named
from tsmfeat.values.vocabulary import Vocabulary

EXACT = 1e-12
EDGE_CASES = json.loads((DATA / "evaluation" / "edge_cases.json").read_text())
# The golden order "stable" sorts negated scores, which moves NaN to the end; the unchanged code ranks it first.
OF_EVALUATOR = {
    "activitynet_stable": replace(protocol_named("activitynet"), nan_score="last"),
    "activitynet_revstable": replace(protocol_named("activitynet"), tie="revstable"),
    "activitynet_as_is": protocol_named("activitynet"),
    **{name: protocol_named(name) for name in ("opentad", "actionformer", "mmaction2", "epic")},
}
EDGES = [(case, evaluator) for case in EDGE_CASES for evaluator in OF_EVALUATOR if evaluator in EDGE_CASES[case]["ap"]]


def load(path):
    content = path.read_bytes()
    return json.loads(gzip.decompress(content) if path.suffix == ".gz" else content)


def vocabulary_of(label_ids):
    return None if label_ids is None else Vocabulary(tuple(sorted(label_ids, key=label_ids.get)))


def judge(gt, pred, record, subset, thresholds, label_ids=None):
    annotations = read_annotations(gt, "keep", vocabulary_of(label_ids)).select_subset(subset)
    return evaluate(read_predictions(pred, "keep"), annotations, record, thresholds)


def require_equal(found, classes, ap):
    assert list(found.classes) == list(classes)
    assert np.abs(found.ap - np.array(ap)).max() <= EXACT


@pytest.mark.parametrize(("name", "evaluator"), EDGES)
def test_edge_cases(name, evaluator, tmp_path):
    case, record = EDGE_CASES[name], OF_EVALUATOR[evaluator]
    gt, pred = tmp_path / "gt.json", tmp_path / "pred.json"
    gt.write_text(json.dumps(case["gt"]))
    pred.write_text(json.dumps(case["pred"]))
    expected = dict(case["ap"][evaluator])
    told = case["subset"], case["tiou_thresholds"], case["label_ids"]
    if "error" in expected:
        with pytest.raises(InputError, match="predicted classes have no truth"):
            judge(gt, pred, replace(record, unknown="error"), *told)
        return
    expected_map = expected.pop("__mAP__")
    found = judge(gt, pred, record, *told)
    require_equal(found, expected, list(expected.values()))
    assert np.abs(found.map - expected_map).max() <= EXACT


def test_all_evaluators_are_asked():
    assert len(EDGES) == 27 * 6
    errors = [pair for pair in EDGES if "error" in EDGE_CASES[pair[0]]["ap"][pair[1]]]
    assert len(errors) == 6  # of unknown labels; a protocol ignores them unless its record says otherwise


def test_labels_collide_under_actionformer_only():
    case = EDGE_CASES["unknown_label_id_collision"]["ap"]
    assert case["actionformer"]["c"] != case["epic"]["c"]


FILES = {
    "activitynet_sample": ("gt_activitynet13_validation.json.gz", "pred_activitynet_sample.json.gz"),
    "binego_like": ("gt_binego_like.json", "pred_binego_like.json"),
    "scnn_nms0.0": ("gt_thumos14_test.json", "pred_scnn_nms0.0.json.gz"),
    "thumos14_synth_ties": ("gt_thumos14_test.json", "pred_thumos14_synth_ties.json"),
    "thumos14_synth_unique": ("gt_thumos14_test.json", "pred_thumos14_synth_unique.json"),
}


@pytest.mark.golden
@pytest.mark.parametrize("name", FILES)
def test_files_of_every_evaluator(name, shared_data):
    folder = shared_data("evaluation")
    golden = load(folder / f"expected_{name}.json")
    gt, pred = (folder / file for file in FILES[name])
    judged = []
    for evaluator, entry in golden["protocols"].items():
        told = golden["subset"], golden["tiou_thresholds"], golden["label_ids"]
        if "error" in entry:
            with pytest.raises(InputError, match="predicted classes have no truth"):
                judge(gt, pred, replace(OF_EVALUATOR[evaluator], unknown="error"), *told)
        elif (name, evaluator) != ("activitynet_sample", "activitynet_as_is"):  # all scores equal: the order is chance
            found = judge(gt, pred, OF_EVALUATOR[evaluator], *told)
            require_equal(found, entry["classes"], entry["ap"])
            assert abs(found.average_map - entry["average_mAP"]) <= EXACT
            judged.append(evaluator)
    assert len(judged) >= 2


DEVKIT = {
    "synth_test": ("thumos_devkit_gt_test.json", "thumos_devkit_synth_test.json", "test"),
    "run2_val": ("thumos_devkit_gt_val.json", "thumos_devkit_run2_val.json", "val"),
}


@pytest.mark.golden
@pytest.mark.parametrize("year", ["2014", "2015"])
@pytest.mark.parametrize("name", DEVKIT)
def test_the_thumos14_devkit(name, year, shared_data):
    folder = shared_data("evaluation")
    gt, pred, subset = DEVKIT[name]
    golden = load(folder / f"expected_thumos_devkit_{name}.json")
    entry = golden[f"thumos14_{year}"]
    record = protocol_named(f"thumos14-{year}")
    found = judge(folder / gt, folder / pred, record, subset, entry["tiou_thresholds"], ids_of(golden))
    require_equal(found, golden["classes"], entry["ap"])
    without = judge(
        folder / gt,
        folder / pred,
        replace(record, ambiguous="unused"),
        subset,
        entry["tiou_thresholds"],
        ids_of(golden),
    )
    assert (without.map < found.map).all()


def ids_of(golden):
    return {name: place for place, name in enumerate(golden["classes"])}


@pytest.mark.golden
def test_what_matlab_itself_stored_for_scnn(shared_data):
    folder = shared_data("evaluation")
    golden = load(folder / "expected_scnn_matlab.json")
    (entry,) = (entry for entry in golden["sets"] if (folder / entry["pred"]).exists())
    found = judge(
        folder / "thumos_devkit_gt_test.json",
        folder / entry["pred"],
        protocol_named("thumos14-2015"),
        "test",
        [entry["tiou"]],
        ids_of(golden),
    )
    require_equal(found, golden["classes"], np.array(entry["ap_saved_by_matlab"])[:, None])


SETS = ["50salads_eval", "50salads_mid", "gtea"]


@pytest.mark.golden
@pytest.mark.parametrize("data_set", SETS)
def test_streams_under_the_devkit_of_2015(data_set, shared_data):
    expected = json.loads(shared_data("segmentation/expected.json").read_text())[data_set]
    for model, entry in expected.items():
        scores, truth = read_stream(shared_data(f"segmentation/{data_set}.{model}.npz"))
        # Equal scores rank by video name, and the official run had the videos by number.
        scores = replace(scores, video_ids=tuple(f"video {number:03}" for number in range(len(scores.video_ids))))
        found = evaluate(localize(scores), truth_of(scores, truth), "thumos14-2015", [0.1, 0.5])
        assert 100 * found.map == pytest.approx([entry["map_0.1"], entry["map_0.5"]], abs=1e-9)
        assert list(found.ap[:, 0]) == pytest.approx(entry["ap_0.1"], abs=1e-11)


def truth_of(scores, truth):
    rows = []
    for name, first, last in zip(scores.video_ids, scores.row_offset[:-1], scores.row_offset[1:], strict=True):
        labels = truth[first:last]
        bounds = [0, *(np.flatnonzero(np.diff(labels)) + 1).tolist(), len(labels)]
        rows += [
            (name, scores.vocabulary.names[labels[a]], float(a), float(b))
            for a, b in pairwise(bounds)
            if labels[a] != scores.vocabulary.background
        ]
    return annotations_of(rows, list(scores.video_ids), list(scores.vocabulary.names))


def test_a_grid_makes_one_character_of_the_rule_matter():
    truth = annotations_of([("a", "walk", 0, 4)])
    found = predictions_of([("a", "walk", 0, 2, 0.5)])  # tIoU .5 exactly
    assert evaluate(found, truth, "thumos14-2015").final_score == 0.0
    assert evaluate(found, truth, replace(protocol_named("thumos14-2015"), compare="ge")).final_score == 1.0
