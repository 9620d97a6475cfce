"""Generic CSV: a row a segment, ``video_id,label,start,end`` and for predictions ``score``; seconds.

Annotations may also have the columns ``subset``, ``duration`` and ``scene``: facts of the video, stated in any of its
rows. A row whose label, start and end are empty names a video without saying anything of a segment. Other columns are
passed over.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from tsmfeat.formats.content import write_content
from tsmfeat.formats.numbers import parse_column, parse_number, shorten
from tsmfeat.formats.options import Invalid
from tsmfeat.formats.row_checks import checked_source
from tsmfeat.formats.rows import FoundVideos, Rows, VideoFacts, assemble_annotations, assemble_predictions
from tsmfeat.formats.tables import Table, format_table, read_table
from tsmfeat.values.annotations import NO_SCENE, Annotations
from tsmfeat.values.predictions import Predictions
from tsmfeat.values.segments import Segments
from tsmfeat.values.vocabulary import Vocabulary

ANNOTATION_COLUMNS = ("video_id", "label", "start", "end")
PREDICTION_COLUMNS = (*ANNOTATION_COLUMNS, "score")
_FACT_COLUMNS = ("subset", "duration", "scene")
_SEGMENT_COLUMNS = ("label", "start", "end")


def read_annotations(path: Path | str, invalid: Invalid = "drop", classes: Vocabulary | None = None) -> Annotations:
    """Read annotations from CSV, gzipped or not.

    Parameters
    ----------
    path
        The file.
    invalid
        What to do with segments that end at or before their start or are not finite. ``"error"`` also refuses a
        duration that is not a positive number (otherwise it counts as unknown).
    classes
        The vocabulary; None: that of the file, by first appearance.

    Raises
    ------
    InputError
        Unreadable, not CSV, columns that are missing, and cells that break a rule, each with its line; rows of a
        video that state different facts of it.
    """
    problems: list[str] = []
    source = checked_source(path, invalid)
    table = read_table(source, ANNOTATION_COLUMNS, problems)
    rows = _segment_rows(table, scored=False, problems=problems)
    facts = _collect_facts(table, invalid, problems)
    return assemble_annotations(source, rows, FoundVideos(facts), invalid, classes, problems)


def read_predictions(path: Path | str, invalid: Invalid = "drop") -> Predictions:
    """Read predictions from CSV, gzipped or not.

    Parameters
    ----------
    path
        The file.
    invalid
        What to do with segments that end at or before their start, or hold an infinite number. A NaN score is refused
        unless ``"keep"``.

    Raises
    ------
    InputError
        Unreadable, not CSV, columns that are missing, and cells that break a rule, each with its line.
    """
    problems: list[str] = []
    source = checked_source(path, invalid)
    table = read_table(source, PREDICTION_COLUMNS, problems)
    rows = _segment_rows(table, scored=True, problems=problems)
    return assemble_predictions(source, rows, _named(table.column("video_id")), invalid, problems)


def write_predictions(predictions: Predictions, path: Path | str) -> None:
    """Write predictions as CSV, a row a segment in their order; a name that ends in .gz is zipped.

    Videos without segments follow with empty cells. Scenes are not held.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    segments = predictions.segments
    rows = _cells(segments, predictions.video_ids, predictions.vocabulary)
    scored = [[*row, score] for row, score in zip(rows, segments.score.tolist(), strict=True)]
    silent = [[name, "", "", "", ""] for name in _without_rows(segments, predictions.video_ids)]
    write_content(Path(path), format_table(PREDICTION_COLUMNS, [*scored, *silent]))


def write_annotations(annotations: Annotations, path: Path | str) -> None:
    """Write annotations as CSV, a row a segment in their order; a name that ends in .gz is zipped.

    Videos without segments follow with empty cells. The columns of facts that no video has are left out.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    segments = annotations.segments
    facts = _fact_columns(annotations)
    names = [name for name in _FACT_COLUMNS if any(facts[name])]
    cells = [*zip(*(facts[name] for name in names), strict=True)] if names else [()] * len(annotations.video_ids)
    rows = _cells(segments, annotations.video_ids, annotations.vocabulary)
    told = [[*row, *cells[video]] for row, video in zip(rows, segments.video.tolist(), strict=True)]
    fact_of = dict(zip(annotations.video_ids, cells, strict=True))
    silent = [[name, "", "", "", *fact_of[name]] for name in _without_rows(segments, annotations.video_ids)]
    write_content(Path(path), format_table([*ANNOTATION_COLUMNS, *names], [*told, *silent]))


def _segment_rows(table: Table, *, scored: bool, problems: list[str]) -> Rows:
    """Return the rows that state a segment, their numbers parsed."""
    names = (*_SEGMENT_COLUMNS, "score") if scored else _SEGMENT_COLUMNS
    columns = {name: table.column(name) for name in ("video_id", *names)}
    told = [index for index, cells in enumerate(zip(*(columns[name] for name in names), strict=True)) if any(cells)]
    columns = {name: [cells[index] for index in told] for name, cells in columns.items()}

    def place_of(row: int) -> str:
        return table.place_of(told[row])

    start, end = (parse_column(columns[name], name, place_of, problems) for name in ("start", "end"))
    score = parse_column(columns["score"], "score", place_of, problems) if scored else np.ones(len(told))
    return Rows(columns["video_id"], columns["label"], start, end, score, place_of)


def _named(video_ids: Iterable[str]) -> list[str]:
    return [name for name in video_ids if name]


def _collect_facts(table: Table, invalid: Invalid, problems: list[str]) -> dict[str, VideoFacts]:
    """Return what the rows say of each video; a row that contradicts an earlier one is a problem."""
    stated: dict[str, dict[str, str]] = {name: {} for name in _named(table.column("video_id"))}
    for column in _FACT_COLUMNS:
        for row, (video, cell) in enumerate(zip(table.column("video_id"), table.column(column), strict=True)):
            if cell and video and stated[video].setdefault(column, cell) != cell:
                problems.append(
                    f"{table.place_of(row)}: {column} {shorten(cell)}, but {shorten(stated[video][column])} in an "
                    f"earlier row of video {video!r}; a video has one"
                )
    return {
        video: VideoFacts(
            facts.get("subset", ""),
            _duration_of(video, facts.get("duration"), invalid, problems),
            facts.get("scene", ""),
        )
        for video, facts in stated.items()
    }


def _duration_of(video: str, cell: str | None, invalid: Invalid, problems: list[str]) -> float:
    if cell is None:
        return float("nan")
    seconds = parse_number(cell)
    if seconds is not None and 0 < seconds < float("inf"):
        return seconds
    if seconds is None or invalid == "error":
        problems.append(f"duration {shorten(cell)} of video {video!r}; a duration is a positive number of seconds")
    return float("nan")


def _cells(segments: Segments, video_ids: Sequence[str], vocabulary: Vocabulary) -> list[list[object]]:
    return [
        [video_ids[video], vocabulary.names[label], start, end]
        for video, label, start, end in zip(
            segments.video.tolist(),
            segments.label.tolist(),
            segments.start.tolist(),
            segments.end.tolist(),
            strict=True,
        )
    ]


def _without_rows(segments: Segments, video_ids: Sequence[str]) -> list[str]:
    counts = np.bincount(segments.video, minlength=len(video_ids)).tolist()
    return [name for name, count in zip(video_ids, counts, strict=True) if not count]


def _fact_columns(annotations: Annotations) -> dict[str, list[object]]:
    scenes = annotations.scene_vocabulary.names
    return {
        "subset": list(annotations.subset),
        "duration": ["" if np.isnan(value) else value for value in annotations.duration_seconds.tolist()],
        "scene": ["" if scene == NO_SCENE else scenes[scene] for scene in annotations.scene.tolist()],
    }
