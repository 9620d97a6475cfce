"""Runs fitted together, hidden layers and L-BFGS: each against a witness of its own."""

import math
from dataclasses import replace
from itertools import pairwise, product

import numpy as np
import pytest
import torch
from factories_heads import Recorder, make_blobs, make_rows
from hypothesis import given, settings
from hypothesis import strategies as st

from tsmfeat.errors import CheckpointError, ConfigurationError, EnvironmentLackError, InputError
from tsmfeat.heads.batches import draw_batches, draw_inputs, make_batches
from tsmfeat.heads.bodies import make_dropper
from tsmfeat.heads.device_batches import draw_device_inputs, load_table
from tsmfeat.heads.devices import resolve_device
from tsmfeat.heads.grouping import group_runs
from tsmfeat.heads.mlp import fold_mlp, gelu, initial_mlp, represent_mlp
from tsmfeat.heads.mlp_torch import represent_mlp as represent_mlp_torch
from tsmfeat.heads.model import HeadParameters
from tsmfeat.heads.options import HeadOptions
from tsmfeat.heads.prediction import predict_probabilities
from tsmfeat.heads.representation import represent
from tsmfeat.heads.standardization import Standardization, no_standardization
from tsmfeat.heads.training import train_head, train_heads

QUICK = HeadOptions(epochs=4, batch_size=32, lr=0.05)


def blobs(**changes):
    features, action, scene = make_blobs(**changes)
    return make_rows(features, action, scene, num_scenes=2)


def accuracy(weights, features, action):
    return float((predict_probabilities(weights, features)[0].argmax(axis=1) == action).mean())


# --- together as alone --------------------------------------------------------------------------------------------

LINEAR_RUNS = [
    replace(QUICK, lr=lr, dropout=dropout, scene_weight=weight, weight_decay=decay, seed=seed)
    for lr, dropout, weight, decay, seed in product((0.02, 0.1), (0.0, 0.5), (0.3, 1.0), (0.0, 0.01), (0, 1))
]
MLP_RUNS = [
    replace(QUICK, head="mlp", hidden_size=8, lr=lr, dropout=dropout, momentum=momentum)
    for lr, dropout, momentum in product((0.02, 0.1), (0.0, 0.3, 0.6), (0.5, 0.9))
]


@pytest.mark.parametrize("runs", [LINEAR_RUNS, MLP_RUNS], ids=["linear", "mlp"])
def test_every_run_of_a_sweep_equals_the_run_alone(runs):
    data = blobs()
    together = train_heads(data, runs, num_frames=8)
    for place in range(0, len(runs), 5):
        alone = train_head(data, runs[place], num_frames=8)
        for name, values in alone.weights.tensors().items():
            np.testing.assert_allclose(together[place].weights.tensors()[name], values, rtol=1e-5, atol=1e-5)
        assert together[place].record["dropout_used"] == alone.record["dropout_used"]
        for mine, its in zip(together[place].record["epochs"], alone.record["epochs"], strict=True):
            assert mine["action_loss"] == pytest.approx(its["action_loss"], abs=1e-5)
    first, last = (together[place].weights.action_weight for place in (0, -1))
    assert not np.allclose(first, last, rtol=1e-2)


def test_each_run_keeps_its_own_best_epoch():
    """The validation likes large biases in one run and small ones in the other."""
    runs = [replace(QUICK, lr=0.05), replace(QUICK, lr=0.0499)]
    seen: list[HeadParameters] = []

    def validate(weights):
        seen.append(weights)
        epoch, run = divmod(len(seen) - 1, 2)
        return epoch + 1.0 if run else 9.0 - epoch

    first, second = train_heads(blobs(), runs, 8, validate)
    assert (first.record["best_epoch"], second.record["best_epoch"]) == (1, 4)
    np.testing.assert_array_equal(first.weights.action_weight, seen[0].action_weight)
    np.testing.assert_array_equal(second.weights.action_weight, seen[-1].action_weight)


def test_patience_ends_a_run_and_not_its_neighbours():
    scores = {0: [0.5, 0.4, 0.3, 0.2], 1: [0.1, 0.2, 0.3, 0.4]}
    calls = {0: 0, 1: 0}

    def validate(weights):
        # The second run's rate is ten times the first one's: its weights are larger from the first epoch on.
        run = int(np.abs(weights.action_weight).max() > 0.02)
        calls[run] += 1
        return scores[run][calls[run] - 1]

    runs = [replace(QUICK, lr=lr, patience=2, dropout=0.0) for lr in (0.0001, 0.05)]
    first, second = train_heads(blobs(), runs, 8, validate)
    assert (len(first.record["epochs"]), len(second.record["epochs"])) == (3, 4)
    assert (first.record["best_epoch"], second.record["best_epoch"]) == (1, 4)
    recorder = Recorder()
    falling = iter((4.0, 3.0, 2.0, 1.0))
    alone = train_head(blobs(), runs[0], 8, lambda weights: next(falling), recorder)
    assert len(alone.record["epochs"]) == 3
    assert sum(call[1] for call in recorder.of("advance")) == 4  # the bar reaches its end


def test_a_run_that_diverges_ends_alone_and_says_nothing():
    features, action, _ = make_blobs(num_rows=60)
    data = make_rows(features * np.float16(100), action)
    wild, tame = (replace(QUICK, lr=lr, standardize=False, tasks=("action",)) for lr in (1e37, 1e-6))
    calls: list[HeadParameters] = []

    def validate(weights):
        calls.append(weights)
        return 0.5

    fitted = train_heads(data, [wild, tame], 8, validate)
    assert [one.record["diverged"] for one in fitted] == [True, False]
    assert not fitted[0].weights.action_weight.any()
    assert all(np.isfinite(weights.action_weight).all() for weights in calls)
    alone = train_head(data, tame, 8, lambda weights: 0.5)
    np.testing.assert_allclose(fitted[1].weights.action_weight, alone.weights.action_weight, rtol=1e-5, atol=1e-7)
    with pytest.raises(ConfigurationError, match=r"epoch 1: the loss .* lr 1e\+37"):
        train_heads(data, [wild, replace(wild, lr=1e36)], 8)


@given(st.lists(st.sampled_from(LINEAR_RUNS[:8] + MLP_RUNS[:6]), min_size=1, max_size=9))
@settings(max_examples=40, deadline=None)
def test_groups_hold_every_run_once_and_share_what_must_be_equal(runs):
    groups = group_runs(runs)
    assert sorted(place for group in groups for place in group) == list(range(len(runs)))
    for group in groups:
        assert len({(runs[p].head, runs[p].seed, runs[p].batch_size, runs[p].epochs) for p in group}) == 1
        if runs[group[0]].head == "linear":
            assert len({runs[p].dropout for p in group}) == 1


def test_lbfgs_runs_are_groups_of_their_own():
    assert group_runs([replace(QUICK, solver="lbfgs", weight_decay=decay) for decay in (0.1, 0.2)]) == [[0], [1]]


# --- the hidden layer ---------------------------------------------------------------------------------------------


def test_gelu_is_near_the_exact_one_and_torchs_own():
    values = np.linspace(-6, 6, 101, dtype=np.float32)
    exact = [x * 0.5 * (1 + math.erf(x / math.sqrt(2))) for x in values.tolist()]
    np.testing.assert_allclose(gelu(values), exact, atol=5e-4)
    theirs = torch.nn.functional.gelu(torch.from_numpy(values), approximate="tanh").numpy()
    np.testing.assert_allclose(gelu(values), theirs, atol=1e-6)


def make_body(size=7, hidden=5, seed=0):
    rng = np.random.default_rng(seed)
    body = initial_mlp(hidden, size, lambda shape: rng.normal(size=shape).astype(np.float32))
    return {name: values + rng.normal(0, 0.3, values.shape).astype(np.float32) for name, values in body.items()}


def test_the_hidden_layer_is_the_naive_one():
    body, row = make_body(), np.random.default_rng(1).normal(size=7).astype(np.float32)
    hidden = [
        float(b) + sum(float(w) * float(x) for w, x in zip(weights, row, strict=True))
        for weights, b in zip(body["input_weight"], body["input_bias"], strict=True)
    ]
    mean = sum(hidden) / 5
    deviation = math.sqrt(sum((value - mean) ** 2 for value in hidden) / 5 + 1e-5)
    expected = []
    for value, scale, shift in zip(hidden, body["norm_scale"], body["norm_shift"], strict=True):
        x = (value - mean) / deviation * float(scale) + float(shift)
        expected.append(0.5 * x * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))))
    np.testing.assert_allclose(represent_mlp(body, row[None])[0], expected, rtol=1e-5, atol=1e-6)


def test_training_sees_the_hidden_layer_that_scoring_sees():
    bodies = [make_body(seed=seed) for seed in range(3)]
    stacked = {name: torch.from_numpy(np.stack([body[name] for body in bodies])) for name in bodies[0]}
    inputs = np.random.default_rng(2).normal(size=(11, 7)).astype(np.float32)
    found = represent_mlp_torch(stacked, torch.from_numpy(inputs), lambda hidden: hidden).numpy()
    for run, body in enumerate(bodies):
        np.testing.assert_allclose(found[run], represent_mlp(body, inputs), rtol=1e-5, atol=1e-5)


def test_a_folded_hidden_layer_takes_raw_embeddings():
    body, raw = make_body(), np.random.default_rng(3).normal(5, 2, (9, 7)).astype(np.float32)
    scales = Standardization(raw.mean(axis=0).astype(np.float64), raw.std(axis=0).astype(np.float64))
    standardised = ((raw - scales.mean) / scales.deviation).astype(np.float32)
    folded = represent_mlp(fold_mlp(body, scales), raw)
    np.testing.assert_allclose(folded, represent_mlp(body, standardised), rtol=1e-4, atol=1e-5)


def test_a_hidden_layer_learns_what_no_line_can_tell_apart():
    rng = np.random.default_rng(0)
    points = rng.uniform(-1, 1, (400, 2))
    action = (points[:, 0] * points[:, 1] > 0).astype(np.int64)  # exclusive or: 1 is background
    features = points.astype(np.float16)
    data = make_rows(features, action, num_actions=1)
    options = HeadOptions("mlp", ("action",), 40, 32, 0.1, dropout=0.0, hidden_size=16)
    hidden, linear = (train_head(data, replace(options, head=head), 8) for head in ("mlp", "linear"))
    assert accuracy(hidden.weights, features, action) > 0.93 > 0.7 > accuracy(linear.weights, features, action)
    assert hidden.record["num_parameters"] == 16 * 2 + 3 * 16 + 2 * 16 + 2
    assert hidden.weights.embedding_size == 2


def test_scenes_reach_the_actions_through_a_shared_layer_only():
    data = blobs()
    for head, shared in (("linear", False), ("mlp", True)):
        without, with_scenes = (
            train_head(data, replace(QUICK, head=head, hidden_size=8, scene_weight=weight), 8) for weight in (0.0, 1.0)
        )
        equal = np.array_equal(without.weights.action_weight, with_scenes.weights.action_weight)
        assert equal != shared


def test_hidden_dropout_is_the_share_asked_for_and_keeps_the_mean():
    runs = [replace(QUICK, head="mlp", dropout=p) for p in (0.0, 0.25, 0.5)]
    ones = torch.ones(3, 400, 50)
    dropped = make_dropper(runs)(ones).numpy()
    for values, share in zip(dropped, (0.0, 0.25, 0.5), strict=True):
        assert (values == 0).mean() == pytest.approx(share, abs=0.01)
        np.testing.assert_allclose(values[values > 0], 1 / (1 - share), rtol=1e-4)
    # The same bits: what is dropped at .25 is dropped at .5 too.
    assert (dropped[2][dropped[1] == 0] == 0).all()
    alone = make_dropper(runs[2:])(torch.ones(1, 400, 50)).numpy()
    np.testing.assert_array_equal(alone[0], dropped[2])


def test_heads_of_an_unknown_kind_or_without_their_arrays_are_refused():
    body = {"input_weight": np.zeros((2, 3))}
    odd = HeadParameters(np.zeros((2, 2)), np.zeros(2), kind="oracle", body=body)
    with pytest.raises(CheckpointError, match="unknown kind 'oracle'"):
        represent(odd, np.zeros((1, 3), np.float32), np.array([0, 1]))
    with pytest.raises(CheckpointError, match="a mlp head with the arrays of no body"):
        HeadParameters(np.zeros((2, 2)), np.zeros(2), kind="mlp")
    with pytest.raises(CheckpointError, match="a linear head with the arrays input_weight"):
        HeadParameters(np.zeros((2, 2)), np.zeros(2), body=body)


# --- batches of videos --------------------------------------------------------------------------------------------


@given(st.lists(st.integers(1, 9), min_size=1, max_size=12), st.integers(1, 12), st.integers(0, 3))
@settings(max_examples=80, deadline=None)
def test_batches_of_videos_hold_each_once_whole_and_are_as_small_as_they_may(lengths, size, seed):
    pieces = np.concatenate([[0], np.cumsum(lengths)])
    count = int(pieces[-1])
    batches = make_batches(np.ones((count, 2), np.float16), np.arange(count), no_standardization(2), 0.0, seed, pieces)
    drawn = list(draw_batches(batches, size))
    assert sorted(np.concatenate([places for places, _ in drawn]).tolist()) == list(range(count))
    for number, (places, begins) in enumerate(drawn):
        stretches = [places[a:b] for a, b in pairwise(begins)]
        for stretch in stretches:
            start = int(np.searchsorted(pieces, stretch[0]))
            assert stretch.tolist() == list(range(pieces[start], pieces[start + 1]))
        assert len(places) >= size or number == len(drawn) - 1
        assert len(places) - len(stretches[-1]) < size


def test_rows_of_unknown_videos_are_refused_where_neighbours_matter():
    with pytest.raises(InputError, match="unknown videos"):
        blobs().pieces()


# --- L-BFGS -------------------------------------------------------------------------------------------------------


def test_lbfgs_ends_where_the_gradient_of_the_whole_loss_vanishes():
    features, action, scene = make_blobs(noise=2.5)
    rows = make_rows(features, action, scene, num_scenes=2)
    options = HeadOptions(epochs=60, solver="lbfgs", weight_decay=0.01, background_weight=0.5)
    weights = train_head(rows, options, 8).weights
    raw = features.astype(np.float64)
    table = (raw - raw.mean(axis=0)) / raw.std(axis=0)
    row_weights = np.where(action == 2, 0.5, 1.0)
    scores = raw @ weights.action_weight.T.astype(np.float64) + weights.action_bias
    chances = np.exp(scores - scores.max(axis=1, keepdims=True))
    chances /= chances.sum(axis=1, keepdims=True)
    errors = (chances - np.eye(3)[action]) * (row_weights / row_weights.sum())[:, None]
    assert np.abs(errors.T @ table + 0.01 * weights.action_weight * raw.std(axis=0)).max() < 1e-4
    assert np.abs(errors.sum(axis=0)).max() < 1e-4


def test_lbfgs_needs_fewer_passes_than_descent_and_scenes_do_not_move_its_actions():
    data = blobs(noise=2.0)
    few = HeadOptions(epochs=12, solver="lbfgs", weight_decay=0.001)
    alone, both = (train_head(data, replace(few, tasks=tasks), 8) for tasks in (("action",), ("action", "scene")))
    np.testing.assert_array_equal(alone.weights.action_weight, both.weights.action_weight)
    descended = train_head(data, HeadOptions(epochs=12, lr=0.01, weight_decay=0.001, dropout=0.0), 8)
    assert both.record["epochs"][-1]["action_loss"] < descended.record["epochs"][-1]["action_loss"]
    assert both.record["dropout_used"] == 0.0
    assert both.record["epochs"][0]["lr"] is None


def test_lbfgs_is_for_linear_heads():
    with pytest.raises(ConfigurationError, match="it is for linear heads"):
        HeadOptions("mlp", solver="lbfgs")
    with pytest.raises(ConfigurationError, match=r"view_dropout 0\.3 and solver lbfgs: its iterations mask nothing"):
        HeadOptions(solver="lbfgs", view_dropout=0.3)


# --- devices ------------------------------------------------------------------------------------------------------


def test_a_table_on_a_device_gives_the_inputs_of_the_cpu():
    features = np.random.default_rng(0).normal(3, 2, (30, 40)).astype(np.float16)
    scales = Standardization(np.full(40, 3.0), np.full(40, 2.0))
    for dropout in (0.0, 0.5):
        batches = make_batches(features, np.arange(5, 25), scales, dropout, 0)
        table = load_table(batches, 0, torch.device("cpu"))
        places = np.array([3, 0, 19])
        found = draw_device_inputs(table, batches, torch.from_numpy(places)).numpy()
        expected = draw_inputs(batches, places).numpy()
        both = (found != 0) & (expected != 0)
        np.testing.assert_allclose(found[both], expected[both], rtol=1e-5)
        assert both.mean() == pytest.approx((1 - dropout) ** 2, abs=0.2)
        assert (found == 0).mean() == pytest.approx(dropout, abs=0.15)


def test_a_device_that_is_not_there_is_an_error_of_the_environment(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert resolve_device("auto").type == "cpu"
    with pytest.raises(EnvironmentLackError, match="device cuda"):
        resolve_device("cuda")
