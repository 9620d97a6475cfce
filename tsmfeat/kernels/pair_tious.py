"""The tIoU of a detection and a truth under the rules in which evaluators differ."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

MAX_THRESHOLDS = 64
"""One bit of a uint64 each."""

BESIDE_THRESHOLD = 1e-9
"""A tIoU this close to a threshold is counted: rounding could have put it on the other side."""


class MatchRule(NamedTuple):
    """What a match is.

    Attributes
    ----------
    thresholds
        float64 (T,), T from 1 to 64, in any order; a match needs tIoU >= threshold.
    undefined_matches
        Whether a tIoU of 0 / 0 passes every threshold, as in the official code, where ``nan < threshold`` is false.
        Otherwise the tIoU is 0 wherever the union is not positive.
    least_union
        A smaller union counts as this much; ``-inf`` for none.
    is_hull
        Whether the union reaches from the first start to the last end; segments apart then have tIoU 0.
    is_single
        Whether the tIoU is rounded to float32 before it is compared.
    """

    thresholds: npt.NDArray[np.float64]
    undefined_matches: bool
    least_union: float = -np.inf
    is_hull: bool = False
    is_single: bool = False


@njit(cache=True, nogil=True, inline="always")
def pair_tiou(piece: tuple[float, float], truth: tuple[float, float], rule: MatchRule) -> float:
    """Return the tIoU of two segments; infinity where it is undefined and undefined ones match.

    Parameters
    ----------
    piece, truth
        Start and end; for the hull no end may lie before its start.
    rule
        As in `MatchRule`; the thresholds are not looked at.

    Examples
    --------
    >>> pair_tiou((0.0, 6.0), (2.0, 8.0), MatchRule(np.array([0.5]), False))
    0.5
    """
    start, end = piece
    truth_start, truth_end = truth
    inner = (end if end < truth_end else truth_end) - (start if start > truth_start else truth_start)
    if not inner > 0.0:
        inner = 0.0
    if rule.is_hull:
        union = (end if end > truth_end else truth_end) - (start if start < truth_start else truth_start)
        union = union if inner > 0.0 else 1.0
    else:
        union = (truth_end - truth_start) + (end - start) - inner
    if union < rule.least_union:
        union = rule.least_union
    tiou = inner / union if union > 0.0 else np.nan
    if not tiou >= 0.0:
        # 0 / 0 or NaN: an ascending sort puts it last, its reversal first, and no comparison stops it.
        return np.inf if rule.undefined_matches and not union < 0.0 else 0.0
    return np.float64(np.float32(tiou)) if rule.is_single else tiou
