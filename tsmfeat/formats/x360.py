"""360+x annotation folders: one JSON a video, named after it.

``{"metadata": {key: {"duration": [start, end], "action": {"1": name}}}}``, seconds. The ids of ``action`` are those of
the annotation tool's attributes, of which ``"1"`` is the action: as in the challenge's kit (x360dataset-kit,
run/Prepare/Standard_NewFile/s6_sort_temporal_files_standalone.py), an entry without it is passed over, and others are
not looked at. The tool's own spelling, ``"z"`` for duration and ``"av"`` for action, is read too.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np

from tsmfeat.errors import InputError
from tsmfeat.formats.content import read_content
from tsmfeat.formats.folders import list_files, write_folder
from tsmfeat.formats.json_files import parse_json
from tsmfeat.formats.options import Invalid
from tsmfeat.formats.row_checks import checked_source, list_bad_text
from tsmfeat.formats.rows import FoundVideos, Rows, VideoFacts, assemble_annotations
from tsmfeat.values.annotations import Annotations
from tsmfeat.values.vocabulary import Vocabulary

_ACTION = "1"


class _Entry(NamedTuple):
    """A segment, and where it stands."""

    video_id: str
    label: str
    start: float
    end: float
    place: str


def read_annotations(path: Path | str, invalid: Invalid = "drop", classes: Vocabulary | None = None) -> Annotations:
    """Read a folder of one JSON a video, or a single one of them; the video id is the name without ``.json``.

    Parameters
    ----------
    path
        The folder, all of whose ``.json`` files are read, or one file.
    invalid
        What to do with segments that end at or before their start or are not finite, and with entries that have no
        duration or no action: ``"drop"`` and ``"keep"`` leave the latter out and count them. ``"error"`` also refuses
        a key that occurs twice in an object.
    classes
        The vocabulary; None: that of all files, by first appearance.

    Raises
    ------
    InputError
        Nothing to read, a file that is no JSON of this shape, and fields that break a rule, each with its place.
    """
    source = checked_source(path, invalid)
    files = list_files(source, ".json") if source.is_dir() else [source]
    if not files:
        raise InputError(f"{source}: no .json file; an annotation folder holds one a video", "check the path")
    problems: list[str] = []
    entries, num_left_out = [], 0
    for file in files:
        metadata = _read_metadata(file, invalid, problems)
        found = [entry for entry in _read_entries(file, metadata, invalid, problems) if entry is not None]
        num_left_out += len(metadata) - len(found)
        entries += found
    times = np.array([(entry.start, entry.end) for entry in entries], np.float64).reshape(-1, 2)
    rows = Rows(
        [entry.video_id for entry in entries],
        [entry.label for entry in entries],
        times[:, 0],
        times[:, 1],
        np.ones(len(entries)),
        lambda row: entries[row].place,
    )
    videos = FoundVideos({_video_id(file): VideoFacts() for file in files}, num_left_out)
    return assemble_annotations(source, rows, videos, invalid, classes, problems)


def write_annotations(annotations: Annotations, path: Path | str) -> None:
    """Write a folder of one JSON a video. Subsets, durations of videos and scenes are not held.

    Raises
    ------
    InputError
        A segment that is not finite, or a video id that cannot be a file's name.
    OutputError
        The folder exists, or cannot be written.
    """
    segments = annotations.segments
    if not (np.isfinite(segments.start) & np.isfinite(segments.end)).all():
        raise InputError("a start or end is not finite; JSON cannot hold it", 'read the file with invalid="drop"')
    metadata: dict[str, dict[str, object]] = {name: {} for name in annotations.video_ids}
    columns = (segments.video.tolist(), segments.label.tolist(), segments.start.tolist(), segments.end.tolist())
    for video, label, start, end in zip(*columns, strict=True):
        found = metadata[annotations.video_ids[video]]
        action = {_ACTION: annotations.vocabulary.names[label]}
        found[str(len(found) + 1)] = {"duration": [start, end], "action": action}
    contents = {
        f"{name}.json": msgspec.json.encode({"metadata": entries}) + b"\n" for name, entries in metadata.items()
    }
    write_folder(Path(path), contents)


def _video_id(file: Path) -> str:
    return file.name.removesuffix(".json")


def _read_metadata(file: Path, invalid: Invalid, problems: list[str]) -> Mapping[str, Any]:
    value, repeated = parse_json(file, read_content(file, "a JSON object"))
    if invalid == "error":
        problems += [f"{file.name}: key {key!r} occurs twice in one object" for key in repeated]
    metadata = value.get("metadata") if isinstance(value, dict) else None
    if not isinstance(metadata, dict):
        raise InputError(
            f"{file}: no object 'metadata'; in a 360+x folder every .json is a video's annotations",
            "remove the file from the folder, or check the path",
        )
    return metadata


def _read_entries(
    file: Path, metadata: Mapping[str, Any], invalid: Invalid, problems: list[str]
) -> Iterator[_Entry | None]:
    for key, found in metadata.items():
        place = f"{file.name}: metadata[{key!r}]"
        fields = found if isinstance(found, dict) else {}
        duration = fields.get("duration", fields.get("z"))
        label = _action_of(fields)
        if not isinstance(duration, list) or len(duration) != 2 or not isinstance(label, str):
            if invalid == "error":
                problems.append(f"{place}: no duration [start, end] or no action {{'1': name}}; an entry has both")
            yield None
        elif (times := _as_floats(duration)) is None:
            problems.append(f"{place}: duration {str(duration)[:60]}; two numbers of seconds are expected")
            yield None
        else:
            list_bad_text(label, place, problems)
            yield _Entry(_video_id(file), label, *times, place)


def _action_of(fields: Mapping[str, Any]) -> object:
    action = fields.get("action", fields.get("av"))
    return action.get(_ACTION) if isinstance(action, dict) else None


def _as_floats(values: list[Any]) -> tuple[float, float] | None:
    if any(isinstance(value, bool) or not isinstance(value, int | float) for value in values):
        return None
    try:
        return float(values[0]), float(values[1])
    except OverflowError:
        return None
