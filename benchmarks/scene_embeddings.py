"""Embeddings whose scenes tell exactly so many bits of their actions: the dial of the study of scenes."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tsmfeat.values.annotations import Annotations
from tsmfeat.values.segments import Segments
from tsmfeat.values.vocabulary import Vocabulary

Floats = npt.NDArray[np.float64]
Indexes = npt.NDArray[np.int64]

NUM_ACTIONS, NUM_SCENES, SIZE = 16, 4, 64
# Deviations of what an embedding is the sum of, one number of it at a time; an action's own part has deviation 1.
SCENE, VIDEO, INSTANCE, FRAME = 0.5, 0.5, 2.0, 1.0
# Actions of one video, intervals of an action and of the background before it: from, below.
NUM_TURNS, ACTION_LENGTH, GAP_LENGTH = (5, 9), (4, 11), (1, 5)


@dataclass(frozen=True, eq=False)
class Videos:
    """Embeddings with what is true of them.

    Parameters
    ----------
    embeddings
        float16 (N, D).
    row_offset
        int64 (V + 1,): video v owns rows ``row_offset[v]:row_offset[v + 1]``.
    step_seconds
        Of the grid.
    truth
        Of the V videos, in their order; every video has a scene.
    """

    embeddings: npt.NDArray[np.float16]
    row_offset: Indexes
    step_seconds: float
    truth: Annotations


def joint_distribution(num_actions: int, num_scenes: int, bits: float) -> Floats:
    """Return p(scene, action) with uniform margins and a mutual information of so many bits, float64 (S, A).

    Each scene has A / S actions of its own, and shares of all: the share is found by halving.

    Examples
    --------
    >>> joint_distribution(4, 2, 1.0).round(3).tolist()
    [[0.25, 0.25, 0.0, 0.0], [0.0, 0.0, 0.25, 0.25]]
    >>> table = joint_distribution(16, 4, 0.5)
    >>> round(mutual_information(table), 12), table.sum(axis=0).round(12).tolist() == [1 / 16] * 16
    (0.5, True)
    """
    own = np.kron(np.eye(num_scenes), np.ones(num_actions // num_scenes)) / num_actions
    usual = np.full_like(own, 1 / own.size)
    low, high = 0.0, 1.0
    if bits >= mutual_information(own):
        return own
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if mutual_information(_mix(own, usual, middle)) < bits else (low, middle)
    return _mix(own, usual, low)


def _mix(own: Floats, usual: Floats, share: float) -> Floats:
    return share * own + (1 - share) * usual


def mutual_information(joint: Floats) -> float:
    """Return I of a table of probabilities, in bits.

    Examples
    --------
    >>> mutual_information(np.eye(4) / 4), mutual_information(np.full((2, 2), 0.25))
    (2.0, 0.0)
    """
    alone = np.outer(joint.sum(axis=1), joint.sum(axis=0))
    some = joint > 0
    return float((joint[some] * np.log2(joint[some] / alone[some])).sum())


def make_videos(bits: float, num_videos: int, seed: int) -> Videos:
    """Return videos of scenes that tell `bits` of their actions.

    An embedding is the sum of what its action, its scene, its video, its instance and its frame look like. An instance
    looks alike from its begin to its end, so what is mistaken there is mistaken as a whole: that is where knowing the
    scene could help.

    Parameters
    ----------
    bits
        I(action; scene) of the distribution that actions are drawn from.
    num_videos
        V.
    seed
        Of everything.
    """
    rng = np.random.default_rng(seed)
    given = joint_distribution(NUM_ACTIONS, NUM_SCENES, bits) * NUM_SCENES
    looks = np.vstack([rng.normal(0, 1, (NUM_ACTIONS, SIZE)), np.zeros((1, SIZE))])
    places = rng.normal(0, SCENE, (NUM_SCENES, SIZE))
    scene = np.arange(num_videos) % NUM_SCENES
    rows, segments, offset = [], [], [0]
    for video in range(num_videos):
        labels, instances = _draw_video(rng, given[scene[video]])
        parts = rng.normal(0, INSTANCE, (instances.max() + 1, SIZE)), rng.normal(0, FRAME, (len(labels), SIZE))
        rows.append(looks[labels] + places[scene[video]] + rng.normal(0, VIDEO, SIZE) + parts[0][instances] + parts[1])
        segments += _list_segments(video, labels, instances)
        offset.append(offset[-1] + len(labels))
    video_of, label, start, end = (np.array(column) for column in zip(*segments, strict=True))
    truth = Annotations(
        tuple(f"video {index:03}" for index in range(num_videos)),
        Vocabulary(tuple(f"action {index:02}" for index in range(NUM_ACTIONS))),
        Segments(video_of, label, start, end, np.ones(len(segments))),
        np.diff(offset).astype(np.float64),
        ("",) * num_videos,
        scene.astype(np.int32),
        Vocabulary(tuple(f"scene {index}" for index in range(NUM_SCENES))),
    )
    return Videos(np.concatenate(rows).astype(np.float16), np.array(offset), 1.0, truth)


def _draw_video(rng: np.random.Generator, given: Floats) -> tuple[Indexes, Indexes]:
    """Return the label of each interval, background last, and which instance it belongs to; so does background."""
    labels: list[int] = []
    instances: list[int] = []
    for turn in range(int(rng.integers(*NUM_TURNS))):
        gap, length = int(rng.integers(*GAP_LENGTH)), int(rng.integers(*ACTION_LENGTH))
        labels += [NUM_ACTIONS] * gap + [int(rng.choice(NUM_ACTIONS, p=given))] * length
        instances += [2 * turn] * gap + [2 * turn + 1] * length
    return np.array(labels), np.array(instances)


def _list_segments(video: int, labels: Indexes, instances: Indexes) -> list[tuple[int, int, float, float]]:
    listed = []
    for instance in np.unique(instances[labels < NUM_ACTIONS]).tolist():
        rows = np.flatnonzero(instances == instance)
        listed.append((video, int(labels[rows[0]]), float(rows[0]), float(rows[-1] + 1)))
    return listed
