"""Measures beside AP: recall of proposals and segmentation, against numpy in the form of the official code."""

import sys

import numpy as np
from harness import Case, call, compete, growth, require_equal
from inputs import make_detections, make_labels, make_truth
from peers.numpy_measures import average_recall_of, segmentation_of
from reporting import Goal, Report, Setting, judge, run_benchmark

from tsmfeat.metrics.proposals import PROPOSAL_THRESHOLDS, average_recall
from tsmfeat.metrics.segmentation import F1_THRESHOLDS, segmentation_scores

OURS, PEER, SORT = "tsmfeat", "numpy video by video", "np.argsort of the scores"
PROPOSAL_SIZES, ROW_SIZES = (20_000, 100_000, 1_000_000), (10_000, 50_000, 200_000)
QUICK_SIZES = (300, 600, 1_200)
VIDEO_ROWS, COLUMNS = 1_000, 20


def measure(setting: Setting) -> Report:
    """Time both at three sizes."""
    recalls = [_measure_recall(size, setting) for size in (QUICK_SIZES if setting.quick else PROPOSAL_SIZES)]
    frames = [_measure_segmentation(size, setting) for size in (QUICK_SIZES if setting.quick else ROW_SIZES)]
    goals = [judge(Goal("AR@AN", PEER, OURS, 10, 30), case) for case in recalls[:2]]
    goals += [judge(Goal("AR@AN", OURS, SORT, 6, 4, at_most=True), recalls[-1])]
    goals += [judge(Goal("accuracy, edit, F1", PEER, OURS, 30, 100), case) for case in frames]
    exponents = {f"{OURS}, AR@AN": growth(recalls, OURS, "proposals")}
    exponents |= {f"{who}, segmentation": growth(frames, who, "rows") for who in (OURS, PEER)}
    return Report([*recalls, *frames], goals, exponents)


def _measure_recall(count: int, setting: Setting) -> Case:
    num_videos = max(4, count // 500)
    truth = make_truth(num_videos, 20, 8, setting.seed)
    found = make_detections(truth, count, setting.seed)
    thresholds = np.array(PROPOSAL_THRESHOLDS)
    contestants = {
        OURS: call(lambda: average_recall(found, truth)),
        SORT: call(lambda: np.argsort(found.segments.score)),
    }
    if count < max(PROPOSAL_SIZES):  # the peer would take minutes
        require_equal(
            "recall of proposals",
            average_recall(found, truth).recall,
            average_recall_of(found, truth, 100, thresholds),
            1e-12,
        )
        contestants[PEER] = call(lambda: average_recall_of(found, truth, 100, thresholds))
    sizes = {"proposals": count, "videos": num_videos, "thresholds": len(thresholds)}
    return compete(f"AR@AN of {count:,} proposals", sizes, contestants, setting.pace(8))


def _measure_segmentation(count: int, setting: Setting) -> Case:
    truth = np.repeat(make_labels(-(-count // 10), COLUMNS, setting.seed), 10)[:count]
    noise = np.random.default_rng(setting.seed).random(count) < 0.02
    predicted = np.where(noise, (truth + 1) % COLUMNS, truth).astype(np.int32)
    offset = np.append(np.arange(0, count, VIDEO_ROWS), count)
    thresholds = np.array(F1_THRESHOLDS)
    ours = segmentation_scores(truth, predicted, offset, 0)
    accuracy, edit, f1 = segmentation_of(truth, predicted, offset, thresholds)
    require_equal(
        "segmentation", np.array([ours.accuracy, ours.edit, *ours.f1]), np.array([accuracy, edit, *f1]), 1e-12
    )
    contestants = {
        OURS: call(lambda: segmentation_scores(truth, predicted, offset, 0)),
        PEER: call(lambda: segmentation_of(truth, predicted, offset, thresholds)),
    }
    return compete(f"segmentation of {count:,} rows", {"rows": count}, contestants, setting.pace(8))


if __name__ == "__main__":
    sys.exit(run_benchmark("measures", measure))
