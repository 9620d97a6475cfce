"""Rows that heads are fitted on and judged by, for the study of heads on published frame scores."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from localization_streams import Stream

from tsmfeat.heads.rows import TrainingRows
from tsmfeat.metrics.segmentation import segmentation_scores

Floats = npt.NDArray[Any]
Indexes = npt.NDArray[np.int64]
Labels = npt.NDArray[np.int32]

MEASURES = ("accuracy", "edit", "f1@10", "f1@25", "f1@50")


@dataclass(frozen=True, eq=False)
class Material:
    """Features of the rows of some videos, their true labels and the videos' folds.

    Parameters
    ----------
    features
        float32 (N, D).
    labels
        int32 (N,), background last.
    offset
        int64 (V + 1,).
    fold
        int64 (V,).
    num_labels
        C + 1.
    """

    features: Floats
    labels: Labels
    offset: Indexes
    fold: Indexes
    num_labels: int

    def rows_of(self, videos: Indexes) -> Indexes:
        """Return the rows of some videos, in their order."""
        return np.concatenate([np.arange(self.offset[video], self.offset[video + 1]) for video in videos])

    def offset_of(self, videos: Indexes) -> Indexes:
        """Return where each of some videos begins among `rows_of`."""
        return np.concatenate([[0], np.cumsum(np.diff(self.offset)[videos])]).astype(np.int64)

    def training(self, videos: Indexes) -> TrainingRows:
        """Return what heads are fitted on."""
        nothing = np.full(len(self.labels), -1, np.int32)
        return TrainingRows(
            self.features, self.rows_of(videos), self.labels, nothing, self.num_labels - 1, 0, self.offset
        )


def material_of(stream: Stream) -> Material:
    """Return the scores of one model as features."""
    labels = np.zeros(0, np.int32) if stream.labels is None else stream.labels
    features = np.ascontiguousarray(stream.scores.scores, np.float32)
    offset = np.asarray(stream.scores.row_offset, np.int64)
    return Material(features, labels, offset, stream.fold, features.shape[1])


def join_streams(streams: Sequence[Stream]) -> Material:
    """Put the scores of several models of the same videos side by side, on the grid of the first."""
    first = material_of(streams[0])
    parts = [resample(material_of(stream), first.offset) for stream in streams]
    return replace(first, features=np.concatenate(parts, axis=1))


def resample(found: Material, offset: Indexes) -> npt.NDArray[np.float32]:
    """Return features on another even grid over the same videos: between the middles of two rows, linearly."""
    parts = []
    for video, wanted in enumerate(np.diff(offset).tolist()):
        rows = found.features[found.offset[video] : found.offset[video + 1]].astype(np.float64)
        place = np.clip((np.arange(wanted) + 0.5) / wanted * len(rows) - 0.5, 0, len(rows) - 1)
        before = np.minimum(place.astype(np.int64), max(len(rows) - 2, 0))
        share = (place - before)[:, None]
        parts.append(rows[before] * (1 - share) + rows[np.minimum(before + 1, len(rows) - 1)] * share)
    return np.concatenate(parts).astype(np.float32)


def judge_videos(found: Material, videos: Indexes, predicted: Labels) -> npt.NDArray[np.float64]:
    """Return `MEASURES` of each of some videos, float64 (V, 5); `predicted` holds the labels of their rows."""
    truth, offset = found.labels[found.rows_of(videos)], found.offset_of(videos)
    table = []
    for first, last in pairwise(offset.tolist()):
        one = segmentation_scores(truth[first:last], predicted[first:last], [0, last - first], found.num_labels - 1)
        table.append([one.accuracy, one.edit, *one.f1])
    return np.array(table)
