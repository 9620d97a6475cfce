"""How certain a score is: intervals over resampled videos."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tsmfeat.metrics.intervals import CONFIDENCE, nested_list, shifted_interval
from tsmfeat.metrics.matching import Matching
from tsmfeat.metrics.options import StatisticsOptions
from tsmfeat.metrics.protocols import PAPER, Protocol
from tsmfeat.metrics.resampling import (
    Population,
    draw_videos,
    keep_judgeable,
    resample_scores,
)


@dataclass(frozen=True, eq=False)
class Bootstrap:
    """What `bootstrap_intervals` found: 95 % intervals.

    Parameters
    ----------
    num_resamples
        Resamples drawn.
    num_empty
        Those among them without any truth, which are left out.
    seed
        Of the draws.
    num_videos
        Videos drawn for each, as many as there are.
    map
        float64 (2, T): low and high end of the mAP at each threshold.
    final_score
        Low and high end of the mean over the thresholds.
    ap
        float64 (2, K, T): low and high end of each class, over the resamples in which it has truth.
    presence
        float64 (K,): share of the resamples in which the class has truth.
    bias
        Mean final score of the resamples minus the measured one: how much fewer different videos flatter it.
    """

    num_resamples: int
    num_empty: int
    seed: int
    num_videos: int
    map: npt.NDArray[np.float64]
    final_score: tuple[float, float]
    ap: npt.NDArray[np.float64]
    presence: npt.NDArray[np.float64]
    bias: float

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON object; an interval is a pair."""
        return {
            "num_resamples": self.num_resamples,
            "num_empty": self.num_empty,
            "seed": self.seed,
            "num_videos": self.num_videos,
            "confidence": CONFIDENCE,
            "map": self.map.T.tolist(),
            "average_map": list(self.final_score),
            "final_score": list(self.final_score),
            "ap": nested_list(np.moveaxis(self.ap, 0, -1)),
            "presence": self.presence.tolist(),
            "bias": self.bias,
        }


def bootstrap_intervals(
    matching: Matching, population: Population, options: StatisticsOptions, protocol: Protocol = PAPER
) -> Bootstrap:
    """Resample the videos with replacement, and see how far the score moves.

    The videos are what a test set draws; segments of one video are no independent witnesses. Each resample holds as
    many videos as there are. Detections outside them stand once in each: they count against the file whatever the
    videos are.

    Parameters
    ----------
    matching
        Predictions matched to the annotations of the population.
    population
        What is drawn from.
    options
        Number of resamples, and the seed.
    protocol
        The one of the matching.

    Returns
    -------
    Bootstrap

    Raises
    ------
    InputError
        More than 65,535 videos, or no truth in any resample.

    Notes
    -----
    Percentile intervals of the nonparametric bootstrap (Efron and Tibshirani, An Introduction to the Bootstrap, 1993,
    chapter 13), moved as `tsmfeat.metrics.intervals.shifted_interval` says. A class without truth in a resample does
    not count there, as in an evaluation of its videos.
    """
    random = np.random.default_rng(options.seed)
    drawn = draw_videos(population, population.num_units, options.num_resamples, random)
    counts = keep_judgeable(drawn, matching, population)
    samples = resample_scores(matching, population, counts, protocol)
    finals = samples.final_score
    low, high = shifted_interval(finals, samples.measured_score).tolist()
    return Bootstrap(
        num_resamples=len(drawn),
        num_empty=len(drawn) - len(counts),
        seed=options.seed,
        num_videos=population.num_units,
        map=shifted_interval(samples.map, samples.measured.mean(axis=0)),
        final_score=(low, high),
        ap=shifted_interval(samples.ap, samples.measured),
        presence=(~np.isnan(samples.ap[:, :, 0])).mean(axis=0),
        bias=float(finals.mean()) - samples.measured_score,
    )
