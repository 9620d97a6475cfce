"""Stochastic gradient descent of several runs at once: the learning rate, the loss, and the step itself."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from tsmfeat.heads.options import HeadOptions


def learning_rate(options: HeadOptions, epoch: int, share: float = 0.0) -> float:
    """Return the learning rate at a place of a fit.

    Parameters
    ----------
    options
        Their `lr`, `schedule` and `epochs`.
    epoch
        Counted from 0.
    share
        Of this epoch's batches that are done, in [0, 1).

    Examples
    --------
    >>> options = HeadOptions(lr=1.0, epochs=10, schedule="step")
    >>> [round(learning_rate(options, epoch), 4) for epoch in (0, 4, 5, 7, 8, 9)]
    [1.0, 1.0, 0.1, 0.1, 0.01, 0.01]
    """
    if options.schedule == "cosine":
        return options.lr * 0.5 * (1.0 + math.cos(math.pi * (epoch + share) / options.epochs))
    if options.schedule == "step":
        # In whole numbers, so that no rounding of 0.8 can move a drop.
        drops = (10 * epoch >= 5 * options.epochs) + (10 * epoch >= 8 * options.epochs)
        return options.lr * 0.1**drops
    return options.lr


def weighted_cross_entropy(scores: Tensor, targets: Tensor, row_weights: Tensor) -> Tensor:
    """Return the mean cross-entropy of rows, each weighted, of every run; 0 where all weights are 0.

    Parameters
    ----------
    scores
        float32 (R, B, K), before the softmax.
    targets
        int64 (B,) in 0..K-1; of a row that weighs 0 any of them.
    row_weights
        float32 (B,), 0 or more.

    Returns
    -------
    float32 (R,)

    Examples
    --------
    >>> weighted_cross_entropy(torch.zeros(1, 2, 4), torch.tensor([1, 0]), torch.tensor([1.0, 0.0])).tolist()
    [1.3862943649291992]
    """
    logs = functional.log_softmax(scores, dim=-1)
    chosen = targets[None, :, None].expand(len(scores), -1, 1)
    losses = -logs.gather(-1, chosen).squeeze(-1)
    return (losses * row_weights).sum(-1) / row_weights.sum().clamp_min(torch.finfo(torch.float32).tiny)


def descend(
    parameters: Sequence[Tensor],
    gradients: Sequence[Tensor],
    velocities: Sequence[Tensor],
    decays: Sequence[Tensor],
    rates: tuple[Tensor, Tensor],
) -> None:
    """Take one step of gradient descent with momentum, in place, each run by its own rates.

    ``velocity = momentum * velocity + gradient + decay * parameter``, then ``parameter -= lr * velocity``: the step of
    `torch.optim.SGD`, which knows no runs, and whose first use would import the compiler (seconds).

    Parameters
    ----------
    parameters, gradients, velocities
        Equal shapes (R, ...), pair by pair.
    decays
        float32 (R,): the weight decay of each parameter.
    rates
        float32 (R,): learning rate and momentum.
    """
    lr, momentum = rates
    with torch.no_grad():
        for parameter, gradient, velocity, decay in zip(parameters, gradients, velocities, decays, strict=True):
            shape = (-1,) + (1,) * (parameter.dim() - 1)
            velocity.mul_(momentum.view(shape)).add_(gradient).addcmul_(parameter, decay.view(shape))
            parameter.addcmul_(velocity, lr.view(shape), value=-1.0)
