"""AdamW, and the length that gradients are cut to: what a head of many layers is trained with."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

_SECOND_MOMENTUM = 0.999
_EPSILON = 1e-8


@dataclass(eq=False)
class AdaptiveDescent:
    """Parameters with what AdamW remembers of each; changed in place.

    Parameters
    ----------
    parameters
        What is moved.
    decays
        The weight decay of each.
    means, squares
        Running means of the gradients and of their squares.
    num_steps
        Steps taken.
    """

    parameters: Sequence[Tensor]
    decays: Sequence[float]
    means: Sequence[Tensor]
    squares: Sequence[Tensor]
    num_steps: int = 0


def begin_descent(parameters: Sequence[Tensor], decays: Sequence[float]) -> AdaptiveDescent:
    """Return a descent that has taken no step."""
    means = [torch.zeros_like(parameter) for parameter in parameters]
    return AdaptiveDescent(parameters, decays, means, [torch.zeros_like(mean) for mean in means])


def clip_gradients(gradients: Sequence[Tensor], longest: float) -> Tensor:
    """Shorten gradients together, in place, so that their common norm is at most `longest`; return the norm before.

    Examples
    --------
    >>> gradients = [torch.tensor([3.0]), torch.tensor([4.0])]
    >>> clip_gradients(gradients, 1.0).item(), [round(gradient.item(), 4) for gradient in gradients]
    (5.0, [0.6, 0.8])
    """
    norm: Tensor = torch.stack([gradient.norm() for gradient in gradients]).norm()
    factor = (longest / norm.clamp_min(torch.finfo(torch.float32).tiny)).clamp_max(1.0)
    for gradient in gradients:
        gradient.mul_(factor)
    return norm


def descend_adaptively(descent: AdaptiveDescent, gradients: Sequence[Tensor], lr: float, momentum: float) -> None:
    """Take one step of AdamW (Loshchilov & Hutter, ICLR 2019), in place.

    The step of `torch.optim.AdamW`, whose first use would import the compiler (seconds).

    Parameters
    ----------
    descent
        The parameters.
    gradients
        One for each.
    lr
        The learning rate.
    momentum
        Share of the running mean that is kept, beta 1; beta 2 is 0.999.

    Examples
    --------
    >>> descent = begin_descent([torch.tensor([1.0])], [0.1])
    >>> descend_adaptively(descent, [torch.tensor([5.0])], lr=0.5, momentum=0.9)
    >>> round(descent.parameters[0].item(), 4)
    0.45
    """
    descent.num_steps += 1
    mean_share = 1.0 - momentum**descent.num_steps
    square_share = 1.0 - _SECOND_MOMENTUM**descent.num_steps
    with torch.no_grad():
        for parameter, decay, mean, square, gradient in zip(
            descent.parameters, descent.decays, descent.means, descent.squares, gradients, strict=True
        ):
            parameter.mul_(1.0 - lr * decay)
            mean.mul_(momentum).add_(gradient, alpha=1.0 - momentum)
            square.mul_(_SECOND_MOMENTUM).addcmul_(gradient, gradient, value=1.0 - _SECOND_MOMENTUM)
            root = square.sqrt().div_(square_share**0.5).add_(_EPSILON)
            parameter.addcdiv_(mean, root, value=-lr / mean_share)
