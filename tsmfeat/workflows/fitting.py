"""Features and annotations become heads."""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from tsmfeat.errors import CheckpointError, ConfigurationError
from tsmfeat.files import canonical_json, is_safetensors, make_folder, read_header, sha256_file, sha256_text
from tsmfeat.formats.reading import read_annotations
from tsmfeat.heads.checkpoint import HeadsCheckpoint, save_heads
from tsmfeat.heads.model import HeadParameters
from tsmfeat.heads.rows import TrainingRows
from tsmfeat.heads.targets import interval_targets, scene_targets
from tsmfeat.heads.training import train_head
from tsmfeat.localization.localizing import localize
from tsmfeat.metrics.average_precision import Evaluation, evaluate
from tsmfeat.metrics.scenes import SceneAccuracy, scene_accuracy
from tsmfeat.priors.counts import count_actions
from tsmfeat.values.annotations import Annotations
from tsmfeat.values.progress import Progress, Silence
from tsmfeat.values.vocabulary import Vocabulary
from tsmfeat.workflows.inference import GatheredFeatures, score_intervals
from tsmfeat.workflows.joining import gather_joined, warn_of_lacking_views
from tsmfeat.workflows.options import FitOptions
from tsmfeat.workflows.splits import Split, held_out_subset, select_videos, split_videos
from tsmfeat.workflows.view_stores import open_views

_SILENCE = Silence()
_NO_NAMES = Vocabulary(())

# Weights -> how good they are on the validation videos.
Judge = Callable[[HeadParameters], tuple[Evaluation, SceneAccuracy]]


@dataclass(frozen=True)
class FitReport:
    """What `fit_heads` did.

    Parameters
    ----------
    out
        The heads checkpoint.
    num_training_videos, num_validation_videos, num_intervals
        Sizes; intervals are those trained on.
    best_epoch
        Counted from 1.
    validation
        ``final_score``, ``map``, ``tiou_thresholds`` and ``scene_accuracy`` on the validation videos; None without any.
    held_out_subset
        Subset of the annotations to score on next; empty where they have only one.
    seconds
        Wall time.
    """

    out: str
    num_training_videos: int
    num_validation_videos: int
    num_intervals: int
    best_epoch: int
    validation: dict[str, Any] | None
    held_out_subset: str
    seconds: float


def fit_heads(
    features: str | Path | Sequence[str | Path],
    annotations: str | Path,
    out: str | Path,
    options: FitOptions | None = None,
    progress: Progress = _SILENCE,
) -> FitReport:
    """Fit multi-task heads on stored features and save the best epoch by validation.

    Parameters
    ----------
    features
        Store files and folders of parts, opened as one store, or as one a view where `options` names views.
    annotations
        A file or folder of any known format.
    out
        The heads checkpoint to write (safetensors).
    options
        `FitOptions`; its defaults where None.
    progress
        Told of the split and of every epoch.

    Returns
    -------
    FitReport

    Raises
    ------
    TsmfeatError
        Features or annotations that are missing, damaged or do not fit each other; a full disk.
    """
    began = time.monotonic()
    options = options or FitOptions()
    _require_own_output(Path(out))
    truth = read_annotations(annotations, classes=options.classes or None)
    if truth.num_dropped:
        progress.warn(f"{truth.num_dropped} annotated segments were dropped: zero-length, reversed or not finite")
    if truth.num_ambiguous:
        progress.warn(f"{truth.num_ambiguous} annotated segments were left out: the annotators call them ambiguous")
    make_folder(Path(out).parent)
    with ExitStack() as stack:
        stores = open_views(features, options.views, stack, progress)
        specs = tuple(store.spec for store in stores)
        stored = frozenset(video_id for store in stores for video_id in store.video_ids)
        split = split_videos(truth, stored, options.subset, options.validation_subset, progress)
        progress.note(split.described)
        warn_of_lacking_views(stores, split.training, progress)
        training = gather_joined(stores, split.training)
        validation = gather_joined(stores, split.validation)
    rows = make_training_rows(truth, training, options.heads.min_overlap)
    judge = _make_judge(truth, validation, progress)
    final_score = None if judge is None else (lambda weights: judge(weights)[0].final_score)
    fitted = train_head(rows, options.heads, min(spec.num_frames for spec in specs), final_score, progress)
    judged = None if judge is None else _describe_validation(*judge(fitted.weights))
    scenes = truth.scene_vocabulary if fitted.weights.scene_weight is not None else _NO_NAMES
    counts = count_actions(select_videos(truth, split.training)).to_dict()
    record = _provenance(split, options, Path(annotations)) | {
        "training": fitted.record,
        "validation": judged,
        "counts": counts,
    }
    save_heads(
        Path(out),
        HeadsCheckpoint(fitted.weights, specs[0], truth.vocabulary, scenes, options.heads.to_dict(), record, specs[1:]),
    )
    return FitReport(
        str(out),
        len(split.training),
        len(split.validation),
        len(rows.rows),
        fitted.record["best_epoch"],
        judged,
        held_out_subset(truth.subsets(), split.subset),
        time.monotonic() - began,
    )


def _require_own_output(out: Path) -> None:
    """Refuse to replace anything but heads: a mistyped -o must not cost a store, annotations or a video."""
    if not out.exists():
        return
    if is_safetensors(out) and _kind_of(out) == "heads":
        return
    raise ConfigurationError(
        f"{out}: exists and holds no heads; only a heads checkpoint is replaced", "choose another -o, or move it away"
    )


def _kind_of(path: Path) -> object:
    try:
        return read_header(path).get("kind")
    except CheckpointError:
        return None


def make_training_rows(truth: Annotations, features: GatheredFeatures, min_overlap: float) -> TrainingRows:
    """Return all rows of some features with their targets."""
    action = interval_targets(truth, features.video_ids, features.row_offset, features.step_seconds, min_overlap)
    scene = scene_targets(truth, features.video_ids, features.row_offset)
    rows = np.arange(len(features.embeddings), dtype=np.int64)
    return TrainingRows(
        features.embeddings,
        rows,
        action,
        scene,
        len(truth.vocabulary),
        len(truth.scene_vocabulary),
        features.row_offset,
        features.views,
    )


def _make_judge(truth: Annotations, features: GatheredFeatures, progress: Progress) -> Judge | None:
    """Return what scores weights on the validation videos under the paper's protocol; None without any segment."""
    judged = select_videos(truth, features.video_ids)
    if not len(judged.segments):
        what = (
            "the validation videos hold no annotated segment" if features.video_ids else "there is no validation video"
        )
        progress.warn(f"{what}: the last epoch is kept instead of the best")
        return None

    def judge(weights: HeadParameters) -> tuple[Evaluation, SceneAccuracy]:
        found = localize(score_intervals(weights, features, truth.vocabulary, truth.scene_vocabulary))
        return evaluate(found, judged), scene_accuracy(found, judged)

    return judge


def _describe_validation(evaluation: Evaluation, scenes: SceneAccuracy) -> dict[str, Any]:
    return {
        "final_score": evaluation.final_score,
        "map": evaluation.map.tolist(),
        "tiou_thresholds": list(evaluation.tiou_thresholds),
        "scene_accuracy": scenes.top1,
    }


def _digest_source(path: Path) -> str:
    """Return the SHA-256 of a file, or of the names and digests of a folder's files."""
    if not path.is_dir():
        return sha256_file(path)
    return sha256_text(canonical_json({file.name: sha256_file(file) for file in path.iterdir() if file.is_file()}))


def _provenance(split: Split, options: FitOptions, annotations: Path) -> dict[str, Any]:
    return {
        "tsmfeat": version("tsmfeat"),
        "annotations": {"name": annotations.name, "sha256": _digest_source(annotations)},
        "classes": options.classes,
        "split": split.described,
        "views": sorted(options.views),
        "subset": options.subset,
        "validation_subset": options.validation_subset,
        "num_training_videos": len(split.training),
        "num_validation_videos": len(split.validation),
    }
