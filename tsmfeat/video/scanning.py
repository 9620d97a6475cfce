"""One pass over the packets of a container: stamps, hidden frames, where it ends, and the first frame's rotation."""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from av.error import FFmpegError

from tsmfeat.video.opening import PacketFeed
from tsmfeat.video.parameter_sets import SIZED_CODECS, size_statements
from tsmfeat.video.transforms import display_angle

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.stream import VideoStream

# Packets tried for the first frame: an edit list can hide many, a damaged stream gives none.
_FIRST_FRAME_PACKETS = 300


@dataclass(frozen=True, eq=False)
class PacketScan:
    """The packets of a video stream in file order.

    Parameters
    ----------
    stamps
        int64 (n,): presentation stamps in units of the stream, guessed where `stamped` is false.
    durations
        int64 (n,): 0 where the container states none.
    hidden
        bool (n,): frames an edit list hides.
    stamped
        Whether every packet came with a presentation stamp of its own.
    last_end_seconds
        Where the last packet of video or audio ends, on the container's clock.
    rotation
        Of the first frame, degrees counter-clockwise.
    one_size
        Whether the stream states the same frame size throughout; false where this cannot be told from its packets.
    damage
        Why the container broke off; empty for a file read to its end.
    """

    stamps: npt.NDArray[np.int64]
    durations: npt.NDArray[np.int64]
    hidden: npt.NDArray[np.bool_]
    stamped: bool
    last_end_seconds: Fraction
    rotation: int
    one_size: bool
    damage: str


def scan_packets(
    container: "InputContainer", stream: "VideoStream", pulse: Callable[[], None] = lambda: None
) -> PacketScan:
    """Read all packets of video and audio; decode only until the first frame is out."""
    feed = PacketFeed(container, [stream, *container.streams.audio], pulse)
    sizes = _SizeWatch(stream)
    rows: list[tuple[int | None, int | None, int, bool]] = []
    last_end, rotation = Fraction(0), None
    for packet in feed:
        last_end = max(last_end, _packet_end(packet))
        if packet.stream_index == stream.index:
            rows.append((packet.pts, packet.dts, packet.duration or 0, packet.is_discard))
            sizes.look_at(packet)
            if rotation is None:
                rotation = _rotation(packet) if len(rows) <= _FIRST_FRAME_PACKETS else 0
    presentation = [row[0] for row in rows]
    durations = np.array([row[2] for row in rows], np.int64)
    return PacketScan(
        stamps=_fill_stamps(presentation, [row[1] for row in rows], durations),
        durations=durations,
        hidden=np.array([row[3] for row in rows], np.bool_),
        stamped=None not in presentation,
        last_end_seconds=last_end,
        rotation=rotation or 0,
        one_size=sizes.one_size,
        damage=feed.damage,
    )


class _SizeWatch:
    """Follows what a stream states of its frame size."""

    def __init__(self, stream: "VideoStream") -> None:
        context = stream.codec_context
        self._codec, self._header = context.codec.canonical_name, context.extradata
        self.one_size = self._codec in SIZED_CODECS
        self._stated: bytes | None = None
        if self.one_size:
            self._compare(None)

    def look_at(self, packet: "Packet[Any]") -> None:
        # VP9 alone may state a size between key frames.
        if self.one_size and (packet.is_keyframe or self._codec == "vp9"):
            self._compare(bytes(packet))

    def _compare(self, content: bytes | None) -> None:
        for statement in size_statements(self._codec, self._header, content):
            self._stated = self._stated or statement
            if statement is None or statement != self._stated:
                self.one_size = False


def _packet_end(packet: "Packet[Any]") -> Fraction:
    stamp = packet.pts if packet.pts is not None else packet.dts
    return Fraction(0) if stamp is None else (stamp + (packet.duration or 0)) * packet.time_base


def _rotation(packet: "Packet[Any]") -> int | None:
    try:
        frames = packet.decode()
    except MemoryError:
        raise
    except FFmpegError:
        return None
    return display_angle(frames[0].rotation) if frames else None


def _fill_stamps(
    presentation: list[int | None], decoding: list[int | None], durations: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Return a stamp for every packet: its own, else the decoding stamp, else the end of the packet before."""
    stamps = np.empty(len(presentation), np.int64)
    following = 0
    for index, (own, decoded) in enumerate(zip(presentation, decoding, strict=True)):
        stamps[index] = own if own is not None else decoded if decoded is not None else following
        following = int(stamps[index]) + int(durations[index])
    return stamps
