"""Folding norms into convolutions: the same embeddings with less memory traffic."""

import copy
from itertools import pairwise

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from tsmfeat.trunk.protocol import Trunk, require_module
from tsmfeat.trunk.tsm import TemporalShiftTrunk


def fold_norms(trunk: TemporalShiftTrunk) -> TemporalShiftTrunk:
    """Return a copy of a trunk whose norms are folded into the convolutions before them.

    A norm in eval mode is one multiplication and one addition a channel, so it can be part of the convolution's
    weight and bias, which saves a pass over the maps. The embeddings differ by float32 rounding.

    Examples
    --------
    >>> import torch
    >>> from tsmfeat.trunk.tsm import build_trunk
    >>> trunk = build_trunk("resnet18", num_frames=2)
    >>> frames = torch.ones(1, 2, 3, 32, 32)
    >>> torch.allclose(fold_norms(trunk)(frames), trunk(frames), rtol=1e-4, atol=1e-5)
    True
    """
    folded = copy.deepcopy(trunk).eval()
    for module in list(folded.modules()):
        # In torchvision's residual networks a norm always follows its convolution, in name and in use.
        for (conv_name, conv), (norm_name, norm) in pairwise(list(module.named_children())):
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                module.add_module(conv_name, fuse_conv_bn_eval(conv, norm))
                module.add_module(norm_name, nn.Identity())
    return folded.requires_grad_(False)


def prepare_network(trunk: Trunk) -> nn.Module:
    """Return a copy of a trunk for fast embedding: norms folded where that is safe, channels last in memory.

    In networks of other libraries a norm may hold more than a norm (timm's end with the activation): they are copied
    as they are.

    Raises
    ------
    ConfigurationError
        It is no torch module.
    """
    module = require_module(trunk)
    network = fold_norms(module) if isinstance(module, TemporalShiftTrunk) else copy.deepcopy(module).eval()
    # Convolutions over time have five axes, for which torch has no such layout under this name.
    if any(value.ndim == 5 for value in network.parameters()):
        return network
    return network.to(memory_format=torch.channels_last)
