"""What heads are fitted on and selected by: gathered features, targets, and the judge of the validation videos."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tsmfeat.errors import ConfigurationError
from tsmfeat.heads.loss_options import target_kind
from tsmfeat.heads.model import HeadParameters
from tsmfeat.heads.options import SEGMENT_HEADS, HeadOptions
from tsmfeat.heads.pyramid_training import train_pyramids
from tsmfeat.heads.pyramid_videos import make_training_videos
from tsmfeat.heads.rows import TrainingRows
from tsmfeat.heads.shares import soft_targets
from tsmfeat.heads.targets import interval_targets, scene_targets
from tsmfeat.heads.training import FittedHeads, train_heads
from tsmfeat.metrics.average_precision import Evaluation, evaluate
from tsmfeat.metrics.scenes import SceneAccuracy, scene_accuracy
from tsmfeat.store.reader import FeatureStore
from tsmfeat.values.annotations import Annotations
from tsmfeat.values.features import FeatureSpec
from tsmfeat.values.predictions import Predictions
from tsmfeat.values.progress import Progress
from tsmfeat.workflows.fit_options import FitOptions
from tsmfeat.workflows.inference import GatheredFeatures, predict_segments, select_gathered
from tsmfeat.workflows.joining import gather_joined, warn_of_lacking_views
from tsmfeat.workflows.mapped_rows import exceeds_memory, is_mapped, map_features
from tsmfeat.workflows.pseudo_labels import add_pseudo_labels
from tsmfeat.workflows.splits import Split, fold_videos_of, select_videos, split_videos
from tsmfeat.workflows.view_stores import open_views

# Options that say how rows become targets and what they weigh.
_OF_ROWS = ("background_weight", "loss", "label_smoothing", "targets", "background_ratio")


@dataclass(frozen=True, eq=False)
class FitData:
    """The features and annotations of one fit.

    Parameters
    ----------
    truth
        Annotations of all videos; those of pseudo-labelled ones among them.
    specs
        Identity of the features; one a view.
    split
        Which videos train and which select.
    training, validation
        Features of either; those of pseudo-labelled videos come last among the training ones.
    num_pseudo_videos
        How many those are.
    """

    truth: Annotations
    specs: tuple[FeatureSpec, ...]
    split: Split
    training: GatheredFeatures
    validation: GatheredFeatures
    num_pseudo_videos: int = 0

    @property
    def spec(self) -> FeatureSpec:
        """The identity of the features, of the first view where there are several."""
        return self.specs[0]

    @property
    def annotated(self) -> tuple[str, ...]:
        """The training videos that people annotated."""
        return self.split.training


@dataclass(frozen=True, eq=False)
class Judged:
    """What heads are worth on videos they were not fitted on."""

    evaluation: Evaluation
    scenes: SceneAccuracy

    def to_dict(self) -> dict[str, Any]:
        """Return what a checkpoint's record holds of it."""
        return {
            "final_score": self.evaluation.final_score,
            "map": self.evaluation.map.tolist(),
            "tiou_thresholds": list(self.evaluation.tiou_thresholds),
            "scene_accuracy": self.scenes.top1,
        }


Judge = Callable[[HeadParameters], Judged]


def load_fit_data(
    features: str | Path | Sequence[str | Path], truth: Annotations, options: FitOptions, progress: Progress
) -> FitData:
    """Read the features of the training and validation videos into memory, each once.

    Parameters
    ----------
    features
        Store files and folders of parts, opened as one store, or as one a view where `options` names views.
    truth
        Annotations of all videos.
    options
        Their subsets, folds, views and pseudo-labels.
    progress
        Told of the split.

    Raises
    ------
    TsmfeatError
        What opening, splitting and reading raise.
    """
    with ExitStack() as stack:
        stores = open_views(features, options.views, stack, progress)
        stored = frozenset(video_id for store in stores for video_id in store.video_ids)
        if options.num_folds:
            split = fold_videos_of(truth, stored, options.subset, progress)
        else:
            split = split_videos(truth, stored, options.subset, options.validation_subset, progress)
        progress.note(split.described)
        taken: tuple[str, ...] = ()
        if options.pseudo:
            truth, taken = add_pseudo_labels(truth, split, stored, options, progress)
        warn_of_lacking_views(stores, split.training, progress)
        training = _gather(stores, (*split.training, *taken), options.memory, progress)
        validation = gather_joined(stores, split.validation)
        return FitData(truth, tuple(store.spec for store in stores), split, training, validation, len(taken))


def _gather(
    stores: Sequence[FeatureStore], video_ids: Sequence[str], memory: str, progress: Progress
) -> GatheredFeatures:
    """Read training features into memory, or leave them in their files where they would not fit."""
    if memory == "ram" or (memory == "auto" and len(stores) > 1):
        return gather_joined(stores, video_ids)
    if len(stores) > 1:
        raise ConfigurationError(
            f"{len(stores)} joined views and --memory mapped; joined rows exist in memory only", "use --memory ram"
        )
    (store,) = stores
    length = dict(zip(store.video_ids, np.diff(store.row_offset).tolist(), strict=True))
    num_bytes = 2 * store.spec.embedding_size * sum(length[video_id] for video_id in video_ids)
    if memory == "auto" and not exceeds_memory(num_bytes):
        return gather_joined(stores, video_ids)
    progress.note(f"{num_bytes / 1e9:.1f} GB of features stay in their files; rows are drawn in shuffled blocks")
    return map_features(store, video_ids)


def without_pseudo_labels(data: FitData) -> FitData:
    """Return the same data as people annotated it."""
    training = select_gathered(data.training, range(len(data.annotated)))
    return replace(data, training=training, num_pseudo_videos=0)


def make_training_rows(
    truth: Annotations,
    features: GatheredFeatures,
    min_overlap: float,
    keep: Sequence[int] | None = None,
    kinds: Iterable[str] = (),
) -> TrainingRows:
    """Return the rows of some features with their targets.

    Parameters
    ----------
    truth
        Annotations of all videos.
    features
        Of V videos.
    min_overlap
        As in `HeadOptions`.
    keep
        The videos fitted on, by their place; None: all.
    kinds
        Of the soft targets that losses ask for (`tsmfeat.heads.loss_options.target_kind`).
    """
    action = interval_targets(truth, features.video_ids, features.row_offset, features.step_seconds, min_overlap)
    scene = scene_targets(truth, features.video_ids, features.row_offset)
    rows = np.arange(len(features.embeddings), dtype=np.int64)
    if keep is not None:
        is_kept = np.zeros(len(features.video_ids), np.bool_)
        is_kept[list(keep)] = True
        rows = rows[np.repeat(is_kept, np.diff(features.row_offset))]
    sizes = len(truth.vocabulary), len(truth.scene_vocabulary)
    place = features.video_ids, features.row_offset, features.step_seconds
    soft = soft_targets(kinds, truth, *place, min_overlap)
    return TrainingRows(
        features.embeddings,
        rows,
        action,
        scene,
        *sizes,
        features.row_offset,
        features.views,
        soft,
        is_mapped(features.embeddings),
    )


def train_runs(
    data: FitData,
    runs: Sequence[HeadOptions],
    keep: Sequence[int] | None,
    judge: Judge | None,
    progress: Progress,
) -> list[FittedHeads]:
    """Fit every run on some of the training videos; runs of one least overlap share targets and are trained together.

    Kinds that say segments learn from the annotated segments themselves, one run after another.

    Parameters
    ----------
    data
        Features and annotations.
    runs
        Options of each.
    keep
        The training videos fitted on, by their place; None: all.
    judge
        Selects the epoch; None: the last is kept.
    progress
        Told of every epoch.
    """
    validate = None if judge is None else (lambda weights: judge(weights).evaluation.final_score)
    num_frames = min(spec.num_frames for spec in data.specs)
    fitted: dict[int, FittedHeads] = {}
    segmental = [place for place, run in enumerate(runs) if run.head in SEGMENT_HEADS]
    if segmental:
        trained = _train_on_segments(data, [runs[place] for place in segmental], keep, validate, progress)
        fitted |= dict(zip(segmental, trained, strict=True))
    others = [place for place in range(len(runs)) if place not in segmental]
    for min_overlap in dict.fromkeys(runs[place].min_overlap for place in others):
        places = [place for place in others if runs[place].min_overlap == min_overlap]
        kinds = {target_kind(runs[place].loss, runs[place].targets) for place in places}
        rows = make_training_rows(data.truth, data.training, min_overlap, keep, kinds)
        found = train_heads(rows, [runs[place] for place in places], num_frames, validate, progress)
        fitted |= dict(zip(places, found, strict=True))
    return [fitted[place] for place in range(len(runs))]


def _train_on_segments(
    data: FitData,
    runs: Sequence[HeadOptions],
    keep: Sequence[int] | None,
    validate: Callable[[HeadParameters], float] | None,
    progress: Progress,
) -> list[FittedHeads]:
    for name in _OF_ROWS:
        if any(getattr(run, name) != getattr(HeadOptions, name) for run in runs):
            progress.note(f"--{name.replace('_', '-')} has no say with --head {runs[0].head}: it learns from segments")
    features = data.training if keep is None else select_gathered(data.training, keep)
    num_frames = min(spec.num_frames for spec in data.specs)
    grid = (features.row_offset, features.step_seconds)
    fitted: dict[int, FittedHeads] = {}
    for min_overlap in dict.fromkeys(run.min_overlap for run in runs):
        places = [place for place, run in enumerate(runs) if run.min_overlap == min_overlap]
        videos = make_training_videos(
            data.truth, features.video_ids, features.embeddings, grid, min_overlap, features.views
        )
        found = train_pyramids(videos, [runs[place] for place in places], num_frames, validate, progress)
        fitted |= dict(zip(places, found, strict=True))
    return [fitted[place] for place in range(len(runs))]


def make_judge(truth: Annotations, features: GatheredFeatures, progress: Progress) -> Judge | None:
    """Return what scores heads on some videos under the paper's protocol; None without any segment.

    Parameters
    ----------
    truth
        Annotations of all videos.
    features
        Of the videos judged on.
    progress
        Warned where nothing can be judged.
    """
    judged = select_videos(truth, features.video_ids)
    if not len(judged.segments):
        what = (
            "the validation videos hold no annotated segment" if features.video_ids else "there is no validation video"
        )
        progress.warn(f"{what}: the last epoch is kept instead of the best")
        return None

    @np.errstate(over="ignore", invalid="ignore")  # a run that diverges is told of by its loss
    def judge(weights: HeadParameters) -> Judged:
        return judge_predictions(predict_segments(weights, features, truth.vocabulary, truth.scene_vocabulary), judged)

    return judge


def judge_predictions(found: Predictions, truth: Annotations) -> Judged:
    """Return what predictions are worth under the paper's protocol."""
    return Judged(evaluate(found, truth), scene_accuracy(found, truth))
