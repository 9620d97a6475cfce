"""The two formats of torch's files, opened without running anything of them: what they hold, and where."""

import os
import struct
import sys
from collections.abc import Callable
from functools import cache, partial
from typing import IO, Any
from zipfile import BadZipFile, ZipFile

import torch

from tsmfeat.trunk.inert import StoredNumbers
from tsmfeat.trunk.listing import printable
from tsmfeat.trunk.unpickling import InertUnpickler

_ZIP_START = b"PK\x03\x04"
_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_VERSION = 1001
_OTHER_ORDER = "its numbers have another byte order than this machine's"

LoadNumbers = Callable[[StoredNumbers], bytes]
# Where the bytes of each storage begin, and how many they are.
_Places = dict[str, tuple[int, int]]


def open_inert(stream: IO[bytes]) -> tuple[Any, LoadNumbers]:
    """Open a file that torch wrote.

    Parameters
    ----------
    stream
        The file, open in binary while numbers are loaded.

    Returns
    -------
    content, load_numbers
        What `InertUnpickler` makes of the file's pickle, and a function that reads the bytes of a storage.

    Raises
    ------
    Exception
        Any of `tsmfeat.trunk.reading.DAMAGED`: the file is damaged, or no file of torch's.
    """
    stream.seek(0)
    is_zip = stream.read(4) == _ZIP_START
    stream.seek(0)
    return _open_zip(stream) if is_zip else _open_legacy(stream)


def _open_zip(stream: IO[bytes]) -> tuple[Any, LoadNumbers]:
    archive = _open_archive(stream)
    names = [name for name in archive.namelist() if name.count("/") == 1 and name.endswith("/data.pkl")]
    if len(names) != 1:
        raise BadZipFile(f"{len(names)} files data.pkl in the archive")
    root = names[0].removesuffix("data.pkl")
    byteorder = root + "byteorder"
    if byteorder in archive.namelist() and archive.read(byteorder).decode("ascii") != sys.byteorder:
        raise ValueError(_OTHER_ORDER)
    with archive.open(names[0]) as pickled:
        content = InertUnpickler(pickled).load()
    return content, lambda numbers: archive.read(f"{root}data/{numbers.key}")


def _open_legacy(stream: IO[bytes]) -> tuple[Any, LoadNumbers]:
    magic, version, machine = (InertUnpickler(stream).load() for _ in range(3))
    if magic != _LEGACY_MAGIC or version != _LEGACY_VERSION:
        raise ValueError("not the format of torch.save")
    if not isinstance(machine, dict) or machine.get("little_endian") is not (sys.byteorder == "little"):
        raise ValueError(_OTHER_ORDER)
    reader = InertUnpickler(stream)
    content, keys = reader.load(), InertUnpickler(stream).load()
    places = partial(_find_storages, stream, stream.tell(), keys, reader.storages)
    return content, partial(_read_storage, stream, cache(places))


def _read_storage(stream: IO[bytes], places: Callable[[], _Places], numbers: StoredNumbers) -> bytes:
    start, size = places()[numbers.key]
    stream.seek(start)
    return stream.read(size)


def _find_storages(stream: IO[bytes], begin: int, keys: list[str], storages: dict[str, StoredNumbers]) -> _Places:
    """Return where each storage's bytes begin, and their number; they follow each other, a count before each."""
    places = {}
    stream.seek(begin)
    for key in keys:
        (count,) = struct.unpack("<q", stream.read(8))
        size = storages[key].count * getattr(torch, storages[key].dtype).itemsize
        if count != storages[key].count:
            raise ValueError(f"storage {printable(key)} has {count} numbers instead of {storages[key].count}")
        places[key] = stream.tell(), size
        stream.seek(size, os.SEEK_CUR)
    # Which storage is the last depends on addresses in memory: the cut one may be none of those that are asked for.
    if stream.tell() > stream.seek(0, os.SEEK_END):
        raise EOFError("the file ends within its last storage")
    return places


def _open_archive(stream: IO[bytes]) -> ZipFile:
    """Open an archive, which may hold no more than the file does: torch compresses nothing.

    Raises
    ------
    BadZipFile
        No archive, a small file that would unfold to a large one, or a changed byte: torch itself does not compare the
        checksums that it writes.
    """
    archive = ZipFile(stream)
    if sum(entry.file_size for entry in archive.infolist()) > stream.seek(0, os.SEEK_END):
        raise BadZipFile("its entries are compressed or overlap, which torch never does")
    if (name := archive.testzip()) is not None:
        raise BadZipFile(f"a byte of {printable(name)} has changed, its checksum is another")
    return archive
