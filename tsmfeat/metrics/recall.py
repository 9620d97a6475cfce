"""Recall among the best detections of each video and class."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tsmfeat.errors import ConfigurationError
from tsmfeat.kernels.ranking import Pieces
from tsmfeat.kernels.recall import find_in_best
from tsmfeat.metrics.matching import match_predictions
from tsmfeat.metrics.protocols import DEFAULT_PROTOCOL, Protocol, protocol_named
from tsmfeat.values.annotations import Annotations
from tsmfeat.values.predictions import Predictions

BEST_OF = (1, 5)
"""The field's Recall@1x and Recall@5x."""


@dataclass(frozen=True, eq=False)
class TopRecall:
    """What `top_recall` found.

    Parameters
    ----------
    protocol
        Name of the protocol.
    tiou_thresholds
        T thresholds.
    best_of
        M multiples k, growing.
    classes
        Names of the K classes with truth.
    per_class
        float64 (K, M, T): share of the class's truths that are found.
    """

    protocol: str
    tiou_thresholds: tuple[float, ...]
    best_of: tuple[int, ...]
    classes: tuple[str, ...]
    per_class: npt.NDArray[np.float64]

    @property
    def recall(self) -> npt.NDArray[np.float64]:
        """Mean over the classes, float64 (M, T)."""
        means: npt.NDArray[np.float64] = self.per_class.mean(axis=0)
        return means

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON object."""
        return {
            "tiou_thresholds": list(self.tiou_thresholds),
            "best_of": list(self.best_of),
            "recall": self.recall.tolist(),
            "classes": list(self.classes),
            "per_class": self.per_class.tolist(),
        }


def top_recall(
    predictions: Predictions,
    annotations: Annotations,
    protocol: str | Protocol = DEFAULT_PROTOCOL,
    tiou_thresholds: Sequence[float] | None = None,
    best_of: Sequence[int] = BEST_OF,
) -> TopRecall:
    """Measure the recall of the k x n best detections of each video and class, n being the truths it has there.

    A truth is found if any of those detections reaches the threshold; a detection may find several truths.

    Parameters
    ----------
    predictions, annotations, protocol, tiou_thresholds
        As in `tsmfeat.metrics.average_precision.evaluate`.
    best_of
        The multiples k, whole numbers of 1 or more.

    Returns
    -------
    TopRecall

    Raises
    ------
    ConfigurationError
        As in `evaluate`, or a multiple that is none.
    InputError
        The annotations hold no segment.

    Notes
    -----
    ``compute_topkx_recall_detection`` of happyharrycn/actionformer_release and sming256/OpenTAD.

    Examples
    --------
    >>> from tsmfeat.values.segments import Segments
    >>> from tsmfeat.values.vocabulary import Vocabulary
    >>> actions, none = Vocabulary(("walk",)), Vocabulary(())
    >>> truth = Annotations(("a",), actions, Segments([0], [0], [0.0], [10.0], [1.0]), [10.0], ("",), [-1], none)
    >>> found = Predictions(("a",), actions, Segments([0, 0], [0, 0], [0.0, 0.0], [2.0, 7.0], [0.9, 0.8]))
    >>> top_recall(found, truth, tiou_thresholds=(0.5,)).recall.tolist()
    [[0.0], [1.0]]
    """
    multiples = tuple(sorted(int(k) for k in best_of))
    if not multiples or min(multiples) < 1:
        raise ConfigurationError(f"multiples {list(best_of)}: each is a whole number of 1 or more", "use 1,5")
    record = protocol_named(protocol) if isinstance(protocol, str) else protocol
    matching = match_predictions(predictions, annotations, record, tiou_thresholds)
    segments, truth = predictions.segments, annotations.segments
    rows, truth_rows = matching.rows, matching.truth_rows
    found = find_in_best(
        matching.offset,
        Pieces(matching.video, segments.start[rows], segments.end[rows]),
        matching.truth_offset,
        Pieces(truth.video[truth_rows], truth.start[truth_rows], truth.end[truth_rows]),
        np.array(multiples, np.int64),
        np.array(matching.tiou_thresholds),
    )
    shares = np.add.reduceat(found, matching.truth_offset[:-1], dtype=np.int64) / matching.num_truths[:, None, None]
    return TopRecall(record.name, matching.tiou_thresholds, multiples, matching.classes, shares)
