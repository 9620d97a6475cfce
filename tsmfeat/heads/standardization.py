"""Centring and scaling by the training rows, and its folding into a head's weights."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tsmfeat.errors import InputError
from tsmfeat.heads.views import JoinedViews

# Of float64 numbers that stay in the processor's cache.
_BLOCK_ROWS = 64
# Of the median deviation: less is no scale but an accident, such as a filter that fired once.
_LEAST_SHARE = 0.01


@dataclass(frozen=True, eq=False)
class Standardization:
    """What is subtracted from an embedding, and what it is divided by.

    Parameters
    ----------
    mean, deviation
        float64 (D,); no deviation is 0.
    """

    mean: npt.NDArray[np.float64]
    deviation: npt.NDArray[np.float64]


def no_standardization(embedding_size: int) -> Standardization:
    """Return the standardisation that changes nothing."""
    return Standardization(np.zeros(embedding_size), np.ones(embedding_size))


def measure_standardization(features: npt.NDArray[Any], rows: npt.NDArray[np.int64]) -> Standardization:
    """Return mean and deviation of some rows, in float64 and block by block.

    Parameters
    ----------
    features
        (N, D) of any float type.
    rows
        int64 (K,), K > 0: the rows measured.

    Returns
    -------
    Standardization
        The deviation is that of the population (divided by K), but at least a hundredth of the features' median
        deviation; 1 where all rows are equal.

    Raises
    ------
    InputError
        A row holds NaN or infinity.

    Examples
    --------
    >>> found = measure_standardization(np.array([[1.0, 5.0], [3.0, 5.0], [9.0, 9.0]]), np.array([0, 1]))
    >>> found.mean.tolist(), found.deviation.tolist()
    ([2.0, 5.0], [1.0, 1.0])
    """
    blocks = [rows[first : first + _BLOCK_ROWS] for first in range(0, len(rows), _BLOCK_ROWS)]
    total = np.zeros(features.shape[1])
    for block in blocks:
        total += features[block].astype(np.float64).sum(axis=0)
    # NaN and infinity outlive every sum, so one look at the end is enough.
    if not np.isfinite(total).all():
        _refuse_first_odd_row(features, blocks)
    mean = total / len(rows)
    # A second pass: the difference of two large sums would lose small deviations.
    squares = np.zeros_like(total)
    for block in blocks:
        squares += np.square(features[block].astype(np.float64) - mean).sum(axis=0)
    return Standardization(mean, _floored(np.sqrt(squares / len(rows))))


def measure_joined(
    features: npt.NDArray[Any], rows: npt.NDArray[np.int64], views: JoinedViews | None
) -> Standardization:
    """Return mean and deviation of some rows, those of each view of the rows that have it.

    Parameters
    ----------
    features, rows
        As in `measure_standardization`.
    views
        Which views each row of the table has; None: the one there is.

    Raises
    ------
    InputError
        No row has a view, or a row holds NaN or infinity.

    Examples
    --------
    >>> views = JoinedViews((1, 1), np.array([[True, True], [True, False], [True, True]]))
    >>> measure_joined(np.array([[1.0, 5.0], [4.0, 0.0], [7.0, 7.0]]), np.arange(3), views).mean.tolist()
    [4.0, 6.0]
    """
    if views is None:
        return measure_standardization(features, rows)
    found = []
    for view, columns in enumerate(views.columns()):
        seen = rows[views.present[rows, view]]
        if not len(seen):
            raise InputError(
                f"view {view + 1} of {len(views.sizes)}: in none of the {len(rows)} training rows; some must have it",
                "leave it out of --views, or extract it for training videos too",
            )
        found.append(measure_standardization(features[:, columns], seen))
    means, deviations = ([getattr(one, name) for one in found] for name in ("mean", "deviation"))
    return Standardization(np.concatenate(means), np.concatenate(deviations))


def _floored(deviation: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Keep a feature that hardly ever moved in training from being blown up where it does."""
    moving = deviation[deviation > 0]
    least = _LEAST_SHARE * float(np.median(moving)) if len(moving) else 0.0
    return np.where(deviation > 0, np.maximum(deviation, least), 1.0)


def _refuse_first_odd_row(features: npt.NDArray[Any], blocks: Sequence[npt.NDArray[np.int64]]) -> None:
    for block in blocks:
        finite = np.isfinite(features[block]).all(axis=1)
        if not finite.all():
            raise InputError(
                f"row {block[np.argmin(finite)]} of the features holds NaN or infinity; features are finite",
                "check the store with tsmfeat validate, and extract again",
            )


def fold(
    weight: npt.NDArray[np.float32], bias: npt.NDArray[np.float32], standardization: Standardization
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Return the weight and bias that do on raw embeddings what the given ones do on standardised ones.

    Parameters
    ----------
    weight, bias
        float32 (K, D) and (K,).
    standardization
        What the inputs went through in training.

    Examples
    --------
    >>> halved = Standardization(np.array([4.0]), np.array([2.0]))
    >>> [values.tolist() for values in fold(np.float32([[1.0]]), np.float32([0.5]), halved)]
    [[[0.5]], [-1.5]]
    """
    # Infinite weights, of a descent that diverged, are for the caller to refuse: no warnings on the way.
    with np.errstate(over="ignore", invalid="ignore"):
        on_raw = weight.astype(np.float64) / standardization.deviation
        shifted = bias.astype(np.float64) - on_raw @ standardization.mean
        return on_raw.astype(np.float32), shifted.astype(np.float32)
