"""Measures beside AP as evaluators write them: numpy video by video, in the form of the official code."""

from collections.abc import Iterator
from itertools import groupby

import numpy as np
import numpy.typing as npt

from tsmfeat.values.annotations import Annotations
from tsmfeat.values.predictions import Predictions

Floats = npt.NDArray[np.float64]
Indexes = npt.NDArray[np.int64]
Run = tuple[int, int, int]

_NUM_POINTS = 100


def average_recall_of(predictions: Predictions, truth: Annotations, max_average: float, thresholds: Floats) -> Floats:
    """Return the recall of proposals at a hundred points, float64 (T, 100); videos are numbered alike on both sides."""
    tious = list(_tious_by_video(predictions, truth, max_average))
    num_kept = sum(table.shape[1] for table in tious)
    shares = np.arange(1, _NUM_POINTS + 1) / float(_NUM_POINTS) * (max_average * float(len(tious)) / num_kept)
    found = np.zeros((len(thresholds), _NUM_POINTS))
    for table in tious:
        numbers = np.minimum((table.shape[1] * shares).astype(int), table.shape[1])
        for place, threshold in enumerate(thresholds):
            reached = table >= threshold
            for point, number in enumerate(numbers):
                found[place, point] += np.count_nonzero(reached[:, :number].sum(axis=1))
    return found / sum(len(table) for table in tious)


def _tious_by_video(predictions: Predictions, truth: Annotations, max_average: float) -> Iterator[Floats]:
    found, wanted = predictions.segments, truth.segments
    by_video = np.argsort(found.video, kind="stable")
    edges = np.searchsorted(found.video[by_video], np.arange(len(truth.video_ids) + 1))
    videos = np.unique(wanted.video)
    ratio = max_average * float(len(videos)) / len(found)
    for video in videos:
        rows = by_video[edges[video] : edges[video + 1]]
        rows = rows[np.argsort(-found.score[rows], kind="stable")][: min(int(len(rows) * ratio), len(rows))]
        own = np.flatnonzero(wanted.video == video)
        start, end = wanted.start[own, None], wanted.end[own, None]
        inner = np.maximum(np.minimum(end, found.end[rows]) - np.maximum(start, found.start[rows]), 0.0)
        yield inner / ((end - start) + (found.end[rows] - found.start[rows]) - inner)


def segmentation_of(
    truth: npt.NDArray[np.int32], predicted: npt.NDArray[np.int32], row_offset: Indexes, thresholds: Floats
) -> tuple[float, float, list[float]]:
    """Return accuracy, edit score and F1 at each threshold, means over the videos; label 0 is background."""
    spans = list(zip(row_offset[:-1].tolist(), row_offset[1:].tolist(), strict=True))
    pairs = [(_runs(truth[low:high]), _runs(predicted[low:high])) for low, high in spans]
    accuracy = np.mean([np.mean(truth[low:high] == predicted[low:high]) for low, high in spans])
    edit = np.mean([_edit_score([run[0] for run in wanted], [run[0] for run in found]) for wanted, found in pairs])
    f1 = [float(np.mean([_f1(*pair, threshold) for pair in pairs])) for threshold in thresholds]
    return float(accuracy), float(edit), f1


def _runs(labels: npt.NDArray[np.int32]) -> list[Run]:
    runs, at = [], 0
    for label, group in groupby(labels.tolist()):
        length = len(list(group))
        if label:
            runs.append((label, at, at + length))
        at += length
    return runs


def _edit_score(one: list[int], other: list[int]) -> float:
    distance = np.zeros((len(one) + 1, len(other) + 1))
    distance[:, 0], distance[0, :] = np.arange(len(one) + 1), np.arange(len(other) + 1)
    for j in range(1, len(other) + 1):
        for i in range(1, len(one) + 1):
            same = one[i - 1] == other[j - 1]
            nearest = min(distance[i - 1, j] + 1, distance[i, j - 1] + 1, distance[i - 1, j - 1] + 1)
            distance[i, j] = distance[i - 1, j - 1] if same else nearest
    return float(1 - distance[-1, -1] / max(len(one), len(other)))


def _f1(wanted: list[Run], found: list[Run], threshold: float) -> float:
    label, first, last = (np.array(column) for column in zip(*wanted, strict=True))
    used = np.zeros(len(wanted), bool)
    for name, low, high in found:
        inner = np.minimum(high, last) - np.maximum(low, first)
        outer = np.maximum(high, last) - np.minimum(low, first)
        overlap = inner / outer * (label == name)
        best = overlap.argmax()
        used[best] |= overlap[best] >= threshold
    return 2 * int(used.sum()) / (len(wanted) + len(found))
