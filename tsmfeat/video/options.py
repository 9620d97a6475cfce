"""Choices and defaults of reading videos."""

import os
from dataclasses import dataclass

from tsmfeat.errors import ConfigurationError
from tsmfeat.video.geometry import parse_geometry

RESIZES = ("square256", "short256-crop224", "short256-crop256")
VIDEO_SUFFIXES = (
    ".mp4",
    ".m4v",
    ".mov",
    ".mkv",
    ".webm",
    ".avi",
    ".ts",
    ".mts",
    ".m2ts",
    ".mpg",
    ".mpeg",
    ".wmv",
    ".asf",
    ".flv",
    ".3gp",
    ".3g2",
    ".ogv",
    ".mxf",
    ".vob",
)


@dataclass(frozen=True)
class VideoOptions:
    """How videos are read.

    Parameters
    ----------
    resize
        Frame geometry: one of `RESIZES`, or other sizes by the same pattern.
    allow_partial
        Whether truncated and corrupt videos are kept, with that status, instead of failing.
    max_bad
        The share of bad packets above which a video is corrupt.
    workers
        Reader processes; None: one a usable CPU core (`resolve_workers`).

    Raises
    ------
    ConfigurationError
        A value outside its range.

    Examples
    --------
    >>> VideoOptions().resize
    'square256'
    """

    resize: str = RESIZES[0]
    allow_partial: bool = False
    max_bad: float = 0.01
    workers: int | None = None

    def __post_init__(self) -> None:
        """Check the three values that have a range."""
        parse_geometry(self.resize)
        if not 0 <= self.max_bad <= 1:
            raise ConfigurationError(
                f"max_bad = {self.max_bad!r}: the share of bad packets lies in 0..1", "use for example --max-bad 0.01"
            )
        if self.workers is not None and self.workers < 1:
            raise ConfigurationError(f"workers = {self.workers}: at least one reader is needed", "use --workers auto")


def resolve_workers(workers: int | None) -> int:
    """Return the number of reader processes: as given, else the CPU cores this process may use.

    Examples
    --------
    >>> resolve_workers(3)
    3
    >>> resolve_workers(None) >= 1
    True
    """
    if workers is not None:
        return workers
    usable = getattr(os, "sched_getaffinity", None)
    return len(usable(0)) if usable else os.cpu_count() or 1
