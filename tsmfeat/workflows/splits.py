"""Which annotated videos train a head and which select it."""

from collections.abc import Collection
from dataclasses import dataclass

from tsmfeat.errors import ConfigurationError, InputError, did_you_mean
from tsmfeat.heads.targets import validation_split
from tsmfeat.values.annotations import Annotations
from tsmfeat.values.progress import Progress

TRAINING_NAMES = ("train", "training")
VALIDATION_NAMES = ("val", "valid", "validation")


@dataclass(frozen=True)
class Split:
    """Video ids to train on and to select by, and how they were chosen.

    Parameters
    ----------
    training, validation
        Ids; validation may be empty.
    described
        One line for people.
    """

    training: tuple[str, ...]
    validation: tuple[str, ...]
    described: str


def split_videos(
    truth: Annotations, stored: Collection[str], subset: str, validation_subset: str, progress: Progress
) -> Split:
    """Choose training and validation videos among the annotated ones that have features.

    Parameters
    ----------
    truth
        Annotations of all videos.
    stored
        Ids of the videos that have features.
    subset, validation_subset
        Names; empty for the defaults of `tsmfeat.workflows.options.FitOptions`.
    progress
        Told of annotated videos that have no features.

    Raises
    ------
    ConfigurationError
        A named subset does not occur.
    InputError
        No training video has features.
    """
    training_name = _named(truth, subset) or _only_match(truth, TRAINING_NAMES)
    validation_name = _named(truth, validation_subset) or _only_match(truth, VALIDATION_NAMES)
    validation = _with_features(truth, stored, validation_name, "validation", progress) if validation_name else ()
    training = _with_features(truth, stored, training_name, "training", progress)
    training = tuple(video_id for video_id in training if video_id not in set(validation))
    if not training:
        raise InputError(
            f"no video of subset {training_name or 'any'!r} has features; heads need at least one",
            "check that the ids of features and annotations agree: tsmfeat inspect FEATURES --json",
        )
    where = f"validation: {len(validation)} of subset {validation_name!r}"
    if not validation_name:
        training, validation = validation_split(training)
        where = f"validation: {len(validation)} set aside by hash"
    described = f"training: {len(training)} videos of {training_name or 'all subsets'}; {where}"
    return Split(training, validation, described)


def _named(truth: Annotations, name: str) -> str:
    if name and name not in truth.subsets():
        known = [known for known in truth.subsets() if known]
        hint = did_you_mean(name, known) or f"subsets are {', '.join(known) or 'not given in this file'}"
        raise ConfigurationError(f"subset {name!r} does not occur in the annotations", hint)
    return name


def _only_match(truth: Annotations, names: tuple[str, ...]) -> str:
    matches = [name for name in truth.subsets() if name.lower() in names]
    return matches[0] if len(matches) == 1 else ""


def _with_features(
    truth: Annotations, stored: Collection[str], subset: str, purpose: str, progress: Progress
) -> tuple[str, ...]:
    wanted = [v for v, s in zip(truth.video_ids, truth.subset, strict=True) if not subset or s == subset]
    found = tuple(video_id for video_id in wanted if video_id in stored)
    if len(found) < len(wanted):
        first = next(video_id for video_id in wanted if video_id not in stored)
        progress.warn(
            f"{len(wanted) - len(found)} of {len(wanted)} {purpose} videos have no features, such as {first!r}"
        )
    return found
