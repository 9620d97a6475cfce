"""ActivityNet JSON: the native form of annotations and predictions.

Annotations: ``{"database": {video_id: {"subset", "duration", "annotations": [{"label", "segment": [start, end]}]}}}``
with an optional ``"scene"`` a video, and optional ``"ambiguous": {video_id: [[start, end]]}`` beside ``database`` for
what the THUMOS14 devkit calls so. Predictions: ``{"version", "results": {video_id: [{"label", "segment", "score"}]},
"external_data"}`` with optional ``"scenes": {video_id: [{"label", "score"}]}``. Other keys are ignored. Annotations are
written with a ``"label_id"`` a segment, the number of its class, which loaders such as ActionFormer's ask for.
"""

import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate, chain
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tsmfeat.formats.activitynet_decoding import (
    AnnotatedVideo,
    AnnotationFile,
    SceneScore,
    SegmentColumns,
    decode_annotations,
    decode_predictions,
    gather_columns,
)
from tsmfeat.formats.activitynet_encoding import encode_annotations, encode_predictions
from tsmfeat.formats.content import write_content
from tsmfeat.formats.options import Invalid
from tsmfeat.formats.row_checks import (
    PlaceOf,
    checked_source,
    impose_classes,
    judge_segments,
    list_nameless,
    list_nan_scores,
    refuse_problems,
)
from tsmfeat.formats.rows import number_ambiguous
from tsmfeat.values.annotations import NO_SCENE, Annotations
from tsmfeat.values.predictions import Predictions
from tsmfeat.values.segments import Segments
from tsmfeat.values.vocabulary import Vocabulary

Floats = npt.NDArray[np.float64]


def read_annotations(path: Path | str, invalid: Invalid = "drop", classes: Vocabulary | None = None) -> Annotations:
    """Read an ActivityNet annotation file, gzipped or not.

    Parameters
    ----------
    path
        The file.
    invalid
        What to do with segments that end at or before their start or are not finite. ``"error"`` also refuses a video
        id that occurs twice (otherwise the last entry counts) and a duration that is not a positive number (otherwise
        it counts as unknown).
    classes
        The vocabulary; None: that of the whole file, by first appearance.

    Returns
    -------
    Annotations
        All subsets.

    Raises
    ------
    InputError
        Unreadable, not JSON, not an annotation file, a label that is not among the `classes`, or fields that break a
        rule, each with its place.
    """
    source = checked_source(path, invalid)
    content, problems = decode_annotations(source, list_repeated=invalid == "error")
    videos = _with_ambiguous_videos(content)
    columns = gather_columns(video.annotations for video in videos.values())
    place_of = _placer((f"database[{name!r}].annotations" for name in videos), columns.counts)
    names, segments = columns.names, _segments(columns)
    problems += list_nameless(names, segments, place_of)
    vocabulary, segments = impose_classes(names, segments, classes, place_of, problems)
    segments, num_dropped = judge_segments(segments, place_of, invalid, problems)
    durations = _known_durations({name: video.duration for name, video in videos.items()}, invalid, problems)
    refuse_problems(source, problems)
    ambiguous = [(name, start, end) for name, found in content.ambiguous.items() for start, end in found]
    scenes = Vocabulary(tuple(dict.fromkeys(video.scene for video in videos.values() if video.scene)))
    return Annotations(
        tuple(videos),
        vocabulary,
        segments,
        durations,
        tuple(video.subset or "" for video in videos.values()),
        scenes.ids_of((video.scene or "" for video in videos.values()), unknown=NO_SCENE),
        scenes,
        num_dropped,
        len(ambiguous),
        number_ambiguous(ambiguous, tuple(videos)),
    )


def read_predictions(path: Path | str, invalid: Invalid = "drop") -> Predictions:
    """Read an ActivityNet prediction file, gzipped or not.

    Parameters
    ----------
    path
        The file.
    invalid
        What to do with segments that end at or before their start, or hold an infinite number. A NaN score is refused
        unless ``"keep"``. ``"error"`` also refuses a video id that occurs twice (otherwise the last entry counts).

    Returns
    -------
    Predictions
        Rows in the order of the file; the vocabulary by first appearance.

    Raises
    ------
    InputError
        Unreadable, not JSON, not a prediction file, or fields that break a rule, each with its place.
    """
    source = checked_source(path, invalid)
    content, problems = decode_predictions(source, list_repeated=invalid == "error")
    video_ids = tuple(dict.fromkeys(chain(content.video_ids, content.scenes)))
    place_of = _placer((f"results[{name!r}]" for name in content.video_ids), content.detections.counts)
    names, segments = content.detections.names, _segments(content.detections)
    problems += list_nameless(names, segments, place_of)
    problems += list_nan_scores(segments, place_of, invalid)
    segments, num_dropped = judge_segments(segments, place_of, invalid, problems)
    scenes, scene_scores = _scene_table(content.scenes, video_ids, problems)
    refuse_problems(source, problems)
    return Predictions(video_ids, Vocabulary(names), segments, Vocabulary(scenes), scene_scores, num_dropped)


def write_predictions(predictions: Predictions, path: Path | str) -> None:
    """Write predictions as ActivityNet JSON; a name that ends in .gz is zipped.

    Rows are grouped by video, their order within a video kept. Equal predictions give equal bytes.

    Raises
    ------
    InputError
        A segment or score is not finite: JSON has no word for it.
    OutputError
        The file cannot be written.
    """
    write_content(Path(path), encode_predictions(predictions))


def write_annotations(annotations: Annotations, path: Path | str) -> None:
    """Write annotations as ActivityNet JSON; a name that ends in .gz is zipped.

    Rows are grouped by video, their order within a video kept; unknown durations and scenes are left out.

    Raises
    ------
    InputError
        A segment is not finite: JSON has no word for it.
    OutputError
        The file cannot be written.
    """
    write_content(Path(path), encode_annotations(annotations))


def _segments(columns: SegmentColumns) -> Segments:
    video = np.repeat(np.arange(len(columns.counts), dtype=np.int32), columns.counts)
    return Segments(video, columns.label, columns.ends[::2], columns.ends[1::2], columns.score)


def _with_ambiguous_videos(content: AnnotationFile) -> dict[str, AnnotatedVideo]:
    """Return the videos; one of ambiguous segments alone is one of the set, of the only subset if there is one."""
    subsets = {video.subset for video in content.database.values()}
    subset = subsets.pop() if len(subsets) == 1 else None
    alone = [name for name in content.ambiguous if name not in content.database]
    return content.database | {name: AnnotatedVideo(subset=subset) for name in alone}


def _placer(places: Iterable[str], counts: Sequence[int]) -> PlaceOf:
    named = list(places)
    first_rows = list(accumulate(counts, initial=0))

    def place_of(row: int) -> str:
        block = bisect_right(first_rows, row) - 1
        return f"{named[block]}[{row - first_rows[block]}]"

    return place_of


def _known_durations(durations: Mapping[str, float | None], invalid: Invalid, problems: list[str]) -> Floats:
    known = np.array([math.nan if value is None else value for value in durations.values()], np.float64)
    usable = (known > 0) & (known < np.inf)
    if invalid == "error":
        problems += [
            f"database[{name!r}].duration: {value}; a duration is a positive number of seconds"
            for (name, value), good in zip(durations.items(), usable.tolist(), strict=True)
            if value is not None and not good
        ]
    return np.where(usable, known, np.nan)


def _scene_table(
    scenes: Mapping[str, Iterable[SceneScore]], video_ids: Sequence[str], problems: list[str]
) -> tuple[tuple[str, ...], Floats]:
    names = tuple(dict.fromkeys(entry.label for entries in scenes.values() for entry in entries))
    column = {name: index for index, name in enumerate(names)}
    row = {name: index for index, name in enumerate(video_ids)}
    table = np.full((len(video_ids), len(names)), np.nan)
    for video_id, entries in scenes.items():
        for index, entry in enumerate(entries):
            cell = row[video_id], column[entry.label]
            if not entry.label or not math.isfinite(entry.score) or not np.isnan(table[cell]):
                rule = "a scene has a name, a finite score, and occurs once a video"
                problems.append(f"scenes[{video_id!r}][{index}]: {entry.label!r} with score {entry.score}; {rule}")
            table[cell] = entry.score
    return names, table
