"""From stored embeddings and heads to interval scores: shared by fitting, scoring and the demo."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tsmfeat.heads.model import HeadParameters
from tsmfeat.heads.options import SEGMENT_HEADS
from tsmfeat.heads.prediction import pool_scenes, predict_probabilities
from tsmfeat.heads.pyramid_decoding import Grid, decode_videos
from tsmfeat.heads.views import JoinedViews
from tsmfeat.localization.localizing import localize
from tsmfeat.values.predictions import IntervalScores, Predictions
from tsmfeat.values.vocabulary import Vocabulary

if TYPE_CHECKING:
    # Opening stores loads HDF5, which prediction files do not need.
    from tsmfeat.store.reader import FeatureStore


@dataclass(frozen=True, eq=False)
class GatheredFeatures:
    """The embeddings of some videos in one array.

    Parameters
    ----------
    video_ids
        V ids.
    embeddings
        float16 (N, D).
    row_offset
        int64 (V + 1,): video v owns rows ``row_offset[v]:row_offset[v + 1]``.
    step_seconds
        The grid's step t.
    duration_seconds
        float64 (V,).
    views
        Which of several joined views each row has; None for one view.
    """

    video_ids: tuple[str, ...]
    embeddings: npt.NDArray[np.float16]
    row_offset: npt.NDArray[np.int64]
    step_seconds: float
    duration_seconds: npt.NDArray[np.float64]
    views: JoinedViews | None = None


def gather_features(store: "FeatureStore", video_ids: Sequence[str]) -> GatheredFeatures:
    """Read some videos of a store into memory, once."""
    embeddings, row_offset = store.gather(video_ids)
    length = dict(zip(store.video_ids, store.column("duration_seconds").tolist(), strict=True))
    durations = np.array([length[video_id] for video_id in video_ids], np.float64)
    return GatheredFeatures(tuple(video_ids), embeddings, row_offset, store.spec.step_seconds, durations)


def select_gathered(features: GatheredFeatures, keep: Sequence[int]) -> GatheredFeatures:
    """Return some of the videos, in the order given; their rows are copied.

    Examples
    --------
    >>> rows = np.arange(6, dtype=np.float16).reshape(3, 2)
    >>> three = GatheredFeatures(("a", "b"), rows, np.array([0, 1, 3]), 0.5, np.array([0.5, 1.0]))
    >>> select_gathered(three, [1]).embeddings.tolist()
    [[2.0, 3.0], [4.0, 5.0]]
    """
    count = np.diff(features.row_offset)[list(keep)]
    offset = np.concatenate([[0], np.cumsum(count)]).astype(np.int64)
    parts = [np.arange(features.row_offset[video], features.row_offset[video + 1]) for video in keep]
    rows = np.concatenate(parts) if parts else np.zeros(0, np.int64)
    return replace(
        features,
        video_ids=tuple(features.video_ids[video] for video in keep),
        embeddings=features.embeddings[rows],
        row_offset=offset,
        duration_seconds=features.duration_seconds[list(keep)],
        views=None if features.views is None else JoinedViews(features.views.sizes, features.views.present[rows]),
    )


def score_intervals(
    weights: HeadParameters, features: GatheredFeatures, actions: Vocabulary, scenes: Vocabulary
) -> IntervalScores:
    """Return what heads say of every interval, and of the scene of every video."""
    action, scene = predict_probabilities(weights, features.embeddings, features.row_offset, features.views)
    return IntervalScores(
        features.video_ids,
        actions,
        features.row_offset,
        action,
        features.step_seconds,
        features.duration_seconds,
        scenes if scene is not None else Vocabulary(()),
        None if scene is None else pool_scenes(scene, features.row_offset),
    )


def run_heads(
    weights: HeadParameters, features: GatheredFeatures, actions: Vocabulary, scenes: Vocabulary
) -> IntervalScores | Predictions:
    """Return what heads say: a score of every interval, or, where their kind says so itself, segments."""
    if weights.kind not in SEGMENT_HEADS:
        return score_intervals(weights, features, actions, scenes)
    grid = Grid(features.row_offset, features.step_seconds, features.duration_seconds, features.views)
    segments, scene = decode_videos(weights, features.embeddings, grid)
    return Predictions(features.video_ids, actions, segments, scenes if scene is not None else Vocabulary(()), scene)


def predict_segments(
    weights: HeadParameters, features: GatheredFeatures, actions: Vocabulary, scenes: Vocabulary
) -> Predictions:
    """Return the segments that heads find, by the paper's rule or their own, and the scene of every video."""
    said = run_heads(weights, features, actions, scenes)
    return localize(said) if isinstance(said, IntervalScores) else said
