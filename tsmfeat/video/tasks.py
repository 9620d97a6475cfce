"""What goes to a reader process and what comes back: frozen values, small enough to be sent."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from tsmfeat.errors import ConfigurationError
from tsmfeat.values.features import Decoder
from tsmfeat.video.geometry import parse_geometry
from tsmfeat.video.options import VideoOptions
from tsmfeat.video.pictures import Resizing
from tsmfeat.video.quality import ReadQuality


@dataclass(frozen=True)
class ClipRecipe:
    """How the clips of a video are made.

    Parameters
    ----------
    step_seconds
        The grid's step.
    num_frames
        Frames T of a clip.
    clip_seconds
        The clip's span; None: the step.
    geometry_name
        Frame geometry, such as ``"square256"``.
    resize_filter
        As in `VideoOptions`.

    Examples
    --------
    >>> ClipRecipe(0.5, 8).clip_bytes
    1572864
    """

    step_seconds: float
    num_frames: int
    clip_seconds: float | None = None
    geometry_name: str = VideoOptions.resize
    resize_filter: str = VideoOptions.resize_filter

    @property
    def resizing(self) -> Resizing:
        """How its frames are made."""
        return Resizing(parse_geometry(self.geometry_name), self.resize_filter)

    @property
    def clip_bytes(self) -> int:
        """Bytes of one clip."""
        return self.num_frames * self.resizing.geometry.frame_bytes


@dataclass(frozen=True)
class ReadTask:
    """A video to read once, for all its recipes.

    Parameters
    ----------
    key
        Comes back with every event of the video; unique within a reading.
    path
        The file.
    recipes
        One decoding pass serves them all.
    allow_partial, max_bad, decoder
        As in `VideoOptions`.
    only_open
        Whether it ends after `VideoOpened`, with no frame decoded: for counting intervals.
    """

    key: int
    path: str
    recipes: tuple[ClipRecipe, ...]
    allow_partial: bool = VideoOptions.allow_partial
    max_bad: float = VideoOptions.max_bad
    decoder: str = VideoOptions.decoder
    only_open: bool = False

    def __post_init__(self) -> None:
        """Check that there is something to make."""
        if not self.recipes:
            raise ConfigurationError(f"{self.path}: no clip recipe; a task makes at least one", "pass a ClipRecipe")

    @property
    def second_decoder(self) -> str:
        """The decoder to try where the first one breaks down; empty where there is none.

        With the reader's own scaler the decoder is part of the features' identity, so that it is not changed.
        """
        scaled = any(recipe.resize_filter == "reader" for recipe in self.recipes)
        return "decord" if self.decoder == "auto" and not scaled else ""


@dataclass(frozen=True, eq=False)
class VideoOpened:
    """The first event of a video that can be read.

    Parameters
    ----------
    key
        Of the task.
    duration_seconds, start_seconds, source_size
        Length L, the container's start on its own clock, and the file's bytes.
    num_intervals
        Intervals a recipe.
    distinct_frames
        uint8 (num_intervals,) a recipe: distinct source frames of each clip.
    decoder
        Which one reads it.
    """

    key: int
    duration_seconds: float
    start_seconds: float
    source_size: int
    num_intervals: tuple[int, ...]
    distinct_frames: tuple[npt.NDArray[np.uint8], ...]
    decoder: Decoder


@dataclass(frozen=True, eq=False)
class ClipsReady:
    """Clips of consecutive intervals.

    Parameters
    ----------
    key, recipe_index
        The task, and which of its recipes.
    first_interval
        Index of the first clip's interval.
    clips
        uint8 (k, T, height, width, 3), RGB: a view of memory the reader fills again after `release`.
    release
        Gives the memory back; call it once, when the clips have been copied or used. The reader waits for it.
    """

    key: int
    recipe_index: int
    first_interval: int
    clips: npt.NDArray[np.uint8]
    release: Callable[[], None] = field(repr=False)


@dataclass(frozen=True)
class ReadEffort:
    """What reading a video took.

    Parameters
    ----------
    seconds
        Wall time in the reader.
    waiting_seconds
        Of these, those in which all its slots were in the caller's hands.
    peak_bytes
        Largest resident memory of the reader process so far, shared slots included.
    """

    seconds: float = 0.0
    waiting_seconds: float = 0.0
    peak_bytes: int = 0


@dataclass(frozen=True)
class VideoRead:
    """The last event of a video that was read to its end: all its clips have been sent.

    Parameters
    ----------
    key
        Of the task.
    quality
        How completely it was read.
    effort
        What it took.
    """

    key: int
    quality: ReadQuality
    effort: ReadEffort = ReadEffort()


@dataclass(frozen=True)
class VideoFailed:
    """The last event of a video that failed: clips sent before are void.

    Parameters
    ----------
    key
        Of the task.
    stage
        ``"probe"``, ``"decode"`` or ``"reader"``.
    reason, hint
        What was found, and the remedy.
    broke_down
        Whether the decoder broke down, so that another one may read the video: it crashed, hung, ran out of memory.
    lacking
        Whether the decoder asked for is not there, so that every video would fail.
    """

    key: int
    stage: str
    reason: str
    hint: str = ""
    broke_down: bool = False
    lacking: bool = False


@dataclass(frozen=True)
class VideoRetried:
    """A decoder broke down at a video, and another one takes it up: clips sent before are void.

    The video begins anew with `VideoOpened`.

    Parameters
    ----------
    key
        Of the task.
    reason
        What was found.
    decoder
        Name of the one that is tried now.
    """

    key: int
    reason: str
    decoder: str


@dataclass(frozen=True)
class NothingYet:
    """Nothing has come for a while: a chance to look up."""


@dataclass(frozen=True)
class SlotFilled:
    """A reader's note to its pool: clips of shape ``(k, T, height, width, 3)`` lie at the start of a slot.

    Parameters
    ----------
    key, recipe_index, first_interval
        As in `ClipsReady`.
    slot, shape
        Where, and how many.
    """

    key: int
    recipe_index: int
    first_interval: int
    slot: int
    shape: tuple[int, int, int, int, int]


ReadEvent = VideoOpened | ClipsReady | VideoRead | VideoFailed | VideoRetried | NothingYet
