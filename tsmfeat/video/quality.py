"""How completely a video was read, and whether that is enough."""

from dataclasses import dataclass

from tsmfeat.errors import VideoError
from tsmfeat.values.features import VideoStatus
from tsmfeat.video.probing import VideoProbe

MIN_DECODED_SHARE = 0.98
MAX_MISSING_SECONDS = 1.0
MAX_MISSING_SHARE = 0.02
_HINT = "copy or encode the video again, or keep what can be read with --allow-partial"


@dataclass(frozen=True)
class ReadQuality:
    """What became of a video's frames.

    Parameters
    ----------
    num_frames_decoded
        Frames that came out of the decoder.
    num_bad_packets
        Packets that could not be decoded and were left out.
    num_repeated_frames
        Frames that should have come but did not; the frame on display before stands in for each.
    status
        Complete, truncated or corrupt.
    """

    num_frames_decoded: int
    num_bad_packets: int
    num_repeated_frames: int
    status: VideoStatus


def judge_quality(
    probe: VideoProbe, num_frames_decoded: int, num_bad_packets: int, max_bad: float, damage: str = ""
) -> ReadQuality:
    """Judge a video that was decoded to its end.

    Parameters
    ----------
    probe
        What the packets promised.
    num_frames_decoded, num_bad_packets
        What decoding gave.
    max_bad
        The share of bad packets above which the video is corrupt.
    damage
        Why decoding met the end early; empty for a proper end.

    Returns
    -------
    ReadQuality
        ``TRUNCATED`` where the file ends early; else ``CORRUPT_PARTIAL`` above `max_bad`; else ``TRUNCATED`` where
        fewer than 98 % of the frames came out.
    """
    repeated = max(probe.stamps.size - num_frames_decoded, 0)
    if is_cut_short(probe) or damage:
        status = VideoStatus.TRUNCATED
    elif num_bad_packets > max_bad * max(probe.num_packets, probe.num_expected):
        status = VideoStatus.CORRUPT_PARTIAL
    elif num_frames_decoded < MIN_DECODED_SHARE * probe.num_expected:
        status = VideoStatus.TRUNCATED
    else:
        status = VideoStatus.COMPLETE
    return ReadQuality(num_frames_decoded, num_bad_packets, repeated, status)


def is_cut_short(probe: VideoProbe) -> bool:
    """Return whether the packets alone show that the file ends early.

    It does if it breaks off, if it holds fewer than 98 % of the frames its index lists, or if it ends earlier than it
    declares by more than 1 s and more than 2 %.
    """
    declared = probe.duration_seconds + probe.missing_seconds
    allowed = max(MAX_MISSING_SECONDS, MAX_MISSING_SHARE * declared)
    few = probe.stamps.size < MIN_DECODED_SHARE * probe.num_expected
    return bool(probe.damage) or few or probe.missing_seconds > allowed


def require_whole_file(probe: VideoProbe) -> None:
    """Refuse a file that ends early, before a frame is decoded.

    Raises
    ------
    VideoError
        Naming what is there and what should be.
    """
    if not is_cut_short(probe):
        return
    length = probe.duration_seconds
    found = (
        f"{probe.stamps.size} of {probe.num_expected} frames, {length:.1f} of {length + probe.missing_seconds:.1f} s"
    )
    broken = f"; it breaks off: {probe.damage}" if probe.damage else ""
    raise VideoError(f"{probe.path}: truncated: the file holds {found}{broken}", _HINT)


def require_complete(probe: VideoProbe, quality: ReadQuality) -> None:
    """Refuse a reading that is not complete.

    Raises
    ------
    VideoError
        Naming the status and the numbers behind it.
    """
    if quality.status is VideoStatus.COMPLETE:
        return
    if quality.status is VideoStatus.CORRUPT_PARTIAL:
        found = f"corrupt: {quality.num_bad_packets} of {probe.num_packets} packets cannot be decoded"
    else:
        found = f"truncated: {quality.num_frames_decoded} of {probe.num_expected} frames could be decoded"
    raise VideoError(f"{probe.path}: {found}", _HINT)
