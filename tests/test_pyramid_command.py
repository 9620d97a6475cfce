"""Pyramids from the command line: fitted, inspected, validated, predicted with, scored alone and in an ensemble."""

import json

import numpy as np
import pytest
from factories_workflows import make_database, write_database, write_store
from typer.testing import CliRunner

from tsmfeat.errors import ConfigurationError
from tsmfeat.formats.activitynet import read_predictions
from tsmfeat.heads.checkpoint import load_heads
from tsmfeat.heads.prediction import predict_probabilities
from tsmfeat_cli.main import app


def call(*words, code=0):
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == code, done.output
    return done


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pyramids")
    database = make_database({"training": 12, "validation": 2, "testing": 2})
    write_database(folder / "gt.json", database)
    write_store(folder / "store", database)
    fit = ["fit-heads", folder / "store", "--annotations", folder / "gt.json", "--quiet"]
    words = ["--hidden-size", 24, "--num-levels", 3, "--batch-size", 32, "--lr", 0.01, "--epochs", 30, "--dropout", 0]
    call(*fit, "--head", "pyramid", *words, "--nms-sigma", 0.4, "-o", folder / "pyramid")
    call(*fit, "--epochs", 3, "--lr", 0.1, "--batch-size", 64, "-o", folder / "linear")
    return folder


def score(task, *words, code=0):
    common = ["--features", task / "store", "--annotations", task / "gt.json", "--subset", "testing"]
    return call("score", *words, *common, "--json", code=code)


def test_the_checkpoint_says_what_it_is(task):
    checkpoint = load_heads(task / "pyramid")
    assert checkpoint.weights.kind == checkpoint.options["head"] == "pyramid"
    assert checkpoint.options["nms_sigma"] == 0.4
    assert checkpoint.weights.body["level_scale"].shape == (3,)
    assert checkpoint.record["validation"]["final_score"] > 0.5
    assert checkpoint.record["training"]["num_unlearned"] == 0
    found = json.loads(call("inspect", task / "pyramid", "--json").stdout)
    assert (found["kind"], found["head"]) == ("heads", "pyramid")
    assert "pyramid heads, version" in call("inspect", task / "pyramid").stdout
    assert json.loads(call("validate", task / "pyramid", "--json").stdout)["num_problems"] == 0


def test_what_is_kept_scored_best_on_the_validation_videos(task):
    record = load_heads(task / "pyramid").record
    scores = [epoch["validation_score"] for epoch in record["training"]["epochs"]]
    assert record["training"]["best_epoch"] == 1 + int(np.argmax(scores))
    assert record["validation"]["final_score"] == pytest.approx(max(scores))


def test_alone_it_predicts_what_it_is_scored_by(task, tmp_path):
    alone = json.loads(score(task, task / "pyramid").stdout)
    assert alone["final_score"] > 0.5
    assert alone["scene_accuracy"] == 1.0
    call("predict", task / "store", "--heads", task / "pyramid", "-o", tmp_path / "found.json", "--quiet")
    again = json.loads(
        call(
            "score",
            tmp_path / "found.json",
            "--annotations",
            task / "gt.json",
            "--subset",
            "testing",
            "--json",
            "--outside",
            "drop",
        ).stdout
    )
    assert again["final_score"] == pytest.approx(alone["final_score"], abs=1e-3)
    segments = read_predictions(tmp_path / "found.json").segments
    assert ((segments.start * 2) % 1 > 1e-6).any()  # no bound of the grid


@pytest.mark.parametrize("fusion", ["wbf", "nms", "soft-nms", "paper"])
def test_it_is_fused_with_heads_that_score_intervals(task, fusion):
    sources = [task / "pyramid", task / "linear"]
    found = json.loads(score(task, *sources, "--fusion", fusion, "--smooth", "mean:3", "--weights", "0.5,0.5").stdout)
    assert found["final_score"] > 0.2


def test_a_prior_from_its_own_scenes_can_be_laid_on_it(task, tmp_path):
    words = ["--video-prior", "scenes", "--gamma", 0.5, "-o", tmp_path / "o.json", "--quiet"]
    call("predict", task / "store", "--heads", task / "pyramid", *words)
    assert len(read_predictions(tmp_path / "o.json").segments)


def test_scores_of_intervals_cannot_be_saved(task, tmp_path):
    words = ["--save-scores", tmp_path / "s.scores", "-o", tmp_path / "o.json"]
    done = call("predict", task / "store", "--heads", task / "pyramid", *words, code=2)
    assert "a pyramid head says segments itself" in done.stderr
    assert "leave --save-scores out" in done.stderr
    assert not (tmp_path / "o.json").exists()


def test_options_of_localisation_need_scores_of_intervals(task, tmp_path):
    said = score(task, task / "pyramid", "--smooth", "mean:3", code=2).stderr
    assert "options of localisation act on scores of intervals" in said
    assert "--smooth none" in said
    words = ["--threshold", 0.2, "--localize", "threshold", "-o", tmp_path / "o.json"]
    assert "says segments" in call("predict", task / "store", "--heads", task / "pyramid", *words, code=2).stderr


def test_the_same_in_python(task):
    weights = load_heads(task / "pyramid").weights
    with pytest.raises(ConfigurationError, match="no scores of intervals"):
        predict_probabilities(weights, np.zeros((2, 8), np.float16))


def test_options_without_a_say_are_named(task, tmp_path):
    words = ["--annotations", task / "gt.json", "--head", "pyramid", "--epochs", 1, "--hidden-size", 4]
    done = call("fit-heads", task / "store", *words, "--background-weight", 0.2, "-o", tmp_path / "h")
    assert "--background-weight has no say with --head pyramid" in done.stderr
    done = call("fit-heads", task / "store", *words, "--folds", 2, "--save-oof", tmp_path, "-o", tmp_path / "h", code=2)
    assert "--save-oof and --head pyramid" in done.stderr
    done = call("fit-heads", task / "store", *words, "--calibrate", "temperature", "-o", tmp_path / "h", code=2)
    assert "--calibrate and --head pyramid" in done.stderr
    done = call("fit-heads", task / "store", *words, "--solver", "lbfgs", "-o", tmp_path / "h", code=2)
    assert "lbfgs" in done.stderr


def test_runs_are_swept_and_folded(task, tmp_path):
    words = ["--annotations", task / "gt.json", "--epochs", 2, "--hidden-size", 4, "--batch-size", 64, "--json"]
    sweep = ["--sweep", "head=linear,pyramid;min-overlap=0.5,0.7", "--folds", 2, "-o", tmp_path / "h"]
    found = json.loads(call("fit-heads", task / "store", *words, *sweep).stdout)
    assert found["num_runs"] == 4
    assert len(found["folds"]["scores"]) == 2
    kept = load_heads(tmp_path / "h")
    assert kept.weights.kind == kept.options["head"]


def test_what_lies_between_scores_and_segments_cannot_be_tuned(task):
    words = ["--features", task / "store", "--annotations", task / "gt.json", "--subset", "testing", "--folds", 2]
    tune = ["tune", "--heads", task / "pyramid", *words, "--bootstrap", 5, "--quiet", "--search"]
    said = call(*tune, "smooth=none,mean:3", code=2).stderr
    assert "--search smooth and no scores of intervals" in said
    call(*tune, "fusion=none,nms")
