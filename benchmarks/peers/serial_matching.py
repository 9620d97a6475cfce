"""Average precision as the official evaluators compute it: class after class, prediction after prediction.

Written anew from the rules of the ActivityNet evaluator, which those of ActionFormer and OpenTAD follow. It stands in
for them where no checkout is given, and is a harder peer than they are: they look each video up in a pandas group for
every prediction, which costs them most of their time, and this does not.
"""

import numpy as np
import numpy.typing as npt

from tsmfeat.values.annotations import Annotations
from tsmfeat.values.predictions import Predictions

Floats = npt.NDArray[np.float64]


def evaluate_serially(predictions: Predictions, annotations: Annotations, thresholds: Floats) -> Floats:
    """Return the average precision of each class at each threshold, float64 (C, T); every class has truth."""
    found, truth = predictions.segments, annotations.segments
    return np.stack(
        [
            _evaluate_class(
                [column[found.label == label] for column in (found.video, found.start, found.end, found.score)],
                [column[truth.label == label] for column in (truth.video, truth.start, truth.end)],
                thresholds,
            )
            for label in range(len(annotations.vocabulary))
        ]
    )


def _evaluate_class(found: list[Floats], truth: list[Floats], thresholds: Floats) -> Floats:
    video, start, end, score = found
    spans = {name: np.stack([truth[1], truth[2]])[:, truth[0] == name] for name in np.unique(truth[0])}
    taken = {name: np.zeros((len(thresholds), span.shape[1]), bool) for name, span in spans.items()}
    hits = np.zeros((len(thresholds), len(score)), bool)
    for place, row in enumerate(np.argsort(-score, kind="stable")):
        name = video[row]
        if name in spans:
            tious = _tious(start[row], end[row], spans[name])
            ranked = np.argsort(tious)[::-1]
            for t, threshold in enumerate(thresholds):
                hits[t, place] = _take(tious, ranked, taken[name][t], threshold)
    return np.array([area(row, len(truth[0])) for row in hits])


def _tious(start: float, end: float, spans: Floats) -> Floats:
    inner = np.maximum(0.0, np.minimum(end, spans[1]) - np.maximum(start, spans[0]))
    tious: Floats = inner / ((spans[1] - spans[0]) + (end - start) - inner)
    return tious


def _take(tious: Floats, ranked: npt.NDArray[np.int64], taken: npt.NDArray[np.bool_], threshold: float) -> bool:
    for truth in ranked:
        if tious[truth] < threshold:
            return False
        if not taken[truth]:
            taken[truth] = True
            return True
    return False


def area(hits: npt.NDArray[np.bool_], num_truths: int) -> float:
    """Return the average precision of ranked hits and misses (all-point interpolation)."""
    positives = np.cumsum(hits)
    precision = np.concatenate(([0.0], positives / np.arange(1, len(hits) + 1), [0.0]))
    recall = np.concatenate(([0.0], positives / num_truths, [1.0]))
    ceiling = np.maximum.accumulate(precision[::-1])[::-1]
    rises = np.flatnonzero(recall[1:] != recall[:-1]) + 1
    return float(np.sum((recall[rises] - recall[rises - 1]) * ceiling[rises]))
