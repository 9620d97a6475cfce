"""One temperature for a head's scores: probabilities that are as sure as they are right. numpy only.

Guo et al., On Calibration of Modern Neural Networks, ICML 2017, section 4.2.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tsmfeat.heads.model import HeadParameters

_Floats = npt.NDArray[np.float64]

LIMITS = (0.01, 100.0)
"""No temperature lies outside: perfect scores would be sharpened for ever."""

_NUM_STEPS = 100
_PRECISION = 1e-10


class _Slope(NamedTuple):
    first: float
    second: float


def fit_temperature(scores: npt.NDArray[Any], targets: npt.NDArray[Any], activation: str = "softmax") -> float:
    """Return the temperature T for which ``scores / T`` have the smallest log-loss.

    The log-loss is convex in 1/T, so that Newton's steps, kept between bounds, find the one minimum.

    Parameters
    ----------
    scores
        (N, K), N > 0: before the activation.
    targets
        (N, K): 1 for the right class and 0 for the others, or shares; with ``"sigmoid"`` any number of them is 1.
    activation
        ``"softmax"`` or ``"sigmoid"``.

    Returns
    -------
    float
        Within `LIMITS`.

    Examples
    --------
    >>> sure = np.log([[9.0, 1.0]] * 4)  # nine in ten, but right three times in four
    >>> temperature = fit_temperature(sure, np.array([[1, 0]] * 3 + [[0, 1]]))
    >>> softened = np.exp(sure[0] / temperature)
    >>> (softened / softened.sum()).round(4).tolist()
    [0.75, 0.25]
    """
    slope = _sigmoid_slope if activation == "sigmoid" else _softmax_slope
    values, wanted = np.asarray(scores, np.float64), np.asarray(targets, np.float64)
    return 1.0 / _find_root(lambda inverse: slope(values, wanted, inverse), 1.0 / LIMITS[1], 1.0 / LIMITS[0])


def _find_root(slope: Callable[[float], _Slope], low: float, high: float) -> float:
    """Return where a slope that grows changes its sign, or the bound that is nearest to it."""
    if slope(low).first >= 0:
        return low
    if slope(high).first <= 0:
        return high
    place = 1.0
    for _ in range(_NUM_STEPS):
        first, second = slope(place)
        low, high = (place, high) if first < 0 else (low, place)
        step = place - first / second if second > 0 else low
        # A step that leaves the bounds is none: halve their ratio instead.
        following = step if low < step < high else float(np.sqrt(low * high))
        if abs(following - place) <= _PRECISION * place:
            return following
        place = following
    return place


def _softmax_slope(scores: _Floats, targets: _Floats, inverse: float) -> _Slope:
    shifted = inverse * (scores - scores.max(axis=1, keepdims=True))
    shares = np.exp(shifted)
    shares /= shares.sum(axis=1, keepdims=True)
    mean = (shares * scores).sum(axis=1)
    total = targets.sum(axis=1)
    first = total * mean - (targets * scores).sum(axis=1)
    spread = (shares * np.square(scores - mean[:, None])).sum(axis=1)
    return _Slope(float(first.mean()), float((total * spread).mean()))


def _sigmoid_slope(scores: _Floats, targets: _Floats, inverse: float) -> _Slope:
    chance = apply_sigmoid(inverse * scores)
    first = (chance - targets) * scores
    second = chance * (1.0 - chance) * np.square(scores)
    return _Slope(float(first.sum(axis=1).mean()), float(second.sum(axis=1).mean()))


def apply_sigmoid(scores: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return ``1 / (1 + exp(-scores))``, of scores of any size, in their own float type.

    Examples
    --------
    >>> apply_sigmoid(np.array([-1e4, 0.0, 1e4])).tolist()
    [0.0, 0.5, 1.0]
    """
    small = np.exp(-np.abs(scores))
    return np.asarray(np.where(scores >= 0, 1.0, small) / (1.0 + small), scores.dtype)


def apply_activation(scores: npt.NDArray[Any], activation: str) -> npt.NDArray[Any]:
    """Return probabilities, in the scores' own float type.

    Parameters
    ----------
    scores
        (N, K).
    activation
        ``"softmax"`` or ``"sigmoid"``.

    Examples
    --------
    >>> apply_activation(np.zeros((1, 4)), "softmax").tolist(), apply_activation(np.zeros((1, 2)), "sigmoid").tolist()
    ([[0.25, 0.25, 0.25, 0.25]], [[0.5, 0.5]])
    """
    return apply_sigmoid(scores) if activation == "sigmoid" else np.exp(log_softmax(scores))


def log_softmax(scores: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the logarithm of the softmax of each row."""
    shifted = scores - scores.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))


def log_loss(scores: npt.NDArray[Any], targets: npt.NDArray[Any], activation: str = "softmax") -> float:
    """Return the mean log-loss of rows of scores; with ``"sigmoid"`` that of all classes added.

    Parameters
    ----------
    scores, targets, activation
        As in `fit_temperature`.

    Examples
    --------
    >>> round(log_loss(np.zeros((2, 4)), np.eye(4)[:2]), 4)  # log 4
    1.3863
    """
    values, wanted = np.asarray(scores, np.float64), np.asarray(targets, np.float64)
    if activation == "sigmoid":
        # log(1 + exp(z)) - y z, without the exponential of anything large.
        rows = np.logaddexp(0.0, values) - wanted * values
        return float(rows.sum(axis=1).mean())
    return float(-(wanted * log_softmax(values)).sum(axis=1).mean())


def divide_by_temperature(weights: HeadParameters, temperature: float) -> HeadParameters:
    """Return heads whose action scores are those of the given ones divided by a temperature; scenes stay.

    Parameters
    ----------
    weights
        Fitted heads.
    temperature
        Above 0.

    Examples
    --------
    >>> halved = divide_by_temperature(HeadParameters(np.ones((2, 3)), np.ones(2)), 2.0)
    >>> halved.action_weight.tolist(), halved.action_bias.tolist()
    ([[0.5, 0.5, 0.5], [0.5, 0.5, 0.5]], [0.5, 0.5])
    """
    weight, bias = (values.astype(np.float64) / temperature for values in (weights.action_weight, weights.action_bias))
    return replace(weights, action_weight=weight.astype(np.float32), action_bias=bias.astype(np.float32))
