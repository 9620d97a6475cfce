"""Strict accounting: every key of a checkpoint is used, every parameter of the network is filled."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from tsmfeat.errors import CheckpointError

_SHOWN = 3
_CLASSIFIER = "fc."
# The norms count their training batches; nothing in eval mode reads that.
COUNTER_SUFFIX = "num_batches_tracked"
# How other projects name the same network: the mark of their keys, and what to call them.
_LAYOUTS = {
    "backbone.": "mmaction2",
    "base_model.": "official TSM",
    "module.": "DataParallel",
    "_orig_mod.": "torch.compile",
}


def account_for(
    found: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]], place: str, trunk: str
) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Match a checkpoint's values with a network's parameters.

    Parameters
    ----------
    found
        What a file holds, by name.
    shapes
        Shape by name of every parameter and buffer to fill.
    place, trunk
        File and network, for the messages.

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
    used = {name: value for name, value in found.items() if not name.endswith(COUNTER_SUFFIX)}
    classifier = [name for name in used if name.startswith(_CLASSIFIER)]
    used = {name: value for name, value in used.items() if name not in classifier}
    _refuse_other_layouts(used, place)
    _require_same_names(used, shapes, place, trunk)
    tensors = {name: _checked(used[name], name, shape, place) for name, shape in shapes.items()}
    note = f"{place}: {_listed(classifier)} left out: a trunk ends before its classifier"
    return tensors, (note,) if classifier else ()


def _refuse_other_layouts(found: Mapping[str, Any], place: str) -> None:
    for mark, layout in _LAYOUTS.items():
        if wearing := [name for name in found if mark in name]:
            raise CheckpointError(
                f"{place}: keys in the layout of {layout} ({_listed(wearing)}); this version reads torchvision's names",
                "rename the keys to torchvision's (conv1.weight, layer1.0.conv1.weight, ...) and save them again",
            )


def _require_same_names(found: Mapping[str, Any], shapes: Mapping[str, Any], place: str, trunk: str) -> None:
    missing = [name for name in shapes if name not in found]
    unused = [name for name in found if name not in shapes]
    if missing or unused:
        raise CheckpointError(
            f"{place} does not fit {trunk}: missing {_listed(missing)}; not used {_listed(unused)}",
            "pass the checkpoint of this trunk, or change --trunk",
        )


def _checked(value: Any, name: str, shape: tuple[int, ...], place: str) -> Tensor:  # noqa: ANN401 - a file's value
    fault = _fault(value, shape)
    if not fault:
        tensor: Tensor = value.detach().to(torch.float32, copy=True, memory_format=torch.contiguous_format)
        if torch.isfinite(tensor).all():
            return tensor
        fault = "NaN or infinity inside (as float32)"
    raise CheckpointError(f"{place}: {name}: {fault}", "the file is damaged or of another network: make it again")


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


def _listed(names: list[str]) -> str:
    if not names:
        return "nothing"
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
