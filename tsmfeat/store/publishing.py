"""The one path by which a store file comes to be: image and rows under a temporary name, checked, then published."""

import shutil
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from tsmfeat.errors import OutputError, StoreError
from tsmfeat.files import write_atomically
from tsmfeat.store.image import StoreImage
from tsmfeat.store.validation import read_index


def timestamp_now() -> str:
    """Return the present time in UTC as ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def publish_file(path: Path, image: StoreImage, rows: Iterable[memoryview], *, replace: bool) -> None:
    """Write a store file so that its name only ever shows a whole, checked file.

    Parameters
    ----------
    path
        The final name; its folder must exist.
    image
        The index image.
    rows
        The bytes of the rows, in order.
    replace
        Whether an existing file is replaced.

    Raises
    ------
    OutputError
        No room, or the folder cannot be written; nothing is left behind.
    FileExistsError
        The name exists and `replace` is false.
    """
    _require_room(path, image.num_bytes)
    try:
        write_atomically(path, _chunks(image, rows), replace=replace, check=_require_readable)
    except OutputError as error:
        raise OutputError(f"{error.message}; {_room(path, image.num_bytes)}", error.hint) from error


def _chunks(image: StoreImage, rows: Iterable[memoryview]) -> Iterable[bytes | memoryview]:
    yield image.head
    yield from (chunk for chunk in rows if chunk.nbytes)


def _require_readable(temporary: Path) -> None:
    try:
        read_index(temporary)
    except StoreError as error:
        raise OutputError(
            f"what was written cannot be read back ({error.message})", "check the disk, run the same command again"
        ) from error


def _require_room(path: Path, num_bytes: int) -> None:
    # A courtesy: it spares a long write that is bound to fail, but only the write itself decides.
    if shutil.disk_usage(path.parent).free < num_bytes:
        raise OutputError(f"{path}: no room; {_room(path, num_bytes)}", "free some space or choose another folder")


def _room(path: Path, num_bytes: int) -> str:
    return f"{num_bytes:,} bytes needed, {shutil.disk_usage(path.parent).free:,} free"
