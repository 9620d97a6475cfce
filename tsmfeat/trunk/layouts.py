"""How projects name the same network: the keys of a checkpoint become torchvision's, and say where frames shift."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from tsmfeat.errors import CheckpointError
from tsmfeat.trunk.listing import listed
from tsmfeat.trunk.placement import Placement, read_placement

TORCHVISION, OFFICIAL_TSM, MMACTION2 = "torchvision", "official TSM", "mmaction2"

_TRAINERS = re.compile(r"^(module\.|_orig_mod\.)+")
_NET = re.compile(r"\.net(?=\.)")
# Ordered; every rule runs on every key.
_RULES = {
    TORCHVISION: (),
    OFFICIAL_TSM: (
        (re.compile(r"^base_model\."), ""),
        (re.compile(r"^(new_fc|fc|classifier)\."), "fc."),
        (_NET, ""),
    ),
    MMACTION2: (
        (re.compile(r"^backbone\."), ""),
        (re.compile(r"^cls_head\.fc_cls\."), "fc."),
        (_NET, ""),
        (re.compile(r"downsample\.conv\."), "downsample.0."),
        (re.compile(r"downsample\.bn\."), "downsample.1."),
        (re.compile(r"conv(\d)\.conv\."), r"conv\1."),
        (re.compile(r"conv(\d)\.bn\."), r"bn\1."),
    ),
}
# The norms count their training batches, which nothing in eval mode reads; mmaction2 stored the pixels' mean and std.
_DROPPED = re.compile(r"(^|\.)num_batches_tracked$|^data_preprocessor\.")
_NON_LOCAL = re.compile(r"(^|\.)layer\d(\.net)?\.\d+\.(block|nl)\.|non_local_block")
# Marks of what people also have in such files, in the names that the rules above leave.
_OTHER_NETWORKS = {
    "MobileNetV2": re.compile(r"^features\.\d+\.conv\.|^layer\d\.\d+\.conv\.\d"),
    "BNInception": re.compile(r"^inception_\d|^conv1_7x7_s2"),
    "I3D (Inception)": re.compile(r"^Conv3d_1a_7x7|^Mixed_\d[a-f]\."),
    "a vision transformer": re.compile(r"(^|\.)(pos_embed|cls_token|patch_embed)(\.|$)"),
}
_OTHER_REMEDY = "tsmfeat runs torchvision's ResNets and ResNeXts; pass a checkpoint of one"


@dataclass(frozen=True)
class RenamedKeys:
    """What the names in a checkpoint file mean.

    Parameters
    ----------
    sources
        The file's key by torchvision's name, in the file's order.
    layout
        Whose names they are: ``"torchvision"``, ``"official TSM"`` or ``"mmaction2"``.
    placement
        Where the network was trained with shifted frames; `None` where the names cannot tell.
    """

    sources: dict[str, str]
    layout: str
    placement: Placement | None


def rename_keys(keys: Iterable[str], place: str) -> RenamedKeys:
    """Give the keys of a checkpoint torchvision's names.

    Parameters
    ----------
    keys
        As they stand in the file.
    place
        The file, for messages.

    Raises
    ------
    CheckpointError
        Two keys mean the same parameter, or the keys are those of a network that is no trunk of ours: non-local
        blocks, MobileNetV2, BNInception and others, each refused by name.

    Examples
    --------
    >>> renamed = rename_keys(["module.base_model.layer1.0.conv1.net.weight", "module.new_fc.bias"], "a.pth.tar")
    >>> renamed.sources["layer1.0.conv1.weight"], list(renamed.sources), renamed.layout
    ('module.base_model.layer1.0.conv1.net.weight', ['layer1.0.conv1.weight', 'fc.bias'], 'official TSM')
    >>> renamed.placement
    Placement(kind='blockres', blocks=('layer1.0',))

    Notes
    -----
    The layouts are those of mit-han-lab/temporal-shift-module, open-mmlab/mmaction2 and torchvision.
    """
    stripped = {key: _TRAINERS.sub("", key) for key in keys}
    used = {key: name for key, name in stripped.items() if not _DROPPED.search(name)}
    _refuse_non_local(used, place)
    layout = _family(used.values())
    sources: dict[str, str] = {}
    for key, name in used.items():
        renamed = _rename(name, layout)
        if renamed in sources:
            raise CheckpointError(
                f"{place}: {sources[renamed]} and {key} are both {renamed}; a parameter has one value",
                "remove one of them from the file",
            )
        sources[renamed] = key
    _refuse_other_networks(sources, place)
    placement = None if layout == TORCHVISION else read_placement(used.values())
    return RenamedKeys(sources, layout, placement)


def _family(names: Iterable[str]) -> str:
    """Name the project by the mark of its keys; a shifted convolution (``.net``) marks TSM with its prefix gone."""
    family = TORCHVISION
    for name in names:
        if name.startswith("backbone."):
            return MMACTION2
        if name.startswith("base_model.") or _NET.search(name):
            family = OFFICIAL_TSM
    return family


def _rename(name: str, layout: str) -> str:
    for pattern, replacement in _RULES[layout]:
        name = pattern.sub(replacement, name)
    return name


def _refuse_non_local(used: dict[str, str], place: str) -> None:
    if keys := [key for key, name in used.items() if _NON_LOCAL.search(name)]:
        raise CheckpointError(
            f"{place}: holds non-local blocks ({listed(keys)}); a trunk of ours has none",
            "pass the checkpoint of the same network without non-local blocks (without _nl in its name)",
        )


def _refuse_other_networks(sources: dict[str, str], place: str) -> None:
    for network, mark in _OTHER_NETWORKS.items():
        if keys := [key for name, key in sources.items() if mark.search(name)]:
            raise CheckpointError(f"{place}: holds {network} ({listed(keys)}), not a residual network", _OTHER_REMEDY)
