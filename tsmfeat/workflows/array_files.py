"""Files of one array each: finding them, what their headers say, and their rows as float16 in little memory."""

import math
import warnings
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tokenize import TokenError
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from tsmfeat.errors import InputError
from tsmfeat.values.features import require_valid_video_id

SUFFIX = ".npy"
# What an exported store says of its arrays.
INDEX_NAME = "features.json"
# Recognised only to be refused with a remedy.
ARCHIVE_SUFFIX = ".npz"
_BLOCK_BYTES = 1 << 22
_MOST_ROWS = 2**31 - 1
_LARGEST = float(np.finfo(np.float16).max)
# What numpy raises over a header that is none.
_HEADER_ERRORS = (ValueError, TypeError, SyntaxError, TokenError, OverflowError, RecursionError, MemoryError)
_HEADER_READERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


@dataclass(frozen=True)
class ArrayFile:
    """One array on disk, as its header tells.

    Parameters
    ----------
    path
        The file.
    dtype
        A floating type of 2, 4 or 8 bytes, of any byte order.
    shape
        (N, D).
    offset
        Where the values begin.
    order
        ``"C"`` or ``"F"``.
    """

    path: Path
    dtype: np.dtype[Any]
    shape: tuple[int, int]
    offset: int
    order: Literal["C", "F"]


def holds_arrays(folder: Path) -> bool:
    """Return whether there is an array, or an archive of some, anywhere in a folder; or a store was exported to it."""
    if not folder.is_dir():
        return False
    return (folder / INDEX_NAME).exists() or any(p.suffix in (SUFFIX, ARCHIVE_SUFFIX) for p in folder.rglob("*"))


def find_arrays(folder: Path, id_rule: str) -> tuple[dict[str, Path], list[str]]:
    """Return the files of a folder and its subfolders by video id, and what is wrong with their names.

    Parameters
    ----------
    folder
        Hidden files and folders are passed over.
    id_rule
        ``"stem"``: the file name without its suffix. ``"path"``: the POSIX path relative to the folder.
    """
    found: dict[str, Path] = {}
    problems = []
    for path in sorted(folder.rglob("*")):
        below = path.relative_to(folder)
        if path.suffix not in (SUFFIX, ARCHIVE_SUFFIX) or any(part.startswith(".") for part in below.parts):
            continue
        if path.suffix == ARCHIVE_SUFFIX:
            problems.append(f"{below.as_posix()}: an archive; each array is a .npy file of its own")
            continue
        video_id = below.as_posix()[: -len(SUFFIX)] if id_rule == "path" else path.stem
        if video_id in found:
            problems.append(f"{below.as_posix()}: another file is video {video_id!r} already (--id path tells apart)")
            continue
        try:
            require_valid_video_id(video_id)
        except InputError as error:
            problems.append(f"{str(below)!r}: {error.message}")
            continue
        found[video_id] = path
    return found, problems


def read_shape(path: Path) -> ArrayFile:
    """Read the header of an array, and check that the file is as long as it says; no value is read.

    Raises
    ------
    ValueError
        The rule that is broken. Nothing is ever unpickled.
    """
    try:
        with path.open("rb") as stream:
            shape, fortran, dtype = _read_header(stream)
            offset = stream.tell()
        num_bytes = path.stat().st_size
    except OSError as error:
        raise ValueError(f"cannot be read ({error.strerror or error})") from None
    if dtype.kind != "f" or dtype.itemsize > 8:
        raise ValueError(f"holds {dtype}; float16, float32 and float64 are read")
    if len(shape) != 2:
        raise ValueError(f"has shape {shape}; (N, D) is expected, one row an interval")
    if not (shape[1] > 0 and 0 <= shape[0] <= _MOST_ROWS):
        raise ValueError(f"has shape {shape}; a row has at least one value, and there are at most {_MOST_ROWS:,} rows")
    if (missing := offset + math.prod(shape) * dtype.itemsize - num_bytes) != 0:
        said = f"{missing:,} bytes are missing" if missing > 0 else f"{-missing:,} bytes follow its end"
        raise ValueError(f"is damaged: {said}, by what its header says")
    return ArrayFile(path, dtype, (shape[0], shape[1]), offset, "F" if fortran else "C")


def _read_header(stream: Any) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:  # noqa: ANN401 - numpy's own word
    try:
        version = np.lib.format.read_magic(stream)
        if version not in _HEADER_READERS:
            raise ValueError(f"version {version} is unknown")
        with warnings.catch_warnings():
            # Files of Python 2 are read with a warning.
            warnings.simplefilter("ignore")
            return _HEADER_READERS[version](stream)
    except _HEADER_ERRORS as error:
        raise ValueError(f"is no array that can be read ({error})") from None


def float16_blocks(array: ArrayFile, num_rows: int) -> Iterator[npt.NDArray[np.float16]]:
    """Yield the first rows of an array as float16, a few megabytes at a time."""
    for _, block in _raw_blocks(array, num_rows):
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            yield block.astype(np.float16)


def _raw_blocks(array: ArrayFile, num_rows: int) -> Iterator[tuple[int, npt.NDArray[Any]]]:
    if not num_rows:
        return
    rows = np.memmap(array.path, array.dtype, "r", array.offset, array.shape, array.order)
    size = max(1, _BLOCK_BYTES // (array.shape[1] * array.dtype.itemsize))
    for first in range(0, num_rows, size):
        yield first, rows[first : min(first + size, num_rows)]


def checksum_rows(array: ArrayFile, num_rows: int) -> int:
    """Return the CRC-32 of the first rows as little-endian float16, having checked every value.

    Raises
    ------
    ValueError
        The first row that holds NaN, infinity, or a number beyond the range of float16.
    """
    crc = 0
    for first, block in _raw_blocks(array, num_rows):
        _require_storable(first, block)
        with np.errstate(under="ignore"):
            crc = zlib.crc32(np.ascontiguousarray(block, "<f2").reshape(-1).view(np.uint8).data, crc)
    return crc


def _require_storable(first: int, block: npt.NDArray[Any]) -> None:
    # NaN fails every comparison, and so counts too.
    with np.errstate(invalid="ignore"):
        bad = ~(np.abs(block) <= _LARGEST)
    if not bad.any():
        return
    row, column = (int(place[0]) for place in np.nonzero(bad))
    value = float(block[row, column])
    rule = f"float16 ends at {_LARGEST:,.0f}" if math.isfinite(value) else "features are finite"
    raise ValueError(f"row {first + row} holds {value:g}; {rule}")
