"""How far a ranking moves between two test sets of a few videos: what a public leaderboard says of the private one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tsmfeat.metrics.intervals import nested_list, percentile_interval
from tsmfeat.metrics.matching import Matching
from tsmfeat.metrics.options import StatisticsOptions
from tsmfeat.metrics.protocols import PAPER, Protocol
from tsmfeat.metrics.resampling import (
    Counts,
    Population,
    draw_videos,
    keep_judgeable,
    resample_scores,
)

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class SplitBootstrap:
    """What `simulate_splits` found for S sources.

    Parameters
    ----------
    num_videos
        Videos of each simulated test set.
    num_splits
        Pairs of a public and a private set that both hold truth.
    final_score
        float64 (S,): on all videos.
    interval
        float64 (2, S): 95 % interval of the final score on one set.
    first_share
        float64 (S,): how often the source is first on a set; sources equal there share it.
    rank_interval
        float64 (2, S): 95 % interval of its rank on one set, 1 the best; equal sources have the better rank.
    winner_kept
        Share of the pairs of sets whose first sources agree.
    flips
        float64 (S, S): share of the pairs of sets on which the order of two sources is reversed.
    difference
        float64 (2, S, S): 95 % interval of the first's final score minus the other's on one set.
    """

    num_videos: int
    num_splits: int
    final_score: Floats
    interval: Floats
    first_share: Floats
    rank_interval: Floats
    winner_kept: float
    flips: Floats
    difference: Floats

    @property
    def is_distinguishable(self) -> npt.NDArray[np.bool_]:
        """Pairs whose difference has an interval without 0, bool (S, S)."""
        apart: npt.NDArray[np.bool_] = (self.difference[0] > 0) | (self.difference[1] < 0)
        return apart

    @property
    def videos_needed(self) -> Floats:
        """Videos on which the interval of each pair would just leave 0 out, float64 (S, S); infinite for equal sources.

        An interval's width falls with the square root of the number of videos: an estimate, not a promise.
        """
        low, high = self.difference
        with np.errstate(divide="ignore", invalid="ignore"):  # sources that are equal on every set
            needed: Floats = self.num_videos * ((high - low) / np.abs(high + low)) ** 2
        return np.where(low == -high, np.inf, needed)

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON object; an interval is a pair."""
        return {
            "num_videos": self.num_videos,
            "num_splits": self.num_splits,
            "final_score": self.final_score.tolist(),
            "interval": self.interval.T.tolist(),
            "first_share": self.first_share.tolist(),
            "rank_interval": self.rank_interval.T.tolist(),
            "winner_kept": self.winner_kept,
            "flips": self.flips.tolist(),
            "difference": np.moveaxis(self.difference, 0, -1).tolist(),
            "is_distinguishable": self.is_distinguishable.tolist(),
            "videos_needed": nested_list(np.where(np.isinf(self.videos_needed), np.nan, self.videos_needed)),
        }


def simulate_splits(
    matchings: Sequence[Matching], population: Population, options: StatisticsOptions, protocol: Protocol = PAPER
) -> SplitBootstrap:
    """Draw a public and a private test set of n videos, again and again, and rank sources on both.

    Both are drawn with replacement from all videos: they stand for new videos of the same kind, so n may exceed the
    number at hand. Detections outside a set do not count on it, as on a leaderboard.

    Parameters
    ----------
    matchings
        Each source matched to the annotations by itself.
    population
        What is drawn from.
    options
        Videos a set, number of pairs of sets, and the seed.
    protocol
        The one of the matchings.

    Returns
    -------
    SplitBootstrap

    Raises
    ------
    InputError
        No truth in any set.
    """
    random = np.random.default_rng(options.seed)
    public, private = (_draw_sets(matchings[0], population, options, random) for _ in range(2))
    num_splits = min(len(public), len(private))
    counts = np.concatenate([public[:num_splits], private[:num_splits]])
    samples = [resample_scores(one, population, counts, protocol) for one in matchings]
    scores = np.stack([one.final_score for one in samples], axis=1)
    ranks = 1 + (scores[:, None, :] > scores[:, :, None]).sum(axis=2)
    first = ranks == 1
    return SplitBootstrap(
        num_videos=options.split_bootstrap,
        num_splits=num_splits,
        final_score=np.array([one.measured_score for one in samples]),
        interval=percentile_interval(scores),
        first_share=(first / first.sum(axis=1, keepdims=True)).mean(axis=0),
        rank_interval=percentile_interval(ranks.astype(np.float64)),
        winner_kept=float((first[:num_splits] == first[num_splits:]).all(axis=1).mean()),
        flips=_flip_shares(scores[:num_splits], scores[num_splits:]),
        difference=percentile_interval(scores[:, :, None] - scores[:, None, :]),
    )


def _draw_sets(
    matching: Matching, population: Population, options: StatisticsOptions, random: np.random.Generator
) -> Counts:
    drawn = draw_videos(population, options.split_bootstrap, options.num_resamples, random, outside=0)
    return keep_judgeable(drawn, matching, population)  # the rare sets without truth are not drawn, as it were


def _flip_shares(public: Floats, private: Floats) -> Floats:
    here, there = (np.sign(scores[:, :, None] - scores[:, None, :]) for scores in (public, private))
    shares: Floats = (here * there < 0).mean(axis=0)
    return shares
