"""Where the missing points are: the errors of a prediction file, what they cost, and which truths are hard."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from tsmfeat.errors import InputError
from tsmfeat.kernels.diagnosing import state_precisions
from tsmfeat.metrics.buckets import deal_to_buckets, usable_truths
from tsmfeat.metrics.diagnosis_errors import OUTCOMES, Ranked, cost_errors, profile_errors, rank_outcomes
from tsmfeat.metrics.diagnosis_sensitivity import Sensitivity, find_truths, hit_states, judge_buckets
from tsmfeat.metrics.intervals import nested_list
from tsmfeat.metrics.matching import Indexes, match_predictions
from tsmfeat.metrics.protocols import PAPER
from tsmfeat.values.annotations import Annotations
from tsmfeat.values.predictions import Predictions

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Diagnosis:
    """What `diagnose` found. G is the number of truths of a class, whichever class it is.

    Parameters
    ----------
    tiou_thresholds
        The T thresholds that all numbers are means over.
    buckets
        How the edges of the buckets were chosen.
    num_truths, num_left_out
        Truths diagnosed, and those left out: not finite, not of positive length, or longer than their video.
    profile
        float64 (10, 6): share of each of `OUTCOMES` among the first G detections of every class, the second G, and so
        on; NaN where there are none.
    counts
        int64 (T, 6): the detections of each outcome in all ten portions.
    map_first, map_n_first
        mAP of the first 10G detections, and normalised mAP.
    cost, cost_n
        float64 (5,): by how much each of them rises without the errors of one kind.
    map_n
        Normalised mAP of all detections.
    missed
        Share of the truths that are not found while normalised precision exceeds 0.05.
    sensitivities
        By characteristic; without coverage where durations are unknown.
    """

    tiou_thresholds: tuple[float, ...]
    buckets: str
    num_truths: int
    num_left_out: int
    profile: Floats
    counts: Indexes
    map_first: float
    cost: Floats
    map_n_first: float
    cost_n: Floats
    map_n: float
    missed: float
    sensitivities: tuple[Sensitivity, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON object; what is undefined is null."""
        return {
            "tiou_thresholds": list(self.tiou_thresholds),
            "buckets": self.buckets,
            "num_truths": self.num_truths,
            "num_left_out": self.num_left_out,
            "outcomes": list(OUTCOMES),
            "profile": nested_list(self.profile),
            "counts": self.counts.tolist(),
            "map_first": self.map_first,
            "cost": self.cost.tolist(),
            "map_n_first": self.map_n_first,
            "cost_n": self.cost_n.tolist(),
            "map_n": self.map_n,
            "missed": self.missed,
            "sensitivity": [one.to_dict() for one in self.sensitivities],
        }


def diagnose(
    predictions: Predictions, annotations: Annotations, tiou_thresholds: Sequence[float], buckets: str
) -> Diagnosis:
    """Take a score apart in the manner of DETAD, on any data set.

    Parameters
    ----------
    predictions, annotations
        Classes and videos are matched by name; detections of classes without truth are left out.
    tiou_thresholds
        1 to 64 thresholds in (0, 1].
    buckets
        One of `tsmfeat.metrics.options.BUCKETS`.

    Returns
    -------
    Diagnosis

    Raises
    ------
    InputError
        No truth can be diagnosed.

    Notes
    -----
    H. Alwassel, F. Caba Heilbron, V. Escorcia, B. Ghanem, Diagnosing Error in Temporal Action Detectors, ECCV 2018, and
    the scripts beside it. Matching is ActivityNet's, whatever protocol scores. The scripts give what ends in ``_n``:
    normalised precision pretends that every class has the mean number of truths. The rest is of the usual precision.
    Unlike in the scripts, equal scores rank in the order of the file; a class all of whose truths are left out does not
    count (there as 0); all detections in a video without truth are background (there all but the first of a video are
    compared with the truths of another).

    Examples
    --------
    >>> from tsmfeat.values.segments import Segments
    >>> from tsmfeat.values.vocabulary import Vocabulary
    >>> actions, none = Vocabulary(("walk", "run")), Vocabulary(())
    >>> two = Segments([0, 0], [0, 1], [0.0, 20.0], [10.0, 30.0], [1.0, 1.0])
    >>> truth = Annotations(("a",), actions, two, [60.0], ("",), [-1], none)
    >>> found = Predictions(("a",), actions, Segments([0, 0], [0, 0], [0.0, 20.0], [10.0, 30.0], [0.5, 0.9]))
    >>> diagnosis = diagnose(found, truth, [0.5], "quantiles")
    >>> dict(zip(OUTCOMES, diagnosis.counts[0].tolist()))["wrong label"]  # a walk where a run is
    1
    >>> diagnosis.map_first, diagnosis.cost.tolist()
    (0.25, [0.0, 0.25, 0.0, 0.0, 0.0])
    """
    usable = usable_truths(annotations)
    if not usable.any():
        raise InputError(f"none of {len(usable)} truths can be diagnosed", "they need positive and finite lengths")
    kept = replace(annotations, segments=annotations.segments.take(usable))
    ranked = rank_outcomes(predictions, kept, match_predictions(predictions, kept, PAPER, tiou_thresholds))
    profile, counts = profile_errors(ranked)
    map_first, cost = cost_errors(ranked, ranked.num_truths.astype(np.float64))
    map_n_first, cost_n = cost_errors(ranked, ranked.num_usual)
    characteristics = deal_to_buckets(annotations, usable, buckets)
    return Diagnosis(
        tiou_thresholds=tuple(float(value) for value in tiou_thresholds),
        buckets=buckets,
        num_truths=len(kept.segments),
        num_left_out=int((~usable).sum()),
        profile=profile,
        counts=counts,
        map_first=map_first,
        cost=cost,
        map_n_first=map_n_first,
        cost_n=cost_n,
        map_n=_map_n(ranked),
        missed=1 - float(find_truths(ranked).mean()),
        sensitivities=tuple(judge_buckets(ranked, one) for one in characteristics),
    )


def _map_n(ranked: Ranked) -> float:
    ap = state_precisions(hit_states(ranked), ranked.offset, ranked.num_truths, ranked.num_usual)
    return float(ap.mean())
