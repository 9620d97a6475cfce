"""How things move: where the shapes of a script are at every frame, in the units of its world."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tsmfeat.rendered_benchmark.actions import GROUPS, ActionGroup
from tsmfeat.rendered_benchmark.scripts import BenchmarkScript, Instance

Floats = npt.NDArray[np.float64]

_GROUP_OF = {name: group for group in GROUPS for name in group.names}
_NUM_ACTORS = 2


def _wave(turns: Floats) -> Floats:
    return np.asarray(np.sin(2 * np.pi * turns))


# y, x, radius and opacity of actions of one ball, by how far the showing is, a size and a part of a full turn.
_ONE_BALL: dict[str, Callable[[Floats, float, float], tuple[Floats | float, ...]]] = {
    "move left": lambda f, r, _: (0.0, 0.32 - 0.64 * f, r, 1.0),
    "dash left": lambda f, r, _: (0.0, 0.42 - 0.84 * f, r, 1.0),
    "move up": lambda f, r, _: (0.3 - 0.6 * f, 0.0, r, 1.0),
    "circle clockwise": lambda f, r, p: (
        0.24 * np.sin(2 * np.pi * (f + p)),
        0.24 * np.cos(2 * np.pi * (f + p)),
        r,
        1.0,
    ),
    "grow": lambda f, _, __: (0.0, 0.0, 0.04 + 0.2 * f, 1.0),
    "fade in": lambda f, r, _: (0.0, 0.0, r, 0.05 + 0.95 * f),
    "bounce": lambda f, r, _: (0.2 - 0.45 * np.sin(np.pi * f), 0.0, r, 1.0),
    "flash": lambda f, r, _: (0.0, 0.0, 2 * r, np.sin(np.pi * f) ** 0.5),
    "shake": lambda f, r, _: (0.0, 0.08 * _wave(f), r, 1.0),
    "blink": lambda f, r, _: (0.0, 0.0, r, (f < 0.5).astype(np.float64)),
}
# The smaller ball of two that turn or part, so that a half turn does not look like none.
_SECOND_SIZE = 0.7


@dataclass(frozen=True, eq=False)
class Shape:
    """A disc (of an actor) or square (a distractor) and its path.

    Parameters
    ----------
    path
        float64 (num_frames, 4): y, x, radius (half a side) and opacity; opacity 0 where it is not seen.
    colour
        float64 (3,): RGB, 0 to 255.
    is_square
        Whether it is no actor.
    """

    path: Floats
    colour: Floats
    is_square: bool


def move_shapes(script: BenchmarkScript) -> list[Shape]:
    """Return all that moves in a video, from the back to the front.

    Examples
    --------
    >>> from tsmfeat.rendered_benchmark.scripts import write_benchmark_scripts
    >>> script = write_benchmark_scripts(1, 0, 0)[0]
    >>> sum(not shape.is_square for shape in move_shapes(script))  # two balls for each of two actors
    4
    """
    rng = np.random.default_rng([*script.entropy, 2])
    times = np.arange(script.num_frames) / script.frame_rate
    shapes = [_move_distractor(rng, times) for _ in range(rng.integers(1, 4))]
    for actor in range(_NUM_ACTORS):
        colour = _bright_colour(rng)
        instances = [one for one in script.instances if one.actor == actor]
        shapes += [Shape(path, colour, False) for path in _move_actor(rng, times, instances)]
    return shapes


def _bright_colour(rng: np.random.Generator) -> Floats:
    colour = rng.uniform(90.0, 255.0, 3)
    colour[rng.integers(3)] = 245.0
    return colour


def _move_distractor(rng: np.random.Generator, times: Floats) -> Shape:
    """Return a square that wanders, drives through now and then, or flickers at its place: no action at all."""
    kind, radius = rng.integers(3), rng.uniform(0.03, 0.09)
    path = np.empty((len(times), 4))
    path[:, 2:] = radius, 1.0
    place, pace = rng.uniform((0.1, 0.1), (0.9, 1.9)), rng.uniform(0.04, 0.12, 4)
    waves = np.sin(2 * np.pi * (times[:, None] * pace + rng.uniform(size=4)))
    if kind == 0:
        path[:, :2] = (0.5, 1.0) + (waves[:, :2] + waves[:, 2:]) * (0.22, 0.45)
    elif kind == 1:
        through = (times / rng.uniform(5.0, 9.0) + rng.uniform()) % 3.0  # two thirds of the time it is away
        path[:, :2] = np.stack([place[0] + 0.4 * (through - 0.5), 2.3 * through - 0.15], axis=1)
        path[:, 3] = through < 1
    else:
        path[:, :2] = place
        path[:, 3] = np.repeat(rng.uniform(0, 1, len(times) // 5 + 1), 5)[: len(times)]
    return Shape(path, _bright_colour(rng), True)


def _move_actor(rng: np.random.Generator, times: Floats, instances: list[Instance]) -> tuple[Floats, Floats]:
    """Return the paths of an actor's two balls; the second is seen in actions of two balls only."""
    first, second = np.zeros((2, len(times), 4))
    busy_until = 0.0
    for one in instances:
        _rest(rng, first, times, busy_until, one)
        rows = np.flatnonzero((times >= one.start) & (times < one.end))
        group = _GROUP_OF[one.action]
        period = rng.uniform(*group.cycle_seconds) if group.cycle_seconds else one.end - one.start
        place = ((times[rows] - one.start) / period) % 1.0
        pair = show_action(rng, one.action, place)
        for path, shown in zip((first, second), pair, strict=True):
            path[rows] = shown + np.array([one.y, one.x, 0, 0])
        busy_until = one.end
    return first, second


def _rest(rng: np.random.Generator, path: Floats, times: Floats, since: float, before: Instance) -> None:
    """Let an actor be seen between two actions, half of the time: it drifts, which is no action."""
    rows = np.flatnonzero((times >= since) & (times < before.start))
    y, x, pace, phase = rng.uniform((-0.1, -0.2, 0.1, 0), (0.1, 0.2, 0.3, 1))
    radius, stays = rng.uniform(0.08, 0.12), rng.uniform() < 0.5
    if stays:
        drift = 0.05 * np.sin(2 * np.pi * (times[rows] * pace + phase))
        whole = np.ones_like(drift)
        path[rows] = np.stack([before.y + y + drift, before.x + x - drift, radius * whole, whole], axis=1)


def show_action(rng: np.random.Generator, action: str, place: Floats) -> tuple[Floats, Floats]:
    """Return both balls of an actor while it acts, relative to the centre of the action.

    Parameters
    ----------
    rng
        Of sizes and angles.
    action
        One of `tsmfeat.rendered_benchmark.actions.ACTIONS`.
    place
        float64 (n,): how far each frame is in the showing, 0 to 1. The second action of a pair at `place` is the first
        one at ``1 - place``.

    Returns
    -------
    ndarray, ndarray
        float64 (n, 4): y, x, radius, opacity.
    """
    group = _GROUP_OF[action]
    forward = place if action == group.names[0] else 1.0 - place
    radius, phase = rng.uniform(0.08, 0.12), rng.uniform()
    if group.names[0] not in _ONE_BALL:
        return _show_two(group, forward, radius, phase)
    columns = _ONE_BALL[group.names[0]](forward, radius, phase)
    ball = np.stack([np.broadcast_to(column, forward.shape) for column in columns], axis=1)
    return ball, np.zeros_like(ball)


def _show_two(group: ActionGroup, forward: Floats, radius: float, phase: float) -> tuple[Floats, Floats]:
    """Return two balls that part and meet, or turn about each other."""
    parts = group.names[0] == "part"
    distance = 0.05 + 0.2 * forward if parts else np.full_like(forward, 0.17)
    angle = 2 * np.pi * (phase + (0 if parts else forward))
    y, x = distance * np.sin(angle), distance * np.cos(angle)
    whole = np.ones_like(y)
    large, small = 0.8 * radius * whole, _SECOND_SIZE * 0.8 * radius * whole
    return np.stack([y, x, large, whole], axis=1), np.stack([-y, -x, small, whole], axis=1)
