"""JSON files, plain or gzipped: bytes in, bytes out, and errors that name the file."""

import gzip
import json
import zlib
from pathlib import Path
from typing import Any

from tsmfeat.errors import InputError
from tsmfeat.files import write_atomically

_GZIP_MAGIC = b"\x1f\x8b"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
# JSON in UTF-8 has no NUL byte; every binary file a user may name by mistake has one early.
_HEAD_BYTES = 4096


def read_json_bytes(path: Path) -> bytes:
    """Return a file's content, unzipped if it is gzip and without a byte order mark.

    Raises
    ------
    InputError
        The file is missing, a folder, unreadable, empty, or damaged gzip.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})", "check the path") from error
    if content.startswith(_GZIP_MAGIC):
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error) as error:
            raise InputError(f"{path}: damaged gzip ({error})", "copy the file again") from error
    content = content.removeprefix(_BYTE_ORDER_MARK)
    if not content.strip():
        raise InputError(f"{path}: empty; a JSON object is expected", "copy or make the file again")
    return content


def parse_json(path: Path, content: bytes) -> tuple[Any, list[str]]:
    """Parse JSON as Python does, bare NaN and Infinity included, and list keys that occur twice in one object.

    Raises
    ------
    InputError
        The content is not JSON; line and column are named.
    """
    repeated: list[str] = []

    def collect(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            seen: set[str] = set()
            for key, _ in pairs:
                if key in seen:
                    repeated.append(key)
                seen.add(key)
        return found

    try:
        return json.loads(content, object_pairs_hook=collect), repeated
    except (ValueError, RecursionError) as error:
        if b"\0" in content[:_HEAD_BYTES]:
            raise InputError(
                f"{path}: binary data, such as a video, a store or heads; JSON is expected", "check the path"
            ) from error
        raise InputError(f"{path}: not JSON ({error})", "check that this is the right file, and whole") from error


def write_json_bytes(path: Path, content: bytes) -> None:
    """Write a file whole or not at all; a name that ends in .gz is zipped, equal content giving equal bytes.

    Raises
    ------
    OutputError
        The disk is full or the folder cannot be written.
    """
    write_atomically(path, [gzip.compress(content, mtime=0) if path.suffix == ".gz" else content])
