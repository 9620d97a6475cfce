"""The annotated videos that a pyramid is trained on, and batches of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tsmfeat.errors import InputError
from tsmfeat.heads.pyramid_targets import SegmentRows
from tsmfeat.heads.targets import interval_targets
from tsmfeat.heads.views import JoinedViews
from tsmfeat.values.annotations import NO_SCENE, Annotations

_Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class TrainingVideos:
    """Embeddings of whole videos, with the segments annotated in them.

    Parameters
    ----------
    features
        float16 or float32 (N, D).
    row_offset
        int64 (V + 1,): video v owns rows ``row_offset[v]:row_offset[v + 1]``.
    segments
        Sorted by video; times in intervals.
    label
        int64 (N,): action of each interval as of `tsmfeat.heads.targets.interval_targets`; background is `num_actions`.
    scene
        int64 (V,): -1 where unknown.
    num_actions, num_scenes
        Sizes C and S of the vocabularies.
    views
        Which of several joined views each row has; None for one view.
    """

    features: npt.NDArray[Any]
    row_offset: _Ints
    segments: SegmentRows
    label: _Ints
    scene: _Ints
    num_actions: int
    num_scenes: int
    views: JoinedViews | None = None

    def knows_scenes(self) -> bool:
        """Tell whether any video with intervals has a scene."""
        return bool((self.scene[np.diff(self.row_offset) > 0] != NO_SCENE).any())


def make_training_videos(
    annotations: Annotations,
    video_ids: Sequence[str],
    features: npt.NDArray[Any],
    grid: tuple[npt.ArrayLike, float],
    min_overlap: float,
    views: JoinedViews | None = None,
) -> TrainingVideos:
    """Join features with annotations; segments without a length are left out, as are those of other videos.

    Parameters
    ----------
    annotations
        Truth; videos are found by their id.
    video_ids
        V unique ids.
    features
        float16 or float32 (N, D): their embeddings.
    grid
        Which rows each video owns, int64 (V + 1,), and the step t in seconds.
    min_overlap
        Share of an interval that an action must cover to be its label.
    views
        As in `TrainingVideos`.

    Raises
    ------
    InputError
        There is no interval, or a video is not annotated: it would be taken for one without actions.
    """
    offset, step_seconds = np.asarray(grid[0], np.int64), grid[1]
    if offset[-1] == 0:
        raise InputError(
            "no interval to fit on; heads need at least one training row",
            "check that the subset's videos are among the features, and that they are longer than the step",
        )
    place = {video_id: index for index, video_id in enumerate(annotations.video_ids)}
    strangers = [video_id for video_id in video_ids if video_id not in place]
    if strangers:
        raise InputError(
            f"video {strangers[0]!r} is not annotated; training videos are", "fit on the videos of the annotations"
        )
    where = np.full(len(annotations.video_ids), -1, np.int64)
    where[[place[video_id] for video_id in video_ids]] = np.arange(len(video_ids))
    truth = annotations.segments
    video, start, end = where[truth.video], truth.start / step_seconds, truth.end / step_seconds
    usable = np.flatnonzero((video >= 0) & np.isfinite(start) & np.isfinite(end) & (end > start))
    kept = usable[np.argsort(video[usable], kind="stable")]
    segments = SegmentRows(video[kept], truth.label[kept].astype(np.int64), start[kept], end[kept])
    scene = np.asarray(annotations.scene, np.int64)[[place[video_id] for video_id in video_ids]]
    label = interval_targets(annotations, video_ids, offset, step_seconds, min_overlap).astype(np.int64)
    return TrainingVideos(
        features, offset, segments, label, scene, len(annotations.vocabulary), len(annotations.scene_vocabulary), views
    )


class ChosenVideos(NamedTuple):
    """Some videos, one after another.

    Attributes
    ----------
    rows
        int64 (B,): their rows of the features.
    row_offset
        int64 (W + 1,): where each begins within them.
    segments
        Theirs, the video counted among those chosen.
    scene
        int64 (W,).
    """

    rows: _Ints
    row_offset: _Ints
    segments: SegmentRows
    scene: _Ints


def choose_videos(data: TrainingVideos, chosen: _Ints) -> ChosenVideos:
    """Return some videos in the order given.

    Parameters
    ----------
    data
        All.
    chosen
        int64 (W,): which.
    """
    rows, offset = _joined(data.row_offset, chosen)
    border = np.searchsorted(data.segments.video, np.arange(len(data.row_offset)))
    members, counted = _joined(border, chosen)
    video = np.repeat(np.arange(len(chosen)), np.diff(counted))
    _, label, start, end = data.segments
    segments = SegmentRows(video, label[members], start[members], end[members])
    return ChosenVideos(rows, offset, segments, data.scene[chosen])


def _joined(offset: _Ints, chosen: _Ints) -> tuple[_Ints, _Ints]:
    """Return the members of some stretches one after another, and where each stretch begins among them."""
    count = (offset[1:] - offset[:-1])[chosen]
    begins = np.concatenate([[0], np.cumsum(count)])
    return np.arange(begins[-1]) + np.repeat(offset[chosen] - begins[:-1], count), begins


def group_videos(row_offset: _Ints, order: _Ints, batch_size: int) -> list[_Ints]:
    """Cut videos in some order into batches of about so many rows, each of one video at least.

    Parameters
    ----------
    row_offset
        int64 (V + 1,).
    order
        int64 (W,): videos with rows.
    batch_size
        Rows: a batch ends with the video that reaches a multiple of it.

    Examples
    --------
    >>> [batch.tolist() for batch in group_videos(np.array([0, 3, 5, 9]), np.array([2, 0, 1]), 5)]
    [[2, 0], [1]]
    >>> [batch.tolist() for batch in group_videos(np.array([0, 3, 5, 9]), np.array([2, 0, 1]), 4)]
    [[2], [0, 1]]
    """
    lengths = np.diff(row_offset)[order]
    begins = np.cumsum(lengths) - lengths
    return [np.asarray(part, np.int64) for part in np.split(order, np.flatnonzero(np.diff(begins // batch_size)) + 1)]
