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
    classes
        Names of the S annotated scenes, in the order of the annotations' vocabulary.
    class_accuracy
        S shares: of the videos of each scene, those named rightly.
    num_class_videos
        Videos of each scene.
    """

    top1: float | None
    top5: float | None
    num_videos: int
    classes: tuple[str, ...] = ()
    class_accuracy: tuple[float, ...] = ()
    num_class_videos: tuple[int, ...] = ()

    @property
    def mean_class(self) -> float | None:
        """Mean of `class_accuracy`: each scene counts alike, however many videos it has; None where there is none.

        Examples
        --------
        >>> SceneAccuracy(0.75, 1.0, 4, ("park", "shop"), (1.0, 0.0), (3, 1)).mean_class
        0.5
        """
        return float(np.mean(self.class_accuracy)) if self.class_accuracy else None


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
        None for all shares if no scene is annotated or none is predicted.

    Notes
    -----
    Top-1, top-5 and mean class accuracy as ``mmaction/evaluation/functional/accuracy.py`` of open-mmlab/mmaction2 has
    them.

    Examples
    --------
    >>> from tsmfeat.values.segments import Segments
    >>> from tsmfeat.values.vocabulary import Vocabulary
    >>> actions, scenes = Vocabulary(()), Vocabulary(("park", "shop"))
    >>> truth = Annotations(("a", "b"), actions, Segments.empty(), [9.0, 9.0], ("", ""), [0, 1], scenes)
    >>> found = Predictions(("a", "b"), actions, Segments.empty(), scenes, np.array([[0.9, 0.1], [0.6, 0.4]]))
    >>> accuracy = scene_accuracy(found, truth)
    >>> accuracy.top1, accuracy.top5, accuracy.classes, accuracy.class_accuracy
    (0.5, 1.0, ('park', 'shop'), (1.0, 0.0))
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
    classes = [name for name in annotations.scene_vocabulary.names if name in set(truth.values())]
    right = [[place < 1 for place, own in zip(places, truth.values(), strict=True) if own == name] for name in classes]
    return SceneAccuracy(
        shares[0],
        shares[1],
        len(truth),
        tuple(classes),
        tuple(float(np.mean(hits)) for hits in right),
        tuple(map(len, right)),
    )


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
