"""Average precision of predicted segments against annotations, under a named protocol."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tsmfeat.errors import ConfigurationError, InputError
from tsmfeat.kernels.matching import MAX_THRESHOLDS, MatchRule, Pieces, match_detections, rank_detections
from tsmfeat.kernels.precision import average_precisions
from tsmfeat.metrics.protocols import DEFAULT_PROTOCOL, Protocol, protocol_named
from tsmfeat.values.annotations import Annotations
from tsmfeat.values.predictions import Predictions
from tsmfeat.values.segments import Segments

_UNKNOWN = -1


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What `evaluate` found.

    Parameters
    ----------
    protocol
        Name of the protocol.
    tiou_thresholds
        The T thresholds used.
    classes
        Names of the K classes with truth, by first appearance in the truth.
    ap
        float64 (K, T): average precision, from 0 to 1.
    num_annotations, num_predictions
        Segments evaluated, and segments predicted (ignored ones included).
    num_ignored
        Predictions whose label has no truth.
    tied_share
        Share of the predictions not ignored whose score equals another's of the same class: their order, and with it
        the result, rests on the order of the file.
    num_at_threshold
        Pairs of a prediction and a truth of one video and class whose tIoU lies within 1e-9 of a threshold.
    num_dropped_annotations, num_dropped_predictions
        Rows the readers left out.
    """

    protocol: str
    tiou_thresholds: tuple[float, ...]
    classes: tuple[str, ...]
    ap: npt.NDArray[np.float64]
    num_annotations: int
    num_predictions: int
    num_ignored: int
    tied_share: float
    num_at_threshold: int
    num_dropped_annotations: int
    num_dropped_predictions: int

    @property
    def map(self) -> npt.NDArray[np.float64]:
        """Mean of `ap` over the classes at each threshold, float64 (T,)."""
        means: npt.NDArray[np.float64] = self.ap.mean(axis=0)
        return means

    @property
    def average_map(self) -> float:
        """Mean of `map` over the thresholds."""
        return float(self.map.mean())

    @property
    def final_score(self) -> float:
        """The paper's number: the mean of `map` over the thresholds given."""
        return self.average_map


def evaluate(
    predictions: Predictions,
    annotations: Annotations,
    protocol: str | Protocol = DEFAULT_PROTOCOL,
    tiou_thresholds: Sequence[float] | None = None,
) -> Evaluation:
    """Score predicted segments against annotations.

    Parameters
    ----------
    predictions
        Their classes and videos are matched to those of the annotations by name. Predictions in videos that the
        annotations lack are false positives; labels without truth are ignored and counted.
    annotations
        The videos to evaluate on: select the subset first.
    protocol
        Name of a protocol, or a record of your own.
    tiou_thresholds
        1 to 64 thresholds in (0, 1]; the protocol's if not given.

    Returns
    -------
    Evaluation
        Average precision per class and threshold, their means, and what to know about them.

    Raises
    ------
    ConfigurationError
        An unknown protocol, or thresholds out of range.
    InputError
        The annotations hold no segment.

    Examples
    --------
    >>> from tsmfeat.values.vocabulary import Vocabulary
    >>> actions, none = Vocabulary(("walk",)), Vocabulary(())
    >>> truth = Annotations(("a",), actions, Segments([0], [0], [0.0], [10.0], [1.0]), [10.0], ("",), [-1], none)
    >>> found = Predictions(("a",), actions, Segments([0], [0], [0.0], [8.0], [0.9]))
    >>> evaluate(found, truth).map.tolist()  # tIoU 0.8
    [1.0, 1.0, 0.0]
    """
    record = protocol_named(protocol) if isinstance(protocol, str) else protocol
    thresholds = _checked_thresholds(record.tiou_thresholds if tiou_thresholds is None else tiou_thresholds)
    classes = _classes_with_truth(annotations)
    truth_offset, truths = _grouped_truths(annotations.segments, classes)
    video, label = _aligned_ids(predictions, annotations, classes)
    segments = predictions.segments
    ranking = rank_detections(label, segments.score, len(classes))
    # In rank order once and for all: numpy's gather is faster than the kernel's steps through memory.
    detections = Pieces(video[ranking.rows], segments.start[ranking.rows], segments.end[ranking.rows])
    rule = MatchRule(thresholds, record.undefined_tiou == "match")
    with np.errstate(invalid="ignore"):  # infinite ends, where a protocol keeps them
        hits, num_at_threshold = match_detections(ranking.offset, detections, truth_offset, truths, rule)
    num_ranked = int(ranking.offset[-2])
    return Evaluation(
        protocol=record.name,
        tiou_thresholds=tuple(thresholds.tolist()),
        classes=tuple(annotations.vocabulary.names[index] for index in classes),
        ap=average_precisions(hits, ranking.offset, np.diff(truth_offset), len(thresholds)),
        num_annotations=len(annotations.segments),
        num_predictions=len(segments),
        num_ignored=len(segments) - num_ranked,
        tied_share=ranking.num_tied / num_ranked if num_ranked else 0.0,
        num_at_threshold=int(num_at_threshold),
        num_dropped_annotations=annotations.num_dropped,
        num_dropped_predictions=predictions.num_dropped,
    )


def _checked_thresholds(thresholds: Sequence[float]) -> npt.NDArray[np.float64]:
    values = np.asarray(thresholds, np.float64)
    if values.ndim != 1 or not 1 <= len(values) <= MAX_THRESHOLDS:
        raise ConfigurationError(
            f"tIoU thresholds of shape {values.shape}; a list of 1 to {MAX_THRESHOLDS} is needed",
            "give them as 0.5,0.75,0.95",
        )
    inside = (values > 0) & (values <= 1)
    if not inside.all():
        bad = float(values[~inside][0])
        raise ConfigurationError(f"tIoU threshold {bad}; thresholds lie above 0 and at most at 1", "50 % is 0.5")
    return values


def _classes_with_truth(annotations: Annotations) -> npt.NDArray[np.int64]:
    if len(annotations.segments) == 0:
        raise InputError(
            f"no segment among the {len(annotations.video_ids)} annotated videos; there is nothing to score against",
            "check the subset: tsmfeat inspect lists those of an annotation file",
        )
    labels, first = np.unique(annotations.segments.label, return_index=True)
    return labels[np.argsort(first)].astype(np.int64)


def _grouped_truths(segments: Segments, classes: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], Pieces]:
    place_of_label = np.zeros(int(classes.max()) + 1, np.int64)
    place_of_label[classes] = np.arange(len(classes))
    group = place_of_label[segments.label]
    rows = np.lexsort((segments.video, group))  # stable: file order within a video
    offset = np.concatenate(([0], np.cumsum(np.bincount(group, minlength=len(classes)))))
    return offset, Pieces(segments.video[rows], segments.start[rows], segments.end[rows])


def _aligned_ids(
    predictions: Predictions, annotations: Annotations, classes: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    place_of_name = {annotations.vocabulary.names[index]: place for place, index in enumerate(classes)}
    place_of_video = {name: place for place, name in enumerate(annotations.video_ids)}
    label = np.array([place_of_name.get(name, len(classes)) for name in predictions.vocabulary.names], np.int32)
    video = np.array([place_of_video.get(name, _UNKNOWN) for name in predictions.video_ids], np.int32)
    return video[predictions.segments.video], label[predictions.segments.label]
