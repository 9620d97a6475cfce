"""Weighted boxes fusion of five models: ours, the real package where it is installed, and a plain Python twin."""

import sys
from dataclasses import replace
from typing import Any

import numpy as np
from bench_fusion import CLASSES, WEIGHTS, list_rows
from harness import Case, Contestant, call, compete, growth, require_equal
from inputs import make_models
from peers.boxes import fuse_boxes, has_package, split_videos
from peers.naive_twins import naive_wbf
from reporting import Goal, Report, Setting, judge, run_benchmark

from tsmfeat.fusion.fusing import fuse
from tsmfeat.fusion.options import FusionOptions
from tsmfeat.values.predictions import Predictions
from tsmfeat.values.segments import Segments

SIZES, QUICK_SIZES = ((20, 85), (60, 85), (200, 85)), ((2, 8), (4, 8), (8, 8))
OURS, PACKAGE, TWIN = "tsmfeat", "ensemble_boxes", "plain Python"
# No tIoU of averages lands on it by chance, so that float32 and float64 join the same segments.
TIOU = 0.517
# More than the videos of the inputs last: the package wants 0..1 and cuts off what lies outside.
SPAN = (-32.0, 480.0)


def measure(setting: Setting) -> Report:
    """Time weighted boxes fusion at three sizes; hard and soft suppression beside it."""
    cases = [_measure_size(*size, setting) for size in (QUICK_SIZES if setting.quick else SIZES)]
    peer = PACKAGE if has_package() else TWIN
    goals = [judge(Goal("weighted boxes fusion of 5 models", peer, OURS, 100, 500), case) for case in cases]
    facts: dict[str, Any] = {"ensemble_boxes": "installed" if has_package() else "not installed"}
    return Report(cases, goals, {who: growth(cases, who, "segments") for who in cases[0].costs}, facts)


def _measure_size(num_videos: int, per_video: int, setting: Setting) -> Case:
    models = _move_off_grids(make_models(num_videos, CLASSES, per_video, setting.seed), setting.seed)
    mapped = [dict(enumerate(list_rows(model))) for model in models]
    options = FusionOptions("wbf", TIOU)
    ours = [np.array(sorted(rows)) for rows in list_rows(fuse(models, WEIGHTS, options))]
    _require_same(ours, [np.array(rows) for rows in naive_wbf(mapped, WEIGHTS, TIOU).values()], 1e-9)
    contestants: dict[str, Contestant] = {
        OURS: call(lambda: fuse(models, WEIGHTS, options)),
        TWIN: call(lambda: naive_wbf(mapped, WEIGHTS, TIOU)),
        "tsmfeat, nms": call(lambda: fuse(models, WEIGHTS, FusionOptions("nms"))),
        "tsmfeat, soft-nms": call(lambda: fuse(models, WEIGHTS, FusionOptions("soft-nms"))),
    }
    if has_package():
        ensembles = split_videos(models, SPAN)
        scale, shift = [1, SPAN[1] - SPAN[0], SPAN[1] - SPAN[0], 1], [0, SPAN[0], SPAN[0], 0]
        found = [rows * scale + shift for rows in fuse_boxes(ensembles, WEIGHTS, TIOU)]
        _require_same(ours, found, 1e-3)  # float32: five digits of a time of minutes
        contestants[PACKAGE] = call(lambda: fuse_boxes(ensembles, WEIGHTS, TIOU))
    count = sum(len(model.segments) for model in models)
    sizes = {"segments": count, "videos": num_videos, "classes": CLASSES, "models": len(models)}
    return compete(f"weighted boxes of {count:,} segments", sizes, contestants, setting.pace(30))


def _move_off_grids(models: list[Predictions], seed: int) -> list[Predictions]:
    """Move bounds by some milliseconds: on grids a segment may overlap two averages alike, up to rounding errors."""
    rng = np.random.default_rng([seed, 9])
    moved = []
    for model in models:
        segments = model.segments
        start, end = (
            np.round(bounds + rng.uniform(-0.1, 0.1, len(segments)), 3) for bounds in (segments.start, segments.end)
        )
        moved.append(replace(model, segments=Segments(segments.video, segments.label, start, end, segments.score)))
    return moved


def _require_same(ours: list[Any], theirs: list[Any], tolerance: float) -> None:
    for mine, other in zip(ours, theirs, strict=True):
        # By score within a label: bounds of two answers may round to either side.
        order = [np.lexsort((rows[:, 3], rows[:, 0])) for rows in (mine, other)]
        require_equal("averaged segments", mine[order[0]], other[order[1]], tolerance)


if __name__ == "__main__":
    sys.exit(run_benchmark("boxes", measure))
