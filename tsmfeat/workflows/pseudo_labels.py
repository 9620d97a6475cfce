"""Segments that some model predicts, taken for truth in videos that nobody annotated."""

from collections.abc import Container

import numpy as np
import numpy.typing as npt

from tsmfeat.errors import InputError, did_you_mean
from tsmfeat.formats.reading import read_predictions
from tsmfeat.values.annotations import NO_SCENE, Annotations
from tsmfeat.values.predictions import Predictions
from tsmfeat.values.progress import Progress
from tsmfeat.values.segments import Segments
from tsmfeat.values.vocabulary import Vocabulary
from tsmfeat.workflows.fit_options import FitOptions
from tsmfeat.workflows.splits import Split


def add_pseudo_labels(
    truth: Annotations, split: Split, stored: Container[str], options: FitOptions, progress: Progress
) -> tuple[Annotations, tuple[str, ...]]:
    """Return annotations with the pseudo-labelled videos as they are predicted, and which videos these are.

    A segment whose score reaches `FitOptions.pseudo_min_score` counts as truth; the rest of its video counts as
    background. A video without such a segment is left out, and so is every video that trains or selects.

    Parameters
    ----------
    truth
        What people annotated.
    split
        Which videos train and select.
    stored
        Whatever knows which videos have features.
    options
        Their `pseudo` and `pseudo_min_score`.
    progress
        Told how many there are.

    Raises
    ------
    InputError
        A predicted class that the annotations do not know, or no video that could be used.
    """
    found = read_predictions(options.pseudo, classes=options.classes or None)
    label = _translate(found.vocabulary, truth.vocabulary, options.pseudo)
    sure = found.segments.take(found.segments.score >= options.pseudo_min_score)
    used = {*split.training, *split.validation}
    taken = [
        video
        for video in np.unique(sure.video).tolist()
        if found.video_ids[video] not in used and found.video_ids[video] in stored
    ]
    if not taken:
        raise InputError(
            f"{options.pseudo}: no video with a segment of score {options.pseudo_min_score:g} or more that has "
            "features and is neither trained on nor selected by; pseudo-labels are for such videos",
            "lower --pseudo-min-score, or predict other videos",
        )
    names = tuple(found.video_ids[video] for video in taken)
    kept = sure.take(np.isin(sure.video, taken))
    progress.note(f"pseudo-labels: {len(names)} videos, {len(kept)} segments of score {options.pseudo_min_score:g} on")
    _warn_of_subsets(truth, names, progress)
    return _merge(truth, names, kept, (label, np.array(taken), _scenes_of(found, truth, taken))), names


def _translate(found: Vocabulary, known: Vocabulary, source: str) -> npt.NDArray[np.int32]:
    position = {name: index for index, name in enumerate(known.names)}
    for name in found.names:
        if name not in position:
            raise InputError(
                f"{source}: predicts {name!r}, which the annotations do not know; pseudo-labels are of their classes",
                did_you_mean(name, known.names) or f"classes are {', '.join(known.names[:5])}, ...",
            )
    return np.array([position[name] for name in found.names], np.int32)


def _warn_of_subsets(truth: Annotations, names: tuple[str, ...], progress: Progress) -> None:
    subset_of = dict(zip(truth.video_ids, truth.subset, strict=True))
    for subset in dict.fromkeys(subset_of[name] for name in names if name in subset_of):
        progress.warn(f"pseudo-labelled videos of subset {subset!r} are trained on; their own annotations are not read")


def _scenes_of(found: Predictions, truth: Annotations, taken: list[int]) -> npt.NDArray[np.int32]:
    scenes = np.full(len(taken), NO_SCENE, np.int32)
    position = {name: index for index, name in enumerate(truth.scene_vocabulary.names)}
    for place, video in enumerate(taken):
        row = found.scenes()[video]
        if len(row) and not np.isnan(row).all():
            scenes[place] = position.get(found.scene_vocabulary.names[int(np.nanargmax(row))], NO_SCENE)
    return scenes


def _merge(
    truth: Annotations,
    names: tuple[str, ...],
    kept: Segments,
    maps: tuple[npt.NDArray[np.int32], npt.NDArray[np.int64], npt.NDArray[np.int32]],
) -> Annotations:
    label, taken, scenes = maps
    replaced = set(names)
    others = truth.select_videos([index for index, name in enumerate(truth.video_ids) if name not in replaced])
    count = len(others.video_ids)
    video = count + np.searchsorted(taken, kept.video)
    new = Segments(video.astype(np.int32), label[kept.label], kept.start, kept.end, np.ones(len(kept)))
    return Annotations(
        (*others.video_ids, *names),
        truth.vocabulary,
        Segments.concatenate([others.segments, new]),
        np.concatenate([others.duration_seconds, np.full(len(names), np.nan)]),
        (*others.subset, *[""] * len(names)),
        np.concatenate([others.scene, scenes]),
        truth.scene_vocabulary,
    )
