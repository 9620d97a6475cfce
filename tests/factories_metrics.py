"""Small annotations and predictions from rows of names and seconds."""

import numpy as np

from tsmfeat.values.annotations import Annotations
from tsmfeat.values.predictions import Predictions
from tsmfeat.values.segments import Segments
from tsmfeat.values.vocabulary import Vocabulary


def _segments(rows, videos, labels, scores):
    return Segments(
        [videos.index(row[0]) for row in rows],
        [labels.index(row[1]) for row in rows],
        [row[2] for row in rows],
        [row[3] for row in rows],
        scores,
    )


def annotations_of(rows, videos=None, labels=None, ambiguous=()):
    """rows: (video, label, start, end); ambiguous: (video, start, end)."""
    videos = list(dict.fromkeys(row[0] for row in rows)) if videos is None else videos
    labels = list(dict.fromkeys(row[1] for row in rows)) if labels is None else labels
    count = len(videos)
    return Annotations(
        tuple(videos),
        Vocabulary(tuple(labels)),
        _segments(rows, videos, labels, np.ones(len(rows))),
        np.full(count, np.nan),
        ("",) * count,
        np.full(count, -1),
        Vocabulary(()),
        0,
        len(ambiguous),
        Segments(
            [videos.index(row[0]) for row in ambiguous],
            [0] * len(ambiguous),
            [row[1] for row in ambiguous],
            [row[2] for row in ambiguous],
            np.ones(len(ambiguous)),
        ),
    )


def predictions_of(rows, videos=None, labels=None):
    """rows: (video, label, start, end, score)."""
    videos = list(dict.fromkeys(row[0] for row in rows)) if videos is None else videos
    labels = list(dict.fromkeys(row[1] for row in rows)) if labels is None else labels
    return Predictions(
        tuple(videos), Vocabulary(tuple(labels)), _segments(rows, videos, labels, [row[4] for row in rows])
    )
