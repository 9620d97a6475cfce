"""Decoding with decord: the same frames in the same order, from files that are known to be safe for it.

decord decodes ahead without bound, seeks wrongly in some files and shows wrong frames of others without a word. So it
reads forward only, every frame, and only what `refuse_unsafe` lets in. Skipping frames, which it offers, would hide
damage: a video cut by a bad packet then reads as whole.
"""

from collections.abc import Callable, Iterator
from types import ModuleType, TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from tsmfeat.errors import EnvironmentLackError, VideoError
from tsmfeat.video.pictures import ArrayPicture, Frame
from tsmfeat.video.probing import VideoProbe
from tsmfeat.video.quality import ReadQuality, is_cut_short, judge_quality

_MOST_BYTES = 2 << 30
_CONTAINERS = ("mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm")
_CODECS = ("h264", "mpeg4", "vp9")
# Pictures that H.264 may hold back, the most of these codecs: with stamps in another order frames come in the file's.
_MOST_REORDERED = 16
_STAMP_TOLERANCE_SECONDS = 0.001


class DecordDecoder:
    """An open video that is decoded once, forward only.

    Parameters
    ----------
    probe
        The video, as `probe_video` found it; `why_unsafe` has nothing against it.
    size
        Height and width to which decord's own scaler brings the frames; None: their own.
    pulse
        Called for every frame: a sign of life.

    Raises
    ------
    EnvironmentLackError
        On entering: decord is not installed or cannot be loaded.
    DecoderError
        On entering: decord does not open the file, or sees other frames than its packets promise.
    """

    def __init__(
        self, probe: VideoProbe, size: tuple[int, int] | None = None, pulse: Callable[[], None] = lambda: None
    ) -> None:
        self._probe = probe
        self._size = size
        self._pulse = pulse
        self._num_frames = 0

    def __enter__(self) -> "DecordDecoder":
        """Open the file and compare decord's idea of it with the packets'."""
        decord = load_decord()
        height, width = self._size or (-1, -1)
        try:
            # An absolute path cannot be taken for an address such as concat:a.
            path = str(self._probe.path.absolute())
            self._reader: Any = decord.VideoReader(path, width=width, height=height, num_threads=1)
            stamps = self._reader.get_frame_timestamp(range(len(self._reader)))[:, 0]
        except MemoryError:
            raise
        except Exception as error:
            raise DecoderError(f"{self._probe.path}: decord cannot open it ({_first_line(error)})") from error
        self._require_same_stamps(stamps)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let the reader go; its frames in waiting go with it."""
        self._reader = None

    def pictures(self, wanted: npt.NDArray[np.int64]) -> Iterator[tuple[int, ArrayPicture]]:
        """Decode the whole video and yield the wanted frames; call it once.

        Parameters
        ----------
        wanted
            int64, ascending and unique: indexes into `VideoProbe.stamps`.

        Yields
        ------
        index, picture
            Each wanted index once, in order.

        Raises
        ------
        DecoderError
            decord stopped before the last frame.
        """
        waiting = iter(wanted.tolist())
        index = next(waiting, None)
        for rank in range(self._probe.stamps.size):
            frame = self._next_frame()
            self._num_frames += 1
            if rank == index:
                yield index, ArrayPicture(_without_padding(frame.asnumpy()))
                index = next(waiting, None)

    def quality(self, max_bad: float) -> ReadQuality:
        """Judge the reading, once `pictures` has come to its end: all frames came, or an error was raised."""
        return judge_quality(self._probe, self._num_frames, 0, max_bad)

    def _next_frame(self) -> Any:  # noqa: ANN401 - decord is untyped
        self._pulse()
        try:
            return self._reader.next()
        except MemoryError:
            raise
        except (Exception, StopIteration) as error:
            raise DecoderError(
                f"{self._probe.path}: decord stopped at frame {self._num_frames} of {self._probe.stamps.size} "
                f"({_first_line(error)})"
            ) from error

    def _require_same_stamps(self, stamps: npt.NDArray[np.float32]) -> None:
        expected = self._probe.ticks * float(self._probe.tick_seconds)
        if len(stamps) != len(expected):
            raise DecoderError(f"{self._probe.path}: decord sees {len(stamps)} frames, its packets {len(expected)}")
        # Its stamps are 32-bit numbers: far into a video a unit of theirs is what they can tell.
        allowed = _STAMP_TOLERANCE_SECONDS + np.spacing(stamps.astype(np.float32))
        if (np.abs(stamps - expected) > allowed).any():
            raise DecoderError(f"{self._probe.path}: decord's stamps differ from its packets' by over 1 ms")


class DecoderError(VideoError):
    """A decoder failed at a video that another one may well read."""


def load_decord() -> ModuleType:
    """Import decord, silenced.

    Raises
    ------
    EnvironmentLackError
        It is not installed, or cannot be loaded.
    """
    try:
        import decord
    except (ImportError, OSError, RuntimeError) as error:
        raise EnvironmentLackError(
            f"decord cannot be loaded ({_first_line(error)})", "pip install decord (decord2 on ARM and macOS)"
        ) from error
    # FFmpeg inside it writes to stderr, which is not ours to fill.
    decord.logging.set_level(decord.logging.QUIET)
    module: ModuleType = decord
    return module


def why_unsafe(probe: VideoProbe, size: tuple[int, int] | None = None) -> str:
    """Say why decord must not read a video; nothing where it may.

    Parameters
    ----------
    probe
        The video.
    size
        Height and width of the frames decord is to give; None: their own.

    Returns
    -------
    str
        For people, such as ``"its container is mpegts"``.
    """
    height, width = size or (probe.height, probe.width)
    start = int(probe.ticks[0]) * float(probe.tick_seconds)
    reasons = {
        f"its container is {probe.container}": probe.container not in _CONTAINERS,
        f"its codec is {probe.codec}": probe.codec not in _CODECS,
        f"its colours have {probe.bit_depth or 'an unknown number of'} bits": probe.bit_depth != 8,
        f"it is shown turned by {probe.rotation} degrees": probe.rotation != 0,
        "an edit list hides frames": probe.num_packets != probe.stamps.size,
        "it is cut short": is_cut_short(probe),
        "its frame size may change": not probe.one_size,
        f"its first frame comes {start:.3f} s after its start": abs(start) > _STAMP_TOLERANCE_SECONDS,
        "its packets hold no presentation stamps": not probe.has_presentation_stamps,
        f"its stamps put a frame {probe.most_reordered} places forward": probe.most_reordered > _MOST_REORDERED,
        "two frames have one stamp": bool((np.diff(probe.stamps) == 0).any()),
        "its frames would take over 2 GB in decord": probe.stamps.size * height * width * 3 > _MOST_BYTES,
    }
    return next((reason for reason, holds in reasons.items() if holds), "")


def _without_padding(pixels: Frame) -> Frame:
    """Return frames narrower than 64 pixels without their rows' padding, which decord takes for further channels."""
    height, width = pixels.shape[:2]
    return pixels.reshape(height, -1)[:, : 3 * width].reshape(height, width, 3)


def _first_line(error: BaseException) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0].split(": ")[-1][:120]
