"""Where a network was trained with shifted frames, read from its checkpoint, against where a trunk shifts them."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tsmfeat.errors import CheckpointError
from tsmfeat.trunk.listing import listed, printable

# The official code's words, and one for what it never does.
NONE, BLOCKRES, BLOCK, POOLED, ELSEWHERE = "none", "blockres", "block", "temporal pool", "elsewhere"
PLACEMENTS = (NONE, BLOCKRES, BLOCK, POOLED, ELSEWHERE)

_POOLED = re.compile(r"(?:^|\.)(layer[1-4])\.net\.")
_BLOCK = re.compile(r"(?:^|\.)(layer[1-4]\.\d+)\.net\.")
_BLOCKRES = re.compile(r"(?:^|\.)(layer[1-4]\.\d+)\.conv1\.(?:conv\.)?net\.")
_MARKS = ((POOLED, _POOLED), (BLOCK, _BLOCK), (BLOCKRES, _BLOCKRES))
_NET = re.compile(r"\.net\.")
_WRAPPED = re.compile(r"^(?:base_model\.|backbone\.)?(.+?)\.net\.")


@dataclass(frozen=True)
class Placement:
    """Where the frames of a trained network are shifted.

    Parameters
    ----------
    kind
        ``"none"`` (TSN: no shift at all), ``"blockres"`` (before the first convolution of a block's residual branch),
        ``"block"`` (before the whole block), ``"temporal pool"`` (frames are pooled in time before a stage) or
        ``"elsewhere"`` (before a module that the official code never shifts).
    blocks
        The shifted blocks in the network's order, such as ``"layer1.0"``; with ``"temporal pool"`` the pooled stages,
        with ``"elsewhere"`` the odd modules.
    """

    kind: str
    blocks: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object that stands in the header of a converted checkpoint."""
        return {"kind": self.kind, "blocks": list(self.blocks)}

    @classmethod
    def from_dict(cls, value: Any, place: str) -> "Placement":  # noqa: ANN401 - what a header holds
        """Return what `to_dict` wrote.

        Raises
        ------
        CheckpointError
            Something else stands there.
        """
        match value:
            case {"kind": str() as kind, "blocks": list() as blocks} if kind in PLACEMENTS:
                if all(isinstance(name, str) for name in blocks):
                    return cls(kind, tuple(blocks))
        raise CheckpointError(
            f"{place}: its header says {printable(str(value))} of where frames are shifted",
            "the file is damaged: convert the checkpoint again",
        )


def read_placement(names: Iterable[str]) -> Placement:
    """Read the placement from the keys of a layout that marks shifted modules with ``.net``.

    Examples
    --------
    >>> read_placement(["base_model.layer1.0.conv1.net.weight", "base_model.layer1.1.conv1.weight"])
    Placement(kind='blockres', blocks=('layer1.0',))
    >>> read_placement(["backbone.layer1.0.conv1.conv.weight"])
    Placement(kind='none', blocks=())
    >>> read_placement(["base_model.layer2.net.0.conv1.net.weight"])
    Placement(kind='temporal pool', blocks=('layer2',))
    """
    marked = [name for name in names if _NET.search(name)]
    if odd := [name for name in marked if not any(pattern.search(name) for _, pattern in _MARKS)]:
        modules = {_WRAPPED.sub(r"\1.net.", name).partition(".net.")[0] for name in odd}
        return Placement(ELSEWHERE, tuple(sorted(modules, key=_order)))
    for kind, pattern in _MARKS:
        if matches := [match[1] for name in marked if (match := pattern.search(name))]:
            return Placement(kind, tuple(sorted(set(matches), key=_order)))
    return Placement(NONE)


def _order(block: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", block))


def decide_shift(
    placement: Placement | None, shift: str, shifted_blocks: tuple[str, ...], place: str, trunk: str
) -> tuple[bool, tuple[str, ...]]:
    """Decide whether frames are shifted, from what was asked and from how the network was trained.

    Parameters
    ----------
    placement
        Read from the checkpoint; `None` where it cannot tell (torchvision's files, our own, ``random:SEED``).
    shift
        ``"auto"``: on, unless the checkpoint was trained without. ``"on"`` shifts a network trained without, too
        (fine-tuning begins there). ``"off"`` takes any checkpoint as a per-frame network.
    shifted_blocks
        Where the trunk shifts.
    place, trunk
        File and network, for messages.

    Returns
    -------
    shift, notes
        Whether frames are shifted; sentences on what a user might not expect.

    Raises
    ------
    CheckpointError
        Frames would be shifted elsewhere than the network was trained with.
    """
    if placement is None:
        return shift != "off", ()
    if placement.kind == NONE:
        return _decide_plain(shift, place)
    if shift == "off":
        return False, (f"{place}: trained with the temporal shift ({placement.kind}), which is off here as asked",)
    if placement != Placement(BLOCKRES, shifted_blocks):
        raise CheckpointError(
            f"{place}: {_found(placement, shifted_blocks)}; {trunk} shifts {len(shifted_blocks)} blocks before "
            "conv1, as official TSM (blockres) does: other places give other embeddings",
            "pass a checkpoint trained with placement blockres, or --shift off for a per-frame network",
        )
    return True, ()


def _decide_plain(shift: str, place: str) -> tuple[bool, tuple[str, ...]]:
    plain = f"{place}: no key shows a shifted block (.net), so it was trained without the temporal shift (TSN)"
    if shift == "on":
        return True, (f"{plain}; it is on as asked, and its embeddings are of a network never trained",)
    return False, (f"{plain}; the shift is off",) if shift == "auto" else ()


def _found(placement: Placement, shifted_blocks: tuple[str, ...]) -> str:
    if placement.kind == BLOCK:
        return f"frames are shifted before the whole block (placement block: {listed(placement.blocks)})"
    if placement.kind == POOLED:
        return f"frames are pooled in time before {listed(placement.blocks)} (temporal pool)"
    if placement.kind == ELSEWHERE:
        return f"frames are shifted before {listed(placement.blocks)}, which official TSM never does"
    lacking = [name for name in shifted_blocks if name not in placement.blocks]
    beyond = [name for name in placement.blocks if name not in shifted_blocks]
    parts = [f"{what} {listed(names)}" for what, names in (("not", lacking), ("beyond ours", beyond)) if names]
    return f"{len(placement.blocks)} blocks are shifted ({'; '.join(parts)})"
