"""A grid of smoothings and minimum durations by plain numpy, one setting after another, one fold after another."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from peers.numpy_matching import evaluate_with_numpy
from peers.numpy_runs import runs_of_scores
from tsmfeat.values.annotations import Annotations
from tsmfeat.values.predictions import IntervalScores, Predictions
from tsmfeat.values.segments import Segments

Floats = npt.NDArray[np.float64]


def smooth_with_numpy(scores: IntervalScores, width: int) -> npt.NDArray[np.float32]:
    """Return the mean of each score over the rows around it, within its video, by differences of running sums."""
    smooth = np.empty(scores.scores.shape, np.float32)
    for first, last in zip(scores.row_offset[:-1], scores.row_offset[1:], strict=True):
        total = np.cumsum(scores.scores[first:last], axis=0, dtype=np.float64)
        total = np.concatenate([np.zeros((1, total.shape[1])), total])
        row = np.arange(last - first)
        low, high = np.maximum(row - width // 2, 0), np.minimum(row + width // 2 + 1, last - first)
        smooth[first:last] = (total[high] - total[low]) / (high - low)[:, None]
    return smooth


def localize_with_numpy(scores: IntervalScores, width: int, min_duration: float) -> Predictions:
    """Return the runs of the best label that are long enough."""
    values = scores.scores if width == 1 else smooth_with_numpy(scores, width)
    video, label, first, last, best = runs_of_scores(scores.row_offset, values, scores.vocabulary.background)
    origin, step = scores.row_offset[video], np.float64(scores.step_seconds)
    start = (first - origin) * step
    end = (last - origin) * step
    segments = Segments(video, label, start, end, best)
    kept = end - start >= min_duration - 1e-9 * step
    return Predictions(scores.video_ids, scores.vocabulary, segments.take(kept))


def grade_with_numpy(
    found: Predictions, truth: Annotations, fold: npt.NDArray[np.int64], thresholds: Sequence[float]
) -> Floats:
    """Return the final score on all videos, and on those outside each fold, each evaluated anew."""
    grades = []
    for left_out in range(-1, int(fold.max()) + 1):
        kept = np.flatnonzero(fold != left_out)
        inside = np.isin(found.segments.video, kept)
        some = Predictions(found.video_ids, found.vocabulary, found.segments.take(inside))
        others = Annotations(
            truth.video_ids,
            truth.vocabulary,
            truth.segments.take(np.isin(truth.segments.video, kept)),
            truth.duration_seconds,
            truth.subset,
            truth.scene,
            truth.scene_vocabulary,
        )
        grades.append(evaluate_with_numpy(some, others, np.array(thresholds)).mean())
    return np.array(grades)
