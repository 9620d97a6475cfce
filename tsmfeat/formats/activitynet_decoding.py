"""Bytes of ActivityNet JSON to typed records: fast where all is well, careful where a place must be named."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, count
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt

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
    """Ground truth by video id, with the ambiguous segments of the THUMOS14 devkit where there are any."""

    database: dict[str, AnnotatedVideo]
    ambiguous: dict[str, list[tuple[float, float]]] = {}


class _PredictionFile(msgspec.Struct):
    """Predictions of which the detections are still text."""

    results: dict[str, msgspec.Raw]
    scenes: dict[str, list[SceneScore]] = {}


class SegmentColumns(NamedTuple):
    """Segments of many videos, a place of every array each.

    Attributes
    ----------
    counts
        Rows of each video, in order.
    names
        Labels by first appearance.
    label
        int32 (R,): index into `names`.
    ends
        float64 (2R,): start and end in turn.
    score
        float64 (R,): 1 where none is told.
    """

    counts: list[int]
    names: tuple[str, ...]
    label: npt.NDArray[np.int32]
    ends: npt.NDArray[np.float64]
    score: npt.NDArray[np.float64]


class PredictionFile(NamedTuple):
    """Detections of the videos, with scenes where there are any."""

    video_ids: tuple[str, ...]
    detections: SegmentColumns
    scenes: dict[str, list[SceneScore]]


_Row = TypeVar("_Row", Instance, Detection, SceneScore)

# Rows held as objects at a time: as many as the processor's cache holds, and few beside a file of millions.
_BATCH_ROWS = 1024
# In place of a row that failed: its problem refuses the file, and those after it keep their numbers.
_BLANK: dict[type[Any], Any] = {
    Instance: Instance("blank", (0.0, 1.0)),
    Detection: Detection("blank", (0.0, 1.0), 0.0),
    SceneScore: SceneScore("blank", 0.0),
}
_MOST_SHOWN = 80
# Bare NaN, 1e999, or a true problem.
_NOT_FAST = (msgspec.MsgspecError, ValueError, RecursionError)
_JSON_NAMES = {dict: "an object", list: "an array", str: "a text", bool: "true or false", type(None): "null"}


def decode_annotations(path: Path, list_repeated: bool) -> tuple[AnnotationFile, list[str]]:
    """Return the records of an annotation file and the problems found.

    Where there are problems the rows keep their numbers, but those that failed stand for nothing.

    Raises
    ------
    InputError
        Unreadable, not JSON, or not an annotation file.
    """
    content = read_content(path, "a JSON object")
    if not list_repeated:
        try:
            return msgspec.json.decode(content, type=AnnotationFile), []
        except _NOT_FAST:
            pass  # the careful way tells, and names the place
    value, problems = _parse(path, content, list_repeated)
    return _annotations_from(path, value, problems), problems


def decode_predictions(path: Path, list_repeated: bool) -> tuple[PredictionFile, list[str]]:
    """Return the records of a prediction file and the problems found, as `decode_annotations` does.

    Raises
    ------
    InputError
        Unreadable, not JSON, or not a prediction file.
    """
    content = read_content(path, "a JSON object")
    if not list_repeated:
        try:
            return _decode_in_batches(content), []
        except _NOT_FAST:
            pass  # the careful way tells, and names the place
    value, problems = _parse(path, content, list_repeated)
    return _predictions_from(path, value, problems), problems


def _decode_in_batches(content: bytes) -> PredictionFile:
    """Turn the rows of some videos at a time into numbers, so that a file of millions never is millions of objects."""
    found = msgspec.json.decode(content, type=_PredictionFile)
    decoder = msgspec.json.Decoder(list[Detection])
    return PredictionFile(
        tuple(found.results), gather_columns(map(decoder.decode, found.results.values())), found.scenes
    )


def gather_columns(videos: Iterable[Sequence[Instance] | Sequence[Detection]]) -> SegmentColumns:
    """Return the rows of many videos as arrays; each video's rows may be forgotten as soon as the next is asked for.

    Examples
    --------
    >>> found = gather_columns([[Detection("run", (0.0, 2.0), 0.5)], [], [Detection("eat", (1.0, 3.0), 0.25)]])
    >>> found.counts, found.names, found.label.tolist(), found.ends.tolist()
    ([1, 0, 1], ('run', 'eat'), [0, 1], [0.0, 2.0, 1.0, 3.0])
    """
    counts: list[int] = []
    id_of: defaultdict[str, int] = defaultdict(count().__next__)
    parts = [_columns_of(rows, id_of) for rows in _batches(videos, counts)]
    label, ends, score = (np.concatenate(column) for column in zip(*parts, strict=True))
    return SegmentColumns(counts, tuple(id_of), label, ends, score)


def _batches(videos: Iterable[Sequence[Any]], counts: list[int]) -> Iterator[list[Any]]:
    batch: list[Any] = []
    for rows in videos:
        counts.append(len(rows))
        batch += rows
        if len(batch) >= _BATCH_ROWS:
            yield batch
            batch = []
    yield batch


def _columns_of(
    rows: list[Any], id_of: defaultdict[str, int]
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    size = len(rows)
    label = np.fromiter(map(id_of.__getitem__, map(attrgetter("label"), rows)), np.int32, size)
    ends = np.fromiter(chain.from_iterable(map(attrgetter("segment"), rows)), np.float64, 2 * size)
    scored = size and isinstance(rows[0], Detection)
    return label, ends, np.fromiter(map(attrgetter("score"), rows), np.float64, size) if scored else np.ones(size)


def _parse(path: Path, content: bytes, list_repeated: bool) -> tuple[Any, list[str]]:
    value, repeated = parse_json(path, content)
    return value, [f"key {key!r} occurs twice in one object" for key in repeated] if list_repeated else []


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
    return AnnotationFile(videos, _ambiguous_from(value.get("ambiguous", {}), problems))


def _ambiguous_from(found: Any, problems: list[str]) -> dict[str, list[tuple[float, float]]]:  # noqa: ANN401
    if not isinstance(found, dict):
        problems.append(f"ambiguous is {_json_name(found)}; expected an object of video ids")
        return {}
    for video_id in found:
        list_bad_text(video_id, f"ambiguous[{video_id!r}]", problems)
    return {
        name: _convert(rows, list[tuple[float, float]], f"ambiguous[{name!r}]", problems) or []
        for name, rows in found.items()
    }


def _predictions_from(path: Path, value: Any, problems: list[str]) -> PredictionFile:  # noqa: ANN401 - any JSON
    results = _required_object(path, value, "results", "a prediction file")
    scenes = _required_object(path, value, "scenes", "a prediction file with scenes") if "scenes" in value else {}
    for video_id in {**results, **scenes}:
        list_bad_text(video_id, f"video id {video_id!r}", problems)
    detections = [_rows_from(rows, Detection, f"results[{name!r}]", problems) for name, rows in results.items()]
    return PredictionFile(
        tuple(results),
        gather_columns(detections),
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
