"""Checks of a trunk's checkpoint: every byte is read, nothing in it is run."""

from pathlib import Path

import torch

from tsmfeat.trunk.checkpoint import fit_state
from tsmfeat.trunk.names import TRUNKS
from tsmfeat.trunk.state_files import read_state_file
from tsmfeat.trunk.tsm import trunk_shapes
from tsmfeat.workflows.trunk_summaries import name_trunk, tensors_of


def check_trunk(path: Path) -> list[str]:
    """Return what is wrong with a checkpoint of a trunk.

    It must fill the network it names, or that its shapes tell; a file of another network must at least hold plain,
    finite tensors.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    CheckpointError
        It cannot be read, its SHA-256 is not that of its name, or it does not fill its network.
    """
    state = read_state_file(path)
    name = name_trunk(state)
    if name in TRUNKS:
        fit_state(state, name, trunk_shapes(name))
        return []
    if name:
        return [f"its header names the trunk {name!r}; known are {', '.join(TRUNKS)}"]
    faults = {key: _fault(tensor) for key, tensor in tensors_of(state).items()}
    if not faults:
        return ["no tensors; the checkpoint of a trunk holds some"]
    return [f"{key}: {fault}" for key, fault in faults.items() if fault]


def _fault(value: torch.Tensor) -> str:
    if value.layout != torch.strided or value.device.type != "cpu":
        return "not a plain tensor in memory"
    # Strides of zero let a file of a kilobyte pass for a tensor of any size: it must not be touched.
    if value.numel() * value.element_size() > value.untyped_storage().nbytes():
        return f"shape {tuple(value.shape)} claims more numbers than the file holds"
    if value.is_floating_point() and not torch.isfinite(value).all():
        return "NaN or infinity inside; tensors of a network are finite"
    return ""
