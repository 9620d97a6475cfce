"""Choices and defaults of reading videos."""

import math
import os
from dataclasses import dataclass

from tsmfeat.errors import ConfigurationError, did_you_mean
from tsmfeat.video.geometry import parse_geometry

RESIZE_FILTERS = ("pil", "reader")
DECODERS = ("auto", "pyav", "decord", "torchcodec", "torchcodec-cuda")
# Their frames are native, or finished on the device; a scaler inside them is far slower than none.
_WITHOUT_SCALER = ("torchcodec", "torchcodec-cuda")
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
    resize_filter
        One of `RESIZE_FILTERS`: Pillow's antialiased bilinear, as the official TSM code resizes; or the reader's own
        scaler, nearly free, whose pixels differ by up to 59 grey levels.
    decoder
        One of `DECODERS`. ``"auto"``: PyAV, and decord for a video at which PyAV crashes or hangs. ``"decord"``
        refuses the videos it would read wrongly, and so does ``"torchcodec"``; ``"torchcodec-cuda"`` decodes and
        resizes on the GPU.
    reader_memory_gb
        Memory a reader process may use for its own, in GB (2 to the 30th bytes); a video that needs more fails.
    reader_timeout_seconds
        A reader that shows no sign of life for so long is ended, and its video fails.

    Raises
    ------
    ConfigurationError
        A value outside its range, or torchcodec with the filter ``"reader"``.

    Examples
    --------
    >>> VideoOptions().resize
    'square256'
    """

    resize: str = RESIZES[0]
    allow_partial: bool = False
    max_bad: float = 0.01
    workers: int | None = None
    resize_filter: str = RESIZE_FILTERS[0]
    decoder: str = DECODERS[0]
    reader_memory_gb: float = 4.0
    reader_timeout_seconds: float = 60.0

    def __post_init__(self) -> None:
        """Check every value."""
        parse_geometry(self.resize)
        _require_choice("resize filter", self.resize_filter, RESIZE_FILTERS)
        _require_choice("decoder", self.decoder, DECODERS)
        if self.decoder in _WITHOUT_SCALER and self.resize_filter == "reader":
            raise ConfigurationError(
                f"decoder {self.decoder!r} with the filter 'reader': it scales with 'pil' only", "leave --filter out"
            )
        _require_positive("reader_memory_gb", self.reader_memory_gb, "--reader-memory 4")
        _require_positive("reader_timeout_seconds", self.reader_timeout_seconds, "--reader-timeout 60")
        if not 0 <= self.max_bad <= 1:
            raise ConfigurationError(
                f"max_bad = {self.max_bad!r}: the share of bad packets lies in 0..1", "use for example --max-bad 0.01"
            )
        if self.workers is not None and self.workers < 1:
            raise ConfigurationError(f"workers = {self.workers}: at least one reader is needed", "use --workers auto")


def _require_choice(field: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        hint = did_you_mean(value, choices) or "choose one of " + ", ".join(choices)
        raise ConfigurationError(f"{field} {value!r} is not known", hint)


def _require_positive(field: str, value: float, example: str) -> None:
    if not 0 < value < math.inf:
        raise ConfigurationError(f"{field} = {value!r}: a positive number is wanted", f"use for example {example}")


def reader_identity(options: VideoOptions) -> str:
    """Return the decoder's name where its own pixels make it part of the features' identity; else nothing.

    That is where the reader's scaler is used, and where a GPU decodes: its colours differ by a few grey levels.

    Examples
    --------
    >>> reader_identity(VideoOptions()), reader_identity(VideoOptions(resize_filter="reader"))
    ('', 'pyav')
    >>> reader_identity(VideoOptions(decoder="torchcodec")), reader_identity(VideoOptions(decoder="torchcodec-cuda"))
    ('', 'torchcodec-cuda')
    """
    if options.resize_filter == "pil":
        return options.decoder if options.decoder == "torchcodec-cuda" else ""
    return "pyav" if options.decoder == "auto" else options.decoder


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
