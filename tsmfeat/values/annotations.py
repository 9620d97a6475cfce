"""Ground truth of many videos."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from tsmfeat.errors import InputError
from tsmfeat.values.segments import Segments, require_ids_in_range
from tsmfeat.values.vocabulary import Vocabulary

NO_SCENE = -1


@dataclass(frozen=True, eq=False)
class Annotations:
    """Segments, subset, duration and scene of many videos.

    Parameters
    ----------
    video_ids
        V unique names, in the order of the file.
    vocabulary
        The actions of the whole file.
    segments
        Truth; several may overlap. Scores are 1.
    duration_seconds
        float64 (V,): NaN where unknown.
    subset
        V names such as ``"training"``; empty where unknown.
    scene
        int32 (V,): index into `scene_vocabulary`, -1 where unknown.
    scene_vocabulary
        The scenes of the whole file.
    num_dropped
        Rows the reader left out (zero-length, reversed or non-finite).
    num_ambiguous
        Rows that are no truth because the annotators call them ambiguous (THUMOS14), those of all subsets.
    ambiguous
        These rows where the reader keeps them; their labels mean nothing. Only protocols that forgive predictions
        there look at them.

    Raises
    ------
    InputError
        Lengths differ, a video id occurs twice, or an id is out of range.
    """

    video_ids: tuple[str, ...]
    vocabulary: Vocabulary
    segments: Segments
    duration_seconds: npt.NDArray[np.float64]
    subset: tuple[str, ...]
    scene: npt.NDArray[np.int32]
    scene_vocabulary: Vocabulary
    num_dropped: int = 0
    num_ambiguous: int = 0
    ambiguous: Segments = field(default_factory=Segments.empty)

    def __post_init__(self) -> None:
        """Cast and check."""
        object.__setattr__(self, "duration_seconds", np.asarray(self.duration_seconds, np.float64))
        object.__setattr__(self, "scene", np.asarray(self.scene, np.int32))
        count = require_unique_video_ids(self.video_ids)
        for name in ("duration_seconds", "subset", "scene"):
            if len(getattr(self, name)) != count:
                raise InputError(f"{name} has {len(getattr(self, name))} entries for {count} videos; one each", "")
        require_ids_in_range(self.segments.video, count, "video")
        require_ids_in_range(self.ambiguous.video, count, "video of an ambiguous segment")
        require_ids_in_range(self.segments.label, len(self.vocabulary), "label")
        require_ids_in_range(self.scene - NO_SCENE, len(self.scene_vocabulary) - NO_SCENE, "scene (shifted by one)")

    def subsets(self) -> tuple[str, ...]:
        """Return the subset names that occur, by first appearance."""
        return tuple(dict.fromkeys(self.subset))

    def select_subset(self, name: str) -> "Annotations":
        """Return the videos of one subset, the vocabularies unchanged."""
        return self.select_videos([index for index, value in enumerate(self.subset) if value == name])

    def select_videos(self, keep: list[int]) -> "Annotations":
        """Return some videos in the order given, the vocabularies unchanged."""
        new_index = np.full(len(self.video_ids), -1, np.int32)
        new_index[keep] = np.arange(len(keep), dtype=np.int32)
        return Annotations(
            tuple(self.video_ids[index] for index in keep),
            self.vocabulary,
            _renumber_videos(self.segments, new_index),
            self.duration_seconds[keep],
            tuple(self.subset[index] for index in keep),
            self.scene[keep],
            self.scene_vocabulary,
            self.num_dropped,
            self.num_ambiguous,
            _renumber_videos(self.ambiguous, new_index),
        )


def _renumber_videos(segments: Segments, new_index: npt.NDArray[np.int32]) -> Segments:
    rows = segments.take(new_index[segments.video] >= 0)
    return Segments(new_index[rows.video], rows.label, rows.start, rows.end, rows.score)


def require_unique_video_ids(video_ids: tuple[str, ...]) -> int:
    """Refuse a video id that occurs twice, and return the number of ids.

    Examples
    --------
    >>> require_unique_video_ids(("a", "b"))
    2
    """
    if len(set(video_ids)) != len(video_ids):
        seen: set[str] = set()
        twice = next(name for name in video_ids if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise InputError(f"video id {twice!r} occurs twice; ids are unique", "rename one of the two")
    return len(video_ids)
