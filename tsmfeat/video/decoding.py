"""Decoding: which decoder reads a video, and the wanted frames of it."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from tsmfeat.errors import VideoError
from tsmfeat.video.decord_decoding import DecordDecoder, why_unsafe
from tsmfeat.video.geometry import FrameGeometry
from tsmfeat.video.options import VideoOptions
from tsmfeat.video.pictures import Resizing
from tsmfeat.video.probing import VideoProbe
from tsmfeat.video.pyav_decoding import PyAVDecoder
from tsmfeat.video.quality import require_complete, require_whole_file
from tsmfeat.video.torchcodec_decoding import TorchcodecDecoder, why_unfit_for_torchcodec

VideoDecoder = PyAVDecoder | DecordDecoder | TorchcodecDecoder


def choose_decoder(
    probe: VideoProbe, decoder: str, resizings: Sequence[Resizing], pulse: Callable[[], None] = lambda: None
) -> VideoDecoder:
    """Return the decoder that reads a video, not yet opened: PyAV, unless another is asked for by name.

    PyAV reads every file rightly, in flat memory, and costs less: decord must read every frame to notice damage.

    Parameters
    ----------
    probe
        The video.
    decoder
        One of `tsmfeat.video.options.DECODERS`.
    resizings
        What its frames are wanted for.
    pulse
        Called for every packet or frame: a sign of life.

    Raises
    ------
    VideoError
        Another was asked for, and would give wrong frames or fill the memory; the reason is named.
    """
    if decoder.startswith("torchcodec"):
        return _choose_torchcodec(probe, "cuda" if decoder.endswith("-cuda") else "cpu", pulse)
    if decoder != "decord":
        return PyAVDecoder(probe, pulse)
    size = _scaled_size(probe, resizings)
    if reason := why_unsafe(probe, size) or _why_unfit(resizings, size):
        raise VideoError(f"{probe.path}: decord must not read it: {reason}", "use --decoder auto")
    return DecordDecoder(probe, size, pulse)


def _choose_torchcodec(probe: VideoProbe, device: str, pulse: Callable[[], None]) -> TorchcodecDecoder:
    if reason := why_unfit_for_torchcodec(probe, device):
        raise VideoError(f"{probe.path}: torchcodec must not read it: {reason}", "use --decoder auto")
    return TorchcodecDecoder(probe, device, pulse)


def _scaled_size(probe: VideoProbe, resizings: Sequence[Resizing]) -> tuple[int, int] | None:
    """Return the one size to which a reader may scale all frames, or None where they are wanted as they are."""
    sizes = {
        resizing.geometry.resized_size(probe.height, probe.width) if resizing.resize_filter == "reader" else None
        for resizing in resizings
    }
    return sizes.pop() if len(sizes) == 1 else None


def _why_unfit(resizings: Sequence[Resizing], size: tuple[int, int] | None) -> str:
    if size is None and any(resizing.resize_filter == "reader" for resizing in resizings):
        return "it scales to one size, and several are wanted"
    return ""


def decode_frames(
    probe: VideoProbe,
    wanted: npt.NDArray[np.int64],
    geometry: FrameGeometry,
    options: VideoOptions | None = None,
) -> Iterator[tuple[int, npt.NDArray[np.uint8]]]:
    """Decode the wanted frames of a video, resized.

    Parameters
    ----------
    probe
        The video.
    wanted
        int64, ascending and unique: indexes into `VideoProbe.stamps`.
    geometry
        Size of the finished frames.
    options
        Of these `allow_partial`, `max_bad`, `resize_filter` and `decoder` count; defaults where None.

    Yields
    ------
    index, frame
        uint8 (geometry.height, geometry.width, 3), RGB, upright.

    Raises
    ------
    VideoError
        Nothing can be decoded; or, after the last frame, the video is truncated or corrupt and `allow_partial` is
        false.
    """
    options = options or VideoOptions()
    if not options.allow_partial:
        require_whole_file(probe)
    resizing = Resizing(geometry, options.resize_filter)
    with choose_decoder(probe, options.decoder, [resizing]) as decoder:
        for index, picture in decoder.pictures(wanted):
            yield index, picture.resized(resizing)
        if not options.allow_partial:
            require_complete(probe, decoder.quality(options.max_bad))
