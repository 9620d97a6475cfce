"""Pyramids are trained: they learn bounds that lie between the grid's, and what else is asked of a head."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from factories_heads import Recorder
from factories_pyramid import as_segment_rows, make_shares

from tsmfeat.errors import ConfigurationError, InputError
from tsmfeat.heads.options import HeadOptions
from tsmfeat.heads.pyramid_decoding import Grid, decode_videos
from tsmfeat.heads.pyramid_training import train_pyramids
from tsmfeat.heads.pyramid_videos import TrainingVideos, make_training_videos
from tsmfeat.heads.targets import interval_targets
from tsmfeat.heads.views import JoinedViews
from tsmfeat.localization.localizing import localize
from tsmfeat.metrics.average_precision import evaluate
from tsmfeat.values.annotations import Annotations
from tsmfeat.values.predictions import IntervalScores, Predictions
from tsmfeat.values.segments import Segments
from tsmfeat.values.vocabulary import Vocabulary

STEP = 0.5
DATA = make_shares()
FAST = {"hidden_size": 24, "num_levels": 3, "batch_size": 200, "lr": 0.005, "dropout": 0.0, "device": "cpu"}


def fit(data=DATA, validate=None, progress=None, **options):
    options = HeadOptions("pyramid", **{"tasks": ("action",), "epochs": 2, **FAST, **options})
    return train_pyramids(data, [options], 8, validate, *([] if progress is None else [progress]))[0]


def as_truth(data):
    count = len(data.row_offset) - 1
    _, label, start, end = data.segments
    segments = Segments(data.segments.video, label, start * STEP, end * STEP, np.ones(len(label)))
    names = Vocabulary(tuple(f"action{k}" for k in range(data.num_actions)))
    scenes = Vocabulary(tuple(f"scene{k}" for k in range(data.num_scenes)))
    ids, durations = tuple(f"video{k}" for k in range(count)), np.diff(data.row_offset) * STEP
    return Annotations(ids, names, segments, durations, ("training",) * count, data.scene, scenes)


def find(weights, data):
    truth = as_truth(data)
    found = decode_videos(weights, data.features, Grid(data.row_offset, STEP, truth.duration_seconds))
    return Predictions(truth.video_ids, truth.vocabulary, found[0]), found[1]


def oracle(data):
    """Score runs of perfect interval labels."""
    truth = as_truth(data)
    targets = interval_targets(truth, truth.video_ids, data.row_offset, STEP, 0.5)
    scores = np.eye(data.num_actions + 1, dtype=np.float32)[targets]
    known = (truth.video_ids, truth.vocabulary, data.row_offset, scores, STEP, truth.duration_seconds)
    return evaluate(localize(IntervalScores(*known)), truth)


def test_bounds_between_those_of_the_grid_are_learned():
    truth = as_truth(DATA)
    ceiling, found = oracle(DATA).map, evaluate(find(fit(epochs=160, lr=0.01).weights, DATA)[0], truth)
    assert ceiling[2] < 0.3 < 0.7 < found.map[2]
    assert found.map[1] > 0.95
    assert found.final_score > 0.9


def test_bounds_are_found_in_videos_never_seen():
    new = make_shares(seed=9)
    many = make_shares(50, seed=1)
    found = evaluate(find(fit(many, epochs=20).weights, new)[0], as_truth(new)).map
    assert found[1] > 0.9
    assert found[2] > oracle(new).map[2] + 0.1


def test_the_losses_fall():
    epochs = fit(epochs=20).record["epochs"]
    for name in ("action_loss", "bounds_loss", "interval_loss"):
        assert epochs[-1][name] < 0.7 * epochs[0][name]
    assert epochs[0]["lr"] < epochs[2]["lr"] > epochs[-1]["lr"]


def test_scenes_are_learned_from_level_0():
    data = make_shares(scenes=2)
    fitted = fit(data, tasks=("action", "scene"), epochs=12)
    assert find(fitted.weights, data)[1].argmax(axis=1).tolist() == data.scene.tolist()
    assert fitted.record["tasks"] == ["action", "scene"]
    assert fitted.record["epochs"][-1]["scene_loss"] < 0.5
    assert fit(data, epochs=1).weights.scene_weight is None


def test_unknown_scenes_have_no_say():
    data = make_shares(scenes=2)
    half = replace(data, scene=np.full(10, -1))
    recorder = Recorder()
    fitted = fit(half, tasks=("action", "scene"), epochs=1, progress=recorder)
    assert fitted.weights.scene_weight is None
    assert any("no training video has a scene" in str(call) for call in recorder.of("note"))


def test_equal_seeds_give_equal_bits_and_others_do_not():
    first, again, other = fit(), fit(), fit(seed=1)
    for name, values in first.weights.tensors().items():
        np.testing.assert_array_equal(values, again.weights.tensors()[name])
    assert (first.weights.body["base0_weight"] != other.weights.body["base0_weight"]).all()


def test_several_runs_are_each_as_alone():
    options = [HeadOptions("pyramid", ("action",), epochs=2, **FAST | {"lr": lr}) for lr in (0.005, 0.001)]
    together = train_pyramids(DATA, options, 8)
    for lr, one in zip((0.005, 0.001), together, strict=True):
        np.testing.assert_array_equal(one.weights.action_weight, fit(lr=lr).weights.action_weight)


def test_weights_are_for_raw_embeddings():
    plain = fit(epochs=1, standardize=True)
    table = DATA.features.astype(np.float32) * 8 + 3
    moved = replace(DATA, features=table)
    shifted = fit(moved, epochs=1, standardize=True)
    np.testing.assert_allclose(
        find(plain.weights, DATA)[0].segments.score[:50], find(shifted.weights, moved)[0].segments.score[:50], atol=1e-3
    )


def test_the_best_epoch_is_kept_and_patience_ends():
    scores = iter([0.1, 0.5, 0.2, 0.3, 0.9])
    fitted = fit(epochs=5, patience=2, validate=lambda _: next(scores))
    assert fitted.record["best_epoch"] == 2
    assert len(fitted.record["epochs"]) == 4
    assert fitted.record["best_validation_score"] == 0.5
    second = fit(epochs=5, validate=lambda _: 0.0, progress=(recorder := Recorder()))
    assert second.record["best_epoch"] == 5
    assert any("no epoch scored above 0" in str(call) for call in recorder.of("warn"))


def test_the_record_counts_what_cannot_be_learned():
    table = np.zeros((6, 2), np.float16)
    segments = as_segment_rows([(0, 0, 1.0, 3.0), (0, 0, 6.5, 7.5)])
    data = TrainingVideos(table, np.array([0, 6]), segments, np.array([1, 0, 0, 1, 1, 1]), np.array([-1]), 1, 0)
    recorder = Recorder()
    record = fit(data, progress=recorder).record
    assert (record["num_segments"], record["num_unlearned"], record["num_positive_places"]) == (2, 1, 2)
    assert any("1 of 2 training segments" in str(call) for call in recorder.of("note"))
    nothing = replace(data, segments=as_segment_rows([]), label=np.ones(6, np.int64))
    fit(nothing, progress=recorder)
    assert any("no training video has a segment" in str(call) for call in recorder.of("warn"))


def test_what_cannot_be_trained_is_refused():
    with pytest.raises(ConfigurationError, match="no longer finite") as caught:
        fit(lr=1e30, standardize=False)
    assert "--lr 1e+29" in caught.value.hint
    truth = as_truth(DATA)
    with pytest.raises(InputError, match="no interval to fit on"):
        make_training_videos(truth, truth.video_ids[:1], DATA.features[:0], ([0, 0], STEP), 0.5)
    with pytest.raises(InputError, match="'stranger' is not annotated"):
        make_training_videos(truth, ["stranger"], DATA.features, ([0, len(DATA.features)], STEP), 0.5)


def test_annotations_become_segments_of_intervals():
    truth = as_truth(DATA)
    chosen = [truth.video_ids[k] for k in (3, 1)]
    rows = np.concatenate([DATA.features[150:200], DATA.features[50:100]])
    found = make_training_videos(truth, chosen, rows, ([0, 50, 100], STEP), 0.5)
    for place, video in enumerate((3, 1)):
        for mine, theirs in zip(found.segments[1:], DATA.segments[1:], strict=True):
            expected = theirs[DATA.segments.video == video]
            np.testing.assert_allclose(mine[found.segments.video == place], expected, rtol=1e-12)
    np.testing.assert_array_equal(found.label, np.concatenate([DATA.label[150:200], DATA.label[50:100]]))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_a_gpu_ends_where_the_cpu_does():
    here, there = fit(), fit(device="cuda")
    np.testing.assert_allclose(here.weights.action_weight, there.weights.action_weight, atol=1e-3)


def test_a_missing_view_is_the_same_as_its_mean():
    present = np.ones((len(DATA.features), 2), bool)
    present[100:200, 1] = False
    views = JoinedViews((2, 2), present)
    data = replace(DATA, views=views)
    fitted = fit(data, epochs=1, view_dropout=0.3)
    assert fitted.weights.missing is not None
    rubbish = DATA.features.copy()
    rubbish[100:200, 2:] = 77.0
    grid = Grid(DATA.row_offset, STEP, np.full(10, 25.0), views)
    found = decode_videos(fitted.weights, rubbish, grid)[0]
    filled = rubbish.astype(np.float32)
    filled[100:200, 2:] = fitted.weights.missing[2:]
    expected = decode_videos(fitted.weights, filled, grid._replace(views=None))[0]
    np.testing.assert_array_equal(found.score, expected.score)
    again = fit(replace(data, features=rubbish), epochs=1, view_dropout=0.3)
    np.testing.assert_array_equal(again.weights.action_weight, fitted.weights.action_weight)
    assert (fit(data, epochs=1).weights.action_weight != fitted.weights.action_weight).any()
