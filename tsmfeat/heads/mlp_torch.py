"""The body of an `mlp` head while it is trained: as `tsmfeat.heads.mlp`, of several runs at once."""

from collections.abc import Callable

from torch import Tensor
from torch.nn import functional

from tsmfeat.heads.mlp import NORM_EPSILON


def represent_mlp(body: dict[str, Tensor], inputs: Tensor, drop: Callable[[Tensor], Tensor]) -> Tensor:
    """Return the hidden units, float32 (R, B, H), some of them dropped.

    Parameters
    ----------
    body
        As of `tsmfeat.heads.mlp.initial_mlp`, each array with a leading axis of R runs.
    inputs
        float32 (B, D), standardised.
    drop
        Drops hidden units, each run by its own probability.
    """
    hidden = project(body["input_weight"], body["input_bias"], inputs)
    normal = functional.layer_norm(hidden, hidden.shape[-1:], eps=NORM_EPSILON)
    scaled = normal * body["norm_scale"][:, None] + body["norm_shift"][:, None]
    return drop(functional.gelu(scaled, approximate="tanh"))


def project(weight: Tensor, bias: Tensor, inputs: Tensor) -> Tensor:
    """Return ``inputs @ weight.T + bias`` of every run, float32 (R, B, K).

    Inputs that all runs share take one matmul: K columns of each run would use the machine far worse.

    Parameters
    ----------
    weight, bias
        float32 (R, K, D) and (R, K).
    inputs
        float32 (B, D), or (R, B, D).

    Examples
    --------
    >>> import torch
    >>> weight, bias = torch.tensor([[[1.0, 2.0]], [[3.0, 4.0]]]), torch.zeros(2, 1)
    >>> project(weight, bias, torch.ones(1, 2)).tolist()
    [[[3.0]], [[7.0]]]
    """
    if inputs.dim() == 3:
        return inputs @ weight.transpose(1, 2) + bias[:, None]
    runs, size = weight.shape[:2]
    flat = functional.linear(inputs, weight.reshape(runs * size, -1), bias.reshape(-1))
    return flat.reshape(len(inputs), runs, size).transpose(0, 1)
