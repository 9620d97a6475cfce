"""What a file holds, whatever its kind: stores, heads, trunks, labels, videos and lists of failures."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tsmfeat.errors import ConfigurationError, InputError, StoreError, did_you_mean
from tsmfeat.store.folders import is_packed_output, output_files, parts_folder
from tsmfeat.store.packing import describe_store
from tsmfeat.store.reader import open_features
from tsmfeat.workflows.heads_summaries import describe_heads
from tsmfeat.workflows.interval_summaries import describe_interval_scores
from tsmfeat.workflows.kinds import KIND_NAMES, recognize
from tsmfeat.workflows.label_summaries import describe_annotations, describe_predictions
from tsmfeat.workflows.video_summaries import describe_failures, describe_video

# Kinds that speak of several videos, of which one can be shown alone.
_LISTING_KINDS = ("features", "interval-scores", "annotations", "predictions", "failures")
# Kinds that need no more than their path.
_DESCRIBERS: dict[str, Callable[[Path], dict[str, Any]]] = {
    "heads": describe_heads,
    "interval-scores": describe_interval_scores,
    "failures": describe_failures,
    "video": describe_video,
}
_STORED_NUMBERS = (
    "duration_seconds",
    "start_seconds",
    "num_frames_decoded",
    "num_bad_packets",
    "num_repeated_frames",
    "source_size",
)


def inspect(path: str | Path, video_id: str = "", durations: str | Path = "") -> dict[str, Any]:
    """Describe a file or folder; its kind is told by its content.

    Parameters
    ----------
    path
        A feature store (file, folder of parts, or the ``X.h5`` of an extract that is still running or was stopped: its
        parts are read then), a heads or trunk checkpoint, annotations, predictions, a list of failures, or a video.
    video_id
        Describe this video of it only; empty: all.
    durations
        A feature store or annotations that know how long the videos of a prediction file are; empty: unknown.

    Returns
    -------
    dict
        The JSON object of ``tsmfeat inspect --json``; ``"kind"`` says what it describes.

    Raises
    ------
    ConfigurationError
        One video is asked of a file that holds none or only one, or lengths for what are no predictions.
    InputError
        Missing, empty or damaged, or an unknown video; the nearest id is offered.
    """
    path = Path(path)
    kind = recognize(path)
    if video_id and kind not in _LISTING_KINDS:
        raise ConfigurationError(
            f"--video {video_id}: {path} is {KIND_NAMES[kind]}, not a list of videos", "leave it out"
        )
    if durations and kind != "predictions":
        raise ConfigurationError(
            f"--durations {durations}: {path} is {KIND_NAMES[kind]}; only predictions lack lengths", "leave it out"
        )
    if video_id and kind == "features":
        return _describe_stored_video(path, video_id)
    found = _describe(path, kind, durations, video_id)
    return _only_video(found, path, video_id) if video_id else found


def _describe(path: Path, kind: str, durations: str | Path, wanted: str) -> dict[str, Any]:
    match kind:
        case "features":
            return _describe_features(path)
        case "trunk":
            # Loading torch takes seconds, and no other kind needs it.
            from tsmfeat.workflows.trunk_summaries import describe_trunk

            return describe_trunk(path)
        case "annotations":
            return describe_annotations(path, wanted)
        case "predictions":
            return describe_predictions(path, durations_of(Path(durations)) if durations else {}, wanted)
        case "videos":
            raise ConfigurationError(
                f"{path}: a folder of videos; one file is shown at a time", "tsmfeat validate FOLDER looks all over"
            )
        case _:
            return _DESCRIBERS[kind](path)


def _describe_features(path: Path) -> dict[str, Any]:
    while True:
        files = output_files(path)
        if not files and is_packed_output(path) and parts_folder(path).is_dir():
            raise StoreError(
                f"{path}: its extraction has stored nothing yet; videos show up a part at a time",
                "look again in half a minute",
            )
        try:
            with open_features(files or path) as store:
                return describe_store(store)
        except StoreError:
            # A running extract may have packed the parts since they were listed.
            if output_files(path) == files:
                raise


def _describe_stored_video(path: Path, video_id: str) -> dict[str, Any]:
    with open_features(output_files(path) or path) as store:
        video = store.features(video_id)
        return {
            "kind": "features",
            "path": str(path),
            "video": {
                "video_id": video_id,
                "num_intervals": len(video.embeddings),
                "step_seconds": store.spec.step_seconds,
                "status": video.status.name.lower(),
                "decoder": video.decoder.name.lower(),
                "distinct_frames": video.distinct_frames.tolist(),
                **{name: getattr(video, name) for name in _STORED_NUMBERS},
            },
        }


def durations_of(path: Path) -> dict[str, float]:
    """Return the lengths in seconds that a store or an annotation file knows, by video id.

    Raises
    ------
    ConfigurationError
        The path holds something else.
    """
    kind = recognize(path)
    if kind not in ("features", "annotations"):
        raise ConfigurationError(
            f"--durations {path}: {KIND_NAMES[kind]}; lengths come from a feature store or annotations", "name one"
        )
    videos = _describe(path, kind, "", "")["videos"]
    return {video["video_id"]: video["duration_seconds"] for video in videos if video["duration_seconds"] is not None}


def _only_video(found: dict[str, Any], path: Path, video_id: str) -> dict[str, Any]:
    for video in found["videos"]:
        if video["video_id"] == video_id:
            return {"kind": found["kind"], "path": str(path), "video": video}
    known = [video["video_id"] for video in found["videos"]]
    raise InputError(
        f"{path}: video {video_id!r} is not among its {len(known):,} videos",
        did_you_mean(video_id, known) or f"tsmfeat inspect {path} --verbose lists them",
    )
