"""What a choice is worth on held-out folds, each judged by itself: scores of two settings are never ranked together."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tsmfeat.metrics.intervals import percentile_interval
from tsmfeat.metrics.matching import Matching, match_predictions
from tsmfeat.metrics.protocols import protocol_named
from tsmfeat.metrics.resampling import Population, draw_videos, resample_scores
from tsmfeat.values.predictions import Predictions
from tsmfeat.workflows.tuning_bench import Exam

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.uint16]


@dataclass(frozen=True)
class HeldOutGain:
    """Final scores of the held-out folds, before and after.

    Parameters
    ----------
    default_of_folds
        Under the setting where the search starts; NaN for a fold without truth.
    tuned_of_folds
        Each under the setting that the others chose.
    interval
        95 % percentile interval of `gain` over videos resampled within their folds.
    """

    default_of_folds: tuple[float, ...]
    tuned_of_folds: tuple[float, ...]
    interval: tuple[float, float]

    @property
    def default_score(self) -> float:
        """Mean of the folds before."""
        return float(np.nanmean(self.default_of_folds))

    @property
    def tuned_score(self) -> float:
        """Mean of the folds after."""
        return float(np.nanmean(self.tuned_of_folds))

    @property
    def gain(self) -> float:
        """Their difference."""
        return self.tuned_score - self.default_score

    @property
    def is_distinguishable(self) -> bool:
        """Whether the interval leaves 0 out."""
        return not self.interval[0] <= 0 <= self.interval[1]


def measure_gain(before: Predictions, after: Predictions, exam: Exam, num_resamples: int, seed: int) -> HeldOutGain:
    """Compare two predictions fold by fold.

    Parameters
    ----------
    before
        Under one setting.
    after
        Each video under the setting that was chosen without its fold.
    exam
        The folds.
    num_resamples, seed
        Of the videos within each fold, the same draws for both.

    Returns
    -------
    HeldOutGain
    """
    both = [
        match_predictions(each, exam.truth, protocol_named(exam.protocol), exam.tiou_thresholds)
        for each in (before, after)
    ]
    random = np.random.default_rng(seed)
    measured, resampled = [], []
    for fold in range(exam.num_folds):
        mine = np.flatnonzero(exam.fold == fold)
        once = np.ones((1, len(mine)), np.uint16)
        own = Population.of(exam.truth.select_videos(mine.tolist()))
        drawn = draw_videos(own, len(mine), num_resamples, random)[:, :-1]
        found = [_score_draws(matching, exam, mine, np.vstack([once, drawn])) for matching in both]
        measured.append([scores[0] for scores in found])
        resampled.append(found[1][1:] - found[0][1:])
    low, high = percentile_interval(_mean_of_known(np.array(resampled))).tolist()
    default, tuned = np.array(measured).T.tolist()
    return HeldOutGain(tuple(default), tuple(tuned), (low, high))


def _score_draws(matching: Matching, exam: Exam, mine: npt.NDArray[np.int64], drawn: Counts) -> Floats:
    """Return the final score of each draw of a fold's videos; NaN where a draw holds no truth."""
    counts = np.zeros((len(drawn), len(exam.truth.video_ids) + 1), np.uint16)
    counts[:, mine] = drawn
    protocol = protocol_named(exam.protocol)
    return resample_scores(matching, Population.of(exam.truth), counts, protocol).final_score


def _mean_of_known(differences: Floats) -> Floats:
    """Return the mean over the folds, float64 (B,), those without truth in a draw left out; NaN where none has any."""
    known = ~np.isnan(differences)
    count = known.sum(axis=0)
    means: Floats = np.where(known, differences, 0.0).sum(axis=0) / np.where(count > 0, count, np.nan)
    return means
