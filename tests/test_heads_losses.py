"""Heads fitted with other losses, on soft targets, and on a part of background."""

import json
from dataclasses import replace

import numpy as np
import pytest
from factories_heads import make_annotations, make_blobs, make_rows, make_spec
from naive_losses import naive_cross_entropy, naive_focal, naive_sigmoid, naive_slopes

from tsmfeat.errors import CheckpointError, InputError
from tsmfeat.heads import epochs, stack
from tsmfeat.heads.checkpoint import HeadsCheckpoint, load_heads, save_heads
from tsmfeat.heads.model import HeadParameters
from tsmfeat.heads.options import HeadOptions
from tsmfeat.heads.prediction import predict_probabilities, score_actions
from tsmfeat.heads.randomness import random_bits
from tsmfeat.heads.shares import soft_targets
from tsmfeat.heads.standardization import no_standardization
from tsmfeat.heads.training import train_head, train_heads
from tsmfeat.localization.localizing import localize
from tsmfeat.localization.options import LocalizationOptions
from tsmfeat.values.predictions import IntervalScores
from tsmfeat.values.progress import Silence
from tsmfeat.values.vocabulary import Vocabulary
from tsmfeat.workflows.calibrating import answer_targets, calibrate, calibration_error
from tsmfeat.workflows.inference import GatheredFeatures

QUICK = HeadOptions(tasks=("action",), epochs=3, batch_size=32, lr=0.05)
LOSSES = ("cross-entropy", "class-balanced:0.99", "focal:2", "sigmoid")


def soft_rows(features, action, soft):
    """Rows with targets of every kind: all of them the given ones."""
    found = np.asarray(soft, np.float32)
    return replace(make_rows(features, action), soft={kind: found for kind in ("several", "shares", "coverage")})


def hard_rows(**changes):
    features, action, _ = make_blobs(**changes)
    return soft_rows(features, action, np.eye(3)[action])


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("targets", ["hard", "overlap"])
def test_every_loss_learns_what_is_linearly_separable(loss, targets):
    fitted = train_head(hard_rows(), replace(QUICK, loss=loss, targets=targets, epochs=20), num_frames=8)
    features, action, _ = make_blobs(seed=1)
    assert (predict_probabilities(fitted.weights, features)[0].argmax(axis=1) == action).mean() > 0.98
    assert fitted.weights.activation == ("sigmoid" if loss == "sigmoid" else "softmax")


@pytest.mark.parametrize(
    ("loss", "naive"),
    [
        ("cross-entropy", lambda z, y: naive_cross_entropy(z, y, 0.1)),
        ("focal:2", lambda z, y: naive_focal(z, y, 2.0, 0.1)),
        ("sigmoid", lambda z, y: naive_sigmoid(z, y, 0.1)),
    ],
)
def test_the_first_step_goes_down_the_loss_written_out(loss, naive):
    """One batch of soft targets, no standardisation: bias and weight move by lr times the slope at the start."""
    features, action, _ = make_blobs(num_rows=20, size=5)
    soft = np.random.default_rng(0).dirichlet([1, 1, 1], 20)
    options = replace(
        QUICK,
        loss=loss,
        targets="overlap",
        label_smoothing=0.1,
        epochs=1,
        dropout=0.0,
        standardize=False,
        weight_decay=0.0,
        lr=0.5,
    )
    fitted = train_head(soft_rows(features, action, soft), options, num_frames=8).weights
    start = np.random.Generator(random_bits(0, "action")).standard_normal((3, 5), np.float32) * np.float32(0.001)
    bias = np.zeros(3)
    if loss == "sigmoid":
        yes = soft.sum(axis=0) + 0.5
        bias = np.log(yes / (21 - yes))
    weight_slope, bias_slope = np.zeros((3, 5)), np.zeros(3)
    for row, wanted in zip(features.astype(float), soft, strict=True):
        slopes = np.array(naive_slopes(lambda z, y=wanted: naive(z, y), (start @ row + bias).tolist()))
        weight_slope += slopes[:, None] * row / 20
        bias_slope += slopes / 20
    np.testing.assert_allclose(fitted.action_weight, start - 0.5 * weight_slope, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(fitted.action_bias, bias - 0.5 * bias_slope, rtol=1e-4, atol=1e-5)


def test_runs_of_several_losses_end_where_each_ends_alone():
    runs = [replace(QUICK, loss=loss, lr=lr) for loss in LOSSES for lr in (0.02, 0.05)]
    for one, together in zip(runs, train_heads(hard_rows(), runs, num_frames=8), strict=True):
        alone = train_head(hard_rows(), one, num_frames=8)
        np.testing.assert_allclose(together.weights.action_weight, alone.weights.action_weight, rtol=1e-5, atol=1e-6)
        assert together.weights.activation == alone.weights.activation


def test_probabilities_become_the_mean_shares_where_no_feature_tells():
    shares = np.tile(np.float32([[0.6, 0.1, 0.3], [0.2, 0.5, 0.3]]), (50, 1))
    features, action = np.ones((100, 3), np.float16), np.zeros(100, int)
    for loss in ("cross-entropy", "sigmoid"):
        options = replace(
            QUICK, loss=loss, targets="overlap", epochs=150, batch_size=100, lr=0.5, weight_decay=0.0, schedule="none"
        )
        weights = train_head(soft_rows(features, action, shares), options, num_frames=8).weights
        found = predict_probabilities(weights, features[:1])[0][0]
        np.testing.assert_allclose(found, [0.4, 0.3, 0.3], atol=0.01)


def test_a_sigmoid_begins_with_how_rare_a_yes_is():
    features, action, _ = make_blobs(num_rows=60)
    soft = np.tile(np.float32([[0, 0, 1]]), (60, 1))
    soft[:6, 0] = 1
    options = replace(QUICK, loss="sigmoid", epochs=1, lr=1e-9, standardize=False)
    bias = train_head(soft_rows(features, action, soft), options, num_frames=8).weights.action_bias
    np.testing.assert_allclose(bias, np.log([6.5 / 54.5, 0.5 / 60.5, 60.5 / 0.5]), rtol=1e-4)


def test_rare_classes_gain_by_the_balance():
    """Nine of ten rows are background and no feature tells: at beta near 1 both classes count alike."""
    features, action = np.ones((200, 3), np.float16), np.where(np.arange(200) % 10 == 0, 0, 1)
    shares = {}
    for beta in (0.0, 0.98, 0.999999):
        options = replace(QUICK, loss=f"class-balanced:{beta}", epochs=150, batch_size=200, lr=0.5, weight_decay=0.0)
        fitted = train_head(make_rows(features, action, num_actions=1), options, num_frames=8)
        shares[beta] = predict_probabilities(fitted.weights, features)[0][0, 1]
    effective = [(1 - 0.98**n) / 0.02 for n in (20, 180)]
    middle = (180 / effective[1]) / (180 / effective[1] + 20 / effective[0])
    np.testing.assert_allclose(list(shares.values()), [0.9, middle, 0.5], atol=0.02)


def test_two_actions_at_once_are_both_found_by_a_threshold():
    """Two videos of ten intervals: action 0 in 2..6, action 1 in 4..8, together in 4..6."""
    truth = make_annotations({"a": [(0, 2, 6), (1, 4, 8)], "b": [(0, 2, 6), (1, 4, 8)]}, 2)
    rng = np.random.default_rng(0)
    now = np.tile(np.arange(10), 2)
    table = rng.normal(0, 0.1, (20, 4)).astype(np.float16)
    table[(now >= 2) & (now < 6), 0] += 3
    table[(now >= 4) & (now < 8), 1] += 3
    offset = np.array([0, 10, 20])
    soft = soft_targets(["several", "hard"], truth, ["a", "b"], offset, 1.0, 0.5)
    assert set(soft) == {"several"}
    data = replace(make_rows(table, soft["several"].argmax(axis=1)), soft=soft)
    options = replace(QUICK, loss="sigmoid", epochs=150, batch_size=20, lr=0.3, weight_decay=0.0)
    weights = train_head(data, options, num_frames=8).weights
    action = predict_probabilities(weights, table)[0]
    scores = IntervalScores(("a", "b"), Vocabulary(("x", "y")), offset, action, 1.0, np.full(2, 10.0))
    found = localize(scores, LocalizationOptions("threshold")).segments
    assert list(zip(found.label, found.start, found.end, strict=True)) == [(0, 2, 6), (1, 4, 8)] * 2
    best = localize(scores).segments
    assert len(best) == 4
    assert all(best.end[k] <= best.start[k + 1] for k in (0, 2))


def test_an_epoch_has_so_many_background_rows_and_other_ones_each_time(monkeypatch):
    features, action, _ = make_blobs(num_rows=240)
    seen, real = [], epochs.draw_batches

    def watched(batches, size):
        drawn = list(real(batches, size))
        seen.append(np.sort(np.concatenate([places for places, _ in drawn])))
        return drawn

    monkeypatch.setattr(epochs, "draw_batches", watched)
    fitted = train_head(make_rows(features, action), replace(QUICK, background_ratio=0.25), num_frames=8)
    num_actions = int((action < 2).sum())
    expected = num_actions + num_actions // 4
    assert [len(places) for places in seen] == [expected] * 3
    assert fitted.record["num_epoch_rows"] == expected
    assert all(set(np.flatnonzero(action < 2)) <= set(places.tolist()) for places in seen)
    assert not np.array_equal(seen[0], seen[1])


def test_what_leaves_nothing_out_changes_no_bit():
    features, action, _ = make_blobs()
    plain, ample = (
        train_head(make_rows(features, action), replace(QUICK, background_ratio=ratio), num_frames=8)
        for ratio in ("all", 50)
    )
    np.testing.assert_array_equal(plain.weights.action_weight, ample.weights.action_weight)
    some = train_head(make_rows(features, action), replace(QUICK, background_ratio=0.1), num_frames=8)
    assert not np.allclose(plain.weights.action_weight, some.weights.action_weight)


def test_where_rows_stay_together_what_is_not_drawn_weighs_nothing():
    features, action, _ = make_blobs(num_rows=120)
    data = replace(make_rows(features, action), row_offset=np.array([0, 50, 120]))
    options = replace(QUICK, head="tcn", hidden_size=4, num_layers=1, background_ratio=0.5, device="cpu")
    fit = epochs.prepare_fit(data, [options], no_standardization(features.shape[1]), 8, Silence())
    counted = []
    for _, _ in zip(range(2), epochs.iterate_epochs(fit), strict=False):
        counted.append(fit.stack.tasks[0].row_weights.numpy() > 0)
    num_actions = int((action < 2).sum())
    for some in counted:
        assert some[action < 2].all()
        assert some.sum() == fit.num_epoch_rows == num_actions + num_actions // 2
    assert not np.array_equal(*counted)


@pytest.mark.parametrize(
    ("soft", "message"),
    [
        ({}, "'several' are asked for; the rows come with none"),
        ({"several": np.zeros((5, 2), np.float32)}, r"shape \(5, 2\); expected \(20, 3\)"),
        ({"several": np.full((20, 3), np.nan, np.float32)}, r"row 0 has several targets outside \[0, 1\]"),
    ],
)
def test_targets_that_do_not_fit_the_loss_are_refused(soft, message):
    features, action, _ = make_blobs(num_rows=20)
    with pytest.raises(InputError, match=message):
        train_head(replace(make_rows(features, action), soft=soft), replace(QUICK, loss="sigmoid"), num_frames=8)


def test_the_activation_is_saved_and_loaded(tmp_path):
    weights = HeadParameters(np.ones((3, 4)), np.zeros(3), activation="sigmoid")
    save_heads(tmp_path / "heads", HeadsCheckpoint(weights, make_spec(4), Vocabulary(("a", "b"))))
    loaded = load_heads(tmp_path / "heads").weights
    assert loaded.activation == "sigmoid"
    embeddings = np.float16([[0.5, 0, 0, 0], [-1, 0, 0, 0]])
    chances = predict_probabilities(loaded, embeddings)[0]
    np.testing.assert_allclose(chances, 1 / (1 + np.exp([[-0.5] * 3, [1.0] * 3])), rtol=1e-6)
    np.testing.assert_allclose(score_actions(loaded, embeddings), [[0.5] * 3, [-1.0] * 3])
    with pytest.raises(CheckpointError, match="unknown activation 'tanh'"):
        replace(weights, activation="tanh")


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_calibration_is_recorded_before_and_after(activation):
    truth = make_annotations({"a": [(0, 0.0, 40.0), (1, 20.0, 60.0)]}, 2)
    features = GatheredFeatures(("a",), np.zeros((80, 4), np.float16), np.array([0, 80]), 1.0, np.array([80.0]))
    targets = answer_targets(truth, features, activation, 0.5)
    both = 2 if activation == "sigmoid" else 1
    assert targets.sum(axis=1).tolist() == [1] * 20 + [both] * 20 + [1] * 40
    scores = (targets * 2 - 1).astype(np.float32) * 5
    scores[::4] = np.roll(scores[::4], 1, axis=1)  # very sure, and wrong once in four
    found = calibrate(scores, targets, activation)
    assert found.temperature > 1
    record = json.loads(json.dumps(found.record))
    assert record["num_intervals"] == 80
    assert record["log_loss"][1] < record["log_loss"][0]
    assert record["calibration_error"][1] < record["calibration_error"][0]
    before = 1 / (1 + np.exp(-scores)) if activation == "sigmoid" else np.exp(scores) / np.exp(scores).sum(1)[:, None]
    assert record["calibration_error"][0] == pytest.approx(calibration_error(before, targets, activation), rel=1e-5)


def test_with_a_sigmoid_every_class_is_an_answer():
    chances, targets = np.array([[0.9, 0.9]]), np.float32([[1, 0]])
    assert calibration_error(chances, targets, "sigmoid") == pytest.approx(0.4)  # half of two answers of 0.9 is right
    assert calibration_error(chances, targets, "softmax") == pytest.approx(0.1)  # the first is taken, and right


def test_what_a_tcn_pays_for_changes_is_of_its_own_probabilities(monkeypatch):
    features, action, _ = make_blobs(num_rows=40)
    data = replace(soft_rows(features, action, np.eye(3)[action]), row_offset=np.array([0, 40]))
    seen = []
    real = stack.smoothing_loss
    monkeypatch.setattr(
        stack, "smoothing_loss", lambda logs, videos: (seen.append(logs.detach()), real(logs, videos))[1]
    )
    options = replace(QUICK, head="tcn", hidden_size=4, num_layers=1, epochs=1, device="cpu")
    for loss in ("cross-entropy", "sigmoid"):
        train_head(data, replace(options, loss=loss), num_frames=8)
    sums = [logs.exp().sum(-1).numpy() for logs in (seen[0], seen[-1])]
    np.testing.assert_allclose(sums[0], 1.0, rtol=1e-5)
    assert np.abs(sums[1] - 1.0).max() > 0.01
