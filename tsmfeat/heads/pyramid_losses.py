"""What a pyramid is trained by: a focal loss of its scores and a distance-IoU loss of its bounds."""

import torch
from torch import Tensor
from torch.nn import functional

from tsmfeat.heads.pyramid_targets import PyramidTargets
from tsmfeat.heads.pyramid_torch import PyramidTensors

ALPHA = 0.25
GAMMA = 2.0


def sigmoid_focal_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the sum of the focal losses of single sigmoid scores (Lin et al., ICCV 2017), alpha 0.25, gamma 2.

    Parameters
    ----------
    logits, targets
        float32 of one shape; a target is 0 or 1.

    Examples
    --------
    >>> round(sigmoid_focal_loss(torch.zeros(1, 2), torch.tensor([[1.0, 0.0]])).item(), 4)
    0.1733
    """
    losses = functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    missed = (torch.sigmoid(logits) - targets).abs()
    share = ALPHA * targets + (1.0 - ALPHA) * (1.0 - targets)
    return (share * missed**GAMMA * losses).sum()


def distance_iou_loss(found: Tensor, wanted: Tensor) -> Tensor:
    """Return the sum of 1-D distance-IoU losses (Zheng et al., AAAI 2020): 1 - IoU + (middles apart / span of both)².

    Parameters
    ----------
    found, wanted
        float32 (R, 2): distances, 0 or more, from one place back to the start and on to the end.

    Examples
    --------
    >>> round(distance_iou_loss(torch.tensor([[1.0, 1.0]]), torch.tensor([[1.0, 3.0]])).item(), 4)
    0.5625
    """
    inside = torch.minimum(found, wanted).sum(dim=1)
    span = torch.maximum(found, wanted).sum(dim=1).clamp_min(torch.finfo(torch.float32).eps)
    union = (found.sum(dim=1) + wanted.sum(dim=1) - inside).clamp_min(torch.finfo(torch.float32).eps)
    apart = 0.5 * ((found[:, 1] - found[:, 0]) - (wanted[:, 1] - wanted[:, 0]))
    return (1.0 - inside / union + (apart / span) ** 2).sum()


def place_losses(found: PyramidTensors, targets: PyramidTargets) -> list[Tensor]:
    """Return the loss of the scores and the loss of the bounds, both over the number of places with an action.

    Parameters
    ----------
    found
        What the pyramid says of the places.
    targets
        What it should say.
    """
    device = found.logits.device
    named = torch.zeros_like(found.logits)
    named[torch.from_numpy(targets.positive).to(device), torch.from_numpy(targets.label).to(device)] = 1.0
    regressed = torch.from_numpy(targets.regressed).to(device)
    wanted = torch.from_numpy(targets.distances).to(device)
    count = max(len(targets.regressed), 1)
    bounds = distance_iou_loss(found.distances.index_select(0, regressed), wanted)
    return [sigmoid_focal_loss(found.logits, named) / count, bounds / count]
