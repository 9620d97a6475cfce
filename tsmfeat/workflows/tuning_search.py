"""The search for the best setting: all of them where they are few, otherwise block by block from several starts."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tsmfeat.workflows.tuning_space import Point, Space

Grade = Callable[[Point], float]

# Differences of scores that come from the order of additions decide nothing.
_DECIMALS = 12
# The space is taken to be used up when so many starts in a row show nothing new.
_FRUITLESS_STARTS = 20
# Enumerating costs little beside grading, but not nothing.
_POINTS_PER_SETTING = 20
# Of the time that is given, so much may go into counting settings.
_COUNTING_SHARE = 0.1


@dataclass(frozen=True)
class Limits:
    """How far a search goes.

    Parameters
    ----------
    budget
        Settings graded.
    deadline
        By `time.monotonic`; infinite: none. With a deadline, the result hangs on the speed of the machine.
    """

    budget: int
    deadline: float = float("inf")


@dataclass(frozen=True, eq=False)
class Found:
    """What a search found.

    Parameters
    ----------
    best
        The point of the highest score; of equal ones the one that changes the fewest options, then the first.
    scores
        Of every point it graded, in the order it went.
    is_exhaustive
        Whether there is no other.
    """

    best: Point
    scores: dict[Point, float]
    is_exhaustive: bool


def search_best(space: Space, grade: Grade, limits: Limits, random: np.random.Generator) -> Found:
    """Search for the setting of the highest score.

    A space no larger than the budget is graded wholly. Otherwise the search starts at the space's own setting and goes
    through its blocks of options, taking the best of each with the others held, until a round changes nothing. The rest
    of the budget goes to new starts: the best so far with half its options drawn anew.

    Parameters
    ----------
    space
        What may be tried.
    grade
        The score of a point. It alone, and chance, decide where the search goes.
    limits
        Where it ends.
    random
        Of the new starts.

    Returns
    -------
    Found

    Examples
    --------
    >>> from tsmfeat.workflows.tuning_settings import Setting
    >>> from tsmfeat.workflows.tuning_space import make_space
    >>> space = make_space(Setting(), {"max-gap": (0, 1, 2), "gamma": (0.0, 0.5)})
    >>> search_best(space, lambda point: point[0] - 3 * point[1], Limits(10), np.random.default_rng(0)).best
    (2, 0)
    """
    scores: dict[Point, float] = {}

    def look(point: Point) -> bool:
        """Grade a point unless it is known, and tell whether there is room to."""
        if point not in scores:
            if len(scores) >= limits.budget or (scores and time.monotonic() > limits.deadline):
                return False
            scores[point] = grade(point)
        return True

    if _is_small(space, limits):
        is_exhaustive = all(look(point) for point in space.points())
        return Found(best_of(scores), scores, is_exhaustive)
    _climb(space, space.origin, look, scores)
    fruitless = 0
    while fruitless < _FRUITLESS_STARTS and len(scores) < limits.budget and time.monotonic() <= limits.deadline:
        known = len(scores)
        start = _draw_near(space, best_of(scores), random)
        if start is not None:
            _climb(space, start, look, scores)
        fruitless = fruitless + 1 if len(scores) == known else 0
    return Found(best_of(scores), scores, is_exhaustive=False)


def rank_of(point: Point, score: float) -> tuple[float, int, Point]:
    """Return what points are compared by: the higher, the better.

    Examples
    --------
    >>> rank_of((0, 2), 0.5) > rank_of((1, 1), 0.5)
    True
    """
    return round(score, _DECIMALS), -sum(place > 0 for place in point), tuple(-place for place in point)


def best_of(scores: dict[Point, float]) -> Point:
    """Return the point of the highest rank."""
    return max(scores, key=lambda point: rank_of(point, scores[point]))


def _is_small(space: Space, limits: Limits) -> bool:
    if space.size > _POINTS_PER_SETTING * limits.budget:
        return False
    now = time.monotonic()
    until = now + _COUNTING_SHARE * (limits.deadline - now)
    for count, _ in enumerate(space.points(), 1):
        if count > limits.budget or time.monotonic() > until:
            return False
    return True


def _climb(space: Space, start: Point, look: Callable[[Point], bool], scores: dict[Point, float]) -> None:
    """Go from a point to one that no block of options betters."""
    if not look(start):
        return
    best, before = start, None
    while best != before:
        before = best
        for block in space.blocks():
            near = [point for point in space.moves(best, block) if look(point)]
            best = max((best, *near), key=lambda point: rank_of(point, scores[point]))


def _draw_near(space: Space, point: Point, random: np.random.Generator) -> Point | None:
    drawn = [int(random.integers(len(axis.values))) for axis in space.axes]
    is_kept = random.random(len(drawn)) < 0.5
    mixed = tuple(old if kept else new for old, new, kept in zip(point, drawn, is_kept, strict=True))
    return space.settle(mixed)
