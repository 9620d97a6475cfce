"""Scores of whole videos, of any tool: a prior for what is found in them.

Three forms, gzipped or not: JSON ``{"labels": [...], "videos": [...], "scores": [[...], ...]}`` (a row a video, null
where nothing is said); CSV ``video_id,label,score``; and the ``scenes`` of a prediction file (ActivityNet JSON). The
labels are actions or scenes: whoever uses them tells by their names.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from tsmfeat.errors import InputError
from tsmfeat.formats.activitynet_decoding import SceneScore
from tsmfeat.formats.content import read_content, require_no_pipe
from tsmfeat.formats.json_files import parse_json
from tsmfeat.formats.numbers import parse_column
from tsmfeat.formats.row_checks import refuse_problems
from tsmfeat.formats.tables import read_table
from tsmfeat.values.video_scores import VideoScores
from tsmfeat.values.vocabulary import Vocabulary

COLUMNS = ("video_id", "label", "score")
_FORMS = (
    "video scores are JSON with 'labels', 'videos' and 'scores', CSV with video_id,label,score, or the 'scenes' of a "
    "prediction file"
)
_Cell = tuple[str, str, float, str]


class _File(msgspec.Struct):
    """Both JSON forms, all else in them skipped."""

    labels: list[str] | msgspec.UnsetType = msgspec.UNSET
    videos: list[str] | msgspec.UnsetType = msgspec.UNSET
    scores: list[list[float | None]] | msgspec.UnsetType = msgspec.UNSET
    scenes: dict[str, list[SceneScore]] | msgspec.UnsetType = msgspec.UNSET


def read_video_scores(path: Path | str) -> VideoScores:
    r"""Read a score per video and class.

    Parameters
    ----------
    path
        The file, its form told by its content.

    Returns
    -------
    VideoScores
        Classes and videos by first appearance.

    Raises
    ------
    InputError
        Unreadable, of another form, a video and class twice, or a score that is negative or not a number; each with
        its place.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     _ = Path(folder, "scores.csv").write_text("video_id,label,score\na,run,0.75\nb,eat,0.5\n")
    ...     read_video_scores(Path(folder, "scores.csv")).scores.tolist()
    [[0.75, nan], [nan, 0.5]]
    """
    source = Path(path)
    require_no_pipe(source)
    content = read_content(source, "a table of video scores")
    try:
        return _from_json(source, content) if content.lstrip()[:1] in (b"{", b"[") else _from_csv(source)
    except InputError as error:
        place = "" if error.message.startswith(str(source)) else f"{source}: "
        raise InputError(f"{place}{error.message}", error.hint, error.problems) from error


def _from_json(path: Path, content: bytes) -> VideoScores:
    found = _decode(path, content)
    if found.scenes is not msgspec.UNSET and found.scores is msgspec.UNSET:
        cells = (
            (video, entry.label, entry.score, f"scenes[{video!r}][{index}]")
            for video, entries in found.scenes.items()
            for index, entry in enumerate(entries)
        )
        return _from_cells(path, list(found.scenes), cells, [])
    if msgspec.UNSET in (found.labels, found.videos, found.scores):
        raise InputError(f"other JSON; {_FORMS}", "write it in one of these forms")
    return _from_matrix(found.labels, found.videos, found.scores)


def _decode(path: Path, content: bytes) -> Any:  # noqa: ANN401 - its fields may be unset, which no narrowing follows
    try:
        return msgspec.json.decode(content, type=_File)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        # Bare NaN or a true problem: the careful way tells, and names the place.
        pass
    try:
        return msgspec.convert(parse_json(path, content)[0], type=_File)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise InputError(f"{error}; {_FORMS}", "write it in one of these forms") from error


def _from_matrix(labels: list[str], videos: list[str], scores: list[list[float | None]]) -> VideoScores:
    widths = {len(row) for row in scores}
    if len(scores) != len(videos) or widths - {len(labels)}:
        raise InputError(
            f"{len(scores)} rows of {sorted(widths)} scores for {len(videos)} videos and {len(labels)} labels; a row a "
            "video, a number a label",
            "make the file again",
        )
    table = np.array([[np.nan if value is None else value for value in row] for row in scores], np.float64)
    return VideoScores(tuple(videos), Vocabulary(tuple(labels)), table.reshape(len(videos), len(labels)))


def _from_csv(path: Path) -> VideoScores:
    problems: list[str] = []
    table = read_table(path, COLUMNS, problems)
    if {"start", "end"} & set(table.names):
        raise InputError(f"a table of segments; {_FORMS}", "give scores of whole videos")
    videos, labels = table.column("video_id"), table.column("label")
    scores = parse_column(table.column("score"), "score", table.place_of, problems).tolist()
    places = [table.place_of(row) for row in range(len(videos))]
    return _from_cells(path, [], zip(videos, labels, scores, places, strict=True), problems)


def _from_cells(path: Path, named: list[str], cells: Iterable[_Cell], problems: list[str]) -> VideoScores:
    rows = list(cells)
    videos = {name: index for index, name in enumerate(dict.fromkeys([*named, *(row[0] for row in rows)]))}
    labels = {name: index for index, name in enumerate(dict.fromkeys(row[1] for row in rows))}
    scores = np.full((len(videos), len(labels)), np.nan)
    for video, label, score, place in rows:
        cell = videos[video], labels[label]
        if not video or not label or not score >= 0 or not np.isnan(scores[cell]):
            problems.append(
                f"{place}: {label!r} of video {video!r} with score {score}; both are named, occur once together, and "
                "the score is 0 or more"
            )
        scores[cell] = score
    refuse_problems(path, problems)
    return VideoScores(tuple(videos), Vocabulary(tuple(labels)), scores)
