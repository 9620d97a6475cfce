"""Atomic writes, digests, and safetensors with a JSON header: the floor every room may stand on."""

import errno
import hashlib
import json
import os
import platform
import re
import uuid
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from tsmfeat.errors import CheckpointError, OutputError

TEMPORARY_SUFFIX = ".tmp"
# Marks the temporary files of this very process: a process id alone may be that of a dead run (containers start at 1).
RUN_MARK = uuid.uuid4().hex[:8]
# Marks those of this machine: elsewhere the process ids are others, and a shared folder shows the files of all.
MACHINE_MARK = hashlib.sha256(platform.node().encode()).hexdigest()[:8]
TEMPORARY_NAME = re.compile(
    r"\.(?P<name>.+)\.(?P<machine>[0-9a-f]{8})-(?P<pid>\d{1,9})-(?P<run>[0-9a-f]{8})-[0-9a-f]{8}\.tmp"
)
_NO_HARD_LINKS = {errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EMLINK}
_HEADER_KEY = "tsmfeat"
_BLOCK_BYTES = 1 << 22


def canonical_json(value: Any) -> str:  # noqa: ANN401 - whatever JSON can hold
    """Return the one JSON text of a value: sorted keys, no spaces, no NaN.

    Examples
    --------
    >>> canonical_json({"b": 1, "a": [0.5, "é"]})
    '{"a":[0.5,"é"],"b":1}'
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def sha256_text(text: str) -> str:
    """Return the SHA-256 of a text's UTF-8 bytes in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


def sha256_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes in hexadecimal, read in blocks."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def digest_tensors(tensors: Mapping[str, npt.NDArray[Any]]) -> str:
    """Return the identity of named tensors: SHA-256 over name, shape and float32 bytes in name order.

    Equal weights have an equal identity, whatever file they came from.

    Examples
    --------
    >>> a = {"w": np.zeros((2, 3), np.float64), "b": np.ones(2)}
    >>> digest_tensors(a) == digest_tensors({"b": np.ones(2, np.float32), "w": np.zeros((2, 3))})
    True
    """
    digest = hashlib.sha256()
    for name in sorted(tensors):
        values = np.ascontiguousarray(tensors[name], dtype="<f4")
        digest.update(canonical_json([name, list(tensors[name].shape)]).encode())
        digest.update(values.tobytes())
    return digest.hexdigest()


def write_atomically(
    path: Path,
    chunks: Iterable[bytes | bytearray | memoryview],
    *,
    replace: bool = True,
    check: Callable[[Path], object] | None = None,
) -> None:
    """Write a file so that its final name only ever shows the whole of it.

    The bytes go to a temporary name in the same folder, are flushed to the disk, optionally checked, and only then
    get the final name; the folder is flushed last. On any failure the temporary file is removed.

    Parameters
    ----------
    path
        The final name; its folder must exist.
    chunks
        The content, in order.
    replace
        Whether an existing file is replaced. Without it an existing name raises ``FileExistsError``.
    check
        Called with the temporary path before it is published; what it raises stops the write.

    Raises
    ------
    OutputError
        The disk is full or the folder cannot be written.
    FileExistsError
        The name exists and `replace` is false.
    """
    temporary = temporary_path(path)
    try:
        try:
            _write_and_flush(temporary, chunks)
            if check is not None:
                check(temporary)
            _publish(temporary, path, replace=replace)
        finally:
            remove_file(temporary)
        flush_folder(path.parent)
    except FileExistsError:
        raise
    except OSError as error:
        raise OutputError(
            f"{path}: cannot be written ({error.strerror or error})",
            "free some space or choose another folder with -o; finished work is kept, run the same command again",
        ) from error


def temporary_path(path: Path) -> Path:
    """Return a new temporary name beside a final one, by which its process can be told (`TEMPORARY_NAME`)."""
    owner = f"{MACHINE_MARK}-{os.getpid()}-{RUN_MARK}"
    return path.with_name(f".{path.name}.{owner}-{uuid.uuid4().hex[:8]}{TEMPORARY_SUFFIX}")


def _write_and_flush(temporary: Path, chunks: Iterable[bytes | bytearray | memoryview]) -> None:
    descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_CLOEXEC", 0), 0o644)
    try:
        for chunk in chunks:
            view = memoryview(chunk).cast("B")
            while view:
                view = view[os.write(descriptor, view) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _publish(temporary: Path, path: Path, *, replace: bool) -> None:
    if replace:
        os.replace(temporary, path)  # noqa: PTH105 - one module to watch in the crash tests: os
        return
    try:
        os.link(temporary, path)
    except OSError as error:
        if error.errno not in _NO_HARD_LINKS:
            raise
        # A file system without hard links: the names used here are unique, so a rename loses nothing.
        if path.exists():
            raise FileExistsError(str(path)) from None
        os.rename(temporary, path)  # noqa: PTH104


def flush_folder(folder: Path) -> None:
    """Flush a folder's entries to the disk, so that a published name survives a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: Path) -> None:
    """Make a folder and its missing parents, each so that it survives a power cut.

    Raises
    ------
    OutputError
        It cannot be made, or a file has its name.
    """
    if folder.is_dir():
        return
    make_folder(folder.parent)
    try:
        os.makedirs(folder, exist_ok=True)  # noqa: PTH103 - one module to watch in the crash tests: os
        flush_folder(folder.parent)
    except OSError as error:
        raise OutputError(
            f"{folder}: cannot be made ({error.strerror or error})", "choose another folder with -o"
        ) from error


def remove_file(path: Path) -> None:
    """Remove a file; one that is gone already is no error."""
    with suppress(FileNotFoundError):
        os.unlink(path)  # noqa: PTH108 - as above


def rename_file(path: Path, target: Path) -> None:
    """Give a file another name in its folder, replacing what has that name, and flush the folder."""
    os.replace(path, target)  # noqa: PTH105 - as above
    flush_folder(target.parent)


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    write_atomically(path, [text.encode()])


def save_tensors(path: Path, tensors: Mapping[str, npt.NDArray[Any]], header: Mapping[str, Any]) -> None:
    """Save named arrays as safetensors with a JSON header in its metadata.

    Parameters
    ----------
    path
        The file, replaced as a whole if it exists.
    tensors
        Arrays by name.
    header
        JSON-able; holds at least ``kind`` and ``version``.
    """
    arrays = {name: np.ascontiguousarray(values) for name, values in tensors.items()}
    write_atomically(path, [save(arrays, metadata={_HEADER_KEY: canonical_json(header)})])


def load_tensors(path: Path, kind: str, *, finite: bool = True) -> tuple[dict[str, npt.NDArray[Any]], dict[str, Any]]:
    """Load what `save_tensors` saved.

    Parameters
    ----------
    path
        A safetensors file of ours.
    kind
        The kind its header must state, such as ``"heads"``.
    finite
        Whether every number must be finite.

    Returns
    -------
    tensors, header
        Arrays by name, and the JSON header.

    Raises
    ------
    CheckpointError
        Not a safetensors file, damaged, of another kind, or a non-finite value inside where none may be.
    """
    header = read_header(path)
    if header.get("kind") != kind:
        raise CheckpointError(
            f"{path}: holds {header.get('kind')!r}; a file of kind {kind!r} is expected",
            f"pass a file written for {kind}",
        )
    with safe_open(path, framework="numpy") as stream:
        tensors = {name: stream.get_tensor(name) for name in stream.keys()}
    for name, values in tensors.items():
        if finite and np.issubdtype(values.dtype, np.floating) and not np.isfinite(values).all():
            raise CheckpointError(
                f"{path}: tensor {name!r} holds NaN or infinity", "the file is damaged: make it again"
            )
    return tensors, header


def load_arrays(path: Path) -> dict[str, npt.NDArray[Any]]:
    """Load the arrays of any safetensors file, ours or not, by name.

    Raises
    ------
    CheckpointError
        Not a safetensors file, damaged, or of numbers that numpy does not have (bfloat16).
    """
    try:
        with safe_open(path, framework="numpy") as stream:
            return {name: stream.get_tensor(name) for name in stream.keys()}
    except (OSError, SafetensorError, TypeError, AttributeError) as error:
        raise CheckpointError(
            f"{path}: its tensors cannot be read ({error})", "save them again as safetensors, in float32 or float16"
        ) from error


def is_safetensors(path: Path) -> bool:
    """Tell by its first bytes whether a file is laid out as safetensors; false where it cannot be read."""
    # To open a pipe is to wait for its writer.
    if not path.is_file():
        return False
    try:
        with path.open("rb") as stream:
            head = stream.read(9)
            size = stream.seek(0, os.SEEK_END)
    except OSError:
        return False
    # Eight bytes of header length, then a JSON object: no text file states so small a number.
    return head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= size


def read_header(path: Path) -> dict[str, Any]:
    """Return the JSON header of one of our safetensors files, without reading the tensors.

    Raises
    ------
    CheckpointError
        The file is missing, not safetensors, damaged, or not one of ours.
    """
    try:
        with safe_open(path, framework="numpy") as stream:
            text = (stream.metadata() or {}).get(_HEADER_KEY)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(
            f"{path}: not a readable safetensors file ({error})", "check the path, or make the file again"
        ) from error
    if text is None:
        raise CheckpointError(f"{path}: a safetensors file without a tsmfeat header", "pass a checkpoint of tsmfeat's")
    try:
        header = json.loads(text)
    except ValueError:
        header = None
    if not isinstance(header, dict):
        raise CheckpointError(f"{path}: its tsmfeat header is not a JSON object", "the file is damaged: make it again")
    return header
