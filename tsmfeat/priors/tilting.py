"""A prior over the actions of a video, laid on its interval scores or on its finished segments (DESIGN 8)."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from tsmfeat.errors import InputError
from tsmfeat.kernels.tilting import tilt_rows
from tsmfeat.values.predictions import IntervalScores, Predictions
from tsmfeat.values.segments import Segments

Floats = npt.NDArray[np.float64]


def tilt_intervals(scores: IntervalScores, ratios: Floats, gamma: float) -> IntervalScores:
    """Weigh the actions of every interval by what is known of the video, background's share kept as it is.

    ``log p(a|i,V) = log p(a|i) + γ·log(p(a|V) / p(a))``, scaled so that the actions of an interval keep their sum:
    between an action and background nothing is decided anew, only among the actions. (An interval whose actions were
    close to each other can still rise above background, or fall below it, where one label an interval is chosen.)

    Parameters
    ----------
    scores
        Probabilities; intervals with NaN stay as they are.
    ratios
        float64 (V, C): ``p(a|V) / p(a)``, 0 or more.
    gamma
        The exponent, 0 or more; 0 changes nothing.

    Returns
    -------
    IntervalScores

    Raises
    ------
    InputError
        A score is negative: margins cannot be weighed as probabilities are.

    Examples
    --------
    >>> from tsmfeat.values.vocabulary import Vocabulary
    >>> one = IntervalScores(("a",), Vocabulary(("stir", "dig")), np.array([0, 1]), np.array([[.25, .25, .5]]), 1.0,
    ...                      np.array([1.0]))
    >>> tilt_intervals(one, np.array([[9.0, 1.0]]), 0.5).scores.tolist()
    [[0.375, 0.125, 0.5]]
    """
    if (scores.scores < 0).any():
        raise InputError("interval scores below 0; a video prior weighs probabilities", "turn margins into softmax")
    factors = _powers(ratios, gamma)
    return replace(scores, scores=tilt_rows(scores.row_offset, np.ascontiguousarray(scores.scores), factors))


def _powers(ratios: Floats, gamma: float) -> Floats:
    """Return ratios to a power, the largest of each video being 1: only their proportions count, and none overflows."""
    if gamma == 0:
        return np.ones_like(ratios)
    largest = ratios.max(axis=1, keepdims=True, initial=0.0)
    shares: Floats = np.divide(ratios, largest, out=np.ones_like(ratios), where=largest > 0)
    return np.power(shares, gamma)


def tilt_segments(predictions: Predictions, priors: Floats, gamma: float) -> Predictions:
    """Multiply the score of every segment by its class's prior in its video to a power.

    Parameters
    ----------
    predictions
        Scores of 0 or more, in any order; nothing but them changes.
    priors
        float64 (V, C), 0 or more.
    gamma
        The exponent, 0 or more; 0 changes nothing.

    Returns
    -------
    Predictions

    Raises
    ------
    InputError
        A score is negative: a factor below 1 would raise it.

    Examples
    --------
    >>> from tsmfeat.values.vocabulary import Vocabulary
    >>> two = Predictions(("a", "b"), Vocabulary(("run",)), Segments([0, 1], [0, 0], [0, 0], [1, 1], [0.5, 0.5]))
    >>> tilt_segments(two, np.array([[0.25], [1.0]]), 0.5).segments.score.tolist()
    [0.25, 0.5]
    """
    rows = predictions.segments
    if (rows.score < 0).any():
        raise InputError("segments with scores below 0; a video prior multiplies scores", "give probabilities")
    score = rows.score * priors[rows.video, rows.label] ** gamma
    return replace(predictions, segments=Segments(rows.video, rows.label, rows.start, rows.end, score))
