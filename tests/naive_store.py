"""A store file written from the document alone: plain h5py, nothing of ours; faults by `edit` and `spoil`."""

import hashlib
import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

SPEC = {
    "trunk": "resnet18",
    "checkpoint_digest": "0" * 64,
    "num_frames": 8,
    "step_seconds": 0.5,
    "clip_seconds": 0.5,
    "geometry": "square256",
    "resize_filter": "pil",
    "shift": True,
    "shift_div": 8,
    "precision": "fp32",
    "embedding_size": 4,
    "view": "",
    "reader": "",
    "sampling_version": 1,
}
ORDER = (
    "video_id_bytes video_id_offset row_offset embedding_crc32 duration_seconds start_seconds num_intervals "
    "num_frames_decoded num_bad_packets num_repeated_frames distinct_frames status decoder source_size source_sha256"
).split()


def legal_content() -> dict[str, Any]:
    """Return the content of a legal file with the videos "a" (3 intervals) and "né" (2 intervals)."""
    table = np.arange(20, dtype="<f2").reshape(5, 4)
    arrays = {
        "video_id_bytes": np.frombuffer("ané".encode(), np.uint8),
        "video_id_offset": np.array([0, 1, 4], "<i8"),
        "row_offset": np.array([0, 3, 5], "<i8"),
        "embedding_crc32": np.array([zlib.crc32(table[:3].tobytes()), zlib.crc32(table[3:].tobytes())], "<u4"),
        "duration_seconds": np.array([1.75, 1.0], "<f8"),
        "start_seconds": np.array([0.0, -0.5], "<f8"),
        "num_intervals": np.array([3, 2], "<i4"),
        "num_frames_decoded": np.array([42, 24], "<i4"),
        "num_bad_packets": np.array([0, 1], "<i4"),
        "num_repeated_frames": np.array([2, 0], "<i4"),
        "distinct_frames": np.array([8, 7, 8, 6, 5], "u1"),
        "status": np.array([0, 1], "u1"),
        "decoder": np.array([1, 0], "u1"),
        "source_size": np.array([2**40, 5], "<i8"),
    }
    spec = json.dumps(SPEC, sort_keys=True, separators=(",", ":"))
    attrs = {
        "format": "tsmfeat-features",
        "version_major": 1,
        "version_minor": 0,
        "spec": spec,
        "spec_sha256": hashlib.sha256(spec.encode()).hexdigest(),
        "created": "2026-01-31T12:00:00+00:00",
        "generator": "by hand",
    }
    return {"arrays": arrays, "attrs": attrs, "embeddings": table}


def write_naive_store(
    path: Path,
    edit: Callable[[dict[str, Any]], object] | None = None,
    spoil: Callable[[h5py.File], object] | None = None,
    **options: Any,
) -> None:
    """Write a legal file; `edit` changes its content first (the index CRC still fits), `spoil` the file afterwards."""
    content = legal_content()
    if edit is not None:
        edit(content)
    arrays, attrs = content["arrays"], content["attrs"]
    crc = 0
    for name in ORDER:
        if name in arrays:
            crc = zlib.crc32(arrays[name].tobytes(), crc)
    crc = zlib.crc32(attrs["spec_sha256"].encode(), crc)
    with h5py.File(path, "w", **{"alignment_threshold": 1, "alignment_interval": 64} | options) as file:
        for name, value in ({"index_crc32": crc} | attrs).items():
            if isinstance(value, str):
                kind = h5py.string_dtype("utf-8", max(1, len(value.encode())))
                file.attrs.create(name, np.bytes_(value.encode()), dtype=kind)
            else:
                file.attrs.create(name, value if isinstance(value, np.ndarray) else np.uint32(value))
        for name, values in (arrays | {"embeddings": content["embeddings"]}).items():
            file.create_dataset(name, data=values)
        if spoil is not None:
            spoil(file)
