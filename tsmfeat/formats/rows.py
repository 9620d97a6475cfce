"""Labelled segments as text formats list them, and the values they become."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tsmfeat.formats.options import Invalid
from tsmfeat.formats.row_checks import (
    PlaceOf,
    impose_classes,
    judge_segments,
    list_nameless,
    list_nan_scores,
    list_rows,
    refuse_problems,
)
from tsmfeat.values.annotations import NO_SCENE, Annotations
from tsmfeat.values.predictions import Predictions
from tsmfeat.values.segments import Segments
from tsmfeat.values.vocabulary import Vocabulary

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Rows:
    """Segments of a file in its order: names instead of ids, and the place of each."""

    video: Sequence[str]
    label: Sequence[str]
    start: Floats
    end: Floats
    score: Floats
    place_of: PlaceOf


class VideoFacts(NamedTuple):
    """What is known of an annotated video beside its segments."""

    subset: str = ""
    duration: float = float("nan")
    scene: str = ""


@dataclass(frozen=True)
class FoundVideos:
    """The annotated videos of a file by id, and the segments set aside as ambiguous: video, start and end."""

    facts: Mapping[str, VideoFacts] = field(default_factory=dict)
    num_left_out: int = 0
    ambiguous: Sequence[tuple[str, float, float]] = ()


def assemble_predictions(
    source: Path, rows: Rows, video_ids: Iterable[str], invalid: Invalid, problems: list[str]
) -> Predictions:
    """Return the predictions that rows are, or refuse the file with all its problems.

    Parameters
    ----------
    source
        The file.
    rows
        Its segments.
    video_ids
        Videos that come first, whether they have rows or not; the others follow by first appearance.
    invalid
        As in `tsmfeat.read_predictions`.
    problems
        Those found so far.

    Raises
    ------
    InputError
        There are problems.
    """
    names, segments, videos = _number(rows, video_ids)
    problems += _list_nameless(rows, names, segments)
    problems += list_nan_scores(segments, rows.place_of, invalid)
    segments, num_dropped = judge_segments(segments, rows.place_of, invalid, problems)
    refuse_problems(source, problems)
    return Predictions(videos, Vocabulary(names), segments, num_dropped=num_dropped)


def assemble_annotations(
    source: Path,
    rows: Rows,
    found: FoundVideos,
    invalid: Invalid,
    classes: Vocabulary | None,
    problems: list[str],
) -> Annotations:
    """Return the annotations that rows are, or refuse the file with all its problems.

    Parameters
    ----------
    source
        The file or folder.
    rows
        Its segments; scores are 1.
    found
        What it says of videos; those without rows too.
    invalid, classes
        As in `tsmfeat.read_annotations`.
    problems
        Those found so far.

    Raises
    ------
    InputError
        There are problems, labels that are not among the `classes` included.
    """
    names, segments, videos = _number(rows, found.facts)
    problems += _list_nameless(rows, names, segments)
    vocabulary, segments = impose_classes(names, segments, classes, rows.place_of, problems)
    segments, num_dropped = judge_segments(segments, rows.place_of, invalid, problems)
    refuse_problems(source, problems)
    facts = [found.facts.get(name, VideoFacts()) for name in videos]
    scenes = Vocabulary(tuple(dict.fromkeys(fact.scene for fact in facts if fact.scene)))
    return Annotations(
        videos,
        vocabulary,
        segments,
        np.array([fact.duration for fact in facts], np.float64),
        tuple(fact.subset for fact in facts),
        scenes.ids_of((fact.scene for fact in facts), unknown=NO_SCENE),
        scenes,
        num_dropped + found.num_left_out,
        len(found.ambiguous),
        number_ambiguous(found.ambiguous, videos),
    )


def number_ambiguous(rows: Sequence[tuple[str, float, float]], video_ids: Sequence[str]) -> Segments:
    """Return ambiguous segments, listed as video id, start and end, in the numbering of the video ids.

    Examples
    --------
    >>> number_ambiguous([("b", 1.0, 2.0)], ("a", "b")).video.tolist()
    [1]
    """
    place = {name: index for index, name in enumerate(video_ids)}
    video = np.array([place[row[0]] for row in rows], np.int32)
    ends = np.array([row[1:] for row in rows], np.float64).reshape(-1, 2)
    return Segments(video, np.zeros(len(rows), np.int32), ends[:, 0], ends[:, 1], np.ones(len(rows)))


def _number(rows: Rows, video_ids: Iterable[str]) -> tuple[tuple[str, ...], Segments, tuple[str, ...]]:
    videos = {name: index for index, name in enumerate(dict.fromkeys([*video_ids, *rows.video]))}
    labels = {name: index for index, name in enumerate(dict.fromkeys(rows.label))}
    video = np.fromiter(map(videos.__getitem__, rows.video), np.int32, len(rows.video))
    label = np.fromiter(map(labels.__getitem__, rows.label), np.int32, len(rows.label))
    return tuple(labels), Segments(video, label, rows.start, rows.end, rows.score), tuple(videos)


def _list_nameless(rows: Rows, names: tuple[str, ...], segments: Segments) -> list[str]:
    nameless = np.fromiter((not name for name in rows.video), np.bool_, len(rows.video))
    return list_nameless(names, segments, rows.place_of) + list_rows(
        nameless, rows.place_of, "the video id is empty; an id is a text"
    )
