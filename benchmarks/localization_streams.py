"""Interval scores with truth and folds for the study of localisation: frames, sound events, rendered videos."""

import csv
import gzip
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tsmfeat.formats.reading import read_annotations
from tsmfeat.heads.targets import interval_targets
from tsmfeat.localization.localizing import localize
from tsmfeat.store.reader import open_features
from tsmfeat.values.annotations import Annotations
from tsmfeat.values.predictions import IntervalScores
from tsmfeat.values.progress import Silence
from tsmfeat.values.segments import Segments
from tsmfeat.values.vocabulary import Vocabulary
from tsmfeat.workflows.ensembles import load_checkpoints, score_stored_videos

Indexes = npt.NDArray[np.int64]

NUM_FOLDS = 5
# Row of the sound events' baseline: 4 hops of 511 samples at 44.1 kHz; 216 of them are its clip.
SOUND_STEP, SOUND_ROWS = 4 * 511 / 44_100, 216


@dataclass(frozen=True)
class Stream:
    """Scores of one model.

    Parameters
    ----------
    name, group
        Of the model, and of the data set.
    scores, truth
        Of the same videos in the same order.
    labels
        int32 (N,): the true label of each row, background last; None where several may hold.
    fold
        int64 (V,).
    """

    name: str
    group: str
    scores: IntervalScores
    truth: Annotations
    labels: npt.NDArray[np.int32] | None
    fold: Indexes

    @property
    def has_margins(self) -> bool:
        """Whether scores are no probabilities."""
        return bool(self.scores.scores.min() < 0)


def read_segmentation(folder: Path) -> list[Stream]:
    """Read ``<set>.<model>.npz``; background moves from column 0 to the last, a row is a second."""
    streams = []
    for path in sorted(folder.glob("*.npz")):
        with np.load(path) as found:
            rows, true_rows, offset = np.roll(found["scores"], -1, axis=1), found["truth"], found["offsets"]
            fold = np.unique(found["split"], return_inverse=True)[1]
        if len(np.unique(fold)) == 1:  # no split is told
            fold = np.arange(len(fold)) % NUM_FOLDS
        background = rows.shape[1] - 1
        labels = ((true_rows - 1) % (background + 1)).astype(np.int32)
        group, _, model = path.stem.partition(".")
        scores = _as_scores(rows, offset)
        perfect = _as_scores(np.eye(background + 1, dtype=np.float32)[labels], offset)
        truth = _as_truth(scores, localize(perfect).segments)
        streams.append(Stream(model.split("video_")[-1].split("_")[0], group, scores, truth, labels, fold))
    return streams


def _as_scores(rows: npt.NDArray[np.float32], offset: Indexes) -> IntervalScores:
    names = tuple(f"video {index:02}" for index in range(len(offset) - 1))
    actions = Vocabulary(tuple(f"action {index:02}" for index in range(rows.shape[1] - 1)))
    return IntervalScores(names, actions, offset, rows, 1.0, np.diff(offset).astype(np.float64))


def _as_truth(scores: IntervalScores, segments: Segments) -> Annotations:
    count = len(scores.video_ids)
    nothing = np.full(count, -1)
    seconds = scores.duration_seconds
    return Annotations(scores.video_ids, scores.vocabulary, segments, seconds, ("",) * count, nothing, Vocabulary(()))


def read_sound_events(folder: Path) -> Stream:
    """Read detections at nine thresholds as scores: of each row and class the highest threshold that detects it."""
    truth = _read_events(folder)
    place = {name: index for index, name in enumerate(truth.video_ids)}
    rows = np.zeros((len(place), SOUND_ROWS, len(truth.vocabulary) + 1))
    with gzip.open(folder / "predictions.csv.gz", "rt") as lines:
        for row in csv.DictReader(lines):
            first, last = (round(float(row[bound]) / SOUND_STEP) for bound in ("onset", "offset"))
            here = rows[place[row["filename"]], first:last, truth.vocabulary.id_of(row["event_label"])]
            np.maximum(here, float(row["threshold"]), out=here)
    rows[:, :, -1] = 1 - rows[:, :, :-1].max(axis=2)
    offset = np.arange(len(place) + 1) * SOUND_ROWS
    flat = rows.reshape(-1, rows.shape[2])
    scores = IntervalScores(
        truth.video_ids, truth.vocabulary, offset, flat, SOUND_STEP, np.full(len(place), SOUND_ROWS * SOUND_STEP)
    )
    return Stream("baseline", "sound_events", scores, truth, None, np.arange(len(place)) % NUM_FOLDS)


def _read_events(folder: Path) -> Annotations:
    with (folder / "truth.csv").open() as lines:
        rows = list(csv.DictReader(lines))
    names = tuple(dict.fromkeys(row["filename"] for row in rows))
    events = [row for row in rows if row["event_label"]]
    actions = Vocabulary(tuple(sorted({row["event_label"] for row in events})))
    segments = Segments(
        np.array([names.index(row["filename"]) for row in events], np.int32),
        actions.ids_of(row["event_label"] for row in events),
        np.array([float(row["onset"]) for row in events]),
        np.array([float(row["offset"]) for row in events]),
        np.ones(len(events)),
    )
    count = len(names)
    return Annotations(
        names, actions, segments, np.full(count, 10.0), ("",) * count, np.full(count, -1), Vocabulary(())
    )


def read_rendered(folder: Path) -> list[Stream]:
    """Read what ``tsmfeat demo`` left: heads with shift and without, on the videos that they were not trained on."""
    every = read_annotations(folder / "annotations.json")
    held_out = [index for index, subset in enumerate(every.subset) if subset != "training"]
    truth = every.select_videos(held_out)
    streams = []
    for heads in sorted(folder.glob("*.safetensors")):
        checkpoint = load_checkpoints([str(heads)])[str(heads)]
        for store in sorted(folder.glob("*.h5")):
            with open_features(store) as opened:
                if opened.spec != checkpoint.spec:
                    continue
                scores = score_stored_videos(checkpoint, opened, truth.video_ids, Silence())
            if isinstance(scores, IntervalScores):
                streams.append(_as_stream(heads.stem, scores, truth))
    return streams


def _as_stream(name: str, scores: IntervalScores, truth: Annotations) -> Stream:
    kept = [truth.video_ids.index(video_id) for video_id in scores.video_ids]
    here = truth.select_videos(kept)
    labels = interval_targets(here, here.video_ids, scores.row_offset, scores.step_seconds, 0.5)
    translate = np.array([*scores.vocabulary.ids_of(here.vocabulary.names), scores.vocabulary.background], np.int32)
    folds = np.arange(len(kept)) % NUM_FOLDS
    return Stream(name, "rendered", scores, here, translate[labels], folds)


def select(stream: Stream, keep: list[int]) -> tuple[Annotations, Indexes]:
    """Return the truth of some videos, and their rows."""
    offset = stream.scores.row_offset
    rows = [np.arange(offset[index], offset[index + 1]) for index in keep]
    return stream.truth.select_videos(keep), np.concatenate(rows)


def describe(stream: Stream) -> dict[str, Any]:
    """Return the sizes of a stream."""
    return {
        "num_videos": len(stream.scores.video_ids),
        "num_rows": len(stream.scores.scores),
        "num_segments": len(stream.truth.segments),
        "num_folds": len(np.unique(stream.fold)),
        "scores": "margins" if stream.has_margins else "probabilities",
    }
