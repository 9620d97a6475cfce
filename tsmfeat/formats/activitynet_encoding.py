"""Annotations and predictions to the bytes of ActivityNet JSON; equal values give equal bytes."""

import math
from collections.abc import Sequence
from typing import TypeVar

import msgspec
import numpy as np
import numpy.typing as npt

from tsmfeat.errors import InputError
from tsmfeat.formats.activitynet_decoding import Detection, Instance, SceneScore
from tsmfeat.values.annotations import NO_SCENE, Annotations
from tsmfeat.values.predictions import Predictions
from tsmfeat.values.segments import Segments
from tsmfeat.values.vocabulary import Vocabulary

_VERSION = "VERSION 1.3"
_Row = TypeVar("_Row")


def encode_predictions(predictions: Predictions) -> bytes:
    """Return predictions as ActivityNet JSON, grouped by video.

    Raises
    ------
    InputError
        A segment or score is not finite.
    """
    segments = predictions.segments
    _require_finite(segments)
    rows = [
        Detection(label, (start, end), score)
        for label, start, end, score in zip(
            _labels(segments, predictions.vocabulary),
            segments.start.tolist(),
            segments.end.tolist(),
            segments.score.tolist(),
            strict=True,
        )
    ]
    results = _by_video(rows, segments.video, predictions.video_ids)
    content: dict[str, object] = {"version": _VERSION, "results": results, "external_data": {}}
    scenes = _scenes_by_video(predictions)
    return _encode(content | {"scenes": scenes} if scenes else content)


class _WrittenInstance(Instance, gc=False):
    """A true segment with the number of its class, which loaders such as ActionFormer's ask for."""

    label_id: int


def encode_annotations(annotations: Annotations) -> bytes:
    """Return annotations as ActivityNet JSON, grouped by video.

    Raises
    ------
    InputError
        A segment is not finite.
    """
    segments = annotations.segments
    _require_finite(segments)
    rows = [
        _WrittenInstance(label, (start, end), number)
        for label, start, end, number in zip(
            _labels(segments, annotations.vocabulary),
            segments.start.tolist(),
            segments.end.tolist(),
            segments.label.tolist(),
            strict=True,
        )
    ]
    grouped = _by_video(rows, segments.video, annotations.video_ids)
    database = {
        name: _video_fields(annotations, index) | {"annotations": grouped[name]}
        for index, name in enumerate(annotations.video_ids)
    }
    content: dict[str, object] = {"version": _VERSION, "taxonomy": [], "database": database}
    ambiguous = _ambiguous_by_video(annotations)
    return _encode(content | {"ambiguous": ambiguous} if ambiguous else content)


def _ambiguous_by_video(annotations: Annotations) -> dict[str, list[tuple[float, float]]]:
    found = annotations.ambiguous
    _require_finite(found)
    rows = list(zip(found.start.tolist(), found.end.tolist(), strict=True))
    return {name: own for name, own in _by_video(rows, found.video, annotations.video_ids).items() if own}


def _encode(content: dict[str, object]) -> bytes:
    return msgspec.json.encode(content) + b"\n"


def _require_finite(segments: Segments) -> None:
    finite = np.isfinite(segments.start) & np.isfinite(segments.end) & np.isfinite(segments.score)
    if not finite.all():
        raise InputError(
            f"row {int(np.argmin(finite))} has a start, end or score that is not finite; JSON cannot hold it",
            'read the file with invalid="drop", or leave such rows out',
        )


def _labels(segments: Segments, vocabulary: Vocabulary) -> list[str]:
    return [vocabulary.names[label] for label in segments.label.tolist()]


def _by_video(rows: list[_Row], video: npt.NDArray[np.int32], video_ids: Sequence[str]) -> dict[str, list[_Row]]:
    order = np.argsort(video, kind="stable")
    bounds = np.searchsorted(video[order], np.arange(len(video_ids) + 1)).tolist()
    grouped = [rows[index] for index in order.tolist()]
    return {name: grouped[bounds[place] : bounds[place + 1]] for place, name in enumerate(video_ids)}


def _scenes_by_video(predictions: Predictions) -> dict[str, list[SceneScore]]:
    names = predictions.scene_vocabulary.names
    scenes = {
        video_id: [SceneScore(name, score) for name, score in zip(names, scores, strict=True) if math.isfinite(score)]
        for video_id, scores in zip(predictions.video_ids, predictions.scenes().tolist(), strict=True)
    }
    return {video_id: entries for video_id, entries in scenes.items() if entries}


def _video_fields(annotations: Annotations, index: int) -> dict[str, object]:
    fields: dict[str, object] = {"subset": annotations.subset[index]}
    if not math.isnan(annotations.duration_seconds[index]):
        fields["duration"] = float(annotations.duration_seconds[index])
    if annotations.scene[index] != NO_SCENE:
        fields["scene"] = annotations.scene_vocabulary.names[annotations.scene[index]]
    return fields
