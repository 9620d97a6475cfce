"""Priors of whole videos: read once, matched by name with each source, laid on it before it becomes segments."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tsmfeat.errors import ConfigurationError, InputError, did_you_mean
from tsmfeat.formats.reading import read_annotations
from tsmfeat.formats.video_scores import read_video_scores
from tsmfeat.priors.counts import ActionCounts, action_rates, count_actions
from tsmfeat.priors.information import scene_information
from tsmfeat.priors.options import SCENES, PriorOptions
from tsmfeat.priors.ratios import class_ratios, mean_scores, scene_ratios, share_scores, shares_of_highest
from tsmfeat.priors.tilting import tilt_intervals, tilt_segments
from tsmfeat.values.predictions import IntervalScores, Predictions
from tsmfeat.values.progress import Progress
from tsmfeat.values.video_scores import VideoScores
from tsmfeat.values.vocabulary import Vocabulary
from tsmfeat.workflows.splits import choose_training_subset

Source = IntervalScores | Predictions
Floats = npt.NDArray[np.float64]

_MOST_NAMES = 3


@dataclass(frozen=True, eq=False)
class GivenPrior:
    """What the options name, read.

    Parameters
    ----------
    options
        As given.
    scores
        Of the file; None where the sources' own scenes are asked for.
    counts
        Of the prior's annotations; None where the heads' own are to be used.
    counted_ids
        The videos that `counts` were taken from.
    """

    options: PriorOptions
    scores: VideoScores | None
    counts: ActionCounts | None
    counted_ids: tuple[str, ...] = ()


def read_prior(options: PriorOptions, progress: Progress) -> GivenPrior | None:
    """Read the files that a prior is made from; None where none is asked for.

    Raises
    ------
    ConfigurationError
        Annotations without a prior to use them for, or a subset that does not occur.
    InputError
        A file that cannot be read.
    """
    if not options.asked:
        if options.prior_annotations:
            raise ConfigurationError(
                f"--prior-annotations {options.prior_annotations} and no --video-prior; they only serve one",
                "add --video-prior scenes, or a file",
            )
        return None
    scores = None if options.video_prior == SCENES else read_video_scores(options.video_prior)
    if not options.prior_annotations:
        return GivenPrior(options, scores, None)
    counts, counted_ids = _read_counts(options, progress)
    return GivenPrior(options, scores, counts, counted_ids)


def _read_counts(options: PriorOptions, progress: Progress) -> tuple[ActionCounts, tuple[str, ...]]:
    truth = read_annotations(Path(options.prior_annotations))
    chosen = choose_training_subset(truth, options.prior_subset)
    counts = count_actions(chosen)
    progress.note(
        f"{options.prior_annotations}: {int(counts.total.sum()):,} instances in {len(chosen.video_ids):,} videos tell "
        "how often each action occurs"
    )
    return counts, chosen.video_ids


def match_prior(
    given: GivenPrior, source: Source, recorded: ActionCounts | None, place: str, progress: Progress
) -> Floats:
    """Return the prior of every video and action of a source, its names matched.

    Parameters
    ----------
    given
        The prior.
    source
        Whose videos and actions are meant; its own scenes are used where the options say so.
    recorded
        What its heads recorded at fitting; None: nothing.
    place
        The source's path, for messages.
    progress
        Told of videos and classes that are not known.

    Returns
    -------
    float64 (V, C)
        Of interval scores: how much likelier each action is than usual, p(a|V) / p(a), where p(a) is told by the counts
        or, without any, by the means of the file. Of segments: shares of the highest score that any video has.

    Raises
    ------
    ConfigurationError
        No scenes, or no counts of actions by scene where they are needed.
    InputError
        No class of the file is known.
    """
    counts = given.counts or recorded
    scores = given.scores if given.scores is not None else _own_scenes(source)
    if given.scores is None or _speaks_of_scenes(given.scores.vocabulary, source.vocabulary, counts):
        return _match_scenes(scores, source, counts, given.options, place, progress)
    return _match_classes(given.scores, source, counts, given.options, progress)


def tilt(source: Source, prior: Floats, gamma: float) -> Source:
    """Lay a prior on interval scores or on segments; 0 changes nothing."""
    if isinstance(source, IntervalScores):
        return tilt_intervals(source, prior, gamma)
    return tilt_segments(source, prior, gamma)


def require_scene_prior(scenes: Vocabulary, counts: ActionCounts | None, place: str) -> ActionCounts:
    """Refuse a prior from scenes where none are predicted, or nothing tells which actions occur in them.

    Raises
    ------
    ConfigurationError
        With the remedy.
    """
    if not len(scenes):
        raise ConfigurationError(
            f"{place}: predicts no scenes; --video-prior scenes weighs actions by them",
            "fit heads with --tasks action,scene, or give a file of video scores: --video-prior FILE",
        )
    if counts is None or not len(counts.scene_vocabulary):
        raise ConfigurationError(
            f"{place}: nothing tells which actions occur in which scene; a prior from scenes needs it",
            "name annotations with scenes: --prior-annotations gt.json; heads fitted anew on such record it themselves",
        )
    return counts


def _own_scenes(source: Source) -> VideoScores:
    scores = np.full((len(source.video_ids), len(source.scene_vocabulary)), np.nan)
    return VideoScores(
        source.video_ids, source.scene_vocabulary, scores if source.scene_scores is None else source.scene_scores
    )


def _speaks_of_scenes(names: Vocabulary, actions: Vocabulary, counts: ActionCounts | None) -> bool:
    """Tell whether a file's labels are scenes: more of them are known as such than as actions."""
    scenes = counts.scene_vocabulary if counts is not None else Vocabulary(())
    return sum(name in scenes for name in names.names) > sum(name in actions for name in names.names)


def _match_scenes(
    scores: VideoScores,
    source: Source,
    counts: ActionCounts | None,
    options: PriorOptions,
    place: str,
    progress: Progress,
) -> Floats:
    counts = require_scene_prior(scores.vocabulary, counts, place)
    told = scene_information(counts)
    if told is None or not told.is_worth_using:
        bits = 0.0 if told is None else told.corrected_bits
        progress.warn(
            f"video prior: where actions were counted, the scene tells {bits:.2f} bits of them; it can gain little"
        )
    rates, by_scene = action_rates(counts, options.smoothing)
    _tell_unknown("scenes", scores.vocabulary, counts.scene_vocabulary, progress)
    _tell_unknown("actions", source.vocabulary, counts.vocabulary, progress)
    _tell_missing(scores, source, progress)
    # A scene that was never counted says nothing: all actions are as likely in it as anywhere.
    of_scene = counts.scene_vocabulary.ids_of(scores.vocabulary.names, unknown=len(by_scene))
    aligned = scores.align(source.video_ids, scores.vocabulary)
    found = scene_ratios(aligned, rates, np.vstack([by_scene, rates])[of_scene])
    of_action = counts.vocabulary.ids_of(source.vocabulary.names, unknown=len(rates))
    ratios: Floats = np.hstack([found, np.ones((len(found), 1))])[:, of_action]
    return ratios if isinstance(source, IntervalScores) else shares_of_highest(ratios, ratios)


def _match_classes(
    scores: VideoScores, source: Source, counts: ActionCounts | None, options: PriorOptions, progress: Progress
) -> Floats:
    if not any(name in source.vocabulary for name in scores.vocabulary.names):
        listed = ", ".join(scores.vocabulary.names[:_MOST_NAMES])
        raise InputError(
            f"{options.video_prior}: none of its {len(scores.vocabulary)} classes ({listed}, ...) is predicted; "
            "classes are matched by name",
            did_you_mean(next(iter(scores.vocabulary.names), ""), source.vocabulary.names)
            or "for a file of scenes add --prior-annotations, which tell the actions of each scene",
        )
    _tell_unknown("actions", source.vocabulary, scores.vocabulary, progress)
    _tell_missing(scores, source, progress)
    aligned = scores.align(source.video_ids, source.vocabulary)
    every_video = scores.align(scores.video_ids, source.vocabulary)
    if not isinstance(source, IntervalScores):
        return shares_of_highest(aligned, every_video)
    if counts is None:
        return class_ratios(share_scores(aligned), mean_scores(share_scores(every_video)))
    rates = np.append(action_rates(counts, options.smoothing)[0], np.nan)
    return class_ratios(share_scores(aligned), rates[counts.vocabulary.ids_of(source.vocabulary.names, len(rates) - 1)])


def _tell_unknown(what: str, names: Vocabulary, known: Vocabulary, progress: Progress) -> None:
    unknown = [name for name in names.names if name not in known]
    if unknown:
        nearest = did_you_mean(unknown[0], known.names)
        listed = ", ".join(repr(name) for name in unknown[:_MOST_NAMES]) + (
            ", ..." if len(unknown) > _MOST_NAMES else ""
        )
        progress.warn(
            f"video prior: {len(unknown)} of {len(names)} {what} are not known to it ({listed}) and stay as they are"
            + (f"; {nearest}" if nearest else "")
        )


def _tell_missing(scores: VideoScores, source: Source, progress: Progress) -> None:
    known = {name for name, row in zip(scores.video_ids, scores.scores, strict=True) if not np.isnan(row).all()}
    missing = [video_id for video_id in source.video_ids if video_id not in known]
    if missing and len(missing) == len(source.video_ids):
        raise InputError(
            f"video prior: knows none of the {len(missing):,} videos, such as {missing[0]!r}; videos are matched by id",
            did_you_mean(missing[0], scores.video_ids) or "check that the ids of both files agree",
        )
    if missing:
        # Scores that name a video and say nothing of it know how it is spelt.
        is_misspelt = missing[0] not in scores.video_ids and len(scores.video_ids) < 10_000
        nearest = did_you_mean(missing[0], scores.video_ids) if is_misspelt else ""
        progress.warn(
            f"video prior: {len(missing):,} of {len(source.video_ids):,} videos are not known to it, such as "
            f"{missing[0]!r}; they get what is usual" + (f"; {nearest}" if nearest else "")
        )
