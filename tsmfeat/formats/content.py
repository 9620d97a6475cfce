"""The bytes of a file, plain or gzipped, and errors that name it."""

import gzip
import io
import zlib
from pathlib import Path

from tsmfeat.errors import InputError
from tsmfeat.files import write_atomically

GZIP_MAGIC = b"\x1f\x8b"
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
# Text is held as Python objects many times its size: beyond this it is no table anybody submits.
TEXT_LIMIT_BYTES = 256 << 20


def require_no_pipe(path: Path) -> None:
    """Refuse what cannot be read more than once.

    Raises
    ------
    InputError
        A pipe, a socket or a device.
    """
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise InputError(
            f"{path}: no regular file, such as a pipe; it is read more than once", "save it to a file first"
        )


def read_content(path: Path, expected: str, limit: int | None = None, *, may_be_empty: bool = False) -> bytes:
    """Return a file's content, unzipped if it is gzip and without a byte order mark.

    Parameters
    ----------
    path
        The file.
    expected
        What an empty file lacks, for the message.
    limit
        The most bytes, unzipped; None: as many as there are.
    may_be_empty
        Whether a file of nothing is legal.

    Raises
    ------
    InputError
        The file is missing, a folder, unreadable, empty, too large, or damaged gzip.
    """
    size = -1 if limit is None else limit + 1
    try:
        with path.open("rb") as stream:
            content = stream.read(size)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})", "check the path") from error
    if content.startswith(GZIP_MAGIC):
        try:
            content = gzip.decompress(content) if limit is None else _unzip_some(content, size)
        except (OSError, EOFError, zlib.error) as error:
            raise InputError(f"{path}: damaged gzip ({error})", "copy the file again") from error
    if limit is not None and len(content) > limit:
        raise InputError(f"{path}: more than {limit >> 20} MB of text; a table holds less", "split it by videos")
    content = content.removeprefix(BYTE_ORDER_MARK)
    if not may_be_empty and not content.strip():
        raise InputError(f"{path}: empty; {expected} is expected", "copy or make the file again")
    return content


def _unzip_some(content: bytes, size: int) -> bytes:
    with gzip.open(io.BytesIO(content)) as unzipped:
        return unzipped.read(size)


def read_text(path: Path, expected: str, *, may_be_empty: bool = False) -> str:
    """Return a text file's content, at most ``TEXT_LIMIT_BYTES`` of it.

    Raises
    ------
    InputError
        As `read_content`, or not UTF-8.
    """
    content = read_content(path, expected, TEXT_LIMIT_BYTES, may_be_empty=may_be_empty)
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(f"{path}:{line}: not UTF-8 text; {expected} is", "save it as UTF-8") from error


def write_content(path: Path, content: bytes) -> None:
    """Write a file whole or not at all; a name that ends in .gz is zipped, equal content giving equal bytes.

    Raises
    ------
    OutputError
        The disk is full or the folder cannot be written.
    """
    write_atomically(path, [gzip.compress(content, mtime=0) if path.suffix == ".gz" else content])
