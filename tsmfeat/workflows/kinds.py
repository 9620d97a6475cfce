"""What a path holds, told by its content: the name decides only where there is nothing to read."""

import stat
from pathlib import Path

from tsmfeat.errors import CheckpointError, ConfigurationError, InputError
from tsmfeat.files import is_safetensors, read_header
from tsmfeat.formats.recognition import recognize_format
from tsmfeat.store.folders import files_in, is_packed_output, output_files, parts_folder
from tsmfeat.video.options import VIDEO_SUFFIXES
from tsmfeat.workflows.failures import COLUMNS

# What people call the kinds that `recognize` returns.
KIND_NAMES = {
    "features": "a feature store",
    "heads": "a heads checkpoint",
    "interval-scores": "a file of interval scores",
    "trunk": "a trunk checkpoint",
    "predictions": "a prediction file",
    "annotations": "an annotation file",
    "failures": "a list of failed videos",
    "video": "a video",
    "videos": "a folder of videos",
}

_HEAD_BYTES = 4096
_HDF5 = b"\x89HDF\r\n\x1a\n"
# Gzip, and marks of UTF-16: text, though with NUL bytes.
_TEXT = (b"\x1f\x8b", b"\xff\xfe", b"\xfe\xff")
_TORCH = (b"PK\x03\x04", b"\x80")
_FAILURES = ",".join(COLUMNS).encode()


def recognize(path: Path) -> str:
    """Return the kind of a file or folder, a key of `KIND_NAMES`; whether it is whole is its reader's question.

    Parameters
    ----------
    path
        A file or folder, or the ``X.h5`` of an extraction that is still running.

    Raises
    ------
    InputError
        There is nothing at the path, it cannot be read, or it is neither file nor folder.
    """
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:
        if is_packed_output(path):
            return "features"
        reason = error.strerror if isinstance(error, OSError) else error
        raise InputError(f"{path}: cannot be reached ({reason})", "check the path") from error
    if stat.S_ISDIR(mode):
        return _recognize_folder(path)
    if not stat.S_ISREG(mode):
        raise InputError(f"{path}: a pipe, socket or device; only files and folders can be read", "pass a file")
    return _recognize_file(path)


def _recognize_folder(path: Path) -> str:
    if files_in(path):
        return "features"
    try:
        return recognize_format(path).kind
    except InputError:
        # Whoever reads it next says so.
        pass
    if any(entry.suffix.lower() in VIDEO_SUFFIXES for entry in path.rglob("*")):
        return "videos"
    return "features"


def _recognize_file(path: Path) -> str:
    head = _read_head(path)
    if head.startswith(_HDF5) or is_packed_output(path):
        return "features"
    if is_safetensors(path):
        return _recognize_safetensors(path)
    if head.startswith(_TORCH):
        return "trunk"
    if head.startswith(_FAILURES):
        return "failures"
    if path.suffix.lower() in VIDEO_SUFFIXES or (b"\0" in head and not head.startswith(_TEXT)):
        return "video"
    return recognize_format(path).kind


def _read_head(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(_HEAD_BYTES)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})", "check its permissions") from error


def _recognize_safetensors(path: Path) -> str:
    try:
        kind = read_header(path).get("kind")
    except CheckpointError:  # whoever reads it next says so
        return "trunk"
    return str(kind) if kind in ("heads", "interval-scores") else "trunk"


def holds_checkpoint(path: Path) -> bool:
    """Tell by a file's first bytes whether it can only be a checkpoint; it may still be a damaged one."""
    if not path.is_file():  # a pipe would wait
        return False
    return is_safetensors(path) or _read_head(path).startswith(_TORCH)


def require_replaceable(out: Path, kind: str) -> None:
    """Refuse to write over anything but an empty file or one of the same kind: a mistyped name must cost nothing.

    Parameters
    ----------
    out
        What is to be written.
    kind
        What it will hold, a key of `KIND_NAMES`.

    Raises
    ------
    ConfigurationError
        Something else is there.
    """
    if out.exists() and not _is_replaceable(out, kind):
        raise ConfigurationError(
            f"{out}: exists and holds no {kind}; only {KIND_NAMES[kind]} is replaced",
            "choose another name, or move it away",
        )


def require_own_table(out: Path, beginning: str) -> None:
    """Refuse to write a table over a file that begins otherwise, and is not empty.

    Parameters
    ----------
    out
        What is to be written.
    beginning
        Of its text.

    Raises
    ------
    ConfigurationError
        Something else is there.
    """
    if not out.exists() or (out.is_file() and not out.stat().st_size):
        return
    began = beginning.encode()
    if out.is_file():
        with out.open("rb") as stream:
            if stream.read(len(began)) == began:
                return
    raise ConfigurationError(
        f"{out}: exists and is not what is written there, a table that begins with {beginning.strip()!r}",
        "choose another name, or move it away",
    )


def _is_replaceable(out: Path, kind: str) -> bool:
    try:
        # An empty device is not an empty file.
        return (out.is_file() and not out.stat().st_size) or recognize(out) == kind
    except InputError:
        return False


def holds_features(path: Path) -> bool:
    """Return whether a path is surely a feature store: HDF5, a folder of such files, or parts not packed yet."""
    if path.is_file():
        return _read_head(path).startswith(_HDF5) or is_packed_output(path)
    return bool(output_files(path)) and not (path.exists() and is_packed_output(path))


def holds_store(path: Path) -> bool:
    """Return whether a path stands for a feature store, be it one of an extraction that has not been packed yet."""
    if path.exists():
        return recognize(path) == "features"
    return is_packed_output(path) and parts_folder(path).is_dir()
