"""Recall of proposals, whatever their class: AR@AN and the area under it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from tsmfeat.errors import ConfigurationError, InputError
from tsmfeat.kernels.proposals import count_found_within, find_first_ranks
from tsmfeat.kernels.ranking import Detections, Pieces, rank_detections
from tsmfeat.metrics.thresholds import require_thresholds
from tsmfeat.values.annotations import Annotations
from tsmfeat.values.predictions import Predictions

Variant = Literal["activitynet", "opentad", "mmaction2"]

VARIANTS: tuple[Variant, ...] = ("activitynet", "opentad", "mmaction2")
"""A curve of 100 points whatever the number of proposals; a point for each proposal a video; as the first, with starts
and ends in float32."""

PROPOSAL_THRESHOLDS = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.8999999999999999, 0.95)
"""``numpy.linspace(0.5, 0.95, 10)``, as in the official evaluation."""

_NUM_POINTS = 100
_SHOWN = (1, 5, 10, 50, 100)

Floats = npt.NDArray[np.float64]
Indexes = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class AverageRecall:
    """What `average_recall` found.

    Parameters
    ----------
    variant
        One of `VARIANTS`.
    tiou_thresholds
        T thresholds.
    proposals_per_video
        float64 (J,): the average number of proposals a video at each point of the curve.
    recall
        float64 (T, J): share of the truths that are found.
    """

    variant: str
    tiou_thresholds: tuple[float, ...]
    proposals_per_video: Floats
    recall: Floats

    @property
    def average_recall(self) -> Floats:
        """Mean of `recall` over the thresholds, float64 (J,)."""
        means: Floats = self.recall.mean(axis=0)
        return means

    @property
    def auc(self) -> float:
        """Area under the average recall over the proposals a video, divided by the largest number of them."""
        return float(np.trapezoid(self.average_recall, self.proposals_per_video) / self.proposals_per_video[-1])

    def at(self, num_proposals: float) -> float:
        """Return AR@AN: the average recall at the last point with at most so many proposals a video.

        Examples
        --------
        >>> curve = AverageRecall("opentad", (0.5,), np.array([1.0, 2.0]), np.array([[0.25, 0.5]]))
        >>> curve.at(1), curve.at(9), curve.at(0.5)
        (0.25, 0.5, 0.0)
        """
        # The points are products of rounded numbers: 4.999999999999999 is five.
        place = np.searchsorted(self.proposals_per_video, num_proposals * (1 + 1e-12), side="right")
        return float(self.average_recall[place - 1]) if place else 0.0

    @property
    def shown(self) -> dict[int, float]:
        """AR@AN at the usual numbers of proposals, as far as the curve reaches."""
        reach = self.proposals_per_video[-1] * (1 + 1e-12)
        return {number: self.at(number) for number in _SHOWN if number <= reach}

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON object."""
        return {
            "variant": self.variant,
            "auc": self.auc,
            "average_recall_at": {str(number): value for number, value in self.shown.items()},
            "tiou_thresholds": list(self.tiou_thresholds),
            "proposals_per_video": self.proposals_per_video.tolist(),
            "average_recall": self.average_recall.tolist(),
            "recall": self.recall.tolist(),
        }


def average_recall(
    predictions: Predictions,
    annotations: Annotations,
    max_average: float | None = 100,
    variant: Variant = "activitynet",
    tiou_thresholds: Sequence[float] = PROPOSAL_THRESHOLDS,
) -> AverageRecall:
    """Measure how many truths some proposal overlaps enough, over the number of proposals a video.

    Classes play no part and a proposal may find several truths. At each point every video contributes the same share
    of its proposals, the best-scored first; of equal scores the earlier in the file is first.

    Parameters
    ----------
    predictions
        Proposals; those in videos without truth count for the average number only.
    annotations
        The videos with truth are the ones evaluated.
    max_average
        Proposals a video at the end of the curve; None: as many as there are. A whole number for ``"opentad"``.
    variant
        ``"activitynet"``: 100 points. ``"opentad"``: a point for each whole number of proposals up to `max_average`.
        ``"mmaction2"``: 100 points, starts and ends rounded to float32, which moves tIoUs across thresholds.
    tiou_thresholds
        1 to 64 thresholds.

    Returns
    -------
    AverageRecall

    Raises
    ------
    ConfigurationError
        An unknown variant, a number that is not positive, or thresholds out of range.
    InputError
        The annotations hold no segment.

    Notes
    -----
    ``eval_proposal.py`` of activitynet/ActivityNet, ``recall.py`` of sming256/OpenTAD and
    ``average_recall_at_avg_proposals`` of open-mmlab/mmaction2, their truncation of numbers of proposals to whole ones
    included: at the first points a video with few proposals contributes none. mmaction2 fails where a video with truth
    has no proposal; here it has found nothing, as in the others.

    Examples
    --------
    >>> from tsmfeat.values.segments import Segments
    >>> from tsmfeat.values.vocabulary import Vocabulary
    >>> actions, none = Vocabulary(("walk",)), Vocabulary(())
    >>> truth = Annotations(("a",), actions, Segments([0], [0], [0.0], [10.0], [1.0]), [10.0], ("",), [-1], none)
    >>> found = Predictions(("a",), actions, Segments([0, 0], [0, 0], [0.0, 0.0], [2.0, 7.0], [0.9, 0.8]))
    >>> average_recall(found, truth, 2, "opentad", (0.5, 0.7)).recall.tolist()
    [[0.0, 1.0], [0.0, 1.0]]
    """
    if variant not in VARIANTS:
        raise ConfigurationError(f"variant {variant!r} is not one of {', '.join(VARIANTS)}", "choose one of them")
    thresholds = require_thresholds(tiou_thresholds)
    videos, truths = _truths_by_video(annotations)
    offset, proposals = _ranked_proposals(predictions, [annotations.video_ids[index] for index in videos])
    if variant == "mmaction2":
        proposals, truths = _in_float32(proposals), _in_float32(truths)
    wanted = _wanted_average(max_average, len(predictions.segments), len(videos), variant)
    num_points = round(wanted) if variant == "opentad" else _NUM_POINTS
    per_video, allowed = _numbers_of_proposals(np.diff(offset), len(predictions.segments), wanted, num_points)
    order = np.argsort(thresholds, kind="stable")
    ranks = np.empty((len(truths.video), len(thresholds)), np.int64)
    # The last point is the one with the most proposals of each video.
    ranks[:, order] = find_first_ranks(proposals, offset, truths, allowed[:, -1].copy(), thresholds[order])
    found = count_found_within(ranks, truths.video, allowed)
    return AverageRecall(variant, tuple(thresholds.tolist()), per_video, found / len(truths.video))


def _numbers_of_proposals(
    counts: Indexes, num_proposals: int, wanted: float, num_points: int
) -> tuple[Floats, Indexes]:
    """Return the mean number of proposals at each point, and those of each video there: float64 (J,), int64 (V, J)."""
    num_videos = float(len(counts))
    ratio = wanted * num_videos / num_proposals if num_proposals else 0.0
    retrieved = np.minimum((counts * ratio).astype(np.int64), counts)
    total = float(retrieved.sum())
    points = np.arange(1, num_points + 1) / float(num_points)
    # The order of the operations is the official one: a different rounding would move whole proposals.
    shares = points * (wanted * num_videos / max(total, 1.0))
    allowed = np.minimum((retrieved[:, None] * shares).astype(np.int64), retrieved[:, None])
    return (shares * (total / num_videos) if total else points * wanted), allowed


def _wanted_average(max_average: float | None, num_proposals: int, num_videos: int, variant: str) -> float:
    wanted = float(num_proposals) / num_videos if max_average is None else float(max_average)
    if max_average is None and not num_proposals:
        wanted = 1.0
    if not 0 < wanted < np.inf or (variant == "opentad" and wanted != round(wanted)):
        raise ConfigurationError(
            f"{max_average} proposals a video at the end of the curve; a positive number, a whole one for opentad",
            "give 100",
        )
    return wanted


def _in_float32(pieces: Pieces) -> Pieces:
    # What float32 cannot hold becomes infinite there, as in the official code.
    with np.errstate(over="ignore"):
        start, end = (values.astype(np.float32).astype(np.float64) for values in (pieces.start, pieces.end))
    return Pieces(pieces.video, start, end)


def _truths_by_video(annotations: Annotations) -> tuple[Indexes, Pieces]:
    """Return the videos with truth, and the truths numbered by them."""
    segments = annotations.segments
    if len(segments) == 0:
        raise InputError(
            f"no segment among the {len(annotations.video_ids)} annotated videos; there is nothing to find",
            "check the subset: tsmfeat inspect lists those of an annotation file",
        )
    videos, place = np.unique(segments.video, return_inverse=True)
    return videos.astype(np.int64), Pieces(place.astype(np.int32), segments.start, segments.end)


def _ranked_proposals(predictions: Predictions, video_ids: list[str]) -> tuple[Indexes, Pieces]:
    """Return the proposals of some videos, video after video by decreasing score, and where those of each begin."""
    place_of = {name: place for place, name in enumerate(video_ids)}
    count = len(video_ids)
    places = np.array([place_of.get(name, count) for name in predictions.video_ids], np.int32)
    segments = predictions.segments
    # Videos stand in the place of classes; those without truth are the unknown one, which comes last.
    video, columns = segments.video, (segments.start, segments.end, segments.score)
    ranking = rank_detections(Detections(video, video, *columns, places, places), count)
    rows = ranking.rows[: ranking.offset[count]]
    return ranking.offset[: count + 1], Pieces(segments.video[rows], segments.start[rows], segments.end[rows])
