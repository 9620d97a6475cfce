"""Fusion of five models: ours, the paper's dict method (read plainly, and tuned), and np.argsort (the limit)."""

import sys

import numpy as np
from harness import Case, call, compete, growth, require_equal
from inputs import make_models
from peers.dict_fusion import Model, fuse_by_dict
from peers.naive_twins import naive_fuse
from reporting import Goal, Report, Setting, judge, run_benchmark

from tsmfeat.fusion.fusing import fuse
from tsmfeat.values.predictions import Predictions

CLASSES = 38
WEIGHTS = [0.3, 0.25, 0.2, 0.15, 0.1]
# Videos, and true segments in each; five models say each of them.
SIZES, QUICK_SIZES = ((20, 85), (200, 85), (2000, 85)), ((2, 8), (4, 8), (8, 8))
OURS, PLAIN, TUNED, LIMIT = "tsmfeat", "dict method, plain", "dict method, tuned", "np.argsort"


def measure(setting: Setting) -> Report:
    """Time fusion at three sizes."""
    cases = [
        _measure_size(num_videos, per_video, setting)
        for num_videos, per_video in (QUICK_SIZES if setting.quick else SIZES)
    ]
    goals = [judge(Goal("fusion of 5 models", PLAIN, OURS, 75, 150), case) for case in cases[1:]]
    goals.append(judge(Goal("fusion near one sort", OURS, LIMIT, 2, 2, at_most=True), cases[-1]))
    return Report(cases, goals, {who: growth(cases, who, "segments") for who in (OURS, PLAIN, TUNED, LIMIT)})


def _measure_size(num_videos: int, per_video: int, setting: Setting) -> Case:
    models = make_models(num_videos, CLASSES, per_video, setting.seed)
    listed = [list_rows(model) for model in models]
    mapped = [dict(enumerate(videos)) for videos in listed]
    fused = fuse(models, WEIGHTS)
    _require_same(fused, fuse_by_dict(listed, WEIGHTS, 0.5))
    _require_same(fused, list(naive_fuse(mapped, WEIGHTS).values()))
    starts = np.concatenate([model.segments.start for model in models])
    contestants = {
        OURS: call(lambda: fuse(models, WEIGHTS)),
        PLAIN: call(lambda: naive_fuse(mapped, WEIGHTS)),
        TUNED: call(lambda: fuse_by_dict(listed, WEIGHTS, 0.5)),
        LIMIT: call(lambda: np.argsort(starts)),
    }
    sizes = {"segments": len(starts), "videos": num_videos, "classes": CLASSES, "models": len(models)}
    return compete(f"fuse {len(starts):,} segments", sizes, contestants, setting.pace(25))


def list_rows(predictions: Predictions) -> Model:
    """Return predictions as Python lists, a list a video."""
    segments = predictions.segments
    listed: Model = [[] for _ in predictions.video_ids]
    columns = (segments.video, segments.label, segments.start, segments.end, segments.score)
    for video, label, start, end, score in zip(*(column.tolist() for column in columns), strict=True):
        listed[video].append((label, start, end, score))
    return listed


def _require_same(ours: Predictions, theirs: Model) -> None:
    found = [sorted(rows) for rows in list_rows(ours)]
    require_equal("segments of each video", [len(rows) for rows in found], [len(rows) for rows in theirs])
    rows = [row for video in found for row in video]
    require_equal("fused segments", rows, [row for video in theirs for row in video], 1e-12)


if __name__ == "__main__":
    sys.exit(run_benchmark("fusion", measure))
