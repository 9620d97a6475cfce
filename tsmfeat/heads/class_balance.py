"""Rows that weigh by how rare their class is, and background rows that are drawn anew."""

import math

import numpy as np
import numpy.typing as npt

from tsmfeat.heads.loss_options import EVERY_ROW

_Ints = npt.NDArray[np.int64]


def effective_class_weights(targets: _Ints, num_classes: int, beta: float) -> npt.NDArray[np.float64]:
    """Return the weight of each class by its effective number of rows, ``(1 - beta ** n) / (1 - beta)``.

    At beta 0 all classes weigh the same; towards 1 they weigh the inverse of their rows. Cui et al., Class-Balanced
    Loss Based on Effective Number of Samples, CVPR 2019, equation 2; there, too, the mean weight is 1.

    Parameters
    ----------
    targets
        int64 (K,): classes of the training rows, background among them.
    num_classes
        Their number.
    beta
        In [0, 1).

    Returns
    -------
    float64 (num_classes,)
        Mean 1 over the classes that occur; 0 for one that does not.

    Examples
    --------
    >>> effective_class_weights(np.array([0, 2, 2]), 3, 0.5).round(3).tolist()
    [1.2, 0.0, 0.8]
    """
    count = np.bincount(targets, minlength=num_classes)
    occurs = count > 0
    # As expm1 of a logarithm: 1 - beta ** n loses all its digits where beta is near 1.
    number = -np.expm1(count * math.log(beta)) if beta else np.ones(num_classes)
    inverse = np.where(occurs, 1.0 / np.where(occurs, number, 1.0), 0.0)
    return np.asarray(inverse * (np.count_nonzero(occurs) / inverse.sum()), np.float64)


def draw_background(is_background: npt.NDArray[np.bool_], ratio: float | str, draw: np.random.Generator) -> _Ints:
    """Return the places of an epoch's rows: all with an action, and so many of background, drawn anew.

    Parameters
    ----------
    is_background
        bool (K,): which rows are background.
    ratio
        At most so many background rows for each other row; `EVERY_ROW` leaves none out. Where no row has an action,
        all are kept.
    draw
        The randomness; not used where nothing is left out.

    Returns
    -------
    int64
        Ascending places in 0..K-1.

    Examples
    --------
    >>> rows = np.array([True, True, False, True, True])
    >>> draw = np.random.default_rng(0)
    >>> len(draw_background(rows, 2, draw)), draw_background(rows, "all", draw).tolist()
    (3, [0, 1, 2, 3, 4])
    """
    background, others = np.flatnonzero(is_background), np.flatnonzero(~is_background)
    wanted = num_drawn_background(len(background), len(others), ratio)
    if wanted == len(background):
        return np.arange(len(is_background))
    drawn = draw.choice(background, wanted, replace=False, shuffle=False)
    return np.sort(np.concatenate([others, drawn]))


def num_drawn_background(num_background: int, num_others: int, ratio: float | str) -> int:
    """Return how many background rows an epoch has.

    Examples
    --------
    >>> num_drawn_background(100, 20, 1.5), num_drawn_background(20, 20, 1.5), num_drawn_background(20, 0, 1.5)
    (30, 20, 20)
    """
    if ratio == EVERY_ROW or num_others == 0:
        return num_background
    return min(num_background, math.floor(float(ratio) * num_others))
