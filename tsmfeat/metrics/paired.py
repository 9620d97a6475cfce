"""Whether one set of predictions is better than another: a paired test over the same videos."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tsmfeat.metrics.resampling import ScoreSamples, percentile_interval

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
        Two-sided.
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
        """Whether the interval leaves 0 out."""
        return not self.interval[0] <= 0 <= self.interval[1]

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON object; an interval is a pair."""
        return {
            "difference": self.difference,
            "interval": list(self.interval),
            "p_value": self.p_value,
            "is_distinguishable": self.is_distinguishable,
            "class_difference": self.class_difference.tolist(),
            "class_interval": self.class_interval.T.tolist(),
        }


def compare_samples(one: tuple[Floats, ScoreSamples], other: tuple[Floats, ScoreSamples]) -> Comparison:
    """Test the difference of two final scores on the same resamples of the same videos.

    Parameters
    ----------
    one, other
        AP on all videos, float64 (K, T), and on the resamples. Row b of both was drawn alike: that is what makes the
        test paired, and videos that are hard for both cancel out.

    Returns
    -------
    Comparison

    Notes
    -----
    The p-value inverts the percentile interval: twice the smaller share of resamples in which the difference is <= 0 or
    >= 0, itself counted as one of them, so p < 0.05 where the interval leaves 0 out (up to one resample's rounding).
    Swapping videos between the files would rank scores of two models in one list, which is fair only if both mean the
    same by 0.7; resampling leaves each model its own scale.
    """
    differences = one[1].final_score - other[1].final_score
    low, high = percentile_interval(differences).tolist()
    class_samples = one[1].ap.mean(axis=2) - other[1].ap.mean(axis=2)
    class_difference: Floats = one[0].mean(axis=1) - other[0].mean(axis=1)
    return Comparison(
        difference=float(class_difference.mean()),
        interval=(low, high),
        p_value=sign_p_value(differences),
        class_difference=class_difference,
        class_interval=percentile_interval(class_samples),
    )


def sign_p_value(differences: Floats) -> float:
    """Return the two-sided p-value of resampled differences, float64 (B,), under the guess that they centre on 0.

    Examples
    --------
    >>> sign_p_value(np.full(999, 0.1)), sign_p_value(np.zeros(999))
    (0.002, 1.0)
    """
    rarer = min(int((differences <= 0).sum()), int((differences >= 0).sum()))
    return min(1.0, 2 * (rarer + 1) / (len(differences) + 1))


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
