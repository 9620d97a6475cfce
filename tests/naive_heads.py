"""A linear head fitted by hand-written gradients in float64, one row at a time. Imports nothing of ours."""

import math

import numpy as np


def naive_gradients(
    weight: np.ndarray, bias: np.ndarray, rows: np.ndarray, targets: list[int], row_weights: list[float]
) -> tuple[np.ndarray, np.ndarray]:
    """Gradients of the weighted mean cross-entropy."""
    weight_gradient, bias_gradient = np.zeros_like(weight), np.zeros_like(bias)
    total = sum(row_weights)
    for row, target, row_weight in zip(rows, targets, row_weights, strict=True):
        scores = [float(np.dot(weight[k], row)) + bias[k] for k in range(len(bias))]
        denominator = sum(math.exp(score) for score in scores)
        for k in range(len(bias)):
            error = (math.exp(scores[k]) / denominator - (1.0 if k == target else 0.0)) * row_weight / total
            weight_gradient[k] += error * row
            bias_gradient[k] += error
    return weight_gradient, bias_gradient


def naive_fit(
    inputs: np.ndarray,
    targets: list[int],
    row_weights: list[float],
    initial_weight: np.ndarray,
    orders: list[np.ndarray],
    batch_size: int,
    lr: float,
    momentum: float,
    weight_decay: float,
) -> tuple[np.ndarray, np.ndarray]:
    """SGD with momentum, decay of the weight only, and a cosine from `lr` to 0 over all steps."""
    weight, bias = initial_weight.astype(np.float64), np.zeros(len(initial_weight))
    weight_velocity, bias_velocity = np.zeros_like(weight), np.zeros_like(bias)
    batches = [order[k : k + batch_size] for order in orders for k in range(0, len(order), batch_size)]
    for step, batch in enumerate(batches):
        rate = lr * (1 + math.cos(math.pi * step / len(batches))) / 2
        chosen = [targets[k] for k in batch], [row_weights[k] for k in batch]
        weight_gradient, bias_gradient = naive_gradients(weight, bias, inputs[batch], *chosen)
        weight_velocity = momentum * weight_velocity + weight_gradient + weight_decay * weight
        bias_velocity = momentum * bias_velocity + bias_gradient
        weight = weight - rate * weight_velocity
        bias = bias - rate * bias_velocity
    return weight, bias
