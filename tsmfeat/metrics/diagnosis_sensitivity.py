"""Which truths are found well, and which not at all, by bucket."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tsmfeat.kernels.diagnosing import FALSE_ALARM, HIT, LEFT_OUT, States, mark_precise, state_precisions
from tsmfeat.metrics.buckets import Characteristic
from tsmfeat.metrics.diagnosis_errors import Ranked
from tsmfeat.metrics.intervals import nested_list
from tsmfeat.metrics.matching import Indexes

Floats = npt.NDArray[np.float64]

LEAST_PRECISION = 0.05
"""A truth counts as found if it is so while normalised precision exceeds this."""


@dataclass(frozen=True, eq=False)
class Sensitivity:
    """How a characteristic of the truths bears on the score, for B buckets.

    Parameters
    ----------
    name
        Of the characteristic (`tsmfeat.metrics.buckets`).
    buckets
        Names, from the least up.
    edges
        B + 1 numbers: a bucket holds values above its lower and at most its upper edge.
    num_truths
        int64 (B,).
    map_n
        float64 (B,): normalised mAP with the truths of the bucket alone; NaN in an empty bucket.
    missed
        float64 (B,): share of its truths that are not found (false negatives), the mean over the thresholds; NaN in an
        empty bucket.
    """

    name: str
    buckets: tuple[str, ...]
    edges: tuple[float, ...]
    num_truths: Indexes
    map_n: Floats
    missed: Floats

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON object; the last edge is null where it is infinite."""
        return {
            "characteristic": self.name,
            "buckets": list(self.buckets),
            "edges": [edge if np.isfinite(edge) else None for edge in self.edges],
            "num_truths": self.num_truths.tolist(),
            "map_n": nested_list(self.map_n),
            "missed": nested_list(self.missed),
        }


def judge_buckets(ranked: Ranked, characteristic: Characteristic) -> Sensitivity:
    """Score each bucket by itself: its truths, and the detections that take no truth of another.

    A detection that takes a truth of another bucket at any threshold is left out at all of them, as in DETAD.

    Parameters
    ----------
    ranked
        The detections, and the truths they take.
    characteristic
        The buckets of those truths.

    Returns
    -------
    Sensitivity
    """
    num_buckets = len(characteristic.names)
    return Sensitivity(
        name=characteristic.name,
        buckets=characteristic.names,
        edges=characteristic.edges,
        num_truths=characteristic.num_truths,
        map_n=np.array([_score_bucket(ranked, characteristic.bucket == b) for b in range(num_buckets)]),
        missed=_missed_shares(find_truths(ranked), characteristic),
    )


def find_truths(ranked: Ranked) -> npt.NDArray[np.bool_]:
    """Return which truths are found at each threshold while normalised precision exceeds 0.05, bool (G, T)."""
    marked = mark_precise(hit_states(ranked), ranked.offset, ranked.num_truths, ranked.num_usual, LEAST_PRECISION)
    found = np.zeros((len(ranked.truth_class), ranked.assigned.shape[1]), np.bool_)
    place, threshold = np.nonzero(marked)
    found[ranked.assigned[place, threshold], threshold] = True
    return found


def hit_states(ranked: Ranked) -> States:
    """Return `HIT` where a truth is taken and `FALSE_ALARM` elsewhere, int8 (P, T)."""
    return np.where(ranked.assigned >= 0, HIT, FALSE_ALARM).astype(np.int8)


def _score_bucket(ranked: Ranked, inside: npt.NDArray[np.bool_]) -> float:
    # Place -1 of the lookup serves the detections that take no truth: they stay, as false alarms.
    is_foreign = ~np.append(inside, True)[ranked.assigned]
    states = hit_states(ranked)
    states[is_foreign.any(axis=1)] = LEFT_OUT
    num_truths = np.bincount(ranked.truth_class[inside], minlength=len(ranked.num_truths))
    ap = state_precisions(states, ranked.offset, num_truths, ranked.num_usual)
    scored = ap[~np.isnan(ap[:, 0])]
    return float(scored.mean()) if len(scored) else float("nan")


def _missed_shares(found: npt.NDArray[np.bool_], characteristic: Characteristic) -> Floats:
    num_found = np.bincount(characteristic.bucket, weights=found.mean(axis=1), minlength=len(characteristic.names))
    with np.errstate(invalid="ignore"):  # 0 of 0 is NaN: no share
        shares: Floats = 1 - num_found / characteristic.num_truths
    return shares
