"""Segments as a label a frame: the view on which temporal segmentation is measured."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tsmfeat.errors import InputError
from tsmfeat.kernels.painting import count_covers, paint_rows
from tsmfeat.kernels.ranking import Pieces
from tsmfeat.metrics.segmentation import F1_THRESHOLDS, SegmentationScores, segmentation_scores
from tsmfeat.values.annotations import Annotations
from tsmfeat.values.intervals import IntervalGrid
from tsmfeat.values.predictions import Predictions
from tsmfeat.values.segments import Segments

BACKGROUND = -1
"""The label of a frame without a segment."""

DEFAULT_STEP_SECONDS = 0.1
_MOST_NAMES = 5

Labels = npt.NDArray[np.int32]
Indexes = npt.NDArray[np.int64]


class FrameLabels(NamedTuple):
    """A true and a predicted label for every frame of many videos.

    Attributes
    ----------
    truth, predicted
        int32 (N,): in the numbering of the annotations' vocabulary, `BACKGROUND` where there is no segment; classes
        that only the predictions know follow after those of the annotations.
    row_offset
        int64 (V + 1,): video v of the annotations owns rows ``row_offset[v]:row_offset[v + 1]``.
    num_shared
        Frames that several true segments cover: one of them counts.
    """

    truth: Labels
    predicted: Labels
    row_offset: Indexes
    num_shared: int


@dataclass(frozen=True)
class FrameScores:
    """What `frame_scores` found.

    Parameters
    ----------
    step_seconds
        Length of a frame.
    scores
        The measures of segmentation.
    num_frames, num_shared
        All frames, and those that several true segments cover: where they are many, truth is no labelling of frames,
        and the measures mean little.
    """

    step_seconds: float
    scores: SegmentationScores
    num_frames: int
    num_shared: int

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON object."""
        counts = {"num_frames": self.num_frames, "num_shared": self.num_shared}
        return {"step_seconds": self.step_seconds, **counts, **self.scores.to_dict()}


def label_frames(
    predictions: Predictions, annotations: Annotations, step_seconds: float = DEFAULT_STEP_SECONDS
) -> FrameLabels:
    """Give every frame of the annotated videos its true and its predicted label.

    A frame belongs to a segment that covers its middle. Where several do, the one with the higher score wins, of equal
    scores the one that comes first: so it is with truths that overlap too. What remains of a video after its last whole
    frame has none. Predictions in videos that the annotations lack are left out.

    Parameters
    ----------
    predictions
        Their classes and videos are matched to those of the annotations by name.
    annotations
        With the duration of every video.
    step_seconds
        Length of a frame.

    Returns
    -------
    FrameLabels

    Raises
    ------
    InputError
        A video's duration is unknown.
    ConfigurationError
        The step is no positive number.

    Examples
    --------
    >>> from tsmfeat.values.vocabulary import Vocabulary
    >>> actions, none = Vocabulary(("walk", "sit")), Vocabulary(())
    >>> truth = Annotations(("a",), actions, Segments([0], [1], [1.0], [3.0], [1.0]), [4.2], ("",), [-1], none)
    >>> found = Predictions(("a",), actions, Segments([0, 0], [0, 1], [0.0, 1.4], [2.0, 3.0], [0.4, 0.9]))
    >>> frames = label_frames(found, truth, 1.0)
    >>> frames.truth.tolist(), frames.predicted.tolist()
    ([-1, 1, 1, -1], [0, 1, 1, -1])
    """
    _require_durations(annotations)
    counts = [IntervalGrid(seconds, step_seconds).count for seconds in annotations.duration_seconds.tolist()]
    offset = np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
    truth = annotations.segments
    place_of = {name: place for place, name in enumerate(annotations.video_ids)}
    video = np.array([place_of.get(name, -1) for name in predictions.video_ids], np.int32)
    label = _numbers_of(predictions.vocabulary.names, annotations.vocabulary.names)
    found = predictions.segments
    predicted = _paint(found, video[found.video], label[found.label], offset, step_seconds)
    covers = count_covers(Pieces(truth.video, truth.start, truth.end), offset, step_seconds)
    labels = _paint(truth, truth.video, truth.label, offset, step_seconds)
    return FrameLabels(labels, predicted, offset, int((covers > 1).sum()))


def frame_scores(
    predictions: Predictions,
    annotations: Annotations,
    step_seconds: float = DEFAULT_STEP_SECONDS,
    tiou_thresholds: Sequence[float] = F1_THRESHOLDS,
) -> FrameScores:
    """Measure predicted segments as temporal segmentation does: frame accuracy, edit score, F1.

    Parameters
    ----------
    predictions, annotations, step_seconds
        As in `label_frames`.
    tiou_thresholds
        As in `tsmfeat.metrics.segmentation.segmentation_scores`.

    Returns
    -------
    FrameScores

    Raises
    ------
    InputError
        A video's duration is unknown, or no video is as long as a frame.
    ConfigurationError
        The step is no positive number, or a threshold is out of range.

    Examples
    --------
    >>> from tsmfeat.values.vocabulary import Vocabulary
    >>> actions, none = Vocabulary(("walk", "sit")), Vocabulary(())
    >>> truth = Annotations(("a",), actions, Segments([0], [1], [1.0], [3.0], [1.0]), [4.0], ("",), [-1], none)
    >>> found = Predictions(("a",), actions, Segments([0], [1], [1.0], [2.0], [0.9]))
    >>> scores = frame_scores(found, truth, 1.0).scores
    >>> scores.accuracy, scores.edit, scores.f1
    (0.75, 1.0, (1.0, 1.0, 1.0))
    """
    frames = label_frames(predictions, annotations, step_seconds)
    if len(frames.truth) == 0:
        raise InputError(
            f"none of the {len(annotations.video_ids)} annotated videos is as long as a frame of {step_seconds} s",
            "use a smaller --frame-step",
        )
    return FrameScores(
        step_seconds,
        segmentation_scores(frames.truth, frames.predicted, frames.row_offset, BACKGROUND, tiou_thresholds),
        len(frames.truth),
        frames.num_shared,
    )


def _require_durations(annotations: Annotations) -> None:
    unknown = np.flatnonzero(~np.isfinite(annotations.duration_seconds))
    if len(unknown):
        names = ", ".join(repr(annotations.video_ids[video]) for video in unknown[:_MOST_NAMES])
        more = ", ..." if len(unknown) > _MOST_NAMES else ""
        raise InputError(
            f"{len(unknown)} of {len(annotations.video_ids)} annotated videos have no duration ({names}{more}): "
            "without it the number of their frames is unknown",
            "add durations to the annotations (ActivityNet JSON: \"duration\"), or leave the measure 'frames' out",
        )


def _numbers_of(names: Sequence[str], known: Sequence[str]) -> Labels:
    """Return the places of names among the known ones; the others are numbered after them."""
    place_of = {name: place for place, name in enumerate(known)}
    return np.array([place_of.setdefault(name, len(place_of)) for name in names], np.int32)


def _paint(segments: Segments, video: Labels, label: Labels, row_offset: Indexes, step_seconds: float) -> Labels:
    order = np.argsort(-np.where(np.isnan(segments.score), np.inf, segments.score), kind="stable")
    return paint_rows(order, Pieces(video, segments.start, segments.end), label, row_offset, step_seconds)
