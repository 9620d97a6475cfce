"""Stochastic gradient descent of several runs at once: the learning rate and the step itself."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

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


def descend(
    parameters: Sequence[Tensor],
    gradients: Sequence[Tensor],
    velocities: Sequence[Tensor],
    decays: Sequence[Tensor],
    rates: Sequence[Tensor],
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
        float32 (R, 2): learning rate and momentum of each parameter.
    """
    with torch.no_grad():
        for parameter, gradient, velocity, decay, rate in zip(
            parameters, gradients, velocities, decays, rates, strict=True
        ):
            shape = (-1,) + (1,) * (parameter.dim() - 1)
            lr, momentum = rate.unbind(1)
            velocity.mul_(momentum.view(shape)).add_(gradient).addcmul_(parameter, decay.view(shape))
            parameter.addcmul_(velocity, lr.view(shape), value=-1.0)
