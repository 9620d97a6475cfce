"""What the study of losses fits on: rendered videos of the demo, and real sound events that overlap."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from localization_streams import SOUND_ROWS, SOUND_STEP, read_sound_events

from tsmfeat.formats.reading import read_annotations
from tsmfeat.store.reader import open_features
from tsmfeat.values.annotations import Annotations
from tsmfeat.values.segments import Segments
from tsmfeat.workflows.inference import GatheredFeatures, gather_features

# Of the sound events: rows of the published grid that become one interval, and how many intervals a row sees.
SOUND_POOL, SOUND_CONTEXT = 4, 9


@dataclass(frozen=True, eq=False)
class Task:
    """Features of three subsets, with the truth of all videos.

    Parameters
    ----------
    training, validation, testing
        Features.
    truth
        Of all videos.
    num_frames
        Of a clip: dropout per frame depends on it.
    epochs, batch_size
        How long heads are fitted.
    """

    training: GatheredFeatures
    validation: GatheredFeatures
    testing: GatheredFeatures
    truth: Annotations
    num_frames: int
    epochs: int
    batch_size: int


def read_demo(store: Path, annotations: Path, epochs: int) -> Task:
    """Read features of rendered videos, split as their annotations say."""
    truth = read_annotations(annotations)
    with open_features(store) as opened:
        known = set(opened.video_ids)
        subsets = [
            gather_features(opened, [name for name in truth.select_subset(subset).video_ids if name in known])
            for subset in ("training", "validation", "testing")
        ]
        return Task(subsets[0], subsets[1], subsets[2], truth, opened.spec.num_frames, epochs, 256)


def read_sounds(folder: Path) -> Task:
    """Read real detections at nine thresholds as features: what heads make of another program's output.

    An interval's numbers are the mean scores of each class over its rows, and those of its neighbours; three fifths of
    the clips train, a fifth selects, a fifth tests.
    """
    stream = read_sound_events(folder)
    count, rows = len(stream.truth.video_ids), SOUND_ROWS // SOUND_POOL
    pooled = stream.scores.scores[:, :-1].reshape(count, rows, SOUND_POOL, -1).mean(axis=2)
    padded = np.pad(pooled, ((0, 0), (SOUND_CONTEXT // 2, SOUND_CONTEXT // 2), (0, 0)))
    seen = np.concatenate([padded[:, shift : shift + rows] for shift in range(SOUND_CONTEXT)], axis=2)
    fifth = np.arange(count) % 5
    training, validation, testing = (
        _gather(stream.truth.video_ids, seen, np.flatnonzero(chosen)) for chosen in (fifth < 3, fifth == 3, fifth == 4)
    )
    return Task(training, validation, testing, stream.truth, 1, 20, 512)


def _gather(names: tuple[str, ...], seen: npt.NDArray[np.float64], keep: npt.NDArray[np.int64]) -> GatheredFeatures:
    rows = seen.shape[1]
    step = SOUND_STEP * SOUND_POOL
    return GatheredFeatures(
        tuple(names[index] for index in keep.tolist()),
        seen[keep].reshape(len(keep) * rows, -1).astype(np.float16),
        np.arange(len(keep) + 1) * rows,
        step,
        np.full(len(keep), rows * step),
    )


def are_simultaneous(segments: Segments) -> npt.NDArray[np.bool_]:
    """Return which segments share half of their time, or more, with segments of other actions of their video."""
    found = np.zeros(len(segments), np.bool_)
    for index in range(len(segments)):
        others = (segments.video == segments.video[index]) & (segments.label != segments.label[index])
        start = np.maximum(segments.start[others], segments.start[index])
        end = np.minimum(segments.end[others], segments.end[index])
        length = segments.end[index] - segments.start[index]
        found[index] = np.maximum(end - start, 0).sum() >= length / 2
    return found


def share_found(found: Segments, truth: Segments, tiou: float = 0.5) -> float:
    """Return the share of true segments with a predicted one of their video and action at a tIoU; NaN without any."""
    hits = 0
    for index in range(len(truth)):
        same = (found.video == truth.video[index]) & (found.label == truth.label[index])
        both = np.minimum(found.end[same], truth.end[index]) - np.maximum(found.start[same], truth.start[index])
        either = np.maximum(found.end[same], truth.end[index]) - np.minimum(found.start[same], truth.start[index])
        hits += bool((both >= tiou * either).any())
    return hits / len(truth) if len(truth) else float("nan")
