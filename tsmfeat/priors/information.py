"""How much the scene of a video tells of its actions, in bits: what a prior from scenes can live on."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tsmfeat.priors.counts import ActionCounts

LEAST_BITS = 0.1
"""Below this a prior from scenes is not worth its trouble."""


@dataclass(frozen=True)
class SceneInformation:
    """Entropies of the annotated instances.

    Parameters
    ----------
    action_bits
        H(action).
    action_given_scene_bits
        H(action | scene).
    information_bits
        I(action; scene), the difference, as counted: few instances make it look larger than it is.
    corrected_bits
        The same without what chance adds on average (Miller and Madow's correction), 0 at least.
    num_instances
        Annotated instances in videos with a scene.
    """

    action_bits: float
    action_given_scene_bits: float
    information_bits: float
    corrected_bits: float
    num_instances: int

    @property
    def is_worth_using(self) -> bool:
        """Whether scenes tell enough of actions (`LEAST_BITS`) for a prior or a shared head to gain from them."""
        return self.corrected_bits >= LEAST_BITS

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers as JSON-able values."""
        return {
            "action_bits": self.action_bits,
            "action_given_scene_bits": self.action_given_scene_bits,
            "information_bits": self.information_bits,
            "corrected_bits": self.corrected_bits,
            "bias_bits": self.information_bits - self.corrected_bits,
            "num_instances": self.num_instances,
            "is_worth_using": self.is_worth_using,
        }


def scene_information(counts: ActionCounts) -> SceneInformation | None:
    """Return what scenes tell of actions; None where no instance lies in a video with a scene.

    Parameters
    ----------
    counts
        Of C actions and S scenes; instances in videos without a scene are left out.

    Examples
    --------
    >>> from tsmfeat.values.vocabulary import Vocabulary
    >>> names = Vocabulary(("stir", "dig")), Vocabulary(("kitchen", "garden"))
    >>> told = scene_information(ActionCounts(*names, [8, 8], [[8, 0], [0, 8]]))
    >>> told.action_bits, told.action_given_scene_bits, told.information_bits
    (1.0, 0.0, 1.0)
    >>> told = scene_information(ActionCounts(*names, [8, 8], [[4, 4], [4, 4]]))
    >>> told.corrected_bits, told.is_worth_using
    (0.0, False)
    """
    table = counts.by_scene
    total = float(table.sum())
    if not total:
        return None
    actions, scenes = table.sum(axis=0), table.sum(axis=1)
    of_action, of_scene, of_both = (_entropy_bits(part, total) for part in (actions, scenes, table.ravel()))
    told = max(0.0, of_action + of_scene - of_both)
    # An entropy counted on n instances is too small by (cells that occur - 1) / 2n nats.
    cells = [int((part > 0).sum()) - 1 for part in (actions, scenes, table)]
    excess = (cells[2] - cells[0] - cells[1]) / (2 * total * np.log(2))
    corrected = float(max(0.0, told - max(0.0, excess)))
    return SceneInformation(of_action, of_both - of_scene, told, corrected, round(total))


def _entropy_bits(counts: npt.NDArray[np.float64], total: float) -> float:
    shares = counts[counts > 0] / total
    return float(-(shares * np.log2(shares)).sum()) + 0.0
