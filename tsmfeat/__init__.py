"""Temporal-shift features of video, once; every experiment on them in seconds.

Names are loaded when they are first used, so ``import tsmfeat`` costs no torch, numba or h5py.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tsmfeat.errors import TsmfeatError as TsmfeatError
    from tsmfeat.formats.reading import read_annotations as read_annotations
    from tsmfeat.formats.reading import read_predictions as read_predictions
    from tsmfeat.formats.writing import write_annotations as write_annotations
    from tsmfeat.formats.writing import write_predictions as write_predictions
    from tsmfeat.fusion.fusing import fuse as fuse
    from tsmfeat.localization.localizing import localize as localize
    from tsmfeat.metrics.average_precision import evaluate as evaluate
    from tsmfeat.store.reader import open_features as open_features
    from tsmfeat.trunk.tsm import build_trunk as build_trunk
    from tsmfeat.values.annotations import Annotations as Annotations
    from tsmfeat.values.features import FeatureSpec as FeatureSpec
    from tsmfeat.values.features import VideoFeatures as VideoFeatures
    from tsmfeat.values.intervals import IntervalGrid as IntervalGrid
    from tsmfeat.values.predictions import IntervalScores as IntervalScores
    from tsmfeat.values.predictions import Predictions as Predictions
    from tsmfeat.values.segments import Segments as Segments
    from tsmfeat.values.vocabulary import Vocabulary as Vocabulary
    from tsmfeat.video.clips import plan_clips as plan_clips
    from tsmfeat.video.clips import plan_clips_ticks as plan_clips_ticks

_HOMES = {
    "Annotations": "tsmfeat.values.annotations",
    "FeatureSpec": "tsmfeat.values.features",
    "IntervalGrid": "tsmfeat.values.intervals",
    "IntervalScores": "tsmfeat.values.predictions",
    "Predictions": "tsmfeat.values.predictions",
    "Segments": "tsmfeat.values.segments",
    "TsmfeatError": "tsmfeat.errors",
    "VideoFeatures": "tsmfeat.values.features",
    "Vocabulary": "tsmfeat.values.vocabulary",
    "build_trunk": "tsmfeat.trunk.tsm",
    "evaluate": "tsmfeat.metrics.average_precision",
    "fuse": "tsmfeat.fusion.fusing",
    "localize": "tsmfeat.localization.localizing",
    "open_features": "tsmfeat.store.reader",
    "plan_clips": "tsmfeat.video.clips",
    "plan_clips_ticks": "tsmfeat.video.clips",
    "read_annotations": "tsmfeat.formats.reading",
    "read_predictions": "tsmfeat.formats.reading",
    "write_annotations": "tsmfeat.formats.writing",
    "write_predictions": "tsmfeat.formats.writing",
}
__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a module attribute can be anything
    """Load a public name the first time it is used."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """List the public names."""
    return sorted(_HOMES)
