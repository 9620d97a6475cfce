"""Runs of equal labels with numpy alone: where neighbours differ, and the largest score between."""

from typing import Any

import numpy as np
import numpy.typing as npt

Arrays = tuple[npt.NDArray[Any], ...]


def runs_of_labels(
    row_offset: npt.NDArray[np.int64], labels: npt.NDArray[np.int32], scores: npt.NDArray[Any], background: int
) -> Arrays:
    """Return video, label, first row, last row and score of each run that is not background."""
    opens = np.empty(len(labels), bool)
    np.not_equal(labels[1:], labels[:-1], out=opens[1:])
    opens[row_offset[:-1]] = True
    first = np.flatnonzero(opens)
    last = np.append(first[1:], len(labels))
    best = np.maximum.reduceat(scores, first)
    acts = labels[first] != background
    first, last, best = first[acts], last[acts], best[acts]
    video = np.searchsorted(row_offset, first, "right") - 1
    return video, labels[first], first, last, best


def runs_of_scores(row_offset: npt.NDArray[np.int64], scores: npt.NDArray[Any], background: int) -> Arrays:
    """Return the same from scores: the best column of every row first."""
    return runs_of_labels(row_offset, scores.argmax(axis=1), scores.max(axis=1), background)
