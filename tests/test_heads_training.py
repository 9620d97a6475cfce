"""Fitting linear heads: against a naive twin, and what must hold whatever the data."""

import math

import numpy as np
import pytest
from factories_heads import Recorder, make_blobs, make_rows
from naive_heads import naive_fit, naive_gradients

from tsmfeat.errors import ConfigurationError
from tsmfeat.files import canonical_json
from tsmfeat.heads.options import HeadOptions
from tsmfeat.heads.prediction import predict_probabilities
from tsmfeat.heads.randomness import random_bits
from tsmfeat.heads.training import train_head

QUICK = HeadOptions(epochs=3, batch_size=32, lr=0.05)


def options_with(**changes):
    return HeadOptions(**{**QUICK.to_dict(), **changes})


def blobs(**changes):
    features, action, scene = make_blobs(**changes)
    return make_rows(features, action, scene, num_scenes=2)


def initial_weight(shape, purpose="action", seed=0):
    return np.random.Generator(random_bits(seed, purpose)).standard_normal(shape, np.float32) * np.float32(0.001)


def orders(count, epochs, seed=0):
    generator = np.random.Generator(random_bits(seed, "order"))
    return [generator.permutation(count) for _ in range(epochs)]


def accuracy(weights, features, action):
    return float((predict_probabilities(weights, features)[0].argmax(axis=1) == action).mean())


def test_both_heads_learn_what_is_linearly_separable():
    data = blobs()
    fitted = train_head(data, options_with(epochs=20), num_frames=8)
    features, action, scene = make_blobs(seed=1)
    assert accuracy(fitted.weights, features, action) > 0.98
    assert (predict_probabilities(fitted.weights, features)[1].argmax(axis=1) == scene).mean() > 0.98
    losses = [epoch["action_loss"] for epoch in fitted.record["epochs"]]
    assert losses[-1] < 0.1 < 0.2 < losses[0]


def test_the_first_step_is_the_hand_computed_gradient():
    """One batch, one epoch, no standardisation: bias and weight move by lr times the gradient at the start."""
    features, action, _ = make_blobs(num_rows=20, size=4 + 1)
    options = options_with(epochs=1, batch_size=20, dropout=0.0, standardize=False, weight_decay=0.0, lr=0.5)
    fitted = train_head(make_rows(features, action), options, num_frames=8)
    start = initial_weight((3, 5)).astype(np.float64)
    weight_gradient, bias_gradient = naive_gradients(start, np.zeros(3), features.astype(float), list(action), [1] * 20)
    np.testing.assert_allclose(fitted.weights.action_weight, start - 0.5 * weight_gradient, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(fitted.weights.action_bias, -0.5 * bias_gradient, rtol=1e-5, atol=1e-7)


def test_a_whole_fit_equals_the_naive_one_without_dropout():
    """Momentum, decay of weights only, cosine, a short last batch, standardisation, its folding, class weights."""
    features, action, scene = make_blobs(num_rows=50, size=6)
    scene = np.where(np.arange(50) % 5 == 0, -1, scene)
    options = options_with(
        epochs=4, batch_size=16, dropout=0.0, weight_decay=0.05, scene_weight=0.3, background_weight=0.25
    )
    fitted = train_head(make_rows(features, action, scene, num_scenes=2), options, num_frames=8)
    exact = features.astype(np.float64)
    mean, deviation = exact.mean(axis=0), exact.std(axis=0)
    settings = dict(orders=orders(50, 4), batch_size=16, momentum=0.9)
    for head, targets, row_weights, start, factor in (
        ("action", action, [0.25 if a == 2 else 1.0 for a in action], initial_weight((3, 6)), 1.0),
        ("scene", np.maximum(scene, 0), [float(s >= 0) for s in scene], initial_weight((2, 6), "scene"), 0.3),
    ):
        # The loss times a factor is a step of factor times the rate on the loss, with the decay divided by it.
        weight, bias = naive_fit(
            (exact - mean) / deviation,
            list(targets),
            row_weights,
            start,
            lr=0.05 * factor,
            weight_decay=0.05 / factor,
            **settings,
        )
        folded = weight / deviation
        np.testing.assert_allclose(getattr(fitted.weights, f"{head}_weight"), folded, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(
            getattr(fitted.weights, f"{head}_bias"), bias - folded @ mean, rtol=1e-5, atol=1e-5 * abs(bias).max()
        )


def test_equal_arguments_give_equal_bits():
    first, second = (train_head(blobs(), QUICK, num_frames=8) for _ in range(2))
    for name, values in first.weights.tensors().items():
        np.testing.assert_array_equal(getattr(second.weights, name), values)
    assert first.record == second.record


@pytest.mark.parametrize("change", [{"seed": 1}, {"dropout": 0.4}, {"lr": 0.04}, {"batch_size": 31}])
def test_what_should_matter_does(change):
    one = train_head(blobs(), QUICK, num_frames=8).weights.action_weight
    other = train_head(blobs(), options_with(**change), num_frames=8).weights.action_weight
    assert not np.allclose(one, other, rtol=1e-4)


def test_the_action_head_is_bit_identical_whatever_becomes_of_the_scenes():
    """Separate linear heads on frozen features cannot help each other (and so must not differ by chance either)."""
    features, action, scene = make_blobs(num_rows=300, size=32)
    data = make_rows(features, action, scene, num_scenes=2)
    changes = [{"scene_weight": w} for w in (0.0, 0.3, 1.0)] + [{"tasks": ("action",)}]
    fits = [train_head(data, options_with(**change), num_frames=8).weights for change in changes]
    fits.append(train_head(make_rows(features, action), QUICK, num_frames=8).weights)
    other_scenes = make_rows(features, action, np.arange(300) % 7, num_scenes=7)
    fits.append(train_head(other_scenes, QUICK, num_frames=8).weights)
    for weights in fits[1:]:
        np.testing.assert_array_equal(weights.action_weight, fits[0].action_weight)
        np.testing.assert_array_equal(weights.action_bias, fits[0].action_bias)
    assert not np.array_equal(fits[1].scene_weight, fits[2].scene_weight)


def test_a_table_of_more_rows_than_are_fitted_changes_nothing():
    features, action, _ = make_blobs(num_rows=80)
    rows = np.arange(1, 80, 2)
    poisoned, odd = features.copy(), action.copy()
    poisoned[::2], odd[::2] = 6e4, -1
    whole = train_head(make_rows(poisoned, odd, rows=rows), QUICK, num_frames=8)
    alone = train_head(make_rows(features[rows], action[rows]), QUICK, num_frames=8)
    np.testing.assert_array_equal(whole.weights.action_weight, alone.weights.action_weight)
    assert whole.record["num_rows"] == 40


def test_features_may_be_a_read_only_map_of_a_file(tmp_path):
    features, action, _ = make_blobs(num_rows=60)
    features.tofile(tmp_path / "table")
    mapped = np.memmap(tmp_path / "table", np.float16, "r", shape=features.shape)
    from_file = train_head(make_rows(mapped, action), QUICK, num_frames=8)
    from_memory = train_head(make_rows(features, action), QUICK, num_frames=8)
    np.testing.assert_array_equal(from_file.weights.action_weight, from_memory.weights.action_weight)


def test_float32_features_fit_like_float16_ones():
    features, action, _ = make_blobs(num_rows=60)
    half = train_head(make_rows(features, action), QUICK, num_frames=8)
    single = train_head(make_rows(features.astype(np.float32), action), QUICK, num_frames=8)
    np.testing.assert_array_equal(half.weights.action_weight, single.weights.action_weight)


def test_raw_embeddings_at_the_papers_rate_hardly_move_where_standardised_ones_learn():
    """Small differences on top of a large common part, as pooled ReLU features have them."""
    rng = np.random.default_rng(0)
    action = rng.integers(0, 6, 600)
    pattern = rng.normal(0.0, 0.03, (6, 64))
    features = (0.45 + pattern[action] + rng.normal(0.0, 0.04, (600, 64))).astype(np.float16)
    data = make_rows(features, action, num_actions=5)
    options = options_with(epochs=15, lr=0.001, tasks=("action",))
    standardised = train_head(data, options, num_frames=8).weights
    raw = train_head(data, options_with(epochs=15, lr=0.001, standardize=False), num_frames=8).weights
    assert accuracy(standardised, features, action) > 0.9
    assert accuracy(raw, features, action) < 0.6


def test_dropout_per_frame_is_converted_and_both_are_recorded():
    record = train_head(blobs(), options_with(epochs=1), num_frames=8).record
    assert (record["dropout"], record["dropout_unit"], record["num_frames"]) == (0.5, "frame", 8)
    assert record["dropout_used"] == pytest.approx(1 / 9)
    taken = train_head(blobs(), options_with(epochs=1, dropout_unit="embedding"), num_frames=8).record
    assert taken["dropout_used"] == 0.5


def test_the_record_is_json_and_tells_every_epoch():
    record = train_head(blobs(), QUICK, num_frames=8, validate=lambda weights: math.nan).record
    assert canonical_json(record)
    assert [epoch["epoch"] for epoch in record["epochs"]] == [1, 2, 3]
    assert set(record["epochs"][0]) == {"epoch", "lr", "action_loss", "scene_loss", "validation_score"}
    assert record["epochs"][0]["lr"] == 0.05
    assert record["epochs"][1]["lr"] == pytest.approx(0.05 * (1 + math.cos(math.pi / 3)) / 2)
    assert (record["num_rows"], record["tasks"]) == (240, ["action", "scene"])


def fit_with_scores(scores):
    """Fit three epochs, the validation giving these scores; return the fit and the weights each epoch showed."""
    shown = []

    def validate(weights):
        shown.append(weights)
        return scores[len(shown) - 1]

    return train_head(blobs(), QUICK, num_frames=8, validate=validate), shown


@pytest.mark.parametrize(
    ("scores", "best"),
    [
        ([0.1, 0.3, 0.2], 2),
        ([0.3, 0.3, 0.3], 1),
        ([0.1, 0.3, 0.3], 2),
        ([math.nan, 0.1, 0.2], 3),
        ([math.nan, math.nan, math.nan], 3),
        ([0.0, math.nan, -1.0], 3),
        ([0.0, 0.1, 0.0], 2),
    ],
)
def test_the_first_of_the_best_epochs_is_kept(scores, best):
    fitted, shown = fit_with_scores(scores)
    assert fitted.record["best_epoch"] == best
    np.testing.assert_array_equal(fitted.weights.action_weight, shown[best - 1].action_weight)
    expected = None if math.isnan(scores[best - 1]) else scores[best - 1]
    assert fitted.record["best_validation_score"] == expected
    assert [epoch["validation_score"] for epoch in fitted.record["epochs"]] == [
        None if math.isnan(score) else score for score in scores
    ]


def test_weights_shown_to_the_validation_stay_as_they_were():
    """Later steps must not reach into weights handed out before, and looking must not change the fit."""
    _, shown = fit_with_scores([0.1, 0.2, 0.3])
    assert not np.array_equal(shown[0].action_weight, shown[1].action_weight)
    last = train_head(blobs(), QUICK, num_frames=8)
    np.testing.assert_array_equal(last.weights.action_weight, shown[2].action_weight)
    assert (last.record["best_epoch"], last.record["best_validation_score"]) == (3, None)


def test_a_rate_that_diverges_is_refused_by_name():
    features, action, _ = make_blobs(num_rows=40)
    data = make_rows(features * np.float16(100), action)
    with pytest.raises(ConfigurationError, match=r"epoch \d+: the loss .* lr 1e\+37") as caught:
        train_head(data, options_with(lr=1e37, standardize=False), num_frames=8)
    assert "--lr 1e+36" in caught.value.hint


def test_progress_hears_of_every_epoch_and_of_the_end_also_of_a_failed_fit():
    recorder = Recorder()
    train_head(blobs(), QUICK, num_frames=8, progress=recorder)
    assert recorder.calls[0] == ("begin", "fit heads", 3, "epochs")
    assert [call[1] for call in recorder.of("advance")] == [1, 1, 1]
    assert "action loss" in str(recorder.of("advance")[0][2])
    assert recorder.calls[-1] == ("end",)
    failing = Recorder()
    with pytest.raises(ZeroDivisionError):
        train_head(blobs(), QUICK, 8, lambda weights: 1 / 0, failing)
    assert failing.calls[-1] == ("end",)


def test_without_any_scene_only_actions_are_fitted_and_that_is_said():
    features, action, _ = make_blobs(num_rows=40)
    recorder = Recorder()
    fitted = train_head(make_rows(features, action, num_scenes=4), QUICK, 8, progress=recorder)
    assert fitted.weights.num_scenes == 0
    assert fitted.record["tasks"] == ["action"]
    assert len(recorder.of("note")) == 1


def test_rows_without_a_scene_do_not_pull_the_scene_head():
    """A batch with no known scene at all gives no gradient, and no division by zero."""
    features, action, scene = make_blobs(num_rows=40)
    few = np.where(np.arange(40) == 7, scene, -1)
    fitted = train_head(make_rows(features, action, few, num_scenes=2), options_with(batch_size=4), num_frames=8)
    assert predict_probabilities(fitted.weights, features)[1][7].argmax() == scene[7]
    assert fitted.record["epochs"][-1]["scene_loss"] < 0.1


def test_background_only_is_warned_of():
    features, _, _ = make_blobs(num_rows=40)
    recorder = Recorder()
    train_head(make_rows(features, np.full(40, 2)), QUICK, 8, progress=recorder)
    assert "background" in str(recorder.of("warn")[0][1])


def test_a_light_background_gives_way_to_actions():
    """Nine of ten rows are background and no feature tells: the classes' weights decide alone."""
    features = np.ones((200, 3), np.float16)
    action = np.where(np.arange(200) % 10 == 0, 0, 1)
    shares = {}
    for weight in (1.0, 1 / 9, "balanced"):
        options = options_with(epochs=150, batch_size=200, background_weight=weight, lr=0.5, weight_decay=0.0)
        fitted = train_head(make_rows(features, action, num_actions=1), options, num_frames=8)
        shares[weight] = predict_probabilities(fitted.weights, features)[0][0, 1]
        assert sum(w > 0 for w in fitted.record["class_weights"]) == 2
    assert shares[1.0] == pytest.approx(0.9, abs=0.02)
    assert shares[1 / 9] == pytest.approx(0.5, abs=0.02)
    assert shares["balanced"] == pytest.approx(0.5, abs=0.02)


def test_one_row_is_enough():
    fitted = train_head(make_rows(np.float16([[1.0, -2.0]]), [1]), QUICK, num_frames=8)
    assert np.isfinite(fitted.weights.action_weight).all()
