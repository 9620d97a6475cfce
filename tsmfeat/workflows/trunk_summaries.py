"""What a trunk's checkpoint holds."""

from collections import Counter
from pathlib import Path
from typing import Any

import torch

from tsmfeat.errors import CheckpointError
from tsmfeat.files import load_tensors
from tsmfeat.trunk.checkpoint import TRUNK_KIND
from tsmfeat.trunk.reading import is_safetensors, read_torch_file

_MOST_KEYS = 12


def describe_trunk(path: Path) -> dict[str, Any]:
    """Return what ``tsmfeat inspect --json`` prints about a trunk's checkpoint, of ours or a torch file.

    Torch files are read as plain weights only: nothing in them is run.

    Raises
    ------
    CheckpointError
        Damaged, or it holds more than tensors and plain values.
    """
    found: dict[str, Any] = {"kind": "trunk", "path": str(path), "form": "torch", "header": None}
    if is_safetensors(path):
        arrays, header = load_tensors(path, TRUNK_KIND)
        shapes = {name: (tuple(values.shape), str(values.dtype)) for name, values in arrays.items()}
        found |= {"form": "safetensors", "header": header}
    else:
        shapes = _torch_shapes(path)
    dtypes = Counter(dtype for _, dtype in shapes.values())
    return found | {
        "num_tensors": len(shapes),
        "num_numbers": sum(_product(shape) for shape, _ in shapes.values()),
        "dtypes": dict(dtypes),
        "keys": list(shapes)[:_MOST_KEYS],
        "num_bytes": path.stat().st_size,
    }


def _torch_shapes(path: Path) -> dict[str, tuple[tuple[int, ...], str]]:
    values = read_torch_file(path)
    shapes = {
        name: (tuple(value.shape), str(value.dtype).removeprefix("torch."))
        for name, value in values.items()
        if isinstance(value, torch.Tensor)
    }
    if not shapes:
        raise CheckpointError(f"{path}: holds no tensors; a checkpoint of a trunk does", "check the path")
    return shapes


def _product(shape: tuple[int, ...]) -> int:
    # Python's own integers: hostile extents would overflow any other.
    product = 1
    for extent in shape:
        product *= extent
    return product
