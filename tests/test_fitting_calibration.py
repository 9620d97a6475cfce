"""Calibrated heads: the checkpoint, the record, and what is said of them."""

from dataclasses import replace

import numpy as np
import pytest
from factories_heads import Recorder
from factories_workflows import make_database, write_database, write_store
from typer.testing import CliRunner

from tsmfeat.errors import ConfigurationError
from tsmfeat.formats.interval_scores import read_interval_scores
from tsmfeat.formats.reading import read_annotations
from tsmfeat.heads.checkpoint import load_heads
from tsmfeat.heads.options import HeadOptions
from tsmfeat.heads.prediction import predict_probabilities, score_actions
from tsmfeat.heads.temperature import divide_by_temperature, fit_temperature, log_loss
from tsmfeat.store.reader import open_features
from tsmfeat.workflows.calibrating import answer_targets
from tsmfeat.workflows.fit_data import load_fit_data, make_judge
from tsmfeat.workflows.fit_options import FitOptions
from tsmfeat.workflows.fitting import fit_heads
from tsmfeat.workflows.fitting_folds import cross_fit, deal_folds
from tsmfeat.workflows.inference import gather_features, select_gathered
from tsmfeat_cli.main import app

FAST = FitOptions(HeadOptions(epochs=4, lr=0.05, batch_size=64))
CALIBRATED = replace(FAST, calibrate="temperature")


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    folder = tmp_path_factory.mktemp("task")
    database = make_database()
    write_database(folder / "gt.json", database)
    write_store(folder / "store", database, noise=4.0)
    return folder


def fit(task, out, options):
    report = fit_heads([task / "store"], task / "gt.json", out, options)
    return report, load_heads(out)


@pytest.mark.parametrize("loss", ["cross-entropy", "sigmoid"])
def test_only_the_action_scores_are_divided_and_everything_is_told(task, tmp_path, loss):
    heads = replace(FAST.heads, loss=loss)
    report, plain = fit(task, tmp_path / "plain", replace(FAST, heads=heads))
    assert report.calibration == {}
    report, found = fit(task, tmp_path / "calibrated", replace(CALIBRATED, heads=heads))
    record = found.record["calibration"]
    temperature = record["temperature"]
    assert temperature != pytest.approx(1.0, abs=0.01)
    np.testing.assert_allclose(found.weights.action_weight * temperature, plain.weights.action_weight, rtol=1e-5)
    np.testing.assert_allclose(found.weights.action_bias * temperature, plain.weights.action_bias, rtol=1e-5)
    np.testing.assert_array_equal(found.weights.scene_weight, plain.weights.scene_weight)
    assert record["log_loss"][1] < record["log_loss"][0]
    assert record["final_score"] == [plain.record["validation"]["final_score"], report.validation["final_score"]]
    assert dict(report.calibration) == record
    assert "calibration" not in plain.record


def test_the_recorded_loss_is_that_of_the_saved_heads_on_the_validation_videos(task, tmp_path):
    _, found = fit(task, tmp_path / "heads", CALIBRATED)
    truth = read_annotations(task / "gt.json")
    with open_features(task / "store") as store:
        features = gather_features(store, truth.select_subset("validation").video_ids)
    chances = predict_probabilities(found.weights, features.embeddings)[0]
    targets = answer_targets(truth, features, "softmax", 0.5)
    record = found.record["calibration"]
    assert record["num_intervals"] == len(chances)
    assert record["log_loss"][1] == pytest.approx(log_loss(np.log(chances), targets), rel=1e-4)
    judge = make_judge(truth, features, Recorder())
    before = divide_by_temperature(found.weights, 1 / record["temperature"])
    scores = [judge(weights).evaluation.final_score for weights in (before, found.weights)]
    assert scores[0] != scores[1]  # segments of different sureness change places
    assert record["final_score"] == pytest.approx(scores)


def test_folds_choose_by_what_they_did_not_see(task, tmp_path):
    options = replace(CALIBRATED, num_folds=3, num_seeds=2, save_oof=str(tmp_path / "oof"))
    report, found = fit(task, tmp_path / "heads", options)
    _, plain = fit(task, tmp_path / "plain", replace(options, calibrate="off", save_oof=str(tmp_path / "raw")))
    record = found.record["calibration"]
    np.testing.assert_allclose(
        found.weights.action_weight * record["temperature"], plain.weights.action_weight, rtol=1e-5
    )
    assert record["num_intervals"] == report.num_intervals
    # The saved scores are those of the calibrated heads, each seed with a temperature of its own.
    raw, saved = (
        [np.log(read_interval_scores(path).scores) for path in sorted((tmp_path / folder).glob("*.scores"))]
        for folder in ("raw", "oof")
    )
    ratios = [(of[:, 0] - of[:, -1]) / (by[:, 0] - by[:, -1]) for of, by in zip(raw, saved, strict=True)]
    temperatures = [np.median(ratio) for ratio in ratios]
    assert temperatures[0] == pytest.approx(record["temperature"], rel=1e-3)
    assert temperatures[1] != pytest.approx(temperatures[0], rel=1e-3)
    np.testing.assert_allclose(ratios[1], temperatures[1], rtol=1e-2)


def test_the_temperature_of_folds_is_that_of_heads_on_the_fold_they_did_not_see(task, tmp_path):
    """A fit of each fold by hand; heads of another fold saw the videos, and are too sure of them."""
    heads, options = FAST.heads, replace(CALIBRATED, num_folds=3)
    report, _ = fit(task, tmp_path / "heads", options)
    truth = read_annotations(task / "gt.json")
    data = load_fit_data(task / "store", truth, options, Recorder())
    fitted = cross_fit(data, [heads], deal_folds(data, task / "gt.json", options), Recorder())
    scores, targets = [], []
    for fold, one in enumerate(fitted.heads[0]):
        own = [place for place, name in enumerate(data.annotated) if fitted.fold_of[name] == fold]
        features = select_gathered(data.training, own)
        scores.append(score_actions(one.weights, features.embeddings))
        targets.append(answer_targets(truth, features, "softmax", heads.min_overlap))
    by_hand = fit_temperature(np.concatenate(scores), np.concatenate(targets))
    assert report.calibration["temperature"] == pytest.approx(by_hand, rel=1e-3)


def test_without_annotated_validation_videos_nothing_is_calibrated_and_that_is_said(tmp_path):
    database = make_database({"training": 2})
    for video in list(database.values())[1:]:
        video["subset"], video["annotations"] = "validation", []
    write_database(tmp_path / "gt.json", database)
    store, progress = write_store(tmp_path / "store", database), Recorder()
    report = fit_heads(store, tmp_path / "gt.json", tmp_path / "heads", CALIBRATED, progress)
    assert report.calibration == {}
    assert any("not calibrated" in str(call[1]) for call in progress.of("warn"))


def test_the_command_tells_the_error_before_and_after(task, tmp_path):
    words = ["fit-heads", task / "store", "--annotations", task / "gt.json", "-o", tmp_path / "heads", "--epochs", 2]
    done = CliRunner().invoke(app, [*map(str, words), "--lr", "0.05", "--calibrate", "temperature"])
    assert done.exit_code == 0, done.output
    record = load_heads(tmp_path / "heads").record["calibration"]
    before, after = record["calibration_error"]
    told = " ".join(done.output.split())
    assert f"expected calibration error went from {before:.4f} to {after:.4f}" in told
    assert f"temperature {record['temperature']:.3f}" in told


def test_an_unknown_way_to_calibrate_is_refused():
    with pytest.raises(ConfigurationError, match="calibrate 'temperatur'") as caught:
        FitOptions(calibrate="temperatur")
    assert "temperature" in caught.value.hint
