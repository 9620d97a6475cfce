"""Which predictions are right, at every threshold at once: what AP and everything beside it are made from."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tsmfeat.kernels.matching import match_detections
from tsmfeat.kernels.pair_tious import MatchRule
from tsmfeat.kernels.ranking import Detections, Pieces, Ranking, TieRule, rank_detections
from tsmfeat.kernels.truth_matching import match_truths, touch_segments
from tsmfeat.metrics.alignment import GroupedTruth, align_predictions, group_truth
from tsmfeat.metrics.protocols import Protocol
from tsmfeat.metrics.thresholds import require_thresholds
from tsmfeat.values.annotations import Annotations
from tsmfeat.values.predictions import Predictions

Indexes = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Matching:
    """Predictions class by class in rank order, each with the thresholds at which it is a true positive.

    Parameters
    ----------
    tiou_thresholds
        T thresholds.
    classes
        Names of the K classes with truth, in the protocol's order.
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
    is_forgiven
        bool (P,): predictions that count at no threshold where they are no true positive (they overlap an ambiguous
        segment); None where the protocol forgives nothing.
    is_tied
        bool (P,): where the score equals that of the prediction before it in its class.
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
    is_forgiven: Flags | None
    is_tied: Flags

    @property
    def num_ranked(self) -> int:
        """Predictions of classes with truth."""
        return int(self.offset[-2])

    @property
    def num_truths(self) -> Indexes:
        """Truths of each class, int64 (K,)."""
        return np.diff(self.truth_offset)


@dataclass(frozen=True, eq=False)
class Ranked:
    """Predictions ranked beside the truth, not matched yet: what protocols of equal ranking share.

    Parameters
    ----------
    truth
        The truth class by class.
    ranking
        The predictions class by class.
    ambiguous
        Ambiguous segments by video.
    """

    truth: GroupedTruth
    ranking: Ranking
    ambiguous: Pieces


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
        The annotations hold no segment, or a predicted class has no truth and the protocol calls that an error.

    Notes
    -----
    Beside its arguments it takes about 50 bytes a prediction at its peak (8 million: 49), 21 of them in its result.

    Examples
    --------
    >>> from tsmfeat.metrics.protocols import PAPER
    >>> from tsmfeat.values.segments import Segments
    >>> from tsmfeat.values.vocabulary import Vocabulary
    >>> actions, none = Vocabulary(("walk",)), Vocabulary(())
    >>> truth = Annotations(("a",), actions, Segments([0], [0], [0.0], [10.0], [1.0]), [10.0], ("",), [-1], none)
    >>> found = Predictions(("a",), actions, Segments([0, 0], [0, 0], [0.0, 0.0], [8.0, 9.0], [0.9, 0.8]))
    >>> match_predictions(found, truth, PAPER, [0.5, 0.85]).hits.tolist()  # bit 0 is 0.5, bit 1 is 0.85
    [1, 2]
    """
    thresholds = require_thresholds(protocol.tiou_thresholds if tiou_thresholds is None else tiou_thresholds)
    return match_ranked(rank_predictions(predictions, annotations, protocol), protocol, thresholds.tolist())


def rank_predictions(predictions: Predictions, annotations: Annotations, protocol: Protocol) -> Ranked:
    """Rank predictions class by class.

    Parameters
    ----------
    predictions, annotations
        Classes and videos are matched by name.
    protocol
        Of its rules those on classes, on ties and on which truth counts.

    Raises
    ------
    InputError
        As in `match_predictions`.
    """
    truth = group_truth(annotations, protocol)
    detections = align_predictions(predictions, annotations, truth, protocol)
    ties = TieRule(protocol.tie == "revstable", protocol.nan_score == "last")
    if protocol.tie == "video":
        order = _by_video_name(predictions)
        label, video, start, end, score, class_of, video_of = detections
        columns = start[order], end[order], score[order]
        by_name = Detections(label[order], video[order], *columns, class_of, video_of)
        ranking = rank_detections(by_name, len(truth.classes), ties)
        ranking = ranking._replace(rows=order[ranking.rows])
    else:
        ranking = rank_detections(detections, len(truth.classes), ties)
    return Ranked(truth, ranking, _ambiguous_pieces(annotations))


def match_ranked(ranked: Ranked, protocol: Protocol, tiou_thresholds: Sequence[float]) -> Matching:
    """Match ranked predictions to the truth.

    Parameters
    ----------
    ranked
        From `rank_predictions` under the same rules of ranking.
    protocol
        Of its rules those on matching.
    tiou_thresholds
        1 to 64 thresholds in (0, 1].
    """
    ranking, truth = ranked.ranking, ranked.truth
    thresholds = np.asarray(tiou_thresholds, np.float64)
    if protocol.compare == "gt":
        thresholds = np.nextafter(thresholds, 2.0)  # x > t is x >= the next number above t
    is_hull = protocol.iou == "hull"
    least_union = protocol.eps if protocol.eps > 0 else -np.inf
    rule = MatchRule(
        thresholds, protocol.undefined_tiou == "match", least_union, is_hull, protocol.tiou_type == "float32"
    )
    pieces, truths = (_upright(ranking.pieces), _upright(truth.pieces)) if is_hull else (ranking.pieces, truth.pieces)
    match = match_truths if protocol.match == "gt-best" else match_detections
    with np.errstate(invalid="ignore"):  # infinite ends, where a protocol keeps them
        hits, num_at_threshold = match(ranking._replace(pieces=pieces), truth.offset, truths, rule)
    forgives = protocol.ambiguous == "forgive" and len(ranked.ambiguous.video) > 0
    return Matching(
        tiou_thresholds=tuple(map(float, tiou_thresholds)),
        classes=truth.names,
        rows=ranking.rows,
        offset=ranking.offset,
        video=ranking.pieces.video[ranking.order],
        hits=hits,
        truth_rows=truth.rows,
        truth_offset=truth.offset,
        num_tied=ranking.num_tied,
        num_at_threshold=int(num_at_threshold),
        is_forgiven=touch_segments(_upright(ranking.pieces), ranked.ambiguous)[ranking.order] if forgives else None,
        is_tied=ranking.is_tied,
    )


def _by_video_name(predictions: Predictions) -> Indexes:
    names = predictions.video_ids
    rank = np.empty(len(names), np.int64)
    rank[sorted(range(len(names)), key=names.__getitem__)] = np.arange(len(names))
    return np.argsort(rank[predictions.segments.video], kind="stable")


def _upright(pieces: Pieces) -> Pieces:
    return Pieces(pieces.video, np.minimum(pieces.start, pieces.end), np.maximum(pieces.start, pieces.end))


def _ambiguous_pieces(annotations: Annotations) -> Pieces:
    found = annotations.ambiguous
    order = np.argsort(found.video, kind="stable")
    return _upright(Pieces(found.video[order], found.start[order], found.end[order]))
