"""Whether predictions and annotations speak of the same classes and videos."""

from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np

from tsmfeat.errors import InputError, SpecMismatchError, did_you_mean
from tsmfeat.values.annotations import Annotations
from tsmfeat.values.predictions import IntervalScores, Predictions
from tsmfeat.values.progress import Progress

_MOST_NAMES = 5


def check_classes(
    predictions: Predictions | IntervalScores,
    truth: Annotations,
    source: str,
    *,
    must_share: bool,
    strict: bool,
    progress: Progress,
) -> None:
    """Tell of predicted classes that the annotations do not know: an evaluation passes them over.

    Parameters
    ----------
    predictions, truth
        Their classes are compared by name; those of the annotations are the whole file's.
    source
        The predictions' place, for messages.
    must_share
        Whether it is an error to have no class in common (heads), or only worth a warning (files).
    strict
        Whether a single unknown class is an error.
    progress
        Told of unknown classes.

    Raises
    ------
    InputError
        A class is unknown, and `strict`.
    SpecMismatchError
        No class is shared, and `must_share`.
    """
    names = predictions.vocabulary.names
    unknown = [name for name in names if name not in truth.vocabulary]
    if not unknown:
        return
    known = ", ".join(truth.vocabulary.names[:_MOST_NAMES])
    found = f"{source}: {len(unknown)} of its {len(names)} classes are not in the annotations ({_some(unknown)})"
    hint = did_you_mean(unknown[0], truth.vocabulary.names) or f"the annotations know {known}, ..."
    if strict:
        raise InputError(found, hint)
    if must_share and len(unknown) == len(names):
        raise SpecMismatchError(f"{found}: the heads were fitted on other classes", hint)
    progress.warn(f"{found}: what is predicted of them is ignored")


def _some(names: list[str]) -> str:
    return ", ".join(repr(name) for name in names[:_MOST_NAMES]) + (", ..." if len(names) > _MOST_NAMES else "")


def warn_of_seen_videos(seen_ids: Collection[str], truth: Annotations, path: str | Path, progress: Progress) -> None:
    """Tell of videos that are scored though something that bears on the score was learned from their annotations.

    Parameters
    ----------
    seen_ids
        Videos that it was learned from.
    truth
        The videos that are scored.
    path
        What was learned from.
    progress
        Told.
    """
    seen = set(seen_ids).intersection(truth.video_ids)
    if seen:
        progress.warn(
            f"{path}: learned from {len(seen):,} of the {len(truth.video_ids):,} videos that are scored, such as "
            f"{min(seen)!r}: the score is optimistic"
        )


def warn_of_rows(predictions: Predictions, truth: Annotations, progress: Progress, *, forgives: bool = False) -> None:
    """Tell where there is nothing to evaluate, of rows that were dropped, and of ambiguous segments.

    Parameters
    ----------
    predictions, truth
        What is evaluated.
    progress
        Told.
    forgives
        Whether false positives that overlap ambiguous segments are forgiven.
    """
    if not len(predictions.segments):
        progress.warn("nothing is predicted: every AP is 0")
    warn_of_dropped("annotated", truth.num_dropped, progress)
    warn_of_dropped("predicted", predictions.num_dropped, progress)
    if truth.num_ambiguous:
        use = "predictions there are forgiven" if forgives else "they were left out (the protocols thumos14-* use them)"
        progress.warn(f"{truth.num_ambiguous} annotated segments are ambiguous: {use}")


def warn_of_dropped(what: str, count: int, progress: Progress) -> None:
    """Tell of segments, annotated or predicted, that readers or a fusion left out, where there are any."""
    if count:
        progress.warn(
            f"{count} {what} segments were dropped: zero-length, reversed or not finite (--strict lists them)"
        )


def warn_of_videos(
    predictions: Predictions, truth: Annotations, annotated: Sequence[str], progress: Progress, source: str = ""
) -> None:
    """Tell of predictions in videos that are not evaluated, and how to do without them.

    Parameters
    ----------
    predictions, truth
        What is evaluated, and on which videos.
    annotated
        The videos of all subsets.
    progress
        Told.
    source
        The predictions' place, for the message; empty: there is but one.
    """
    evaluated = set(truth.video_ids)
    outside = np.array([video_id not in evaluated for video_id in predictions.video_ids], bool)
    count = int(outside[predictions.segments.video].sum())
    if not count:
        return
    names = [video_id for video_id, out in zip(predictions.video_ids, outside, strict=True) if out]
    progress.warn(
        f"{source + ': ' if source else ''}{count} of {len(predictions.segments)} predictions lie in "
        f"{_count_videos(names)} not evaluated, such as {names[0]!r}: each counts as a false positive"
        + _advise(names, truth, set(annotated), all_outside=bool(outside.all()))
    )


def _count_videos(names: list[str]) -> str:
    return "1 video that is" if len(names) == 1 else f"{len(names)} videos that are"


def _advise(names: list[str], truth: Annotations, annotated: set[str], *, all_outside: bool) -> str:
    if num_others := sum(name in annotated for name in names):
        return f"; {num_others} of the videos are of another subset: --outside drop leaves them out"
    # Nothing in common is a matter of spelling ("v_" before the id, a suffix) or of another data set.
    return f"; the evaluated videos are called {_some(list(truth.video_ids))}" if all_outside else ""
