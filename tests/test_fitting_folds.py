"""Folds of videos, sweeps and pseudo-labels in `fit_heads`: nothing that is scored was seen."""

import csv
import json
import shlex
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from factories_heads import Recorder
from factories_workflows import make_database, write_database, write_store
from typer.testing import CliRunner

from tsmfeat.errors import ConfigurationError, InputError
from tsmfeat.formats.interval_scores import read_with_header
from tsmfeat.formats.reading import read_annotations
from tsmfeat.formats.video_columns import read_video_column
from tsmfeat.heads.checkpoint import load_heads
from tsmfeat.heads.options import HeadOptions
from tsmfeat.heads.prediction import predict_probabilities
from tsmfeat.heads.training import train_head
from tsmfeat.localization.localizing import localize
from tsmfeat.metrics.average_precision import evaluate
from tsmfeat.store.reader import open_features
from tsmfeat.workflows import fitting_folds
from tsmfeat.workflows.fit_data import load_fit_data, make_training_rows
from tsmfeat.workflows.fit_options import FitOptions
from tsmfeat.workflows.fitting import fit_heads
from tsmfeat.workflows.fitting_folds import cross_fit, deal_folds, predict_held_out
from tsmfeat.workflows.folds import assign_group_folds
from tsmfeat.workflows.inference import gather_features
from tsmfeat.workflows.splits import select_videos
from tsmfeat_cli.main import app

FAST = FitOptions(HeadOptions(epochs=6, lr=0.1, batch_size=64))
FOLDS = replace(FAST, num_folds=3)


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    folder = tmp_path_factory.mktemp("folds")
    database = make_database()
    for number, video in enumerate(database.values()):
        video["take"] = f"take{number // 3}"
    write_database(folder / "gt.json", database)
    write_store(folder / "store", database)
    return folder


@pytest.fixture(scope="module")
def folded(task):
    options = replace(FOLDS, save_oof=str(task / "oof"), num_seeds=2, sweep="lr=0.0001,0.1")
    report = fit_heads(task / "store", task / "gt.json", task / "heads.safetensors", options)
    return report, load_heads(task / "heads.safetensors")


def test_every_video_is_scored_by_heads_that_did_not_see_it(task, folded):
    """The saved scores are those of a fit made here, by hand, without the fold."""
    report, _ = folded
    scores, header = read_with_header(report.oof[1])
    with (task / "oof" / "folds.csv").open() as stream:
        fold_of = {row["video_id"]: int(row["fold"]) for row in csv.DictReader(stream)}
    truth = read_annotations(task / "gt.json")
    training = [name for name, subset in zip(truth.video_ids, truth.subset, strict=True) if subset == "training"]
    assert sorted(scores.video_ids) == sorted(fold_of) == sorted(training)
    assert set(fold_of.values()) == {0, 1, 2}
    with open_features(task / "store") as store:
        features = gather_features(store, training)
    keep = [place for place, name in enumerate(training) if fold_of[name] != 1]
    rows = make_training_rows(truth, features, 0.5, keep)
    alone = train_head(rows, replace(FAST.heads, lr=0.1, seed=1), header["spec"]["num_frames"])
    for place, name in enumerate(training):
        if fold_of[name] == 1:
            own = features.embeddings[features.row_offset[place] : features.row_offset[place + 1]]
            at = scores.video_ids.index(name)
            found = scores.scores[scores.row_offset[at] : scores.row_offset[at + 1]]
            np.testing.assert_allclose(found, predict_probabilities(alone.weights, own)[0], atol=1e-4)
    assert header["record"]["out_of_fold"] == {"num_folds": 3, "group": ""}


def test_the_score_is_that_of_the_saved_scores(task, folded):
    report, checkpoint = folded
    truth = select_videos(read_annotations(task / "gt.json"), read_with_header(report.oof[0])[0].video_ids)
    by_hand = [evaluate(localize(read_with_header(path)[0]), truth).final_score for path in report.oof]
    assert report.folds["seeds"] == pytest.approx(by_hand)
    assert report.validation["final_score"] == pytest.approx(by_hand[0])
    assert report.ranking[0].mean == pytest.approx(np.mean(by_hand))
    assert checkpoint.record["folds"]["scores"] == report.folds["scores"]
    assert len(report.folds["scores"]) == 3


def test_the_best_setting_is_fitted_on_all_training_videos(task, folded):
    report, checkpoint = folded
    assert checkpoint.options["lr"] == 0.1  # the other one hardly moves
    assert checkpoint.options["seed"] == 0
    assert report.ranking[0].mean > report.ranking[1].mean
    truth = read_annotations(task / "gt.json")
    data = load_fit_data(task / "store", truth, FOLDS, Recorder())
    rows = make_training_rows(truth, data.training, 0.5)
    alone = train_head(rows, replace(FAST.heads, lr=0.1), checkpoint.spec.num_frames)
    np.testing.assert_array_equal(checkpoint.weights.action_weight, alone.weights.action_weight)
    assert report.best_epoch == 6


def test_every_run_is_in_the_csv_and_in_the_checkpoint(folded):
    report, checkpoint = folded
    with Path(report.sweep_out).open() as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == report.num_runs == 4 == len(checkpoint.record["sweep"]["runs"])
    assert report.sweep_out.endswith("heads.sweep.csv")
    for row in rows:
        (its,) = [
            run
            for run in checkpoint.record["sweep"]["runs"]
            if (run["setting"]["lr"], run["seed"]) == (float(row["lr"]), int(row["seed"]))
        ]
        assert its["final_score"] == pytest.approx(float(row["final_score"]), abs=1e-6)
        assert len(its["epochs"]) == 6


def test_predictions_out_of_fold_keep_their_scenes(task):
    truth = read_annotations(task / "gt.json")
    data = load_fit_data(task / "store", truth, FOLDS, Recorder())
    fitted = cross_fit(data, [FAST.heads], deal_folds(data, task / "gt.json", FOLDS), Recorder())
    found = predict_held_out(data, fitted, 0)
    assert found.video_ids == data.annotated
    scene_of = dict(zip(truth.video_ids, truth.scene, strict=True))
    right = [found.scenes()[place].argmax() == scene_of[name] for place, name in enumerate(found.video_ids)]
    assert np.mean(right) == 1.0
    assert (np.diff(found.segments.video) >= 0).all()


def test_a_sweep_by_validation_keeps_the_run_with_the_best_mean(task, tmp_path):
    options = replace(FAST, sweep="lr=0.0001,0.1;scene-weight=0,1", num_seeds=2)
    progress = Recorder()
    report = fit_heads(task / "store", task / "gt.json", tmp_path / "heads.safetensors", options, progress)
    checkpoint = load_heads(tmp_path / "heads.safetensors")
    assert report.num_runs == 8
    assert checkpoint.options["lr"] == 0.1
    best = report.ranking[0].setting
    assert (checkpoint.options["lr"], checkpoint.options["scene_weight"]) == (best["lr"], best["scene_weight"])
    own = [r for r in checkpoint.record["sweep"]["runs"] if r["setting"] == dict(best)]
    assert report.validation["final_score"] == max(run["final_score"] for run in own)
    shown = progress.of("show")[-1][1]
    assert len(shown) == 5
    assert [float(line.split()[0]) for line in shown] == sorted(
        (float(line.split()[0]) for line in shown), reverse=True
    )


def test_a_sweep_with_nothing_to_choose_by_is_refused(tmp_path):
    database = make_database({"train": 1})
    write_database(tmp_path / "gt.json", database)
    store = write_store(tmp_path / "store", database)
    with pytest.raises(ConfigurationError, match="2 runs and no annotated validation video"):
        fit_heads(store, tmp_path / "gt.json", tmp_path / "h", replace(FAST, sweep="lr=0.1,0.2"))


@pytest.mark.parametrize("folds", [0, 3])
def test_a_diverged_run_comes_last_and_a_sweep_of_nothing_else_is_refused(task, tmp_path, folds):
    heads = replace(FAST.heads, standardize=False)
    options = replace(FAST, heads=heads, num_folds=folds, sweep="lr=1e37,0.01")
    report = fit_heads(task / "store", task / "gt.json", tmp_path / "heads.safetensors", options)
    assert load_heads(tmp_path / "heads.safetensors").options["lr"] == 0.01
    assert np.isnan(report.ranking[-1].mean)
    with Path(report.sweep_out).open() as stream:
        assert [row["final_score"] == "" for row in csv.DictReader(stream)] == [False, True]
    with pytest.raises(ConfigurationError, match="no longer finite"):
        fit_heads(task / "store", task / "gt.json", tmp_path / "h", replace(options, sweep="lr=1e37,1e36"))


# --- groups -------------------------------------------------------------------------------------------------------


def test_videos_of_one_group_share_a_fold(task, tmp_path):
    options = replace(FOLDS, group="take", save_oof=str(tmp_path / "oof"))
    fit_heads(task / "store", task / "gt.json", tmp_path / "heads.safetensors", options)
    with (tmp_path / "oof" / "folds.csv").open() as stream:
        fold_of = {row["video_id"]: row["fold"] for row in csv.DictReader(stream)}
    take = read_video_column(task / "gt.json", "take")
    assert len(set(fold_of.values())) == 3
    for name in fold_of:
        assert len({fold_of[other] for other in fold_of if take[other] == take[name]}) == 1


def test_groups_are_dealt_out_evenly_and_alike_in_every_order():
    group_of = {f"v{number}": f"g{number // 4}" for number in range(40)}
    names = [*group_of, "alone"]
    folds = assign_group_folds(names, group_of, 5)
    assert folds == assign_group_folds(names[::-1], group_of, 5)
    assert sorted(list(folds.values()).count(fold) for fold in range(5)) == [8, 8, 8, 8, 9]
    with pytest.raises(ConfigurationError, match="12 folds of 11 groups"):
        assign_group_folds(names, group_of, 12)


def test_a_column_that_is_not_there_is_named(task, tmp_path):
    with pytest.raises(InputError, match="no column 'tak'") as caught:
        read_video_column(task / "gt.json", "tak")
    assert "did you mean 'take'" in caught.value.hint
    table = tmp_path / "t.csv"
    table.write_text("video_id,take\na,1\na,2\n")
    with pytest.raises(InputError, match="line 3: take '2' of video 'a', which has '1' already"):
        read_video_column(table, "take")
    table.write_text("video,take\na,1\n")
    with pytest.raises(InputError, match="no column 'video_id'"):
        read_video_column(table, "take")
    table.write_text("[1]")
    with pytest.raises(InputError, match="no column"):
        read_video_column(table, "take")
    table.write_text('{"a": 1}')
    with pytest.raises(InputError, match="JSON without a database"):
        read_video_column(table, "take")


# --- pseudo-labels ------------------------------------------------------------------------------------------------


def write_pseudo(path, database, score=0.9):
    results = {
        name: [{"label": e["label"], "segment": e["segment"], "score": score} for e in video["annotations"]]
        for name, video in database.items()
        if video["subset"] == "testing"
    }
    path.write_text(json.dumps({"version": "x", "results": results, "external_data": {}}))


@pytest.mark.parametrize("options", [FAST, FOLDS], ids=["validation", "folds"])
def test_pseudo_labelled_videos_are_trained_on_and_never_judged_by(task, tmp_path, options):
    database = make_database()
    few = {name: video for name, video in database.items() if video["subset"] != "testing"}
    write_database(tmp_path / "gt.json", few)
    write_pseudo(tmp_path / "p.json", database)
    progress = Recorder()
    report = fit_heads(
        task / "store",
        tmp_path / "gt.json",
        tmp_path / "heads.safetensors",
        replace(options, pseudo=str(tmp_path / "p.json")),
        progress,
    )
    testing = [video for video in database.values() if video["subset"] == "testing"]
    training = [video for video in database.values() if video["subset"] == "training"]
    rows = sum(int(video["duration"] / 0.5) for video in [*training, *testing])
    assert report.num_intervals == rows
    assert report.num_training_videos == len(training) + len(testing)
    assert report.pseudo["num_videos"] == len(testing)
    plain = fit_heads(task / "store", tmp_path / "gt.json", tmp_path / "plain.safetensors", options)
    assert report.pseudo["without"] == plain.validation["final_score"]
    assert report.pseudo["with"] == report.validation["final_score"]
    assert "pseudo-labels: " in str(progress.of("note"))


def test_pseudo_labels_of_videos_that_train_or_select_are_left_aside(task, tmp_path):
    """Predictions are often of all videos; what selects must not be trained on."""
    database = make_database()
    write_pseudo(tmp_path / "p.json", {name: video | {"subset": "testing"} for name, video in database.items()})
    options = replace(FAST, pseudo=str(tmp_path / "p.json"))
    data = load_fit_data(task / "store", read_annotations(task / "gt.json"), options, Recorder())
    taken = set(data.training.video_ids) - set(data.annotated)
    assert taken == {name for name, video in database.items() if video["subset"] == "testing"}
    assert not set(data.training.video_ids) & set(data.split.validation)


def test_pseudo_labels_that_nobody_can_use_are_refused(task, tmp_path):
    database = make_database()
    write_pseudo(tmp_path / "p.json", database, score=0.3)
    options = replace(FAST, pseudo=str(tmp_path / "p.json"))
    with pytest.raises(InputError, match=r"no video with a segment of score 0\.5 or more"):
        fit_heads(task / "store", task / "gt.json", tmp_path / "h", options)
    progress = Recorder()
    fit_heads(task / "store", task / "gt.json", tmp_path / "h", replace(options, pseudo_min_score=0.2), progress)
    assert "of subset 'testing' are trained on" in str(progress.of("warn"))
    content = json.loads((tmp_path / "p.json").read_text())
    next(iter(content["results"].values()))[0]["label"] = "levitate"
    (tmp_path / "p.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match="predicts 'levitate', which the annotations do not know"):
        fit_heads(task / "store", task / "gt.json", tmp_path / "h2", options)


def test_groups_that_no_video_has_are_refused_and_a_few_without_are_told(task, tmp_path):
    """Folds by ids that match nothing would be folds of single videos, and flatter without a word."""
    take = read_video_column(task / "gt.json", "take")
    truth = read_annotations(task / "gt.json")
    table = tmp_path / "takes.csv"
    options = replace(FOLDS, group=f"take@{table}")
    data = load_fit_data(task / "store", truth, options, Recorder())
    table.write_text("\n".join(["video_id,take", *(f"{name}.mp4,{its}" for name, its in take.items())]))
    with pytest.raises(InputError, match="says nothing of any of the 12 videos") as caught:
        deal_folds(data, task / "gt.json", options)
    assert "'video 00.mp4'" in caught.value.hint
    table.write_text("\n".join(["video_id,take", *(f"{name},{its}" for name, its in list(take.items())[:10])]))
    progress = Recorder()
    deal_folds(data, task / "gt.json", options, progress)
    assert "2 of 12 videos" in str(progress.of("warn"))


def test_pseudo_labelled_videos_do_not_train_where_their_group_is_held_out(task, tmp_path):
    database = make_database()
    names = list(database)
    testing = [name for name, video in database.items() if video["subset"] == "testing"]
    write_pseudo(tmp_path / "p.json", database)
    # Every testing video shows the take of a training video but the last, which shows its own.
    mate_of = dict(zip(testing[:-1], names, strict=False))
    lines = [f"{name},{mate_of.get(name, name)}" for name in names]
    (tmp_path / "takes.csv").write_text("\n".join(["video_id,take", *lines]))
    options = replace(FOLDS, pseudo=str(tmp_path / "p.json"), group=f"take@{tmp_path / 'takes.csv'}")
    data = load_fit_data(task / "store", read_annotations(task / "gt.json"), options, Recorder())
    fold_of = deal_folds(data, task / "gt.json", options)
    fitted = cross_fit(data, [FAST.heads], fold_of, Recorder())
    length = dict(zip(data.training.video_ids, np.diff(data.training.row_offset).tolist(), strict=True))
    for fold, one in enumerate(fitted.heads[0]):
        held = [name for name in data.annotated if fitted.fold_of[name] == fold]
        away = {*held, *(name for name, mate in mate_of.items() if mate in held)}
        assert one.record["num_rows"] == sum(count for name, count in length.items() if name not in away)
    assert set(fitted.fold_of) == set(data.annotated)
    report = fit_heads(task / "store", task / "gt.json", tmp_path / "heads.safetensors", options)
    assert report.num_training_videos == len(data.training.video_ids)


# --- the command --------------------------------------------------------------------------------------------------


def test_what_the_command_says_next_can_be_run(task, tmp_path, monkeypatch):
    """Out-of-fold scores are honest material: tuning on them warns of nothing."""
    monkeypatch.chdir(tmp_path)
    run = CliRunner().invoke
    words = ["fit-heads", str(task / "store"), "--annotations", str(task / "gt.json"), "--lr", "0.1"]
    done = run(app, [*words, "--epochs", "4", "--folds", "2", "--num-seeds", "2", "--save-oof", "oof"])
    assert done.exit_code == 0, done.output
    assert "folds: " in done.stdout
    assert "seeds: " in done.stdout
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("next: tsmfeat tune")]
    tuned = run(app, [*shlex.split(line.removeprefix("next: tsmfeat ")), "--budget", "4", "--folds", "2"])
    assert tuned.exit_code == 0, tuned.output
    assert "know these videos" not in tuned.stderr


def test_what_pseudo_labels_are_worth_is_printed_without_folds_too(task, tmp_path):
    write_pseudo(tmp_path / "p.json", make_database())
    words = ["fit-heads", str(task / "store"), "--annotations", str(task / "gt.json"), "--lr", "0.1", "--epochs", "2"]
    done = CliRunner().invoke(app, [*words, "--pseudo", str(tmp_path / "p.json"), "-o", str(tmp_path / "h")])
    assert done.exit_code == 0, done.output
    assert "pseudo-labels of 4 videos: " in done.stdout
    assert "without)" in done.stdout


def test_out_of_fold_scores_replace_nothing_else_and_this_is_said_before_the_fit(task, tmp_path):
    (tmp_path / "oof").mkdir()
    other = tmp_path / "oof" / "resnet18_t0.5.scores"
    other.write_text("{}")
    for folder, found in ((tmp_path / "oof", "resnet18_t0.5.scores"), (task / "gt.json", "a file")):
        progress = Recorder()
        with pytest.raises(ConfigurationError, match=found):
            fit_heads(
                task / "store",
                task / "gt.json",
                tmp_path / "h",
                replace(FOLDS, save_oof=str(folder)),
                progress,
            )
        assert not progress.of("begin")
    assert other.read_text() == "{}"


def test_a_setting_that_diverges_on_all_videos_makes_room_for_the_next(task, tmp_path, monkeypatch):
    """No fold diverges; the fit on all of them is made to."""
    real = fitting_folds.train_runs

    def train(data, runs, keep, judge, progress):
        if keep is None and runs[0].lr == 0.1:
            raise ConfigurationError("epoch 2: the loss is no longer finite with lr 0.1", "")
        return real(data, runs, keep, judge, progress)

    monkeypatch.setattr(fitting_folds, "train_runs", train)
    options, progress = replace(FOLDS, sweep="lr=0.1,0.01"), Recorder()
    report = fit_heads(task / "store", task / "gt.json", tmp_path / "heads.safetensors", options, progress)
    checkpoint = load_heads(tmp_path / "heads.safetensors")
    assert checkpoint.options["lr"] == report.ranking[0].setting["lr"] == 0.01
    own = [run for run in checkpoint.record["sweep"]["runs"] if run["setting"]["lr"] == 0.01]
    assert report.validation["final_score"] == own[0]["final_score"]
    assert "diverges on all videos together" in str(progress.of("warn"))
    with pytest.raises(ConfigurationError, match="no longer finite with lr"):
        fit_heads(
            task / "store",
            task / "gt.json",
            tmp_path / "h",
            replace(options, sweep="", heads=replace(FAST.heads, lr=0.1)),
        )
