"""Checkpoints of a trunk: a file or a seed becomes exactly the tensors the network needs."""

import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from tsmfeat.errors import CheckpointError
from tsmfeat.files import digest_tensors, load_tensors, save_tensors, sha256_file
from tsmfeat.trunk.accounting import COUNTER_SUFFIX, account_for
from tsmfeat.trunk.options import random_seed
from tsmfeat.trunk.reading import is_safetensors, read_torch_file, require_name_digest

TRUNK_KIND = "trunk"
TRUNK_VERSION = 1

Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class LoadedState:
    """The tensors of a checkpoint, with what they are and where they came from.

    Parameters
    ----------
    tensors
        A value for every name of the network's state dict; float32, the norms' counters int64 zeros.
    digest
        Identity of the weights: equal for equal weights, whatever the file (counters left out).
    file_sha256
        SHA-256 of the file; empty for ``random:SEED``.
    notes
        What was left out of the file, in sentences for the user.
    """

    tensors: dict[str, Tensor]
    digest: str
    file_sha256: str = ""
    notes: tuple[str, ...] = ()


def load_state(checkpoint: str, trunk: str, shapes: Shapes) -> LoadedState:
    """Load a trunk's weights from a file, or make them from a seed.

    Every key of a file is used or named in the notes, every parameter is filled, or the file is refused.

    Parameters
    ----------
    checkpoint
        ``"random:SEED"``, or the path of a torchvision file (``.pth``) or of one that `save_trunk` wrote.
    trunk
        Name of the trunk, for messages and to compare with our own files.
    shapes
        The names of the network's state dict with their shapes.

    Raises
    ------
    CheckpointError
        The file cannot be read safely, is damaged, or does not fit the network.

    Examples
    --------
    >>> state = load_state("random:0", "tiny", {"conv1.weight": (2, 3, 1, 1), "bn1.bias": (2,)})
    >>> state.tensors["bn1.bias"].tolist(), state.tensors["conv1.weight"].shape
    ([0.0, 0.0], torch.Size([2, 3, 1, 1]))
    """
    needed = {name: shape for name, shape in shapes.items() if not name.endswith(COUNTER_SUFFIX)}
    seed = random_seed(checkpoint)
    file_sha256, notes = "", tuple[str, ...]()
    if seed is not None:
        tensors = _random_tensors(seed, needed)
    else:
        found, file_sha256 = _read(Path(checkpoint), trunk)
        tensors, notes = account_for(found, needed, checkpoint, trunk)
    digest = digest_tensors({name: tensor.numpy() for name, tensor in tensors.items()})
    counters = {name: torch.zeros(shapes[name], dtype=torch.int64) for name in shapes if name not in needed}
    return LoadedState(tensors | counters, digest, file_sha256, notes)


def save_trunk(path: Path, trunk: nn.Module, header: Mapping[str, Any]) -> None:
    """Save a trunk's weights as safetensors, under torchvision's names.

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
    state = {name: value for name, value in trunk.state_dict().items() if not name.endswith(COUNTER_SUFFIX)}
    tensors = {name: value.detach().to("cpu", torch.float32).numpy() for name, value in state.items()}
    save_tensors(path, tensors, {**header, "kind": TRUNK_KIND, "version": TRUNK_VERSION})


def _read(path: Path, trunk: str) -> tuple[dict[str, Any], str]:
    """Return a file's named values and its SHA-256."""
    own = is_safetensors(path)
    file_sha256 = sha256_file(path)
    require_name_digest(path, file_sha256)
    if not own:
        return read_torch_file(path), file_sha256
    arrays, header = load_tensors(path, TRUNK_KIND)
    if header.get("version") != TRUNK_VERSION:
        raise CheckpointError(
            f"{path}: version {header.get('version')!r}; this tsmfeat reads {TRUNK_VERSION}", "update tsmfeat"
        )
    if header.get("trunk") != trunk:
        raise CheckpointError(
            f"{path}: holds the weights of {header.get('trunk')!r}, not of {trunk!r}", "change --trunk or --checkpoint"
        )
    return {name: torch.from_numpy(values) for name, values in arrays.items()}, file_sha256


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
