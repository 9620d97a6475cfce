"""Builders of feature specs, features and stores for tests."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tsmfeat.store.writer import PartWriter
from tsmfeat.values.features import Decoder, FeatureSpec, VideoFeatures, VideoStatus

CREATED = "2026-01-31T12:00:00+00:00"


def make_spec(embedding_size: int = 8, **changes: Any) -> FeatureSpec:
    """Return a spec with a small embedding."""
    spec = FeatureSpec("resnet18", "0" * 64, 8, 0.5, 0.5, "square256", "pil", True, 8, "fp32", embedding_size)
    return replace(spec, **changes)


def make_features(
    rng: np.random.Generator,
    video_id: str = "a",
    num_intervals: int = 5,
    embedding_size: int = 8,
    status: VideoStatus = VideoStatus.COMPLETE,
    decoder: Decoder = Decoder.PYAV,
) -> VideoFeatures:
    """Return random features; every field has a value of its own."""
    return VideoFeatures(
        video_id=video_id,
        embeddings=rng.standard_normal((num_intervals, embedding_size)).astype(np.float16),
        duration_seconds=0.5 * num_intervals + 0.25,
        distinct_frames=rng.integers(1, 9, num_intervals).astype(np.uint8),
        start_seconds=float(rng.integers(0, 4)) / 4,
        num_frames_decoded=int(rng.integers(0, 1000)),
        num_bad_packets=int(rng.integers(0, 10)),
        num_repeated_frames=int(rng.integers(0, 10)),
        status=status,
        decoder=decoder,
        source_size=int(rng.integers(0, 2**40)),
    )


def make_videos(num_videos: int, seed: int = 0, embedding_size: int = 8) -> list[VideoFeatures]:
    """Return videos of 0 to 6 intervals whose ids are in order."""
    rng = np.random.default_rng(seed)
    return [make_features(rng, f"video {i:03}", i * 5 % 7, embedding_size) for i in range(num_videos)]


def write_parts(
    folder: Path, videos: Sequence[VideoFeatures], videos_per_part: int = 5, spec: FeatureSpec | None = None
) -> list[Path]:
    """Publish videos as parts of a few videos each, and return the parts."""
    paths = []
    with PartWriter(folder, spec or make_spec(), worker="test") as writer:
        for video in videos:
            writer.append(video)
            if len(writer.buffered) == videos_per_part:
                paths.append(writer.publish(CREATED))
        paths.append(writer.publish(CREATED))
    return [path for path in paths if path is not None]


def same_features(one: VideoFeatures, other: VideoFeatures) -> bool:
    """Return whether every field is equal, bit for bit."""
    arrays = ("embeddings", "distinct_frames")
    values = [name for name in vars(one) if name not in arrays]
    return all(getattr(one, n) == getattr(other, n) for n in values) and all(
        getattr(one, n).tobytes() == getattr(other, n).tobytes() and getattr(one, n).shape == getattr(other, n).shape
        for n in arrays
    )
