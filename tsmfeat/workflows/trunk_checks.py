"""Checks of a trunk's checkpoint: every byte is read, nothing in it is run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from tsmfeat.files import read_header, sha256_file
from tsmfeat.trunk.options import TRUNKS
from tsmfeat.trunk.reading import is_safetensors, read_torch_file, require_name_digest
from tsmfeat.trunk.tsm import build_trunk


def check_trunk(path: Path) -> list[str]:
    """Return what is wrong with a checkpoint of a trunk.

    One of ours must fill its network; a torch file must hold plain, finite tensors, since it does not name its
    network.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    CheckpointError
        It cannot be read, or its SHA-256 is not that of its name.
    """
    if is_safetensors(path):
        name = read_header(path).get("trunk")
        if name not in TRUNKS:
            return [f"its header names the trunk {name!r}; known are {', '.join(TRUNKS)}"]
        build_trunk(name, 1, str(path))
        return []
    require_name_digest(path, sha256_file(path))
    return _check_values(read_torch_file(path))


def _check_values(values: Mapping[str, Any]) -> list[str]:
    tensors = {name: value for name, value in values.items() if isinstance(value, torch.Tensor)}
    if not tensors:
        return ["no tensors; the checkpoint of a trunk holds some"]
    faults = {name: _fault(value) for name, value in tensors.items()}
    return [f"{name}: {fault}" for name, fault in faults.items() if fault]


def _fault(value: torch.Tensor) -> str:
    if value.layout != torch.strided or value.device.type != "cpu":
        return "not a plain tensor in memory"
    # Strides of zero let a file of a kilobyte pass for a tensor of any size: it must not be touched.
    if value.numel() * value.element_size() > value.untyped_storage().nbytes():
        return f"shape {tuple(value.shape)} claims more numbers than the file holds"
    if value.is_floating_point() and not torch.isfinite(value).all():
        return "NaN or infinity inside; weights are finite"
    return ""
