"""Average precision by numpy wherever it helps: all tIoUs of a class at once, Python where detections compete."""

import numpy as np
import numpy.typing as npt

from peers.serial_matching import area
from tsmfeat.values.annotations import Annotations
from tsmfeat.values.predictions import Predictions
from tsmfeat.values.segments import Segments

Floats = npt.NDArray[np.float64]


def evaluate_with_numpy(predictions: Predictions, annotations: Annotations, thresholds: Floats) -> Floats:
    """Return the average precision of each class at each threshold, float64 (C, T); every class has truth."""
    order = np.argsort(-predictions.segments.score, kind="stable")
    ranked = predictions.segments.take(order)
    return np.stack(
        [
            _evaluate_class(
                ranked.take(ranked.label == label),
                annotations.segments.take(annotations.segments.label == label),
                thresholds,
            )
            for label in range(len(annotations.vocabulary))
        ]
    )


def _evaluate_class(found: Segments, truth: Segments, thresholds: Floats) -> Floats:
    row, column, tiou = _list_pairs(found, truth)
    areas = []
    for threshold in thresholds:
        above = tiou >= threshold
        hits = _match(row[above], column[above], len(found), len(truth))
        areas.append(area(hits, len(truth)))
    return np.array(areas)


def _list_pairs(found: Segments, truth: Segments) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], Floats]:
    """Return the pairs that overlap, by rank of the detection, then falling tIoU."""
    order = np.argsort(truth.video, kind="stable")
    first = np.searchsorted(truth.video[order], found.video, "left")
    count = np.searchsorted(truth.video[order], found.video, "right") - first
    row = np.repeat(np.arange(len(found)), count)
    column = order[np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count) + np.repeat(first, count)]
    inner = np.minimum(found.end[row], truth.end[column]) - np.maximum(found.start[row], truth.start[column])
    inner = np.maximum(0.0, inner)
    tiou = inner / ((truth.end[column] - truth.start[column]) + (found.end[row] - found.start[row]) - inner)
    kept = np.flatnonzero(tiou > 0)
    kept = kept[np.lexsort((-tiou[kept], row[kept]))]
    return row[kept], column[kept], tiou[kept]


def _match(
    row: npt.NDArray[np.int64], column: npt.NDArray[np.int64], num_found: int, num_truths: int
) -> npt.NDArray[np.bool_]:
    hits, taken = [False] * num_found, [False] * num_truths
    for one, other in zip(row.tolist(), column.tolist(), strict=True):
        if not hits[one] and not taken[other]:
            hits[one] = taken[other] = True
    return np.array(hits)
