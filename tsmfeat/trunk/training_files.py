"""Training files that hold more than tensors: their state dict, read without running anything of theirs."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tsmfeat.errors import CheckpointError
from tsmfeat.trunk.containers import LoadNumbers, open_inert
from tsmfeat.trunk.inert import Inert, StoredNumbers, StoredTensor
from tsmfeat.trunk.listing import printable
from tsmfeat.trunk.reading import DAMAGED, damaged, read_torch_file, unwrap


def read_training_file(path: Path) -> dict[str, Any]:
    """Read the state dict of a torch file, also of one that holds other Python objects beside it.

    ``torch.load`` with ``weights_only`` comes first. What it refuses is read by `InertUnpickler`, which makes no object
    and calls no function that the file names.

    Returns
    -------
    dict
        Values by name, not yet checked.

    Raises
    ------
    CheckpointError
        The file is damaged, or holds no state dict: a whole pickled module is none.
    """
    try:
        return read_torch_file(path)
    except CheckpointError:
        return read_inert(path)


def read_inert(path: Path) -> dict[str, Any]:
    """Read the state dict of a torch file, in the zip or the older format, without running anything of it.

    Raises
    ------
    CheckpointError
        As `read_training_file`.
    """
    try:
        with path.open("rb") as stream:
            content, load_numbers = open_inert(stream)
            _refuse_module(content, path)
            state = unwrap(content, path)
            return _restore(state, load_numbers)
    except DAMAGED as error:
        raise damaged(path, error) from error


def _refuse_module(content: Any, path: Path) -> None:  # noqa: ANN401 - what a file holds
    if isinstance(content, Inert):
        raise CheckpointError(
            f"{path}: holds a whole pickled object ({content.asked_for}), not a state dict; what is in it only its "
            "own code knows",
            "where you trust the file, load it in a script of yours and torch.save its state_dict()",
        )


def _restore(state: dict[str, Any], load_numbers: LoadNumbers) -> dict[str, Any]:
    """Turn stored tensors into tensors; anything else stays as it is, for the accounting to refuse."""
    flat: dict[str, Tensor] = {}
    values = {}
    for name, value in state.items():
        if isinstance(value, StoredTensor):
            numbers = value.numbers
            if numbers.key not in flat:
                flat[numbers.key] = _load_flat(load_numbers, numbers)
            # A view: torch refuses one that reaches beyond the numbers.
            value = flat[numbers.key].as_strided(value.size, value.stride, value.offset)
        values[name] = value
    return values


def _load_flat(load_numbers: LoadNumbers, numbers: StoredNumbers) -> Tensor:
    # Torch takes memory it may write to.
    data = bytearray(load_numbers(numbers))
    dtype = getattr(torch, numbers.dtype)
    if len(data) != numbers.count * dtype.itemsize:
        raise ValueError(f"storage {printable(numbers.key)} has {len(data)} bytes for {numbers.count} numbers")
    return torch.frombuffer(data, dtype=dtype) if data else torch.empty(0, dtype=dtype)
