"""Made-up inputs of any size, equal for equal seeds."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from tsmfeat.store.packing import pack
from tsmfeat.store.reader import open_features
from tsmfeat.store.writer import PartWriter
from tsmfeat.values.annotations import Annotations
from tsmfeat.values.features import Decoder, FeatureSpec, VideoFeatures, VideoStatus
from tsmfeat.values.predictions import IntervalScores, Predictions
from tsmfeat.values.segments import Segments
from tsmfeat.values.vocabulary import Vocabulary

STEPS = (0.25, 0.5, 0.5, 1.0, 0.5)
_VIDEO_SECONDS = 300.0


def name_videos(count: int) -> tuple[str, ...]:
    """Return ids in ascending order."""
    return tuple(f"video_{index:06}" for index in range(count))


def name_actions(count: int) -> Vocabulary:
    """Return a vocabulary of a size."""
    return Vocabulary(tuple(f"action {index:03}" for index in range(count)))


def make_truth(num_videos: int, num_classes: int, per_video: int, seed: int) -> Annotations:
    """Return segments of 1 to 20 seconds anywhere in videos of five minutes."""
    rng = np.random.default_rng([seed, 1])
    count = num_videos * per_video
    start = rng.uniform(0.0, _VIDEO_SECONDS - 20, count)
    segments = Segments(
        np.repeat(np.arange(num_videos, dtype=np.int32), per_video),
        rng.integers(0, num_classes, count).astype(np.int32),
        start,
        start + rng.uniform(1.0, 20.0, count),
        np.ones(count),
    )
    no_scene = np.full(num_videos, -1)
    durations = np.full(num_videos, _VIDEO_SECONDS)
    subsets = ("validation",) * num_videos
    return Annotations(
        name_videos(num_videos), name_actions(num_classes), segments, durations, subsets, no_scene, Vocabulary(())
    )


def make_detections(truth: Annotations, count: int, seed: int) -> Predictions:
    """Return detections, half of them near a true segment, whose scores know a little of it; few scores are equal."""
    rng = np.random.default_rng([seed, 2])
    near = rng.integers(0, len(truth.segments), count)
    lost = rng.random(count) < 0.5
    start = truth.segments.start[near] + rng.normal(0.0, 1.0, count)
    end = truth.segments.end[near] + rng.normal(0.0, 1.0, count)
    start = np.where(lost, rng.uniform(0.0, _VIDEO_SECONDS - 20, count), start)
    end = np.where(lost, start + rng.uniform(1.0, 20.0, count), np.maximum(end, start + 0.1))
    score = rng.beta(1.0, 3.0, count) + 0.2 * ~lost
    segments = Segments(truth.segments.video[near], truth.segments.label[near], start, end, score)
    return Predictions(truth.video_ids, truth.vocabulary, segments)


def make_models(num_videos: int, num_classes: int, per_video: int, seed: int) -> list[Predictions]:
    """Return the segments of five models on their grids: shared truth, bounds a step off now and then, and errors."""
    rng = np.random.default_rng([seed, 3])
    truth = make_truth(num_videos, num_classes, per_video, seed).segments
    return [_make_model(rng, truth, step, num_videos, num_classes) for step in STEPS]


def _make_model(
    rng: np.random.Generator, truth: Segments, step: float, num_videos: int, num_classes: int
) -> Predictions:
    count = len(truth)
    wrong = rng.random(count) < 0.15
    label = np.where(wrong, rng.integers(0, num_classes, count), truth.label)
    start = np.rint(truth.start / step) + rng.integers(-1, 2, count)
    end = np.maximum(np.rint(truth.end / step) + rng.integers(-1, 2, count), start + 1)
    bounds = np.asarray([start, end], np.float64) * step
    segments = Segments(truth.video, label, bounds[0], bounds[1], rng.random(count))
    return Predictions(name_videos(num_videos), name_actions(num_classes), segments)


def make_interval_scores(num_intervals: int, num_columns: int, num_videos: int, seed: int) -> IntervalScores:
    """Return float32 probabilities that change their mind every second or third interval."""
    rng = np.random.default_rng([seed, 4])
    scores = rng.random((num_intervals, num_columns), np.float32)
    label = make_labels(num_intervals, num_columns, seed)
    scores[np.arange(num_intervals), label] += 0.5
    offset = np.linspace(0, num_intervals, num_videos + 1).astype(np.int64)
    return IntervalScores(
        name_videos(num_videos), name_actions(num_columns - 1), offset, scores, 0.5, np.diff(offset) * 0.5
    )


def make_labels(num_intervals: int, num_columns: int, seed: int) -> npt.NDArray[np.int32]:
    """Return labels of which three in five differ from the one before: harsher than what people do."""
    rng = np.random.default_rng([seed, 5])
    fresh = rng.random(num_intervals) < 0.63
    labels = rng.integers(0, num_columns, num_intervals)
    last = np.maximum.accumulate(np.where(fresh, np.arange(num_intervals), 0))
    return labels[last].astype(np.int32)


def make_features(num_videos: int, num_intervals: int, embedding_size: int, seed: int) -> list[VideoFeatures]:
    """Return noise as features of complete videos."""
    rng = np.random.default_rng([seed, 6])
    return [
        VideoFeatures(
            video_id=video_id,
            embeddings=rng.standard_normal((num_intervals, embedding_size), np.float32).astype(np.float16),
            duration_seconds=num_intervals * 0.5,
            distinct_frames=np.full(num_intervals, 8, np.uint8),
            start_seconds=0.0,
            num_frames_decoded=num_intervals * 15,
            num_bad_packets=0,
            num_repeated_frames=0,
            status=VideoStatus.COMPLETE,
            decoder=Decoder.PYAV,
            source_size=1,
        )
        for video_id in name_videos(num_videos)
    ]


def write_store(path: Path, videos: list[VideoFeatures]) -> Path:
    """Write features as one packed store file and return its path."""
    size = videos[0].embeddings.shape[1]
    spec = FeatureSpec("resnet50", "0" * 64, 8, 0.5, 0.5, "square256", "pil", True, 8, "fp32", size)
    parts = path.with_suffix(".parts")
    with PartWriter(parts, spec) as writer:
        for video in videos:
            writer.append(video)
    with open_features(parts) as store:
        pack(store, path)
    return path
