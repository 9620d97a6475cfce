"""Test sets drawn anew from the videos at hand, and the scores on each of them."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tsmfeat.errors import InputError
from tsmfeat.kernels.resampled_rules import Exceptions, resampled_summaries
from tsmfeat.kernels.resampling import RankedHits, count_draws, resampled_precisions
from tsmfeat.metrics.average_precision import AP_RULES
from tsmfeat.metrics.matching import Indexes, Matching
from tsmfeat.metrics.options import MAX_VIDEOS_DRAWN
from tsmfeat.metrics.protocols import PAPER, Protocol
from tsmfeat.values.annotations import Annotations

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.uint16]


@dataclass(frozen=True, eq=False)
class Population:
    """What test sets are drawn from.

    Parameters
    ----------
    annotations
        Of N videos.
    unit
        int64 (N,): what is drawn as one, from 0 up without gaps: each video by itself, or all the pieces that a video
        was cut into, which are no independent witnesses.

    Examples
    --------
    >>> from tsmfeat.values.segments import Segments
    >>> from tsmfeat.values.vocabulary import Vocabulary
    >>> none = Vocabulary(())
    >>> Population.of(Annotations(("a", "b"), none, Segments.empty(), [9.0, 9.0], ("", ""), [-1, -1], none)).num_units
    2
    """

    annotations: Annotations
    unit: Indexes

    @staticmethod
    def of(annotations: Annotations) -> "Population":
        """Return the population in which each video is drawn by itself."""
        return Population(annotations, np.arange(len(annotations.video_ids)))

    @property
    def num_units(self) -> int:
        """What can be drawn."""
        return int(self.unit.max()) + 1


@dataclass(frozen=True, eq=False)
class ScoreSamples:
    """AP on the videos at hand, and on every resample of them.

    Parameters
    ----------
    measured
        float64 (K, T): AP of each class at each threshold on the videos at hand.
    ap
        float64 (B, K, T): the same on each resample; NaN for a class without truth in it.
    """

    measured: Floats
    ap: Floats

    @property
    def measured_score(self) -> float:
        """The final score on the videos at hand: the mean of `measured` over classes, then thresholds."""
        return float(self.measured.mean(axis=0).mean())

    @property
    def map(self) -> Floats:
        """Mean of `ap` over the classes with truth, float64 (B, T); NaN in a resample without any."""
        known = ~np.isnan(self.ap[:, :, :1])
        count = known.sum(axis=1)
        means: Floats = np.where(known, self.ap, 0.0).sum(axis=1) / np.where(count > 0, count, np.nan)
        return means

    @property
    def final_score(self) -> Floats:
        """Mean of `map` over the thresholds, float64 (B,)."""
        means: Floats = self.map.mean(axis=1)
        return means


def draw_videos(
    population: Population, num_drawn: int, num_resamples: int, random: np.random.Generator, outside: int = 1
) -> Counts:
    """Draw units with replacement, again and again.

    Parameters
    ----------
    population
        N annotated videos in units, each unit as likely as another.
    num_drawn
        Draws a resample.
    num_resamples
        B.
    random
        Source of the draws.
    outside
        How often the detections outside the annotated videos stand in each resample. An evaluator counts them against
        a file whatever the test videos are: once. A leaderboard drops what is not in its split: 0.

    Returns
    -------
    numpy.ndarray
        uint16 (B, N + 1): how often each video was drawn, and `outside` in the last place.

    Raises
    ------
    InputError
        More draws than can be counted.

    Examples
    --------
    >>> from tsmfeat.values.segments import Segments
    >>> from tsmfeat.values.vocabulary import Vocabulary
    >>> none = Vocabulary(())
    >>> truth = Annotations(("a", "b"), none, Segments.empty(), [9.0, 9.0], ("", ""), [-1, -1], none)
    >>> draw_videos(Population.of(truth), 2, 3, np.random.default_rng(0)).tolist()
    [[0, 2, 1], [1, 1, 1], [2, 0, 1]]
    """
    if num_drawn > MAX_VIDEOS_DRAWN:
        raise InputError(
            f"{num_drawn:,} videos; resamples of at most {MAX_VIDEOS_DRAWN:,} can be drawn", "select a subset"
        )
    drawn = np.zeros((num_resamples, population.num_units + 1), np.uint16)
    count_draws(random.integers(0, population.num_units, (num_resamples, num_drawn)), drawn)
    drawn[:, -1] = outside
    return drawn[:, [*population.unit, -1]]


def resample_scores(
    matching: Matching, population: Population, counts: Counts, protocol: Protocol = PAPER
) -> ScoreSamples:
    """Score every resample without matching again: hits never depend on other videos.

    Parameters
    ----------
    matching, population
        What was matched, and to what.
    counts
        uint16 (B, N + 1), as `draw_videos` returns them.
    protocol
        The one of the matching: its rules on AP are used.

    Returns
    -------
    ScoreSamples
        Each as if the copies of a video were videos of their own, and the copies of a detection stood side by side in
        the file: equal to the evaluation of files written so. A class without truth in a resample does not count there,
        as it would not in those files.

    Notes
    -----
    Two rules are not followed into the copies: equal scores of one video, where a protocol ranks them by the video's
    name, and labels that collide with others because a class has no truth, where it lets them.

    Examples
    --------
    >>> from tsmfeat.metrics.matching import match_predictions
    >>> from tsmfeat.values.predictions import Predictions
    >>> from tsmfeat.values.segments import Segments
    >>> from tsmfeat.values.vocabulary import Vocabulary
    >>> actions, none = Vocabulary(("walk",)), Vocabulary(())
    >>> two = Segments([0, 1], [0, 0], [0.0, 0.0], [10.0, 10.0], [1.0, 1.0])
    >>> truth = Annotations(("a", "b"), actions, two, [20.0, 20.0], ("", ""), [-1, -1], none)
    >>> found = Predictions(("a",), actions, Segments([0], [0], [0.0], [10.0], [0.9]))
    >>> matching = match_predictions(found, truth, PAPER)
    >>> counts = np.array([[1, 1, 1], [2, 0, 1], [0, 2, 1]], np.uint16)  # both videos, the first twice, the other twice
    >>> resample_scores(matching, Population.of(truth), counts).final_score.tolist()
    [0.5, 1.0, 0.0]
    """
    ranked = RankedHits(
        matching.hits, matching.video, matching.offset, truth_videos(matching, population), matching.truth_offset
    )
    once = np.ones((1, counts.shape[1]), np.uint16)
    exceptions = Exceptions(*rank_exceptions(matching, protocol))
    shape = (len(matching.tiou_thresholds), AP_RULES[protocol.ap])
    measured, ap = (summarize_resamples(ranked, exceptions, each, shape) for each in (once, counts))
    return ScoreSamples(measured[0], ap)


def summarize_resamples(ranked: RankedHits, exceptions: Exceptions, counts: Counts, shape: tuple[int, int]) -> Floats:
    """Return AP on every resample by the fastest kernel that knows the rule, float64 (B, K, T)."""
    if shape[1] == AP_RULES["voc-all"] and not exceptions.is_forgiven.any() and not exceptions.is_tied.any():
        return resampled_precisions(ranked, counts, shape[0])
    return resampled_summaries(ranked, exceptions, counts, shape)


def rank_exceptions(matching: Matching, protocol: Protocol) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Return which detections a protocol forgives, and which it ranks with those before them."""
    none = np.zeros(len(matching.hits), np.bool_)
    is_forgiven = none if matching.is_forgiven is None else matching.is_forgiven
    return is_forgiven, matching.is_tied if protocol.tie == "hits-first" else none


def truth_videos(matching: Matching, population: Population) -> npt.NDArray[np.int32]:
    """Return the video of each truth that counts, class by class, int32 (G,)."""
    videos: npt.NDArray[np.int32] = population.annotations.segments.video[matching.truth_rows]
    return videos


def keep_judgeable(counts: Counts, matching: Matching, population: Population) -> Counts:
    """Return the resamples that hold any truth; on the others there is no score.

    Raises
    ------
    InputError
        None is left.
    """
    num_truths = np.bincount(truth_videos(matching, population), minlength=len(population.unit))
    kept = counts[(counts[:, :-1][:, num_truths > 0] > 0).any(axis=1)]
    if len(kept) == 0:
        raise InputError("no resample of the videos holds any truth", "draw more videos, or more resamples")
    return kept
