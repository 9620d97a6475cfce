"""Decoding with PyAV: one pass over a video from its first packet to its last, the wanted frames in order."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from av.error import FFmpegError
from av.video.reformatter import VideoReformatter

from tsmfeat.errors import VideoError
from tsmfeat.video.opening import PacketFeed, open_video
from tsmfeat.video.pictures import PyAVPicture
from tsmfeat.video.probing import VideoProbe
from tsmfeat.video.quality import ReadQuality, judge_quality

if TYPE_CHECKING:
    from av.packet import Packet
    from av.video.frame import VideoFrame


class PyAVDecoder:
    """An open video that is decoded once, forward only.

    Parameters
    ----------
    probe
        The video, as `probe_video` found it.
    pulse
        Called for every packet: a sign of life.

    Raises
    ------
    VideoError
        On entering: the file cannot be opened any more.

    Notes
    -----
    Frames are told by their stamp, so that lost ones leave a gap and shift nothing. Where stamps cannot be trusted
    (`VideoProbe.has_presentation_stamps`) the k-th frame out has the k-th smallest stamp, leaving out those of bad
    packets.
    """

    def __init__(self, probe: VideoProbe, pulse: Callable[[], None] = lambda: None) -> None:
        self._probe = probe
        self._pulse = pulse
        self._resources = ExitStack()
        # One converter for all frames: building it anew costs several times the conversion itself.
        self._reformatter = VideoReformatter()
        self._num_frames = 0
        self._num_bad = 0
        self._damage = ""
        self._last_rank = -1
        self._lost_ranks: set[int] = set()

    def __enter__(self) -> "PyAVDecoder":
        """Open the file."""
        self._container, self._stream = self._resources.enter_context(open_video(self._probe.path))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self._resources.close()

    def pictures(self, wanted: npt.NDArray[np.int64]) -> Iterator[tuple[int, PyAVPicture]]:
        """Decode the whole video and yield the wanted frames; call it once.

        Parameters
        ----------
        wanted
            int64, ascending and unique: indexes into `VideoProbe.stamps`.

        Yields
        ------
        index, picture
            Each wanted index once, in order, with the frame on display at its stamp. For a lost frame that is the one
            before, for a lost first frame the first to come.

        Raises
        ------
        VideoError
            No frame at all could be decoded.
        MemoryError
            A frame does not fit into the memory this process may use.
        """
        waiting = iter(wanted.tolist())
        index = next(waiting, None)
        shown: VideoFrame | None = None
        for rank, frame in self._ranked_frames():
            while index is not None and index < rank:
                yield index, self._picture(shown or frame)
                index = next(waiting, None)
            if index == rank:
                yield rank, self._picture(frame)
                index = next(waiting, None)
            shown = frame
        if shown is None:
            raise VideoError(f"{self._probe.path}: none of its frames can be decoded", "encode the video again")
        while index is not None:
            yield index, self._picture(shown)
            index = next(waiting, None)

    def quality(self, max_bad: float) -> ReadQuality:
        """Judge the reading, once `pictures` has come to its end."""
        return judge_quality(self._probe, self._num_frames, self._num_bad, max_bad, self._damage)

    def _picture(self, frame: "VideoFrame") -> PyAVPicture:
        return PyAVPicture(frame, self._reformatter)

    def _ranked_frames(self) -> "Iterator[tuple[int, VideoFrame]]":
        for frame in self._decoded_frames():
            rank = self._rank(frame.pts)
            if rank is not None:
                self._last_rank = rank
                self._num_frames += 1
                yield rank, frame

    def _decoded_frames(self) -> "Iterator[VideoFrame]":
        feed = PacketFeed(self._container, [self._stream], self._pulse)
        for packet in feed:
            yield from self._decode(packet)
        self._damage = feed.damage
        yield from self._decode(None)

    def _decode(self, packet: "Packet[Any] | None") -> "list[VideoFrame]":
        try:
            # Half a packet gives half a frame: one the container itself calls corrupt is not decoded.
            if packet is None or not packet.is_corrupt:
                return self._stream.codec_context.decode(packet)
        except MemoryError:
            # FFmpeg's own kind is an FFmpegError too, but no fault of the packet's.
            raise
        except FFmpegError:
            if packet is None:
                return []
        self._count_bad(packet)
        return []

    def _count_bad(self, packet: "Packet[Any] | None") -> None:
        self._num_bad += 1
        stamp = None if packet is None else packet.pts if packet.pts is not None else packet.dts
        if stamp is not None:
            self._lost_ranks.add(int(np.searchsorted(self._probe.stamps, stamp)))

    def _rank(self, stamp: int | None) -> int | None:
        """Return a frame's place among the frames to be shown, or None where it is not to be shown."""
        following = self._last_rank + 1
        if stamp is None or not self._probe.has_presentation_stamps:
            while following in self._lost_ranks:
                following += 1
            return following
        stamps = self._probe.stamps
        rank = max(int(np.searchsorted(stamps, stamp)), following)
        return rank if rank < stamps.size and stamps[rank] == stamp else None
