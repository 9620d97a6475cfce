"""`tsmfeat tune` as users see it: what it prints, and that its file gives other commands the same score."""

import json
import tomllib

import pytest
from factories_tuning import ACTIONS, make_task, score_intervals, write_task
from factories_workflows import make_database, write_database, write_store
from typer.testing import CliRunner

from tsmfeat.formats.activitynet import write_predictions
from tsmfeat.heads.options import HeadOptions
from tsmfeat.localization.localizing import localize
from tsmfeat.workflows.fit_options import FitOptions
from tsmfeat.workflows.fitting import fit_heads
from tsmfeat_cli.main import app
from tsmfeat_cli.tune_tables import _wrapped

FEW = ("--folds", 3, "--bootstrap", 20, "--budget", 30)


def call(*words, code=0):
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == code, done.output
    return done


def final_score(*words):
    return json.loads(call("score", *words, "--json", "-q").stdout)["final_score"]


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    """Annotations, two files of interval scores, and the predictions they give."""
    folder = tmp_path_factory.mktemp("task")
    labels = make_task(12, 40)
    models = [score_intervals(labels, 0.4, seed, spikes=0.2) for seed in range(2)]
    gt, paths = write_task(folder, labels, *models)
    found = [folder / f"found{number}.json" for number in range(2)]
    for scores, path in zip(models, found, strict=True):
        write_predictions(localize(scores), path)
    return gt, paths, found


def tune(gt, out, *words):
    return json.loads(call("tune", "--annotations", gt, "-o", out, *FEW, *words, "--json", "-q").stdout)


@pytest.mark.golden
def test_the_file_gives_score_what_tune_called_optimistic(task, tmp_path):
    gt, paths, _ = task
    out = tmp_path / "tuned.toml"
    for chosen in (paths[:1], paths):
        found = tune(gt, out, *(word for path in chosen for word in ("--scores", path)))
        assert found["is_kept"]
        assert found["default_score"] == pytest.approx(final_score(*chosen, "--annotations", gt), abs=1e-12)
        tuned = final_score(*chosen, "--annotations", gt, "--config", out)
        assert tuned == pytest.approx(found["optimistic_score"], abs=1e-12)
        assert tuned > found["default_score"]


@pytest.mark.golden
def test_the_file_gives_fuse_the_same_predictions(task, tmp_path):
    gt, _, predicted = task
    out, fused = tmp_path / "tuned.toml", tmp_path / "fused.json"
    for chosen in (predicted[:1], predicted):
        words = [word for path in chosen for word in ("--predictions", path)]
        found = tune(gt, out, *words, "--force")
        assert found["default_score"] == pytest.approx(final_score(*chosen, "--annotations", gt), abs=1e-12)
        assert {each["option"] for each in found["searched"]} >= {"fusion", "fusion-tiou"}
        assert "smooth" not in {each["option"] for each in found["searched"]}
        call("fuse", *chosen, "-o", fused, "--config", out, "-q")
        assert final_score(fused, "--annotations", gt) == pytest.approx(found["optimistic_score"], abs=1e-9)
        tuned = final_score(*chosen, "--annotations", gt, "--config", out)
        assert tuned == pytest.approx(found["optimistic_score"], abs=1e-12)


@pytest.mark.golden
def test_the_file_gives_fuse_the_prior_of_predictions(task, tmp_path):
    gt, _, predicted = task
    said = [f"video {k:02},{name},{0.9 if k % 3 == place else 0.3}" for k in range(12) for place, name in enumerate(
        ACTIONS.names)]  # fmt: skip
    prior = tmp_path / "prior.csv"
    prior.write_text("\n".join(["video_id,label,score", *said]))
    out, fused = tmp_path / "tuned.toml", tmp_path / "fused.json"
    words = ("--predictions", predicted[0], "--video-prior", prior, "--search", "gamma=0,0.5,1;fusion=none,soft-nms")
    found = tune(gt, out, *words, "--force")
    tables = tomllib.loads(out.read_text())
    assert tables["fuse"]["video-prior"] == str(prior)
    assert set(tables) == {"score", "fuse"}
    call("fuse", predicted[0], "-o", fused, "--config", out, "-q")
    assert final_score(fused, "--annotations", gt) == pytest.approx(found["optimistic_score"], abs=1e-9)


@pytest.mark.golden
def test_heads_are_tuned_and_the_file_gives_predict_the_same_predictions(tmp_path):
    gt, store, heads = tmp_path / "gt.json", tmp_path / "store", tmp_path / "heads"
    database = make_database({"training": 12, "testing": 6})
    write_database(gt, database)
    write_store(store, database, noise=3.0)
    fit_heads(store, gt, heads, FitOptions(HeadOptions(epochs=3, lr=0.05, batch_size=64)))
    out, found_file = tmp_path / "tuned.toml", tmp_path / "found.json"
    words = ("--annotations", gt, "--subset", "testing")
    done = call("tune", "--heads", heads, "--features", store, *words, *FEW, "--force", "-o", out, "--json")
    assert "is not out of fold" in done.stderr
    found = json.loads(done.stdout)
    testing = [name for name, video in database.items() if video["subset"] == "testing"]
    videos = [word for name in testing for word in ("--video", name)]
    call("predict", store, "--heads", heads, "-o", found_file, *videos, "--config", out, "-q")
    assert final_score(found_file, *words) == pytest.approx(found["optimistic_score"], abs=1e-9)
    assert final_score(heads, "--features", store, *words, "--config", out) == pytest.approx(
        found["optimistic_score"], abs=1e-12
    )


@pytest.mark.golden
def test_a_folder_of_scores_is_every_file_in_it(task, tmp_path):
    gt, paths, _ = task
    for path in paths:
        (tmp_path / path.name).symlink_to(path)
    found = tune(gt, tmp_path / "tuned.toml", "--scores", tmp_path)
    assert found["sources"] == [str(tmp_path / path.name) for path in paths]


@pytest.mark.golden
def test_people_see_three_scores_and_what_the_folds_chose(task, tmp_path):
    gt, paths, _ = task
    out = tmp_path / "tuned.toml"
    words = ("tune", "--scores", paths[0], "--annotations", gt, "-o", out, *FEW)
    done = call(*words)
    found = json.loads(call(*words, "--json", "-q").stdout)
    for key in ("default_score", "optimistic_score", "honest_default_score", "honest_score", "pooled_score"):
        assert f"{found[key]:.4f}" in done.stdout
    assert f"honest gain {found['honest_gain']:+.4f}, 95 % from" in done.stdout
    assert "best with" not in done.stdout
    assert "best with" in call(*words, "-v").stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert f"tsmfeat score {paths[0]} --config {out} --annotations {gt}" in done.stderr
    assert "tables for --config of score, fuse and predict" in done.stderr
    assert found["settings_per_minute"] > 0
    tables = tomllib.loads(out.read_text())
    assert set(tables) == {"score", "predict", "fuse"}
    assert tables["score"]["smooth"] == next(each["chosen"] for each in found["searched"] if each["option"] == "smooth")
    comments = out.read_text().split("[")[0]
    assert "sha256" in comments
    assert "held-out folds" in comments
    assert len(ACTIONS) == 3


def test_a_choice_and_its_count_stay_on_one_line():
    choices = ["viterbi:0.432 x 2", "soft-nms x 2", "gaussian:0.75", "soft-nms x 3"]
    lines = _wrapped("smooth                          none viterbi:0.432   ", ", ".join(choices))
    assert all(any(choice in line for line in lines) for choice in choices)
    assert max(map(len, lines)) <= 80
    assert _wrapped("tail   ", "") == ["tail"]


def test_no_gain_is_said_plainly(tmp_path):
    labels = make_task(6, 24)
    gt, paths = write_task(tmp_path, labels, score_intervals(labels, 0.01))
    out = tmp_path / "tuned.toml"
    words = ("tune", "--scores", paths[0], "--annotations", gt, "-o", out, *FEW, "--search", "max-gap=0,1")
    done = call(*words)
    assert "no gain that would hold" in done.stdout
    assert "holds the defaults (--force)" in done.stderr
    assert tomllib.loads(out.read_text())["score"]["max-gap"] == 0


def test_predictions_of_other_subsets_are_warned_of_and_the_next_command_names_the_subset(tmp_path):
    labels = make_task(6, 24)
    model = score_intervals(labels, 0.4)
    gt, _ = write_task(tmp_path, labels, model)
    content = json.loads(gt.read_text())
    content["database"]["video 00"]["subset"] = "training"
    gt.write_text(json.dumps(content))
    write_predictions(localize(model), tmp_path / "found.json")
    subset = content["database"]["video 01"]["subset"]
    words = ("--annotations", gt, "--subset", subset, "-o", tmp_path / "tuned.toml")
    done = call("tune", "--predictions", tmp_path / "found.json", *words, *FEW)
    assert "found.json: " in done.stderr
    assert "1 video that is not evaluated, such as 'video 00': each counts as a false positive; 1 of" in done.stderr
    assert f"--subset {subset}" in done.stderr
    assert "tables for --config of score and fuse" in done.stderr


def test_subsets_that_the_heads_know_and_few_videos_are_warned_of(tmp_path):
    gt, store, heads, scores = (tmp_path / name for name in ("gt.json", "store", "heads", "oof.scores"))
    database = make_database({"training": 8, "validation": 6, "testing": 8})
    write_database(gt, database)
    write_store(store, database, noise=3.0)
    fit_heads(store, gt, heads, FitOptions(HeadOptions(epochs=2, lr=0.05, batch_size=64)))
    call("predict", store, "--heads", heads, "-o", tmp_path / "found.json", "--save-scores", scores, "-q")
    words = ("tune", "--scores", scores, "--annotations", gt, "--folds", 2, "--budget", 5, "--bootstrap", 5)
    known = call(*words, "--subset", "validation").stderr
    assert "validation: 6 of subset 'validation'): what they say of them is not out of fold" in known
    assert "6 videos in 2 folds: with fewer than 4 a fold" in known
    other = call(*words, "--subset", "testing").stderr
    assert "out of fold" not in other
    assert "a fold" not in other


def test_nothing_to_tune_is_a_usage_error(tmp_path):
    assert "nothing to tune" in call("tune", "--annotations", tmp_path / "gt.json", code=2).output


def test_several_subsets_must_be_chosen_from(tmp_path):
    labels = make_task(6, 24)
    gt, paths = write_task(tmp_path, labels, score_intervals(labels, 1.0))
    content = json.loads(gt.read_text())
    content["database"]["video 00"]["subset"] = "training"
    gt.write_text(json.dumps(content))
    done = call("tune", "--scores", paths[0], "--annotations", gt, code=2)
    assert "--subset testing" in done.output


def test_the_file_is_written_whole_or_not_at_all(tmp_path):
    labels = make_task(6, 24)
    gt, paths = write_task(tmp_path, labels, score_intervals(labels, 1.0))
    words = ("tune", "--scores", paths[0], "--annotations", gt, *FEW, "--search", "max-gap=0,1")
    assert ".toml" in call(*words, "-o", paths[0], code=2).output
    call(*words, "-o", tmp_path / "new" / "tuned.toml")
    assert {path.name for path in (tmp_path / "new").iterdir()} == {"tuned.toml", "runs.jsonl"}
