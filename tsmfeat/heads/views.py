"""Embeddings of several views side by side: which views an interval has, and what stands in for the others."""

from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from tsmfeat.errors import InputError

Presence = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class JoinedViews:
    """Which views the rows of a joined feature table have.

    Parameters
    ----------
    sizes
        V numbers, each 1 or more: view v owns so many columns of the table, one view after another.
    present
        bool (N, V): what lies in the table for a view that is not present means nothing.

    Raises
    ------
    InputError
        The shapes do not fit each other.

    Examples
    --------
    >>> views = JoinedViews((2, 3), np.array([[True, False]]))
    >>> views.embedding_size, views.columns()
    (5, (slice(0, 2, None), slice(2, 5, None)))
    """

    sizes: tuple[int, ...]
    present: Presence

    def __post_init__(self) -> None:
        """Check the shapes."""
        if self.present.dtype != np.bool_ or self.present.shape[1:] != (len(self.sizes),) or min(self.sizes) < 1:
            found = f"{self.present.dtype} of shape {self.present.shape} for views of sizes {self.sizes}"
            raise InputError(f"presence of views is {found}; expected bool (N, {len(self.sizes)})", "")

    @property
    def embedding_size(self) -> int:
        """The numbers of one joined embedding, D."""
        return sum(self.sizes)

    def columns(self) -> tuple[slice, ...]:
        """Return the columns of each view."""
        return tuple(slice(first, last) for first, last in pairwise(accumulate(self.sizes, initial=0)))


def fill_missing(
    values: npt.NDArray[Any], views: JoinedViews, present: Presence, filling: npt.NDArray[Any] | float = 0.0
) -> None:
    """Write what stands in for a view into the rows that lack it, in place.

    Parameters
    ----------
    values
        (B, D) of any float type, changed in place.
    views
        Whose columns are which.
    present
        bool (B, V): of these rows.
    filling
        (D,): raw embeddings take the training rows' mean; 0, the same after standardisation, where it is left out.

    Examples
    --------
    >>> rows = np.float32([[1, 2, 3], [4, 5, 6]])
    >>> views = JoinedViews((1, 2), np.array([[True, False], [False, True]]))
    >>> fill_missing(rows, views, views.present, np.float32([7, 8, 9]))
    >>> rows.tolist()
    [[1.0, 8.0, 9.0], [7.0, 5.0, 6.0]]
    """
    standing_in = np.broadcast_to(np.asarray(filling, values.dtype), values.shape[1:])
    for view, columns in enumerate(views.columns()):
        lacking = ~present[:, view]
        if lacking.any():
            values[lacking, columns] = standing_in[columns]


def drop_views(present: Presence, dropout: float, random: np.random.Generator) -> Presence:
    """Return what is left when whole views are masked at random.

    Each view that a row has is masked with a probability, by itself; a row that would lose all keeps one, each of its
    views being as likely. What is left is not scaled up: a view that is missing in use is not made up for either.

    Parameters
    ----------
    present
        bool (B, V): B rows, or B videos where all rows of a video go together.
    dropout
        Probability in [0, 1).
    random
        Source of the draws: always B times V of them.

    Returns
    -------
    bool (B, V)

    Notes
    -----
    As whole modalities are dropped in Neverova et al., ModDrop: adaptive multi-modal gesture recognition, 2016.

    Examples
    --------
    >>> left = drop_views(np.array([[True, True], [True, False]] * 500), 0.5, np.random.default_rng(0))
    >>> bool(left.any(axis=1).all()), left[1::2].tolist() == [[True, False]] * 500
    (True, True)
    >>> left[::2].mean(axis=0).round(1).tolist()  # half, and half of the quarter that would have lost both
    [0.6, 0.6]
    """
    drawn = random.random(present.shape)
    kept: Presence = present & (drawn >= dropout)
    lost = np.flatnonzero(present.any(axis=1) & ~kept.any(axis=1))
    # Of numbers that are all below the probability, each is as likely to be the largest.
    kept[lost, np.where(present[lost], drawn[lost], -1.0).argmax(axis=1)] = True
    return kept
