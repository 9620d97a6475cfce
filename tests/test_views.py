"""Heads on joined views, from stores to scores: what one view lacks the other gives, and a missing one is the mean."""

import itertools
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import DATA
from factories_heads import Recorder, make_weights
from factories_store import make_spec, write_parts
from factories_videos import built_once, tiny_options, write_tiny_video
from factories_workflows import ACTIONS, SIZE, make_database, write_database, write_store
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_heads import naive_fit
from naive_views import naive_join, naive_mean_and_deviation
from typer.testing import CliRunner

from tsmfeat.errors import CheckpointError, ConfigurationError, InputError, SpecMismatchError
from tsmfeat.formats.interval_scores import read_with_header, specs_in
from tsmfeat.formats.reading import read_annotations
from tsmfeat.heads.batches import draw_batches, draw_inputs, draw_presence, make_batches, mask_views
from tsmfeat.heads.checkpoint import HeadsCheckpoint, load_heads, save_heads
from tsmfeat.heads.device_batches import draw_device_inputs, load_table
from tsmfeat.heads.model import HeadParameters
from tsmfeat.heads.options import HEADS as HEAD_KINDS
from tsmfeat.heads.options import HeadOptions
from tsmfeat.heads.prediction import predict_probabilities
from tsmfeat.heads.randomness import random_bits
from tsmfeat.heads.rows import TrainingRows
from tsmfeat.heads.standardization import measure_joined
from tsmfeat.heads.training import train_head
from tsmfeat.heads.views import JoinedViews
from tsmfeat.store.reader import open_features
from tsmfeat.values.vocabulary import Vocabulary
from tsmfeat.video.options import VideoOptions
from tsmfeat.workflows import extract, fit_heads, inspect, predict, score, tune, validate
from tsmfeat.workflows.ensembles import score_stored_videos
from tsmfeat.workflows.fit_options import FitOptions
from tsmfeat.workflows.options import ValidateOptions
from tsmfeat.workflows.predict_options import PredictOptions
from tsmfeat.workflows.score_options import ScoreOptions
from tsmfeat.workflows.tune_options import TuneOptions
from tsmfeat_cli.main import app

__all__ = ["built_once"]

FRONT, PANORAMIC = make_spec(SIZE, view="front_view", trunk="resnet50"), make_spec(SIZE, view="panoramic")
VIEWS = ("panoramic", "front_view")
HEADS = HeadOptions(epochs=8, lr=0.1, batch_size=64, device="cpu")
FAST = FitOptions(HEADS, views=VIEWS)
TESTING = ScoreOptions(subset="testing")
# The front view shows one action and half of the videos; it ends a second early.
WITHOUT_FRONT = ("video 01", "video 05", "video 13", "video 17")


def hide(database, hidden, seconds=0.0):
    """Leave out what a view does not show: its features are those of background there."""
    shown = {}
    for name, video in database.items():
        kept = [entry for entry in video["annotations"] if entry["label"] not in hidden]
        shown[name] = {**video, "annotations": [e for e in kept if e["segment"][1] <= video["duration"] - seconds]}
        shown[name]["duration"] = video["duration"] - seconds
    return shown


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    """Two views that each show other actions, their stores and the heads that join them."""
    folder = tmp_path_factory.mktemp("task")
    database = make_database()
    write_database(folder / "gt.json", database)
    write_store(folder / "panoramic", hide(database, ACTIONS[:1]), PANORAMIC, seed=1)
    front = {name: v for name, v in hide(database, ACTIONS[1:], 1.0).items() if name not in WITHOUT_FRONT}
    write_store(folder / "front", front, FRONT, seed=2)
    fit_heads([folder / "panoramic", folder / "front"], folder / "gt.json", folder / "joined", FAST)
    for name in ("panoramic", "front"):
        fit_heads(folder / name, folder / "gt.json", folder / f"{name}.heads", FitOptions(HEADS))
    return folder


def stores(task):
    return [str(task / "panoramic"), str(task / "front")]


def final(task, heads, features):
    return score(task / heads, task / "gt.json", features, TESTING).evaluation.final_score


def test_two_views_know_what_neither_knows_alone(task):
    joined = final(task, "joined", stores(task))
    assert joined > 0.6
    assert joined > final(task, "panoramic.heads", stores(task)) + 0.1
    assert joined > final(task, "front.heads", stores(task)) + 0.1


def test_late_fusion_of_heads_of_two_views(task):
    heads = [str(task / name) for name in ("panoramic.heads", "front.heads")]
    fused = score(heads, task / "gt.json", stores(task), TESTING).evaluation.final_score
    assert fused > max(final(task, name, stores(task)) for name in ("panoramic.heads", "front.heads"))
    with_joined = score([*heads, str(task / "joined")], task / "gt.json", stores(task), TESTING)
    assert with_joined.evaluation.final_score > 0.5


def test_the_checkpoint_knows_its_views_and_what_stands_in_for_them(task):
    checkpoint = load_heads(task / "joined")
    assert checkpoint.specs == (FRONT, PANORAMIC)
    assert checkpoint.record["views"] == ["front_view", "panoramic"]
    assert checkpoint.record["training"]["view_dropout"] == 0.0
    truth = read_annotations(task / "gt.json")
    training = truth.select_subset("training").video_ids
    means = []
    for name in ("front", "panoramic"):  # in the order of the views' names
        with open_features(task / name) as store:
            rows, _ = store.gather([video_id for video_id in training if video_id in store])
        means.append(rows.astype(np.float64).mean(axis=0))
    np.testing.assert_allclose(checkpoint.weights.missing, np.concatenate(means), rtol=1e-6)


def test_the_order_of_names_and_stores_does_not_matter(task, tmp_path):
    for number, (views, names) in enumerate(((VIEWS[::-1], ("front", "panoramic")), (VIEWS, ("panoramic", "front")))):
        out = tmp_path / str(number)
        fit_heads([task / name for name in names], task / "gt.json", out, replace(FAST, views=views))
        assert out.read_bytes() == (task / "joined").read_bytes()


def test_a_view_that_is_missing_is_the_same_as_its_mean(task):
    checkpoint = load_heads(task / "joined")
    with open_features(task / "front") as front, open_features(task / "panoramic") as panoramic:
        found = score_stored_videos(checkpoint, (front, panoramic), WITHOUT_FRONT, Recorder())
        rows = panoramic.gather(WITHOUT_FRONT)[0].astype(np.float32)
    filled = np.concatenate([np.tile(checkpoint.weights.missing[:SIZE], (len(rows), 1)), rows], axis=1)
    exact = filled.astype(np.float64) @ checkpoint.weights.action_weight.T + checkpoint.weights.action_bias
    expected = np.exp(exact - exact.max(axis=1, keepdims=True))
    np.testing.assert_allclose(found.scores, expected / expected.sum(axis=1, keepdims=True), atol=1e-5)


def test_videos_that_lack_a_view_are_told_and_scored_to_the_end_of_the_longest(task):
    progress = Recorder()
    found = score(task / "joined", task / "gt.json", stores(task), TESTING, progress)
    assert [call[1] for call in progress.of("warn")] == [
        "view 'front_view': 1 of 4 videos lack it, such as 'video 17': it is masked there; "
        "heads fitted with --view-dropout bear that better"
    ]
    assert set(found.predictions.video_ids) >= set(
        read_annotations(task / "gt.json").select_subset("testing").video_ids
    )


def test_a_store_of_one_view_alone_is_refused_naming_the_other(task):
    with pytest.raises(SpecMismatchError, match=r"for view 'front_view' .*trunk: resnet50 / resnet18") as caught:
        score(task / "joined", task / "gt.json", stores(task)[:1], TESTING)
    assert "of this view" in caught.value.hint


def test_predicting_is_the_same_as_scoring(task, tmp_path):
    options = PredictOptions(scores_out=(str(tmp_path / "o.scores"),))
    predict(stores(task), task / "joined", tmp_path / "o.json", options)
    direct = score(task / "joined", task / "gt.json", stores(task), TESTING)
    for told in ("o.json", "o.scores"):
        again = score(tmp_path / told, task / "gt.json", options=replace(TESTING, outside="drop"))
        assert np.isclose(again.evaluation.final_score, direct.evaluation.final_score, atol=1e-3)
    assert specs_in(read_with_header(tmp_path / "o.scores")[1]) == (FRONT, PANORAMIC)
    for path in stores(task):
        checked = validate([tmp_path / "o.scores", task / "joined"], ValidateOptions(against=path))
        assert [problem for problem in checked.files[1].problems if "spec" in problem] == []
    options = TuneOptions("smooth=none,mean:3", num_folds=2, subset="testing", num_resamples=50)
    tuned = [
        tune(paths, task / "gt.json", features=stores(task), options=options)
        for paths in ([str(tmp_path / "o.scores")], [str(task / "joined")])
    ]
    assert tuned[0].to_dict()["tuned_of_folds"] == tuned[1].to_dict()["tuned_of_folds"]


def test_heads_are_compared_with_the_view_that_a_store_shows(task, tmp_path):
    other = make_spec(SIZE, view="panoramic", precision="bf16")
    write_store(tmp_path / "other", make_database(), other)
    (checked,) = validate(task / "joined", ValidateOptions(against=str(tmp_path / "other"))).files
    assert [p for p in checked.problems if p.startswith("spec")] == [
        f"spec: precision: fp32 / bf16 of {tmp_path / 'other'}"
    ]


def test_raw_videos_are_refused_with_the_remedy(task, tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"\0" * 100)
    with pytest.raises(ConfigurationError, match="'front_view', 'panoramic'; a raw video shows one") as caught:
        predict(tmp_path / "a.mp4", task / "joined", tmp_path / "o.json", PredictOptions(checkpoints=("random:0",)))
    assert "--manifest" in caught.value.hint


def test_raw_videos_of_a_manifest_are_predicted_as_their_stored_views_are(tmp_path, built_once):
    rows = [("video_id", "view", "path")]
    for view, count, first in (("panoramic", 2, 0), ("front_view", 1, 5)):
        for number in range(count):
            path = write_tiny_video(tmp_path / view / f"{number}.mp4", 1 + number / 2, seed=first + number)
            rows.append((f"walk {number}", view, path.relative_to(tmp_path).as_posix()))
    manifest = tmp_path / "views.csv"
    manifest.write_text("\n".join(map(",".join, rows)) + "\n")
    extract([], tmp_path / "stores", tiny_options(manifest=str(manifest), batch_size=1))
    specs = []
    for view in ("front_view", "panoramic"):
        with open_features(tmp_path / "stores" / f"resnet18_t0.5_{view}.h5") as store:
            specs.append(store.spec)
    weights = make_weights(3, 0, 1024)
    filled = HeadParameters(**weights.tensors(), missing=np.ones(1024))
    save_heads(tmp_path / "heads", HeadsCheckpoint(filled, specs[0], Vocabulary(ACTIONS), joined=(specs[1],)))
    options = PredictOptions(checkpoints=("random:0",), device="cpu", batch_size=1, video=VideoOptions(workers=1))
    predict(tmp_path / "stores", tmp_path / "heads", tmp_path / "stored.json")
    report = predict([], tmp_path / "heads", tmp_path / "raw.json", replace(options, manifest=str(manifest)))
    assert report.predictions.video_ids == ("walk 0", "walk 1")
    assert (tmp_path / "raw.json").read_bytes() == (tmp_path / "stored.json").read_bytes()
    with pytest.raises(ConfigurationError, match="one of the two"):
        predict(tmp_path / "stores", tmp_path / "heads", tmp_path / "x.json", replace(options, manifest=str(manifest)))
    manifest.write_text("\n".join(",".join(row) for row in rows[:3]) + "\n")
    with pytest.raises(ConfigurationError, match="'front_view' is not in the manifest"):
        predict([], tmp_path / "heads", tmp_path / "x.json", replace(options, manifest=str(manifest)))


def test_from_stores_to_scores_by_command(task, tmp_path):
    def call(*words, code=0):
        done = CliRunner().invoke(app, [str(word) for word in words])
        assert done.exit_code == code, done.output
        return done

    fitting = ["--annotations", task / "gt.json", "--epochs", 2, "--lr", 0.1, "--head", "mlp", "--hidden-size", 16]
    call("fit-heads", *stores(task), *fitting, "--views", "panoramic, front_view", "-o", tmp_path / "h", "-q")
    words = ["--annotations", task / "gt.json", "--subset", "testing", "-q"]
    features = [word for path in stores(task) for word in ("--features", path)]
    assert "final score" in call("score", tmp_path / "h", *features, *words).stdout
    call("predict", *stores(task), "--heads", tmp_path / "h", "-o", tmp_path / "o.json")
    (listed,) = [json.loads(line) for line in (tmp_path / "runs.jsonl").read_text().splitlines()][:1]
    assert [spec["fields"]["view"] for spec in listed["specs"]] == ["front_view", "panoramic"]
    text = call("inspect", tmp_path / "h").stdout
    assert "view 1 of 2" in text
    assert "resnet50" in text
    found = json.loads(call("inspect", tmp_path / "h", "--json").stdout)
    assert [found["spec"]["view"], *(spec["view"] for spec in found["joined"])] == ["front_view", "panoramic"]
    for view, code, reason in (("front_veiw,panoramic", 2, "did you mean 'front_view'"), ("front_view,", 2, "a,b")):
        done = call("fit-heads", *stores(task), *fitting, "--views", view, "-o", tmp_path / "x", code=code)
        assert reason in done.output
    write_store(tmp_path / "coarse", make_database(), make_spec(SIZE, view="ego", step_seconds=1.0, clip_seconds=1.0))
    both = [task / "panoramic", tmp_path / "coarse"]
    done = call("fit-heads", *both, *fitting, "--views", "panoramic,ego", "-o", tmp_path / "x", code=6)
    assert "ego 1 s" in done.output
    done = call("fit-heads", *stores(task), *fitting, "--view-dropout", 0.2, "-o", tmp_path / "x", code=2)
    assert "--views" in done.output


@pytest.mark.parametrize("head", sorted({*HEAD_KINDS} - {"linear"}))
def test_every_kind_knows_what_stands_in_for_a_view(task, tmp_path, head):
    heads = replace(HEADS, head=head, epochs=2, view_dropout=0.3, hidden_size=16)
    fit_heads([task / "panoramic", task / "front"], task / "gt.json", tmp_path / "heads", replace(FAST, heads=heads))
    checkpoint = load_heads(tmp_path / "heads")
    np.testing.assert_array_equal(checkpoint.weights.missing, load_heads(task / "joined").weights.missing)
    moved = replace(checkpoint, weights=replace(checkpoint.weights, missing=checkpoint.weights.missing + 5.0))
    save_heads(tmp_path / "moved", moved)
    told = []
    for name in ("heads", "moved"):
        found = score(tmp_path / name, task / "gt.json", stores(task), TESTING).predictions
        video = found.video_ids.index("video 17")  # it lacks the front view
        told.append(found.segments.score[found.segments.video == video].tolist())
    assert told[0] != told[1]


def test_folds_and_sweeps_take_joined_views(task, tmp_path):
    heads = replace(HEADS, epochs=2)
    options = FitOptions(heads, views=VIEWS, num_folds=2, save_oof=str(tmp_path / "oof"), sweep="view-dropout=0,0.3")
    report = fit_heads([task / "panoramic", task / "front"], task / "gt.json", tmp_path / "heads", options)
    assert report.num_runs == 2
    (scores,) = (tmp_path / "oof").glob("*.scores")
    assert specs_in(read_with_header(scores)[1]) == (FRONT, PANORAMIC)
    with pytest.raises(ConfigurationError, match=r"view_dropout 0\.3 masks"):
        FitOptions(heads, sweep="view-dropout=0,0.3")


def test_a_folder_with_a_file_a_view_is_enough(task, tmp_path):
    for number, path in enumerate(stores(task)):
        with open_features(path) as store:
            videos = [store.features(video_id) for video_id in store.video_ids]
            write_parts(tmp_path / f"{number}", videos, 50, store.spec)
        (tmp_path / "both").mkdir(exist_ok=True)
        (part,) = (tmp_path / f"{number}").iterdir()
        part.rename(tmp_path / "both" / f"{number}.h5")
    fit_heads(tmp_path / "both", task / "gt.json", tmp_path / "heads", FAST)
    assert (tmp_path / "heads").read_bytes() == (task / "joined").read_bytes()
    assert final(task, "joined", str(tmp_path / "both")) == final(task, "joined", stores(task))


def test_a_view_of_no_training_video_is_refused(task, tmp_path):
    late = {name: video for name, video in make_database().items() if video["subset"] == "testing"}
    write_store(tmp_path / "late", late, replace(FRONT, view="late"))
    options = replace(FAST, views=("panoramic", "late"))
    with pytest.raises(InputError, match="view 1 of 2: in none of the"):
        fit_heads([task / "panoramic", tmp_path / "late"], task / "gt.json", tmp_path / "heads", options)


@pytest.mark.parametrize("head", sorted({*HEAD_KINDS} - {"pyramid"}))
def test_view_dropout_makes_heads_bear_what_is_missing(head):
    """Both views show all here; heads that never saw one alone rely on both."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 900)
    rows = rng.normal(0, 1.2, (900, 6)).astype(np.float16)
    rows[np.arange(900), labels] += 2
    rows[np.arange(900), 3 + labels] += 3
    views = JoinedViews((3, 3), np.ones((900, 2), np.bool_))
    nothing = np.full(900, -1, np.int32)
    data = TrainingRows(rows, np.arange(600), labels.astype(np.int32), nothing, 2, 0, np.arange(0, 901, 30), views)
    right = {}
    for dropout in (0.0, 0.5):
        options = HeadOptions(head, ("action",), epochs=15, lr=0.1, view_dropout=dropout, device="cpu", hidden_size=16)
        weights = train_head(data, options, 8).weights
        shown = JoinedViews((3, 3), np.tile([True, False], (300, 1)))
        found = predict_probabilities(weights, rows[600:], np.arange(0, 301, 30), shown)[0].argmax(axis=1)
        right[dropout] = (found == labels[600:]).mean()
    assert right[0.5] >= right[0.0]
    assert right[0.5] > 0.6


@st.composite
def joined_rows(draw):
    """Draw a joined table with rows that lack views, each column with two different numbers at least."""
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    sizes = draw(st.lists(st.integers(1, 3), min_size=2, max_size=3))
    counts = [draw(st.integers(2, 9)) for _ in sizes]
    parts = [
        {"a": rng.normal(size=(count, size)).astype(np.float16).tolist()}
        for count, size in zip(counts, sizes, strict=True)
    ]
    return sizes, naive_join(parts, sizes, ["a"])[0]


@settings(max_examples=60, deadline=None)
@given(joined_rows())
def test_mean_and_deviation_are_those_of_the_rows_that_have_a_view(found):
    sizes, table = found
    place = np.cumsum([0, *sizes])[:-1]
    present = np.array([[row[at] is not None for at in place] for row in table])
    features = np.array([[9999.0 if value is None else value for value in row] for row in table], np.float32)
    measured = measure_joined(features, np.arange(len(table)), JoinedViews(tuple(sizes), present))
    for column, (mean, deviation) in enumerate(naive_mean_and_deviation(table)):
        assert np.isclose(measured.mean[column], mean, atol=1e-6)
        if deviation > 0.1:  # smaller ones are floored
            assert np.isclose(measured.deviation[column], deviation, rtol=1e-5)


def test_another_device_sees_the_same_views():
    features, views = make_joined()
    rows = np.arange(60)
    batches = mask_views(make_batches(features, rows, measure_joined(features, rows, views), 0.0, 0), views, 0.4, 0)
    table = load_table(batches, 0, torch.device("cpu"))
    presence = draw_presence(batches, views, rows, None)
    there = draw_device_inputs(table, batches, torch.from_numpy(rows), presence)
    again = mask_views(make_batches(features, rows, measure_joined(features, rows, views), 0.0, 0), views, 0.4, 0)
    np.testing.assert_allclose(there.numpy(), draw_inputs(again, rows).numpy(), atol=1e-5)
    assert (presence.sum(axis=1) < views.present.sum(axis=1)).any()


def test_all_rows_at_once_see_what_batches_see():
    """L-BFGS and descent over one batch agree in where they end: the loss has one minimum."""
    features, views = make_joined(80, 3)
    action = np.random.default_rng(1).integers(0, 3, 80).astype(np.int32)
    data = TrainingRows(features, np.arange(80), action, np.full(80, -1, np.int32), 2, 0, None, views)
    common = {"tasks": ("action",), "dropout": 0.0, "weight_decay": 0.1, "device": "cpu"}
    exact = train_head(data, HeadOptions(epochs=40, solver="lbfgs", **common), 8).weights
    slow = train_head(data, HeadOptions(epochs=300, batch_size=80, lr=0.5, schedule="none", **common), 8).weights
    np.testing.assert_allclose(exact.action_weight, slow.action_weight, atol=1e-4)
    np.testing.assert_array_equal(exact.missing, slow.missing)


def make_joined(num_rows=60, seed=0):
    rng = np.random.default_rng(seed)
    features = rng.normal(2.0, 3.0, (num_rows, 5)).astype(np.float16)
    present = rng.random((num_rows, 2)) < 0.7
    present[~present.any(axis=1), 0] = True
    features[~present[:, 0], :2] = 777
    features[~present[:, 1], 2:] = -777
    return features, JoinedViews((2, 3), present)


def test_a_missing_view_is_exactly_zero_in_training():
    features, views = make_joined()
    rows = np.arange(60)
    scale = measure_joined(features, rows, views)
    batches = mask_views(make_batches(features, rows, scale, 0.2, 0), views, 0.0, 0)
    inputs = draw_inputs(batches, rows).numpy()
    owner = np.repeat([0, 1], [2, 3])
    assert not inputs[~views.present[:, owner]].any()
    assert (inputs[views.present[:, owner]] != 0).mean() > 0.7
    assert abs(inputs).max() < 9


def test_heads_on_joined_views_are_those_of_rows_with_zeros_by_hand():
    features, views = make_joined()
    rng = np.random.default_rng(1)
    action = rng.integers(0, 3, 60).astype(np.int32)
    data = TrainingRows(features, np.arange(60), action, np.full(60, -1, np.int32), 2, 0, None, views)
    options = HeadOptions(
        tasks=("action",), epochs=3, batch_size=16, lr=0.05, dropout=0.0, weight_decay=0.01, device="cpu"
    )
    fitted = train_head(data, options, 8).weights
    scale = measure_joined(features, np.arange(60), views)
    inputs = (features.astype(np.float64) - scale.mean) / scale.deviation
    inputs[~views.present[:, np.repeat([0, 1], [2, 3])]] = 0
    order = np.random.Generator(random_bits(0, "order"))
    orders = [order.permutation(60) for _ in range(3)]
    drawn = np.random.Generator(random_bits(0, "action")).standard_normal((3, 5), np.float32) * np.float32(0.001)
    weight, bias = naive_fit(inputs, action.tolist(), [1.0] * 60, drawn, orders, 16, 0.05, 0.9, 0.01)
    np.testing.assert_allclose(fitted.action_weight, weight / scale.deviation, atol=1e-5)
    np.testing.assert_allclose(fitted.action_bias, bias - (weight / scale.deviation) @ scale.mean, atol=1e-4)
    np.testing.assert_allclose(fitted.missing, scale.mean, rtol=1e-6)


@pytest.mark.parametrize("pieces", [None, np.array([0, 7, 7 + 20, 60])])
def test_dropped_views_stay_together_where_rows_do(pieces):
    features = np.ones((60, 5), np.float16)
    views = JoinedViews((2, 3), np.ones((60, 2), np.bool_))
    rows = np.arange(60)
    zero = measure_joined(np.zeros((60, 5), np.float16), rows, views)
    batches = mask_views(make_batches(features, rows, zero, 0.0, 3, pieces), views, 0.5, 3)
    seen = []
    for places, begins in draw_batches(batches, 60):
        shown = draw_inputs(batches, places, begins).numpy() != 0
        assert (shown[:, :1] == shown[:, :2]).all()
        assert (shown[:, 2:3] == shown[:, 2:]).all()
        assert shown.any(axis=1).all()
        seen += shown[:, [0, 2]].tolist()
        if begins is not None:
            for first, last in itertools.pairwise(begins):
                assert len(np.unique(shown[first:last], axis=0)) == 1
    if pieces is None:
        assert len(np.unique(seen, axis=0)) == 3


def test_joined_heads_come_back_whole_and_need_a_filling(tmp_path):
    weights = make_weights(2, 0, 2 * SIZE)
    with pytest.raises(CheckpointError, match="what stands in"):
        HeadsCheckpoint(weights, FRONT, Vocabulary(("a", "b")), joined=(PANORAMIC,))
    filled = HeadParameters(**weights.tensors(), missing=np.arange(2.0 * SIZE))
    with pytest.raises(CheckpointError, match="both must agree"):
        HeadsCheckpoint(filled, FRONT, Vocabulary(("a", "b")))
    with pytest.raises(CheckpointError, match="one for one"):
        HeadParameters(**weights.tensors(), missing=np.zeros(3))
    save_heads(tmp_path / "heads", HeadsCheckpoint(filled, FRONT, Vocabulary(("a", "b")), joined=(PANORAMIC,)))
    again = load_heads(tmp_path / "heads")
    assert again.joined == (PANORAMIC,)
    assert again.weights.missing.tolist() == list(range(2 * SIZE))


def test_heads_of_the_first_version_are_still_read():
    found = load_heads(DATA / "heads" / "version1.safetensors")
    assert found.joined == ()
    assert found.weights.missing is None
    assert len(found.specs) == 1
    assert inspect(DATA / "heads" / "version1.safetensors")["joined"] == []
