"""What kinds of errors detections are, and what each kind costs."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tsmfeat.kernels.diagnosing import FALSE_ALARM, HIT, LEFT_OUT, States, assign_truths, find_nearest, state_precisions
from tsmfeat.kernels.ranking import Pieces
from tsmfeat.metrics.matching import Indexes, Matching
from tsmfeat.values.annotations import Annotations
from tsmfeat.values.predictions import Predictions

Floats = npt.NDArray[np.float64]

OUTCOMES = ("true positive", "double detection", "wrong label", "localisation", "confusion", "background")
"""What a detection can be; all but the first are errors."""

LEAST_TIOU = 0.1
"""Below this tIoU with every truth of its video, a detection is background."""

NUM_GROUPS = 10
"""Detections are looked at in portions of as many as a class has truths: 1G to 10G."""

_TRUE_POSITIVE, _DOUBLE, _WRONG_LABEL, _LOCALISATION, _CONFUSION, _BACKGROUND = range(6)


class Ranked(NamedTuple):
    """Detections of classes with truth in rank order, and the truths that each takes.

    Attributes
    ----------
    offset
        int64 (K + 1,): class k owns ``assigned[offset[k]:offset[k + 1]]``.
    num_truths
        int64 (K,).
    outcome
        int8 (P, T): index into `OUTCOMES`.
    assigned
        int32 (P, T): row of the truth among the annotations' segments, -1 where none is taken.
    truth_class
        int64 (G,): class of each truth, by its row.
    """

    offset: Indexes
    num_truths: Indexes
    outcome: States
    assigned: npt.NDArray[np.int32]
    truth_class: Indexes

    @property
    def num_usual(self) -> Floats:
        """Mean number of truths of a class, for every class: float64 (K,)."""
        return np.full(len(self.num_truths), self.num_truths.mean())

    @property
    def portion(self) -> Indexes:
        """How many times as many detections as the class has truths stand before each: int64 (P,)."""
        group = np.repeat(np.arange(len(self.num_truths)), np.diff(self.offset))
        portions: Indexes = (np.arange(len(group)) - self.offset[group]) // self.num_truths[group]
        return portions


def rank_outcomes(predictions: Predictions, annotations: Annotations, matching: Matching) -> Ranked:
    """Assign truths to detections and name what each detection is.

    A detection that takes no truth is judged by the truth of its video, of any class, with the largest tIoU (of equal
    ones the first). At or above the threshold it is a double detection if that truth is of its class, else a wrong
    label; below it but at or above 0.1 it is a localisation error or a confusion in the same way; otherwise background.

    Parameters
    ----------
    predictions, annotations
        Every truth has a positive length.
    matching
        Of the two: its ranking is used.

    Returns
    -------
    Ranked
    """
    segments, truth = predictions.segments, annotations.segments
    rows = matching.rows[: matching.num_ranked]
    detections = Pieces(matching.video[: len(rows)], segments.start[rows], segments.end[rows])
    thresholds = np.asarray(matching.tiou_thresholds)
    own = matching.truth_rows
    taken = assign_truths(
        matching.offset,
        detections,
        matching.truth_offset,
        Pieces(truth.video[own], truth.start[own], truth.end[own]),
        thresholds,
    )
    offset = matching.offset[:-1]
    label = np.repeat(truth.label[own[matching.truth_offset[:-1]]], np.diff(offset))
    tiou, is_own_label = _nearest(detections, label, annotations)
    outcome = _name_outcomes(taken >= 0, tiou, is_own_label, thresholds)
    assigned = np.where(taken >= 0, own[taken], -1).astype(np.int32)
    truth_class = np.empty(len(own), np.int64)
    truth_class[own] = np.repeat(np.arange(len(matching.classes)), matching.num_truths)
    return Ranked(offset, matching.num_truths, outcome, assigned, truth_class)


def _nearest(
    detections: Pieces, label: npt.NDArray[np.int32], annotations: Annotations
) -> tuple[Floats, npt.NDArray[np.bool_]]:
    truth = annotations.segments
    by_video = np.argsort(truth.video, kind="stable")
    offset = np.concatenate(([0], np.cumsum(np.bincount(truth.video, minlength=len(annotations.video_ids)))))
    truths = Pieces(truth.video[by_video], truth.start[by_video], truth.end[by_video])
    tiou, nearest = find_nearest(detections, offset, truths)
    is_own_label: npt.NDArray[np.bool_] = (nearest >= 0) & (truth.label[by_video][nearest] == label)
    return tiou, is_own_label


def _name_outcomes(
    is_hit: npt.NDArray[np.bool_], tiou: Floats, is_own_label: npt.NDArray[np.bool_], thresholds: Floats
) -> States:
    above = np.where(is_own_label, _DOUBLE, _WRONG_LABEL)[:, None]
    below = np.where(is_own_label, _LOCALISATION, _CONFUSION)[:, None]
    near = np.where((tiou >= LEAST_TIOU)[:, None], below, _BACKGROUND)
    missed = np.where(tiou[:, None] >= thresholds, above, near)
    return np.where(is_hit, _TRUE_POSITIVE, missed).astype(np.int8)


def profile_errors(ranked: Ranked) -> tuple[Floats, Indexes]:
    """Count the outcomes of the first detections, portion after portion.

    Returns
    -------
    profile
        float64 (10, 6): share of each outcome in each portion, the mean over the thresholds; NaN in an empty portion.
    counts
        int64 (T, 6): detections of each outcome among all ten portions, at each threshold.
    """
    first = ranked.portion < NUM_GROUPS
    portion, outcome = ranked.portion[first], ranked.outcome[first].astype(np.int64)
    num_thresholds, num_kinds = outcome.shape[1], len(OUTCOMES)
    place = (portion[:, None] * num_thresholds + np.arange(num_thresholds)) * num_kinds + outcome
    table = np.bincount(place.ravel(), minlength=NUM_GROUPS * num_thresholds * num_kinds)
    table = table.reshape(NUM_GROUPS, num_thresholds, num_kinds)
    sizes = np.bincount(portion, minlength=NUM_GROUPS)[:, None]
    with np.errstate(invalid="ignore"):  # 0 of 0 is NaN: no share
        profile = table.mean(axis=1) / sizes
    return profile, table.sum(axis=0)


def cost_errors(ranked: Ranked, num_usual: Floats) -> tuple[float, Floats]:
    """Tell how mAP rises when all errors of a kind are removed from the first ten portions.

    Parameters
    ----------
    ranked
        The detections.
    num_usual
        float64 (K,): as in `tsmfeat.kernels.diagnosing.state_precisions`.

    Returns
    -------
    base
        Mean over classes and thresholds of the AP of the first ten portions.
    cost
        float64 (5,): rise of it without each kind of error.
    """
    states = np.where(ranked.outcome == _TRUE_POSITIVE, HIT, FALSE_ALARM).astype(np.int8)
    states[ranked.portion >= NUM_GROUPS] = LEFT_OUT
    base = _mean_precision(ranked, states, num_usual)
    without = [
        _mean_precision(ranked, np.where(ranked.outcome == kind, LEFT_OUT, states).astype(np.int8), num_usual)
        for kind in range(1, len(OUTCOMES))
    ]
    return base, np.array(without) - base


def _mean_precision(ranked: Ranked, states: States, num_usual: Floats) -> float:
    return float(state_precisions(states, ranked.offset, ranked.num_truths, num_usual).mean())
