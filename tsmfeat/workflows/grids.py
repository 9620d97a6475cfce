"""The intervals of annotated videos, without any features."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from tsmfeat.values.annotations import Annotations
from tsmfeat.values.intervals import IntervalGrid


def annotated_seconds(truth: Annotations) -> npt.NDArray[np.float64]:
    """Return how long each video is, float64 (V,): its duration, or where unknown the end of its last segment."""
    last = np.zeros(len(truth.video_ids))
    np.maximum.at(last, truth.segments.video, truth.segments.end)
    return np.where(np.isnan(truth.duration_seconds), last, truth.duration_seconds)


def grid_offsets(seconds: Sequence[float] | npt.NDArray[np.float64], step_seconds: float) -> npt.NDArray[np.int64]:
    """Return the row offsets of the grids of videos of some lengths, int64 (V + 1,).

    Examples
    --------
    >>> grid_offsets([2.9, 0.4, 1.0], 0.5).tolist()
    [0, 5, 5, 7]
    """
    counts = [IntervalGrid(float(length), step_seconds).count for length in seconds]
    return np.cumsum([0, *counts], dtype=np.int64)
