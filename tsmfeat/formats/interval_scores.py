"""Interval scores on disk: safetensors with a JSON header, so that other rules can be tried without the features.

Header: ``kind`` ``"interval-scores"``, ``version``, ``video_ids``, ``vocabulary``, ``scene_vocabulary``,
``step_seconds``, ``spec`` (of the features; null where unknown, a list where views are joined), ``record`` (how the
scores came to be) and ``crc32``.
Tensors: ``scores``, ``row_offset``, ``duration_seconds`` and, where scenes are known, ``scene_scores``, as in
`tsmfeat.values.predictions.IntervalScores`.
"""

import math
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tsmfeat.errors import CheckpointError, InputError, SpecMismatchError
from tsmfeat.files import canonical_json, is_safetensors, load_tensors, read_header, save_tensors
from tsmfeat.values.features import FeatureSpec, require_valid_video_id
from tsmfeat.values.predictions import IntervalScores
from tsmfeat.values.vocabulary import Vocabulary

KIND = "interval-scores"
VERSION = 1
_DTYPES = {
    "scores": ("float32", "float64"),
    "row_offset": ("int64",),
    "duration_seconds": ("float64",),
    "scene_scores": ("float64",),
}
_DAMAGED = "the file is damaged: copy it again, or make it anew with tsmfeat predict --save-scores"

Tensors = Mapping[str, npt.NDArray[Any]]
Header = dict[str, Any]


def write_interval_scores(
    scores: IntervalScores,
    path: Path | str,
    spec: FeatureSpec | Sequence[FeatureSpec] | None = None,
    record: Mapping[str, Any] | None = None,
) -> None:
    """Write interval scores whole or not at all.

    Parameters
    ----------
    scores
        What to write; scores, durations and scenes may be NaN, never infinite.
    path
        The file, replaced if it exists.
    spec
        Identity of the features that were scored; of each view where several are joined.
    record
        How the scores came to be, JSON-able; the program's version is added.

    Raises
    ------
    InputError
        A value that `read_interval_scores` would refuse.
    OutputError
        The file cannot be written.
    """
    tensors: dict[str, npt.NDArray[Any]] = {
        "scores": scores.scores,
        "row_offset": scores.row_offset,
        "duration_seconds": scores.duration_seconds,
    }
    if len(scores.scene_vocabulary) and scores.scene_scores is not None:
        tensors["scene_scores"] = np.asarray(scores.scene_scores, np.float64)
    # Readers need no package metadata, which takes 30 ms to load.
    from importlib.metadata import version

    header: Header = {
        "kind": KIND,
        "version": VERSION,
        "video_ids": list(scores.video_ids),
        "vocabulary": list(scores.vocabulary.names),
        "scene_vocabulary": list(scores.scene_vocabulary.names),
        "step_seconds": float(scores.step_seconds),
        "spec": _spec_content(spec),
        "record": {"tsmfeat": version("tsmfeat"), **(record or {})},
    }
    _require_types(Path(path), tensors)
    _build(Path(path), header, tensors)
    save_tensors(Path(path), tensors, {**header, "crc32": _checksum(header, tensors)})


def _spec_content(spec: FeatureSpec | Sequence[FeatureSpec] | None) -> dict[str, Any] | list[dict[str, Any]] | None:
    if spec is None or isinstance(spec, FeatureSpec):
        return None if spec is None else spec.to_dict()
    listed = [one.to_dict() for one in spec]
    return listed[0] if len(listed) == 1 else listed


def specs_in(header: Header) -> tuple[FeatureSpec, ...]:
    """Return what a header says of the features: a spec a view, none where it is unknown.

    Raises
    ------
    SpecMismatchError
        A field is missing or unknown: it was written by another version.
    """
    content = header["spec"]
    listed = content if isinstance(content, list) else [] if content is None else [content]
    return tuple(FeatureSpec.from_dict(one) for one in listed)


def read_interval_scores(path: Path | str) -> IntervalScores:
    """Read what `write_interval_scores` wrote.

    Raises
    ------
    CheckpointError
        Missing, not one of ours, of another kind, damaged (a checksum covers every byte that matters), or its parts
        do not fit each other.
    SpecMismatchError
        Written by another version.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> one = IntervalScores(("a",), Vocabulary(("run",)), np.array([0, 2]), np.array([[.9, .1], [.2, .8]]), 0.5,
    ...                      np.array([1.2]))
    >>> with TemporaryDirectory() as folder:
    ...     write_interval_scores(one, Path(folder, "a.scores"))
    ...     read_interval_scores(Path(folder, "a.scores")).scores.tolist()
    [[0.9, 0.1], [0.2, 0.8]]
    """
    return read_with_header(path)[0]


def read_with_header(path: Path | str) -> tuple[IntervalScores, Header]:
    """Return interval scores with the header of their file: ``spec`` and ``record`` say where they are from.

    Raises
    ------
    CheckpointError, SpecMismatchError
        As `read_interval_scores`.
    """
    place = Path(path)
    tensors, header = load_tensors(place, KIND, finite=False)
    if header.get("version") != VERSION:
        raise SpecMismatchError(
            f"{place}: interval scores of version {header.get('version')!r}; this program reads version {VERSION}",
            "use the version of tsmfeat that wrote it, or make them again",
        )
    _require_types(place, tensors)
    content = {key: value for key, value in header.items() if key != "crc32"}
    if header.get("crc32") != _checksum(content, tensors):
        raise CheckpointError(f"{place}: its content does not match its checksum", _DAMAGED)
    return _build(place, header, tensors), header


def holds_interval_scores(path: Path) -> bool:
    """Tell by its header whether a file is one of interval scores; it may still be a damaged one."""
    try:
        return is_safetensors(path) and read_header(path).get("kind") == KIND
    except CheckpointError:
        return False


def _checksum(header: Header, tensors: Tensors) -> int:
    found = zlib.crc32(canonical_json(header).encode())
    for name in sorted(tensors):
        values = np.ascontiguousarray(tensors[name])
        found = zlib.crc32(canonical_json([name, values.dtype.str, list(values.shape)]).encode(), found)
        found = zlib.crc32(values.reshape(-1).view(np.uint8).data, found)
    return found


def _require_types(path: Path, tensors: Tensors) -> None:
    names = set(tensors)
    if not set(_DTYPES) - {"scene_scores"} <= names <= set(_DTYPES):
        raise CheckpointError(
            f"{path}: holds the tensors {', '.join(sorted(names))}; expected {', '.join(_DTYPES)}", _DAMAGED
        )
    for name, values in tensors.items():
        if values.dtype.name not in _DTYPES[name]:
            wanted = " or ".join(_DTYPES[name])
            raise CheckpointError(f"{path}: tensor {name!r} is {values.dtype}; expected {wanted}", _DAMAGED)
        if np.isinf(values).any():
            raise CheckpointError(f"{path}: tensor {name!r} holds infinity; what is unknown is NaN", _DAMAGED)


def _build(path: Path, header: Header, tensors: Tensors) -> IntervalScores:
    """Return the value that header and tensors make; what they say is checked against each other."""
    try:
        _require_fields(header)
        _require_columns(tensors)
        return IntervalScores(
            tuple(header["video_ids"]),
            Vocabulary(tuple(header["vocabulary"])),
            tensors["row_offset"],
            tensors["scores"],
            header["step_seconds"],
            tensors["duration_seconds"],
            Vocabulary(tuple(header["scene_vocabulary"])),
            tensors.get("scene_scores"),
        )
    except (InputError, SpecMismatchError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path}: its parts do not fit each other ({error})", _DAMAGED) from error


def _require_fields(header: Header) -> None:
    for name in ("video_ids", "vocabulary", "scene_vocabulary"):
        if not isinstance(header[name], list):
            raise TypeError(f"{name} is no list")
    for video_id in header["video_ids"]:
        require_valid_video_id(video_id if isinstance(video_id, str) else "")
    step = header["step_seconds"]
    if not isinstance(step, float) or not (math.isfinite(step) and step > 0):
        raise ValueError(f"step {step!r} s; a step is a positive number of seconds")
    if not isinstance(header["record"], dict):
        raise TypeError("the record is no JSON object")
    specs_in(header)


def _require_columns(tensors: Tensors) -> None:
    if tensors["row_offset"].ndim != 1 or not len(tensors["row_offset"]):
        raise ValueError(f"row offsets of shape {tensors['row_offset'].shape}")
    if tensors["duration_seconds"].ndim != 1 or (tensors["duration_seconds"] < 0).any():
        raise ValueError("a duration is a number of seconds, 0 or more")
