"""Made-up videos whose interval scores know the truth through a given amount of noise."""

from itertools import pairwise

import numpy as np

from tsmfeat.formats.activitynet import write_annotations
from tsmfeat.formats.interval_scores import write_interval_scores
from tsmfeat.values.annotations import Annotations
from tsmfeat.values.predictions import IntervalScores
from tsmfeat.values.segments import Segments
from tsmfeat.values.vocabulary import Vocabulary

ACTIONS = Vocabulary(("run", "eat", "read"))
STEP = 0.5


def make_labels(rng, num_intervals, longest=12):
    """Labels in pieces; the background is the last label."""
    labels = []
    while len(labels) < num_intervals:
        labels += [int(rng.integers(0, len(ACTIONS) + 1))] * int(rng.integers(4, longest))
    return np.array(labels[:num_intervals])


def make_task(num_videos=9, num_intervals=40, seed=0):
    """Labels of every interval, video by video."""
    rng = np.random.default_rng(seed)
    return [make_labels(rng, num_intervals) for _ in range(num_videos)]


def annotate(labels):
    return annotate_pieces(labels, name_videos(labels), ACTIONS, STEP)


def annotate_pieces(labels, video_ids, actions, step):
    """Every run of a label but the background's, which is the last, becomes a segment."""
    rows = []
    for video, own in enumerate(labels):
        bounds = [0, *(np.flatnonzero(np.diff(own)) + 1).tolist(), len(own)]
        rows += [(video, own[a], a * step, b * step, 1.0) for a, b in pairwise(bounds) if own[a] < len(actions)]
    durations, count = np.array([len(own) * step for own in labels]), len(labels)
    segments = Segments(*(np.array(column) for column in zip(*rows, strict=True)))
    no_scene = np.full(count, -1)
    return Annotations(video_ids, actions, segments, durations, ("testing",) * count, no_scene, Vocabulary(()))


def name_videos(labels):
    return tuple(f"video {index:02}" for index in range(len(labels)))


def score_intervals(labels, noise, seed=0, spikes=0.0):
    """Probabilities: the truth behind normal noise; a share of the intervals (spikes) says a label drawn at random."""
    rng = np.random.default_rng([seed, 1])
    flat = np.concatenate(labels)
    said = np.where(rng.random(len(flat)) < spikes, rng.integers(0, len(ACTIONS) + 1, len(flat)), flat)
    logits = 2.0 * np.eye(len(ACTIONS) + 1)[said] + rng.normal(0.0, noise, (len(flat), len(ACTIONS) + 1))
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    offset = np.cumsum([0, *(len(own) for own in labels)])
    durations = np.diff(offset) * STEP
    return IntervalScores(name_videos(labels), ACTIONS, offset, shares, STEP, durations)


def write_task(folder, labels, *models):
    """Write the annotations and a file a model; return their paths."""
    write_annotations(annotate(labels), folder / "gt.json")
    paths = [folder / f"model{number}.safetensors" for number in range(len(models))]
    for path, scores in zip(paths, models, strict=True):
        write_interval_scores(scores, path)
    return folder / "gt.json", paths
