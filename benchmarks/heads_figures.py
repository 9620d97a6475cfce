"""How the study of heads tells its figures; the guide's tables are made of these."""

from collections.abc import Mapping
from statistics import stdev
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


def tell_pair(pair: Mapping[str, Any]) -> str:
    """Return a difference of F1@50 with its interval.

    Examples
    --------
    >>> tell_pair({"f1@50": 1.25, "interval": [-0.5, 3.0]})
    '+1.2 [-0.5, +3.0]'
    """
    low, high = pair["interval"]
    return f"{pair['f1@50']:+.1f} [{low:+.1f}, {high:+.1f}]"
