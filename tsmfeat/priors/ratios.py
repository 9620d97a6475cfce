"""How much likelier each action is in a video than it is anywhere: what a prior multiplies scores by."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def scene_ratios(scenes: Floats, rates: Floats, rates_by_scene: Floats) -> Floats:
    """Return ``Σ_s p(s|V) p(a|s) / p(a)``: how much likelier the scene of a video makes an action.

    Parameters
    ----------
    scenes
        float64 (V, S): a score per scene, 0 or more, scaled here to sum to 1; NaN where none is known.
    rates, rates_by_scene
        float64 (C,) and (S, C): p(a) and p(a|s) (`tsmfeat.priors.counts.action_rates`).

    Returns
    -------
    float64 (V, C)
        1 in a video without a scene score.

    Examples
    --------
    >>> scene_ratios(np.array([[0.75, 0.25]]), np.array([0.4, 0.6]), np.array([[0.8, 0.2], [0.2, 0.8]])).tolist()
    [[1.6250000000000002, 0.5833333333333334]]
    """
    known = np.where(np.isnan(scenes), 0.0, scenes)
    total = known.sum(axis=1, keepdims=True)
    shares = np.divide(known, total, out=np.zeros_like(known), where=total > 0)
    return np.where(total > 0, shares @ rates_by_scene / rates, 1.0)


def share_scores(scores: Floats) -> Floats:
    """Return scores of whole videos as p(a|V): scaled so that the known ones of a video sum to 1.

    Parameters
    ----------
    scores
        float64 (V, C): 0 or more; NaN where nothing is said.

    Returns
    -------
    float64 (V, C)
        NaN where nothing is said, and in a video whose scores are all 0.

    Examples
    --------
    >>> share_scores(np.array([[3.0, 1.0, np.nan], [0.0, 0.0, 0.0]])).tolist()
    [[0.75, 0.25, nan], [nan, nan, nan]]
    """
    total = np.nansum(scores, axis=1, keepdims=True)
    shares: Floats = np.divide(scores, total, out=np.full_like(scores, np.nan), where=total > 0)
    return shares


def mean_scores(scores: Floats) -> Floats:
    """Return the mean score of each class over the videos that have one; NaN for a class that none has.

    Examples
    --------
    >>> mean_scores(np.array([[0.5, np.nan], [1.0, np.nan]])).tolist()
    [0.75, nan]
    """
    known = ~np.isnan(scores)
    count = known.sum(axis=0)
    means: Floats = np.divide(np.nansum(scores, axis=0), count, out=np.full(len(count), np.nan), where=count > 0)
    return means


def class_ratios(scores: Floats, usual: Floats) -> Floats:
    """Return how much higher the score of each class is in a video than it usually is.

    Parameters
    ----------
    scores
        float64 (V, C): 0 or more; NaN where nothing is said.
    usual
        float64 (C,): what is usual of each class: p(a), or the mean score of many videos; NaN or 0 where unknown.

    Returns
    -------
    float64 (V, C)
        1 where nothing is said or known.

    Examples
    --------
    >>> class_ratios(np.array([[0.5, 1.0], [np.nan, 2.0]]), np.array([0.25, np.nan])).tolist()
    [[2.0, 1.0], [1.0, 1.0]]
    """
    told = ~np.isnan(scores) & (usual > 0)
    ratios: Floats = np.divide(scores, usual, out=np.ones_like(scores), where=told)
    return ratios


def shares_of_highest(scores: Floats, every_video: Floats) -> Floats:
    """Return the score of each video as a share of the class's highest: a factor of 1 where a class is surest.

    Where scores are ranked over videos, this keeps the top of the ranking in place whatever power is taken, so videos
    under different powers stay comparable.

    Parameters
    ----------
    scores
        float64 (V, C): 0 or more; NaN where nothing is said.
    every_video
        float64 (V', C): all videos that are known; a video of which nothing is said gets their mean.

    Returns
    -------
    float64 (V, C)
        1 in a class of which nothing is said.

    Examples
    --------
    >>> known = np.array([[0.5, np.nan], [0.25, np.nan]])
    >>> shares_of_highest(np.vstack([known, [[np.nan, np.nan]]]), known).tolist()
    [[1.0, 1.0], [0.5, 1.0], [0.75, 1.0]]
    """
    filled = np.where(np.isnan(scores), mean_scores(every_video), scores)
    highest = np.where(np.isnan(every_video), 0.0, every_video).max(axis=0, initial=0.0)
    return class_ratios(filled, highest)
