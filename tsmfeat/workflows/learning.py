"""An ensemble's weights learned on annotated videos, and what they are worth on videos that were held out."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tsmfeat.errors import ConfigurationError
from tsmfeat.fusion.fusing import fuse
from tsmfeat.fusion.options import FusionOptions
from tsmfeat.values.annotations import Annotations
from tsmfeat.values.predictions import Predictions
from tsmfeat.values.progress import Progress
from tsmfeat.workflows.candidates import list_candidates, list_neighbours
from tsmfeat.workflows.folds import assign_folds
from tsmfeat.workflows.grading import Grade, Judge, leave_out, make_grade
from tsmfeat.workflows.held_out import pool_folds
from tsmfeat.workflows.score_options import SearchOptions
from tsmfeat.workflows.splits import select_videos

Floats = npt.NDArray[np.float64]

# Of the local search around the best candidate: each round looks closer.
_RADII = (0.1, 0.03, 0.01)
_NUM_NEIGHBOURS = 40


@dataclass(frozen=True, eq=False)
class LearnedWeights:
    """What `learn_weights` found.

    Parameters
    ----------
    weights
        Of all videos, sum 1.
    seen_score
        Final score of these weights on the videos that chose them: optimistic.
    held_out_score
        Final score where each fold's videos are fused with the weights that the other folds chose: honest.
    equal_score
        Final score of equal weights.
    single_scores
        Final score of each model alone, fused by the same rule.
    fold_weights
        The weights chosen without each fold.
    fold_gains
        For each fold, the final score of its own videos under the weights chosen without it, less that of equal
        weights: no scores of different weights are ranked with each other, but a fold holds few videos. NaN in a fold
        without truth.
    held_out
        The fused segments behind `held_out_score`.
    num_candidates
        Weights that were tried for all videos: listed ones and neighbours.
    seconds
        Wall time.
    """

    weights: tuple[float, ...]
    seen_score: float
    held_out_score: float
    equal_score: float
    single_scores: tuple[float, ...]
    fold_weights: tuple[tuple[float, ...], ...]
    fold_gains: tuple[float, ...]
    held_out: Predictions
    num_candidates: int
    seconds: float

    @property
    def mean_fold_gain(self) -> float:
        """Mean of the gains of the folds that hold truth."""
        return float(np.nanmean(self.fold_gains))

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object ``"learned"`` of ``tsmfeat score`` and ``tsmfeat fuse``."""
        found = {name: value for name, value in vars(self).items() if name not in ("held_out", "fold_weights")}
        gains = {
            "seen_gain": self.seen_score - self.equal_score,
            "held_out_gain": self.held_out_score - self.equal_score,
            "mean_fold_gain": self.mean_fold_gain,
        }
        by_fold = {
            "fold_weights": [list(weights) for weights in self.fold_weights],
            # JSON has no NaN.
            "fold_gains": [None if math.isnan(gain) else gain for gain in self.fold_gains],
        }
        return found | gains | by_fold


def learn_weights(
    models: Sequence[Predictions],
    truth: Annotations,
    fusion: FusionOptions,
    judge: Judge,
    search: SearchOptions,
    fold_of: Mapping[str, int] | None = None,
) -> LearnedWeights:
    """Choose the weights of the highest final score, and say what such a choice gains on videos it has not seen.

    Candidates are a lattice of the simplex and random points; around the best come three rounds of neighbours. The same
    search is made without each fold. Of equal scores the first candidate wins, and equal weights are the first.

    Parameters
    ----------
    models
        Predictions.
    truth
        The videos to learn on.
    fusion
        Any fusion but none.
    judge
        The protocol.
    search
        Folds, seed and number of candidates.
    fold_of
        The fold of each annotated video, from 0; None: by the hash of their ids.

    Raises
    ------
    ConfigurationError
        Fusion none, or folds that the videos do not suffice for.
    InputError
        Scores that the fusion cannot weigh.
    """
    if fusion.fusion == "none":
        raise ConfigurationError("fusion 'none' has no weights to learn", "use --weights equal, or another --fusion")
    began = time.monotonic()
    folds = assign_folds(truth.video_ids, search.folds) if fold_of is None else fold_of
    grade = make_grade(models, truth, fusion, judge, folds)
    listed = list_candidates(len(models), search.num_candidates, np.random.default_rng([search.seed, 0]))
    grades = np.array([grade(weights) for weights in listed])
    chosen = [
        _refine(grade, listed, grades[:, column], column, np.random.default_rng([search.seed, 1, column]))
        for column in range(grades.shape[1])
    ]
    # Videos that are not annotated belong to no fold: theirs are the weights of all.
    fused = [fuse(models, weights.tolist(), fusion) for weights in chosen]
    held_out = pool_folds(fused, {name: fold + 1 for name, fold in folds.items()})
    return LearnedWeights(
        weights=tuple(chosen[0].tolist()),
        # Anew: where a weight is 0, the names, and with them the ranks of equal scores, may come in another order.
        seen_score=judge.final_score(fused[0], truth),
        held_out_score=judge.final_score(held_out, truth),
        equal_score=float(grades[0, 0]),
        single_scores=tuple(grades[1 : len(models) + 1, 0].tolist()) if len(models) > 1 else (float(grades[0, 0]),),
        fold_weights=tuple(tuple(weights.tolist()) for weights in chosen[1:]),
        fold_gains=_measure_gains(held_out, fuse(models, None, fusion), truth, judge, folds),
        held_out=held_out,
        num_candidates=len(listed) + (len(_RADII) * _NUM_NEIGHBOURS if len(models) > 1 else 0),
        seconds=time.monotonic() - began,
    )


def _refine(grade: Grade, listed: Floats, grades: Floats, column: int, rng: np.random.Generator) -> Floats:
    """Look closer around the best of the listed candidates; return the best weights of all."""
    if np.isnan(grades).all():  # this fold holds all truth: nothing to choose by
        equal: Floats = listed[0]
        return equal
    best = int(np.argmax(grades))
    weights: Floats = listed[best]
    score = grades[best]
    for radius in _RADII if len(weights) > 1 else ():
        near = list_neighbours(weights, radius, _NUM_NEIGHBOURS, rng)
        found = np.array([grade(one)[column] for one in near])
        if found.max() > score:
            weights, score = near[int(found.argmax())], found.max()
    return weights


def _measure_gains(
    held_out: Predictions, equal: Predictions, truth: Annotations, judge: Judge, folds: Mapping[str, int]
) -> tuple[float, ...]:
    gains = []
    for fold in range(max(folds.values()) + 1):
        own = [name for name, other in folds.items() if other == fold]
        part, others = select_videos(truth, own), set(equal.video_ids) - set(own)
        one, two = (leave_out(found, others) for found in (held_out, equal))
        known = len(part.segments) > 0
        gains.append(judge.final_score(one, part) - judge.final_score(two, part) if known else float("nan"))
    return tuple(gains)


def warn_of_weights(learned: LearnedWeights, progress: Progress) -> None:
    """Tell where equal weights lose to the best model alone, and where learning gains nothing on held-out videos."""
    best = max(learned.single_scores)
    if learned.equal_score < best:
        progress.warn(
            f"equal weights score {learned.equal_score:.4f}, the best model alone {best:.4f}: the others pull it down"
        )
    if learned.held_out_score <= learned.equal_score and learned.mean_fold_gain <= 0:
        progress.warn(
            f"learned weights gain nothing on held-out videos ({learned.held_out_score:.4f} against "
            f"{learned.equal_score:.4f} of equal ones): do not expect it elsewhere"
        )
