"""Decoded frames before they are resized: each decoder's own, with one thing to ask of them."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from tsmfeat.video.geometry import FrameGeometry
from tsmfeat.video.transforms import crop_frame, quarter_turns, resize_frame, rotate_upright

if TYPE_CHECKING:
    from av.video.frame import VideoFrame
    from av.video.reformatter import VideoReformatter

Frame = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Resizing:
    """How a decoded frame becomes a finished one.

    Parameters
    ----------
    geometry
        Its size, and the crop.
    resize_filter
        ``"pil"``: antialiased bilinear on uint8 RGB, as the official TSM code does. ``"reader"``: FFmpeg's bilinear
        scaler on the way from the decoder, nearly free but up to 59 grey levels away.
    """

    geometry: FrameGeometry
    resize_filter: str = "pil"


class Picture(Protocol):
    """A decoded frame."""

    def native(self) -> Frame:
        """Return it at its own size, upright: uint8 (H, W, 3), RGB."""
        ...

    def resized(self, resizing: Resizing) -> Frame:
        """Return it finished: uint8 (geometry.height, geometry.width, 3), RGB."""
        ...


class PyAVPicture:
    """A frame of FFmpeg's, in the decoder's own pixel format until it is asked for.

    Parameters
    ----------
    frame
        As PyAV gave it.
    reformatter
        The decoder's one converter: building it anew costs several times the conversion itself.
    """

    def __init__(self, frame: "VideoFrame", reformatter: "VideoReformatter") -> None:
        self._frame = frame
        self._reformatter = reformatter

    def native(self) -> Frame:
        """Return it at its own size, upright: uint8 (H, W, 3), RGB."""
        return self._as_rgb(self._frame.height, self._frame.width)

    def resized(self, resizing: Resizing) -> Frame:
        """Return it finished: uint8 (geometry.height, geometry.width, 3), RGB."""
        if resizing.resize_filter == "pil":
            return resize_frame(self.native(), resizing.geometry)
        # The scaler works before the frame is turned upright.
        height, width = self._frame.height, self._frame.width
        turned = quarter_turns(self._frame.rotation) % 2
        size = resizing.geometry.resized_size(*((width, height) if turned else (height, width)))
        return crop_frame(self._as_rgb(*(size[::-1] if turned else size)), resizing.geometry)

    def _as_rgb(self, height: int, width: int) -> Frame:
        converted = self._reformatter.reformat(
            self._frame, width, height, format="rgb24", interpolation="BILINEAR", threads=1
        )
        return rotate_upright(np.asarray(converted.to_ndarray(), np.uint8), self._frame.rotation)


class ArrayPicture:
    """A frame that came as pixels, at its own size or already scaled.

    Parameters
    ----------
    pixels
        uint8 (H, W, 3), RGB, upright.
    """

    def __init__(self, pixels: Frame) -> None:
        self._pixels = pixels

    def native(self) -> Frame:
        """Return the pixels."""
        return self._pixels

    def resized(self, resizing: Resizing) -> Frame:
        """Return it finished: uint8 (geometry.height, geometry.width, 3), RGB."""
        if resizing.resize_filter == "pil":
            return resize_frame(self._pixels, resizing.geometry)
        return crop_frame(self._pixels, resizing.geometry)
