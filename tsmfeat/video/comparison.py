"""The same file through each decoder, frame by frame: run as a process of its own, since a decoder may crash or hang.

Called with a path and a decoder's name, it prints one JSON object.
"""

import json
import sys
import time
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from tsmfeat.errors import TsmfeatError
from tsmfeat.video.decord_decoding import load_decord, why_unsafe
from tsmfeat.video.pictures import Frame
from tsmfeat.video.probing import VideoProbe, probe_video
from tsmfeat.video.pyav_decoding import PyAVDecoder
from tsmfeat.video.serving import limit_memory
from tsmfeat.video.torchcodec_decoding import TorchcodecDecoder, load_torchcodec, why_unfit_for_torchcodec

_MEMORY_BYTES = 8 << 30


@dataclass(frozen=True)
class DecoderReading:
    """What one decoder made of a file, whether or not it may be trusted with it.

    Parameters
    ----------
    checksums
        CRC-32 of each native frame, in the order of their display.
    seconds
        CPU time.
    error
        Why it stopped early; empty at the end of the file.
    """

    checksums: list[int]
    seconds: float
    error: str


@dataclass(frozen=True)
class VideoFacts:
    """What the pre-flight says of a file.

    Parameters
    ----------
    container, codec, width, height, rotation, bit_depth
        As in `VideoProbe`.
    num_frames, duration_seconds
        To be shown.
    why_unsafe, why_unfit_for_torchcodec
        Why decord, and torchcodec on the CPU, must not read it; empty where they may.
    """

    container: str
    codec: str
    width: int
    height: int
    rotation: int
    bit_depth: int
    num_frames: int
    duration_seconds: float
    why_unsafe: str
    why_unfit_for_torchcodec: str


def describe_video(path: Path) -> VideoFacts:
    """Return the pre-flight's facts of a file.

    Raises
    ------
    VideoError
        It is no readable video.
    """
    probe = probe_video(path)
    return VideoFacts(
        probe.container,
        probe.codec,
        probe.width,
        probe.height,
        probe.rotation,
        probe.bit_depth,
        len(probe.stamps),
        probe.duration_seconds,
        why_unsafe(probe),
        why_unfit_for_torchcodec(probe),
    )


def read_checksums(path: Path, decoder: str) -> DecoderReading:
    """Read a whole file with one decoder, without asking whether it may.

    Parameters
    ----------
    path
        A video.
    decoder
        ``"pyav"``, ``"decord"`` or ``"torchcodec"``.

    Raises
    ------
    TsmfeatError
        The file is no video, or the decoder is not there.
    """
    probe = probe_video(path)
    if decoder == "torchcodec":
        # Loading torch is no reading.
        load_torchcodec()
    frames = _READINGS[decoder](probe)
    checksums: list[int] = []
    began, error = time.process_time(), ""
    try:
        checksums.extend(zlib.crc32(frame.tobytes()) for frame in frames)
    except TsmfeatError as raised:
        error = raised.message
    except Exception as raised:  # noqa: BLE001 - whatever a decoder throws is the finding
        error = f"{type(raised).__name__}: {str(raised).splitlines()[0] if str(raised) else ''}"
    return DecoderReading(checksums, time.process_time() - began, error)


def run_comparison() -> None:
    """Answer for the path and the decoder on the command line; ``facts`` in a decoder's place asks for `VideoFacts`."""
    limit_memory(_MEMORY_BYTES)
    path, what = Path(sys.argv[1]), sys.argv[2]
    try:
        found: DecoderReading | VideoFacts = describe_video(path) if what == "facts" else read_checksums(path, what)
    except TsmfeatError as error:
        sys.stdout.write(json.dumps({"error": error.message, "hint": error.hint, "exit_code": error.exit_code}))
    else:
        sys.stdout.write(json.dumps(asdict(found)))


def _pyav_frames(probe: VideoProbe) -> Iterator[Frame]:
    with PyAVDecoder(probe) as decoder:
        for _, picture in decoder.pictures(np.arange(len(probe.stamps))):
            yield picture.native()


def _torchcodec_frames(probe: VideoProbe) -> Iterator[Frame]:
    with TorchcodecDecoder(probe) as decoder:
        for _, picture in decoder.pictures(np.arange(len(probe.stamps))):
            yield picture.native()


def _decord_frames(probe: VideoProbe) -> Iterator[Frame]:
    reader = load_decord().VideoReader(str(probe.path.absolute()), num_threads=1)
    for _ in range(len(reader)):
        yield reader.next().asnumpy()


_READINGS = {"pyav": _pyav_frames, "decord": _decord_frames, "torchcodec": _torchcodec_frames}
