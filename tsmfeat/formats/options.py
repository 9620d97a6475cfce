"""Choices of the readers and writers; imports nothing heavy."""

from typing import Literal, get_args

Invalid = Literal["drop", "keep", "error"]
"""What to do with zero-length, reversed and non-finite segments: leave them out and count them, keep them as they
stand, or refuse the file naming each."""

INVALID_CHOICES: tuple[Invalid, ...] = get_args(Invalid)

Kind = Literal["annotations", "predictions"]
"""What a file holds: what is true, or what a model says."""

FormatName = Literal["activitynet", "binego360", "binego360-video", "csv", "thumos14", "x360"]
"""ActivityNet JSON; BinEgo-360 CSV in bins of ten seconds, and with a row a video; generic CSV; THUMOS14 text; 360+x
folders of one JSON a video."""

FORMATS: tuple[FormatName, ...] = get_args(FormatName)

# What each format can be written as; all of it can be read.
FORMATS_OF: dict[Kind, tuple[FormatName, ...]] = {
    "annotations": FORMATS,
    "predictions": tuple(name for name in FORMATS if name != "x360"),
}

Pieces = Literal["keep", "join"]
"""Whether the pieces of a segment that was cut at the edges of bins stay as they are read, or become one again."""

PIECES_CHOICES: tuple[Pieces, ...] = get_args(Pieces)
