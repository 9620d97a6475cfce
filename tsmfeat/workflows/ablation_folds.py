"""Predictions of every video by heads that did not see it: many fits on one store, fold by fold."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tsmfeat.heads.model import HeadParameters
from tsmfeat.heads.options import HeadOptions
from tsmfeat.heads.targets import validation_split
from tsmfeat.heads.training import train_heads
from tsmfeat.localization.localizing import localize
from tsmfeat.metrics.average_precision import evaluate
from tsmfeat.values.annotations import Annotations
from tsmfeat.values.predictions import IntervalScores, Predictions
from tsmfeat.values.progress import Progress
from tsmfeat.workflows.fitting import make_training_rows
from tsmfeat.workflows.inference import GatheredFeatures, score_intervals
from tsmfeat.workflows.splits import select_videos


@dataclass(frozen=True)
class FoldPlan:
    """Who is held out when.

    Parameters
    ----------
    fold_of
        The fold of each video, from 0.
    by_score
        Whether the epoch of the highest final score on a tenth of the training videos is taken, or the last of all.
    """

    fold_of: Mapping[str, int]
    by_score: bool


def predict_out_of_fold(
    features: GatheredFeatures,
    truth: Annotations,
    plan: FoldPlan,
    runs: Sequence[HeadOptions],
    num_frames: int,
    progress: Progress,
) -> list[Predictions]:
    """Fit heads without each fold of the videos, and predict it with them.

    Parameters
    ----------
    features
        Of all annotated videos.
    truth
        Their annotations.
    plan
        The folds, and how an epoch is chosen.
    runs
        Options of the heads; those of equal shape are fitted together.
    num_frames
        Frames T of a clip.
    progress
        Advanced by one a fold.

    Returns
    -------
    list of Predictions
        Of each run, for all videos in the order of the annotations.
    """
    parts: list[list[IntervalScores]] = [[] for _ in runs]
    for fold in range(max(plan.fold_of.values()) + 1):
        seen = [name for name in truth.video_ids if plan.fold_of[name] != fold]
        held_out = select_features(features, [name for name in truth.video_ids if plan.fold_of[name] == fold])
        training, validation = validation_split(seen) if plan.by_score else (seen, ())
        judge = _make_judge(truth, select_features(features, validation)) if validation else None
        data = make_training_rows(truth, select_features(features, training), runs[0].min_overlap)
        for run, fitted in enumerate(train_heads(data, runs, num_frames, judge)):
            parts[run].append(score_intervals(fitted.weights, held_out, truth.vocabulary, truth.scene_vocabulary))
        progress.advance(1)
    return [localize(_join(each, truth.video_ids)) for each in parts]


def select_features(features: GatheredFeatures, video_ids: Sequence[str]) -> GatheredFeatures:
    """Return the features of some of the videos, their rows copied.

    Examples
    --------
    >>> rows, seconds = np.float16([[1], [2], [3]]), np.array([0.5, 1.0])
    >>> both = GatheredFeatures(("a", "b"), rows, np.array([0, 1, 3]), 0.5, seconds)
    >>> select_features(both, ["b"]).embeddings.tolist()
    [[2.0], [3.0]]
    """
    place_of = {name: place for place, name in enumerate(features.video_ids)}
    places = [place_of[name] for name in video_ids]
    bounds = [(int(features.row_offset[place]), int(features.row_offset[place + 1])) for place in places]
    pieces = [features.embeddings[first:last] for first, last in bounds]
    return GatheredFeatures(
        tuple(video_ids),
        np.concatenate([features.embeddings[:0], *pieces]),
        np.cumsum([0, *(last - first for first, last in bounds)], dtype=np.int64),
        features.step_seconds,
        features.duration_seconds[places],
    )


def _make_judge(truth: Annotations, features: GatheredFeatures) -> Callable[[HeadParameters], float] | None:
    judged = select_videos(truth, features.video_ids)
    if not len(judged.segments):
        return None

    def judge(weights: HeadParameters) -> float:
        found = localize(score_intervals(weights, features, truth.vocabulary, truth.scene_vocabulary))
        return evaluate(found, judged).final_score

    return judge


def _join(parts: Sequence[IntervalScores], video_ids: Sequence[str]) -> IntervalScores:
    """Put the folds together, in the order of the annotations: it decides between equal scores."""
    first = parts[0]
    scenes = [part.scene_scores for part in parts if part.scene_scores is not None]
    joined = IntervalScores(
        tuple(name for part in parts for name in part.video_ids),
        first.vocabulary,
        np.cumsum([0, *np.concatenate([np.diff(part.row_offset) for part in parts])], dtype=np.int64),
        np.concatenate([part.scores for part in parts]),
        first.step_seconds,
        np.concatenate([part.duration_seconds for part in parts]),
        first.scene_vocabulary,
        np.concatenate(scenes) if scenes else None,
    )
    place_of = {name: place for place, name in enumerate(joined.video_ids)}
    return joined.select_videos([place_of[name] for name in video_ids])
