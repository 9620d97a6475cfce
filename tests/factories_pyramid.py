"""Small inputs for the tests of pyramids."""

import numpy as np

from tsmfeat.heads.model import HeadParameters
from tsmfeat.heads.options import HeadOptions
from tsmfeat.heads.pyramid import initial_pyramid
from tsmfeat.heads.pyramid_targets import SegmentRows
from tsmfeat.heads.pyramid_videos import TrainingVideos


def make_body(hidden_size=6, embedding_size=4, num_levels=3, seed=0, num_actions=2):
    """Return a body of which no array has its initial value."""
    rng = np.random.default_rng(seed)
    options = HeadOptions("pyramid", hidden_size=hidden_size, num_levels=num_levels)

    def draw(shape):
        return rng.normal(size=shape).astype(np.float32)

    body = initial_pyramid(options, embedding_size, num_actions, draw)
    moved = {name: values + rng.normal(0, 0.2, values.shape).astype(np.float32) for name, values in body.items()}
    # Output biases as they are would swamp what the towers say.
    sizes = {"bounds_weight": (2, hidden_size), "class_weight": (num_actions, hidden_size), "class_bias": num_actions}
    drawn = {name: rng.normal(size=size).astype(np.float32) for name, size in sizes.items()}
    return moved | drawn | {"nms_sigma": np.float32([0.4])}


def make_pyramid(num_actions=2, num_scenes=0, hidden_size=6, embedding_size=4, num_levels=3, seed=0):
    rng = np.random.default_rng(seed + 1)
    action = rng.normal(size=(num_actions + 1, hidden_size)), rng.normal(-1, 1, size=num_actions + 1)
    scene = rng.normal(size=(num_scenes, hidden_size)), rng.normal(size=num_scenes)
    body = make_body(hidden_size, embedding_size, num_levels, seed, num_actions)
    return HeadParameters(*action, *(scene if num_scenes else (None, None)), kind="pyramid", body=body)


def make_embeddings(lengths, embedding_size=4, seed=2):
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(sum(lengths), embedding_size)).astype(np.float32)
    return rows, np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


def as_segment_rows(segments):
    """Build segments from (video, label, start, end)."""
    columns = list(zip(*segments, strict=True)) if segments else [(), (), (), ()]
    video, label = (np.array(column, np.int64) for column in columns[:2])
    return SegmentRows(video, label, *(np.array(column, np.float64) for column in columns[2:]))


def make_shares(num_videos=10, num_intervals=50, num_actions=3, seed=0, noise=0.03, scenes=0):
    """Return videos whose embeddings tell, with noise, which share of an interval each action takes.

    Bounds lie anywhere: the grid's nearest bound is off by a quarter of an interval on average, but the shares tell
    where within an interval a bound lies.
    """
    rng = np.random.default_rng(seed)
    rows, features, taken = [], [], []
    for video in range(num_videos):
        at, shares = rng.uniform(0.5, 3.0), np.zeros((num_intervals, num_actions + 1 + scenes))
        while (end := at + rng.uniform(2.5, 12.0)) < num_intervals - 0.5:
            label, edges = int(rng.integers(num_actions)), np.arange(num_intervals + 1)
            rows.append((video, label, at, end))
            shares[:, label] += np.clip(np.minimum(edges[1:], end) - np.maximum(edges[:-1], at), 0, None)
            at = end + rng.uniform(0.7, 4.0)
        shares[:, num_actions] = 1 - shares[:, :num_actions].sum(axis=1)
        if scenes:
            shares[:, num_actions + 1 + video % scenes] = 1.0
        taken.append(shares)
        features.append(shares + rng.normal(0, noise, shares.shape))
    scene = np.arange(num_videos) % scenes if scenes else np.full(num_videos, -1)
    table = np.concatenate(features).astype(np.float16)
    offset = np.arange(num_videos + 1) * num_intervals
    # Disjoint segments: the action that takes half of an interval or more is its label.
    drawn = np.concatenate([shares[:, :num_actions] for shares in taken])
    label = np.where(drawn.max(axis=1) >= 0.5, drawn.argmax(axis=1), num_actions)
    return TrainingVideos(table, offset, as_segment_rows(rows), label, scene, num_actions, scenes)
