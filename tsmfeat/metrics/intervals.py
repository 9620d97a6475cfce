"""Intervals of what was resampled, and their form in JSON."""

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

CONFIDENCE = 0.95
_TAILS = (0.025, 0.975)


def percentile_interval(values: Floats) -> Floats:
    """Return the 2.5 and 97.5 % points along the first axis, NaN left out: float64 (2, ...).

    Examples
    --------
    >>> percentile_interval(np.array([np.nan, *range(41)])).tolist()
    [1.0, 39.0]
    """
    ordered = np.sort(values, axis=0)  # NaN goes last
    highest = np.maximum((~np.isnan(values)).sum(axis=0) - 1, 0)
    return np.stack([_point(ordered, share * highest) for share in _TAILS])


def shifted_interval(samples: Floats, measured: npt.ArrayLike) -> Floats:
    """Return the percentile interval of scores moved by their mean distance from the measured one, within 0 and 1.

    A resample holds fewer different videos than there are, two thirds of them, and mAP rises as videos become fewer:
    resamples score higher than the file they are drawn from, and so would both ends of their interval.

    Parameters
    ----------
    samples
        float64 (B, ...): scores of the resamples, NaN where there is none.
    measured
        float64 (...): scores on the videos at hand.

    Returns
    -------
    numpy.ndarray
        float64 (2, ...).

    Notes
    -----
    Over 400 simulated test sets each of 16 to 200 videos and 5 to 100 classes, the moved interval held the expected
    score of such test sets 88 to 94 times in a hundred, the unmoved one 83 to 93 times.

    Examples
    --------
    >>> shifted_interval(np.linspace(0.4, 0.6, 41), 0.45).round(4).tolist()
    [0.355, 0.545]
    """
    known = ~np.isnan(samples)
    mean = np.where(known, samples, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    moved: Floats = np.clip(percentile_interval(samples) - (mean - measured), 0.0, 1.0)
    return moved


def _point(ordered: Floats, place: Floats) -> Floats:
    below = np.floor(place).astype(np.int64)[None]
    above = np.ceil(place).astype(np.int64)[None]
    low, high = (np.take_along_axis(ordered, index, axis=0)[0] for index in (below, above))
    point: Floats = low + (high - low) * (place - below[0])
    return point


def nested_list(values: Floats) -> Any:  # noqa: ANN401 - lists as deep as the array
    """Return an array as nested lists, None where it is NaN: JSON has no NaN.

    Examples
    --------
    >>> nested_list(np.array([[0.5, np.nan]]))
    [[0.5, None]]
    """
    plain = values.astype(object)
    plain[np.isnan(values)] = None
    return plain.tolist()
