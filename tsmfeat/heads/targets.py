"""Annotations become what each interval should be called."""

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tsmfeat.heads.options import VALIDATION_SHARE
from tsmfeat.values.annotations import NO_SCENE, Annotations, require_unique_video_ids

NO_TARGET = -1

# Seconds within which two overlaps, or an overlap and its threshold, count as equal.
TOLERANCE_SECONDS = 1e-9

_Ints = npt.NDArray[np.int64]
_Floats = npt.NDArray[np.float64]


def interval_targets(
    annotations: Annotations,
    video_ids: Sequence[str],
    row_offset: npt.ArrayLike,
    step_seconds: float,
    min_overlap: float,
) -> npt.NDArray[np.int32]:
    """Return the action each interval is to be called.

    The action with the largest total overlap with the interval wins: the overlaps of its segments are added, also
    where two of them overlap each other. Of equal totals the lower label wins. The winner is the target if its own
    total is at least ``min_overlap * step_seconds``; otherwise the target is background. Equal means within 1e-9 s.

    Parameters
    ----------
    annotations
        Truth; videos are found by their id.
    video_ids
        V unique ids of the videos whose rows are asked for.
    row_offset
        int64 (V + 1,): video v owns rows ``row_offset[v]:row_offset[v + 1]``, one an interval.
    step_seconds
        The grid's step t.
    min_overlap
        Share of an interval, in [0, 1]. At 0 any overlap suffices.

    Returns
    -------
    int32 (N,)
        Label; ``vocabulary.background`` for background; `NO_TARGET` in the rows of a video without annotations.

    Raises
    ------
    InputError
        A video id occurs twice.

    Examples
    --------
    >>> from tsmfeat.values.segments import Segments
    >>> from tsmfeat.values.vocabulary import Vocabulary
    >>> one = Segments([0], [0], [0.25], [1.2], [1.0])
    >>> truth = Annotations(("a",), Vocabulary(("run",)), one, [2.0], ("",), [-1], Vocabulary(()))
    >>> interval_targets(truth, ["a", "b"], [0, 4, 5], 0.5, min_overlap=0.5).tolist()
    [0, 0, 1, 1, -1]
    """
    require_unique_video_ids(tuple(video_ids))
    offsets: _Ints = np.asarray(row_offset, np.int64)
    video_of = _places(annotations, video_ids)
    per_video = np.full(len(video_ids), NO_TARGET, np.int32)
    per_video[video_of[video_of >= 0]] = annotations.vocabulary.background
    targets = np.repeat(per_video, np.diff(offsets))
    row, label, overlap = _pairs(annotations, video_of, offsets, step_seconds)
    rows, labels, totals = _winners(*_totals(row, label, overlap))
    accepted = totals >= min_overlap * step_seconds - TOLERANCE_SECONDS
    targets[rows[accepted]] = labels[accepted]
    return targets


class Overlaps(NamedTuple):
    """How long each action takes within each interval, one place of every array for each pair that meets.

    Attributes
    ----------
    row
        int64 (P,): ascending.
    label
        int64 (P,): ascending within a row.
    seconds
        float64 (P,): the overlaps of the action's segments added; above 1e-9.
    """

    row: _Ints
    label: _Ints
    seconds: _Floats


def interval_overlaps(
    annotations: Annotations, video_ids: Sequence[str], row_offset: npt.ArrayLike, step_seconds: float
) -> Overlaps:
    """Return how long each action takes within each interval.

    Parameters
    ----------
    annotations, video_ids, row_offset, step_seconds
        As in `interval_targets`.

    Returns
    -------
    Overlaps

    Examples
    --------
    >>> from tsmfeat.values.segments import Segments
    >>> from tsmfeat.values.vocabulary import Vocabulary
    >>> one = Segments([0], [0], [0.25], [1.25], [1.0])
    >>> truth = Annotations(("a",), Vocabulary(("run",)), one, [2.0], ("",), [-1], Vocabulary(()))
    >>> found = interval_overlaps(truth, ["a"], [0, 4], 0.5)
    >>> found.row.tolist(), found.seconds.tolist()
    ([0, 1, 2], [0.25, 0.5, 0.25])
    """
    require_unique_video_ids(tuple(video_ids))
    offsets: _Ints = np.asarray(row_offset, np.int64)
    return _totals(*_pairs(annotations, _places(annotations, video_ids), offsets, step_seconds))


def _places(annotations: Annotations, video_ids: Sequence[str]) -> _Ints:
    place = {video_id: index for index, video_id in enumerate(video_ids)}
    return np.array([place.get(video_id, -1) for video_id in annotations.video_ids], np.int64)


def _pairs(
    annotations: Annotations, video_of: _Ints, offsets: _Ints, step_seconds: float
) -> tuple[_Ints, _Ints, _Floats]:
    segments = annotations.segments
    video = video_of[segments.video]
    usable = (video >= 0) & np.isfinite(segments.start) & np.isfinite(segments.end) & (segments.end > segments.start)
    video, label = video[usable], segments.label[usable].astype(np.int64)
    start, end = segments.start[usable], segments.end[usable]
    count = np.diff(offsets)[video]
    # A quotient that overflows lies beyond any grid, as what is clipped does.
    with np.errstate(over="ignore"):
        first = np.clip(np.floor(start / step_seconds), 0, count).astype(np.int64)
        length = np.clip(np.ceil(end / step_seconds), 0, count).astype(np.int64) - first
    # One entry for each interval that each segment touches.
    segment = np.repeat(np.arange(len(length)), length)
    interval = np.arange(len(segment)) - np.repeat(np.cumsum(length) - length, length) + first[segment]
    overlap = np.minimum(end[segment], (interval + 1) * step_seconds)
    overlap -= np.maximum(start[segment], interval * step_seconds)
    return offsets[video[segment]] + interval, label[segment], overlap


def _totals(row: _Ints, label: _Ints, overlap: _Floats) -> Overlaps:
    order = np.lexsort((label, row))
    row, label = row[order], label[order]
    begins = _group_begins((np.diff(row) != 0) | (np.diff(label) != 0), len(row))
    totals = np.add.reduceat(overlap[order], begins) if len(begins) else overlap
    some = totals > TOLERANCE_SECONDS
    return Overlaps(row[begins][some], label[begins][some], totals[some])


def _winners(row: _Ints, label: _Ints, totals: _Floats) -> tuple[_Ints, _Ints, _Floats]:
    begins = _group_begins(np.diff(row) != 0, len(row))
    if not len(begins):
        return row, label, totals
    largest = np.repeat(np.maximum.reduceat(totals, begins), np.diff(np.append(begins, len(row))))
    equal = np.flatnonzero(totals >= largest - TOLERANCE_SECONDS)
    # Labels ascend within a row, so the first of the equals is the lowest label.
    chosen = equal[np.unique(row[equal], return_index=True)[1]]
    return row[chosen], label[chosen], totals[chosen]


def _group_begins(changes: npt.NDArray[np.bool_], count: int) -> _Ints:
    return np.flatnonzero(np.concatenate([[True], changes])) if count else np.empty(0, np.int64)


def scene_targets(
    annotations: Annotations, video_ids: Sequence[str], row_offset: npt.ArrayLike
) -> npt.NDArray[np.int32]:
    """Return the scene of each interval: that of its video.

    Parameters
    ----------
    annotations
        Truth; videos are found by their id.
    video_ids, row_offset
        As in `interval_targets`.

    Returns
    -------
    int32 (N,)
        Index into the scene vocabulary; -1 where the video or its scene is unknown, which the loss ignores.

    Examples
    --------
    >>> from tsmfeat.values.segments import Segments
    >>> from tsmfeat.values.vocabulary import Vocabulary
    >>> truth = Annotations(("a",), Vocabulary(()), Segments.empty(), [2.0], ("",), [0], Vocabulary(("park",)))
    >>> scene_targets(truth, ["b", "a"], [0, 1, 3]).tolist()
    [-1, 0, 0]
    """
    scene = dict(zip(annotations.video_ids, annotations.scene.tolist(), strict=True))
    per_video = np.array([scene.get(video_id, NO_SCENE) for video_id in video_ids], np.int32)
    offsets: _Ints = np.asarray(row_offset, np.int64)
    return np.repeat(per_video, np.diff(offsets))


def validation_split(
    video_ids: Sequence[str], share: float = VALIDATION_SHARE
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Set some videos aside by the hash of their ids: the same ones on every machine and in every order.

    The ``round(share * V)`` videos of the smallest SHA-256 are set aside; of two or more videos at least one, and
    never all.

    Parameters
    ----------
    video_ids
        V unique ids.
    share
        Between 0 and 1.

    Returns
    -------
    training, validation
        The ids of both sides, each in the order given.

    Examples
    --------
    >>> validation_split(["a", "b", "c"])
    (('a', 'b'), ('c',))
    """
    ranked = sorted(video_ids, key=lambda video_id: hashlib.sha256(video_id.encode()).digest())
    wanted = max(1, round(share * len(ranked)))
    aside = set(ranked[: min(wanted, len(ranked) - 1)]) if ranked else set()
    training = tuple(video_id for video_id in video_ids if video_id not in aside)
    return training, tuple(video_id for video_id in video_ids if video_id in aside)
