"""Writing frames to an H.264 MP4 file: for the demo's videos and the tests'."""

import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING

import av
import numpy as np
import numpy.typing as npt
from av.error import EncoderNotFoundError

from tsmfeat.errors import ConfigurationError, EnvironmentLackError, InputError
from tsmfeat.files import write_atomically

if TYPE_CHECKING:
    from av.video.stream import VideoStream

# Stamps of variable rates are kept to 11 µs, in the unit MPEG streams use.
_STAMP_UNIT = Fraction(1, 90_000)
_RATE_DENOMINATOR = 1_001


@dataclass(frozen=True)
class EncodingOptions:
    """How frames are compressed.

    Parameters
    ----------
    crf
        Constant quality of x264: 0 (lossless) to 51, smaller is better.
    preset
        Of x264, from ``"ultrafast"`` to ``"veryslow"``.
    gop_size
        Frames from key frame to key frame, at most.
    num_b_frames
        Consecutive B-frames, at most; 0 for none.
    """

    crf: int = 20
    preset: str = "veryfast"
    gop_size: int = 60
    num_b_frames: int = 2


def write_video(
    path: Path,
    frames: Iterable[npt.NDArray[np.uint8]],
    *,
    fps: float | Fraction = 30,
    stamps_seconds: Sequence[float] | None = None,
    options: EncodingOptions | None = None,
) -> int:
    """Write frames as an H.264 MP4 file, whole or not at all; equal input gives equal bytes.

    The file is made in memory first, so this is for minutes of video, not for hours.

    Parameters
    ----------
    path
        The file, replaced if it exists; its folder must exist.
    frames
        uint8 (H, W, 3) each, RGB, one size; H and W even.
    fps
        Frames a second, where no stamps are given.
    stamps_seconds
        A presentation stamp for every frame, ascending: a variable frame rate. The player's clock starts at the
        first. Rounded to 1/90000 s.
    options
        Compression; None: the defaults.

    Returns
    -------
    int
        The number of frames written.

    Raises
    ------
    ConfigurationError
        An odd size or a rate that is not positive.
    InputError
        No frames, frames of other types or of several sizes, or stamps that do not fit them.
    EnvironmentLackError
        This FFmpeg was built without x264.
    OutputError
        The file cannot be written.
    """
    images = iter(frames)
    first = next(images, None)
    if first is None:
        raise InputError(f"{path}: no frames to write; a video has at least one", "check what makes the frames")
    ticks, unit = _clock(fps, stamps_seconds)
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        try:
            stream = container.add_stream("libx264", rate=1 / unit if stamps_seconds is None else None)
        except EncoderNotFoundError as error:
            raise EnvironmentLackError(
                "this FFmpeg has no libx264 encoder", "install PyAV as a wheel: pip install av"
            ) from error
        _configure(stream, first, unit, options or EncodingOptions())
        num_frames = 0
        for image in chain([first], images):
            frame = av.VideoFrame.from_ndarray(_checked(image, first.shape), format="rgb24")
            frame.pts = _next_tick(ticks, num_frames)
            frame.time_base = unit
            container.mux(stream.encode(frame))
            num_frames += 1
        if next(ticks, None) is not None and stamps_seconds is not None:
            raise InputError(f"{num_frames} frames for {len(stamps_seconds)} stamps", "give each frame one stamp")
        container.mux(stream.encode())
    write_atomically(path, [buffer.getbuffer()])
    return num_frames


def _clock(fps: float | Fraction, stamps_seconds: Sequence[float] | None) -> tuple[Iterator[int], Fraction]:
    """Return the frames' stamps, in units, and the unit in seconds."""
    if stamps_seconds is None:
        if not 0 < fps <= 1_000:
            raise ConfigurationError(f"fps = {fps}: a rate lies above 0 and at most at 1000", "use for example 30")
        return count(), 1 / Fraction(fps).limit_denominator(_RATE_DENOMINATOR)
    seconds = np.asarray(stamps_seconds, np.float64)
    ticks = np.rint(seconds * _STAMP_UNIT.denominator)
    if not np.isfinite(ticks).all() or np.any(ticks < 0) or np.any(np.diff(ticks) <= 0):
        raise InputError("stamps are not ascending seconds from 0 on, 1/90000 s apart or more", "sort the stamps")
    return iter(ticks.astype(np.int64).tolist()), _STAMP_UNIT


def _next_tick(ticks: Iterator[int], num_frames: int) -> int:
    tick = next(ticks, None)
    if tick is None:
        raise InputError(f"more frames than the {num_frames} stamps given", "give each frame one stamp")
    return tick


def _configure(stream: "VideoStream", first: npt.NDArray[np.uint8], unit: Fraction, options: EncodingOptions) -> None:
    if first.ndim != 3 or first.shape[0] % 2 or first.shape[1] % 2:
        raise ConfigurationError(
            f"frames of shape {first.shape}: H.264 with 4:2:0 colour needs (height, width, 3) with even sizes",
            "choose an even height and width",
        )
    context = stream.codec_context
    context.height, context.width = first.shape[:2]
    context.pix_fmt = "yuv420p"
    context.time_base = unit
    # x264 takes a thread a core, and its bytes depend on their number.
    context.thread_count = 1
    context.gop_size = options.gop_size
    context.max_b_frames = options.num_b_frames
    # Of small frames, x264's macroblock tree reads what earlier videos left in memory: equal frames became other bytes.
    context.options = {"crf": str(options.crf), "preset": options.preset, "x264-params": "no-mbtree=1"}


def _checked(image: npt.NDArray[np.uint8], shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    if image.dtype != np.uint8 or image.shape != shape or image.shape[2:] != (3,):
        raise InputError(
            f"a frame is {image.dtype} of shape {image.shape}; expected uint8 of shape {shape} with 3 channels",
            "make all frames uint8 RGB of one size",
        )
    return np.ascontiguousarray(image)
