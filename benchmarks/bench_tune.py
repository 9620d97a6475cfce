"""Tuning: settings graded on all videos and without each of five folds, by ours, by our public functions, by numpy."""

import sys
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from harness import Case, call, compete, growth, require_equal, spread
from inputs import make_truth, name_actions, name_videos
from peers.numpy_tuning import grade_with_numpy, localize_with_numpy
from reporting import Goal, Report, Setting, judge, run_benchmark

from tsmfeat.localization.localizing import localize
from tsmfeat.metrics.average_precision import evaluate
from tsmfeat.values.annotations import Annotations
from tsmfeat.values.predictions import IntervalScores
from tsmfeat.workflows.splits import select_videos
from tsmfeat.workflows.tuning_bench import Exam, Material, grade_folds, make_exam, make_predictor
from tsmfeat.workflows.tuning_settings import Setting as TuneSetting
from tsmfeat.workflows.tuning_settings import change

VIDEOS, CLASSES, FOLDS, THRESHOLDS = 50, 18, 5, (0.5, 0.75, 0.95)
# Intervals of all videos together, and classes.
SIZES, QUICK_SIZES = (5_000, 20_000, 100_000, 500_000), (1_000, 2_000, 3_000)
WIDTHS, SHORTEST = (1, 3, 5, 9, 15), (0, 2, 4, 8)
OURS, ANEW, PLAIN = "tsmfeat", "localize and evaluate anew", "plain numpy"

Floats = npt.NDArray[np.float64]
Grid = Callable[[], Floats]


def measure(setting: Setting) -> Report:
    """Time a grid of twenty settings at growing sizes."""
    cases = [_measure_size(size, setting) for size in (QUICK_SIZES if setting.quick else SIZES)]
    goals = [judge(Goal("a setting with its folds", PLAIN, OURS, 5, 20), case) for case in cases]
    goals += [judge(Goal("the same against our own functions", ANEW, OURS, 2, 4), case) for case in cases]
    facts = {f"settings a minute, {case.name}": round(_per_minute(case)) for case in cases}
    return Report(cases, goals, {who: growth(cases, who, "intervals") for who in (OURS, ANEW, PLAIN)}, facts)


def _per_minute(case: Case) -> float:
    return 60 * len(WIDTHS) * len(SHORTEST) / spread([cost.cpu_seconds for cost in case.costs[OURS]])["median"]


def _measure_size(num_intervals: int, setting: Setting) -> Case:
    truth, scores = make_scored_videos(num_intervals, setting.seed)
    exam = make_exam(truth, [scores], FOLDS, "paper", THRESHOLDS)
    grids = {OURS: _ours(scores, exam), ANEW: _anew(scores, exam), PLAIN: _plain(scores, exam)}
    found = {who: grid() for who, grid in grids.items()}
    require_equal("grades anew", found[OURS], found[ANEW], 1e-12)
    require_equal("grades by numpy", found[OURS], found[PLAIN], 1e-9)
    sizes = {"intervals": num_intervals, "videos": VIDEOS, "classes": CLASSES, "settings": len(found[OURS])}
    contestants = {who: call(grid, repeat_short=False) for who, grid in grids.items()}
    return compete(f"{num_intervals:,} intervals", sizes, contestants, setting.pace(15))


def make_scored_videos(num_intervals: int, seed: int) -> tuple[Annotations, IntervalScores]:
    """Return annotated videos of five minutes, and scores of their intervals that flicker around the truth."""
    rng = np.random.default_rng([seed, 7])
    truth = make_truth(VIDEOS, CLASSES, 20, seed)
    offset = np.linspace(0, num_intervals, VIDEOS + 1).astype(np.int64)
    step = 300.0 / (num_intervals / VIDEOS)
    label = np.full(num_intervals, CLASSES)
    segments = truth.segments
    for video, own, start, end in zip(segments.video, segments.label, segments.start, segments.end, strict=True):
        label[offset[video] + int(start / step) : min(offset[video + 1], offset[video] + int(end / step) + 1)] = own
    values = rng.random((num_intervals, CLASSES + 1), np.float32)
    values[np.arange(num_intervals), label] += np.float32(0.3)
    seconds = np.diff(offset) * step
    return truth, IntervalScores(name_videos(VIDEOS), name_actions(CLASSES), offset, values, step, seconds)


def _grid(scores: IntervalScores) -> list[tuple[int, float]]:
    return [(width, scores.step_seconds * number) for width in WIDTHS for number in SHORTEST]


def _setting_of(width: int, min_duration: float) -> TuneSetting:
    smooth = "none" if width == 1 else f"mean:{width}"
    base = change(TuneSetting(), {"fusion": "none"})
    return change(base, {"smooth": smooth, "min-duration": min_duration})


def _ours(scores: IntervalScores, exam: Exam) -> Grid:
    def grade() -> Floats:
        predict = make_predictor(Material((scores,), ()))  # anew: nothing is kept from the round before
        return np.stack([grade_folds(predict(_setting_of(*each)), exam) for each in _grid(scores)])

    return grade


def _anew(scores: IntervalScores, exam: Exam) -> Grid:
    ids = exam.truth.video_ids
    kept = [np.flatnonzero(exam.fold != fold) for fold in range(-1, FOLDS)]
    truths = [select_videos(exam.truth, [ids[place] for place in places]) for places in kept]

    def grade_one(width: int, min_duration: float) -> list[float]:
        found = localize(scores, _setting_of(width, min_duration).localization)
        grades = []
        for places, truth in zip(kept, truths, strict=True):
            inside = found.segments.take(np.isin(found.segments.video, places))
            grades.append(evaluate(replace(found, segments=inside), truth, "paper", THRESHOLDS).final_score)
        return grades

    return lambda: np.array([grade_one(*each) for each in _grid(scores)])


def _plain(scores: IntervalScores, exam: Exam) -> Grid:
    def grade() -> Floats:
        return np.stack(
            [
                grade_with_numpy(localize_with_numpy(scores, *each), exam.truth, exam.fold, THRESHOLDS)
                for each in _grid(scores)
            ]
        )

    return grade


if __name__ == "__main__":
    sys.exit(run_benchmark("tune", measure))
