"""The losses of a head, in torch: runs of one batch side by side."""

import torch
from torch import Tensor
from torch.nn import functional

from tsmfeat.heads.loss_options import LossRule

_LEAST = torch.finfo(torch.float32).tiny


def batch_loss(scores: Tensor, targets: Tensor, row_weights: Tensor, rule: LossRule) -> Tensor:
    """Return each run's loss on a batch: the weighted mean of its rows' losses, 0 where all weights are 0.

    Parameters
    ----------
    scores
        float32 (R, B, K): of R runs, before the activation; background is the last class.
    targets
        int64 (B,) in 0..K-1, or float32 (B, K): shares that sum to 1, under ``"sigmoid"`` any numbers in [0, 1].
    row_weights
        float32 (B,) or (R, B), 0 or more.
    rule
        What the loss of a row is. ``"class-balanced"`` is a cross-entropy: its balance lies in the rows' weights.

    Returns
    -------
    float32 (R,)

    Examples
    --------
    >>> two = torch.zeros(2, 1, 4)
    >>> batch_loss(two, torch.tensor([1]), torch.ones(1), LossRule("cross-entropy"))
    tensor([1.3863, 1.3863])
    >>> batch_loss(two, torch.tensor([1]), torch.ones(1), LossRule("focal", 2.0))  # (1 - 1/4)² times as much
    tensor([0.7798, 0.7798])
    """
    return weighted_means(row_losses(scores, targets, rule), row_weights)


def weighted_means(losses: Tensor, row_weights: Tensor) -> Tensor:
    """Return the weighted mean of each run's rows, float32 (R,), of losses (R, B) and weights (B,) or (R, B)."""
    return (losses * row_weights).sum(-1) / row_weights.sum(-1).clamp_min(_LEAST)


def row_losses(scores: Tensor, targets: Tensor, rule: LossRule) -> Tensor:
    """Return the loss of each row of each run, float32 (R, B).

    Parameters
    ----------
    scores, targets, rule
        As in `batch_loss`.
    """
    if rule.kind == "sigmoid":
        return _sigmoid_losses(scores, targets, rule.smoothing)
    if rule.kind == "focal":
        return _focal_losses(scores, targets, rule.amount, rule.smoothing)
    return _cross_entropies(scores, targets, rule.smoothing)


def log_probabilities(scores: Tensor, rule: LossRule) -> Tensor:
    """Return the logarithms of the probabilities that scores stand for under a loss, of the same shape."""
    return functional.logsigmoid(scores) if rule.activation == "sigmoid" else scores.log_softmax(-1)


def _cross_entropies(scores: Tensor, targets: Tensor, smoothing: float) -> Tensor:
    # One run's scores are flattened without moving a number: its bits are those of a plain cross-entropy.
    num_runs = scores.shape[0]
    repeated = targets.repeat(num_runs, *[1] * (targets.ndim - 1))
    losses = functional.cross_entropy(scores.flatten(0, 1), repeated, reduction="none", label_smoothing=smoothing)
    return losses.view(scores.shape[:2])


def _focal_losses(scores: Tensor, targets: Tensor, gamma: float, smoothing: float) -> Tensor:
    """Weigh every class's part of the cross-entropy by ``(1 - q) ** gamma``, q its probability by the softmax.

    The softmax form of Lin et al., Focal Loss for Dense Object Detection, ICCV 2017, equation 4, without its alpha;
    theirs is on a sigmoid. With one target a row it is ``-(1 - q) ** gamma * log q``.
    """
    wanted = _smooth(_as_shares(targets, scores.shape[-1]), smoothing)
    logarithms = scores.log_softmax(-1)
    # Of a probability near 1 nothing would be left by 1 - q; and where it is 1, a power below 1 has no slope.
    missing = (-torch.expm1(logarithms)).clamp_min(_LEAST)
    return -(wanted * missing**gamma * logarithms).sum(-1)


def _sigmoid_losses(scores: Tensor, targets: Tensor, smoothing: float) -> Tensor:
    """Add the binary cross-entropies of all classes, each a question of its own."""
    wanted = _as_shares(targets, scores.shape[-1])
    # Between yes and no there are two classes to spread over.
    wanted = (wanted * (1.0 - smoothing) + smoothing / 2).expand_as(scores)
    return functional.binary_cross_entropy_with_logits(scores, wanted, reduction="none").sum(-1)


def _as_shares(targets: Tensor, num_classes: int) -> Tensor:
    if targets.dtype.is_floating_point:
        return targets
    return functional.one_hot(targets, num_classes).to(torch.float32)


def _smooth(shares: Tensor, smoothing: float) -> Tensor:
    """Szegedy et al., Rethinking the Inception Architecture, CVPR 2016, section 7."""
    return shares * (1.0 - smoothing) + smoothing / shares.shape[-1]
