"""Annotations and predictions in numbers: videos, classes, lengths, scores, and how much of the time they cover."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tsmfeat.formats.reading import read_annotations, read_predictions
from tsmfeat.formats.recognition import recognize_format
from tsmfeat.priors.counts import count_actions
from tsmfeat.priors.information import scene_information
from tsmfeat.values.annotations import NO_SCENE, Annotations
from tsmfeat.values.predictions import Predictions
from tsmfeat.values.segments import Segments

Floats = npt.NDArray[np.float64]

# Predictions that all end before this share of their video look like another time scale.
EARLY_SHARE = 0.5


def describe_annotations(path: Path, wanted: str = "") -> dict[str, Any]:
    """Return what ``tsmfeat inspect --json`` prints about annotations.

    Parameters
    ----------
    path
        The file or folder, read with invalid segments dropped and counted.
    wanted
        Id of a video whose segments are listed too.

    Raises
    ------
    InputError
        It cannot be read.
    """
    truth = read_annotations(path)
    known = np.isfinite(truth.duration_seconds)
    return {
        "kind": "annotations",
        "path": str(path),
        "format": recognize_format(path).format_name,
        "num_videos": len(truth.video_ids),
        **_describe_segments(truth.segments, truth.vocabulary.names),
        "num_dropped": truth.num_dropped,
        "num_ambiguous": truth.num_ambiguous,
        "subsets": dict(Counter(truth.subset)),
        "scenes": _count_scenes(truth),
        "scene_information": None if (told := scene_information(count_actions(truth))) is None else told.to_dict(),
        "num_known_durations": int(known.sum()),
        "total_duration_seconds": float(truth.duration_seconds[known].sum()),
        "coverage": _coverage(truth.segments, truth.duration_seconds),
        "videos": _list_annotated(truth, wanted),
    }


def describe_predictions(path: Path, durations: Mapping[str, float], wanted: str = "") -> dict[str, Any]:
    """Return what ``tsmfeat inspect --json`` prints about predictions.

    Parameters
    ----------
    path
        The file, read with invalid segments dropped and counted.
    durations
        Seconds by video id, where they are known.
    wanted
        Id of a video whose segments are listed too.

    Raises
    ------
    InputError
        It cannot be read.
    """
    found = read_predictions(path)
    lengths = np.array([durations.get(video_id, np.nan) for video_id in found.video_ids], np.float64)
    last = _last_ends(found.segments, len(found.video_ids))
    score = found.segments.score
    return {
        "kind": "predictions",
        "path": str(path),
        "format": recognize_format(path).format_name,
        "num_videos": len(found.video_ids),
        **_describe_segments(found.segments, found.vocabulary.names),
        "num_dropped": found.num_dropped,
        "score_range": [float(score.min()), float(score.max())] if len(score) else None,
        "tied_share": tied_share(found.segments),
        "scenes": dict(Counter(name for name in _best_scenes(found) if name is not None)),
        "num_known_durations": int(np.isfinite(lengths).sum()),
        "coverage": _coverage(found.segments, lengths),
        "num_ending_early": int((last < EARLY_SHARE * lengths).sum()),
        "videos": _list_predicted(found, lengths, last, wanted),
    }


def _describe_segments(segments: Segments, names: Sequence[str]) -> dict[str, Any]:
    length = segments.end - segments.start
    counts = np.bincount(segments.label, minlength=len(names))
    seconds = np.bincount(segments.label, length, minlength=len(names))
    return {
        "num_segments": len(segments),
        "segment_seconds": _spread(length),
        "classes": [
            {"label": name, "num_segments": count, "seconds": total}
            for name, count, total in zip(names, counts.tolist(), seconds.tolist(), strict=True)
        ],
    }


def _spread(values: Floats) -> dict[str, float] | None:
    if not len(values):
        return None
    return {"min": float(values.min()), "median": float(np.median(values)), "max": float(values.max())}


def tied_share(segments: Segments) -> float:
    """Return the share of segments whose score equals another's of the same class: their order rests on the file's.

    Examples
    --------
    >>> tied_share(Segments([0, 0, 0, 0], [0, 0, 0, 1], [0, 1, 2, 3], [1, 2, 3, 4], [0.5, 0.5, 0.7, 0.7]))
    0.5
    """
    if not len(segments):
        return 0.0
    order = np.lexsort((segments.score, segments.label))
    equal = np.zeros(len(segments) + 1, np.bool_)
    equal[1:-1] = (np.diff(segments.score[order]) == 0) & (np.diff(segments.label[order]) == 0)
    return float((equal[1:] | equal[:-1]).mean())


def _coverage(segments: Segments, durations: Floats) -> float | None:
    """Return the share of the time that some segment covers, over the videos of known length."""
    known = np.isfinite(durations)
    total = float(durations[known].sum())
    if not total:
        return None
    rows = segments.take(known[segments.video])
    start, end = np.maximum(rows.start, 0.0), np.minimum(rows.end, durations[rows.video])
    return _united_seconds(rows.video, start, end) / total


def _united_seconds(video: npt.NDArray[np.int32], start: Floats, end: Floats) -> float:
    """Return the seconds that intervals cover, overlaps counted once."""
    seconds, reached, current = 0.0, -np.inf, -1
    for row in np.lexsort((start, video)).tolist():
        if video[row] != current:
            current, reached = int(video[row]), -np.inf
        seconds += max(0.0, float(end[row]) - max(float(start[row]), reached))
        reached = max(reached, float(end[row]))
    return seconds


def _last_ends(segments: Segments, num_videos: int) -> Floats:
    """Return where the last segment of each video ends; NaN for a video without any."""
    last = np.full(num_videos, -np.inf)
    np.maximum.at(last, segments.video, segments.end)
    return np.where(np.isfinite(last), last, np.nan)


def _count_scenes(truth: Annotations) -> dict[str, int]:
    return dict(Counter(truth.scene_vocabulary.names[scene] for scene in truth.scene.tolist() if scene != NO_SCENE))


def _best_scenes(found: Predictions) -> list[str | None]:
    names = found.scene_vocabulary.names
    return [names[int(np.nanargmax(row))] if np.isfinite(row).any() else None for row in found.scenes()]


def _or_none(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _segments_of(segments: Segments, video: int, names: Sequence[str]) -> list[dict[str, Any]]:
    rows = segments.take(segments.video == video)
    columns = zip(*(column.tolist() for column in (rows.label, rows.start, rows.end, rows.score)), strict=True)
    return [{"label": names[label], "segment": [start, end], "score": score} for label, start, end, score in columns]


def _counts(segments: Segments, num_videos: int) -> list[int]:
    counts: list[int] = np.bincount(segments.video, minlength=num_videos).tolist()
    return counts


def _list_annotated(truth: Annotations, wanted: str) -> list[dict[str, Any]]:
    scenes = [truth.scene_vocabulary.names[scene] if scene != NO_SCENE else None for scene in truth.scene.tolist()]
    counts = _counts(truth.segments, len(truth.video_ids))
    columns = zip(truth.video_ids, truth.subset, truth.duration_seconds.tolist(), scenes, counts, strict=True)
    videos = [
        {
            "video_id": name,
            "subset": subset,
            "duration_seconds": _or_none(length),
            "scene": scene,
            "num_segments": count,
        }
        for name, subset, length, scene, count in columns
    ]
    return _with_segments(videos, wanted, truth.segments, truth.vocabulary.names)


def _list_predicted(found: Predictions, lengths: Floats, last: Floats, wanted: str) -> list[dict[str, Any]]:
    counts = _counts(found.segments, len(found.video_ids))
    columns = zip(found.video_ids, lengths.tolist(), last.tolist(), _best_scenes(found), counts, strict=True)
    videos = [
        {
            "video_id": name,
            "duration_seconds": _or_none(length),
            "last_end_seconds": _or_none(end),
            "scene": scene,
            "num_segments": count,
        }
        for name, length, end, scene, count in columns
    ]
    return _with_segments(videos, wanted, found.segments, found.vocabulary.names)


def _with_segments(
    videos: list[dict[str, Any]], wanted: str, segments: Segments, names: Sequence[str]
) -> list[dict[str, Any]]:
    """Give the wanted video its segments; those of all would fill the screen."""
    for index, video in enumerate(videos):
        if video["video_id"] == wanted:
            video["segments"] = _segments_of(segments, index, names)
    return videos
