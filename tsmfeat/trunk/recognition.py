"""Which trunk a checkpoint belongs to, told by its names and shapes alone."""

import re
from collections.abc import Mapping

from tsmfeat.trunk.specs import SPECS, STAGES, TrunkSpec

_BLOCK = re.compile(r"(layer[1-4])\.(\d{1,3})\.")
_FIRST_3X3, _THIRD = "layer1.0.conv2.weight", "layer1.0.conv3.weight"


def recognize_trunk(shapes: Mapping[str, tuple[int, ...]]) -> str:
    """Return the name of the trunk whose parameters these are, or an empty string.

    Only what tells trunks apart is looked at: the blocks of each stage, their kind, and the shape of one convolution.
    Loading checks the rest.

    Parameters
    ----------
    shapes
        Shapes by torchvision's names.

    Examples
    --------
    >>> recognize_trunk({"conv1.weight": (64, 3, 7, 7)})
    ''
    """
    blocks = tuple(_num_blocks(shapes, stage) for stage in STAGES)
    for name, spec in SPECS.items():
        same = spec.blocks == blocks and spec.bottleneck == (_THIRD in shapes)
        if same and shapes.get(_FIRST_3X3) == _first_3x3(spec):
            return name
    return ""


def _num_blocks(shapes: Mapping[str, tuple[int, ...]], stage: str) -> int:
    return len({match[2] for name in shapes if (match := _BLOCK.match(name)) and match[1] == stage})


def _first_3x3(spec: TrunkSpec) -> tuple[int, ...]:
    """Shape of the second convolution of the first block: 3 × 3 in every network of ours, grouped in a ResNeXt."""
    width = spec.groups * spec.width_per_group if spec.bottleneck else 64
    return (width, width // spec.groups, 3, 3)
