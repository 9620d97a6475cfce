"""Comparing two sequences of labelled runs, video by video."""

import numpy as np
import numpy.typing as npt
from numba import njit

from tsmfeat.kernels.runs import Runs

Indexes = npt.NDArray[np.int64]


def offset_runs(runs: Runs, num_videos: int) -> Indexes:
    """Return where the runs of each video begin, int64 (V + 1,); runs come in the order of their videos."""
    return np.concatenate(([0], np.cumsum(np.bincount(runs.video, minlength=num_videos)))).astype(np.int64)


@njit(cache=True, nogil=True)
def edit_distances(
    one: npt.NDArray[np.int32], one_offset: Indexes, other: npt.NDArray[np.int32], other_offset: Indexes
) -> Indexes:
    """Return the Levenshtein distance of two sequences of labels in each video.

    Parameters
    ----------
    one, other
        int32: labels of all videos, one video after another.
    one_offset, other_offset
        int64 (V + 1,): video v owns the places ``offset[v]:offset[v + 1]``.

    Returns
    -------
    int64 (V,)
        Insertions, deletions and substitutions that turn one into the other.

    Examples
    --------
    >>> labels, offset = np.array([1, 2, 3], np.int32), np.array([0, 3])
    >>> edit_distances(labels, offset, np.array([1, 3, 3, 4], np.int32), np.array([0, 4])).tolist()
    [2]
    """
    distances = np.empty(len(one_offset) - 1, np.int64)
    for video in range(len(distances)):
        low, count = other_offset[video], other_offset[video + 1] - other_offset[video]
        row = np.arange(count + 1)
        for place in range(one_offset[video], one_offset[video + 1]):
            diagonal = row[0]
            row[0] += 1
            for column in range(count):
                changed = diagonal + (one[place] != other[low + column])
                diagonal = row[column + 1]
                row[column + 1] = min(changed, row[column] + 1, diagonal + 1)
        distances[video] = row[count]
    return distances


@njit(cache=True, nogil=True)
def count_found(
    predicted: Runs, predicted_offset: Indexes, truth: Runs, truth_offset: Indexes, thresholds: npt.NDArray[np.float64]
) -> Indexes:
    """Return how many true runs are found in each video at each threshold of overlap.

    In the order of time each predicted run looks at the true run of its label with the largest tIoU, the first of
    equal ones; it has found it if the tIoU reaches the threshold and no earlier run has found it.

    Parameters
    ----------
    predicted, truth
        Runs of all videos.
    predicted_offset, truth_offset
        int64 (V + 1,).
    thresholds
        float64 (T,), above 0.

    Returns
    -------
    int64 (V, T)
    """
    num_found = np.zeros((len(truth_offset) - 1, len(thresholds)), np.int64)
    is_found = np.zeros((len(truth.video), len(thresholds)), np.bool_)
    for video in range(len(truth_offset) - 1):
        for run in range(predicted_offset[video], predicted_offset[video + 1]):
            best, nearest = 0.0, -1
            for other in range(truth_offset[video], truth_offset[video + 1]):
                overlap = _overlap_runs(predicted, run, truth, other)
                if overlap > best:
                    best, nearest = overlap, other
            for t in range(len(thresholds)):
                if nearest >= 0 and best >= thresholds[t] and not is_found[nearest, t]:
                    is_found[nearest, t] = True
                    num_found[video, t] += 1
    return num_found


@njit(cache=True, nogil=True)
def _overlap_runs(predicted: Runs, run: int, truth: Runs, other: int) -> float:
    """Return the tIoU of two runs, 0 where their labels differ."""
    if predicted.label[run] != truth.label[other]:
        return 0.0
    first, last = predicted.first_row[run], predicted.last_row[run]
    inner = min(last, truth.last_row[other]) - max(first, truth.first_row[other])
    outer = max(last, truth.last_row[other]) - min(first, truth.first_row[other])
    return float(max(inner, 0) / outer)
