"""Rows that weigh by how rare their class is, and background rows that are drawn anew."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tsmfeat.heads.loss_options import EVERY_ROW
from tsmfeat.heads.options import HeadOptions
from tsmfeat.heads.rows import class_weights

_Ints = npt.NDArray[np.int64]


def weigh_classes(targets: _Ints, num_actions: int, options: HeadOptions) -> npt.NDArray[np.float64]:
    """Return what a row of each class weighs in the action loss, by the loss or by the weight of background.

    Parameters
    ----------
    targets
        int64 (K,): classes of the training rows; background is `num_actions`.
    num_actions
        C.
    options
        Their `loss` and `background_weight`.

    Returns
    -------
    float64 (C + 1,)

    Examples
    --------
    >>> weigh_classes(np.array([0, 1, 1]), 1, HeadOptions(loss="class-balanced:0.5")).round(3).tolist()
    [1.2, 0.8]
    >>> weigh_classes(np.array([0, 1, 1]), 1, HeadOptions(background_weight=0.5)).tolist()
    [1.0, 0.5]
    """
    rule = options.rule
    if rule.kind == "class-balanced":
        return effective_class_weights(targets, num_actions + 1, rule.amount)
    return class_weights(targets, num_actions, options.background_weight)


def weigh_rows(
    targets: _Ints, soft: npt.NDArray[np.float32] | None, weights: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Return what each row weighs: its class's weight, or the mean weight of the classes it is shared among.

    Parameters
    ----------
    targets
        int64 (K,).
    soft
        float32 (K, C + 1), no row without any share; None: `targets` say it all.
    weights
        float64 (C + 1,), of `weigh_classes`.

    Examples
    --------
    >>> weigh_rows(np.array([0, 1]), np.float32([[0.5, 0.5], [0.25, 0.75]]), np.array([1.0, 0.2])).round(2).tolist()
    [0.6, 0.4]
    """
    if soft is None:
        return weights[targets]
    shares = soft.astype(np.float64)
    return np.asarray((shares * weights).sum(axis=1) / shares.sum(axis=1), np.float64)


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


@dataclass(frozen=True, eq=False)
class BackgroundDraws:
    """What it takes to draw background rows for an epoch.

    Parameters
    ----------
    is_background
        bool (K,): which training rows are background.
    ratio
        At most so many background rows for each other row; `EVERY_ROW` leaves none out. Where no row has an action,
        all are kept.
    draw
        The randomness; not used where nothing is left out.
    """

    is_background: npt.NDArray[np.bool_]
    ratio: float | str
    draw: np.random.Generator

    @property
    def num_drawn(self) -> int:
        """The rows of an epoch."""
        num_background = int(np.count_nonzero(self.is_background))
        num_others = len(self.is_background) - num_background
        return num_others + num_drawn_background(num_background, num_others, self.ratio)


def draw_background(source: BackgroundDraws) -> _Ints:
    """Return the places of an epoch's rows: all with an action, and so many of background, drawn anew.

    Returns
    -------
    int64
        Ascending places in 0..K-1.

    Examples
    --------
    >>> rows = np.array([True, True, False, True, True])
    >>> [len(draw_background(BackgroundDraws(rows, ratio, np.random.default_rng(0)))) for ratio in (1, 2, "all")]
    [2, 3, 5]
    """
    background, others = np.flatnonzero(source.is_background), np.flatnonzero(~source.is_background)
    wanted = num_drawn_background(len(background), len(others), source.ratio)
    if wanted == len(background):
        return np.arange(len(source.is_background))
    drawn = source.draw.choice(background, wanted, replace=False, shuffle=False)
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
