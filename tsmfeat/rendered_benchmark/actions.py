"""The actions of the rendered benchmark, as data: who is whose reverse, how common and how long each is."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ActionGroup:
    """Two actions that show the same frames in opposite order, or one action that is its own reverse.

    Parameters
    ----------
    names
        One or two actions; the second is the first one with its time reversed.
    share
        Of all annotated instances; the two of a pair share it equally.
    seconds
        Least and greatest length of an instance.
    turns
        Least and greatest number of instances in a row, without a pause between them.
    cycle_seconds
        Least and greatest length of one showing, which repeats until the instance ends; None: the whole instance.
    """

    names: tuple[str, ...]
    share: float
    seconds: tuple[float, float]
    turns: tuple[int, int] = (1, 1)
    cycle_seconds: tuple[float, float] | None = None

    @property
    def mean_turns(self) -> float:
        """Instances in a row on average."""
        return sum(self.turns) / 2


GROUPS = (
    ActionGroup(("move left", "move right"), 0.28, (1.2, 4.0), (2, 4), (0.9, 1.3)),
    ActionGroup(("circle clockwise", "circle counterclockwise"), 0.18, (1.5, 8.0), (2, 4), (0.9, 1.3)),
    ActionGroup(("grow", "shrink"), 0.13, (1.0, 3.5), (2, 4), (0.8, 1.1)),
    ActionGroup(("dash left", "dash right"), 0.10, (0.24, 0.48), (2, 3)),
    ActionGroup(("move up", "move down"), 0.08, (1.2, 4.0), (2, 4), (0.9, 1.3)),
    ActionGroup(("bounce",), 0.06, (1.5, 5.0), cycle_seconds=(0.6, 0.9)),
    ActionGroup(("flash",), 0.05, (0.2, 0.45)),
    ActionGroup(("spin clockwise", "spin counterclockwise"), 0.04, (1.5, 10.0), (2, 4), (1.0, 1.5)),
    ActionGroup(("shake",), 0.03, (1.0, 3.0), cycle_seconds=(0.28, 0.4)),
    ActionGroup(("part", "meet"), 0.024, (1.2, 4.0), (2, 4), (0.8, 1.2)),
    ActionGroup(("fade in", "fade out"), 0.016, (1.0, 3.0), (2, 4), (0.8, 1.2)),
    ActionGroup(("blink",), 0.010, (1.0, 3.0), cycle_seconds=(0.3, 0.45)),
)
"""From the most common to the rarest."""

ACTIONS = tuple(name for group in GROUPS for name in group.names)
ACTION_PAIRS = tuple((group.names[0], group.names[1]) for group in GROUPS if len(group.names) == 2)
SCENES = ("kitchen", "garage", "garden", "office", "hall", "workshop", "yard", "library")
