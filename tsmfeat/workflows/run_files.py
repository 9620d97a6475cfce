"""Files of run records: one JSON object a line, appended whole, read whatever else the file holds."""

import errno
import fcntl
import json
import os
import stat
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tsmfeat.errors import InputError, OutputError
from tsmfeat.files import make_folder, sha256_text

RUNS_NAME = "runs.jsonl"
FORMAT = "tsmfeat-run"
_ID_LENGTH = 8
# Who holds the lock writes a few kB: anybody who needs longer hangs, and a record is not worth waiting for that.
_LOCK_SECONDS = 10.0
_SECONDS_BETWEEN_LOOKS = 0.01
_NO_LOCKS = {errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL}


@dataclass(frozen=True)
class Run:
    """One record, and where it stands.

    Parameters
    ----------
    id
        The first digits of the SHA-256 of its line.
    file, line
        Place; lines count from 1.
    record
        What `tsmfeat.workflows.run_records` wrote.
    """

    id: str
    file: str
    line: int
    record: dict[str, Any]


@dataclass(frozen=True)
class BadLine:
    """A line that is no record, where it stands, and why it is none."""

    file: str
    line: int
    reason: str


def append_run(path: Path, record: dict[str, Any]) -> None:
    """Append a record to a file as one line, whole or not at all.

    One write under a lock: processes that append at the same time lose nothing, and a full disk leaves the file as it
    was. A torn last line of another program's making stays a line of its own.

    Parameters
    ----------
    path
        The file, made if needed with its folder.
    record
        JSON-able.

    Raises
    ------
    OutputError
        It cannot be written, or another process holds the lock and does not let go.
    """
    # Escapes for all but ASCII: names of files may be no text in any encoding.
    line = json.dumps({"format": FORMAT, **record}, sort_keys=True, separators=(",", ":"), allow_nan=False) + "\n"
    make_folder(path.parent)
    try:
        _append(path, line.encode())
    except OSError as error:
        raise OutputError(f"{path}: cannot be appended to ({error.strerror or error})", "see --record") from error


def _append(path: Path, line: bytes) -> None:
    # Not to wait, where a pipe has this name, for its reader.
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK
    descriptor = os.open(path, flags, 0o644)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "not a regular file")
        _lock(descriptor)
        size = os.fstat(descriptor).st_size
        is_torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
        whole = b"\n" + line if is_torn else line
        if os.write(descriptor, whole) < len(whole):
            os.ftruncate(descriptor, size)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> None:
    """Wait for the lock, but not for ever; closing the file lets it go."""
    deadline = time.monotonic() + _LOCK_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise OSError(errno.EAGAIN, "another process holds its lock") from None
            time.sleep(_SECONDS_BETWEEN_LOOKS)
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            return
        else:
            return


def find_run_files(paths: Sequence[str | Path]) -> list[Path]:
    """Return the files of records that some paths name: files as such, and those of our name in folders.

    Raises
    ------
    InputError
        A path does not exist, or there is no file of records.
    """
    found: dict[Path, Path] = {}
    for path in map(Path, paths):
        if not path.exists():
            raise InputError(f"{path}: no such file or folder", _how_to_get_one())
        for file in sorted(path.rglob(RUNS_NAME)) if path.is_dir() else [path]:
            found.setdefault(file.resolve(), file)
    if not found:
        raise InputError(f"no {RUNS_NAME} in {', '.join(map(str, paths))}", _how_to_get_one())
    return list(found.values())


def _how_to_get_one() -> str:
    return f"fit-heads, score --out, tune -o and ablate append to a {RUNS_NAME} beside what they write: name it"


def read_runs(files: Sequence[Path]) -> tuple[list[Run], list[BadLine]]:
    """Read the records of some files; lines that hold none are told apart, not refused.

    Parameters
    ----------
    files
        As `find_run_files` returns them.

    Returns
    -------
    runs, bad_lines
        In the order of the files and lines.

    Raises
    ------
    InputError
        A file cannot be read.
    """
    runs: list[Run] = []
    bad: list[BadLine] = []
    for file in files:
        try:
            lines = file.read_bytes().split(b"\n")
        except OSError as error:
            raise InputError(f"{file}: cannot be read ({error.strerror})", "check the path") from error
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            text = line.decode("utf-8", "replace")
            found = _parse(text)
            if isinstance(found, str):
                bad.append(BadLine(str(file), number, found))
            else:
                runs.append(Run(sha256_text(text)[:_ID_LENGTH], str(file), number, found))
    return runs, bad


def _parse(text: str) -> dict[str, Any] | str:
    """Return a line's record, or why there is none."""
    found: Any = None
    with suppress(ValueError, RecursionError):
        found = json.loads(text)
    if found is None:
        return "not JSON: torn, or not of ours"
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        return "JSON, but no record of a run"
    for name, kind in (("command", str), ("time", str), ("options", dict), ("scores", dict)):
        if not isinstance(found.get(name), kind):
            return f"a record without {name}"
    return found
