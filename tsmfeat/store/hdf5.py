"""Reading HDF5 without trusting it: fixed names, hard links, exact types, complete storage (`FAULTS.md` 4).

Every function raises ``ValueError`` with what was found; HDF5 itself raises a mixture of ``OSError``, ``RuntimeError``,
``KeyError`` and ``TypeError``. The caller (`tsmfeat.store.validation`) turns all of them into one error with the path.
Links are never listed or visited: doing so in a torn file can allocate without bound.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
import numpy.typing as npt

from tsmfeat.store import schema

# An object of h5py's, which has no types.
Handle = Any


class StoredArray(NamedTuple):
    """A dataset that passed every check, and where its bytes lie; an array without bytes has no offset."""

    dataset: Handle
    shape: tuple[int, ...]
    offset: int | None


@contextmanager
def open_root(path: Path) -> Iterator[Handle]:
    """Open the root group of a file for reading, without locks: store files never change."""
    with h5py.File(path, "r", locking=False) as file:
        if file.userblock_size:
            raise ValueError("it has a user block; store files have none")
        yield file["/"].id


def read_text(root: Handle, name: str) -> str:
    """Return a text attribute of fixed length."""
    attribute = _open_scalar(root, name)
    kind = attribute.get_type()
    if not isinstance(kind, h5py.h5t.TypeStringID) or kind.is_variable_str():
        raise ValueError(f"attribute {name!r} is not a text of fixed length")
    if kind.get_size() > schema.MAX_TEXT_BYTES:
        raise ValueError(f"attribute {name!r} has {kind.get_size()} bytes; at most {schema.MAX_TEXT_BYTES} are legal")
    value = np.empty((), f"S{kind.get_size()}")
    attribute.read(value, kind)
    return bytes(value.item()).decode()


def read_number(root: Handle, name: str) -> int:
    """Return an unsigned 32-bit attribute."""
    attribute = _open_scalar(root, name)
    if not attribute.get_type().equal(_native_type(schema.NUMBER_TYPE)):
        raise ValueError(f"attribute {name!r} is not an unsigned 32-bit number")
    value = np.empty((), schema.NUMBER_TYPE)
    attribute.read(value)
    return int(value)


def has_name(root: Handle, name: str) -> bool:
    """Return whether the root group has a link of this name, whatever it points to."""
    return bool(root.links.exists(name.encode()))


def read_column(root: Handle, column: schema.Column, file_size: int) -> npt.NDArray[Any]:
    """Return an index array whose type, rank and storage are exactly those of the schema."""
    stored = locate(root, column.name, column.dtype, 2 if column.width else 1, file_size)
    if column.width and stored.shape[1] != column.width:
        raise ValueError(f"{column.name!r} has rows of {stored.shape[1]}; expected {column.width}")
    values = np.empty(stored.shape, column.dtype)
    if stored.offset is not None:
        stored.dataset.read(h5py.h5s.ALL, h5py.h5s.ALL, values)
    return values


def locate(root: Handle, name: str, dtype: str, rank: int, file_size: int) -> StoredArray:
    """Find a dataset, refusing anything but plain contiguous bytes that lie wholly in this file.

    Parameters
    ----------
    root
        The root group of `open_root`.
    name, dtype, rank
        What the schema states.
    file_size
        Bytes of the file.
    """
    dataset = _open_hard_link(root, name)
    if not dataset.get_type().equal(_native_type(dtype)):
        raise ValueError(f"{name!r} is not of type {dtype}")
    _require_plain_layout(dataset, name)
    shape = _shape_of(dataset, name, rank)
    # Python's own integers: the product of hostile extents would overflow any other.
    expected = np.dtype(dtype).itemsize
    for extent in shape:
        expected *= extent
    if expected == 0:
        return StoredArray(dataset, shape, None)
    offset = dataset.get_offset()
    if dataset.get_storage_size() != expected or offset is None or offset + expected > file_size:
        raise ValueError(f"{name!r} of shape {shape} needs {expected} bytes, but they are not in the file")
    return StoredArray(dataset, shape, offset)


def _open_scalar(root: Handle, name: str) -> Handle:
    if not h5py.h5a.exists(root, name.encode()):
        raise ValueError(f"attribute {name!r} is missing")
    attribute = h5py.h5a.open(root, name.encode())
    if attribute.get_space().get_simple_extent_type() != h5py.h5s.SCALAR:
        raise ValueError(f"attribute {name!r} is not a single value")
    return attribute


def _open_hard_link(root: Handle, name: str) -> Handle:
    if not has_name(root, name):
        raise ValueError(f"{name!r} is missing")
    if root.links.get_info(name.encode()).type != h5py.h5l.TYPE_HARD:
        raise ValueError(f"{name!r} is a soft or external link; store files have hard links only")
    found = h5py.h5o.open(root, name.encode())
    if not isinstance(found, h5py.h5d.DatasetID):
        raise ValueError(f"{name!r} is not a dataset")
    return found


def _require_plain_layout(dataset: Handle, name: str) -> None:
    plist = dataset.get_create_plist()
    if plist.get_layout() != h5py.h5d.CONTIGUOUS:
        raise ValueError(f"{name!r} is chunked, compact or virtual; store files are contiguous")
    if plist.get_external_count():
        raise ValueError(f"{name!r} keeps its bytes in another file; store files are complete in themselves")
    if plist.get_nfilters():
        raise ValueError(f"{name!r} has a filter; store files have none")


def _shape_of(dataset: Handle, name: str, rank: int) -> tuple[int, ...]:
    space = dataset.get_space()
    if space.get_simple_extent_type() != h5py.h5s.SIMPLE or space.get_simple_extent_ndims() != rank:
        raise ValueError(f"{name!r} has not {rank} axes")
    return tuple(int(extent) for extent in space.get_simple_extent_dims())


@cache
def _native_type(dtype: str) -> Handle:
    return h5py.h5t.py_create(np.dtype(dtype))
