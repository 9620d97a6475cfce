"""The sampling plan: which source frames make the clip of each interval. Pure arithmetic, no video."""

import math
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from tsmfeat.errors import ConfigurationError, InputError
from tsmfeat.values.intervals import IntervalGrid

MAX_NUM_FRAMES = 255
TOLERANCE_SECONDS = Fraction(1, 100_000)
_NANOSECOND = Fraction(1, 1_000_000_000)
_STEP_DENOMINATOR = 1_000_000
_INT64_ROOM = 1 << 62


def plan_clips(
    pts_seconds: npt.ArrayLike, grid: IntervalGrid, num_frames: int, clip_seconds: float | None = None
) -> npt.NDArray[np.int64]:
    """Plan the clips of a grid from presentation stamps in seconds.

    The exact form is `plan_clips_ticks`; here stamps are rounded to nanoseconds.

    Parameters
    ----------
    pts_seconds
        float64 (n,), non-decreasing, relative to time 0.
    grid
        The intervals.
    num_frames
        Frames T of a clip, 1 to 255.
    clip_seconds
        The clip's span; None: the step.

    Returns
    -------
    ndarray
        int64 (grid.count, num_frames): indexes into `pts_seconds`, non-decreasing along both axes.

    Raises
    ------
    InputError
        Stamps that are not finite, not ordered, or none although the grid has intervals.
    ConfigurationError
        num_frames or clip_seconds outside its range.

    Examples
    --------
    >>> plan_clips(np.arange(30) / 30, IntervalGrid(1.0, 0.5), 4).tolist()
    [[1, 5, 9, 13], [16, 20, 24, 28]]
    """
    seconds = np.asarray(pts_seconds, dtype=np.float64)
    if not np.isfinite(seconds).all():
        raise InputError("presentation stamps hold NaN or infinity; stamps are finite", "decode the video again")
    ticks = np.rint(seconds * _NANOSECOND.denominator).astype(np.int64)
    return plan_clips_ticks(ticks, _NANOSECOND, grid, num_frames, clip_seconds)


def plan_clips_ticks(
    ticks: npt.NDArray[np.int64],
    time_base: Fraction,
    grid: IntervalGrid,
    num_frames: int,
    clip_seconds: float | None = None,
) -> npt.NDArray[np.int64]:
    """Plan the clips of a grid from whole-number presentation stamps, without rounding.

    Place x of interval i is the centre ``t · (i + (2x + 1) / 2T)`` of the x-th of T equal spans. Its frame is the one
    on display there: the last with ``stamp <= centre + 1e-5 s``; before the first stamp, the first frame. For a
    constant frame rate with a whole number of frames an interval this is the official TSM test rule.

    A clip longer than the step is centred on its interval and cut at the video's ends: its span is what lies inside
    ``[0, L]``, divided into T equal spans.

    Parameters
    ----------
    ticks
        int64 (n,), non-decreasing, relative to time 0.
    time_base
        Seconds of one tick.
    grid, num_frames, clip_seconds
        As in `plan_clips`.

    Returns
    -------
    ndarray
        int64 (grid.count, num_frames).

    Raises
    ------
    InputError, ConfigurationError
        As in `plan_clips`.

    Examples
    --------
    >>> plan_clips_ticks(np.arange(25), Fraction(1, 25), IntervalGrid(1.0, 0.25), 8)[0].tolist()
    [0, 1, 1, 2, 3, 4, 5, 5]
    """
    _check_plan(ticks, grid, num_frames, clip_seconds)
    if grid.count == 0:
        return np.empty((0, num_frames), np.int64)
    starts, ends, units = _clip_spans(grid, clip_seconds)
    # Centres in units of 1 / (2 T units) seconds.
    centres = starts[:, None] * (2 * num_frames) + (ends - starts)[:, None] * (2 * np.arange(num_frames) + 1)
    limits = _last_tick_at(centres, 2 * num_frames * units, time_base)
    return np.maximum(np.searchsorted(ticks, limits, side="right") - 1, 0)


def distinct_frames(plan: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
    """Count the distinct source frames of each clip.

    Parameters
    ----------
    plan
        int64 (count, num_frames) of `plan_clips`.

    Returns
    -------
    ndarray
        uint8 (count,).

    Examples
    --------
    >>> distinct_frames(np.array([[0, 1, 1, 2], [3, 3, 3, 3]])).tolist()
    [3, 1]
    """
    counts: npt.NDArray[np.uint8] = np.count_nonzero(np.diff(plan, axis=1, prepend=-1), axis=1).astype(np.uint8)
    return counts


def _check_plan(ticks: npt.NDArray[np.int64], grid: IntervalGrid, num_frames: int, clip_seconds: float | None) -> None:
    if not 1 <= num_frames <= MAX_NUM_FRAMES:
        raise ConfigurationError(
            f"num_frames = {num_frames}: a clip has 1 to {MAX_NUM_FRAMES} frames", "use for example --num-frames 8"
        )
    if clip_seconds is not None and not grid.step_seconds <= clip_seconds < math.inf:
        raise ConfigurationError(
            f"clip_seconds = {clip_seconds!r} with step {grid.step_seconds!r}: a clip spans at least its step",
            "leave --clip-seconds out, or choose a shorter --step",
        )
    if ticks.ndim != 1 or np.any(np.diff(ticks) < 0):
        raise InputError("presentation stamps are not a non-decreasing list", "sort the stamps by time")
    if grid.count and not ticks.size:
        raise InputError(f"no frame for {grid.count} intervals; a clip needs frames", "check the video's length")


def _exact(seconds: float) -> Fraction:
    return Fraction(seconds).limit_denominator(_STEP_DENOMINATOR)


def _clip_spans(
    grid: IntervalGrid, clip_seconds: float | None
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], int]:
    """Return start and end of each clip in whole units, and how many units make a second."""
    step = _exact(grid.step_seconds)
    clip = step if clip_seconds is None else _exact(clip_seconds)
    if clip == step:
        edges = np.arange(grid.count + 1, dtype=np.int64) * step.numerator
        return edges[:-1], edges[1:], step.denominator
    duration = Fraction(round(grid.duration_seconds * _NANOSECOND.denominator), _NANOSECOND.denominator)
    units = math.lcm(2 * step.denominator, 2 * clip.denominator, duration.denominator)
    # Odd fractions make the unit so small that 64 bits are not enough; Python's integers always are.
    fits = 4 * MAX_NUM_FRAMES * units * (grid.count * step + clip) < _INT64_ROOM
    index = np.arange(grid.count, dtype=np.int64 if fits else object)
    middles = (2 * index + 1) * int(step * units / 2)
    half = int(clip * units / 2)
    return np.maximum(middles - half, 0), np.minimum(middles + half, int(duration * units)), units


def _last_tick_at(centres: npt.NDArray[np.int64], units: int, time_base: Fraction) -> npt.NDArray[np.int64]:
    """Return floor((centres / units + tolerance) / time_base), exactly."""
    scale = 1 / (units * time_base)
    offset = TOLERANCE_SECONDS / time_base
    denominator = math.lcm(scale.denominator, offset.denominator)
    factor, shift = int(scale * denominator), int(offset * denominator)
    largest = int(centres[-1, -1]) * factor + shift
    # Beyond 64 bits Python's integers keep the same formula exact, only slower.
    wide: npt.NDArray[np.int64] = centres if largest < _INT64_ROOM else centres.astype(object)
    return ((wide * factor + shift) // denominator).astype(np.int64)
