"""Interval scores become segments (section 3.2 of the paper: runs of equal labels)."""

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from tsmfeat.errors import ConfigurationError, InputError
from tsmfeat.kernels.paths import find_best_paths
from tsmfeat.kernels.run_scores import average_runs, contrast_runs
from tsmfeat.kernels.runs import (
    Runs,
    find_argmax_runs,
    find_best_labels,
    find_label_runs,
    find_threshold_runs,
)
from tsmfeat.kernels.smoothing import filter_gaussian, filter_mean
from tsmfeat.localization.boundaries import move_between_labels, move_to_thresholds
from tsmfeat.localization.nesting import nest_runs
from tsmfeat.localization.options import LocalizationOptions
from tsmfeat.values.predictions import IntervalScores, Predictions
from tsmfeat.values.segments import Segments
from tsmfeat.values.vocabulary import Vocabulary

_PAPER = LocalizationOptions()

# A duration within this share of a step of the minimum reaches it: 3 * 0.7 is less than 2.1 in floating point.
_STEP_TOLERANCE = 1e-9

Floats = npt.NDArray[np.float64]
Scores = npt.NDArray[Any]


def localize(
    scores: IntervalScores, options: LocalizationOptions = _PAPER, transition_costs: Floats | None = None
) -> Predictions:
    """Turn the scores of every interval into scored segments.

    A segment is a run of intervals with the same label; its score is the largest score of that label over the
    intervals that carry it. Boundaries are multiples of the step. `LocalizationOptions` names what may differ.

    Parameters
    ----------
    scores
        Scores of many videos; scene scores are handed through.
    options
        The rules; the defaults are the paper's.
    transition_costs
        float64 (C + 1, C + 1), of ``learn_transition_costs``: what a change of label costs, times the COST of
        ``smooth="viterbi:COST"``; None: every change costs COST.

    Returns
    -------
    Predictions
        Segments by video, start, end, label; times in seconds.

    Raises
    ------
    InputError
        ``tail="extend"`` and a video has no known duration, or a threshold for a class that the scores do not know.
    ConfigurationError
        Costs of another number of labels, or where no path is sought.

    Examples
    --------
    >>> from tsmfeat.values.vocabulary import Vocabulary
    >>> rows = np.array([[0.7, 0.2, 0.1], [0.6, 0.3, 0.1], [0.1, 0.1, 0.8], [0.2, 0.7, 0.1]])
    >>> one = IntervalScores(("a",), Vocabulary(("run", "eat")), np.array([0, 4]), rows, 0.5, np.array([2.2]))
    >>> found = localize(one).segments
    >>> found.label.tolist(), found.start.tolist(), found.end.tolist(), found.score.tolist()
    ([0, 1], [0.0, 1.5], [1.0, 2.0], [0.7, 0.7])
    """
    if transition_costs is not None and options.smoothing[0] != "viterbi":
        raise ConfigurationError(
            f"costs of changing the label, and smooth {options.smooth!r}: only viterbi pays them",
            "use --smooth viterbi:1",
        )
    values = np.ascontiguousarray(smooth_scores(scores, options).scores)
    if options.localize == "argmax":
        runs, moves = _follow_labels(scores, values, options, transition_costs)
    else:
        runs, moves = _reach_thresholds(scores, values, options)
    start, end = _bound_runs(scores, runs, moves)
    if options.tail == "extend":
        end = _extend_to_duration(scores, runs, end)
    segments = Segments(runs.video, runs.label, start, end, _score_runs(scores, values, runs, options))
    if options.min_duration > 0:
        segments = segments.take(end - start >= options.min_duration - _STEP_TOLERANCE * scores.step_seconds)
    return Predictions(scores.video_ids, scores.vocabulary, segments, scores.scene_vocabulary, scores.scene_scores)


def smooth_scores(scores: IntervalScores, options: LocalizationOptions) -> IntervalScores:
    """Return scores as `localize` sees them: averaged over neighbouring intervals where the options say so.

    Whoever tries several rules on one smoothing localises the result with ``smooth="none"``: it is the same.

    Examples
    --------
    >>> from tsmfeat.values.vocabulary import Vocabulary
    >>> rows = np.array([[0.0, 1.0], [1.0, 0.0], [1.0, 0.0]])
    >>> one = IntervalScores(("a",), Vocabulary(("run",)), np.array([0, 3]), rows, 0.5, np.array([1.5]))
    >>> smooth_scores(one, LocalizationOptions(smooth="mean:3")).scores[:, 0].round(2).tolist()
    [0.5, 0.67, 1.0]
    """
    values = np.ascontiguousarray(scores.scores)
    kind, amount = options.smoothing
    if kind == "mean" and amount > 1:
        return replace(scores, scores=filter_mean(scores.row_offset, values, int(amount)))
    if kind == "gaussian":
        return replace(scores, scores=filter_gaussian(scores.row_offset, values, amount))
    return scores


Moves = tuple[Floats, Floats] | None


def _follow_labels(
    scores: IntervalScores, values: Scores, options: LocalizationOptions, costs: Floats | None
) -> tuple[Runs, Moves]:
    background = scores.vocabulary.background
    kind, cost = options.smoothing
    if kind == "viterbi":
        table = np.array([[cost]]) if costs is None else cost * _check_costs(costs, values.shape[1])
        labels = find_best_paths(scores.row_offset, values, background, table)
        own = np.take_along_axis(values, labels[:, None], axis=1)[:, 0]
    elif not options.refine:
        return find_argmax_runs(scores.row_offset, values, background, options.max_gap), None
    else:
        labels, own = find_best_labels(values, background)
    runs = find_label_runs(scores.row_offset, labels, own, background, options.max_gap)
    return runs, move_between_labels(scores.row_offset, values, labels, runs) if options.refine else None


def _check_costs(costs: Floats, num_labels: int) -> Floats:
    if costs.shape != (num_labels, num_labels):
        raise ConfigurationError(
            f"costs of shape {costs.shape} for {num_labels} labels, background among them; one each way",
            "learn them with the vocabulary of the scores",
        )
    return costs


def _reach_thresholds(scores: IntervalScores, values: Scores, options: LocalizationOptions) -> tuple[Runs, Moves]:
    levels = _threshold_table(scores.vocabulary, options, values.dtype)
    background = scores.vocabulary.background
    found = [find_threshold_runs(scores.row_offset, values, background, level, options.max_gap) for level in levels]
    runs, level_of = (found[0], np.zeros(len(found[0].label), np.int64)) if len(found) == 1 else nest_runs(found)
    if not options.refine:
        return runs, None
    return runs, move_to_thresholds(scores.row_offset, values, levels[level_of, runs.label], runs)


def _threshold_table(vocabulary: Vocabulary, options: LocalizationOptions, dtype: "np.dtype[Any]") -> Floats:
    # In the scores' own dtype: a float32 score of 0.7 must reach a threshold of 0.7.
    levels = np.unique(np.array(options.thresholds, dtype)).astype(np.float64)
    table = np.repeat(levels[:, None], len(vocabulary) + 1, axis=1)
    for name, value in options.class_thresholds:
        table[:, vocabulary.id_of(name)] = float(dtype.type(value))
    return table


def _score_runs(scores: IntervalScores, values: Scores, runs: Runs, options: LocalizationOptions) -> Floats:
    match options.segment_score:
        case "mean":
            return average_runs(runs, values)
        case "contrast":
            return contrast_runs(scores.row_offset, runs, values)
        case _:
            return runs.score


def _bound_runs(scores: IntervalScores, runs: Runs, moves: Moves) -> tuple[Floats, Floats]:
    offset = scores.row_offset[runs.video]
    step = np.float64(scores.step_seconds)
    if moves is None:
        return (runs.first_row - offset) * step, (runs.last_row - offset) * step
    return (runs.first_row - offset + moves[0]) * step, (runs.last_row - offset + moves[1]) * step


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
