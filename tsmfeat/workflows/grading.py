"""The final score of one fusion under many weights, over all videos and without each fold."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tsmfeat.fusion.fusing import fuse
from tsmfeat.fusion.options import FusionOptions
from tsmfeat.fusion.reweighing import PreparedFusion, prepare_fusion
from tsmfeat.kernels.grading import Truth, grade_rows
from tsmfeat.metrics.average_precision import evaluate
from tsmfeat.metrics.protocols import protocol_named
from tsmfeat.values.annotations import Annotations
from tsmfeat.values.predictions import Predictions
from tsmfeat.workflows.splits import select_videos

Floats = npt.NDArray[np.float64]
Grade = Callable[[Floats], Floats]
"""Weights, float64 (M,) -> final scores, float64 (F + 1,): of all videos, then without those of each fold."""

_EQUAL_SCORES = 1e-9
# Not -1, which is what a fold less than the first would be.
_NO_FOLD = -2


@dataclass(frozen=True)
class Judge:
    """How fused predictions are scored.

    Parameters
    ----------
    protocol
        Name of the protocol.
    tiou_thresholds
        In place of the protocol's; None: those.
    """

    protocol: str
    tiou_thresholds: tuple[float, ...] | None = None

    def final_score(self, predictions: Predictions, truth: Annotations) -> float:
        """Return the final score of predictions."""
        return evaluate(predictions, truth, self.protocol, self.tiou_thresholds).final_score


def make_grade(
    models: Sequence[Predictions], truth: Annotations, options: FusionOptions, judge: Judge, folds: Mapping[str, int]
) -> Grade:
    """Return the function that grades weights, as fast as the options and the protocol allow.

    The fast way aligns the models once, and matches and ranks as the protocol ``paper`` does. It is taken where it is
    the protocol's own number for equal weights and for each model alone; otherwise every candidate is fused and
    evaluated anew.

    Parameters
    ----------
    models
        At least one.
    truth
        The videos to score on.
    options
        Any fusion but none.
    judge
        The protocol.
    folds
        The fold of each annotated video, from 0; empty for none: only the score of all videos is wanted.
    """
    slow = _make_slow_grade(models, truth, options, judge, folds)
    if options.min_score is not None or options.max_segments is not None:
        return slow
    fast = _make_fast_grade(models, truth, options, judge, folds)
    probes = np.vstack([np.ones(len(models)), np.eye(len(models)), np.arange(1.0, len(models) + 1)])
    same = all(np.allclose(slow(row), fast(row), rtol=0, atol=_EQUAL_SCORES, equal_nan=True) for row in probes)
    return fast if same else slow


def _make_slow_grade(
    models: Sequence[Predictions], truth: Annotations, options: FusionOptions, judge: Judge, folds: Mapping[str, int]
) -> Grade:
    names = sorted(set(folds.values()))
    parts = [truth, *(select_videos(truth, [v for v, fold in folds.items() if fold != name]) for name in names)]
    own = [{v for v, fold in folds.items() if fold == name} for name in names]

    def grade(weights: Floats) -> Floats:
        fused = fuse(models, weights.tolist(), options)
        left = [fused, *(leave_out(fused, aside) for aside in own)]
        return np.array(
            [
                judge.final_score(some, part) if len(part.segments) else np.nan
                for some, part in zip(left, parts, strict=True)
            ]
        )

    return grade


def leave_out(predictions: Predictions, video_ids: set[str]) -> Predictions:
    """Return predictions without the segments of some videos; their ids stay."""
    kept = np.array([video_id not in video_ids for video_id in predictions.video_ids], bool)
    segments = predictions.segments.take(kept[predictions.segments.video])
    return Predictions(predictions.video_ids, predictions.vocabulary, segments)


def _make_fast_grade(
    models: Sequence[Predictions], truth: Annotations, options: FusionOptions, judge: Judge, folds: Mapping[str, int]
) -> Grade:
    prepared = prepare_fusion(models, options)
    known = _prepare_truth(prepared, truth, judge, folds)
    return lambda weights: grade_rows(prepared.fuse_rows(weights), known)


def _prepare_truth(prepared: PreparedFusion, truth: Annotations, judge: Judge, folds: Mapping[str, int]) -> Truth:
    stack, segments = prepared.stack, truth.segments
    labels, first = np.unique(segments.label, return_index=True)
    classes = [truth.vocabulary.names[label] for label in labels[np.argsort(first)].tolist()]
    place_of = {name: place for place, name in enumerate(stack.video_ids)}
    video_map = np.array([place_of.get(name, -1) for name in truth.video_ids], np.int32)
    label_map = np.array([_find(stack.actions.names, name) for name in truth.vocabulary.names], np.int32)
    video, label = video_map[segments.video], label_map[segments.label]
    order = np.lexsort((label, video))
    order = order[(video[order] >= 0) & (label[order] >= 0)]
    fold_of_truth = np.array([folds.get(name, _NO_FOLD) for name in truth.video_ids], np.int64)
    group = np.array([_find(classes, name) for name in truth.vocabulary.names], np.int64)[segments.label]
    counts = [np.bincount(group, minlength=len(classes))]
    for fold in range(max(folds.values(), default=-1) + 1):
        counts.append(np.bincount(group[fold_of_truth[segments.video] != fold], minlength=len(classes)))
    thresholds = judge.tiou_thresholds or protocol_named(judge.protocol).tiou_thresholds
    return Truth(
        video=video[order],
        label=label[order],
        start=segments.start[order],
        end=segments.end[order],
        class_of=np.array([_find(classes, name) for name in stack.actions.names], np.int64),
        # A predicted video that is not annotated belongs to no fold: false positives everywhere.
        fold_of=np.array([folds.get(name, _NO_FOLD) for name in stack.video_ids], np.int64),
        num_truths=np.array(counts, np.int64),
        thresholds=np.array(thresholds, np.float64),
        unit=stack.unit,
    )


def _find(names: Sequence[str], name: str) -> int:
    return names.index(name) if name in names else -1
