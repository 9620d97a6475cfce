"""`features.json`: what a folder of arrays cannot say by itself, so that it becomes the same store again."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from tsmfeat.errors import InputError, SpecMismatchError
from tsmfeat.files import write_text
from tsmfeat.store.streaming import VideoRecord
from tsmfeat.store.validation import check_spec_types
from tsmfeat.values.features import Decoder, FeatureSpec, VideoStatus, require_valid_video_id
from tsmfeat.workflows.array_files import INDEX_NAME, SUFFIX

_FORMAT = "tsmfeat-arrays"
_VERSION = 1
_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.")
# File systems end at 255 bytes; the rest is for the digest, the suffix and a temporary name around it.
_LONGEST = 150
_DIGITS = 16
_CODES: dict[str, type[VideoStatus] | type[Decoder]] = {"status": VideoStatus, "decoder": Decoder}
_ARRAYS = ("distinct_frames",)


@dataclass(frozen=True, eq=False)
class IndexedArrays:
    """What `features.json` says.

    Parameters
    ----------
    spec
        Identity of the features.
    records
        The videos.
    names
        File name of each video, by its id.
    """

    spec: FeatureSpec
    records: tuple[VideoRecord, ...]
    names: dict[str, str]


def name_files(video_ids: Iterable[str]) -> dict[str, str]:
    """Return a safe file name for each id: pairwise different, also where upper and lower case are not told apart.

    All but plain ASCII letters, digits, ``-``, ``_`` and ``.`` stands as ``%`` and its bytes in hexadecimal. What is
    long, or equals another name but for case, ends in ``~`` and a digest of the id.

    Examples
    --------
    >>> name_files(["a", "day 1/cam", "..", "A"])
    {'a': 'a.npy', 'day 1/cam': 'day%201%2Fcam.npy', '..': '%2E..npy', 'A': 'A~559aead08264d579.npy'}
    """
    names: dict[str, str] = {}
    taken: set[str] = set()
    for video_id in video_ids:
        text = "".join(chr(byte) if byte in _PLAIN else f"%{byte:02X}" for byte in video_id.encode())
        # A leading dot would hide the file.
        text = "%2E" + text[1:] if text.startswith(".") else text
        if len(text) > _LONGEST or text.lower() in taken:
            text = f"{text[:_LONGEST]}~{sha256(video_id.encode()).hexdigest()[:_DIGITS]}"
        taken.add(text.lower())
        names[video_id] = text + SUFFIX
    return names


def write_array_index(
    folder: Path, spec: FeatureSpec, records: Iterable[VideoRecord], names: Mapping[str, str]
) -> None:
    """Write `features.json`, a line a video."""
    head = json.dumps({"format": _FORMAT, "version": _VERSION, "spec": spec.to_dict()}, ensure_ascii=False)
    lines = [json.dumps({"file": names[record.video_id]} | _describe(record), ensure_ascii=False) for record in records]
    write_text(folder / INDEX_NAME, f'{head[:-1]}, "videos": [\n' + ",\n".join(lines) + "\n]}\n")


def _describe(record: VideoRecord) -> dict[str, Any]:
    values = {field.name: getattr(record, field.name) for field in fields(VideoRecord)}
    values |= {name: values[name].name.lower() for name in _CODES}
    return values | {name: values[name].tolist() for name in _ARRAYS}


def read_array_index(folder: Path) -> IndexedArrays:
    """Read `features.json`.

    Raises
    ------
    InputError
        It is damaged, of another version, or says what cannot be; the first such thing is named.
    SpecMismatchError
        Its spec is that of another version.
    """
    path = folder / INDEX_NAME
    try:
        content = json.loads(path.read_bytes())
        if not isinstance(content, dict) or content.get("format") != _FORMAT:
            raise ValueError(f"its format is not {_FORMAT!r}")
        if content.get("version") != _VERSION:
            raise ValueError(f"version {content.get('version')!r}; this tsmfeat reads version {_VERSION}")
        spec = FeatureSpec.from_dict(dict(content["spec"]))
        check_spec_types(spec)
        return _index(spec, [dict(entry) for entry in content["videos"]])
    except SpecMismatchError as error:
        raise SpecMismatchError(f"{path}: cannot be used ({error.message})", error.hint) from error
    except KeyError as error:
        raise _unusable(path, f"{error} is missing or unknown") from error
    except (InputError, OSError, ValueError, TypeError, OverflowError) as error:
        raise _unusable(path, error.message if isinstance(error, InputError) else str(error)) from error


def _unusable(path: Path, reason: str) -> InputError:
    return InputError(
        f"{path}: cannot be used ({reason})",
        "export the store again; or remove the file and declare the arrays with --name and --step",
    )


def _index(spec: FeatureSpec, entries: Sequence[dict[str, Any]]) -> IndexedArrays:
    names: dict[str, str] = {}
    taken: set[str] = set()
    records = []
    for entry in entries:
        name = entry.pop("file")
        # A path could lead out of the folder.
        if not isinstance(name, str) or not re.fullmatch(r"[\w%~-][\w%~.-]*\.npy", name, re.ASCII):
            raise ValueError(f"file {name!r} is no name of a file written here")
        record = _read_record(entry)
        if record.video_id in names or name in taken:
            raise ValueError(f"video {record.video_id!r} or file {name!r} is there twice")
        names[record.video_id] = name
        taken.add(name)
        records.append(record)
    return IndexedArrays(spec, tuple(records), names)


def _read_record(entry: dict[str, Any]) -> VideoRecord:
    known = {field.name for field in fields(VideoRecord)}
    if set(entry) != known:
        raise ValueError(f"a video's fields {sorted(set(entry) ^ known)} are missing or unknown")
    require_valid_video_id(entry["video_id"])
    values = dict(entry)
    for name, kind in _CODES.items():
        values[name] = kind[str(entry[name]).upper()]
    values["distinct_frames"] = np.array(entry["distinct_frames"], np.uint8)
    if values["distinct_frames"].shape != (entry["num_intervals"],):
        raise ValueError(f"video {entry['video_id']!r}: distinct_frames are not one number an interval")
    for field in fields(VideoRecord):
        _require_number(entry["video_id"], field.name, field.type, values[field.name])
    return VideoRecord(**values)


def _require_number(video_id: str, name: str, kind: Any, value: Any) -> None:  # noqa: ANN401 - whatever JSON can hold
    if kind is int:
        most = 2**63 if name == "source_size" else 2**32 if name == "embedding_crc32" else 2**31
        if type(value) is not int or not 0 <= value < most:
            raise ValueError(f"video {video_id!r}: {name} is {value!r}")
    elif kind is float and (
        type(value) not in (int, float) or not np.isfinite(value) or (value < 0 and name == "duration_seconds")
    ):
        raise ValueError(f"video {video_id!r}: {name} is {value!r}")
