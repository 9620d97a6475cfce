"""The settings that a search may try: which options, and which values of each."""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tsmfeat.errors import ConfigurationError
from tsmfeat.workflows.tuning_settings import NAMES, Setting, Value, change, idle_options, value_of

Point = tuple[int, ...]
"""A place of the value of every axis."""

# Options of one block are tried together: what one of them is worth hangs on the others.
_BLOCKS = (
    ("localize", "threshold"),
    ("fusion", "fusion-tiou", "fusion-sigma"),
    ("missing", "union"),
)


@dataclass(frozen=True)
class Axis:
    """An option and the values to try; the first is where the search starts, and what is kept where nothing is gained.

    Parameters
    ----------
    name
        One of `NAMES`.
    values
        Different ones.
    """

    name: str
    values: tuple[Value, ...]


@dataclass(frozen=True)
class Space:
    """What is searched.

    Parameters
    ----------
    base
        The setting from which the axes start: the values of the first place of each are its own.
    axes
        In the order in which they are tried.
    """

    base: Setting
    axes: tuple[Axis, ...]

    @property
    def origin(self) -> Point:
        """The point of `base`."""
        return (0,) * len(self.axes)

    @property
    def size(self) -> int:
        """Points; those that come to the same setting count each."""
        return math.prod(len(axis.values) for axis in self.axes)

    def values_at(self, point: Point) -> dict[str, Value]:
        """Return the value of each option at a point."""
        return {axis.name: axis.values[place] for axis, place in zip(self.axes, point, strict=True)}

    def setting_at(self, point: Point) -> Setting | None:
        """Return the setting of a point; None where its options exclude each other."""
        try:
            return change(self.base, self.values_at(point))
        except ConfigurationError:
            return None

    def settle(self, point: Point) -> Point | None:
        """Return the point of the same setting whose options without a say are as at the start; None if it has none.

        Examples
        --------
        >>> space = make_space(Setting(), {"localize": ("argmax", "threshold"), "threshold": (0.5, 0.3)})
        >>> space.settle((0, 1)), space.settle((1, 1))
        ((0, 0), (1, 1))
        """
        setting = self.setting_at(point)
        if setting is None:
            return None
        idle = idle_options(setting)
        return tuple(0 if axis.name in idle else place for axis, place in zip(self.axes, point, strict=True))

    def points(self) -> Iterator[Point]:
        """Go through all different settings, that of `base` first."""
        for point in itertools.product(*(range(len(axis.values)) for axis in self.axes)):
            if self.settle(point) == point:
                yield point

    def blocks(self) -> list[tuple[int, ...]]:
        """Return the places of the axes that are tried together, in the order of the axes."""
        block_of = {name: block for block in _BLOCKS for name in block}
        names = [axis.name for axis in self.axes]
        listed = dict.fromkeys(block_of.get(name, (name,)) for name in names)
        return [tuple(names.index(name) for name in block if name in names) for block in listed]

    def moves(self, point: Point, block: Sequence[int]) -> Iterator[Point]:
        """Go through the points that differ from one in the axes of a block alone."""
        for places in itertools.product(*(range(len(self.axes[axis].values)) for axis in block)):
            moved = list(point)
            for axis, place in zip(block, places, strict=True):
                moved[axis] = place
            settled = self.settle(tuple(moved))
            if settled is not None:
                yield settled


def make_space(base: Setting, values: dict[str, tuple[Value, ...]]) -> Space:
    """Return the space of some options' values, to which those of `base` are added where they are not among them.

    Parameters
    ----------
    base
        Where the search starts.
    values
        By name of the option.

    Raises
    ------
    ConfigurationError
        A value that no setting can have.

    Examples
    --------
    >>> make_space(Setting(), {"max-gap": (1, 2)}).axes
    (Axis(name='max-gap', values=(0, 1, 2)),)
    """
    axes = []
    for name in sorted(values, key=NAMES.index):
        own = value_of(base, name)
        for value in values[name]:
            change(base, {name: value})
        axes.append(Axis(name, tuple(dict.fromkeys((own, *values[name])))))
    return Space(base, tuple(axes))
