"""Decoding with torchcodec, on the CPU or with a CUDA device's own decoder: frame after frame, never a seek.

Its documented calls look a frame up by number or time, and go back to a key frame for that. The operation beneath them
that gives the next frame is used instead, and the stamp of every frame is compared with the pre-flight's.
"""

import re
from collections.abc import Callable, Iterator
from types import ModuleType, TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tsmfeat.errors import EnvironmentLackError
from tsmfeat.video.decord_decoding import DecoderError
from tsmfeat.video.device_resizing import resize_on_device
from tsmfeat.video.pictures import ArrayPicture, Frame, Picture, Resizing
from tsmfeat.video.probing import VideoProbe
from tsmfeat.video.quality import ReadQuality, is_cut_short, judge_quality

if TYPE_CHECKING:
    from torch import Tensor

# Stamps are whole units turned into 64-bit seconds on both sides: far finer than any time base.
_STAMP_TOLERANCE_SECONDS = 1e-6
_SOURCE_PLACE = re.compile(r"^.*?\.(?:cpp|cu|h):\d+, ", re.DOTALL)
_INSTALL = 'pip install "tsmfeat[gpu]", and FFmpeg\'s shared libraries (apt-get install ffmpeg, brew install ffmpeg)'
# What the linker says where a reader's limit leaves no room for torch.
_MEMORY_WORDS = ("failed to map segment", "annot allocate memory")
_MORE_MEMORY = "torch alone takes a GB of a reader's memory: --reader-memory 4"


class DecoderLackError(EnvironmentLackError):
    """A decoder that was asked for by name cannot be used on this machine, whatever the video."""


class TorchcodecDecoder:
    """An open video that is decoded once, forward only.

    Parameters
    ----------
    probe
        The video, as `probe_video` found it; `why_unfit_for_torchcodec` has nothing against it.
    device
        ``"cpu"``, or ``"cuda"`` for the device's own decoder; frames are then resized there too.
    pulse
        Called for every frame: a sign of life.

    Raises
    ------
    DecoderLackError
        On entering: torchcodec cannot be loaded, or there is no such device.
    DecoderError
        On entering: torchcodec does not open the file.
    """

    def __init__(self, probe: VideoProbe, device: str = "cpu", pulse: Callable[[], None] = lambda: None) -> None:
        self._probe = probe
        self._device = device
        self._pulse = pulse
        self._num_frames = 0
        self._video: Any = None

    def __enter__(self) -> "TorchcodecDecoder":
        """Load the libraries, which takes seconds the first time, and open the file."""
        torchcodec = load_torchcodec(self._device)
        self._pulse()
        self._get_next_frame = torchcodec._core.get_next_frame
        try:
            # An absolute path cannot be taken for an address. The scan of "exact" would be a second pre-flight.
            self._video = torchcodec.decoders.VideoDecoder(
                str(self._probe.path.absolute()),
                dimension_order="NHWC",
                seek_mode="approximate",
                num_ffmpeg_threads=1,
                device=self._device,
            )
        except MemoryError:
            raise
        except Exception as error:
            raise DecoderError(f"{self._probe.path}: torchcodec cannot open it ({_first_line(error)})") from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let the file go."""
        self._video = None

    def pictures(self, wanted: npt.NDArray[np.int64]) -> Iterator[tuple[int, Picture]]:
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
            torchcodec stopped before the last frame, or gave another frame than the packets promise.
        """
        waiting = iter(wanted.tolist())
        index = next(waiting, None)
        for rank in range(self._probe.stamps.size):
            frame = self._next_frame()
            if frame is None:
                raise self._error(f"stopped at frame {rank} of {self._probe.stamps.size} (the file ends)")
            self._num_frames += 1
            if rank == index:
                yield index, ArrayPicture(frame.numpy()) if self._device == "cpu" else DevicePicture(frame)
                index = next(waiting, None)
        if self._next_frame() is not None:
            raise self._error(f"sees more than the {self._probe.stamps.size} frames of its packets")

    def quality(self, max_bad: float) -> ReadQuality:
        """Judge the reading, once `pictures` has come to its end: all frames came, or an error was raised."""
        return judge_quality(self._probe, self._num_frames, 0, max_bad)

    def _next_frame(self) -> "Tensor | None":
        """Return the next frame in the order of display: uint8 (H, W, 3); None at the end."""
        self._pulse()
        try:
            frame, seconds, _ = self._get_next_frame(self._video._decoder)
        except IndexError:
            return None
        except MemoryError:
            raise
        except Exception as error:
            place = f"frame {self._num_frames} of {self._probe.stamps.size}"
            raise self._error(f"stopped at {place} ({_first_line(error)})") from error
        if self._num_frames < self._probe.stamps.size:
            self._require_expected(frame, float(seconds))
        pixels: Tensor = frame
        return pixels

    def _require_expected(self, frame: "Tensor", seconds: float) -> None:
        probe, rank = self._probe, self._num_frames
        expected = int(probe.ticks[rank]) * float(probe.tick_seconds) + probe.start_seconds
        if not abs(seconds - expected) <= _STAMP_TOLERANCE_SECONDS:
            raise self._error(f"gives a frame of {seconds:.6f} s where the packets promise one of {expected:.6f} s")
        if self._device == "cpu":
            return
        if rank == 0 and self._video.cpu_fallback:
            raise self._error(f"has no decoder for its {probe.codec} on {self._device}")
        if tuple(frame.shape) != (probe.height, probe.width, 3):
            raise self._error(f"gives frame {rank} another size than the packets promise")

    def _error(self, finding: str) -> DecoderError:
        return DecoderError(f"{self._probe.path}: torchcodec {finding}", "use --decoder auto")


class DevicePicture:
    """A frame that lies on a device.

    Parameters
    ----------
    pixels
        uint8 (H, W, 3), RGB, upright.
    """

    def __init__(self, pixels: "Tensor") -> None:
        self._pixels = pixels

    def native(self) -> Frame:
        """Return it at its own size: uint8 (H, W, 3), RGB."""
        return np.asarray(self._pixels.cpu().numpy(), np.uint8)

    def resized(self, resizing: Resizing) -> Frame:
        """Return it finished: uint8 (geometry.height, geometry.width, 3), RGB."""
        return np.asarray(resize_on_device(self._pixels, resizing.geometry).cpu().numpy(), np.uint8)


def load_torchcodec(device: str = "cpu") -> ModuleType:
    """Import torchcodec, and torch with it.

    Parameters
    ----------
    device
        What it is to decode on.

    Raises
    ------
    DecoderLackError
        It is not installed, finds no FFmpeg, or has another inside than the one known here; or the device is not there.
    """
    try:
        import torch
        import torchcodec
        import torchcodec.decoders
    except (ImportError, OSError, RuntimeError) as error:
        hint = _MORE_MEMORY if any(words in str(error) for words in _MEMORY_WORDS) else _INSTALL
        raise DecoderLackError(f"torchcodec cannot be loaded ({_why_not_loaded(error)})", hint) from error
    if not hasattr(getattr(torchcodec, "_core", None), "get_next_frame"):
        raise DecoderLackError(
            f"torchcodec {torchcodec.__version__} has no call for the next frame", "pip install torchcodec==0.17.*"
        )
    if device != "cpu" and not torch.cuda.is_available():
        raise DecoderLackError(
            f"torchcodec is to decode on {device}, and torch sees no CUDA device", "use --decoder auto"
        )
    module: ModuleType = torchcodec
    return module


def why_unfit_for_torchcodec(probe: VideoProbe, device: str = "cpu") -> str:
    """Say why torchcodec must not read a video; nothing where it may.

    Containers and codecs are no matter: it reads from the first packet on, and every frame's stamp is compared.

    Parameters
    ----------
    probe
        The video.
    device
        What it would decode on.

    Returns
    -------
    str
        For people, such as ``"its colours have 10 bits"``.
    """
    turned = probe.rotation % 90 != 0 if device == "cpu" else probe.rotation != 0
    reasons = {
        f"its colours have {probe.bit_depth or 'an unknown number of'} bits": probe.bit_depth != 8,
        f"it is shown turned by {probe.rotation} degrees": turned,
        "it is cut short": is_cut_short(probe),
        "its packets hold no presentation stamps": not probe.has_presentation_stamps,
        "two frames have one stamp": bool((np.diff(probe.stamps) == 0).any()),
    }
    return next((reason for reason, holds in reasons.items() if holds), "")


def _why_not_loaded(error: BaseException) -> str:
    if isinstance(error, ModuleNotFoundError):
        return _first_line(error)
    # Its own text is a page long, with a traceback for each version of FFmpeg.
    return "it finds no FFmpeg libraries that it knows" if "ffmpeg" in str(error).lower() else _first_line(error)


def _first_line(error: BaseException) -> str:
    text = _SOURCE_PLACE.sub("", str(error).strip()) or type(error).__name__
    return text.splitlines()[0][:120]
