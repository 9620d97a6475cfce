"""How interval scores become segments: the choices and their defaults."""

import math
from dataclasses import dataclass

from tsmfeat.errors import ConfigurationError, did_you_mean

LOCALIZE = ("argmax", "threshold")
"""One label an interval, or every class on its own (simultaneous actions)."""

TAILS = ("drop", "extend")
"""What becomes of the time after the last whole interval."""


@dataclass(frozen=True)
class LocalizationOptions:
    """How `localize` works; the defaults are the paper's.

    Parameters
    ----------
    localize
        ``"argmax"``: runs of the best label, background among them. ``"threshold"``: per class, runs of scores at or
        above `threshold`; segments of different classes may overlap.
    threshold
        For ``"threshold"`` only.
    max_gap
        Intervals without the label that may be bridged between two of its runs; another action is never bridged by
        ``"argmax"``. Scores of bridged intervals are ignored.
    min_duration
        Seconds; shorter segments are left out.
    tail
        ``"drop"``: a segment ends with its last interval. ``"extend"``: one that includes the last interval of a
        video ends at the video's duration.
    smooth
        ``"none"``, or ``"mean:K"``: the mean over K intervals (odd) around each, taken before anything else.

    Raises
    ------
    ConfigurationError
        A value that cannot be carried out.

    Examples
    --------
    >>> LocalizationOptions(smooth="mean:15").smooth_width
    15
    """

    localize: str = "argmax"
    threshold: float = 0.5
    max_gap: int = 0
    min_duration: float = 0.0
    tail: str = "drop"
    smooth: str = "none"

    def __post_init__(self) -> None:
        """Check every value."""
        _require_choice("localize", self.localize, LOCALIZE)
        _require_choice("tail", self.tail, TAILS)
        if not math.isfinite(self.threshold):
            raise ConfigurationError(f"threshold {self.threshold!r}: it is a finite number", "use --threshold 0.5")
        if self.max_gap < 0:
            raise ConfigurationError(f"max_gap {self.max_gap!r}: it counts intervals, 0 or more", "use --max-gap 0")
        if not (math.isfinite(self.min_duration) and self.min_duration >= 0):
            raise ConfigurationError(
                f"min_duration {self.min_duration!r} s: it is a finite number of seconds, 0 or more",
                "use --min-duration 0",
            )
        _read_smooth_width(self.smooth)

    @property
    def smooth_width(self) -> int:
        """The intervals of the mean filter; 1 for no smoothing."""
        return _read_smooth_width(self.smooth)


def _require_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        hint = did_you_mean(value, choices) or f"choose one of {', '.join(choices)}"
        raise ConfigurationError(f"{name} {value!r} is not one of {', '.join(choices)}", hint)


def _read_smooth_width(text: str) -> int:
    if text == "none":
        return 1
    kind, _, width = text.partition(":")
    if kind == "mean" and width.isascii() and width.isdigit() and int(width) % 2 == 1:
        return int(width)
    raise ConfigurationError(
        f"smooth {text!r}: it is 'none' or 'mean:K' with an odd number K of intervals",
        "use for example --smooth mean:9",
    )
