"""How strongly the scenes of heads should weigh their actions, chosen on validation videos when heads are fitted."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tsmfeat.localization.localizing import localize
from tsmfeat.priors.counts import ActionCounts, count_actions
from tsmfeat.priors.options import AUTO, SCENES, PriorOptions
from tsmfeat.priors.tilting import tilt_intervals
from tsmfeat.values.annotations import Annotations
from tsmfeat.values.predictions import IntervalScores
from tsmfeat.values.progress import Progress, Silence
from tsmfeat.workflows.fit_choice import ChosenHeads
from tsmfeat.workflows.fit_data import FitData
from tsmfeat.workflows.gamma_choice import choose_gamma
from tsmfeat.workflows.grading import Judge
from tsmfeat.workflows.inference import score_intervals
from tsmfeat.workflows.splits import select_videos
from tsmfeat.workflows.video_priors import GivenPrior, match_prior

_OPTIONS = PriorOptions(SCENES, AUTO)


Counted = Sequence[tuple[Sequence[str], ActionCounts]]
"""Videos, and how often each action occurs in each scene in the videos that their heads were fitted on."""


def weigh_by_scenes(data: FitData, chosen: ChosenHeads, progress: Progress) -> dict[str, Any] | None:
    """Choose the strength of the prior from scenes for heads that were just fitted.

    Parameters
    ----------
    data
        What they were fitted on.
    chosen
        The heads that are kept.
    progress
        As in `choose_scene_prior`.

    Returns
    -------
    dict or None
        As `choose_scene_prior`.
    """
    truth, trained = data.truth, data.training.video_ids
    if chosen.held_out is None:
        scores = score_intervals(chosen.fitted.weights, data.validation, truth.vocabulary, truth.scene_vocabulary)
        counted: Counted = [(scores.video_ids, count_actions(select_videos(truth, trained)))]
    else:
        scores, counted = chosen.held_out, []
        for fold in range(max(chosen.fold_of.values()) + 1):
            own = [name for name in scores.video_ids if chosen.fold_of[name] == fold]
            counted.append((own, count_actions(select_videos(truth, set(trained) - set(own)))))
    judged_on = select_videos(truth, scores.video_ids)
    return choose_scene_prior(scores, judged_on, counted, progress, chosen.fold_of or None)


def choose_scene_prior(
    scores: IntervalScores,
    truth: Annotations,
    counted: Counted,
    progress: Progress,
    fold_of: Mapping[str, int] | None = None,
) -> dict[str, Any] | None:
    """Choose the strength of the prior from scenes, and tell what it is worth.

    Parameters
    ----------
    scores
        What heads say of videos that they were not fitted on, their scenes among it.
    truth
        The annotations of these videos.
    counted
        These videos in parts, each with the counts of its own training videos: an instance must not tell of itself.
    progress
        Told of the choice; warned where there is none.
    fold_of
        The fold of each video where the heads were fitted in folds: videos of one group then stay together here, too.

    Returns
    -------
    dict or None
        JSON-able: ``gamma`` (0 where the prior does not pay on videos that it was not chosen on), and as
        `tsmfeat.workflows.gamma_choice.GammaChoice` tells, ``final_score_out_of_fold``, ``final_scores``,
        ``gamma_of_fold``; ``final_score_without`` the prior. None where there is nothing to choose by.
    """
    if obstacle := _find_obstacle(scores, truth, counted):
        progress.warn(f"no scene prior: {obstacle}")
        return None
    prior = _match_parts(scores, counted, progress)
    choice, _ = choose_gamma(
        lambda gamma: localize(tilt_intervals(scores, prior, gamma)),
        truth,
        _OPTIONS.gammas,
        _OPTIONS.num_folds,
        Judge("paper").final_score,
        fold_of,
    )
    without, honest = dict(choice.final_scores)[0.0], choice.final_score_out_of_fold
    # What only pays where it was chosen is noise: the strongest of five strengths is never worse than none there.
    gamma = choice.gamma if honest > without else 0.0
    progress.note(
        f"scene prior: gamma {gamma:g}; validation final score out of fold {honest:.4f}, without it {without:.4f}"
    )
    return {**choice.to_dict(), "gamma": gamma, "final_score_without": without}


def _match_parts(scores: IntervalScores, counted: Counted, progress: Progress) -> npt.NDArray[np.float64]:
    prior = np.ones((len(scores.video_ids), len(scores.vocabulary)))
    place_of = {name: place for place, name in enumerate(scores.video_ids)}
    given = GivenPrior(_OPTIONS, None, None)
    for number, (video_ids, counts) in enumerate(counted):
        places = [place_of[name] for name in video_ids]
        # What is said of one part would be said of all.
        listener = Silence() if number else progress
        prior[places] = match_prior(given, scores.select_videos(places), counts, "scene prior", listener)
    return prior


def _find_obstacle(scores: IntervalScores, truth: Annotations, counted: Counted) -> str:
    if scores.scene_scores is None or not len(scores.scene_vocabulary):
        return "no training video has a scene"
    if not len(truth.segments) or len(truth.video_ids) < 2:
        return f"{len(truth.video_ids)} annotated validation videos; two or more with segments tell what it is worth"
    told = all(counts.by_scene.any() for _, counts in counted)
    return "" if told else "no annotated action lies in a training video with a scene"
