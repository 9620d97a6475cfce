"""A temporal shift trunk that is small enough for small frames and few CPU cores: of the rendered benchmark.

It is built as any trunk of a user's own is, by ``--trunk python:tsmfeat.trunk.narrow:shifted``.
"""

from functools import partial

import torch
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock

from tsmfeat.trunk.protocol import IMAGENET_MEAN, IMAGENET_STD
from tsmfeat.trunk.shift import shift_inputs

_STEM, _WIDTHS = 16, (32, 48, 96, 128)
_SHIFT_DIV = 8


class NarrowTrunk(nn.Module):
    """A residual network of one basic block a stage, for frames of about 48 pixels.

    Parameters
    ----------
    num_frames
        Frames T of a clip.
    shift
        Whether the first convolution of each block sees shifted frames, as in `tsmfeat.trunk.tsm.TemporalShiftTrunk`.

    Attributes
    ----------
    num_frames, mean, std, embedding_size
        As in `tsmfeat.trunk.protocol.Trunk`.
    """

    def __init__(self, num_frames: int, shift: bool = True) -> None:
        super().__init__()
        self.num_frames = num_frames
        self.mean, self.std = IMAGENET_MEAN, IMAGENET_STD
        self.embedding_size = _WIDTHS[-1]
        self.conv1 = nn.Conv2d(3, _STEM, 5, stride=2, padding=2, bias=False)
        self.bn1 = nn.BatchNorm2d(_STEM)
        self.relu = nn.ReLU(inplace=True)
        for place, (inside, outside) in enumerate(zip((_STEM, *_WIDTHS), _WIDTHS, strict=False), 1):
            block = _make_block(inside, outside, stride=1 if place == 2 else 2)
            self.add_module(f"layer{place}", block)
            if shift:
                block.conv1.register_forward_pre_hook(partial(shift_inputs, num_frames, _SHIFT_DIV))

    def forward(self, frames: Tensor) -> Tensor:
        """Embed clips: ``[clips, num_frames, 3, H, W]``, normalised, to ``[clips, 128]``, a mean over all places."""
        maps: Tensor = frames.flatten(0, 1)
        for layer in self.children():
            maps = layer(maps)
        per_frame = maps.mean((2, 3), dtype=torch.promote_types(maps.dtype, torch.float32))
        return per_frame.view(*frames.shape[:2], self.embedding_size).mean(1)


def _make_block(inside: int, outside: int, stride: int) -> BasicBlock:
    skip = nn.Sequential(nn.Conv2d(inside, outside, 1, stride, bias=False), nn.BatchNorm2d(outside))
    return BasicBlock(inside, outside, stride, skip)


def shifted(num_frames: int) -> NarrowTrunk:
    """Build the trunk with the temporal shift, its parameters drawn from torch's generator.

    Examples
    --------
    >>> shifted(4)(torch.zeros(2, 4, 3, 48, 48)).shape
    torch.Size([2, 128])
    """
    return NarrowTrunk(num_frames)


def unshifted(num_frames: int) -> NarrowTrunk:
    """Build the control: the same trunk without the shift, a mean over frames that cannot know their order."""
    return NarrowTrunk(num_frames, shift=False)
