"""Reading foreign checkpoint files: plain tensors only, never code."""

import pickle
import re
import shlex
import struct
import warnings
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import torch

from tsmfeat import files
from tsmfeat.errors import CheckpointError
from tsmfeat.trunk.containers import open_inert

# torchvision and mmaction2 put the first digits of a file's SHA-256 into its name. Digits without a letter may be
# a date, and are left alone.
_NAME_DIGEST = re.compile(r"-((?=[0-9]*[a-f])[0-9a-f]{8,64})\.[a-z]+$")
_REFUSED_NAME = re.compile(r"(?:GLOBAL |class |function )([\w.]+\.\w+)")
# A zip archive, and a pickle.
_TORCH_STARTS = (b"PK\x03\x04", b"\x80")
_WRAPPERS = ("state_dict", "model_state_dict", "model", "state_dict_ema")
# What a damaged or hostile file can make a reader raise.
DAMAGED = (RuntimeError, EOFError, LookupError, ValueError, TypeError, AttributeError, OSError, MemoryError,
           ArithmeticError, ImportError, AssertionError, pickle.UnpicklingError, struct.error, BadZipFile)  # fmt: skip
_NO_STATE = "save model.state_dict() with torch"


def is_safetensors(path: Path) -> bool:
    """Tell our own format from torch's by a file's first bytes.

    Raises
    ------
    CheckpointError
        No such file, not a regular file, empty, or of neither format.
    """
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist" if not path.exists() else "is not a regular file"
        raise CheckpointError(f"{path}: {what}; a checkpoint is a file", "check the path")
    try:
        with path.open("rb") as stream:
            head = stream.read(9)
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror})", "check its permissions") from error
    # First, because the length of a header can begin with a pickle's first byte.
    if files.is_safetensors(path):
        return True
    if head.startswith(_TORCH_STARTS):
        return False
    if head[8:] == b"{":
        return True
    found = "is empty" if not head else "is neither a torch file nor safetensors"
    raise CheckpointError(f"{path}: {found}", "download or copy the checkpoint again")


def require_name_digest(path: Path, file_sha256: str) -> None:
    """Refuse a file whose name states another SHA-256 than it has: torch itself does not see a flipped byte.

    Raises
    ------
    CheckpointError
        The digits in the name are not the first of `file_sha256`.

    Examples
    --------
    >>> require_name_digest(Path("resnet18-f37072fd.pth"), "f37072fd47e89c5e")
    >>> require_name_digest(Path("run-20240131.pth"), "f37072fd47e89c5e")
    """
    match = _NAME_DIGEST.search(path.name)
    if match and not file_sha256.startswith(match[1]):
        raise CheckpointError(
            f"{path}: its SHA-256 begins with {file_sha256[:8]}, its name says {match[1]}; the file is damaged",
            "download it again, or rename the file if these digits are not a SHA-256",
        )


def read_torch_file(path: Path) -> dict[str, Any]:
    """Read the state dict of a torch file, on the CPU, with ``weights_only``.

    Returns
    -------
    dict
        Values by name, not yet checked. A training checkpoint's ``state_dict`` or ``model`` is unwrapped.

    Raises
    ------
    CheckpointError
        The file is damaged, holds other Python objects than tensors and plain values, or no state dict.
    """
    try:
        # Given a path, torch would choose the format by its suffix.
        with path.open("rb") as stream, warnings.catch_warnings():
            # Torch's advice on odd files is for its own developers; what is odd is refused below.
            warnings.simplefilter("ignore")
            # Some files end torch.load with the process: they are refused before it sees them.
            open_inert(stream)
            stream.seek(0)
            content = torch.load(stream, map_location="cpu", weights_only=True)
    except DAMAGED as error:
        raise _refusal(path, error) from error
    return unwrap(content, path)


def unwrap(content: Any, path: Path) -> dict[str, Any]:  # noqa: ANN401 - what a file holds
    """Return the state dict among a training file's other things.

    Raises
    ------
    CheckpointError
        There is none.

    Examples
    --------
    >>> unwrap({"epoch": 3, "state_dict": {"fc.bias": 0}}, Path("a.pth"))
    {'fc.bias': 0}
    """
    for key in _WRAPPERS:
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
            break
    if not isinstance(content, dict) or not content:
        raise CheckpointError(f"{path}: holds no state dict (tensors by name)", _NO_STATE)
    return {str(name): value for name, value in content.items()}


def _refusal(path: Path, error: BaseException) -> CheckpointError:
    text = str(error)
    if isinstance(error, pickle.UnpicklingError) and "nsupported" in text:
        match = _REFUSED_NAME.search(text)
        culprit = f" ({match[1]})" if match else ""
        command = shlex.join(["tsmfeat", "convert", str(path), _clean_name(path)])
        return CheckpointError(
            f"{path}: holds Python objects beside tensors{culprit}; torch.load refused it with weights_only, because "
            "reading them could run code",
            f"take out its tensors, running nothing: {command}",
        )
    return damaged(path, error)


def _clean_name(path: Path) -> str:
    """Return a name for the converted file, without ``.pth.tar`` and its like."""
    return path.name.split(".", 1)[0] + ".safetensors"


def damaged(path: Path, error: BaseException) -> CheckpointError:
    """Say in one line that a file cannot be read."""
    first = str(error).splitlines()[0][:120] if str(error) else ""
    return CheckpointError(
        f"{path}: damaged, it cannot be read as a torch file ({type(error).__name__}: {first})",
        "download or copy the checkpoint again",
    )
