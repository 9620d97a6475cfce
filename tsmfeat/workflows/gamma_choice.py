"""How strongly a prior should count, chosen by folds of videos: what is gained is measured where it was not chosen."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tsmfeat.errors import ConfigurationError
from tsmfeat.priors.folds import choose_strengths
from tsmfeat.priors.options import AUTO, PriorOptions
from tsmfeat.values.annotations import Annotations
from tsmfeat.values.predictions import Predictions
from tsmfeat.workflows.folds import assign_all_folds
from tsmfeat.workflows.grading import leave_out
from tsmfeat.workflows.held_out import pool_folds
from tsmfeat.workflows.splits import select_videos

Judge = Callable[[Predictions, Annotations], float]


@dataclass(frozen=True)
class GammaChoice:
    """The strengths chosen and what they are worth.

    Parameters
    ----------
    gamma
        The strength that scores best on all videos: the one to use on others.
    gamma_of_fold
        The strength of each fold, chosen on the other folds.
    final_scores
        Final score of each strength on all videos, by strength.
    final_score_out_of_fold
        Of all videos, each under the strength of its fold: the honest value.
    """

    gamma: float
    gamma_of_fold: tuple[float, ...]
    final_scores: tuple[tuple[float, float], ...]
    final_score_out_of_fold: float

    def to_dict(self) -> dict[str, Any]:
        """Return the choice as JSON-able values."""
        return {
            "gamma": self.gamma,
            "gamma_of_fold": list(self.gamma_of_fold),
            "final_scores": [{"gamma": gamma, "final_score": value} for gamma, value in self.final_scores],
            "final_score_out_of_fold": self.final_score_out_of_fold,
        }


@dataclass(frozen=True)
class PriorReport:
    """How much a prior counts, and what it is worth.

    Parameters
    ----------
    video_prior
        Its file, or ``"scenes"``.
    gamma
        The strength to use on other videos.
    final_score_without
        Final score without the prior; None where nothing is scored.
    choice
        How the strength was chosen; None where it was given.
    """

    video_prior: str
    gamma: float
    final_score_without: float | None
    choice: GammaChoice | None

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON-able values."""
        return {
            "video_prior": self.video_prior,
            "gamma": self.gamma,
            "final_score_without": self.final_score_without,
            "choice": None if self.choice is None else self.choice.to_dict(),
        }


def require_one_choice(weights: object, prior: PriorOptions) -> None:
    """Refuse to choose weights and a prior's strength at once.

    Raises
    ------
    ConfigurationError
        Both are to be chosen.
    """
    if weights == "learned" and prior.asked and prior.gamma == AUTO:
        raise ConfigurationError(
            "--weights learned and --gamma auto are both chosen on the annotations; one choice at a time",
            "give gamma as a number, or the weights",
        )


def weigh_by_prior(
    predictions_at: Callable[[float], Predictions], truth: Annotations, options: PriorOptions, judge: Judge
) -> tuple[Predictions, PriorReport | None]:
    """Return what is predicted with a prior, its strength given or chosen.

    Parameters
    ----------
    predictions_at
        From a strength to what is predicted with it.
    truth
        The videos to judge by.
    options
        Of the prior.
    judge
        The final score of predictions on annotations.

    Returns
    -------
    predictions, report
        Out of fold where the strength was chosen; no report where there is no prior.

    Raises
    ------
    ConfigurationError
        A strength is to be chosen on fewer than two videos.
    """
    if not options.asked:
        return predictions_at(0.0), None
    without = judge(predictions_at(0.0), truth)
    if isinstance(options.gamma, str):
        choice, predictions = choose_gamma(predictions_at, truth, options.gammas, options.num_folds, judge)
        return predictions, PriorReport(options.video_prior, choice.gamma, without, choice)
    return predictions_at(options.gamma), PriorReport(options.video_prior, options.gamma, without, None)


def choose_gamma(
    predictions_at: Callable[[float], Predictions],
    truth: Annotations,
    gammas: Sequence[float],
    num_folds: int,
    judge: Judge,
    fold_of: Mapping[str, int] | None = None,
) -> tuple[GammaChoice, Predictions]:
    """Choose the strength of a prior by folds over the videos.

    Parameters
    ----------
    predictions_at
        From a strength to what is predicted with it.
    truth
        The videos to choose on.
    gammas
        The strengths tried.
    num_folds
        Into how many folds the videos are split, by the hash of their ids.
    judge
        The final score of predictions on annotations.
    fold_of
        The fold of each video, from 0, where folds exist already; `num_folds` has no say then.

    Returns
    -------
    choice, predictions
        The predictions are out of fold: each video under the strength chosen without it.

    Raises
    ------
    ConfigurationError
        Fewer than two annotated videos.
    """
    if len(truth.video_ids) < 2:
        raise ConfigurationError(
            f"{len(truth.video_ids)} annotated videos: --gamma auto chooses on some and measures on others",
            "give a number: --gamma 0.25",
        )
    found = {gamma: predictions_at(gamma) for gamma in gammas}
    if fold_of is None:
        num_folds = min(num_folds, len(truth.video_ids))
        fold_of = assign_all_folds(truth.video_ids, found[gammas[0]].video_ids, num_folds)
    folds = range(max(fold_of.values()) + 1)
    held_in = np.array([[_judge_others(found[g], truth, fold_of, fold, judge) for fold in folds] for g in gammas])
    overall = np.array([[judge(found[gamma], truth)] for gamma in gammas])
    of_fold = choose_strengths(gammas, held_in)
    pooled = pool_folds([found[gamma] for gamma in of_fold], fold_of)
    honest = replace(found[of_fold[0]], segments=pooled.segments)  # videos, classes and scenes are those of every gamma
    choice = GammaChoice(
        choose_strengths(gammas, overall)[0],
        of_fold,
        tuple(zip(gammas, overall[:, 0].tolist(), strict=True)),
        judge(honest, truth),
    )
    return choice, honest


def _judge_others(
    predictions: Predictions, truth: Annotations, fold_of: Mapping[str, int], fold: int, judge: Judge
) -> float:
    """Return the score without a fold; NaN where it holds all truth."""
    own = {video_id for video_id, other in fold_of.items() if other == fold}
    others = select_videos(truth, set(truth.video_ids) - own)
    return judge(leave_out(predictions, own), others) if len(others.segments) else float("nan")
