"""What must hold before a single row of a store file is believed: the checks made at every opening."""

import json
import stat
from dataclasses import dataclass, fields
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tsmfeat.errors import SpecMismatchError, StoreError
from tsmfeat.files import sha256_text
from tsmfeat.store import schema
from tsmfeat.store.hdf5 import Handle, has_name, locate, open_root, read_column, read_number, read_text
from tsmfeat.store.image import Columns, index_crc32
from tsmfeat.values.features import Decoder, FeatureSpec, VideoStatus

_REMEDY = "run the same `tsmfeat extract` again to redo its videos, or copy the file anew"


class FileStamp(NamedTuple):
    """What tells a file from another that took its name."""

    device: int
    inode: int
    num_bytes: int
    changed_ns: int


@dataclass(frozen=True, eq=False)
class FileIndex:
    """Everything a store file holds but its rows, checked.

    Parameters
    ----------
    path
        The file.
    spec
        Identity of its features.
    video_ids
        Ids of its V videos, in the order of their rows.
    columns
        Index arrays by name (`schema.COLUMNS`).
    offset
        Where the rows start in the file; None where there are none.
    stamp
        The file as it was when the index was read.
    created, generator
        When and by what it was made.
    version
        Major and minor version of the format.
    """

    path: Path
    spec: FeatureSpec
    video_ids: tuple[str, ...]
    columns: Columns
    offset: int | None
    stamp: FileStamp
    created: str
    generator: str
    version: tuple[int, int]


def read_index(path: Path) -> FileIndex:
    """Read and check the index of one store file; no row is read.

    Raises
    ------
    StoreError
        Missing, not a store file, or damaged: the first rule it breaks is named.
    SpecMismatchError
        Written in another major version of the format, or with spec fields unknown here.
    """
    stamp = stamp_of(path)
    try:
        with open_root(path) as root:
            return _read_checked(root, path, stamp)
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, OverflowError, MemoryError) as error:
        # All that HDF5 is known to raise for a damaged file, and our own ValueError.
        if "signature not found" in str(error):
            raise StoreError(
                f"{path}: damaged or not a feature store (it does not begin as an HDF5 file)",
                "name a store that `tsmfeat extract` wrote",
            ) from error
        raise StoreError(f"{path}: damaged or not a feature store ({error})", _REMEDY) from error


def stamp_of(path: Path) -> FileStamp:
    """Return the stamp of a regular file.

    Raises
    ------
    StoreError
        Missing, unreadable, or no regular file (opening a pipe would wait for ever).
    """
    try:
        info = path.stat()
    except OSError as error:
        raise StoreError(f"{path}: cannot be opened ({error.strerror})", "check the path") from error
    if not stat.S_ISREG(info.st_mode):
        raise StoreError(f"{path}: not a regular file; a store file is one", "pass the file itself")
    return FileStamp(info.st_dev, info.st_ino, info.st_size, info.st_mtime_ns)


def _read_checked(root: Handle, path: Path, stamp: FileStamp) -> FileIndex:
    version = _read_version(root, path)
    spec, spec_digest = _read_spec(root, path)
    columns = {
        column.name: read_column(root, column, stamp.num_bytes)
        for column in schema.COLUMNS
        if column.required or has_name(root, column.name)
    }
    if index_crc32(columns, spec_digest) != read_number(root, schema.INDEX_CRC_ATTRIBUTE):
        raise ValueError("the checksum of its index does not match")
    check_columns(columns)
    table = locate(root, schema.EMBEDDINGS, schema.EMBEDDINGS_TYPE, 2, stamp.num_bytes)
    num_rows = int(columns["row_offset"][-1])
    if table.shape != (num_rows, spec.embedding_size):
        raise ValueError(f"embeddings of shape {table.shape}; index and spec say {(num_rows, spec.embedding_size)}")
    if table.offset is not None and table.offset % schema.ALIGNMENT:
        raise ValueError(f"embeddings at offset {table.offset}; expected a multiple of {schema.ALIGNMENT}")
    return FileIndex(
        path=path,
        spec=spec,
        video_ids=decode_video_ids(columns["video_id_bytes"], columns["video_id_offset"]),
        columns=columns,
        offset=table.offset,
        stamp=stamp,
        created=read_text(root, schema.CREATED_ATTRIBUTE),
        generator=read_text(root, schema.GENERATOR_ATTRIBUTE),
        version=version,
    )


def _read_version(root: Handle, path: Path) -> tuple[int, int]:
    if (found := read_text(root, schema.FORMAT_ATTRIBUTE)) != schema.FORMAT:
        raise ValueError(f"attribute 'format' is {found[:40]!r}; expected {schema.FORMAT!r}")
    major = read_number(root, schema.MAJOR_ATTRIBUTE)
    if major != schema.VERSION_MAJOR:
        raise SpecMismatchError(
            f"{path}: format version {major}; this tsmfeat reads version {schema.VERSION_MAJOR}",
            "use the tsmfeat that wrote it, or a newer one",
        )
    return major, read_number(root, schema.MINOR_ATTRIBUTE)


def _read_spec(root: Handle, path: Path) -> tuple[FeatureSpec, str]:
    text, digest = read_text(root, schema.SPEC_ATTRIBUTE), read_text(root, schema.SPEC_DIGEST_ATTRIBUTE)
    if sha256_text(text) != digest:
        raise ValueError("its spec does not match the spec's digest")
    values = json.loads(text)
    if not isinstance(values, dict):
        raise ValueError("its spec is not a JSON object")
    try:
        spec = FeatureSpec.from_dict(values)
    except SpecMismatchError as error:
        raise SpecMismatchError(f"{path}: {error.message}", error.hint) from error
    check_spec_types(spec)
    return spec, digest


def check_spec_types(spec: FeatureSpec) -> None:
    """Check that every field of a spec is of its type.

    Raises
    ------
    ValueError
        Names the first that is not.
    """
    for field in fields(FeatureSpec):
        value = getattr(spec, field.name)
        if type(value) is not field.type and (type(value), field.type) != (int, float):
            raise ValueError(f"spec field {field.name!r} is {value!r}")


def check_columns(columns: Columns) -> None:
    """Check that index arrays agree with each other and hold only legal values.

    Raises
    ------
    ValueError
        The first rule broken.
    """
    num_videos = len(columns["video_id_offset"]) - 1
    if not 0 <= num_videos <= schema.MAX_VIDEOS:
        raise ValueError(f"{num_videos} videos; 0 to {schema.MAX_VIDEOS} are legal")
    lengths = {
        "bytes": len(columns["video_id_bytes"]),
        "bounds": num_videos + 1,
        "videos": num_videos,
        "intervals": len(columns["distinct_frames"]),
    }
    for column in schema.COLUMNS:
        if column.name in columns and len(columns[column.name]) != lengths[column.axis]:
            raise ValueError(f"{column.name!r} has length {len(columns[column.name])}; not {lengths[column.axis]}")
    _require_bounds("video_id_offset", columns["video_id_offset"], lengths["bytes"])
    _require_bounds("row_offset", columns["row_offset"], lengths["intervals"])
    if not np.array_equal(np.diff(columns["row_offset"]), columns["num_intervals"]):
        raise ValueError("num_intervals does not match row_offset")
    _require_legal_values(columns)


def _require_bounds(name: str, offsets: npt.NDArray[np.int64], total: int) -> None:
    # Comparing neighbours, since a difference of hostile values could overflow.
    if offsets[0] != 0 or offsets[-1] != total or (offsets[1:] < offsets[:-1]).any():
        raise ValueError(f"{name!r} does not rise from 0 to {total}")


def _require_legal_values(columns: Columns) -> None:
    for name in ("duration_seconds", "start_seconds"):
        if not np.isfinite(columns[name]).all():
            raise ValueError(f"{name!r} holds NaN or infinity")
    for name in schema.VIDEO_FIELDS:
        if name != "start_seconds" and (columns[name] < 0).any():
            raise ValueError(f"{name!r} holds a negative value")
    for name, kind in (("status", VideoStatus), ("decoder", Decoder)):
        if (columns[name] > max(kind)).any():
            raise ValueError(f"{name!r} holds an unknown code")


def decode_video_ids(blob: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64]) -> tuple[str, ...]:
    """Return the ids of a blob whose offsets are checked.

    The rules are those of `tsmfeat.values.features.require_valid_video_id`, for all ids at once.

    Raises
    ------
    ValueError
        An id is empty, too long, no UTF-8, has a control character, or is there twice.

    Examples
    --------
    >>> decode_video_ids(np.frombuffer("anö".encode(), np.uint8), np.array([0, 1, 4]))
    ('a', 'nö')
    """
    lengths = np.diff(offsets)
    if lengths.size and not (1 <= lengths.min() and lengths.max() <= schema.MAX_ID_BYTES):
        raise ValueError(f"a video id is empty or longer than {schema.MAX_ID_BYTES} bytes")
    if ((blob < 32) | (blob == 127)).any():
        raise ValueError("a video id has a control character")
    text = blob.tobytes()
    bounds = offsets.tolist()
    whole = text.decode()
    if len(whole) == len(text):
        video_ids = tuple([whole[a:b] for a, b in pairwise(bounds)])
    else:
        video_ids = tuple([text[a:b].decode() for a, b in pairwise(bounds)])
    if len(set(video_ids)) != len(video_ids):
        raise ValueError("a video id is there twice")
    return video_ids
