"""Which predictions are right, at every threshold at once: what AP and everything beside it are made from."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tsmfeat.errors import InputError
from tsmfeat.kernels.matching import MatchRule, Pieces, match_detections, rank_detections
from tsmfeat.metrics.protocols import Protocol
from tsmfeat.metrics.thresholds import require_thresholds
from tsmfeat.values.annotations import Annotations
from tsmfeat.values.predictions import Predictions
from tsmfeat.values.segments import Segments

_UNKNOWN = -1

Indexes = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Matching:
    """Predictions class by class in rank order, each with the thresholds at which it is a true positive.

    Parameters
    ----------
    tiou_thresholds
        T thresholds.
    classes
        Names of the K classes with truth, by first appearance in the truth.
    rows
        int64 (P,): rows of the predictions' segments; those of classes without truth come last.
    offset
        int64 (K + 2,): class k owns ``rows[offset[k]:offset[k + 1]]``; place K is the classes without truth.
    video
        int32 (P,): video of each ranked prediction in the annotations' numbering, -1 outside.
    hits
        uint64 (P,): bit t is set where the prediction is a true positive at threshold t.
    truth_rows
        int64 (G,): rows of the annotations' segments, class by class, within a class by video.
    truth_offset
        int64 (K + 1,): class k owns ``truth_rows[truth_offset[k]:truth_offset[k + 1]]``.
    num_tied
        Ranked predictions whose score equals another's of the same class.
    num_at_threshold
        Pairs of a prediction and a truth whose tIoU lies within 1e-9 of a threshold.
    """

    tiou_thresholds: tuple[float, ...]
    classes: tuple[str, ...]
    rows: Indexes
    offset: Indexes
    video: npt.NDArray[np.int32]
    hits: npt.NDArray[np.uint64]
    truth_rows: Indexes
    truth_offset: Indexes
    num_tied: int
    num_at_threshold: int

    @property
    def num_ranked(self) -> int:
        """Predictions of classes with truth."""
        return int(self.offset[-2])

    @property
    def num_truths(self) -> Indexes:
        """Truths of each class, int64 (K,)."""
        return np.diff(self.truth_offset)


def match_predictions(
    predictions: Predictions,
    annotations: Annotations,
    protocol: Protocol,
    tiou_thresholds: Sequence[float] | None = None,
) -> Matching:
    """Rank predictions and match them to the truth under the rules of a protocol.

    Parameters
    ----------
    predictions, annotations
        Classes and videos are matched by name.
    protocol
        The rules.
    tiou_thresholds
        1 to 64 thresholds in (0, 1]; the protocol's if not given.

    Returns
    -------
    Matching

    Raises
    ------
    ConfigurationError
        Thresholds out of range.
    InputError
        The annotations hold no segment.
    """
    thresholds = require_thresholds(protocol.tiou_thresholds if tiou_thresholds is None else tiou_thresholds)
    classes = _classes_with_truth(annotations)
    truth_offset, truth_rows = _group_truths(annotations.segments, classes)
    video, label = _aligned_ids(predictions, annotations, classes)
    segments, truth = predictions.segments, annotations.segments
    ranking = rank_detections(label, segments.score, len(classes))
    # In rank order once and for all: numpy's gather is faster than the kernel's steps through memory.
    detections = Pieces(video[ranking.rows], segments.start[ranking.rows], segments.end[ranking.rows])
    truths = Pieces(truth.video[truth_rows], truth.start[truth_rows], truth.end[truth_rows])
    rule = MatchRule(thresholds, protocol.undefined_tiou == "match")
    with np.errstate(invalid="ignore"):  # infinite ends, where a protocol keeps them
        hits, num_at_threshold = match_detections(ranking.offset, detections, truth_offset, truths, rule)
    return Matching(
        tiou_thresholds=tuple(thresholds.tolist()),
        classes=tuple(annotations.vocabulary.names[index] for index in classes),
        rows=ranking.rows,
        offset=ranking.offset,
        video=detections.video,
        hits=hits,
        truth_rows=truth_rows,
        truth_offset=truth_offset,
        num_tied=ranking.num_tied,
        num_at_threshold=int(num_at_threshold),
    )


def _classes_with_truth(annotations: Annotations) -> Indexes:
    if len(annotations.segments) == 0:
        raise InputError(
            f"no segment among the {len(annotations.video_ids)} annotated videos; there is nothing to score against",
            "check the subset: tsmfeat inspect lists those of an annotation file",
        )
    labels, first = np.unique(annotations.segments.label, return_index=True)
    return labels[np.argsort(first)].astype(np.int64)


def _group_truths(segments: Segments, classes: Indexes) -> tuple[Indexes, Indexes]:
    place_of_label = np.zeros(int(classes.max()) + 1, np.int64)
    place_of_label[classes] = np.arange(len(classes))
    group = place_of_label[segments.label]
    rows = np.lexsort((segments.video, group))  # stable: file order within a video
    offset = np.concatenate(([0], np.cumsum(np.bincount(group, minlength=len(classes)))))
    return offset, rows


def _aligned_ids(
    predictions: Predictions, annotations: Annotations, classes: Indexes
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    place_of_name = {annotations.vocabulary.names[index]: place for place, index in enumerate(classes)}
    place_of_video = {name: place for place, name in enumerate(annotations.video_ids)}
    label = np.array([place_of_name.get(name, len(classes)) for name in predictions.vocabulary.names], np.int32)
    video = np.array([place_of_video.get(name, _UNKNOWN) for name in predictions.video_ids], np.int32)
    return video[predictions.segments.video], label[predictions.segments.label]
