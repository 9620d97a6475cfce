"""Measures of temporal segmentation: a label for every row instead of scored segments."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tsmfeat.errors import ConfigurationError, InputError
from tsmfeat.kernels.runs import Runs, find_label_runs
from tsmfeat.kernels.sequences import count_found, edit_distances, offset_runs

Labels = npt.NDArray[np.int32]
Indexes = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

F1_THRESHOLDS = (0.1, 0.25, 0.5)
"""The field's F1@10, F1@25 and F1@50."""


@dataclass(frozen=True)
class SegmentationScores:
    """What `segmentation_scores` found; all from 0 to 1, means over videos unless said otherwise.

    Parameters
    ----------
    accuracy
        Share of rows whose label is right, background included.
    edit
        1 minus the edit distance of the two sequences of segments over the length of the longer one.
    tiou_thresholds
        Those of the F1 scores.
    f1
        Harmonic mean of precision and recall of segments at each threshold.
    accuracy_pooled, f1_pooled
        The same over the rows and segments of all videos at once, as MS-TCN and its descendants report them.
    num_videos
        Videos with rows.
    num_empty_videos
        Those of them in which neither truth nor prediction holds a segment: they count for `accuracy` only.
    """

    accuracy: float
    edit: float
    tiou_thresholds: tuple[float, ...]
    f1: tuple[float, ...]
    accuracy_pooled: float
    f1_pooled: tuple[float, ...]
    num_videos: int
    num_empty_videos: int

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON object."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}


def segmentation_scores(
    truth: npt.ArrayLike,
    predicted: npt.ArrayLike,
    row_offset: npt.ArrayLike,
    background: int,
    tiou_thresholds: Sequence[float] = F1_THRESHOLDS,
) -> SegmentationScores:
    """Compare two labellings of the rows of many videos.

    Segments are runs of equal labels; background is no segment. A predicted segment is right if the true segment of
    its label with the largest tIoU reaches the threshold and no earlier predicted one has found it.

    Parameters
    ----------
    truth, predicted
        Integers (N,): a label a row.
    row_offset
        Integers (V + 1,): video v owns rows ``row_offset[v]:row_offset[v + 1]``.
    background
        The label that belongs to no segment.
    tiou_thresholds
        Thresholds of F1, above 0 and at most 1; a tIoU equal to one reaches it.

    Returns
    -------
    SegmentationScores

    Raises
    ------
    InputError
        The arrays do not fit each other, or there is no row.
    ConfigurationError
        A threshold out of range.

    Notes
    -----
    The definitions are those of ``metrics.py`` in colincsl/TemporalConvolutionalNetworks (Lea et al., CVPR 2017). A
    video without any segment on either side has no edit score there, and an F1 of 0.

    Examples
    --------
    >>> found = segmentation_scores([0, 0, 1, 1, 2, 2], [0, 0, 1, 0, 2, 2], [0, 6], background=2)
    >>> round(found.accuracy, 3), round(found.edit, 3), found.f1
    (0.833, 0.667, (0.8, 0.8, 0.8))
    """
    rows = (np.ascontiguousarray(truth, np.int32), np.ascontiguousarray(predicted, np.int32))
    offset = np.ascontiguousarray(row_offset, np.int64)
    thresholds = _checked_thresholds(tiou_thresholds)
    _require_rows(*rows, offset)
    return _compare_labels(rows, np.unique(offset), background, thresholds)  # a video without rows says nothing


def _compare_labels(
    rows: tuple[Labels, Labels], offset: Indexes, background: int, thresholds: Floats
) -> SegmentationScores:
    accuracy, accuracy_pooled = _row_accuracy(*rows, offset)
    true_runs, predicted_runs = (_runs_of(labels, offset, background) for labels in rows)
    num_videos = len(offset) - 1
    truth_at, predicted_at = offset_runs(true_runs, num_videos), offset_runs(predicted_runs, num_videos)
    num_found = count_found(predicted_runs, predicted_at, true_runs, truth_at, thresholds)
    distances = edit_distances(true_runs.label, truth_at, predicted_runs.label, predicted_at)
    num_true, num_predicted = np.diff(truth_at), np.diff(predicted_at)
    kept = (num_true + num_predicted) > 0
    f1 = _f1_scores(num_found[kept], num_true[kept], num_predicted[kept])
    pooled = _f1_scores(num_found.sum(0)[None], num_true.sum()[None], num_predicted.sum()[None])
    edit = 1.0 - distances[kept] / np.maximum(num_true, num_predicted)[kept]
    perfect = (1.0,) * len(thresholds)  # nothing to find, nothing found
    return SegmentationScores(
        accuracy=accuracy,
        edit=float(edit.mean()) if kept.any() else 1.0,
        tiou_thresholds=tuple(thresholds.tolist()),
        f1=tuple(f1.mean(axis=0).tolist()) if kept.any() else perfect,
        accuracy_pooled=accuracy_pooled,
        f1_pooled=tuple(pooled[0].tolist()) if kept.any() else perfect,
        num_videos=num_videos,
        num_empty_videos=int((~kept).sum()),
    )


def _checked_thresholds(thresholds: Sequence[float]) -> Floats:
    values = np.asarray(thresholds, np.float64)
    if values.ndim != 1 or not len(values) or not ((values > 0) & (values <= 1)).all():
        raise ConfigurationError(
            f"F1 thresholds {list(thresholds)}: they lie above 0 and at most at 1", "50 % is 0.5, as in 0.1,0.25,0.5"
        )
    return values


def _require_rows(truth: Labels, predicted: Labels, offset: Indexes) -> None:
    if truth.ndim != 1 or truth.shape != predicted.shape:
        raise InputError(f"labels of shapes {truth.shape} and {predicted.shape}; each row has one of each", "")
    fits = len(offset) > 1 and offset[0] == 0 and offset[-1] == len(truth) and (np.diff(offset) >= 0).all()
    if not fits or len(truth) == 0:
        raise InputError(
            f"row offsets do not describe {len(truth)} rows; they start at 0, grow, and end at the number of rows",
            "at least one row is needed",
        )


def _runs_of(labels: Labels, offset: Indexes, background: int) -> Runs:
    return find_label_runs(offset, labels, np.ones(len(labels)), background, 0)


def _row_accuracy(truth: Labels, predicted: Labels, offset: Indexes) -> tuple[float, float]:
    hits = truth == predicted
    shares = np.add.reduceat(hits, offset[:-1], dtype=np.int64) / np.diff(offset)
    return float(shares.mean()), float(hits.mean())


def _f1_scores(num_found: Indexes, num_true: Indexes, num_predicted: Indexes) -> Floats:
    """Return float64 (V, T): twice the found ones over all there are on both sides, which is F1."""
    total = np.maximum(num_true + num_predicted, 1)
    scores: Floats = 2.0 * num_found / total[:, None]
    return scores
