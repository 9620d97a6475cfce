"""How the studies of heads with context tell their figures; the guide's tables are made of these."""

from collections.abc import Mapping
from statistics import mean, stdev
from typing import Any


def tell_row(row: Mapping[str, Any]) -> str:
    """Return accuracy, edit and F1 of a row; where there are several seeds, F1@50 with its deviation over them.

    Examples
    --------
    >>> tell_row({"accuracy": 50.04, "edit": 20, "f1@10": 30, "f1@25": 20, "f1@50": 10, "seeds": {"f1@50": [9, 11]}})
    '50.0 | 20.0 | 30.0 | 20.0 | 10.0 ± 1.4'
    """
    told = " | ".join(f"{row[name]:.1f}" for name in ("accuracy", "edit", "f1@10", "f1@25", "f1@50"))
    return f"{told} ± {stdev(row['seeds']['f1@50']):.1f}" if "seeds" in row else told


def tell_scores(row: Mapping[str, Any]) -> str:
    """Return final scores in percent, their mean and deviation over seeds, and the mean mAP at each tIoU.

    Examples
    --------
    >>> tell_scores({"final": [0.2, 0.22], "map": [[0.3, 0.1], [0.32, 0.12]]})
    '21.0 ± 1.4 | 31.0 / 11.0'
    """
    levels = " / ".join(f"{100 * mean(level):.1f}" for level in zip(*row["map"], strict=True))
    return f"{100 * mean(row['final']):.1f} ± {100 * stdev(row['final']):.1f} | {levels}"


def tell_pair(pair: Mapping[str, Any]) -> str:
    """Return a difference, of F1@50 in percent or of final scores, with its interval.

    Examples
    --------
    >>> tell_pair({"f1@50": 1.25, "interval": [-0.5, 3.0]}), tell_pair({"final": 0.01, "interval": [-0.005, 0.02]})
    ('+1.2 [-0.5, +3.0]', '+1.0 [-0.5, +2.0]')
    """
    factor = 100 if "final" in pair else 1
    value, low, high = (factor * number for number in (pair.get("final", pair.get("f1@50")), *pair["interval"]))
    return f"{value:+.1f} [{low:+.1f}, {high:+.1f}]"
