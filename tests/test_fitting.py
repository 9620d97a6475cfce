import hashlib
import json
from dataclasses import replace
from importlib.metadata import version

import numpy as np
import pytest
from factories_heads import Recorder
from factories_store import make_spec
from factories_workflows import ACTIONS, SCENES, SIZE, make_database, write_database, write_store

from tsmfeat.errors import ConfigurationError, InputError, OutputError, StoreError
from tsmfeat.formats.activitynet import read_annotations
from tsmfeat.heads.checkpoint import load_heads
from tsmfeat.heads.options import HeadOptions
from tsmfeat.store.reader import open_features
from tsmfeat.workflows.fit_data import make_training_rows
from tsmfeat.workflows.fit_options import FitOptions
from tsmfeat.workflows.fitting import fit_heads
from tsmfeat.workflows.inference import gather_features

FAST = FitOptions(HeadOptions(epochs=8, lr=0.1, batch_size=64))


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    folder = tmp_path_factory.mktemp("task")
    database = make_database()
    write_database(folder / "gt.json", database)
    write_store(folder / "store", database)
    return folder


@pytest.fixture(scope="module")
def fitted(task):
    progress = Recorder()
    report = fit_heads([task / "store"], task / "gt.json", task / "heads.safetensors", FAST, progress)
    return report, load_heads(task / "heads.safetensors"), progress


def test_separable_features_are_told_apart(fitted):
    report, _, _ = fitted
    assert report.validation["final_score"] > 0.9
    assert report.validation["scene_accuracy"] == 1.0
    assert len(report.validation["map"]) == len(report.validation["tiou_thresholds"]) == 3


def test_the_report_counts_what_was_fitted_on(fitted, task):
    report, _, _ = fitted
    training = [video for video in make_database().values() if video["subset"] == "training"]
    assert (report.num_training_videos, report.num_validation_videos) == (12, 4)
    assert report.num_intervals == sum(int(video["duration"] / 0.5) for video in training)
    assert report.held_out_subset == "testing"
    assert report.out == str(task / "heads.safetensors")
    assert 1 <= report.best_epoch <= 8
    assert report.seconds > 0


def test_the_checkpoint_says_how_it_came_to_be(fitted, task):
    report, checkpoint, _ = fitted
    assert checkpoint.spec == make_spec(SIZE)
    assert set(checkpoint.vocabulary.names) == set(ACTIONS)
    assert set(checkpoint.scene_vocabulary.names) == set(SCENES)
    assert checkpoint.options == json.loads(json.dumps(FAST.heads.to_dict()))
    record = checkpoint.record
    assert record["validation"] == report.validation
    assert record["training"]["best_epoch"] == report.best_epoch
    assert len(record["training"]["epochs"]) == 8
    assert record["annotations"]["name"] == "gt.json"
    assert record["annotations"]["sha256"] == hashlib.sha256((task / "gt.json").read_bytes()).hexdigest()
    assert record["tsmfeat"] == version("tsmfeat")
    assert record["split"].startswith("training: 12 videos of subset 'training'; validation: 4")


def test_the_kept_epoch_is_the_one_with_the_best_validation_score(fitted):
    report, checkpoint, _ = fitted
    scores = [epoch["validation_score"] for epoch in checkpoint.record["training"]["epochs"]]
    assert report.best_epoch == 1 + int(np.argmax(scores))
    assert report.validation["final_score"] == max(scores)


def test_the_split_and_every_epoch_are_told(fitted):
    _, checkpoint, progress = fitted
    assert ("note", checkpoint.record["split"]) in progress.calls
    assert ("begin", "fit heads", 8, "epochs") in progress.calls
    assert len(progress.of("advance")) == 8
    assert not progress.of("warn")


def test_equal_seeds_give_equal_bytes_and_others_do_not(task, tmp_path):
    for name, seed in (("one", 3), ("two", 3), ("three", 4)):
        options = replace(FAST, heads=replace(FAST.heads, epochs=2, seed=seed))
        fit_heads(task / "store", task / "gt.json", tmp_path / name, options)
    one, two, three = ((tmp_path / name).read_bytes() for name in ("one", "two", "three"))
    assert one == two
    assert one != three


def test_the_least_overlap_decides_what_is_background(tmp_path):
    database = make_database({"train": 4})
    for video in database.values():
        for entry in video["annotations"]:
            entry["segment"] = [
                bound + 0.2 for bound in entry["segment"]
            ]  # 60 % of the first interval, 40 % of the last
    write_database(tmp_path / "gt.json", database)
    store = write_store(tmp_path / "store", database)
    wholly = sum(
        round(2 * (end - start)) - 1
        for v in database.values()
        for start, end in [e["segment"] for e in v["annotations"]]
    )
    num_segments = sum(len(video["annotations"]) for video in database.values())
    for min_overlap, expected in ((0.3, wholly + 2 * num_segments), (0.5, wholly + num_segments), (0.7, wholly)):
        heads = replace(FAST.heads, epochs=1, min_overlap=min_overlap)
        truth = read_annotations(tmp_path / "gt.json")
        with open_features(store) as opened:
            rows = make_training_rows(truth, gather_features(opened, truth.video_ids), heads.min_overlap)
        assert (rows.action < 3).sum() == expected
        fit_heads(
            store,
            tmp_path / "gt.json",
            tmp_path / f"{min_overlap}",
            FitOptions(replace(heads, background_weight="balanced")),
        )
    weights = [load_heads(tmp_path / name).record["training"]["class_weights"][3] for name in ("0.3", "0.5", "0.7")]
    assert weights[0] > weights[1] > weights[2]  # the rarer background is, the heavier


@pytest.mark.parametrize(("loss", "targets"), [("sigmoid", "hard"), ("sigmoid", "overlap"), ("focal:2", "overlap")])
def test_other_losses_and_targets_fit_and_score_as_well(task, tmp_path, loss, targets):
    options = replace(FAST, heads=replace(FAST.heads, loss=loss, targets=targets, label_smoothing=0.05))
    report = fit_heads(task / "store", task / "gt.json", tmp_path / "heads", options)
    assert report.validation["final_score"] > 0.9
    checkpoint = load_heads(tmp_path / "heads")
    assert checkpoint.weights.activation == ("sigmoid" if loss == "sigmoid" else "softmax")
    assert (checkpoint.options["loss"], checkpoint.options["targets"]) == (loss, targets)


def test_fewer_background_rows_are_seen_in_an_epoch(task, tmp_path):
    options = replace(FAST, heads=replace(FAST.heads, background_ratio=0.5))
    report = fit_heads(task / "store", task / "gt.json", tmp_path / "heads", options)
    seen = load_heads(tmp_path / "heads").record["training"]["num_epoch_rows"]
    assert seen < report.num_intervals
    assert report.validation["final_score"] > 0.9


def test_the_hash_split_is_made_and_told_where_there_is_no_validation_subset(task, tmp_path):
    database = make_database({"train": 10})
    write_database(tmp_path / "gt.json", database)
    store = write_store(tmp_path / "store", database)
    progress = Recorder()
    report = fit_heads([store], tmp_path / "gt.json", tmp_path / "heads", FAST, progress)
    assert (report.num_training_videos, report.num_validation_videos) == (9, 1)
    assert "1 more, set aside by the hash of their ids" in progress.of("note")[0][1]
    assert report.held_out_subset == ""


def test_videos_without_features_are_warned_of_and_left_out(task, tmp_path):
    database = make_database()
    stored = {name: video for name, video in database.items() if name not in ("video 03", "video 13")}
    store = write_store(tmp_path / "store", stored)
    progress = Recorder()
    report = fit_heads([store], task / "gt.json", tmp_path / "heads", FAST, progress)
    assert (report.num_training_videos, report.num_validation_videos) == (11, 3)
    assert [call[1] for call in progress.of("warn")] == [
        "1 of 12 training videos have no features, such as 'video 03'",
        "1 of 4 validation videos have no features, such as 'video 13'",
    ]


def test_no_training_video_with_features_is_refused_before_anything_is_written(task, tmp_path):
    stored = {"video 12": make_database()["video 12"]}  # of the validation subset
    store = write_store(tmp_path / "store", stored)
    with pytest.raises(InputError, match="none of the 12 annotated training videos has features"):
        fit_heads([store], task / "gt.json", tmp_path / "heads", FAST)
    assert not (tmp_path / "heads").exists()


def test_annotations_without_scenes_give_heads_without_scenes(task, tmp_path):
    database = make_database()
    for video in database.values():
        del video["scene"]
    write_database(tmp_path / "gt.json", database)
    progress = Recorder()
    report = fit_heads(task / "store", tmp_path / "gt.json", tmp_path / "heads", FAST, progress)
    checkpoint = load_heads(tmp_path / "heads")
    assert len(checkpoint.scene_vocabulary) == 0
    assert checkpoint.weights.num_scenes == 0
    assert report.validation["scene_accuracy"] is None
    assert any("scene" in call[1] for call in progress.of("note")[1:])


def test_the_action_task_alone_gives_heads_without_scenes(task, tmp_path):
    options = replace(FAST, heads=replace(FAST.heads, tasks=("action",)))
    fit_heads(task / "store", task / "gt.json", tmp_path / "heads", options)
    assert load_heads(tmp_path / "heads").weights.num_scenes == 0


@pytest.mark.parametrize(("emptied", "reason"), [(True, "hold no annotated segment"), (False, "no validation video")])
def test_without_anything_to_judge_by_the_last_epoch_is_kept(tmp_path, emptied, reason):
    database = make_database({"training": 1} | ({"validation": 2} if emptied else {}))
    for video in database.values():
        if video["subset"] == "validation":
            video["annotations"] = []
    write_database(tmp_path / "gt.json", database)
    store = write_store(tmp_path / "store", database)
    progress = Recorder()
    report = fit_heads(store, tmp_path / "gt.json", tmp_path / "heads", FAST, progress)
    assert report.validation is None
    assert report.best_epoch == 8
    assert reason in progress.of("warn")[0][1]
    assert load_heads(tmp_path / "heads").record["validation"] is None


def test_validation_videos_shorter_than_a_step_score_zero(tmp_path):
    database = make_database({"training": 3, "validation": 1})
    video = database["video 03"]
    video["duration"], video["annotations"] = 0.4, [{"label": "run", "segment": [0.0, 0.4]}]
    write_database(tmp_path / "gt.json", database)
    stored = {**database, "video 03": {**video, "annotations": []}}
    store = write_store(tmp_path / "store", stored)
    report = fit_heads(store, tmp_path / "gt.json", tmp_path / "heads", FAST)
    assert report.validation["final_score"] == 0.0


def test_missing_folders_of_the_output_are_made(task, tmp_path):
    out = tmp_path / "runs" / "1" / "heads.safetensors"
    fit_heads(task / "store", task / "gt.json", out, FAST)
    assert load_heads(out).weights.num_actions == 3


def test_an_output_below_a_file_is_refused_before_fitting(task, tmp_path):
    (tmp_path / "file").write_text("")
    progress = Recorder()
    with pytest.raises(OutputError):
        fit_heads(task / "store", task / "gt.json", tmp_path / "file" / "heads", FAST, progress)
    assert not progress.of("begin")


def test_missing_features_and_annotations_are_named(task, tmp_path):
    with pytest.raises(StoreError, match="nowhere"):
        fit_heads(tmp_path / "nowhere.h5", task / "gt.json", tmp_path / "heads")
    with pytest.raises(InputError, match=r"nowhere\.json"):
        fit_heads(task / "store", tmp_path / "nowhere.json", tmp_path / "heads")


@pytest.mark.parametrize("name", ["features.h5", "gt.json", "clip.mp4"])
def test_only_heads_are_ever_replaced(tmp_path, name):
    precious = tmp_path / name
    precious.write_bytes(b"hours of work")
    with pytest.raises(ConfigurationError, match="exists and holds no heads"):
        fit_heads(tmp_path / "features.h5", tmp_path / "gt.json", precious)
    assert precious.read_bytes() == b"hours of work"


def test_defaults_are_used_where_no_options_are_given(task, tmp_path):
    fit_heads(task / "store", task / "gt.json", tmp_path / "heads")
    assert load_heads(tmp_path / "heads").options == json.loads(json.dumps(HeadOptions().to_dict()))


@pytest.mark.parametrize("head", ["mlp", "conditioned", "pyramid"])
def test_runs_that_diverge_do_not_clutter_the_terminal(task, tmp_path, head):
    """Warnings of numpy are errors here; the loss tells, and the other run is kept."""
    options = FitOptions(HeadOptions(head, epochs=2), sweep="lr=1e9,0.01")
    report = fit_heads(task / "store", task / "gt.json", tmp_path / "h.safetensors", options)
    assert report.ranking[0].setting == {"lr": 0.01}
    if head != "mlp":
        report = fit_heads(task / "store", task / "gt.json", tmp_path / "h.safetensors", replace(options, num_folds=2))
        assert report.ranking[0].setting == {"lr": 0.01}
