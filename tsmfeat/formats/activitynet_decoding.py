"""Bytes of ActivityNet JSON to typed records: fast where all is well, careful where a place must be named."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from tsmfeat.errors import InputError
from tsmfeat.formats.content import read_content
from tsmfeat.formats.json_files import parse_json
from tsmfeat.formats.row_checks import list_bad_text


class Instance(msgspec.Struct, gc=False):
    """A true segment."""

    label: str
    segment: tuple[float, float]


class Detection(msgspec.Struct, gc=False):
    """A predicted segment."""

    label: str
    segment: tuple[float, float]
    score: float


class SceneScore(msgspec.Struct, gc=False):
    """A predicted scene."""

    label: str
    score: float


class AnnotatedVideo(msgspec.Struct):
    """All that is known of a video."""

    annotations: list[Instance] = []
    subset: str | None = None
    duration: float | None = None
    scene: str | None = None


class AnnotationFile(msgspec.Struct):
    """Ground truth by video id."""

    database: dict[str, AnnotatedVideo]


class PredictionFile(msgspec.Struct):
    """Detections by video id, with scenes where there are any."""

    results: dict[str, list[Detection]]
    scenes: dict[str, list[SceneScore]] = {}


_File = TypeVar("_File", AnnotationFile, PredictionFile)
_Row = TypeVar("_Row", Instance, Detection, SceneScore)

# In place of a row that failed: its problem refuses the file, and those after it keep their numbers.
_BLANK: dict[type[Any], Any] = {
    Instance: Instance("blank", (0.0, 1.0)),
    Detection: Detection("blank", (0.0, 1.0), 0.0),
    SceneScore: SceneScore("blank", 0.0),
}
_MOST_SHOWN = 80
_JSON_NAMES = {dict: "an object", list: "an array", str: "a text", bool: "true or false", type(None): "null"}


def decode_annotations(path: Path, list_repeated: bool) -> tuple[AnnotationFile, list[str]]:
    """Return the records of an annotation file and the problems found.

    Where there are problems the rows keep their numbers, but those that failed stand for nothing.

    Raises
    ------
    InputError
        Unreadable, not JSON, or not an annotation file.
    """
    return _decode(path, AnnotationFile, _annotations_from, list_repeated)


def decode_predictions(path: Path, list_repeated: bool) -> tuple[PredictionFile, list[str]]:
    """Return the records of a prediction file and the problems found, as `decode_annotations` does.

    Raises
    ------
    InputError
        Unreadable, not JSON, or not a prediction file.
    """
    return _decode(path, PredictionFile, _predictions_from, list_repeated)


def _decode(
    path: Path, file_type: type[_File], careful: Callable[[Path, Any, list[str]], _File], list_repeated: bool
) -> tuple[_File, list[str]]:
    content = read_content(path, "a JSON object")
    if not list_repeated:
        try:
            return msgspec.json.decode(content, type=file_type), []
        except (msgspec.MsgspecError, ValueError, RecursionError):
            pass  # bare NaN, 1e999 or a true problem: the careful way tells, and names the place
    value, repeated = parse_json(path, content)
    problems = [f"key {key!r} occurs twice in one object" for key in repeated] if list_repeated else []
    return careful(path, value, problems), problems


def _annotations_from(path: Path, value: Any, problems: list[str]) -> AnnotationFile:  # noqa: ANN401 - any JSON
    database = _required_object(path, value, "database", "an annotation file")
    videos = {}
    for video_id, found in database.items():
        place = f"database[{video_id!r}]"
        list_bad_text(video_id, place, problems)
        if not isinstance(found, dict):
            problems.append(f"{place} is {_json_name(found)}; expected an object")
            continue
        rows = _rows_from(found.get("annotations", []), Instance, f"{place}.annotations", problems)
        head = _convert({**found, "annotations": []}, AnnotatedVideo, place, problems) or AnnotatedVideo()
        list_bad_text(head.scene or "", place, problems)
        list_bad_text(head.subset or "", place, problems)
        videos[video_id] = msgspec.structs.replace(head, annotations=rows)
    return AnnotationFile(videos)


def _predictions_from(path: Path, value: Any, problems: list[str]) -> PredictionFile:  # noqa: ANN401 - any JSON
    results = _required_object(path, value, "results", "a prediction file")
    scenes = _required_object(path, value, "scenes", "a prediction file with scenes") if "scenes" in value else {}
    for video_id in {**results, **scenes}:
        list_bad_text(video_id, f"video id {video_id!r}", problems)
    return PredictionFile(
        {name: _rows_from(rows, Detection, f"results[{name!r}]", problems) for name, rows in results.items()},
        {name: _rows_from(rows, SceneScore, f"scenes[{name!r}]", problems) for name, rows in scenes.items()},
    )


def _required_object(path: Path, value: Any, key: str, what: str) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    found = value.get(key) if isinstance(value, dict) else None
    if isinstance(found, dict):
        return found
    if not isinstance(value, dict):
        story = f"holds {_json_name(value)}"
    elif key in value:
        story = f"{key!r} holds {_json_name(found)}"
    else:
        story = f"has the keys {sorted(value)[:8]}"
    raise InputError(
        f"{path}: {story}; {what} holds an object {key!r} of video ids",
        "annotation files have 'database', prediction files 'results': check that the two are not exchanged",
    )


def _rows_from(found: Any, row_type: type[_Row], place: str, problems: list[str]) -> list[_Row]:  # noqa: ANN401
    if not isinstance(found, list):
        problems.append(f"{place} is {_json_name(found)}; expected an array")
        return []
    rows: list[_Row] = []
    for index, item in enumerate(found):
        row = _convert(item, row_type, f"{place}[{index}]", problems) or _BLANK[row_type]
        list_bad_text(row.label, f"{place}[{index}].label", problems)
        rows.append(row)
    return rows


def _convert(found: Any, to: type[Any], place: str, problems: list[str]) -> Any:  # noqa: ANN401 - any JSON
    try:
        return msgspec.convert(found, type=to)
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at `$")
        problems.append(f"{place}{where.rstrip('`')}: {what[0].lower()}{what[1:]}")
    except UnicodeEncodeError:
        # Of a key: texts among the values are looked at by name.
        problems.append(f"{place}: {ascii(found)[:_MOST_SHOWN]} holds what is not a valid Unicode text")
    return None


def _json_name(value: object) -> str:
    return _JSON_NAMES.get(type(value), "a number")
