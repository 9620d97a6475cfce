"""The weights of an ensemble."""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from tsmfeat.errors import ConfigurationError


def check_weights(weights: Sequence[float] | None, count: int) -> npt.NDArray[np.float64]:
    """Return one weight a model, all 1 where none are given.

    Weights act by their share of the sum, so they need not sum to 1.

    Parameters
    ----------
    weights
        `count` finite numbers >= 0, not all 0; or None.
    count
        The models.

    Returns
    -------
    float64 (count,)

    Raises
    ------
    ConfigurationError
        There is no model, the counts differ, a weight is negative or not finite, or nothing is left.

    Examples
    --------
    >>> check_weights(None, 2).tolist()
    [1.0, 1.0]
    """
    if count == 0:
        raise ConfigurationError("no predictions were given; a fusion needs at least one model", "name a source")
    checked = np.ones(count) if weights is None else np.asarray(weights, np.float64)
    if checked.shape != (count,):
        raise ConfigurationError(
            f"{checked.size} weights for {count} models; each model has one", "give as many weights as sources"
        )
    bad = np.flatnonzero(~(np.isfinite(checked) & (checked >= 0)))
    if len(bad):
        raise ConfigurationError(
            f"weight {bad[0] + 1} is {checked[bad[0]]}; weights are finite numbers >= 0",
            "for example --weights 0.6,0.4",
        )
    total = sum(checked.tolist())
    if not 0 < total < math.inf:
        raise ConfigurationError(
            f"the weights sum to {total}; the sum is a finite number > 0", "for example --weights 0.6,0.4"
        )
    return checked
