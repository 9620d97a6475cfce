"""BinEgo-360 CSV: the challenge's solution (``id,label,Usage``) and submissions (``id,prediction``).

A cell is Python's text of a list of ``[class_id, start, end]``, in submissions with a score, in seconds of the whole
video. An id is that of a video, or of a bin of ten seconds of it: ``{video}_{b}_{b+10}``. A file whose ids are all
those of bins is one of bins. ``Usage`` (Public, Private) is the subset.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tsmfeat.errors import ConfigurationError, InputError, did_you_mean
from tsmfeat.formats.binego360_bins import BIN_SECONDS, all_bins, join_pieces, split_bin_id
from tsmfeat.formats.binego360_cells import Numbers, parse_cell
from tsmfeat.formats.classes import ClassList
from tsmfeat.formats.options import PIECES_CHOICES, Invalid, Pieces
from tsmfeat.formats.row_checks import checked_source
from tsmfeat.formats.rows import FoundVideos, Rows, VideoFacts, assemble_annotations, assemble_predictions
from tsmfeat.formats.tables import Table, read_table
from tsmfeat.values.annotations import Annotations
from tsmfeat.values.predictions import Predictions
from tsmfeat.values.vocabulary import Vocabulary

ANNOTATION_COLUMNS = ("id", "label")
PREDICTION_COLUMNS = ("id", "prediction")
_IDS_AS_NAMES = ClassList(Vocabulary(()))


class _Entry(NamedTuple):
    """One row of the table: a video, or a bin of it."""

    video_id: str
    first_second: int | None
    line: int
    usage: str
    rows: list[Numbers]


def read_annotations(
    path: Path | str, invalid: Invalid = "drop", classes: ClassList | None = None, pieces: Pieces = "keep"
) -> Annotations:
    """Read a solution, gzipped or not: whole videos or bins, the latter's pieces as segments of their video.

    Parameters
    ----------
    path
        The file.
    invalid
        What to do with segments that end at or before their start or are not finite. ``"error"`` also refuses an id
        that occurs twice (otherwise the last row counts) and pieces outside their bin.
    classes
        Names of the class ids, and the vocabulary; None: names are the ids as text, by first appearance.
    pieces
        ``"join"``: pieces that meet at the edge of a bin become one segment again, as far as they were not left out as
        too short.

    Raises
    ------
    InputError
        Unreadable, not CSV, columns that are missing, a class id without a name, and cells that break a rule, each
        with its line.
    """
    problems: list[str] = []
    source = _checked(path, invalid, pieces)
    table = read_table(source, ANNOTATION_COLUMNS, problems)
    entries = _read_entries(table, "label", invalid, problems)
    rows = _flatten(entries, classes or _IDS_AS_NAMES, scored=False)
    found = FoundVideos(_collect_usage(entries, problems))
    vocabulary = None if classes is None else classes.vocabulary
    annotations = assemble_annotations(source, rows, found, invalid, vocabulary, problems)
    return replace(annotations, segments=join_pieces(annotations.segments)) if pieces == "join" else annotations


def read_predictions(
    path: Path | str, invalid: Invalid = "drop", classes: ClassList | None = None, pieces: Pieces = "keep"
) -> Predictions:
    """Read a submission, gzipped or not: whole videos or bins, the latter's pieces as segments of their video.

    Parameters
    ----------
    path
        The file.
    invalid
        As in `read_annotations`; a NaN score is refused unless ``"keep"``. ``"error"`` also refuses a class id without
        a name; otherwise its name is the id as text.
    classes
        Names of the class ids; None: names are the ids as text.
    pieces
        As in `read_annotations`; pieces are joined only where their scores are equal.

    Raises
    ------
    InputError
        Unreadable, not CSV, columns that are missing, and cells that break a rule, each with its line.
    """
    problems: list[str] = []
    source = _checked(path, invalid, pieces)
    table = read_table(source, PREDICTION_COLUMNS, problems)
    entries = _read_entries(table, "prediction", invalid, problems)
    if classes is not None and invalid == "error":
        problems += _list_unnamed(entries, classes)
    rows = _flatten(entries, classes or _IDS_AS_NAMES, scored=True)
    predictions = assemble_predictions(source, rows, (entry.video_id for entry in entries), invalid, problems)
    return replace(predictions, segments=join_pieces(predictions.segments)) if pieces == "join" else predictions


def read_sample_ids(path: Path | str) -> tuple[str, ...]:
    """Return the ids of a sample submission, or of any table with a column ``id``, in order.

    Raises
    ------
    InputError
        Unreadable, not CSV, without ids, or an id that is empty or occurs twice.
    """
    problems: list[str] = []
    source = Path(path)
    ids = tuple(read_table(source, ("id",), problems).column("id"))
    problems += [
        f"id {name!r} occurs {times} times; ids are unique" for name, times in Counter(ids).items() if times > 1
    ]
    if problems or not all(ids) or not ids:
        raise InputError(f"{source}: {'; '.join(problems[:1]) or 'no ids, or empty ones'}", "pass a sample submission")
    return ids


def _checked(path: Path | str, invalid: Invalid, pieces: str) -> Path:
    if pieces not in PIECES_CHOICES:
        raise ConfigurationError(
            f"pieces={pieces!r}; the choices are {', '.join(PIECES_CHOICES)}", did_you_mean(pieces, PIECES_CHOICES)
        )
    return checked_source(path, invalid)


def _read_entries(table: Table, column: str, invalid: Invalid, problems: list[str]) -> list[_Entry]:
    """Return the rows of a table, one an id: of repeated ids the last, in the place of the first."""
    ids = table.column("id")
    binned = all_bins(ids)
    entries: dict[str, _Entry] = {}
    for name, cell, usage, line in zip(ids, table.column(column), table.column("Usage"), table.lines, strict=True):
        if name in entries and invalid == "error":
            problems.append(f":{line}: id {name!r} occurs twice, first on line {entries[name].line}; ids are unique")
        rows = parse_cell(cell, scored=column == "prediction", place=f":{line}", problems=problems)
        video_id, first = (split_bin_id(name) if binned else None) or (name, None)
        entries[name] = _Entry(video_id, first, line, usage, rows)
        if first is not None and invalid == "error":
            problems += _list_outside(entries[name], first)
    return list(entries.values())


def _list_outside(entry: _Entry, first: int) -> list[str]:
    return [
        f":{entry.line}: entry {index}: [{start}, {end}] lies outside its bin, {first} to {first + BIN_SECONDS} s; "
        "times are those of the whole video"
        for index, (_, start, end, *_) in enumerate(entry.rows)
        if start < first or end > first + BIN_SECONDS
    ]


def _list_unnamed(entries: Sequence[_Entry], classes: ClassList) -> list[str]:
    return [
        f":{entry.line}: entry {index}: class id {class_id} has no name in the class list"
        for entry in entries
        for index, (class_id, *_) in enumerate(entry.rows)
        if int(class_id) not in classes
    ]


def _flatten(entries: Sequence[_Entry], classes: ClassList, *, scored: bool) -> Rows:
    counts = [len(entry.rows) for entry in entries]
    owners = np.repeat(np.arange(len(entries)), counts).tolist()
    listed = [row for entry in entries for row in entry.rows]
    times = np.array([row[1:] for row in listed], np.float64).reshape(len(listed), 3 if scored else 2)

    def place_of(row: int) -> str:
        return f":{entries[owners[row]].line}"

    score = times[:, 2] if scored else np.ones(len(listed))
    label = [classes.name_of(int(row[0])) for row in listed]
    return Rows([entries[owner].video_id for owner in owners], label, times[:, 0], times[:, 1], score, place_of)


def _collect_usage(entries: Sequence[_Entry], problems: list[str]) -> dict[str, VideoFacts]:
    usage: dict[str, str] = {}
    for entry in entries:
        if usage.setdefault(entry.video_id, entry.usage) != entry.usage:
            problems.append(
                f":{entry.line}: Usage {entry.usage!r}, but {usage[entry.video_id]!r} in an earlier row of video "
                f"{entry.video_id!r}; a video has one"
            )
    return {video_id: VideoFacts(subset) for video_id, subset in usage.items()}
