"""Average precision of predicted segments against annotations, under a named protocol."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tsmfeat.kernels.hit_precision import MEAN_AT_TP, VOC_11, VOC_ALL, summarize_hits
from tsmfeat.kernels.precision import average_precisions
from tsmfeat.metrics.matching import Matching, match_predictions
from tsmfeat.metrics.protocols import DEFAULT_PROTOCOL, Protocol, protocol_named
from tsmfeat.values.annotations import Annotations
from tsmfeat.values.predictions import Predictions

AP_RULES = {"voc-all": VOC_ALL, "voc-11": VOC_11, "mean-at-tp": MEAN_AT_TP}
"""What the kernels call the rules of `Protocol.ap`."""


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

    def to_dict(self) -> dict[str, Any]:
        """Return what is known of the protocol in the JSON object of ``tsmfeat score --json``."""
        return {
            "protocol": self.protocol,
            "tiou_thresholds": list(self.tiou_thresholds),
            "map": self.map.tolist(),
            "average_map": self.average_map,
            "final_score": self.final_score,
            "classes": list(self.classes),
            "ap": self.ap.tolist(),
            "num_annotations": self.num_annotations,
            "num_predictions": self.num_predictions,
            "num_ignored": self.num_ignored,
            "tied_share": self.tied_share,
            "num_at_threshold": self.num_at_threshold,
            "num_dropped_annotations": self.num_dropped_annotations,
            "num_dropped_predictions": self.num_dropped_predictions,
        }

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
    >>> from tsmfeat.values.segments import Segments
    >>> from tsmfeat.values.vocabulary import Vocabulary
    >>> actions, none = Vocabulary(("walk",)), Vocabulary(())
    >>> truth = Annotations(("a",), actions, Segments([0], [0], [0.0], [10.0], [1.0]), [10.0], ("",), [-1], none)
    >>> found = Predictions(("a",), actions, Segments([0], [0], [0.0], [8.0], [0.9]))
    >>> evaluate(found, truth).map.tolist()  # tIoU 0.8
    [1.0, 1.0, 0.0]
    """
    record = protocol_named(protocol) if isinstance(protocol, str) else protocol
    matching = match_predictions(predictions, annotations, record, tiou_thresholds)
    return summarize_matching(matching, record, predictions, annotations)


def summarize_matching(
    matching: Matching, protocol: Protocol, predictions: Predictions, annotations: Annotations
) -> Evaluation:
    """Return the evaluation of predictions that are matched already."""
    num_ranked = matching.num_ranked
    return Evaluation(
        protocol=protocol.name,
        tiou_thresholds=matching.tiou_thresholds,
        classes=matching.classes,
        ap=ap_of_matching(matching, protocol),
        num_annotations=len(matching.truth_rows),
        num_predictions=len(predictions.segments),
        num_ignored=len(predictions.segments) - num_ranked,
        tied_share=matching.num_tied / num_ranked if num_ranked else 0.0,
        num_at_threshold=matching.num_at_threshold,
        num_dropped_annotations=annotations.num_dropped,
        num_dropped_predictions=predictions.num_dropped,
    )


def ap_of_matching(matching: Matching, protocol: Protocol) -> npt.NDArray[np.float64]:
    """Return the average precision of each class at each threshold, float64 (K, T), under a protocol's rule.

    Parameters
    ----------
    matching
        From `tsmfeat.metrics.matching.match_predictions`.
    protocol
        Of its rules those on AP and on the rank of equal scores.
    """
    hits, offset, num_truths = matching.hits, matching.offset, matching.num_truths
    num_thresholds = len(matching.tiou_thresholds)
    hits_first = protocol.tie == "hits-first" and matching.num_tied > 0
    if protocol.ap == "voc-all" and matching.is_forgiven is None and not hits_first:
        return average_precisions(hits, offset, num_truths, num_thresholds)
    none = np.zeros(len(hits), np.bool_)
    is_forgiven = none if matching.is_forgiven is None else matching.is_forgiven
    is_tied = matching.is_tied if hits_first else none
    return summarize_hits(hits, is_forgiven, is_tied, offset, num_truths, (num_thresholds, AP_RULES[protocol.ap]))
