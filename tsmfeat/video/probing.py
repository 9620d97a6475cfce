"""Pre-flight of a video: what its packets say about its frames and its time, before it is decoded."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tsmfeat.errors import VideoError
from tsmfeat.values.intervals import IntervalGrid
from tsmfeat.video.opening import open_video, require_file, require_time_base
from tsmfeat.video.scanning import PacketScan, scan_packets

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

MAX_DURATION_SECONDS = 30 * 86_400
# A still picture may well be shown for a minute; beyond that a track's length and its file's agree at least roughly.
_LONGEST_STILL_SECONDS = 60
_MOST_STRETCHED = 10
_MICROSECOND = Fraction(1, 1_000_000)
# The index of these lists every frame, also those a cut file no longer holds.
_INDEXED = "mov,mp4,m4a,3gp,3g2,mj2"
# These declare their length in a header, so that a cut file shows.
_DECLARING = frozenset({"matroska,webm", "avi", "asf", "flv"})


@dataclass(frozen=True, eq=False)
class VideoProbe:
    """What is known of a video before decoding it.

    Parameters
    ----------
    path, source_size
        The file, and its bytes.
    container, codec
        FFmpeg's names.
    width, height
        Of a coded frame, before rotation.
    bit_depth
        Of a colour component; 0 where the pixel format is unknown.
    rotation
        Display rotation of the first frame in degrees, counter-clockwise.
    one_size
        Whether all frames are known to have the size of the first.
    time_base
        Seconds of one unit of `stamps`.
    stamps
        int64 (n,): presentation stamps of the frames to be shown, ascending, on the stream's own clock. Frames hidden
        by an edit list are not among them.
    ticks, tick_seconds
        The same stamps relative to time 0 (the container's start), int64 (n,), and the seconds of one of their units.
    start_seconds
        The container's start on its own clock.
    duration_seconds
        Length L: end of the last frame on display, relative to time 0.
    num_packets
        Packets of the stream, hidden ones included.
    num_expected
        Frames the container promises, also where the file ends before them.
    missing_seconds
        How much earlier than declared the file ends.
    damage
        Why the container broke off; empty for a file read to its end.
    most_reordered
        By how many places at most a frame is shown before its place in the file.
    has_presentation_stamps
        Whether a decoded frame can be told by its stamp. Otherwise (AVI, raw streams) the k-th frame out of the
        decoder has the k-th smallest stamp.
    """

    path: Path
    source_size: int
    container: str
    codec: str
    width: int
    height: int
    bit_depth: int
    rotation: int
    one_size: bool
    time_base: Fraction
    stamps: npt.NDArray[np.int64]
    ticks: npt.NDArray[np.int64]
    tick_seconds: Fraction
    start_seconds: float
    duration_seconds: float
    num_packets: int
    num_expected: int
    missing_seconds: float
    damage: str
    most_reordered: int
    has_presentation_stamps: bool

    def grid(self, step_seconds: float) -> IntervalGrid:
        """Return the video's intervals; the tolerance is one unit of its time base."""
        return IntervalGrid(self.duration_seconds, step_seconds, float(self.time_base))


def probe_video(path: Path, pulse: Callable[[], None] = lambda: None) -> VideoProbe:
    """Look a video over by reading its packets; only the first frame is decoded, for its rotation.

    Time 0 is the container's start. A frame is on display from its stamp to the next frame's; the last for its
    duration, or the median gap where it states none.

    Parameters
    ----------
    path
        A regular file; pipes and folders are refused at once.
    pulse
        Called for every packet: a sign of life.

    Raises
    ------
    VideoError
        Not a regular file, empty, not a video, no video stream, no frames, or stamps that cannot be true.
    EnvironmentLackError
        No decoder for the codec.
    """
    source_size = require_file(path).st_size
    with open_video(path) as (container, stream):
        scan = scan_packets(container, stream, pulse)
        time_base = require_time_base(path, stream)
        stamps, end = _frames_shown(path, scan, stream, time_base)
        start = _container_start(container, stream, int(stamps[0]), time_base)
        duration = max(end * time_base - start, Fraction(0))
        _check_clock(path, start, duration, int(stamps[0]) * time_base)
        _check_declared_duration(path, container, duration)
        tick = _common_unit(time_base, start)
        return VideoProbe(
            path=path,
            source_size=source_size,
            container=container.format.name,
            codec=stream.codec_context.codec.canonical_name,
            width=stream.codec_context.width,
            height=stream.codec_context.height,
            bit_depth=_bit_depth(stream),
            rotation=scan.rotation,
            one_size=scan.one_size,
            time_base=time_base,
            stamps=stamps,
            ticks=stamps * int(time_base / tick) - int(start / tick),
            tick_seconds=tick,
            start_seconds=float(start),
            duration_seconds=float(duration),
            num_packets=scan.stamps.size,
            num_expected=max(stamps.size, _promised_frames(container, stream)),
            missing_seconds=float(_missing(container, scan, start)),
            damage=scan.damage,
            most_reordered=_most_reordered(scan.stamps),
            has_presentation_stamps=scan.stamped and not _guesses_stamps(container, stream),
        )


def _check_clock(path: Path, start: Fraction, duration: Fraction, first: Fraction) -> None:
    if max(duration, abs(start), start - first) > MAX_DURATION_SECONDS:
        raise VideoError(
            f"{path}: stamps from {float(start):.0f} s over {float(duration):.0f} s; at most 30 days can be true",
            "the file is damaged: copy it again, or remux it",
        )


def _check_declared_duration(path: Path, container: "InputContainer", duration: Fraction) -> None:
    """Refuse a track whose clock cannot be the container's: a unit lost from its header stretches it a thousandfold."""
    declared = (container.duration or 0) * _MICROSECOND
    stretched = duration > _MOST_STRETCHED * declared + _LONGEST_STILL_SECONDS
    if container.format.name == _INDEXED and declared > 0 and stretched:
        raise VideoError(
            f"{path}: its frames last {float(duration):.0f} s, its header says {float(declared):.1f}; one is wrong",
            "the file is damaged: copy it again, or remux it",
        )


def _frames_shown(
    path: Path, scan: PacketScan, stream: "VideoStream", time_base: Fraction
) -> tuple[npt.NDArray[np.int64], int]:
    """Return the ascending stamps of the frames to be shown, and the stamp at which the last one ends."""
    stamps, durations = scan.stamps[~scan.hidden], scan.durations[~scan.hidden]
    if not stamps.size:
        raise VideoError(f"{path}: {scan.stamps.size} packets, none with a frame to show", "copy the file again")
    order = np.argsort(stamps, kind="stable")
    stamps = stamps[order]
    return stamps, int(stamps[-1]) + (int(durations[order[-1]]) or _usual_gap(stamps, stream, time_base))


def _most_reordered(stamps: npt.NDArray[np.int64]) -> int:
    places = np.arange(stamps.size)
    # The packet that is shown at each place, by its place in the file.
    return int((np.argsort(stamps, kind="stable") - places).max())


def _bit_depth(stream: "VideoStream") -> int:
    pixels = stream.codec_context.format
    return max((component.bits for component in pixels.components), default=0) if pixels else 0


def _usual_gap(stamps: npt.NDArray[np.int64], stream: "VideoStream", time_base: Fraction) -> int:
    gaps = np.diff(stamps)
    if gaps.any():
        return int(np.median(gaps[gaps > 0]))
    rate = stream.average_rate or stream.guessed_rate
    return max(round(1 / (rate * time_base)), 1) if rate else 1


def _container_start(
    container: "InputContainer", stream: "VideoStream", first_stamp: int, time_base: Fraction
) -> Fraction:
    """Return time 0 on the container's clock, exactly where the video stream itself starts the container."""
    if container.start_time is None:
        return first_stamp * time_base
    start = container.start_time * _MICROSECOND
    own = None if stream.start_time is None else stream.start_time * time_base
    # The container's start is rounded to microseconds.
    return own if own is not None and abs(own - start) <= _MICROSECOND else start


def _common_unit(time_base: Fraction, start: Fraction) -> Fraction:
    """Return the largest unit of which the time base and the start are both whole multiples."""
    denominator = math.lcm(time_base.denominator, start.denominator)
    return Fraction(math.gcd(int(time_base * denominator), int(start * denominator)), denominator)


def _guesses_stamps(container: "InputContainer", stream: "VideoStream") -> bool:
    """Return whether stamps are FFmpeg's guesses: AVI holds none, nor does a stream in Matroska's AVI disguise."""
    disguised = container.format.name == "matroska,webm" and stream.codec_tag.strip("\0") != ""
    return container.format.name == "avi" or disguised


def _promised_frames(container: "InputContainer", stream: "VideoStream") -> int:
    if container.format.name != _INDEXED:
        return 0
    return sum(not entry.is_discard for entry in stream.index_entries)


def _missing(container: "InputContainer", scan: PacketScan, start: Fraction) -> Fraction:
    """Return how many seconds before its declared length the file ends."""
    if container.format.name not in _DECLARING or container.duration is None:
        return Fraction(0)
    # Some writers declare the length, some the last stamp: the kinder reading holds.
    reached = max(scan.last_end_seconds, scan.last_end_seconds - start)
    return max(container.duration * _MICROSECOND - reached, Fraction(0))
