"""Small inputs for the tests of heads."""

from collections.abc import Sequence

import numpy as np

from tsmfeat.heads.model import HeadParameters
from tsmfeat.heads.rows import TrainingRows
from tsmfeat.values.annotations import Annotations
from tsmfeat.values.features import FeatureSpec
from tsmfeat.values.segments import Segments
from tsmfeat.values.vocabulary import Vocabulary


def make_annotations(videos: dict[str, list[tuple[int, float, float]]], num_actions: int, **scenes: int) -> Annotations:
    """Build truth from ``{video_id: [(label, start, end), ...]}``; a scene is given by the video's id."""
    rows = [(v, *segment) for v, segments in enumerate(videos.values()) for segment in segments]
    columns = [list(column) for column in zip(*rows, strict=True)] if rows else [[], [], [], []]
    scene = [scenes.get(video_id, -1) for video_id in videos]
    return Annotations(
        tuple(videos),
        Vocabulary(tuple(f"action{label}" for label in range(num_actions))),
        Segments(*columns, np.ones(len(rows))),
        np.full(len(videos), np.nan),
        ("training",) * len(videos),
        scene,
        Vocabulary(tuple(f"scene{index}" for index in range(max(scene, default=-1) + 1))),
    )


def make_spec(embedding_size: int = 4) -> FeatureSpec:
    return FeatureSpec(
        "resnet18", "ab" * 32, 8, 0.5, 0.5, "square256", "pil", True, 8, "fp32", embedding_size, view="panoramic"
    )


def make_weights(num_actions: int = 2, num_scenes: int = 3, embedding_size: int = 4, seed: int = 0) -> HeadParameters:
    rng = np.random.default_rng(seed)
    action = rng.normal(size=(num_actions + 1, embedding_size)), rng.normal(size=num_actions + 1)
    scene = rng.normal(size=(num_scenes, embedding_size)), rng.normal(size=num_scenes)
    return HeadParameters(*action, *(scene if num_scenes else ()))


def make_rows(
    features: np.ndarray,
    action: Sequence[int] | np.ndarray,
    scene: Sequence[int] | np.ndarray | None = None,
    rows: np.ndarray | None = None,
    num_actions: int = 2,
    num_scenes: int = 0,
) -> TrainingRows:
    count = len(features)
    return TrainingRows(
        features,
        np.arange(count) if rows is None else rows,
        np.asarray(action, np.int32),
        np.full(count, -1, np.int32) if scene is None else np.asarray(scene, np.int32),
        num_actions,
        num_scenes,
    )


def make_blobs(
    num_rows: int = 240, size: int = 12, seed: int = 0, noise: float = 0.5
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return float16 features, action targets in 0..2 (2 is background) and scenes in 0..1: all linearly separable."""
    rng = np.random.default_rng(seed)
    action, scene = rng.integers(0, 3, num_rows), rng.integers(0, 2, num_rows)
    features = rng.normal(0.0, noise, (num_rows, size))
    features[np.arange(num_rows), action] += 4.0
    features[np.arange(num_rows), 3 + scene] += 4.0
    return (features + 7.0).astype(np.float16), action, scene


class Recorder:
    """A `Progress` that remembers."""

    def __init__(self) -> None:
        self.calls: list[tuple[object, ...]] = []

    def begin(self, task: str, total: float, unit: str) -> None:
        self.calls.append(("begin", task, total, unit))

    def advance(self, amount: float = 1.0, detail: str = "") -> None:
        self.calls.append(("advance", amount, detail))

    def show(self, lines: Sequence[str]) -> None:
        self.calls.append(("show", tuple(lines)))

    def end(self) -> None:
        self.calls.append(("end",))

    def note(self, message: str) -> None:
        self.calls.append(("note", message))

    def warn(self, message: str) -> None:
        self.calls.append(("warn", message))

    def of(self, kind: str) -> list[tuple[object, ...]]:
        return [call for call in self.calls if call[0] == kind]
