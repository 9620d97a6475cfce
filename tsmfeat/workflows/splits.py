"""Which annotated videos train heads, which select them, and which are scored."""

import shlex
from collections.abc import Collection, Container, Sequence
from dataclasses import dataclass

from tsmfeat.errors import ConfigurationError, InputError, did_you_mean
from tsmfeat.heads.targets import validation_split
from tsmfeat.metrics.protocols import SubsetTest
from tsmfeat.values.annotations import Annotations
from tsmfeat.values.progress import Progress

TRAINING_NAMES = ("train", "training")
VALIDATION_NAMES = ("val", "valid", "validation")
TESTING_NAMES = ("test", "testing")
_IDS_AGREE = "check that the ids of features and annotations agree: tsmfeat inspect FEATURES --json"


@dataclass(frozen=True)
class Split:
    """Video ids to train on and to select by, and how they were chosen.

    Parameters
    ----------
    training, validation
        Ids; validation may be empty.
    described
        One line for people.
    subset
        The one trained on; empty for all.
    """

    training: tuple[str, ...]
    validation: tuple[str, ...]
    described: str
    subset: str


def split_videos(
    truth: Annotations, stored: Container[str], subset: str, validation_subset: str, progress: Progress
) -> Split:
    """Choose training and validation videos among the annotated ones that have features.

    Parameters
    ----------
    truth
        Annotations of all videos.
    stored
        Whatever knows which videos have features: a store, or ids.
    subset, validation_subset
        Names; empty for the defaults of `tsmfeat.workflows.fit_options.FitOptions`.
    progress
        Told of annotated videos that have no features.

    Raises
    ------
    ConfigurationError
        A named subset does not occur, or both are the same.
    InputError
        No training video has features, or no video of the named validation subset.
    """
    training_name = _named(truth, subset) or _only_match(truth, TRAINING_NAMES)
    validation_name = _named(truth, validation_subset) or _only_match(truth, VALIDATION_NAMES)
    if training_name == validation_name and not validation_subset:
        validation_name = ""
    if training_name and training_name == validation_name:
        raise ConfigurationError(
            f"subset {training_name!r} is to train on and to select by; they are two",
            "leave --validation-subset out: 10 % of the training videos are set aside then",
        )
    aside = dict.fromkeys(_ids_of(truth, validation_name) if validation_name else ())
    wanted = [name for name in _ids_of(truth, training_name) if name not in aside]
    training = _with_features(wanted, stored, "training", progress)
    if not training:
        raise InputError(
            f"none of the {len(wanted)} annotated training videos has features; heads need at least one",
            _IDS_AGREE if wanted else "name the videos to train on: --subset NAME",
        )
    of_subset = f"of subset {training_name!r}" if training_name else _of_all(truth, validation_name, progress)
    if validation := _with_features(tuple(aside), stored, "validation", progress):
        chosen = f"of subset {validation_name!r}"
    elif validation_subset:
        raise InputError(
            f"none of the {len(aside)} videos of subset {validation_subset!r} has features; nothing to select by",
            "extract them too, or leave --validation-subset out",
        )
    else:
        training, validation = validation_split(training)
        chosen = "more, set aside by the hash of their ids"
    described = f"training: {len(training)} videos {of_subset}; validation: {len(validation)} {chosen}"
    if training_name.lower() in TESTING_NAMES:
        progress.warn(f"subset {training_name!r} is trained on: scores of its videos say nothing about others")
    return Split(training, validation, described, training_name)


def fold_videos_of(truth: Annotations, stored: Container[str], subset: str, progress: Progress) -> Split:
    """Choose the videos that folds are made of: the training subset's that have features; none to select by.

    Raises
    ------
    ConfigurationError, InputError
        As `split_videos`.
    """
    name = _named(truth, subset) or _only_match(truth, TRAINING_NAMES)
    wanted = _ids_of(truth, name)
    chosen = _with_features(wanted, stored, "training", progress)
    if not chosen:
        raise InputError(
            f"none of the {len(wanted)} annotated training videos has features; heads need at least one",
            _IDS_AGREE if wanted else "name the videos to train on: --subset NAME",
        )
    of_subset = f"of subset {name!r}" if name else _of_all(truth, "", progress)
    if name.lower() in TESTING_NAMES:
        progress.warn(f"subset {name!r} is trained on: scores of its videos say nothing about others")
    return Split(chosen, (), f"training: {len(chosen)} videos {of_subset}, in folds", name)


def choose_subset(truth: Annotations, name: str, rule: SubsetTest = "exact") -> Annotations:
    """Return the annotations to evaluate on: a subset, or all where there is only one.

    Parameters
    ----------
    truth
        All annotations.
    name
        Of the subset; empty where none is named.
    rule
        As in `tsmfeat.metrics.protocols.Protocol`: the name must be the same, may differ in case, or need not be given.

    Raises
    ------
    ConfigurationError
        The subset does not occur, or there are several and none is named.
    """
    subsets = truth.subsets()
    if name and rule == "any-case":
        alike = [index for index, subset in enumerate(truth.subset) if subset.lower() == name.lower()]
        return truth.select_videos(alike) if alike else truth.select_subset(_named(truth, name))
    if not name and len(subsets) > 1 and rule != "whole-file":
        listed = ", ".join(repr(subset) for subset in subsets)
        raise ConfigurationError(
            f"the annotations hold {len(subsets)} subsets ({listed}) and none is named; scores are of one subset",
            f"add --subset {shlex.quote(held_out_subset(subsets))}",
        )
    return truth.select_subset(_named(truth, name)) if name else truth


def choose_training_subset(truth: Annotations, name: str) -> Annotations:
    """Return the annotations of a subset; where none is named, of the one called train or training, else all.

    Raises
    ------
    ConfigurationError
        The subset does not occur.
    """
    chosen = _named(truth, name) or _only_match(truth, TRAINING_NAMES)
    return truth.select_subset(chosen) if chosen else truth


def select_videos(truth: Annotations, video_ids: Collection[str]) -> Annotations:
    """Return the annotations of some videos, in the order of the file."""
    wanted = set(video_ids)
    return truth.select_videos([index for index, name in enumerate(truth.video_ids) if name in wanted])


def held_out_subset(subsets: Collection[str], trained_on: str = "") -> str:
    """Return the subset that scores are most likely wanted of; empty where there is nothing to choose.

    Examples
    --------
    >>> held_out_subset(["training", "validation", "testing"], trained_on="testing")
    'validation'
    >>> held_out_subset(["training", "validation", "testing"]), held_out_subset(["training", "val"])
    ('testing', 'val')
    >>> held_out_subset([""]), held_out_subset(["a", "b"])
    ('', 'b')
    """
    named = [name for name in subsets if name and name != trained_on]
    if len(subsets) < 2 or not named:
        return ""
    for names in (TESTING_NAMES, VALIDATION_NAMES):
        for name in named:
            if name.lower() in names:
                return name
    return [*named, *(name for name in named if name.lower() not in TRAINING_NAMES)][-1]


def _ids_of(truth: Annotations, name: str) -> list[str]:
    """Return the videos of a subset; of all where it has no name."""
    return [video_id for video_id, s in zip(truth.video_ids, truth.subset, strict=True) if name in ("", s)]


def _named(truth: Annotations, name: str) -> str:
    if name and name not in truth.subsets():
        known = [known for known in truth.subsets() if known]
        hint = did_you_mean(name, known) or f"subsets are {', '.join(known) or 'not given in this file'}"
        raise ConfigurationError(f"subset {name!r} does not occur in the annotations", hint)
    return name


def _only_match(truth: Annotations, names: tuple[str, ...]) -> str:
    matches = [name for name in truth.subsets() if name.lower() in names]
    return matches[0] if len(matches) == 1 else ""


def _of_all(truth: Annotations, validation_name: str, progress: Progress) -> str:
    names = [name or "without a name" for name in truth.subsets() if not name or name != validation_name]
    if len(names) > 1:
        progress.warn(f"no single subset is called train or training: all are trained on ({', '.join(names)})")
    return "of all subsets"


def _with_features(wanted: Sequence[str], stored: Container[str], purpose: str, progress: Progress) -> tuple[str, ...]:
    missing = [video_id for video_id in wanted if video_id not in stored]
    if missing:
        progress.warn(f"{len(missing)} of {len(wanted)} {purpose} videos have no features, such as {missing[0]!r}")
    return tuple(video_id for video_id in wanted if video_id in stored)
