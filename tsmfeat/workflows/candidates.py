"""Candidates for an ensemble's weights: points of the simplex."""

import math
from itertools import combinations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def list_candidates(num_models: int, count: int, rng: np.random.Generator) -> Floats:
    """Return weights of sum 1 to try: equal ones, each model alone, a lattice, and random points.

    Parameters
    ----------
    num_models
        M.
    count
        How many; at least equal ones and each model alone. Half of them at most are the lattice: all points whose
        weights are whole multiples of 1 / n, n as large as fits.
    rng
        Of the random points, which are uniform on the simplex.

    Returns
    -------
    float64 (N, M)
        The first are equal.

    Examples
    --------
    >>> list_candidates(2, 6, np.random.default_rng(0))[:5].tolist()
    [[0.5, 0.5], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0], [0.5, 0.5]]
    """
    if num_models == 1:
        return np.ones((1, 1))
    steps = 1
    while math.comb(steps + num_models, num_models - 1) <= count / 2:
        steps += 1
    fixed = np.vstack([np.full((1, num_models), 1 / num_models), np.eye(num_models), _list_lattice(num_models, steps)])
    return np.vstack([fixed, rng.dirichlet(np.ones(num_models), max(0, count - len(fixed)))])


def _list_lattice(num_models: int, steps: int) -> Floats:
    """Return all points of the simplex whose weights are multiples of 1 / steps: bars between as many stars."""
    bars = np.array(list(combinations(range(steps + num_models - 1), num_models - 1)), np.int64)
    ends = np.full((len(bars), 1), -1), np.full((len(bars), 1), steps + num_models - 1)
    stars = np.diff(np.hstack([ends[0], bars, ends[1]]), axis=1) - 1
    lattice: Floats = stars / steps
    return lattice


def list_neighbours(weights: Floats, radius: float, count: int, rng: np.random.Generator) -> Floats:
    """Return weights of sum 1 near given ones.

    Parameters
    ----------
    weights
        float64 (M,), of sum 1.
    radius
        Standard deviation of each weight before they are cut at 0 and scaled to sum 1.
    count
        How many.
    rng
        Of the deviations.

    Returns
    -------
    float64 (count, M)
    """
    moved = np.maximum(weights + rng.normal(0.0, radius, (count, len(weights))), 0.0)
    total = moved.sum(axis=1, keepdims=True)
    return np.where(total > 0, moved / np.where(total > 0, total, 1.0), weights)
