"""Scene scores of several models become one."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from tsmfeat.values.predictions import Predictions
from tsmfeat.values.vocabulary import Vocabulary

Floats = npt.NDArray[np.float64]


def average_scenes(
    models: Sequence[Predictions], weights: Floats, video_ids: tuple[str, ...], scenes: Vocabulary, absent_counts: bool
) -> Floats:
    """Average the scene scores of every video over the models.

    Parameters
    ----------
    models
        Their videos and scenes are found by name.
    weights
        float64 (M,): positive.
    video_ids
        V names.
    scenes
        S names.
    absent_counts
        Whether a model without the video, or without a score for the scene, counts as 0; otherwise it is left out.

    Returns
    -------
    float64 (V, S)
        NaN in a video for which no model has a scene score.
    """
    shape = (len(video_ids), len(scenes))
    voiced, weight = np.zeros(shape), np.zeros(shape)
    place_of = {name: place for place, name in enumerate(video_ids)}
    for model, model_weight in zip(models, weights, strict=True):
        videos = np.array([place_of[name] for name in model.video_ids], np.int64)
        cells = np.ix_(videos, scenes.ids_of(model.scene_vocabulary.names))
        scores = model.scenes()
        known = ~np.isnan(scores)
        voiced[cells] += np.where(known, model_weight * scores, 0.0)
        weight[cells] += np.where(known, model_weight, 0.0)
    total = np.full(shape, weights.sum()) if absent_counts else np.where(weight > 0, weight, 1.0)
    return np.where((weight > 0).any(axis=1, keepdims=True), voiced / total, np.nan)
