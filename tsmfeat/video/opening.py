"""Opening a video file with PyAV, safely: a regular file, known containers, its best video stream."""

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
from av.error import FFmpegError
from av.stream import Disposition
from av.video.stream import VideoStream

from tsmfeat.errors import EnvironmentLackError, VideoError

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.stream import Stream

# 16384 × 8192: the largest frame any standard knows. FFmpeg itself gives up at twice that, without a reason.
MAX_PIXELS = 1 << 27

# Playlists, image patterns and text renderers can name other files and addresses: they are no videos here.
_CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2",
    "matroska,webm",
    "avi,mpegts,mpeg,mpegvideo,m4v,h264,hevc,vvc,av1,obu,ivf,asf,flv,live_flv,ogg,mxf,nut,rm,gxf,dv,wtv,gif,apng",
    "yuv4mpegpipe,vc1,swf,mjpeg,nsv",
)
_OPEN_OPTIONS = {"format_whitelist": ",".join(_CONTAINERS), "protocol_whitelist": "file"}
_HINT = "check that it is a video, or copy it again"

# Tags of other encodings must not stop a video; from PyAV 19 on they never do, and the argument is gone.
_LENIENT_TAGS: dict[str, Any] = {"metadata_errors": "replace"} if int(av.__version__.partition(".")[0]) < 19 else {}


@contextmanager
def open_video(path: Path) -> "Iterator[tuple[InputContainer, VideoStream]]":
    """Open a file and choose its video stream; close it at the end.

    Parameters
    ----------
    path
        A regular file. Pipes, devices and folders are refused without being opened.

    Yields
    ------
    container, stream
        The container, and its best video stream set to decode in the calling thread. A cover picture is no video.

    Raises
    ------
    VideoError
        Missing, not a regular file, empty, no permission, not a video, no video stream, or an absurd frame size.
    EnvironmentLackError
        This FFmpeg cannot decode the stream's codec.
    """
    require_file(path)
    with _open_container(path) as container:
        yield container, _choose_stream(path, container)


def require_file(path: Path) -> os.stat_result:
    """Return the status of a video file, without opening it.

    Raises
    ------
    VideoError
        The path is missing or unreachable, not a regular file, or empty.
    """
    try:
        status = path.stat()
    except FileNotFoundError:
        raise VideoError(f"{path}: no such file", "check the path") from None
    except (OSError, ValueError) as error:
        raise VideoError(f"{path}: cannot be reached ({error})", "check the path and its permissions") from error
    if not stat.S_ISREG(status.st_mode):
        kind = "a folder" if stat.S_ISDIR(status.st_mode) else "a pipe, socket or device"
        raise VideoError(f"{path}: {kind}; a video is a regular file", "pass a video file")
    if status.st_size == 0:
        raise VideoError(f"{path}: 0 bytes; a video cannot be empty", "copy the file again")
    return status


def require_unchanged(path: Path, before: os.stat_result) -> None:
    """Refuse a file that has changed since a look at it: what was read may be half of one and half of another.

    Parameters
    ----------
    path
        The file.
    before
        What `require_file` returned when the reading began.

    Raises
    ------
    VideoError
        Its size or its time of change is another one, or it is gone.
    """
    now = require_file(path)
    if (now.st_size, now.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
        raise VideoError(
            f"{path}: changed while it was read, from {before.st_size:,} to {now.st_size:,} bytes",
            "wait until it is written whole, then try again with --retry-failed",
        )


def require_time_base(path: Path, stream: "VideoStream") -> Fraction:
    """Return the seconds of one unit of a stream's stamps.

    Raises
    ------
    VideoError
        The stream states none.
    """
    if not stream.time_base:
        raise VideoError(f"{path}: its video stream has no time base; frames need a time", "remux the file")
    return stream.time_base


class PacketFeed:
    """The packets of some streams in file order; a file that breaks off simply ends.

    Parameters
    ----------
    container, streams
        An open container, and the streams wanted of it.
    pulse
        Called for every packet: a sign of life.

    Attributes
    ----------
    damage : str
        Why the file broke off; empty while reading and at a proper end.
    """

    def __init__(
        self, container: "InputContainer", streams: "list[Stream]", pulse: Callable[[], None] = lambda: None
    ) -> None:
        self.damage = ""
        self._pulse = pulse
        self._packets = container.demux(*streams)

    def __iter__(self) -> "Iterator[Packet[Any]]":
        """Yield every packet that holds data."""
        try:
            for packet in self._packets:
                self._pulse()
                if packet.size:
                    yield packet
        except MemoryError:
            # A limit was met, and no end of the file.
            raise
        except FFmpegError as error:
            self.damage = describe_error(error)


def describe_error(error: FFmpegError) -> str:
    """Return FFmpeg's own words for an error, without its number and file name."""
    return str(error.strerror or error)


def _open_container(path: Path) -> "InputContainer":
    try:
        # The prefix keeps names such as "concat:a" or "pipe:0" from being read as addresses.
        container: InputContainer = av.open(f"file:{path}", options=dict(_OPEN_OPTIONS), **_LENIENT_TAGS)
    except MemoryError:
        # FFmpeg's own kind is an FFmpegError too, but no fault of the file's.
        raise
    except FFmpegError as error:
        raise VideoError(f"{path}: not a readable video ({describe_error(error)})", _HINT) from error
    except OSError as error:
        raise VideoError(f"{path}: cannot be opened ({error.strerror})", "check its permissions") from error
    return container


def _choose_stream(path: Path, container: "InputContainer") -> "VideoStream":
    stream = container.streams.best("video")
    if not isinstance(stream, VideoStream) or Disposition.attached_pic in Disposition(stream.disposition):
        found = "a cover picture" if stream is not None else "no video stream"
        raise VideoError(f"{path}: {found} and nothing else to see; a video stream is needed", "pass a video file")
    context = stream.codec_context
    if context is None:
        raise EnvironmentLackError(
            f"{path}: this FFmpeg has no decoder for its video stream", "convert it, for example to H.264"
        )
    if context.width * context.height > MAX_PIXELS:
        raise VideoError(f"{path}: frames of {context.width}×{context.height}; at most {MAX_PIXELS:,} pixels", _HINT)
    # Readers are processes, one a core: a reader itself stays in one thread.
    stream.thread_type = "NONE"
    stream.thread_count = 1
    return stream
