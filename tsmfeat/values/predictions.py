"""What models say: scores per interval, and scored segments."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tsmfeat.errors import InputError
from tsmfeat.values.annotations import require_unique_video_ids
from tsmfeat.values.segments import Segments, require_ids_in_range
from tsmfeat.values.vocabulary import Vocabulary

_NO_NAMES = Vocabulary(())


@dataclass(frozen=True, eq=False)
class Predictions:
    """Scored segments with the video ids and names they speak of.

    Parameters
    ----------
    video_ids
        V unique names.
    vocabulary
        The actions.
    segments
        Rows in the order of the file: it decides between equal scores.
    scene_vocabulary
        The scenes; empty where none are predicted.
    scene_scores
        float64 (V, S): a score per scene, NaN in a video without one.
    num_dropped
        Rows the reader left out (zero-length, reversed or non-finite).

    Raises
    ------
    InputError
        An id out of range, a video id twice, or scene scores of another shape.
    """

    video_ids: tuple[str, ...]
    vocabulary: Vocabulary
    segments: Segments
    scene_vocabulary: Vocabulary = _NO_NAMES
    scene_scores: npt.NDArray[np.float64] | None = None
    num_dropped: int = 0

    def __post_init__(self) -> None:
        """Check ids and shapes."""
        count = require_unique_video_ids(self.video_ids)
        require_ids_in_range(self.segments.video, count, "video")
        require_ids_in_range(self.segments.label, len(self.vocabulary), "label")
        expected = (count, len(self.scene_vocabulary))
        if self.scene_scores is None:
            object.__setattr__(self, "scene_scores", np.full(expected, np.nan))
        elif self.scene_scores.shape != expected:
            raise InputError(f"scene scores of shape {self.scene_scores.shape}; expected {expected}", "")

    def scenes(self) -> npt.NDArray[np.float64]:
        """Return the scene scores, float64 (V, S)."""
        if self.scene_scores is None:  # only to narrow the type: construction always fills it
            return np.full((len(self.video_ids), len(self.scene_vocabulary)), np.nan)
        return self.scene_scores


@dataclass(frozen=True, eq=False)
class IntervalScores:
    """A score per interval and class of many videos, their rows one after another.

    Parameters
    ----------
    video_ids
        V unique names.
    vocabulary
        C actions; background is column C.
    row_offset
        int64 (V + 1,): video v owns rows ``row_offset[v]:row_offset[v + 1]``.
    scores
        float32 or float64 (N, C + 1); probabilities or margins. A NaN row counts as background.
    step_seconds
        The grid's step t.
    duration_seconds
        float64 (V,): length of each video, NaN where unknown.
    scene_vocabulary, scene_scores
        As in `Predictions`: a score per video and scene.

    Raises
    ------
    InputError
        The offsets or shapes do not fit each other.

    Examples
    --------
    >>> one = IntervalScores(("a",), Vocabulary(("run",)), np.array([0, 2]), np.array([[.9, .1], [.2, .8]]), 0.5,
    ...                      np.array([1.2]))
    >>> one.scores.shape
    (2, 2)
    """

    video_ids: tuple[str, ...]
    vocabulary: Vocabulary
    row_offset: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float32] | npt.NDArray[np.float64]
    step_seconds: float
    duration_seconds: npt.NDArray[np.float64]
    scene_vocabulary: Vocabulary = _NO_NAMES
    scene_scores: npt.NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        """Cast the offsets and check that everything fits."""
        object.__setattr__(self, "row_offset", np.ascontiguousarray(self.row_offset, np.int64))
        object.__setattr__(self, "duration_seconds", np.asarray(self.duration_seconds, np.float64))
        count = require_unique_video_ids(self.video_ids)
        shape = (int(self.row_offset[-1]) if len(self.row_offset) else 0, len(self.vocabulary) + 1)
        if self.scores.shape != shape:
            raise InputError(f"scores of shape {self.scores.shape}; offsets and vocabulary ask for {shape}", "")
        fits = len(self.row_offset) == count + 1 and self.row_offset[0] == 0 and (np.diff(self.row_offset) >= 0).all()
        if not fits or len(self.duration_seconds) != count:
            raise InputError(f"row offsets or durations do not describe {count} videos", "offsets start at 0 and grow")
        expected = (count, len(self.scene_vocabulary))
        if self.scene_scores is not None and self.scene_scores.shape != expected:
            raise InputError(f"scene scores of shape {self.scene_scores.shape}; expected {expected}", "")

    def select_videos(self, keep: list[int]) -> "IntervalScores":
        """Return some videos in the order given, the vocabularies unchanged."""
        first, count = self.row_offset[:-1][keep], np.diff(self.row_offset)[keep]
        offset = np.concatenate([[0], np.cumsum(count)])
        rows = np.arange(offset[-1]) + np.repeat(first - offset[:-1], count)
        return IntervalScores(
            tuple(self.video_ids[index] for index in keep),
            self.vocabulary,
            offset,
            self.scores[rows],
            self.step_seconds,
            self.duration_seconds[keep],
            self.scene_vocabulary,
            None if self.scene_scores is None else self.scene_scores[keep],
        )
