"""What video transformers take: frame size and number of frames, read from the config of each known kind."""

from dataclasses import dataclass
from typing import Any

from tsmfeat.errors import CheckpointError, ConfigurationError

KINDS = ("videomae", "vjepa2", "vivit", "timesformer")


@dataclass(frozen=True)
class VideoLayout:
    """Frames that a video transformer takes, ``[clips, num_frames, 3, side, side]``.

    Parameters
    ----------
    side
        Height and width: positions of patches are counted for this size.
    num_frames
        What it was trained with.
    tubelet
        Frames that make one token; where `any_multiple` holds, every multiple of it is taken.
    any_multiple
        Whether positions in time are computed, not looked up in a table of `num_frames`.
    part
        Submodule that gives the last hidden state; empty: the whole model.

    Examples
    --------
    >>> VideoLayout(224, 16).require_num_frames(8, "hf:videomae-base")
    Traceback (most recent call last):
    ...
    tsmfeat.errors.ConfigurationError: hf:videomae-base takes clips of 16 frames; num_frames is 8 (hint: use --num-frames 16)
    """  # noqa: E501 - one message, one line

    side: int
    num_frames: int
    tubelet: int = 1
    any_multiple: bool = False
    part: str = ""

    def require_num_frames(self, num_frames: int, trunk: str) -> None:
        """Refuse a number of frames of which some would be left out, or without position.

        Raises
        ------
        ConfigurationError
            The remedy is in its hint.
        """
        if num_frames == self.num_frames or (self.any_multiple and num_frames % self.tubelet == 0):
            return
        taken = f"a multiple of {self.tubelet}" if self.any_multiple else str(self.num_frames)
        nearest = max(1, round(num_frames / self.tubelet)) * self.tubelet if self.any_multiple else self.num_frames
        raise ConfigurationError(
            f"{trunk} takes clips of {taken} frames; num_frames is {num_frames}", f"use --num-frames {nearest}"
        )


def layout_of(config: Any, trunk: str) -> VideoLayout:  # noqa: ANN401 - a library without types
    """Return what a model of a config takes.

    VideoMAE, ViViT and TimeSformer look positions up in tables of one size. V-JEPA 2 computes them (rotary), in time
    for any number of tubelets, in space for its own grid only: another frame size would silently be misplaced.

    Raises
    ------
    ConfigurationError
        Another kind of model.
    CheckpointError
        The config is not one of square RGB frames.
    """
    try:
        match config.model_type:
            case "videomae":
                layout = VideoLayout(int(config.image_size), int(config.num_frames), int(config.tubelet_size))
                channels = config.num_channels
            case "vjepa2":
                tubelet = int(config.tubelet_size)
                layout = VideoLayout(int(config.crop_size), int(config.frames_per_clip), tubelet, True, "encoder")
                channels = config.in_chans
            case "vivit":
                layout = VideoLayout(int(config.image_size), int(config.num_frames), int(config.tubelet_size[0]))
                channels = config.num_channels
            case "timesformer":
                layout = VideoLayout(int(config.image_size), int(config.num_frames))
                channels = config.num_channels
            case other:
                raise ConfigurationError(
                    f"{trunk}: a model of kind {other!r}; known video transformers are {', '.join(KINDS)}",
                    "for image backbones use timm:NAME; python:module:function wraps any network",
                )
    except (TypeError, ValueError) as error:
        raise CheckpointError(
            f"{trunk}: its config.json has odd sizes ({error})", "use a config of square frames"
        ) from error
    if channels != 3:
        raise CheckpointError(f"{trunk}: takes {channels} channels; frames have 3", "use a model of RGB frames")
    return layout
