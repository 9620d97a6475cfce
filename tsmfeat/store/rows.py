"""The rows of store files: mapped into memory, or read where so many maps would exhaust the file handles."""

import os
from collections.abc import Sequence
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from tsmfeat.errors import StoreError
from tsmfeat.store import schema
from tsmfeat.store.validation import FileIndex, FileStamp

# Each map holds a file handle, and a process has 1,024 of them by default.
MAX_MAPPED_FILES = 64

Rows = npt.NDArray[np.float16]


def map_files(indexes: Sequence[FileIndex]) -> list[Rows | None]:
    """Map the rows of a few files; of many files none is mapped, and `read_rows` reads them one by one.

    A mapped file keeps its content for the reader even when it is replaced or removed meanwhile.

    Returns
    -------
    maps
        float16 (N, D), read-only, for each file; None where there is no map.
    """
    if len(indexes) > MAX_MAPPED_FILES:
        return [None] * len(indexes)
    return [_map_file(index) for index in indexes]


def _map_file(index: FileIndex) -> Rows | None:
    if index.offset is None:
        return None
    shape = (int(index.columns["row_offset"][-1]), index.spec.embedding_size)
    with _open_unchanged(index) as stream:
        try:
            mapped = np.memmap(stream, schema.EMBEDDINGS_TYPE, "r", index.offset, shape)
        except OSError:
            # A file system that cannot map: `read_rows` reads.
            return None
    # As a plain array: slicing a memmap object costs ten times as much.
    return np.asarray(mapped)


def read_rows(index: FileIndex, first: int, last: int) -> Rows:
    """Read a half-open range of rows from a file.

    Raises
    ------
    StoreError
        The file was removed, replaced or cut since its index was read.
    """
    size = index.spec.embedding_size
    if first == last or index.offset is None:
        rows = np.empty((0, size), schema.EMBEDDINGS_TYPE)
    else:
        with _open_unchanged(index) as stream:
            stream.seek(index.offset + first * size * np.dtype(schema.EMBEDDINGS_TYPE).itemsize)
            rows = np.fromfile(stream, schema.EMBEDDINGS_TYPE, (last - first) * size).reshape(-1, size)
    rows.flags.writeable = False
    return rows


def _open_unchanged(index: FileIndex) -> BinaryIO:
    try:
        stream = index.path.open("rb")
    except OSError as error:
        raise _changed(index) from error
    info = os.fstat(stream.fileno())
    if FileStamp(info.st_dev, info.st_ino, info.st_size, info.st_mtime_ns) != index.stamp:
        stream.close()
        raise _changed(index)
    return stream


def _changed(index: FileIndex) -> StoreError:
    return StoreError(
        f"{index.path}: was removed or changed after the store had been opened; store files never change",
        "open the store again",
    )
