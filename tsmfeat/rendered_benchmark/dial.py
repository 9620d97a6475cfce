"""The dial: how much the scene of a video tells of its actions, while each action stays as common as it is."""

import numpy as np
import numpy.typing as npt

from tsmfeat.errors import ConfigurationError
from tsmfeat.rendered_benchmark.actions import GROUPS, SCENES

# Groups in the order in which scenes are filled with them; of the orders tried, that of the most information.
_FILLING_ORDER = (9, 3, 2, 4, 7, 0, 6, 10, 8, 1, 11, 5)


def scene_shares(bits: float) -> npt.NDArray[np.float64]:
    """Return how common each group of actions is in each scene.

    Both margins are the same at every setting: scenes are equally common, and groups as common as
    `tsmfeat.rendered_benchmark.actions.GROUPS` says. Between independence and the tables that tell most lie the
    mixtures of the two, whose information grows steadily.

    Parameters
    ----------
    bits
        I(group; scene), 0 to `most_bits`. Within a pair either action is equally likely in every scene, so this is
        I(action; scene) too.

    Returns
    -------
    ndarray
        float64 (scenes, groups), of sum 1.

    Raises
    ------
    ConfigurationError
        More bits than can be told.

    Examples
    --------
    >>> shares = scene_shares(1.0)
    >>> round(information_bits(shares), 6), round(float(shares[:, 0].sum()), 6)
    (1.0, 0.28)
    """
    if not 0 <= bits <= most_bits():
        raise ConfigurationError(
            f"scene_information {bits!r}: bits from 0 to {most_bits():.2f}", "use for example --scene-information 1"
        )
    alone, telling = _independent(), _fill_scenes()
    low, high = 0.0, 1.0
    for _ in range(60):  # halves the range each time
        middle = (low + high) / 2
        enough = information_bits((1 - middle) * alone + middle * telling) >= bits
        low, high = (low, middle) if enough else (middle, high)
    return (1 - high) * alone + high * telling if bits else alone


def most_bits() -> float:
    """Return the end of the dial.

    Examples
    --------
    >>> round(most_bits(), 2)
    2.41
    """
    return information_bits(_fill_scenes())


def information_bits(shares: npt.NDArray[np.float64]) -> float:
    """Return the mutual information of the two axes of a table of sum 1, in bits.

    Examples
    --------
    >>> information_bits(np.array([[0.5, 0.0], [0.0, 0.5]])), information_bits(np.full((2, 2), 0.25))
    (1.0, 0.0)
    """
    alone = shares.sum(axis=1, keepdims=True) * shares.sum(axis=0, keepdims=True)
    seen = shares > 0
    return float((shares[seen] * np.log2(shares[seen] / alone[seen])).sum())


def _group_shares() -> npt.NDArray[np.float64]:
    return np.array([group.share for group in GROUPS])


def _independent() -> npt.NDArray[np.float64]:
    return np.tile(_group_shares() / len(SCENES), (len(SCENES), 1))


def _fill_scenes() -> npt.NDArray[np.float64]:
    """Fill one scene after the other with one group after the other: as few cells as these margins allow."""
    ends = np.cumsum(_group_shares()[list(_FILLING_ORDER)])
    begins = np.concatenate([[0.0], ends[:-1]])
    edges = np.linspace(0, 1, len(SCENES) + 1)
    inside = np.minimum(edges[1:, None], ends) - np.maximum(edges[:-1, None], begins)
    table = np.empty((len(SCENES), len(GROUPS)))
    table[:, list(_FILLING_ORDER)] = np.where(inside > 1e-9, inside, 0)
    return table
