"""What a video file, or a list of failed videos, holds."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from tsmfeat.video.probing import VideoProbe, probe_video
from tsmfeat.video.quality import is_cut_short
from tsmfeat.workflows.failures import COLUMNS, load_failures

# The steps that users choose between.
STEPS = (0.25, 0.5, 1.0)


def describe_video(path: Path) -> dict[str, Any]:
    """Return what ``tsmfeat inspect --json`` prints about a video: its packets are read, one frame is decoded.

    Raises
    ------
    VideoError
        It cannot be read.
    EnvironmentLackError
        No decoder for its codec.
    """
    probe = probe_video(path)
    rate, is_variable = _frame_rate(probe)
    return {
        "kind": "video",
        "path": str(path),
        "video_id": path.stem,
        "container": probe.container,
        "codec": probe.codec,
        "width": probe.width,
        "height": probe.height,
        "rotation": probe.rotation,
        "num_bytes": probe.source_size,
        "num_frames": int(probe.stamps.size),
        "num_expected": probe.num_expected,
        "num_packets": probe.num_packets,
        "duration_seconds": probe.duration_seconds,
        "start_seconds": probe.start_seconds,
        "first_frame_seconds": float(int(probe.ticks[0]) * probe.tick_seconds),
        "frame_rate": rate,
        "variable_frame_rate": is_variable,
        "has_stamps": probe.has_presentation_stamps,
        "num_intervals": {f"{step:g}": probe.grid(step).count for step in STEPS},
        "whole_file": not is_cut_short(probe),
        "missing_seconds": probe.missing_seconds,
        "damage": probe.damage,
    }


def _frame_rate(probe: VideoProbe) -> tuple[float | None, bool]:
    """Return the mean frame rate, and whether gaps differ by more than the rounding of the time base."""
    gaps = np.diff(probe.ticks)
    if not gaps.sum():
        return None, False
    rate = len(gaps) / float(int(gaps.sum()) * probe.tick_seconds)
    unit = int(probe.time_base / probe.tick_seconds)
    return rate, bool(gaps.max() - gaps.min() > unit)


def describe_failures(path: Path) -> dict[str, Any]:
    """Return what ``tsmfeat inspect --json`` prints about a list of videos that could not be extracted.

    Raises
    ------
    InputError
        The list cannot be read.
    """
    listed = [asdict(failure) for failure in load_failures(path).values()]
    # As in the file: views and outputs only where they say something.
    videos = [{name: value for name, value in row.items() if name in COLUMNS or value} for row in listed]
    return {"kind": "failures", "path": str(path), "num_videos": len(videos), "videos": videos}
