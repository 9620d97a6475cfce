"""Checkpoints of a trunk: a file or a seed becomes exactly the tensors the network needs."""

import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from tsmfeat.errors import CheckpointError
from tsmfeat.files import digest_tensors, save_tensors
from tsmfeat.trunk.accounting import account_for
from tsmfeat.trunk.imagenet import find_imagenet
from tsmfeat.trunk.options import IMAGENET, random_seed
from tsmfeat.trunk.placement import Placement
from tsmfeat.trunk.state_files import TRUNK_KIND, TRUNK_VERSION, StateFile, read_state_file

_COUNTER = "num_batches_tracked"

Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class LoadedState:
    """The tensors of a checkpoint, with what they are and where they came from.

    Parameters
    ----------
    tensors
        A value for every name of the network's state dict; float32, the norms' counters int64 zeros.
    digest
        Identity of the network: equal for equal tensors, whatever the file (counters left out).
    file_sha256
        SHA-256 of the file; empty for ``random:SEED``.
    notes
        What was left out of the file, in sentences for the user.
    placement
        Where the network was trained with shifted frames; `None` where the checkpoint cannot tell.
    """

    tensors: dict[str, Tensor]
    digest: str
    file_sha256: str = ""
    notes: tuple[str, ...] = ()
    placement: Placement | None = None


def load_state(checkpoint: str, trunk: str, shapes: Shapes) -> LoadedState:
    """Load a trunk's tensors from a file, or make them from a seed.

    Every key of a file is used or named in the notes, every parameter is filled, or the file is refused.

    Parameters
    ----------
    checkpoint
        ``"random:SEED"``; ``"imagenet"``; or the path of a file of torchvision, official TSM or mmaction2, or of one
        that `save_trunk` wrote.
    trunk
        Name of the trunk, for messages and to compare with our own files.
    shapes
        The names of the network's state dict with their shapes.

    Raises
    ------
    CheckpointError
        The file cannot be read safely, is damaged, or does not fit the network.
    EnvironmentLackError
        ``"imagenet"`` is not where torch keeps its downloads.

    Examples
    --------
    >>> state = load_state("random:0", "tiny", {"conv1.weight": (2, 3, 1, 1), "bn1.bias": (2,)})
    >>> state.tensors["bn1.bias"].tolist(), state.tensors["conv1.weight"].shape
    ([0.0, 0.0], torch.Size([2, 3, 1, 1]))
    """
    seed = random_seed(checkpoint)
    if seed is not None:
        needed, counters = _split_counters(shapes)
        tensors = _random_tensors(seed, needed)
        return LoadedState(tensors | counters, _digest(tensors))
    if checkpoint != IMAGENET:
        return fit_state(read_state_file(Path(checkpoint)), trunk, shapes)
    path = find_imagenet(trunk)
    loaded = fit_state(read_state_file(path), trunk, shapes)
    return replace(loaded, notes=(f"checkpoint imagenet: {path}", *loaded.notes))


def fit_state(state: StateFile, trunk: str, shapes: Shapes) -> LoadedState:
    """Fit what a file holds to a network: every key is used or named, every parameter is filled.

    Raises
    ------
    CheckpointError
        The file is of another network.
    """
    place = str(state.path)
    if state.trunk not in ("", trunk):
        raise CheckpointError(
            f"{place}: holds a checkpoint of {state.trunk!r}, not of {trunk!r}", "change --trunk or --checkpoint"
        )
    needed, counters = _split_counters(shapes)
    tensors, notes = account_for(state.values, needed, place, trunk)
    return LoadedState(tensors | counters, _digest(tensors), state.file_sha256, notes, state.placement)


def _split_counters(shapes: Shapes) -> tuple[dict[str, tuple[int, ...]], dict[str, Tensor]]:
    """Return what a checkpoint fills, and the norms' counters of training batches, which nothing in eval mode reads."""
    needed = {name: shape for name, shape in shapes.items() if not name.endswith(_COUNTER)}
    return needed, {name: torch.zeros(shape, dtype=torch.int64) for name, shape in shapes.items() if name not in needed}


def _digest(tensors: Mapping[str, Tensor]) -> str:
    return digest_tensors({name: tensor.numpy() for name, tensor in tensors.items()})


def save_trunk(path: Path, trunk: nn.Module, header: Mapping[str, Any]) -> None:
    """Save a trunk's parameters as safetensors, under torchvision's names.

    Parameters
    ----------
    path
        The file, replaced as a whole if it exists.
    trunk
        Its state dict is saved as float32, without the norms' counters.
    header
        JSON-able; holds at least ``trunk``, the name. ``kind`` and ``version`` are added.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    save_state(path, trunk.state_dict(), header)


def save_state(path: Path, state: Mapping[str, Tensor], header: Mapping[str, Any]) -> None:
    """Save a state dict of torchvision's names as `save_trunk` does."""
    kept = {name: value for name, value in state.items() if not name.endswith(_COUNTER)}
    tensors = {name: value.detach().to("cpu", torch.float32).numpy() for name, value in kept.items()}
    save_tensors(path, tensors, {**header, "kind": TRUNK_KIND, "version": TRUNK_VERSION})


def _random_tensors(seed: int, shapes: Shapes) -> dict[str, Tensor]:
    """Fill a network from numpy's generator, so that torch's version does not matter."""
    last_norms = [name for name in shapes if name.endswith(_last_norm(shapes))]
    tensors = {}
    for name, shape in shapes.items():
        if len(shape) == 4:
            values = _kaiming_normal(seed, name, shape)
        else:
            values = np.full(shape, 1 if name.endswith((".weight", ".running_var")) else 0, np.float32)
        if name in last_norms:
            values /= np.float32(math.sqrt(last_norms.index(name) + 1))
        tensors[name] = torch.from_numpy(values)
    return tensors


def _last_norm(shapes: Shapes) -> str:
    """Return the name of the norm that ends a block.

    Its weight in the k-th block is 1 / sqrt(k). The running statistics of an untrained net do not normalise, so with
    weight 1 every block would double the maps' energy: embeddings of resnet152 would not fit in float16. This way it
    grows linearly, as it does where norms see real statistics.
    """
    return ".bn3.weight" if any(".bn3." in name for name in shapes) else ".bn2.weight"


def _kaiming_normal(seed: int, name: str, shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
    """Draw normal values of variance 2 / fan-out (He et al., *Delving Deep into Rectifiers*, ICCV 2015)."""
    generator = np.random.default_rng([seed, zlib.crc32(name.encode())])
    deviation = math.sqrt(2 / (shape[0] * math.prod(shape[2:])))
    return generator.standard_normal(shape, dtype=np.float32) * np.float32(deviation)
