"""Real per-frame class scores of published models, read as interval scores."""

from typing import NamedTuple

import numpy as np

from tsmfeat.values.predictions import IntervalScores
from tsmfeat.values.vocabulary import Vocabulary


class Stream(NamedTuple):
    """Scores of one model, and the true label of every interval in the numbering of the scores' columns."""

    scores: IntervalScores
    truth: np.ndarray


def read_stream(path):
    """Read a stream; its background, label 0, becomes the last class as everywhere in this project."""
    with np.load(path) as arrays:
        scores, offset = arrays["scores"], arrays["offsets"]
        truth, predicted = arrays["truth"], arrays["predicted"]
    num_actions = scores.shape[1] - 1
    names = Vocabulary(tuple(f"action {label}" for label in range(1, num_actions + 1)))
    ids = tuple(f"video {index}" for index in range(len(offset) - 1))
    lengths = np.diff(offset).astype(np.float64)
    moved = np.ascontiguousarray(np.roll(scores, -1, axis=1))
    if not np.array_equal(moved.argmax(1), move_background(predicted, num_actions)):
        raise ValueError(f"{path}: moving the background changes an argmax")
    return Stream(IntervalScores(ids, names, offset, moved, 1.0, lengths), move_background(truth, num_actions))


def move_background(labels, num_actions):
    """Renumber labels whose background is 0."""
    return np.where(labels == 0, num_actions, labels - 1)
