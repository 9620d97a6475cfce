"""The index image: all of a store file but its rows, built in memory so that HDF5 never touches the disk."""

import zlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from io import BytesIO
from typing import Any, NamedTuple

import h5py
import numpy as np
import numpy.typing as npt

from tsmfeat.store import schema
from tsmfeat.values.features import FeatureSpec, VideoFeatures

Columns = dict[str, npt.NDArray[Any]]


class StoreImage(NamedTuple):
    """The bytes before the rows, padded so that the rows follow at once, and the length of the whole file."""

    head: bytes
    num_bytes: int


def collect_columns(videos: Sequence[VideoFeatures]) -> Columns:
    """Return the index arrays of some videos, in their order.

    Parameters
    ----------
    videos
        Features with pairwise different ids.

    Returns
    -------
    columns
        The required arrays of `schema.COLUMNS` by name, in their exact types.
    """
    counts = [len(video.embeddings) for video in videos]
    columns: Columns = {name: np.array([getattr(v, name) for v in videos]) for name in schema.VIDEO_FIELDS}
    columns["num_intervals"] = np.array(counts)
    columns["row_offset"] = offsets_of(counts)
    columns["embedding_crc32"] = np.array([zlib.crc32(rows_as_bytes(v.embeddings)) for v in videos])
    columns["distinct_frames"] = np.concatenate([np.zeros(0, np.uint8), *[v.distinct_frames for v in videos]])
    columns |= encode_video_ids([video.video_id for video in videos])
    return columns


def offsets_of(counts: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """Return where each of some consecutive stretches starts, and where the last ends.

    Examples
    --------
    >>> offsets_of([3, 0, 2]).tolist()
    [0, 3, 3, 5]
    """
    return np.concatenate([[0], np.cumsum(np.asarray(counts, np.int64))]).astype(np.int64)


def encode_video_ids(video_ids: Sequence[str]) -> Columns:
    r"""Return the ids as one UTF-8 blob with offsets.

    Examples
    --------
    >>> columns = encode_video_ids(["a", "né"])
    >>> columns["video_id_bytes"].tobytes(), columns["video_id_offset"].tolist()
    (b'an\xc3\xa9', [0, 1, 4])
    """
    encoded = [video_id.encode() for video_id in video_ids]
    blob = np.frombuffer(b"".join(encoded), np.uint8)
    return {"video_id_bytes": blob, "video_id_offset": offsets_of([len(text) for text in encoded])}


def rows_as_bytes(rows: npt.NDArray[np.float16]) -> memoryview:
    """Return the little-endian bytes of some rows; no copy where they are contiguous."""
    return np.ascontiguousarray(rows, schema.EMBEDDINGS_TYPE).reshape(-1).view(np.uint8).data


def index_crc32(columns: Mapping[str, npt.NDArray[Any]], spec_digest: str) -> int:
    """Return the CRC-32 over the index arrays present, in the order of `schema.COLUMNS`, and the spec's digest."""
    crc = 0
    for column in schema.COLUMNS:
        if column.name in columns:
            crc = zlib.crc32(np.ascontiguousarray(columns[column.name], column.dtype).data, crc)
    return zlib.crc32(spec_digest.encode(), crc)


def build_image(spec: FeatureSpec, columns: Columns, created: str) -> StoreImage:
    """Build the index image of a store file.

    Equal arguments give equal bytes: nothing in it depends on the clock or on chance.

    Parameters
    ----------
    spec
        Identity of the features; its embedding size D is that of the rows to follow.
    columns
        Index arrays by name, as of `collect_columns`.
    created
        When the file was made, such as ``"2026-01-31T12:00:00+00:00"``.

    Returns
    -------
    image
        What to write before the rows. Its size does not grow with the rows.
    """
    exact = {c.name: np.ascontiguousarray(columns[c.name], c.dtype) for c in schema.COLUMNS if c.name in columns}
    num_rows = int(exact["row_offset"][-1])
    stream = BytesIO()
    with h5py.File(stream, "w", alignment_threshold=1, alignment_interval=schema.ALIGNMENT, track_order=False) as file:
        _write_attributes(file, spec, index_crc32(exact, spec.digest()), created)
        for name, values in exact.items():
            file.create_dataset(name, data=values, track_times=False)
        offset = _reserve_embeddings(file, num_rows, spec.embedding_size)
    head = stream.getvalue()
    if offset is None:
        return StoreImage(head, len(head))
    if len(head) > offset:
        raise RuntimeError(f"HDF5 placed {len(head) - offset} bytes of the index behind the rows")
    row_bytes = spec.embedding_size * np.dtype(schema.EMBEDDINGS_TYPE).itemsize
    return StoreImage(head.ljust(offset, b"\0"), offset + num_rows * row_bytes)


def _write_attributes(file: h5py.File, spec: FeatureSpec, crc: int, created: str) -> None:
    texts = {
        schema.FORMAT_ATTRIBUTE: schema.FORMAT,
        schema.SPEC_ATTRIBUTE: spec.canonical(),
        schema.SPEC_DIGEST_ATTRIBUTE: spec.digest(),
        schema.CREATED_ATTRIBUTE: created,
        schema.GENERATOR_ATTRIBUTE: _generator(),
    }
    for name, text in texts.items():
        # Of fixed length: a text of variable length would lie in a heap of its own, one more thing to check.
        encoded = text.encode()
        file.attrs.create(name, np.bytes_(encoded), dtype=h5py.string_dtype("utf-8", max(1, len(encoded))))
    numbers = {
        schema.MAJOR_ATTRIBUTE: schema.VERSION_MAJOR,
        schema.MINOR_ATTRIBUTE: schema.VERSION_MINOR,
        schema.INDEX_CRC_ATTRIBUTE: crc,
    }
    for name, number in numbers.items():
        file.attrs.create(name, np.array(number, schema.NUMBER_TYPE))


def _generator() -> str:
    """Return who made a file: this project, and the decoders it may have read with."""
    named = []
    for name in ("tsmfeat", "av", "decord", "torchcodec"):
        with suppress(PackageNotFoundError):
            named.append(f"{name} {version(name)}")
    return ", ".join(named)


def _reserve_embeddings(file: h5py.File, num_rows: int, size: int) -> int | None:
    # Allocated early and never filled: HDF5 fixes the place of the rows without making or writing them.
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_layout(h5py.h5d.CONTIGUOUS)
    plist.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    plist.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    plist.set_obj_track_times(False)
    space = h5py.h5s.create_simple((num_rows, size))
    kind = h5py.h5t.py_create(np.dtype(schema.EMBEDDINGS_TYPE))
    dataset = h5py.h5d.create(file.id, schema.EMBEDDINGS.encode(), kind, space, plist)
    offset: int | None = dataset.get_offset()
    return offset
