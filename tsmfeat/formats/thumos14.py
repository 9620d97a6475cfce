"""THUMOS14 text: detections in one file, annotations in a folder with a file a class.

A detection is a line ``video start end class_id score``; an annotation file ``<Class>_test.txt`` or ``<Class>_val.txt``
holds lines ``video start end``. Seconds; white space divides. `THUMOS14_CLASSES` are the ids of the challenge.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tsmfeat.errors import InputError
from tsmfeat.formats.classes import ClassList
from tsmfeat.formats.content import read_text, write_content
from tsmfeat.formats.folders import list_files, write_folder
from tsmfeat.formats.numbers import parse_column, parse_whole, shorten
from tsmfeat.formats.options import Invalid
from tsmfeat.formats.row_checks import PlaceOf, checked_source
from tsmfeat.formats.rows import FoundVideos, Rows, VideoFacts, assemble_annotations, assemble_predictions
from tsmfeat.values.annotations import Annotations
from tsmfeat.values.predictions import Predictions
from tsmfeat.values.segments import Segments
from tsmfeat.values.vocabulary import Vocabulary

# The challenge's detclasslist.txt: 20 of the 101 classes have temporal annotations.
THUMOS14_CLASSES = ClassList(
    Vocabulary(
        (
            *("BaseballPitch", "BasketballDunk", "Billiards", "CleanAndJerk", "CliffDiving", "CricketBowling"),
            *("CricketShot", "Diving", "FrisbeeCatch", "GolfSwing", "HammerThrow", "HighJump", "JavelinThrow"),
            *("LongJump", "PoleVault", "Shotput", "SoccerPenalty", "TennisSwing", "ThrowDiscus", "VolleyballSpiking"),
        )
    ),
    (7, 9, 12, 21, 22, 23, 24, 26, 31, 33, 36, 40, 45, 51, 68, 79, 85, 92, 93, 97),
)
AMBIGUOUS = "Ambiguous"
SUFFIX_OF_SUBSET = {"testing": "_test.txt", "validation": "_val.txt"}
_FIELDS_OF_DETECTION = ("video", "start", "end", "class_id", "score")
_FIELDS_OF_ANNOTATION = ("video", "start", "end")


class _Line(NamedTuple):
    """The words of a line and where it stands."""

    place: str
    words: list[str]


def read_annotations(path: Path | str, invalid: Invalid = "drop", classes: Vocabulary | None = None) -> Annotations:
    """Read a folder of annotation files.

    Parameters
    ----------
    path
        The folder; of its files those named ``<Class>_test.txt`` (subset ``testing``) and ``<Class>_val.txt``
        (``validation``) are read.
    invalid
        What to do with segments that end at or before their start or are not finite.
    classes
        The vocabulary; None: the files' classes in the order of their names, those without lines included. Segments
        of ``Ambiguous`` files are no truth: they are counted and kept aside, unless the `classes` name it.

    Raises
    ------
    InputError
        No such files, unreadable ones, and lines that break a rule, each with its place.
    """
    problems: list[str] = []
    source = checked_source(path, invalid)
    files = annotation_files(source)
    if not files:
        raise InputError(
            f"{source}: no annotation file; they are named <Class>_test.txt or <Class>_val.txt", "check the path"
        )
    ambiguous_counts = classes is not None and AMBIGUOUS in classes
    lines, labels, set_aside, subsets = [], [], [], {}
    for file, (label, subset) in files.items():
        found = _read_lines(file, f"{file.name}:", _FIELDS_OF_ANNOTATION, problems)
        subsets.update({line.words[0]: subset for line in found if line.words[0] not in subsets})
        if label == AMBIGUOUS and not ambiguous_counts:
            set_aside += found
            continue
        lines += found
        labels += [label] * len(found)
    rows = _make_rows(lines, labels, np.ones(len(lines)), problems)
    aside = _make_rows(set_aside, [AMBIGUOUS] * len(set_aside), np.ones(len(set_aside)), problems)
    ambiguous = list(zip(aside.video, aside.start.tolist(), aside.end.tolist(), strict=True))
    facts = FoundVideos({name: VideoFacts(subset) for name, subset in subsets.items()}, 0, ambiguous)
    own = Vocabulary(tuple(dict.fromkeys(label for label, _ in files.values() if label != AMBIGUOUS)))
    return assemble_annotations(source, rows, facts, invalid, own if classes is None else classes, problems)


def read_predictions(path: Path | str, invalid: Invalid = "drop", classes: ClassList | None = None) -> Predictions:
    """Read a detection file, gzipped or not.

    Parameters
    ----------
    path
        The file.
    invalid
        What to do with segments that end at or before their start, or hold an infinite number. A NaN score is refused
        unless ``"keep"``. ``"error"`` also refuses a class id that the list lacks; otherwise its name is the id as
        text.
    classes
        Names of the class ids; None: the challenge's own.

    Raises
    ------
    InputError
        Unreadable, and lines that break a rule, each with its place.
    """
    problems: list[str] = []
    source = checked_source(path, invalid)
    classes = classes or THUMOS14_CLASSES
    lines = _read_lines(source, ":", _FIELDS_OF_DETECTION, problems)
    labels = [_name_class(line, classes, invalid, problems) for line in lines]
    score = parse_column([line.words[4] for line in lines], "score", _placer(lines), problems)
    rows = _make_rows(lines, labels, score, problems)
    return assemble_predictions(source, rows, (), invalid, problems)


def write_predictions(predictions: Predictions, path: Path | str, classes: ClassList | None = None) -> None:
    """Write a detection file, rows in their order; a name that ends in .gz is zipped.

    Raises
    ------
    InputError
        A name without an id, or a video id with white space.
    OutputError
        The file cannot be written.
    """
    segments = predictions.segments
    used = np.unique(segments.label).tolist()
    id_of = {label: (classes or THUMOS14_CLASSES).id_of(predictions.vocabulary.names[label]) for label in used}
    ids, scores = segments.label.tolist(), segments.score.tolist()
    lines = [
        f"{line} {id_of[label]} {score!r}\n"
        for line, label, score in zip(_lines_of(segments, predictions.video_ids), ids, scores, strict=True)
    ]
    write_content(Path(path), "".join(lines).encode())


def write_annotations(annotations: Annotations, path: Path | str) -> None:
    """Write a folder with a file a class and subset, classes without segments included, and ambiguous segments.

    Raises
    ------
    InputError
        A subset other than ``testing`` and ``validation``, a class that cannot be a file's name, or a video id with
        white space.
    OutputError
        The folder exists, or cannot be written.
    """
    subsets = [subset for subset in annotations.subsets() if subset not in SUFFIX_OF_SUBSET]
    if subsets:
        raise InputError(
            f"subset {subsets[0]!r}; THUMOS14 folders hold {' and '.join(SUFFIX_OF_SUBSET)}",
            "select or rename the subset first, or choose another format",
        )
    segments = annotations.segments
    files: dict[str, list[str]] = {
        name + SUFFIX_OF_SUBSET[subset]: [] for subset in annotations.subsets() for name in annotations.vocabulary.names
    }
    lines = _lines_of(segments, annotations.video_ids)
    for line, label, video in zip(lines, segments.label.tolist(), segments.video.tolist(), strict=True):
        name = annotations.vocabulary.names[label] + SUFFIX_OF_SUBSET[annotations.subset[video]]
        files[name].append(line + "\n")
    aside = annotations.ambiguous
    for line, video in zip(_lines_of(aside, annotations.video_ids), aside.video.tolist(), strict=True):
        name = AMBIGUOUS + SUFFIX_OF_SUBSET[annotations.subset[video]]
        files.setdefault(name, []).append(line + "\n")
    write_folder(Path(path), {name: "".join(listed).encode() for name, listed in files.items()})


def annotation_files(folder: Path) -> dict[Path, tuple[str, str]]:
    """Return the annotation files of a folder by name, each with its class and subset.

    Raises
    ------
    InputError
        The folder cannot be listed.
    """
    found = {}
    for path in list_files(folder, ".txt"):
        for subset, suffix in SUFFIX_OF_SUBSET.items():
            if path.name.endswith(suffix) and len(path.name) > len(suffix):
                found[path] = path.name.removesuffix(suffix), subset
    return found


def _read_lines(path: Path, mark: str, fields: Sequence[str], problems: list[str]) -> list[_Line]:
    """Return the lines of a file that hold as many words as there are fields; a file of no lines is legal."""
    lines = []
    for number, text in enumerate(read_text(path, "a line a segment", may_be_empty=True).splitlines(), 1):
        words = text.split()
        if len(words) == len(fields):
            lines.append(_Line(f"{mark}{number}", words))
        elif words:
            problems.append(f"{mark}{number}: {shorten(text)}; a line reads {' '.join(fields)}")
    return lines


def _make_rows(lines: Sequence[_Line], labels: Sequence[str], score: np.ndarray, problems: list[str]) -> Rows:
    place_of = _placer(lines)
    start = parse_column([line.words[1] for line in lines], "start", place_of, problems)
    end = parse_column([line.words[2] for line in lines], "end", place_of, problems)
    return Rows([line.words[0] for line in lines], labels, start, end, score, place_of)


def _placer(lines: Sequence[_Line]) -> PlaceOf:
    return lambda row: lines[row].place


def _name_class(line: _Line, classes: ClassList, invalid: Invalid, problems: list[str]) -> str:
    class_id = parse_whole(line.words[3])
    if class_id is None:
        problems.append(f"{line.place}: class id {shorten(line.words[3])}; an id is a whole number")
        return line.words[3]
    if invalid == "error" and class_id not in classes:
        problems.append(f"{line.place}: class id {class_id} has no name in the class list")
    return classes.name_of(class_id)


def _lines_of(segments: Segments, video_ids: Sequence[str]) -> list[str]:
    _require_words(video_ids)
    columns = (segments.video.tolist(), segments.start.tolist(), segments.end.tolist())
    return [f"{video_ids[video]} {start!r} {end!r}" for video, start, end in zip(*columns, strict=True)]


def _require_words(video_ids: Iterable[str]) -> None:
    for name in video_ids:
        if len(name.split()) != 1 or name.strip() != name:
            raise InputError(
                f"video id {name!r} holds white space, which divides the words of a THUMOS14 line",
                "choose another format, such as activitynet or csv",
            )
