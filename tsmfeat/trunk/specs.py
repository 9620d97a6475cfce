"""What each trunk is, as data: names, sizes and the placement of the shift, without torch."""

from dataclasses import dataclass

STAGES = ("layer1", "layer2", "layer3", "layer4")
# The official code halves the shifts of nets whose third stage has at least this many blocks.
_DEEP_STAGE_BLOCKS = 23


@dataclass(frozen=True)
class TrunkSpec:
    """A residual network of torchvision's, as numbers.

    Parameters
    ----------
    blocks
        Residual blocks of the four stages.
    bottleneck
        Whether a block is a bottleneck (1x1, 3x3, 1x1) or basic (3x3, 3x3).
    imagenet_files
        Names of torchvision's ImageNet checkpoints, the newest first; the last eight hexadecimal digits of a name begin
        the file's SHA-256.
    groups, width_per_group
        Grouping of the 3x3 convolutions.

    Examples
    --------
    >>> SPECS["resnet18"].embedding_size, SPECS["resnet50"].embedding_size
    (512, 2048)
    >>> len(SPECS["resnet50"].shifted_blocks), len(SPECS["resnext101_64x4d"].shifted_blocks)
    (16, 18)
    """

    blocks: tuple[int, int, int, int]
    bottleneck: bool
    imagenet_files: tuple[str, ...]
    groups: int = 1
    width_per_group: int = 64

    @property
    def embedding_size(self) -> int:
        """Channels D of the last stage."""
        return 2048 if self.bottleneck else 512

    @property
    def shifted_blocks(self) -> tuple[str, ...]:
        """Names of the blocks whose first convolution sees shifted frames, such as ``"layer1.0"``.

        Every block; in deep nets (third stage of 23 blocks or more) every second one of each stage, from the first.

        Notes
        -----
        Placement ``blockres`` and the rule for deep nets of Lin, Gan, Han, *TSM: Temporal Shift Module for Efficient
        Video Understanding*, ICCV 2019, as in the authors' code.
        """
        stride = 2 if self.blocks[2] >= _DEEP_STAGE_BLOCKS else 1
        places = zip(STAGES, self.blocks, strict=True)
        return tuple(f"{stage}.{block}" for stage, count in places for block in range(0, count, stride))


SPECS = {
    "resnet18": TrunkSpec((2, 2, 2, 2), False, ("resnet18-f37072fd.pth",)),
    "resnet34": TrunkSpec((3, 4, 6, 3), False, ("resnet34-b627a593.pth",)),
    "resnet50": TrunkSpec((3, 4, 6, 3), True, ("resnet50-11ad3fa6.pth", "resnet50-0676ba61.pth")),
    "resnet101": TrunkSpec((3, 4, 23, 3), True, ("resnet101-cd907fc2.pth", "resnet101-63fe2227.pth")),
    "resnet152": TrunkSpec((3, 8, 36, 3), True, ("resnet152-f82ba261.pth", "resnet152-394f9c45.pth")),
    "resnext50_32x4d": TrunkSpec(
        (3, 4, 6, 3), True, ("resnext50_32x4d-1a0047aa.pth", "resnext50_32x4d-7cdf4587.pth"), 32, 4
    ),
    "resnext101_32x8d": TrunkSpec(
        (3, 4, 23, 3), True, ("resnext101_32x8d-110c445d.pth", "resnext101_32x8d-8ba56ff5.pth"), 32, 8
    ),
    "resnext101_64x4d": TrunkSpec((3, 4, 23, 3), True, ("resnext101_64x4d-173b62eb.pth",), 64, 4),
}
