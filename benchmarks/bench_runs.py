"""Runs of equal labels: from given labels, and from scores; against numpy, and one copy or one pass (the limits)."""

import sys

import numpy as np
import numpy.typing as npt
from harness import Case, call, compete, growth, require_equal
from inputs import make_interval_scores, make_labels
from peers.numpy_runs import runs_of_labels, runs_of_scores
from reporting import Goal, Report, Setting, judge, run_benchmark

from tsmfeat.kernels.runs import Runs, find_label_runs
from tsmfeat.localization.localizing import localize

COLUMNS = 39
BACKGROUND = COLUMNS - 1
LABEL_SIZES, SCORE_SIZES = (100_000, 1_000_000, 10_000_000), (100_000, 300_000, 1_000_000)
QUICK_SIZES = (300, 600, 1_200)
OURS, PEER, COPY, PASS = "tsmfeat", "numpy diff", "copy", "one pass (max)"


def measure(setting: Setting) -> Report:
    """Time both at three sizes."""
    given = [_measure_labels(size, setting) for size in (QUICK_SIZES if setting.quick else LABEL_SIZES)]
    scored = [_measure_scores(size, setting) for size in (QUICK_SIZES if setting.quick else SCORE_SIZES)]
    goals = [judge(Goal("runs, labels given", PEER, OURS, 3, 10), case) for case in given[1:]]
    goals += [judge(Goal("scores to segments", PEER, OURS, 4, 8), case) for case in scored]
    exponents = {f"{who}, labels": growth(given, who, "intervals") for who in (OURS, PEER)}
    exponents |= {f"{who}, scores": growth(scored, who, "intervals") for who in (OURS, PEER)}
    return Report([*given, *scored], goals, exponents)


def _measure_labels(count: int, setting: Setting) -> Case:
    labels = make_labels(count, COLUMNS, setting.seed)
    scores = np.random.default_rng(setting.seed).random(count, np.float32)
    offset = np.linspace(0, count, 101).astype(np.int64)
    _require_same(
        find_label_runs(offset, labels, scores, BACKGROUND, 0), runs_of_labels(offset, labels, scores, BACKGROUND)
    )
    contestants = {
        OURS: call(lambda: find_label_runs(offset, labels, scores, BACKGROUND, 0)),
        PEER: call(lambda: runs_of_labels(offset, labels, scores, BACKGROUND)),
        COPY: call(lambda: (labels.copy(), scores.copy())),
    }
    return compete(f"runs of {count:,} labels", {"intervals": count}, contestants, setting.pace(8))


def _measure_scores(count: int, setting: Setting) -> Case:
    scores = make_interval_scores(count, COLUMNS, 100, setting.seed)
    found = localize(scores).segments
    theirs = runs_of_scores(scores.row_offset, scores.scores, BACKGROUND)
    require_equal("labels of segments", found.label, theirs[1])
    require_equal("scores of segments", found.score, theirs[4])
    contestants = {
        OURS: call(lambda: localize(scores)),
        PEER: call(lambda: runs_of_scores(scores.row_offset, scores.scores, BACKGROUND)),
        PASS: call(scores.scores.max),
    }
    sizes = {"intervals": count, "columns": COLUMNS}
    return compete(f"segments of {count:,} rows of scores", sizes, contestants, setting.pace(8))


def _require_same(ours: Runs, theirs: tuple[npt.NDArray[np.generic], ...]) -> None:
    for name, one, other in zip(Runs._fields, ours, theirs, strict=True):
        require_equal(f"{name} of runs", one, other)


if __name__ == "__main__":
    sys.exit(run_benchmark("runs", measure))
