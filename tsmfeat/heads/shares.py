"""Annotations become targets of several actions at once, or of shares of an interval."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from tsmfeat.heads.targets import TOLERANCE_SECONDS, interval_overlaps
from tsmfeat.values.annotations import Annotations
from tsmfeat.values.segments import Segments

_Shares = npt.NDArray[np.float32]


def coverage_targets(
    annotations: Annotations, video_ids: Sequence[str], row_offset: npt.ArrayLike, step_seconds: float
) -> _Shares:
    """Return which share of each interval each action covers, and which share no action does.

    Time that several segments of one action cover counts once. Actions that happen at the same time all count, so a
    row can sum to more than 1.

    Parameters
    ----------
    annotations, video_ids, row_offset, step_seconds
        As in `tsmfeat.heads.targets.interval_targets`.

    Returns
    -------
    float32 (N, C + 1)
        In [0, 1]; the last column is background's. NaN in the rows of a video without annotations.

    Raises
    ------
    InputError
        A video id occurs twice.

    Examples
    --------
    >>> from tsmfeat.values.vocabulary import Vocabulary
    >>> two = Segments([0, 0], [0, 1], [0.25, 0.5], [1.0, 0.75], [1.0, 1.0])
    >>> truth = Annotations(("a",), Vocabulary(("run", "eat")), two, [1.0], ("",), [-1], Vocabulary(()))
    >>> coverage_targets(truth, ["a"], [0, 2], 0.5).tolist()
    [[0.5, 0.0, 0.5], [1.0, 0.5, 0.0]]
    """
    targets = _blank(annotations, video_ids, row_offset)
    own, any_action = (
        interval_overlaps(_unite(annotations, by_label), video_ids, row_offset, step_seconds)
        for by_label in (True, False)
    )
    targets[own.row, own.label] = np.minimum(own.seconds / step_seconds, 1.0)
    targets[any_action.row, -1] = np.maximum(1.0 - any_action.seconds / step_seconds, 0.0)
    return targets


def share_targets(
    annotations: Annotations, video_ids: Sequence[str], row_offset: npt.ArrayLike, step_seconds: float
) -> _Shares:
    """Return how each interval is shared among actions and background: `coverage_targets`, divided by each row's sum.

    Parameters
    ----------
    annotations, video_ids, row_offset, step_seconds
        As in `coverage_targets`.

    Returns
    -------
    float32 (N, C + 1)
        Rows sum to 1; NaN in the rows of a video without annotations.

    Examples
    --------
    >>> from tsmfeat.values.vocabulary import Vocabulary
    >>> two = Segments([0, 0], [0, 1], [0.25, 0.5], [1.0, 1.0], [1.0, 1.0])
    >>> truth = Annotations(("a",), Vocabulary(("run", "eat")), two, [1.0], ("",), [-1], Vocabulary(()))
    >>> share_targets(truth, ["a"], [0, 2], 0.5).tolist()
    [[0.5, 0.0, 0.5], [0.5, 0.5, 0.0]]
    """
    covered = coverage_targets(annotations, video_ids, row_offset, step_seconds)
    # Never 0: what no action covers is background's.
    return np.asarray(covered / covered.sum(axis=1, keepdims=True), np.float32)


def multi_hot_targets(
    annotations: Annotations,
    video_ids: Sequence[str],
    row_offset: npt.ArrayLike,
    step_seconds: float,
    min_overlap: float,
) -> _Shares:
    """Return 1 for every action that covers enough of an interval, and for background where none does.

    Parameters
    ----------
    annotations, video_ids, row_offset, step_seconds
        As in `coverage_targets`.
    min_overlap
        Share of an interval, in [0, 1]. At 0 any overlap suffices.

    Returns
    -------
    float32 (N, C + 1)
        0 and 1; NaN in the rows of a video without annotations.

    Examples
    --------
    >>> from tsmfeat.values.vocabulary import Vocabulary
    >>> two = Segments([0, 0], [0, 1], [0.25, 0.5], [1.0, 1.0], [1.0, 1.0])
    >>> truth = Annotations(("a",), Vocabulary(("run", "eat")), two, [1.5], ("",), [-1], Vocabulary(()))
    >>> multi_hot_targets(truth, ["a"], [0, 3], 0.5, min_overlap=0.5).tolist()
    [[1.0, 0.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """
    targets = _blank(annotations, video_ids, row_offset)
    found = interval_overlaps(_unite(annotations, True), video_ids, row_offset, step_seconds)
    enough = found.seconds >= min_overlap * step_seconds - TOLERANCE_SECONDS
    targets[found.row[enough], found.label[enough]] = 1.0
    targets[found.row[enough], -1] = 0.0
    return targets


def soft_targets(
    kinds: Iterable[str],
    annotations: Annotations,
    video_ids: Sequence[str],
    row_offset: npt.ArrayLike,
    step_seconds: float,
    min_overlap: float,
) -> dict[str, _Shares]:
    """Return the targets that some losses ask for, by the names of `tsmfeat.heads.loss_options.target_kind`.

    Parameters
    ----------
    kinds
        ``"several"``: `multi_hot_targets`; ``"shares"``: `share_targets`; ``"coverage"``: `coverage_targets`. Others
        are passed over: ``"hard"`` ones are no shares.
    annotations, video_ids, row_offset, step_seconds, min_overlap
        As in `multi_hot_targets`.

    Returns
    -------
    dict
        float32 (N, C + 1) each: four bytes an interval and class, beside the features.
    """
    made: dict[str, _Shares] = {}
    for kind in sorted(set(kinds)):
        match kind:
            case "several":
                made[kind] = multi_hot_targets(annotations, video_ids, row_offset, step_seconds, min_overlap)
            case "shares":
                made[kind] = share_targets(annotations, video_ids, row_offset, step_seconds)
            case "coverage":
                made[kind] = coverage_targets(annotations, video_ids, row_offset, step_seconds)
    return made


def _blank(annotations: Annotations, video_ids: Sequence[str], row_offset: npt.ArrayLike) -> _Shares:
    """Return background everywhere, NaN where nothing is known."""
    offsets = np.asarray(row_offset, np.int64)
    annotated = set(annotations.video_ids)
    known = np.repeat([video_id in annotated for video_id in video_ids], np.diff(offsets)).astype(bool)
    targets = np.zeros((len(known), len(annotations.vocabulary) + 1), np.float32)
    targets[:, -1] = 1.0
    targets[~known] = np.nan
    return targets


def _unite(annotations: Annotations, by_label: bool) -> Annotations:
    """Return the annotations with segments joined that touch or overlap: those of one action, or all of a video."""
    segments = annotations.segments
    usable = np.isfinite(segments.start) & np.isfinite(segments.end) & (segments.end > segments.start)
    video, start, end = segments.video[usable], segments.start[usable], segments.end[usable]
    label = segments.label[usable] if by_label else np.zeros(len(video), np.int32)
    change = np.repeat([1, -1], len(video))
    time, both_video, both_label = np.concatenate([start, end]), np.tile(video, 2), np.tile(label, 2)
    # Where one ends as another begins, the beginning comes first: they touch, and are one.
    order = np.lexsort((-change, time, both_label, both_video))
    # How many segments are open after each event; every action's events end at 0, so one sum serves them all.
    num_open = np.cumsum(change[order])
    begins = order[(num_open == 1) & (change[order] == 1)]
    ends = order[num_open == 0]
    joined = Segments(both_video[begins], both_label[begins], time[begins], time[ends], np.ones(len(begins)))
    return replace(annotations, segments=joined)
