"""Stochastic gradient descent: the learning rate of a step, the loss, and the step itself."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from tsmfeat.heads.options import HeadOptions


def learning_rate(options: HeadOptions, step: int, steps_per_epoch: int) -> float:
    """Return the learning rate of a step.

    Parameters
    ----------
    options
        Their `lr`, `schedule` and `epochs`.
    step
        Counted from 0 over all epochs.
    steps_per_epoch
        Batches of one epoch.

    Examples
    --------
    >>> options = HeadOptions(lr=1.0, epochs=10, schedule="step")
    >>> [round(learning_rate(options, 3 * epoch, 3), 4) for epoch in (0, 4, 5, 7, 8, 9)]
    [1.0, 1.0, 0.1, 0.1, 0.01, 0.01]
    """
    total = options.epochs * steps_per_epoch
    if options.schedule == "cosine":
        return options.lr * 0.5 * (1.0 + math.cos(math.pi * step / total))
    if options.schedule == "step":
        epoch = step // steps_per_epoch
        # In whole numbers, so that no rounding of 0.8 can move a drop.
        drops = (10 * epoch >= 5 * options.epochs) + (10 * epoch >= 8 * options.epochs)
        return options.lr * 0.1**drops
    return options.lr


def weighted_cross_entropy(scores: Tensor, targets: Tensor, row_weights: Tensor) -> Tensor:
    """Return the mean cross-entropy of rows, each weighted; 0 where all weights are 0.

    Parameters
    ----------
    scores
        float32 (B, K), before the softmax.
    targets
        int64 (B,) in 0..K-1; of a row that weighs 0 any of them.
    row_weights
        float32 (B,), 0 or more.

    Examples
    --------
    >>> weighted_cross_entropy(torch.zeros(2, 4), torch.tensor([1, 0]), torch.tensor([1.0, 0.0])).item()
    1.3862943649291992
    """
    losses = functional.cross_entropy(scores, targets, reduction="none")
    return (losses * row_weights).sum() / row_weights.sum().clamp_min(torch.finfo(torch.float32).tiny)


def descend(
    parameters: Sequence[Tensor],
    gradients: Sequence[Tensor],
    velocities: Sequence[Tensor],
    decays: Sequence[float],
    lr: float,
    momentum: float,
) -> None:
    """Take one step of gradient descent with momentum, in place.

    ``velocity = momentum * velocity + gradient + decay * parameter``, then ``parameter -= lr * velocity``: the step of
    `torch.optim.SGD`, whose first use would import the compiler (seconds).

    Parameters
    ----------
    parameters, gradients, velocities
        Equal shapes, pair by pair.
    decays
        The weight decay of each parameter.
    lr, momentum
        The learning rate, and the share of the velocity that is kept.
    """
    with torch.no_grad():
        for parameter, gradient, velocity, decay in zip(parameters, gradients, velocities, decays, strict=True):
            velocity.mul_(momentum).add_(gradient).add_(parameter, alpha=decay)
            parameter.add_(velocity, alpha=-lr)
