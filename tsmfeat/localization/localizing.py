"""Interval scores become segments (section 3.2 of the paper: runs of equal labels)."""

import numpy as np
import numpy.typing as npt

from tsmfeat.errors import InputError
from tsmfeat.kernels.runs import Runs, find_argmax_runs, find_threshold_runs
from tsmfeat.kernels.smoothing import filter_mean
from tsmfeat.localization.options import LocalizationOptions
from tsmfeat.values.predictions import IntervalScores, Predictions
from tsmfeat.values.segments import Segments

_PAPER = LocalizationOptions()

# A duration within this share of a step of the minimum reaches it: 3 * 0.7 is less than 2.1 in floating point.
_STEP_TOLERANCE = 1e-9

Floats = npt.NDArray[np.float64]


def localize(scores: IntervalScores, options: LocalizationOptions = _PAPER) -> Predictions:
    """Turn the scores of every interval into scored segments.

    A segment is a run of intervals with the same label; its score is the largest score of that label over the
    intervals that carry it. Boundaries are multiples of the step.

    Parameters
    ----------
    scores
        Scores of many videos; scene scores are handed through.
    options
        The rules; the defaults are the paper's.

    Returns
    -------
    Predictions
        Segments by video, start, end, label; times in seconds.

    Raises
    ------
    InputError
        ``tail="extend"`` and a video has no known duration.

    Examples
    --------
    >>> from tsmfeat.values.vocabulary import Vocabulary
    >>> rows = np.array([[0.7, 0.2, 0.1], [0.6, 0.3, 0.1], [0.1, 0.1, 0.8], [0.2, 0.7, 0.1]])
    >>> one = IntervalScores(("a",), Vocabulary(("run", "eat")), np.array([0, 4]), rows, 0.5, np.array([2.2]))
    >>> found = localize(one).segments
    >>> found.label.tolist(), found.start.tolist(), found.end.tolist(), found.score.tolist()
    ([0, 1], [0.0, 1.5], [1.0, 2.0], [0.7, 0.7])
    """
    runs = _find_runs(scores, options)
    start, end = _bound_runs(scores, runs)
    if options.tail == "extend":
        end = _extend_to_duration(scores, runs, end)
    segments = Segments(runs.video, runs.label, start, end, runs.score)
    if options.min_duration > 0:
        segments = segments.take(end - start >= options.min_duration - _STEP_TOLERANCE * scores.step_seconds)
    return Predictions(scores.video_ids, scores.vocabulary, segments, scores.scene_vocabulary, scores.scene_scores)


def _find_runs(scores: IntervalScores, options: LocalizationOptions) -> Runs:
    values = np.ascontiguousarray(scores.scores)
    if options.smooth_width > 1:
        values = filter_mean(scores.row_offset, values, options.smooth_width)
    background = scores.vocabulary.background
    if options.localize == "argmax":
        return find_argmax_runs(scores.row_offset, values, background, options.max_gap)
    # In the scores' own dtype: a float32 score of 0.7 must reach a threshold of 0.7.
    threshold = float(values.dtype.type(options.threshold))
    return find_threshold_runs(scores.row_offset, values, background, threshold, options.max_gap)


def _bound_runs(scores: IntervalScores, runs: Runs) -> tuple[Floats, Floats]:
    offset = scores.row_offset[runs.video]
    step = np.float64(scores.step_seconds)
    return (runs.first_row - offset) * step, (runs.last_row - offset) * step


def _extend_to_duration(scores: IntervalScores, runs: Runs, end: Floats) -> Floats:
    unknown = np.flatnonzero(np.isnan(scores.duration_seconds))
    if len(unknown):
        names = ", ".join(scores.video_ids[index] for index in unknown[:5])
        raise InputError(
            f"{len(unknown)} videos have no known duration ({names}); tail 'extend' ends segments there",
            "use --tail drop, or give the durations",
        )
    is_last = runs.last_row == scores.row_offset[runs.video + 1]
    # A grid that counts its last interval by tolerance may reach past the duration: extending never shortens.
    return np.where(is_last, np.maximum(end, scores.duration_seconds[runs.video]), end)
