"""Values and files of every format for the tests of reading and writing."""

import gzip
import json
import math

import numpy as np
from hypothesis import strategies as st

from tsmfeat.values.annotations import Annotations
from tsmfeat.values.predictions import Predictions
from tsmfeat.values.segments import Segments
from tsmfeat.values.vocabulary import Vocabulary

NO_NAMES = Vocabulary(())


def columns(segments):
    names = ("video", "label", "start", "end", "score")
    return list(zip(*(getattr(segments, name).tolist() for name in names), strict=True))


def told(value):
    """What segments say in names: independent of how videos and labels are numbered."""
    return [
        (value.video_ids[video], value.vocabulary.names[label], start, end, score)
        for video, label, start, end, score in columns(value.segments)
    ]


def make_predictions(rows, video_ids=None, scenes=None):
    """From (video, label, start, end, score) rows to predictions."""
    videos = list(dict.fromkeys([*(video_ids or ()), *(row[0] for row in rows)]))
    labels = list(dict.fromkeys(row[1] for row in rows))
    segments = Segments(
        [videos.index(row[0]) for row in rows],
        [labels.index(row[1]) for row in rows],
        [row[2] for row in rows],
        [row[3] for row in rows],
        [row[4] for row in rows],
    )
    names = Vocabulary(tuple(dict.fromkeys(scenes.values()))) if scenes else NO_NAMES
    scores = np.full((len(videos), len(names)), math.nan)
    for video, scene in (scenes or {}).items():
        scores[videos.index(video), names.id_of(scene)] = 1.0
    return Predictions(tuple(videos), Vocabulary(tuple(labels)), segments, names, scores)


def make_annotations(rows, facts=None):
    """From (video, label, start, end) rows and {video: (subset, duration, scene)} to annotations."""
    facts = dict(facts or {})
    for row in rows:
        facts.setdefault(row[0], ("", math.nan, ""))
    guess = make_predictions([(*row, 1.0) for row in rows], facts)
    scenes = Vocabulary(tuple(dict.fromkeys(scene for _, _, scene in facts.values() if scene)))
    return Annotations(
        tuple(facts),
        guess.vocabulary,
        guess.segments,
        np.array([duration for _, duration, _ in facts.values()], np.float64),
        tuple(subset for subset, _, _ in facts.values()),
        scenes.ids_of((scene for _, _, scene in facts.values()), unknown=-1),
        scenes,
    )


def facts_of(truth):
    scenes = [*truth.scene_vocabulary.names, ""]
    durations = [None if math.isnan(value) else value for value in truth.duration_seconds.tolist()]
    return dict(
        zip(
            truth.video_ids,
            zip(truth.subset, durations, (scenes[scene] for scene in truth.scene.tolist()), strict=True),
            strict=True,
        )
    )


def put(path, content):
    """Write a value as JSON, a text, or bytes."""
    if not isinstance(content, bytes):
        content = (content if isinstance(content, str) else json.dumps(content)).encode()
    path.write_bytes(content)
    return path


def zipped(path, content):
    return put(path, gzip.compress(content.encode()))


NAME = st.text(st.characters(categories=("L", "N", "P", "S")), min_size=1, max_size=6)
WORD = st.text(st.characters(categories=("L", "N")), min_size=1, max_size=6)
TIME = st.floats(-1e4, 1e5, allow_subnormal=False)
SCORE = st.floats(allow_nan=False, allow_infinity=False)


@st.composite
def prediction_rows(draw, video=NAME, label=NAME, max_rows=8):
    """Rows grouped by nothing: any video, any order, ends after starts."""
    videos = draw(st.lists(video, min_size=1, max_size=4, unique=True))
    labels = draw(st.lists(label, min_size=1, max_size=4, unique=True))
    rows = []
    for _ in range(draw(st.integers(0, max_rows))):
        start, length = draw(TIME), draw(st.floats(0.01, 500))
        rows.append((draw(st.sampled_from(videos)), draw(st.sampled_from(labels)), start, start + length, draw(SCORE)))
    return videos, rows
