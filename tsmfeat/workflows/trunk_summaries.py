"""What a trunk's checkpoint holds."""

from collections import Counter
from pathlib import Path
from typing import Any

import torch

from tsmfeat.errors import CheckpointError
from tsmfeat.files import read_header
from tsmfeat.trunk.recognition import recognize_trunk
from tsmfeat.trunk.state_files import OWN_LAYOUT, StateFile, read_state_file

_MOST_KEYS = 12


def describe_trunk(path: Path) -> dict[str, Any]:
    """Return what ``tsmfeat inspect --json`` prints about a trunk's checkpoint, of ours or a torch file.

    Torch files are read as plain tensors only: nothing in them is run. Keys are those of torchvision; the norms'
    counters are left out.

    Raises
    ------
    CheckpointError
        Damaged, of another network, or it holds more than tensors and plain values.
    """
    state = read_state_file(path)
    tensors = tensors_of(state)
    if not tensors:
        raise CheckpointError(f"{path}: holds no tensors; a checkpoint of a trunk does", "check the path")
    own = state.layout == OWN_LAYOUT
    return {
        "kind": "trunk",
        "path": str(path),
        "form": "safetensors" if own else "torch",
        "layout": state.layout,
        "trunk": name_trunk(state) or None,
        "placement": None if state.placement is None else state.placement.to_dict(),
        "sha256": state.file_sha256,
        "header": read_header(path) if own else None,
        "num_tensors": len(tensors),
        "num_numbers": sum(tensor.numel() for tensor in tensors.values()),
        "dtypes": dict(Counter(str(tensor.dtype).removeprefix("torch.") for tensor in tensors.values())),
        "keys": list(tensors)[:_MOST_KEYS],
        "num_bytes": path.stat().st_size,
    }


def tensors_of(state: StateFile) -> dict[str, torch.Tensor]:
    """Return those values of a file that are tensors."""
    return {name: value for name, value in state.values.items() if isinstance(value, torch.Tensor)}


def name_trunk(state: StateFile) -> str:
    """Return the trunk a file belongs to, by its own word or by its shapes; empty where neither tells."""
    return state.trunk or recognize_trunk({name: tuple(tensor.shape) for name, tensor in tensors_of(state).items()})
