"""The prior from scenes that heads were given when they were fitted: laid on what they say, unless told otherwise."""

from tsmfeat.priors.options import SCENES, PriorOptions
from tsmfeat.priors.tilting import tilt_intervals
from tsmfeat.values.predictions import IntervalScores
from tsmfeat.values.progress import Progress
from tsmfeat.workflows.ensembles import Checkpoints, recorded_counts, recorded_gamma
from tsmfeat.workflows.video_priors import GivenPrior, match_prior


def lay_recorded_prior(
    scores: IntervalScores, path: str, checkpoints: Checkpoints, options: PriorOptions, progress: Progress
) -> IntervalScores:
    """Return interval scores under the prior that their heads recorded; as they are where there is none.

    Parameters
    ----------
    scores
        What the heads say.
    path
        The heads, or the file of interval scores that they left.
    checkpoints
        Heads by their path.
    options
        A prior that is named takes the place of the recorded one, and ``"none"`` leaves it out.
    progress
        Told that a prior is laid on.

    Raises
    ------
    ConfigurationError
        No scenes, or no counts of actions by scene.
    InputError
        The record is damaged.
    """
    if options.video_prior:
        return scores
    gamma = recorded_gamma(path, checkpoints)
    if gamma == 0:
        return scores
    progress.note(
        f"{path}: actions are weighed by the scene with gamma {gamma:g}, chosen when the heads were fitted; "
        "--video-prior none leaves it out"
    )
    given = GivenPrior(PriorOptions(SCENES, gamma), None, None)
    prior = match_prior(given, scores, recorded_counts(path, checkpoints), path, progress)
    return tilt_intervals(scores, prior, gamma)
