"""Share of videos whose scene is named rightly."""

from dataclasses import dataclass

import numpy as np

from tsmfeat.values.annotations import NO_SCENE, Annotations
from tsmfeat.values.predictions import Predictions


@dataclass(frozen=True)
class SceneAccuracy:
    """What `scene_accuracy` found.

    Parameters
    ----------
    top1, top5
        Share of the videos whose scene has the highest score, or one of the five highest; None where there is nothing
        to compare.
    num_videos
        Videos compared.
    """

    top1: float | None
    top5: float | None
    num_videos: int


def scene_accuracy(predictions: Predictions, annotations: Annotations) -> SceneAccuracy:
    """Compare predicted scenes with annotated ones, videos and scenes matched by name.

    Every annotated video with a scene counts; one without predicted scenes counts as wrong. Of equal scores the scene
    that comes first in the predictions' vocabulary ranks first.

    Parameters
    ----------
    predictions
        With a score per video and scene, NaN where a video has none.
    annotations
        The videos to evaluate on.

    Returns
    -------
    SceneAccuracy
        None for both shares if no scene is annotated or none is predicted.

    Examples
    --------
    >>> from tsmfeat.values.segments import Segments
    >>> from tsmfeat.values.vocabulary import Vocabulary
    >>> actions, scenes = Vocabulary(()), Vocabulary(("park", "shop"))
    >>> truth = Annotations(("a", "b"), actions, Segments.empty(), [9.0, 9.0], ("", ""), [0, 1], scenes)
    >>> found = Predictions(("a", "b"), actions, Segments.empty(), scenes, np.array([[0.9, 0.1], [0.6, 0.4]]))
    >>> scene_accuracy(found, truth)
    SceneAccuracy(top1=0.5, top5=1.0, num_videos=2)
    """
    truth = {
        video_id: annotations.scene_vocabulary.names[scene]
        for video_id, scene in zip(annotations.video_ids, annotations.scene.tolist(), strict=True)
        if scene != NO_SCENE
    }
    ranked = _ranked_scenes(predictions)
    if not truth or not ranked:
        return SceneAccuracy(None, None, 0)
    places = [
        ranked[video_id].index(scene) if scene in ranked.get(video_id, ()) else np.inf
        for video_id, scene in truth.items()
    ]
    shares = [float(np.mean(np.less(places, limit))) for limit in (1, 5)]
    return SceneAccuracy(shares[0], shares[1], len(truth))


def _ranked_scenes(predictions: Predictions) -> dict[str, list[str]]:
    names = predictions.scene_vocabulary.names
    scores = predictions.scenes()
    order = np.argsort(-scores, axis=1, kind="stable").tolist()
    counts = np.isfinite(scores).sum(axis=1).tolist()  # NaN ranks last: it stands for no score
    return {
        video_id: [names[scene] for scene in row[:count]]
        for video_id, row, count in zip(predictions.video_ids, order, counts, strict=True)
        if count
    }
