"""Ensembles of the cells of a grid: equal weights, weights by score, and learned ones, each held out where chosen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tsmfeat.fusion.fusing import fuse
from tsmfeat.fusion.options import FusionOptions
from tsmfeat.values.annotations import Annotations
from tsmfeat.values.predictions import Predictions
from tsmfeat.workflows.grading import Judge, leave_out
from tsmfeat.workflows.held_out import pool_folds
from tsmfeat.workflows.learning import learn_weights
from tsmfeat.workflows.score_options import SearchOptions
from tsmfeat.workflows.splits import select_videos

EQUAL, BY_SCORE, LEARNED = WEIGHTINGS = ("equal", "by score", "learned")


@dataclass(frozen=True, eq=False)
class Ensemble:
    """Fused predictions of one kind of weights.

    Parameters
    ----------
    predictions
        Of all videos.
    weights
        Of each member: of all videos, where folds have their own.
    fold_gain
        Mean over the folds, each judged by itself, of what the weights gain over equal ones; None where it is not
        measured. Folds of different weights give scores of different scales, which ranking them together costs.
    """

    predictions: Predictions
    weights: tuple[float, ...]
    fold_gain: float | None = None


def fuse_members(
    members: Sequence[Predictions], truth: Annotations, fold_of: Mapping[str, int], options: FusionOptions, seed: int
) -> dict[str, Ensemble]:
    """Fuse the same members with every kind of weights.

    Weights that are chosen by scores are chosen without the fold that they are used on. The members themselves saw the
    other folds, as is usual in stacking.

    Parameters
    ----------
    members
        Out-of-fold predictions of two models or more.
    truth
        The videos.
    fold_of
        The fold of each video, by which the members were held out too.
    options
        Any fusion but none.
    seed
        Of the candidates of learned weights.

    Returns
    -------
    dict
        By `WEIGHTINGS`.
    """
    judge = Judge("paper")
    search = SearchOptions(max(fold_of.values()) + 1, seed)
    learned = learn_weights(members, truth, options, judge, search, fold_of)
    return {
        EQUAL: Ensemble(fuse(members, None, options), (1 / len(members),) * len(members)),
        BY_SCORE: _fuse_by_score(members, truth, fold_of, options, judge),
        LEARNED: Ensemble(learned.held_out, learned.weights, learned.mean_fold_gain),
    }


def _fuse_by_score(
    members: Sequence[Predictions],
    truth: Annotations,
    fold_of: Mapping[str, int],
    options: FusionOptions,
    judge: Judge,
) -> Ensemble:
    """Weigh each member by its final score, as the paper's 3.3 does by validation scores."""
    fused = []
    for fold in range(max(fold_of.values()) + 1):
        own = {name for name, other in fold_of.items() if other == fold}
        others = select_videos(truth, set(truth.video_ids) - own)
        weights = _weigh([leave_out(member, own) for member in members], others, judge)
        fused.append(fuse(members, weights, options))
    return Ensemble(pool_folds(fused, fold_of), _weigh(members, truth, judge))


def _weigh(members: Sequence[Predictions], truth: Annotations, judge: Judge) -> tuple[float, ...]:
    scores = np.array([judge.final_score(member, truth) if len(truth.segments) else 0.0 for member in members])
    # Members that all score nothing are alike.
    scores = scores if scores.sum() > 0 else np.ones(len(members))
    weights: list[float] = (scores / scores.sum()).tolist()
    return tuple(weights)
