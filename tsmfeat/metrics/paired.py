"""Whether one set of predictions is better than another: a paired test over the same videos."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tsmfeat.metrics.intervals import CONFIDENCE, nested_list, percentile_interval
from tsmfeat.metrics.resampling import (
    ScoreSamples,
)

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Comparison:
    """What `compare_samples` found; every difference is the first minus the other.

    Parameters
    ----------
    difference
        Of the final scores on all videos.
    interval
        95 % percentile interval of the difference.
    p_value
        Two-sided, of `tsmfeat.metrics.swapping.swap_p_value`.
    class_difference
        float64 (K,): of the AP averaged over the thresholds.
    class_interval
        float64 (2, K): 95 % interval of each.
    """

    difference: float
    interval: tuple[float, float]
    p_value: float
    class_difference: Floats
    class_interval: Floats

    @property
    def is_distinguishable(self) -> bool:
        """Whether the interval leaves 0 out and the p-value is 0.05 at most."""
        return not self.interval[0] <= 0 <= self.interval[1] and self.p_value <= 1 - CONFIDENCE

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON object; an interval is a pair."""
        return {
            "difference": self.difference,
            "interval": list(self.interval),
            "p_value": self.p_value,
            "is_distinguishable": self.is_distinguishable,
            "class_difference": self.class_difference.tolist(),
            "class_interval": nested_list(self.class_interval.T),
        }


def compare_samples(one: ScoreSamples, other: ScoreSamples, p_value: float) -> Comparison:
    """Take the difference of two final scores, and its interval over the same resamples of the same videos.

    Parameters
    ----------
    one, other
        Of the same annotations. Row b of both was drawn alike: that is what makes the comparison paired, and videos
        that are hard for both cancel out.
    p_value
        Of the test.

    Returns
    -------
    Comparison

    Examples
    --------
    >>> one, other = (ScoreSamples(np.array([[value]]), np.full((9, 1, 1), value)) for value in (0.75, 0.5))
    >>> found = compare_samples(one, other, p_value=0.04)
    >>> found.difference, found.interval, found.is_distinguishable
    (0.25, (0.25, 0.25), True)
    """
    differences = one.final_score - other.final_score
    low, high = percentile_interval(differences).tolist()
    class_samples = one.ap.mean(axis=2) - other.ap.mean(axis=2)
    class_difference: Floats = one.measured.mean(axis=1) - other.measured.mean(axis=1)
    return Comparison(
        difference=one.measured_score - other.measured_score,
        interval=(low, high),
        p_value=p_value,
        class_difference=class_difference,
        class_interval=percentile_interval(class_samples),
    )


def adjust_p_values(p_values: Sequence[float]) -> list[float]:
    """Adjust the p-values of several tests so that one false alarm among them all is as rare as for one test.

    Holm, A simple sequentially rejective multiple test procedure, 1979.

    Examples
    --------
    >>> adjust_p_values([0.25, 0.01, 0.03])
    [0.25, 0.03, 0.06]
    """
    adjusted, highest = [0.0] * len(p_values), 0.0
    for place, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        highest = max(highest, min(1.0, (len(p_values) - place) * p_values[index]))
        adjusted[index] = highest
    return adjusted
