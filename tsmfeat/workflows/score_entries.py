"""Who takes part in a scoring: sources with their weights and priors, and the files they are compared to."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from tsmfeat.values.annotations import Annotations
from tsmfeat.values.predictions import IntervalScores, Predictions
from tsmfeat.values.progress import Progress
from tsmfeat.workflows.agreement import warn_of_seen_videos
from tsmfeat.workflows.ensembles import load_checkpoints, weigh_sources
from tsmfeat.workflows.options_in_vain import changes_localization
from tsmfeat.workflows.score_options import ScoreOptions
from tsmfeat.workflows.scored_sources import match_priors, read_sources
from tsmfeat.workflows.segment_heads import require_localization_to_matter
from tsmfeat.workflows.timing import timed
from tsmfeat.workflows.transitions import localize_with_transitions, read_transitions
from tsmfeat.workflows.units import join_sources
from tsmfeat.workflows.video_priors import Source, read_prior, tilt

MembersAt = Callable[[float], list[Predictions]]
"""From the strength of the prior to the segments of each source."""


@dataclass(frozen=True, eq=False)
class Entries:
    """What is scored, read.

    Parameters
    ----------
    paths, sources
        What is fused, or the one that is not.
    weights
        Of each, their sum 1; equal ones where they are to be learned.
    priors
        What is known of the videos of each source; empty: nothing.
    rivals
        What the score is compared to.
    transitions
        Annotations that costs of changing the label are learned from; None: all changes cost the same.
    """

    paths: tuple[str, ...]
    sources: tuple[Source, ...]
    weights: tuple[float, ...]
    priors: tuple[npt.NDArray[np.float64], ...]
    rivals: tuple[Source, ...]
    transitions: Annotations | None


def read_entries(
    paths: Sequence[str], features: Sequence[str], truth: Annotations, options: ScoreOptions, progress: Progress
) -> Entries:
    """Read sources and rivals, and all that is said of them.

    Parameters
    ----------
    paths
        Heads checkpoints, files of interval scores and prediction files.
    features
        Stores of the heads.
    truth
        The videos.
    options
        `ScoreOptions`.
    progress
        Told of unknown classes, videos without features, options without a say, and videos that are scored though
        something was learned from them.

    Raises
    ------
    ConfigurationError
        Options of localisation, and only heads that say segments.
    TsmfeatError
        Files that are missing, damaged or do not fit each other, or weights that do not fit the sources.
    """
    given = read_prior(options.prior, progress)
    everyone = [*paths, *options.statistics.compare]
    checkpoints = load_checkpoints(everyone)
    weights = weigh_sources(paths, checkpoints, "equal" if options.weights == "learned" else options.weights)
    if changes_localization(options):
        require_localization_to_matter(checkpoints, has_others=len(checkpoints) < len(everyone))
    listed = read_sources(everyone, checkpoints, features, truth, options, progress)
    if not any(isinstance(source, IntervalScores) for source in listed) and changes_localization(options):
        progress.note("options of localisation have no say on prediction files: their segments are made already")
    own, rivals = listed[: len(paths)], listed[len(paths) :]
    if options.unit != "video" and len(paths) > 1:
        own = join_sources(paths, own)
    priors = [] if given is None else match_priors(given, paths, own, checkpoints, progress)
    transitions = read_transitions(options.transitions)
    if given is not None:
        warn_of_seen_videos(given.counted_ids, truth, options.prior.prior_annotations, progress)
    if transitions is not None:
        warn_of_seen_videos(transitions.video_ids, truth, options.transitions, progress)
    return Entries(tuple(paths), tuple(own), weights, tuple(priors), tuple(rivals), transitions)


def prepare_members(entries: Entries, options: ScoreOptions, clock: dict[str, float]) -> MembersAt:
    """Return what lays the prior on sources and makes them segments; what was made last is not made again.

    Parameters
    ----------
    entries
        The sources.
    options
        The rules.
    clock
        Its part ``"localize"`` runs on.
    """

    @lru_cache(maxsize=2)
    def make(gamma: float) -> tuple[Predictions, ...]:
        with timed(clock, "localize"):
            pairs = zip(entries.sources, entries.priors, strict=True) if entries.priors else ()
            tilted = [tilt(source, prior, gamma) for source, prior in pairs] or entries.sources
            return tuple(localize_sources(tilted, entries, options))

    return lambda gamma: list(make(gamma if entries.priors else 0.0))


def localize_sources(sources: Sequence[Source], entries: Entries, options: ScoreOptions) -> list[Predictions]:
    """Return sources with their interval scores turned into segments."""
    return [
        localize_with_transitions(source, options.localization, entries.transitions)
        if isinstance(source, IntervalScores)
        else source
        for source in sources
    ]
