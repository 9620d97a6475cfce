"""Choices of the readers; imports nothing heavy."""

from typing import Literal, get_args

Invalid = Literal["drop", "keep", "error"]
"""What to do with zero-length, reversed and non-finite segments: leave them out and count them, keep them as they
stand, or refuse the file naming each."""

INVALID_CHOICES: tuple[Invalid, ...] = get_args(Invalid)
