"""torchvision's ImageNet checkpoints, by name: found where torch keeps downloads, never fetched."""

from pathlib import Path

import torch

from tsmfeat.errors import EnvironmentLackError
from tsmfeat.trunk.specs import SPECS


def find_imagenet(trunk: str) -> Path:
    """Return torchvision's newest ImageNet checkpoint of a trunk that lies in torch's own folder of downloads.

    The folder is ``hub/checkpoints`` in ``$TORCH_HOME``, or else in ``$XDG_CACHE_HOME/torch`` or ``~/.cache/torch``.
    The digits in a file's name are compared with its SHA-256 when it is read.

    Parameters
    ----------
    trunk
        A trunk's name.

    Raises
    ------
    EnvironmentLackError
        None of the trunk's files is there; the message says which to put where, and how their SHA-256 begin.
    """
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    names = SPECS[trunk].imagenet_files
    for name in names:
        if (folder / name).exists():
            return folder / name
    digits = " or ".join(name.removesuffix(".pth").rpartition("-")[2] for name in names)
    raise EnvironmentLackError(
        f"checkpoint imagenet: {folder} holds no {' and no '.join(names)}; tsmfeat downloads nothing",
        f"put torchvision's {names[0]} there (its SHA-256 begins with {digits}), or pass another file as --checkpoint",
    )
