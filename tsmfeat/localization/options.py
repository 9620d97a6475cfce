"""How interval scores become segments: the choices and their defaults."""

import math
from dataclasses import dataclass

from tsmfeat.errors import ConfigurationError, require_choice

LOCALIZE = ("argmax", "threshold")
"""One label an interval, or every class on its own (simultaneous actions)."""

TAILS = ("drop", "extend")
"""What becomes of the time after the last whole interval."""

SMOOTHINGS = ("none", "mean:K", "gaussian:SIGMA", "viterbi:COST")
"""What is done to the scores, or to the labels, before runs are sought."""

SEGMENT_SCORES = ("max", "mean", "contrast")
"""What a segment is given of its intervals' scores."""

# No video has more intervals, and sums with a row's number stay within 64 bits.
_LARGEST_GAP = 2**31 - 1
_SMOOTHING_HINT = "use for example --smooth mean:9, gaussian:2 or viterbi:1"


@dataclass(frozen=True)
class LocalizationOptions:
    """How `localize` works; the defaults are the paper's.

    Parameters
    ----------
    localize
        ``"argmax"``: runs of the best label, background among them. ``"threshold"``: per class, runs of scores at or
        above `threshold`; segments of different classes may overlap.
    threshold
        For ``"threshold"`` only. Several numbers give nested segments: the runs of each threshold, one of equal runs.
    max_gap
        Intervals without the label that may be bridged between two of its runs; another action is never bridged by
        ``"argmax"``. Scores of bridged intervals are ignored.
    min_duration
        Seconds; shorter segments are left out.
    tail
        ``"drop"``: a segment ends with its last interval. ``"extend"``: one that includes the last interval of a
        video ends at the video's duration.
    smooth
        ``"none"``; ``"mean:K"``: the mean over K intervals (odd) around each; ``"gaussian:SIGMA"``: their average
        weighted by a normal curve whose deviation is SIGMA intervals; or ``"viterbi:COST"``, for ``"argmax"`` only: the
        labels of largest total score less COST for each change of label (or COST times what changes were learned to
        cost). COST is in the unit of the scores.
    refine
        Whether boundaries between intervals move to where the scores of the two labels that meet there cross
        (``"threshold"``: where the label's score crosses the threshold), by less than half an interval.
    class_thresholds
        For ``"threshold"``: pairs of a class and its own threshold, in place of `threshold`.
    segment_score
        ``"max"``: the largest score of the label over its intervals; ``"mean"``: their mean;
        ``"contrast"``: their mean less that of the intervals beside the segment, at least 0. Of nested segments, which
        share their largest score, only the last tells which bounds fit best.

    Raises
    ------
    ConfigurationError
        A value that cannot be carried out.

    Examples
    --------
    >>> LocalizationOptions(smooth="mean:15").smoothing
    ('mean', 15.0)
    """

    localize: str = "argmax"
    threshold: float | tuple[float, ...] = 0.5
    max_gap: int = 0
    min_duration: float = 0.0
    tail: str = "drop"
    smooth: str = "none"
    refine: bool = False
    class_thresholds: tuple[tuple[str, float], ...] = ()
    segment_score: str = "max"

    def __post_init__(self) -> None:
        """Check every value."""
        require_choice("localize", self.localize, LOCALIZE)
        require_choice("tail", self.tail, TAILS)
        require_choice("segment_score", self.segment_score, SEGMENT_SCORES)
        self._check_thresholds()
        if not 0 <= self.max_gap <= _LARGEST_GAP:
            raise ConfigurationError(
                f"max_gap {self.max_gap!r}: it counts intervals, 0 to {_LARGEST_GAP:,}", "use --max-gap 0"
            )
        if not (math.isfinite(self.min_duration) and self.min_duration >= 0):
            raise ConfigurationError(
                f"min_duration {self.min_duration!r} s: it is a finite number of seconds, 0 or more",
                "use --min-duration 0",
            )
        if self.smoothing[0] == "viterbi" and self.localize != "argmax":
            raise ConfigurationError(
                f"smooth {self.smooth!r} gives an interval one label; localize {self.localize!r} may give it several",
                "use --localize argmax, or another --smooth",
            )

    def _check_thresholds(self) -> None:
        if not self.thresholds:
            raise ConfigurationError("no threshold; at least one is needed", "use --threshold 0.5")
        for value in self.thresholds:
            if not math.isfinite(value):
                raise ConfigurationError(f"threshold {value!r}: it is a finite number", "use --threshold 0.5")
        for name, value in self.class_thresholds:
            if not math.isfinite(value):
                raise ConfigurationError(
                    f"threshold {value!r} of class {name!r}: it is a finite number", f"use {name}=0.5"
                )

    @property
    def thresholds(self) -> tuple[float, ...]:
        """The thresholds, one or several."""
        return self.threshold if isinstance(self.threshold, tuple) else (self.threshold,)

    @property
    def smoothing(self) -> tuple[str, float]:
        """The kind of smoothing and its number; ``("none", 0.0)`` for none."""
        return _read_smoothing(self.smooth)


def _read_smoothing(text: str) -> tuple[str, float]:
    if text == "none":
        return "none", 0.0
    kind, _, word = text.partition(":")
    amount = _read_amount(word)
    rule = {
        "mean": amount > 0 and amount % 2 == 1,
        "gaussian": 0 < amount < math.inf,
        "viterbi": 0 <= amount < math.inf,
    }
    if rule.get(kind, False):
        return kind, amount
    raise ConfigurationError(
        f"smooth {text!r}: it is one of {', '.join(SMOOTHINGS)}; K is an odd number of intervals, SIGMA above 0, and "
        "COST 0 or more",
        _SMOOTHING_HINT,
    )


def _read_amount(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
