"""Small predictions and interval scores in the form tests write and read them."""

import numpy as np

from tsmfeat.values.predictions import IntervalScores, Predictions
from tsmfeat.values.segments import Segments
from tsmfeat.values.vocabulary import Vocabulary


def make_predictions(videos, names=None, scenes=None, num_dropped=0):
    """Predictions of {video: [(label, start, end, score)]}; scenes: {video: {scene: score}}."""
    rows = [(v, *row) for v, segments in enumerate(videos.values()) for row in segments]
    actions = Vocabulary(tuple(names or dict.fromkeys(row[1] for row in rows)))
    columns = list(zip(*rows, strict=True)) or [(), (), (), (), ()]
    segments = Segments(np.array(columns[0]), actions.ids_of(columns[1]), *columns[2:])
    scene_names = Vocabulary(tuple(dict.fromkeys(name for said in (scenes or {}).values() for name in said)))
    scene_scores = np.full((len(videos), len(scene_names)), np.nan)
    for v, video in enumerate(videos):
        for name, score in (scenes or {}).get(video, {}).items():
            scene_scores[v, scene_names.id_of(name)] = score
    return Predictions(tuple(videos), actions, segments, scene_names, scene_scores, num_dropped)


def list_segments(predictions):
    """{video: [(label, start, end, score)]} of predictions, in their order."""
    listed = {video: [] for video in predictions.video_ids}
    segments = predictions.segments
    for video, label, start, end, score in zip(
        segments.video, segments.label, segments.start, segments.end, segments.score, strict=True
    ):
        row = (predictions.vocabulary.names[label], float(start), float(end), float(score))
        listed[predictions.video_ids[video]].append(row)
    return listed


def make_scores(videos, step=0.5, durations=None, dtype=np.float64):
    """Interval scores of a list of videos, each a list of rows; the last column is background."""
    num_classes = max((len(rows[0]) for rows in videos if rows), default=2) - 1
    rows = np.array([row for rows in videos for row in rows], dtype).reshape(-1, num_classes + 1)
    return IntervalScores(
        tuple(f"video{v}" for v in range(len(videos))),
        Vocabulary(tuple(f"action{c}" for c in range(num_classes))),
        np.cumsum([0, *(len(rows) for rows in videos)]),
        rows,
        step,
        np.array(durations if durations is not None else [len(rows) * step for rows in videos], np.float64),
    )
