"""The grid of intervals: the only owner of floor(L / t)."""

import math
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from tsmfeat.errors import ConfigurationError, InputError

# A quotient within this distance below a whole number counts as that number: 0.3 / 0.1 is 2.9999999999999996.
_QUOTIENT_TOLERANCE = 1e-9

# The feature store counts the intervals of a video in 32 bits.
_MOST_INTERVALS = 2**31 - 1


@dataclass(frozen=True)
class IntervalGrid:
    """Non-overlapping intervals of one step over a video: interval i covers ``[i·t, (i+1)·t)``.

    Parameters
    ----------
    duration_seconds
        Length L of the video, in seconds.
    step_seconds
        Step t, in seconds.
    tolerance_seconds
        Added to L before dividing: one unit of the stream's time base, so that rounded stamps lose no interval.

    Attributes
    ----------
    count : int
        ``floor((L + tolerance) / t + 1e-9)``. The remainder after the last whole interval belongs to no interval.

    Raises
    ------
    ConfigurationError
        The step is not a positive finite number.
    InputError
        The duration or the tolerance is negative or not finite, or holds more intervals than a video can have.

    Examples
    --------
    >>> IntervalGrid(0.3, 0.1).count
    3
    >>> IntervalGrid(2.9, 0.5).bounds()[-1].tolist()
    [2.0, 2.5]
    """

    duration_seconds: float
    step_seconds: float
    tolerance_seconds: float = 0.0
    count: int = field(init=False)

    def __post_init__(self) -> None:
        """Check the three numbers and count the intervals once."""
        if not (math.isfinite(self.step_seconds) and self.step_seconds > 0):
            raise ConfigurationError(
                f"step {self.step_seconds!r} s: a step is a positive number of seconds", "use for example --step 0.5"
            )
        for name in ("duration_seconds", "tolerance_seconds"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise InputError(f"{name} = {value!r}: it must be a finite number >= 0", "check the video's length")
        quotient = (self.duration_seconds + self.tolerance_seconds) / self.step_seconds
        if not quotient < _MOST_INTERVALS:
            raise InputError(
                f"{self.duration_seconds:g} s in intervals of {self.step_seconds:g} s: a video holds at most "
                f"{_MOST_INTERVALS:,} of them",
                "use a larger step, or check the video's length",
            )
        object.__setattr__(self, "count", math.floor(quotient + _QUOTIENT_TOLERANCE))

    def bounds(self) -> npt.NDArray[np.float64]:
        """Return start and end of every interval in seconds, shape ``(count, 2)``; multiplied, never accumulated."""
        edges = np.arange(self.count + 1, dtype=np.float64) * self.step_seconds
        return np.stack([edges[:-1], edges[1:]], axis=1)

    def index_at(self, seconds: float) -> int | None:
        """Return the interval that covers a time, or None outside the grid.

        Examples
        --------
        >>> grid = IntervalGrid(0.3, 0.1)
        >>> grid.index_at(0.1), grid.index_at(0.29), grid.index_at(0.31), grid.index_at(-0.01)
        (1, 2, None, None)
        """
        if not math.isfinite(seconds):
            return None
        index = math.floor(seconds / self.step_seconds)
        # The quotient may be one off beside an edge; the multiplied bounds decide.
        if seconds >= (index + 1) * self.step_seconds:
            index += 1
        elif seconds < index * self.step_seconds:
            index -= 1
        return index if 0 <= index < self.count else None
