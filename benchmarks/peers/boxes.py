"""Weighted boxes fusion by the package that made it known, where it is installed."""

from importlib import import_module
from importlib.util import find_spec

import numpy as np
import numpy.typing as npt

from tsmfeat.values.predictions import Predictions

Floats = npt.NDArray[np.float64]
# Boxes, scores and labels of every model: what the package takes for one video.
Ensemble = tuple[list[Floats], list[Floats], list[npt.NDArray[np.int32]]]


def has_package() -> bool:
    """Tell whether ensemble-boxes is installed."""
    return find_spec("ensemble_boxes") is not None


def split_videos(models: list[Predictions], span: tuple[float, float]) -> list[Ensemble]:
    """Return the models' segments video by video, as shares of a span of time, as the package wants them.

    Parameters
    ----------
    models
        Of the same videos and actions.
    span
        Seconds: no segment starts before it or ends after it.
    """
    ensembles: list[Ensemble] = []
    for video in range(len(models[0].video_ids)):
        parts = [model.segments.take(model.segments.video == video) for model in models]
        boxes = [(np.stack([part.start, part.end], axis=1) - span[0]) / (span[1] - span[0]) for part in parts]
        ensembles.append((boxes, [part.score for part in parts], [part.label for part in parts]))
    return ensembles


def fuse_boxes(ensembles: list[Ensemble], weights: list[float], threshold: float) -> list[Floats]:
    """Return for each video float64 (N, 4): label, start, end, score."""
    module = import_module("ensemble_boxes.ensemble_boxes_wbf_1d")
    fused = []
    for boxes, scores, labels in ensembles:
        bounds, score, label = module.weighted_boxes_fusion_1d(
            boxes, scores, labels, weights=weights, iou_thr=threshold
        )
        fused.append(np.column_stack([label, bounds, score]))
    return fused
