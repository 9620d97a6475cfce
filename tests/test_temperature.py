"""Temperatures and the error of calibration: by hand, against a search written out, and what must not change."""

import math

import numpy as np
import pytest
from factories_heads import make_weights
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_losses import naive_log_loss

from tsmfeat.errors import InputError
from tsmfeat.heads.prediction import predict_probabilities
from tsmfeat.heads.temperature import LIMITS, divide_by_temperature, fit_temperature, log_loss
from tsmfeat.metrics.calibration import bin_confidences, expected_calibration_error


def draw_answers(true_temperature, activation="softmax", num_rows=4000, seed=0):
    """Scores and classes drawn from the probabilities that a temperature gives."""
    rng = np.random.default_rng(seed)
    scores = rng.normal(0, 4, (num_rows, 5))
    if activation == "sigmoid":
        return scores, (rng.random(scores.shape) < 1 / (1 + np.exp(-scores / true_temperature))).astype(float)
    # The largest of scores with Gumbel noise is a draw from their softmax.
    return scores, np.eye(5)[(scores / true_temperature + rng.gumbel(size=scores.shape)).argmax(axis=1)]


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
@pytest.mark.parametrize("temperature", [0.4, 1.0, 3.0])
def test_the_temperature_that_made_the_answers_is_found(temperature, activation):
    found = fit_temperature(*draw_answers(temperature, activation), activation)
    assert found == pytest.approx(temperature, rel=0.06)


def test_two_answers_by_hand():
    # Scores (z, 0), right three times in four: the best chance is 3/4, so z / T = log 3.
    scores, targets = np.array([[5.0, 0.0]] * 4), np.array([[1, 0]] * 3 + [[0, 1]])
    assert fit_temperature(scores, targets) == pytest.approx(5 / math.log(3), rel=1e-9)
    # On a sigmoid, (z, -z) asks the same question twice.
    both = np.array([[5.0, -5.0]] * 4)
    assert fit_temperature(both, targets, "sigmoid") == pytest.approx(5 / math.log(3), rel=1e-9)


rows = st.lists(st.tuples(st.floats(-9, 9), st.floats(-9, 9), st.floats(-9, 9)), min_size=1, max_size=6)


@settings(max_examples=60, deadline=None)
@given(rows, st.lists(st.integers(0, 2), min_size=6, max_size=6), st.sampled_from(["softmax", "sigmoid"]))
def test_no_other_temperature_is_better(scores, right, activation):
    targets = np.eye(3)[right[: len(scores)]]
    found = fit_temperature(np.array(scores), targets, activation)
    assert LIMITS[0] <= found <= LIMITS[1]
    least = naive_log_loss(scores, targets, found, activation)
    assert least == pytest.approx(log_loss(np.array(scores) / found, targets, activation), rel=1e-9, abs=1e-9)
    for other in np.geomspace(max(found / 3, 0.05), min(found * 3, 100), 9):
        assert least <= naive_log_loss(scores, targets, other, activation) + 1e-9


def test_answers_that_are_all_right_or_all_wrong_end_at_the_limits():
    scores = np.array([[3.0, 0.0], [0.0, 2.0]])
    assert fit_temperature(scores, np.eye(2)) == pytest.approx(LIMITS[0])
    assert fit_temperature(scores, 1 - np.eye(2)) == pytest.approx(LIMITS[1])
    assert LIMITS[0] <= fit_temperature(np.zeros((2, 2)), np.eye(2)) <= LIMITS[1]


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_huge_scores_do_not_overflow(activation):
    scores, targets = np.array([[9e4, -9e4], [-9e4, 9e4], [9e4, 0.0]]), np.array([[1, 0], [0, 1], [0, 1]])
    assert math.isfinite(log_loss(scores, targets, activation))
    assert fit_temperature(scores, targets, activation) == pytest.approx(LIMITS[1])


def test_the_output_layer_carries_the_temperature_and_the_scenes_stay():
    weights = make_weights()
    embeddings = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32)
    softer = divide_by_temperature(weights, 2.5)
    scores = (embeddings @ weights.action_weight.T + weights.action_bias) / 2.5
    expected = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    (before, scenes), (after, scenes_after) = (predict_probabilities(of, embeddings) for of in (weights, softer))
    np.testing.assert_allclose(after, expected, rtol=1e-5)
    np.testing.assert_array_equal(before.argmax(axis=1), after.argmax(axis=1))
    np.testing.assert_array_equal(scenes, scenes_after)


def test_the_error_of_calibration_by_hand():
    # Two bins: .3 and .5 in the first (mean .4, half right), .6, .8 and 1 in the second (mean .8, two of three right).
    confidence, correct = [0.3, 0.5, 0.6, 0.8, 1.0], [1, 0, 1, 0, 1]
    error = 2 / 5 * abs(0.4 - 1 / 2) + 3 / 5 * abs(0.8 - 2 / 3)
    assert expected_calibration_error(confidence, correct, num_bins=2) == pytest.approx(error)


def test_fifteen_bins_include_their_upper_bounds():
    bins = bin_confidences([0.0, 1 / 15, 0.067, 0.2, 1.0], [0, 0, 1, 1, 1])
    assert len(bins.num_answers) == 15
    assert {place: count for place, count in enumerate(bins.num_answers.tolist()) if count} == {0: 2, 1: 1, 2: 1, 14: 1}
    assert bins.accuracy[[0, 1, 2, 14]].tolist() == [0, 1, 1, 1]
    assert bins.confidence[14] == 1.0


def test_perfect_and_worst_answers_have_errors_of_zero_and_one():
    assert expected_calibration_error([1.0, 1.0, 0.0], [True, True, False]) == 0.0
    assert expected_calibration_error([1.0, 0.0], [False, True]) == 1.0
    assert math.isnan(expected_calibration_error([], []))


def test_answers_drawn_from_their_confidence_have_hardly_any_error():
    rng = np.random.default_rng(0)
    confidence = rng.random(40_000)
    assert expected_calibration_error(confidence, rng.random(40_000) < confidence) < 0.015
    assert expected_calibration_error(confidence, rng.random(40_000) < confidence**2) > 0.1


def test_a_temperature_lowers_the_error_of_answers_that_are_too_sure():
    scores, targets = draw_answers(3.0)
    errors = []
    for temperature in (1.0, fit_temperature(scores, targets)):
        chances = np.exp(scores / temperature) / np.exp(scores / temperature).sum(axis=1, keepdims=True)
        right = chances.argmax(axis=1) == targets.argmax(axis=1)
        errors.append(expected_calibration_error(chances.max(axis=1), right))
    assert errors[0] > 0.2
    assert errors[1] < 0.03


@pytest.mark.parametrize(
    ("confidence", "correct", "message"),
    [([0.5], [1, 0], "one each"), ([1.2], [1], "1.2"), ([float("nan")], [1], "nan"), ([[0.5]], [[1]], "one each")],
)
def test_what_is_no_probability_is_refused(confidence, correct, message):
    with pytest.raises(InputError, match=message):
        expected_calibration_error(confidence, correct)
