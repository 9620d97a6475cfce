"""A checkpoint file of any layout becomes values under torchvision's names, with where they came from."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from tsmfeat.errors import CheckpointError
from tsmfeat.files import load_tensors, sha256_file
from tsmfeat.trunk.layouts import rename_keys
from tsmfeat.trunk.placement import Placement
from tsmfeat.trunk.reading import is_safetensors, read_torch_file, require_name_digest

TRUNK_KIND = "trunk"
TRUNK_VERSION = 1
OWN_LAYOUT = "tsmfeat"


@dataclass(frozen=True)
class StateFile:
    """What a checkpoint file holds, not yet compared with a network.

    Parameters
    ----------
    path
        The file.
    values
        By torchvision's names.
    file_sha256
        SHA-256 of the file.
    layout
        Whose names the file has.
    placement
        Where the network was trained with shifted frames; `None` where the file cannot tell.
    trunk
        The trunk's name where the file states it: only ours do.
    """

    path: Path
    values: dict[str, Any]
    file_sha256: str
    layout: str
    placement: Placement | None
    trunk: str = ""


def read_state_file(path: Path, read_foreign: Callable[[Path], dict[str, Any]] = read_torch_file) -> StateFile:
    """Read a checkpoint file, ours or a foreign one.

    Parameters
    ----------
    path
        The file; its content decides the format, not its name.
    read_foreign
        Reads the state dict of a torch file.

    Raises
    ------
    CheckpointError
        The file cannot be read safely, is damaged, or of no network of ours.
    """
    own = is_safetensors(path)
    file_sha256 = sha256_file(path)
    require_name_digest(path, file_sha256)
    if own:
        return _read_own(path, file_sha256)
    found = read_foreign(path)
    renamed = rename_keys(found, str(path))
    values = {name: found[key] for name, key in renamed.sources.items()}
    return StateFile(path, values, file_sha256, renamed.layout, renamed.placement)


def _read_own(path: Path, file_sha256: str) -> StateFile:
    arrays, header = load_tensors(path, TRUNK_KIND)
    if header.get("version") != TRUNK_VERSION:
        raise CheckpointError(
            f"{path}: version {header.get('version')!r}; this tsmfeat reads {TRUNK_VERSION}", "update tsmfeat"
        )
    values = {name: torch.from_numpy(array) for name, array in arrays.items()}
    stated = header.get("placement")
    placement = None if stated is None else Placement.from_dict(stated, str(path))
    return StateFile(path, values, file_sha256, OWN_LAYOUT, placement, str(header.get("trunk")))
