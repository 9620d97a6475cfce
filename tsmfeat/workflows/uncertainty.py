"""How certain a score is, whom it beats, and what would change on other videos."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tsmfeat.metrics.bootstrap import Bootstrap, bootstrap_intervals
from tsmfeat.metrics.diagnosis import Diagnosis, diagnose
from tsmfeat.metrics.intervals import CONFIDENCE, shifted_interval
from tsmfeat.metrics.matching import Matching, match_predictions
from tsmfeat.metrics.options import StatisticsOptions
from tsmfeat.metrics.paired import Comparison, adjust_p_values, compare_samples
from tsmfeat.metrics.protocols import Protocol, protocol_named
from tsmfeat.metrics.resampling import (
    Population,
    draw_videos,
    keep_judgeable,
    resample_scores,
)
from tsmfeat.metrics.shakeup import SplitBootstrap, simulate_splits
from tsmfeat.metrics.swapping import swap_p_value
from tsmfeat.values.annotations import Annotations
from tsmfeat.values.predictions import Predictions
from tsmfeat.workflows.score_options import ScoreOptions

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Entrant:
    """Predictions under a name, to be judged beside others."""

    name: str
    predictions: Predictions


@dataclass(frozen=True, eq=False)
class Rivalry:
    """One against each of the others, on the same resamples.

    Parameters
    ----------
    names
        Of S entrants; the first is the one that is scored.
    num_resamples, seed
        Of the draws.
    final_score
        float64 (S,).
    interval
        float64 (2, S): 95 % interval of each.
    comparisons
        The first against each of the other S - 1.
    adjusted_p_values
        Of the S - 1 tests, as if they were one (Holm).
    """

    names: tuple[str, ...]
    num_resamples: int
    seed: int
    final_score: Floats
    interval: Floats
    comparisons: tuple[Comparison, ...]
    adjusted_p_values: tuple[float, ...]

    @property
    def are_distinguishable(self) -> tuple[bool, ...]:
        """Whether each of the S - 1 differences leaves 0 out and its adjusted p-value is 0.05 at most."""
        tests = zip(self.comparisons, self.adjusted_p_values, strict=True)
        return tuple(test.is_distinguishable and p <= 1 - CONFIDENCE for test, p in tests)

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON object; sources stand by falling score."""
        order = np.argsort(-self.final_score, kind="stable")
        tests = zip(self.names[1:], self.comparisons, self.adjusted_p_values, self.are_distinguishable, strict=True)
        return {
            "num_resamples": self.num_resamples,
            "seed": self.seed,
            "ranking": [
                {
                    "source": self.names[place],
                    "final_score": float(self.final_score[place]),
                    "interval": self.interval[:, place].tolist(),
                }
                for place in order
            ],
            "against": [
                {"source": name, **test.to_dict(), "adjusted_p_value": p, "is_distinguishable": apart}
                for name, test, p, apart in tests
            ],
        }


@dataclass(frozen=True, eq=False)
class Uncertainty:
    """What `judge_uncertainty` found; None where it was not asked for.

    Parameters
    ----------
    bootstrap
        Intervals of the score.
    rivalry
        Tests against other files.
    splits
        Rankings on simulated test sets.
    split_names
        The sources ranked there.
    diagnosis
        Kinds of errors and hard truths.
    """

    bootstrap: Bootstrap | None = None
    rivalry: Rivalry | None = None
    splits: SplitBootstrap | None = None
    split_names: tuple[str, ...] = ()
    diagnosis: Diagnosis | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the keys that were asked for, for the JSON object of ``tsmfeat score --json``."""
        found: dict[str, Any] = {}
        if self.bootstrap is not None:
            found["bootstrap"] = self.bootstrap.to_dict()
        if self.rivalry is not None:
            found["comparison"] = self.rivalry.to_dict()
        if self.splits is not None:
            found["split_bootstrap"] = {"sources": list(self.split_names), **self.splits.to_dict()}
        if self.diagnosis is not None:
            found["diagnosis"] = self.diagnosis.to_dict()
        return found


def judge_uncertainty(
    scored: Entrant, parts: Sequence[Entrant], rivals: Sequence[Entrant], population: Population, options: ScoreOptions
) -> Uncertainty:
    """Answer what was asked beside the score.

    Parameters
    ----------
    scored
        What the score is of.
    parts
        The sources that it was fused from, each by itself; none where it is one source.
    rivals
        What it is compared to.
    population
        The annotations, and what is drawn as one.
    options
        `ScoreOptions.statistics` says what is asked.

    Returns
    -------
    Uncertainty
    """
    asked, truth = options.statistics, population.annotations
    diagnosis = _diagnose(scored, truth, options) if asked.diagnosis else None
    if not (asked.bootstrap or asked.compare or asked.split_bootstrap):
        return Uncertainty(diagnosis=diagnosis)
    entrants = [scored, *rivals, *(parts if asked.split_bootstrap else ())]
    protocol = protocol_named(options.protocol)
    matchings = [match_predictions(one.predictions, truth, protocol, options.tiou_thresholds) for one in entrants]
    names = tuple(entrant.name for entrant in entrants)
    num_tested = 1 + len(rivals)
    return Uncertainty(
        bootstrap_intervals(matchings[0], population, asked, protocol) if asked.bootstrap else None,
        _compare(names[:num_tested], matchings[:num_tested], population, asked, protocol) if rivals else None,
        simulate_splits(matchings, population, asked, protocol) if asked.split_bootstrap else None,
        names,
        diagnosis,
    )


def _diagnose(scored: Entrant, truth: Annotations, options: ScoreOptions) -> Diagnosis:
    thresholds = options.tiou_thresholds or protocol_named(options.protocol).tiou_thresholds
    return diagnose(scored.predictions, truth, thresholds, options.statistics.diagnosis)


def _compare(
    names: tuple[str, ...],
    matchings: Sequence[Matching],
    population: Population,
    asked: StatisticsOptions,
    protocol: Protocol,
) -> Rivalry:
    random = np.random.default_rng(asked.seed)
    drawn = draw_videos(population, population.num_units, asked.num_resamples, random)
    counts = keep_judgeable(drawn, matchings[0], population)
    samples = [resample_scores(matching, population, counts, protocol) for matching in matchings]
    first, *others = matchings
    p_values = [swap_p_value(first, other, population, asked.num_resamples, random, protocol) for other in others]
    comparisons = tuple(compare_samples(samples[0], *pair) for pair in zip(samples[1:], p_values, strict=True))
    intervals = [shifted_interval(one.final_score, one.measured_score) for one in samples]
    return Rivalry(
        names=names,
        num_resamples=len(drawn),
        seed=asked.seed,
        final_score=np.array([one.measured_score for one in samples]),
        interval=np.stack(intervals, axis=1),
        comparisons=comparisons,
        adjusted_p_values=tuple(adjust_p_values(p_values)),
    )
