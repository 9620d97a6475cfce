"""Videos that an evaluation leaves out, on both sides."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tsmfeat.errors import InputError
from tsmfeat.formats.video_lists import read_video_list
from tsmfeat.values.annotations import Annotations
from tsmfeat.values.predictions import Predictions
from tsmfeat.values.progress import Progress


def leave_out_annotated(annotations: Annotations, path: str, progress: Progress) -> Annotations:
    """Return annotations without the videos that a file lists, and tell how many those are.

    Raises
    ------
    InputError
        No list of videos, or no annotated video is left.
    """
    blocked = frozenset(read_video_list(path))
    kept = [place for place, video_id in enumerate(annotations.video_ids) if video_id not in blocked]
    if not kept:
        raise InputError(
            f"{path}: lists all {len(annotations.video_ids)} videos that are evaluated; none is left",
            "list those to leave out, not those to keep",
        )
    progress.note(f"{path}: {len(annotations.video_ids) - len(kept):,} evaluated videos are left out, on both sides")
    return annotations.select_videos(kept)


def leave_out_predicted(predictions: Predictions, path: str) -> Predictions:
    """Return predictions without the segments of the videos that a file lists.

    Raises
    ------
    InputError
        No list of videos.
    """
    blocked = frozenset(read_video_list(path))
    return _keep(predictions, [video_id not in blocked for video_id in predictions.video_ids])


def keep_evaluated(predictions: Predictions, video_ids: Sequence[str], path: str, progress: Progress) -> Predictions:
    """Return the predictions of the evaluated videos, and tell how many others there are.

    Parameters
    ----------
    predictions
        Of any videos.
    video_ids
        The evaluated ones.
    path
        Where they are from, for the message.
    progress
        Told.
    """
    evaluated = frozenset(video_ids)
    kept = _keep(predictions, [video_id in evaluated for video_id in predictions.video_ids])
    if count := len(predictions.segments) - len(kept.segments):
        progress.note(f"{path}: {count:,} predictions in videos that are not evaluated are left out")
    return kept


def _keep(predictions: Predictions, is_kept: Sequence[bool]) -> Predictions:
    rows = np.array(is_kept, bool)[predictions.segments.video]
    return replace(predictions, segments=predictions.segments.take(rows))
