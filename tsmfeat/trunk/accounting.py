"""Strict accounting: every key of a checkpoint is used, every parameter of the network is filled."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from tsmfeat.errors import CheckpointError
from tsmfeat.trunk.listing import listed
from tsmfeat.trunk.recognition import recognize_trunk

_CLASSIFIER = ("fc.",)


def account_for(
    found: Mapping[str, Any],
    shapes: Mapping[str, tuple[int, ...]],
    place: str,
    trunk: str,
    left_out: tuple[str, ...] = _CLASSIFIER,
) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Match a checkpoint's values with a network's parameters.

    Parameters
    ----------
    found
        What a file holds, by torchvision's names.
    shapes
        Shape by name of every parameter and buffer to fill.
    place, trunk
        File and network, for the messages.
    left_out
        Beginnings of the names of a classifier.

    Returns
    -------
    tensors, notes
        float32 tensors in the order of `shapes`, owning their memory; sentences on what was left out.

    Raises
    ------
    CheckpointError
        A key without use, a parameter without value, another shape, or a value that is not a plain, finite,
        floating tensor.
    """
    classifier = [name for name in found if name.startswith(left_out) and name not in shapes]
    used = {name: value for name, value in found.items() if name not in classifier}
    other = recognize_trunk(shapes_of(used))
    remedy = f"it looks like {other}: pass --trunk {other}" if other not in ("", trunk) else ""
    _require_same_names(used, shapes, f"{place} does not fit {trunk}", remedy)
    tensors = {name: _checked(used[name], shape, f"{place}: {name}", remedy) for name, shape in shapes.items()}
    note = f"{place}: {listed(classifier)} left out: a trunk ends before its classifier"
    return tensors, (note,) if classifier else ()


def shapes_of(found: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """Return the shapes of what are tensors among a file's values."""
    return {name: tuple(value.shape) for name, value in found.items() if isinstance(value, Tensor)}


def _require_same_names(found: Mapping[str, Any], shapes: Mapping[str, Any], finding: str, remedy: str) -> None:
    missing = [name for name in shapes if name not in found]
    unused = [name for name in found if name not in shapes]
    if missing or unused:
        raise CheckpointError(
            f"{finding}: missing {listed(missing)}; not used {listed(unused)}",
            remedy or "pass the checkpoint of this trunk, or change --trunk",
        )


def _checked(value: Any, shape: tuple[int, ...], place: str, remedy: str) -> Tensor:  # noqa: ANN401 - a file's value
    fault = _fault(value, shape)
    if not fault:
        tensor: Tensor = value.detach().to(torch.float32, copy=True, memory_format=torch.contiguous_format)
        if torch.isfinite(tensor).all():
            return tensor
        fault = "NaN or infinity inside (as float32)"
    raise CheckpointError(f"{place}: {fault}", remedy or "the file is damaged or of another network: make it again")


def _fault(value: Any, shape: tuple[int, ...]) -> str:  # noqa: ANN401 - a file's value
    """Say why a value cannot be a parameter, before any of it is copied."""
    if not isinstance(value, Tensor) or value.layout != torch.strided or value.device.type != "cpu":
        return f"{type(value).__name__} is not a plain tensor in memory"
    if tuple(value.shape) != shape:
        return f"shape {tuple(value.shape)}; expected {shape}"
    if not value.is_floating_point():
        return f"dtype {value.dtype}; expected a floating one"
    # Strides of zero let a file of a kilobyte pass for a tensor of any size.
    dense = value.is_contiguous() or (value.ndim == 4 and value.is_contiguous(memory_format=torch.channels_last))
    return "" if dense else "not contiguous in memory"
