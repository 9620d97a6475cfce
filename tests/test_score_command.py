"""`tsmfeat fit-heads` and `tsmfeat score` as users and their scripts see them."""

import json
import re
import shlex
import tomllib

import pytest
from conftest import DATA
from factories_store import make_spec
from factories_workflows import make_database, perfect_results, write_database, write_predictions_file, write_store
from typer.testing import CliRunner

from tsmfeat.formats.activitynet import read_predictions
from tsmfeat.heads.checkpoint import load_heads
from tsmfeat.workflows.fit_options import FitOptions
from tsmfeat_cli.main import app

GOLDEN = DATA / "evaluation"
GOLDEN_SCORE = [
    "score",
    GOLDEN / "pred_binego_like.json",
    "--annotations",
    GOLDEN / "gt_binego_like.json",
    "--subset",
    "test",
]
# The contract of CLI.md, with the type of each value.
SCORE_SHAPE = {
    "protocol": str,
    "unit": str,
    "num_outside": int,
    "tiou_thresholds": list,
    "map": list,
    "average_map": float,
    "final_score": float,
    "classes": list,
    "ap": list,
    "num_annotations": int,
    "num_predictions": int,
    "num_ignored": int,
    "tied_share": float,
    "num_at_threshold": int,
    "tied_map_range": (list, type(None)),
    "protocols": dict,
    "sources": list,
    "weights": list,
    "scene_accuracy": (float, type(None)),
    "scene_top5": (float, type(None)),
    "scene_mean_class_accuracy": (float, type(None)),
    "scene_class_accuracy": dict,
    "measures": dict,
    "num_scene_videos": int,
    "seconds": float,
    "seconds_by_part": dict,
}


def call(*words, code=0):
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == code, done.output
    return done


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    """A folder with a blank in its name, as users have them."""
    folder = tmp_path_factory.mktemp("a task")
    database = make_database()
    write_database(folder / "gt.json", database)
    write_store(folder / "store", database)
    return folder


@pytest.fixture(scope="module")
def fitting(task):
    words = ["--epochs", "6", "--lr", "0.1", "--batch-size", "64"]
    return call("fit-heads", task / "store", "--annotations", task / "gt.json", "-o", task / "heads", *words)


def next_command(done):
    line = done.stderr.splitlines()[-1]
    assert line.startswith("next: tsmfeat ")
    return shlex.split(line.removeprefix("next: tsmfeat "))


def test_fitting_tells_the_split_the_result_and_the_next_command(fitting, task):
    assert fitting.stdout == ""
    split, summary, _ = fitting.stderr.splitlines()
    assert split == "training: 12 videos of subset 'training'; validation: 4 of subset 'validation'"
    assert "validation final score" in summary
    assert next_command(fitting) == [
        *("score", str(task / "heads"), "--features", str(task / "store")),
        *("--annotations", str(task / "gt.json"), "--subset", "testing"),
    ]


def test_the_next_command_runs_as_printed(fitting):
    assert "final score" in call(*next_command(fitting)).stdout


def test_fitting_prints_one_object_on_demand(task, tmp_path):
    out = tmp_path / "heads.safetensors"
    done = call(
        *("fit-heads", task / "store", "--annotations", task / "gt.json", "-o", out),
        *("--epochs", 1, "--seed", 7, "--json", "-q"),
    )
    found = json.loads(done.stdout)
    assert found["out"] == str(out)
    assert found["num_training_videos"] == 12
    assert set(found["validation"]) == {"final_score", "map", "tiou_thresholds", "scene_accuracy"}
    assert done.stderr == ""
    assert load_heads(out).options["seed"] == 7


def test_the_validation_is_told_on_demand(task, tmp_path):
    done = call(
        *("fit-heads", task / "store", "--annotations", task / "gt.json", "-o", tmp_path / "heads"),
        *("--epochs", 1, "-v"),
    )
    judged = load_heads(tmp_path / "heads").record["validation"]
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("validation mAP")]
    assert line.startswith(f"validation mAP: {judged['map'][0]:.4f} at tIoU 0.5, {judged['map'][1]:.4f} at tIoU 0.75")
    assert line.endswith(f"scenes {judged['scene_accuracy']:.4f}")


def test_one_subset_needs_no_name_in_the_next_command(tmp_path):
    database = make_database({"": 10})
    write_database(tmp_path / "gt.json", database)
    write_store(tmp_path / "store", database)
    done = call(
        *("fit-heads", tmp_path / "store", "--annotations", tmp_path / "gt.json", "-o", tmp_path / "heads"),
        *("--epochs", 1),
    )
    assert "--subset" not in next_command(done)


def test_a_score_prints_one_object_of_the_agreed_shape(fitting, task):
    done = call(*next_command(fitting), "--json")
    found = json.loads(done.stdout)
    for name, kind in SCORE_SHAPE.items():
        assert isinstance(found[name], kind), name
    assert len(found["map"]) == len(found["tiou_thresholds"]) == 3
    assert [len(row) for row in found["ap"]] == [3] * len(found["classes"])
    assert found["final_score"] == pytest.approx(sum(found["map"]) / 3)
    assert found["num_scene_videos"] == 4
    assert found["sources"] == [str(task / "heads")]
    assert found["weights"] == [1.0]


def test_the_golden_score_is_the_official_one():
    golden = json.loads((GOLDEN / "expected_binego_like.json").read_text())["protocols"]["opentad"]
    found = json.loads(call(*GOLDEN_SCORE, "--json").stdout)
    assert found["map"] == pytest.approx(golden["mAP"], abs=1e-12)
    assert found["final_score"] == pytest.approx(golden["average_mAP"], abs=1e-12)
    assert found["num_annotations"] == golden["n_gt"]
    assert found["num_predictions"] == golden["n_pred"]


def test_the_table_shows_map_final_score_and_scenes(fitting):
    lines = call(*next_command(fitting)).stdout.splitlines()
    assert lines[0].split() == ["tIoU", "0.5", "0.75", "0.95", "mean"]
    assert lines[1].startswith("mAP")
    assert lines[3].startswith("final score ")
    assert lines[4].startswith("scenes ")
    assert all(len(line) <= 120 for line in lines)


def test_the_classes_are_shown_on_demand():
    plain, full = call(*GOLDEN_SCORE).stdout, call(*GOLDEN_SCORE, "--per-class").stdout
    assert "act16" not in plain
    rows = {line.split()[0]: line.split()[1:] for line in full.splitlines() if line.startswith("act")}
    assert len(rows) == 26
    assert rows["act16"] == ["0.7521", "0.5554", "0.1000", "0.4691"]  # of the golden values
    assert call(*GOLDEN_SCORE, "-v").stdout == full


def test_thresholds_are_given_as_a_list():
    found = json.loads(call(*GOLDEN_SCORE, "--json", "--tiou", "0.1,0.3").stdout)
    assert found["tiou_thresholds"] == [0.1, 0.3]
    assert len(found["map"]) == 2
    assert call(*GOLDEN_SCORE, "--tiou", "0.1,0.3").stdout.split("\n")[0].split() == ["tIoU", "0.1", "0.3", "mean"]


def test_the_protocols_are_listed():
    lines = call("score", "--list-protocols").stdout.splitlines()
    assert {line.split()[0] for line in lines if line} >= {"paper", "activitynet", "thumos14-2014"}


@pytest.mark.parametrize(("least", "code"), [(0.39, 0), (0.41, 3)])
def test_a_demanded_score_decides_the_exit_code(least, code):
    done = call(*GOLDEN_SCORE, "--min-score", least, code=code)
    assert "final score 0.3999" in done.stdout  # the scores are shown in any case
    assert ("error: final score 0.3999 is below --min-score 0.41" in done.stderr) == (code == 3)


def test_files_are_left_in_a_folder(tmp_path):
    done = call(*GOLDEN_SCORE, "--out", tmp_path / "scores", "--json")
    assert json.loads((tmp_path / "scores" / "scores.json").read_text()) == json.loads(done.stdout)
    assert len(read_predictions(tmp_path / "scores" / "predictions.json").segments) == 726
    assert (tmp_path / "scores" / "per_class.csv").read_text().startswith("class,ap@0.5,ap@0.75,ap@0.95\nact16,0.75")
    assert f"{tmp_path / 'scores'}: scores.json, predictions.json, per_class.csv" in done.stderr


def test_several_sources_are_fused_and_their_weights_shown(tmp_path):
    done = call("score", GOLDEN_SCORE[1], *GOLDEN_SCORE[1:], "--weights", "3,1")
    assert f"fused:\n  0.750 x {GOLDEN_SCORE[1]}\n  0.250 x {GOLDEN_SCORE[1]}\n" in done.stdout


def test_warnings_stay_when_quiet_and_data_stays_clean(tmp_path):
    results = perfect_results(make_database())
    results["video 16"].append({"label": "run", "segment": [3.0, 3.0], "score": 1.0})
    gt = write_database(tmp_path / "gt.json", make_database())
    found = write_predictions_file(tmp_path / "found.json", results)
    done = call("score", found, "--annotations", gt, "--subset", "testing", "--json", "-q")
    assert json.loads(done.stdout)["final_score"] == 1.0
    assert done.stderr == (
        "warning: 1 predicted segments were dropped: zero-length, reversed or not finite (--strict lists them)\n"
    )


@pytest.mark.parametrize(
    ("words", "code", "error", "hint"),
    [
        (["nowhere.json"], 4, "nowhere.json: cannot be read", "check the path"),
        (["{task}/heads"], 2, "{task}/heads: heads are scored on features", "add --features FEATURES.h5"),
        (["{task}/heads", "--features", "{other}"], 6, "{task}/heads: no store has the spec", "add --features with"),
        (["{task}/heads", "--features", "{task}/nowhere.h5"], 4, "{task}/nowhere.h5", ""),
    ],
)
def test_what_does_not_fit_ends_with_the_code_of_its_kind(fitting, task, tmp_path, words, code, error, hint):
    other = write_store(tmp_path / "other", make_database(), make_spec(8, step_seconds=1.0, clip_seconds=1.0))
    filled = [word.format(task=task, other=other) for word in words]
    done = call("score", *filled, "--annotations", task / "gt.json", "--subset", "testing", code=code)
    found, advice = done.stderr.splitlines()[-2:]
    assert found.startswith("error: " + error.format(task=task))
    assert advice.startswith(f"hint: {hint}")
    assert done.stdout == ""


def test_a_subset_must_be_named_among_several(fitting, task):
    done = call("score", task / "heads", "--annotations", task / "gt.json", "--features", task / "store", code=2)
    assert "'training', 'validation', 'testing'" in done.stderr
    assert "hint: add --subset testing" in done.stderr


def test_a_config_file_fits_and_scores(task, tmp_path):
    config = tmp_path / "run.toml"
    config.write_text(
        '[fit-heads]\nepochs = 2\nlr = 0.05\ntasks = ["action"]\nstandardize = false\nbackground-weight = "balanced"\n'
        '[score]\nsubset = "testing"\nlocalize = "threshold"\n'
    )
    assert set(tomllib.loads(config.read_text())) == {"fit-heads", "score"}
    heads = tmp_path / "heads"
    call("fit-heads", task / "store", "--annotations", task / "gt.json", "-o", heads, "--config", config)
    options = load_heads(heads).options
    assert (options["epochs"], options["lr"], options["tasks"]) == (2, 0.05, ["action"])
    assert (options["standardize"], options["background_weight"]) == (False, "balanced")
    assert options["momentum"] == FitOptions().heads.momentum
    where = ["--features", task / "store", "--annotations", task / "gt.json", "--config", config]
    found = json.loads(call("score", heads, *where, "--json").stdout)
    assert found["options"]["localization"]["localize"] == "threshold"
    assert found["scene_accuracy"] is None


def test_the_time_of_each_part_is_told(task, tmp_path):
    found = write_predictions_file(tmp_path / "found.json", perfect_results(make_database()))
    words = ["score", found, "--annotations", task / "gt.json", "--subset", "testing"]
    found = json.loads(call(*words, "--json").stdout)
    parts = found["seconds_by_part"]
    assert list(parts) == ["annotations", "predictions", "localize", "fuse", "evaluate"]
    assert all(seconds >= 0 for seconds in parts.values())
    assert parts["annotations"] > 0
    assert parts["predictions"] > 0
    assert parts["evaluate"] > 0
    assert sum(parts.values()) <= found["seconds"]
    told = call(*words, "-v").stderr
    assert re.search(r"scored in [0-9.]+ s: annotations [0-9.]+, predictions [0-9.]+, localize ", told)
    assert "annotations" not in call(*words).stderr.rpartition("scored in")[2]
