"""How often each action occurs, and in which scenes: p(action) and p(action | scene)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tsmfeat.errors import InputError
from tsmfeat.values.annotations import NO_SCENE, Annotations
from tsmfeat.values.vocabulary import Vocabulary

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ActionCounts:
    """Annotated instances by scene and action.

    Parameters
    ----------
    vocabulary, scene_vocabulary
        C actions, S scenes.
    total
        float64 (C,): instances of each action, those in videos without a scene among them.
    by_scene
        float64 (S, C): instances in videos of each scene.

    Raises
    ------
    InputError
        Another shape, or a number that is negative or not finite.
    """

    vocabulary: Vocabulary
    scene_vocabulary: Vocabulary
    total: Floats
    by_scene: Floats

    def __post_init__(self) -> None:
        """Cast and check."""
        shape = len(self.scene_vocabulary), len(self.vocabulary)
        object.__setattr__(self, "total", np.asarray(self.total, np.float64))
        by_scene = np.asarray(self.by_scene, np.float64)
        # A list of no rows does not tell how long they would be.
        object.__setattr__(self, "by_scene", by_scene if by_scene.size or 0 not in shape else by_scene.reshape(shape))
        for name, expected in (("total", shape[1:]), ("by_scene", shape)):
            values = getattr(self, name)
            if values.shape != expected or not (np.isfinite(values) & (values >= 0)).all():
                raise InputError(f"counts {name} of shape {values.shape}; expected {expected} numbers, 0 or more", "")

    def to_dict(self) -> dict[str, Any]:
        """Return the counts as JSON-able values."""
        return {
            "actions": list(self.vocabulary.names),
            "scenes": list(self.scene_vocabulary.names),
            "total": self.total.tolist(),
            "by_scene": self.by_scene.tolist(),
        }

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> "ActionCounts":
        """Build counts from `to_dict`'s result.

        Raises
        ------
        InputError
            A field is missing, or does not fit the others.
        """
        try:
            names = Vocabulary(tuple(values["actions"])), Vocabulary(tuple(values["scenes"]))
            return ActionCounts(*names, values["total"], values["by_scene"])
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"counts of actions by scene that do not fit each other ({error})", "") from error


def count_actions(truth: Annotations) -> ActionCounts:
    """Count the annotated instances of every action, over all videos and by scene.

    Examples
    --------
    >>> from tsmfeat.values.segments import Segments
    >>> two = Segments([0, 0, 1], [0, 1, 0], [0, 2, 0], [1, 3, 1], [1, 1, 1])
    >>> names = Vocabulary(("run", "eat")), Vocabulary(("home",))
    >>> truth = Annotations(("a", "b"), names[0], two, [9, 9], ("", ""), [0, -1], names[1])
    >>> counts = count_actions(truth)
    >>> counts.total.tolist(), counts.by_scene.tolist()
    ([2.0, 1.0], [[1.0, 1.0]])
    """
    num_scenes, num_actions = len(truth.scene_vocabulary), len(truth.vocabulary)
    label, scene = truth.segments.label, truth.scene[truth.segments.video]
    placed = scene != NO_SCENE
    cells = scene[placed].astype(np.int64) * num_actions + label[placed]
    by_scene = np.bincount(cells, minlength=num_scenes * num_actions).reshape(num_scenes, num_actions)
    total = np.bincount(label, minlength=num_actions)
    return ActionCounts(truth.vocabulary, truth.scene_vocabulary, total.astype(np.float64), by_scene.astype(np.float64))


def action_rates(counts: ActionCounts, smoothing: float) -> tuple[Floats, Floats]:
    """Return p(action) and p(action | scene), smoothed by added instances.

    ``p(a) = (n_a + k) / (N + kC)``, and ``p(a|s) = (n_sa + kC p(a)) / (n_s + kC)``: what is added to a scene is shaped
    like all scenes together, so a scene that was never seen says nothing.

    Parameters
    ----------
    counts
        Of C actions and S scenes.
    smoothing
        k, positive: added instances a class.

    Returns
    -------
    rates, rates_by_scene
        float64 (C,) and (S, C): each row sums to 1.

    Examples
    --------
    >>> counts = ActionCounts(Vocabulary(("stir", "dig")), Vocabulary(("kitchen", "roof")), [3, 5], [[3, 1], [0, 0]])
    >>> rates, by_scene = action_rates(counts, 1.0)
    >>> rates.tolist(), by_scene.round(4).tolist()
    ([0.4, 0.6], [[0.6333, 0.3667], [0.4, 0.6]])
    """
    added = smoothing * len(counts.vocabulary)
    rates = (counts.total + smoothing) / (counts.total.sum() + added)
    by_scene = (counts.by_scene + added * rates) / (counts.by_scene.sum(axis=1, keepdims=True) + added)
    return rates, by_scene
