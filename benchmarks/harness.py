"""Fair comparisons: interleaved repetitions, CPU time, medians with their spread, ratios pair by pair."""

import gc
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

CPU, WALL, MEMORY = "cpu_seconds", "wall_seconds", "peak_bytes"
_LEAST_SAMPLE_SECONDS = 0.01
_LAUNCHER = Path(__file__).with_name("launch.py")


class DisagreementError(Exception):
    """A peer and ours do not give the same answer: nothing is timed."""


@dataclass(frozen=True)
class Cost:
    """What one repetition cost.

    Parameters
    ----------
    cpu_seconds
        Of this process; of a command: of it and its children.
    wall_seconds
        By the monotonic clock.
    peak_bytes
        Largest resident set of a command (or of one of its children); 0 for a call in this process.
    """

    cpu_seconds: float
    wall_seconds: float
    peak_bytes: int = 0


Contestant = Callable[[], Cost]


@dataclass(frozen=True)
class Pace:
    """How often to repeat: at least and at most so many times, and in between until the seconds are used up."""

    least: int = 3
    most: int = 15
    seconds: float = 10.0


@dataclass(frozen=True)
class Case:
    """Costs of contestants that did the same work in turn.

    Parameters
    ----------
    name
        What was done.
    sizes
        How much of it.
    costs
        By contestant, a cost a repetition; place k of all lists belongs to one round.
    """

    name: str
    sizes: Mapping[str, float]
    costs: Mapping[str, Sequence[Cost]]


def call(work: Callable[[], object], *, repeat_short: bool = True) -> Contestant:
    """Return a contestant that calls a function in this process, many times a repetition where it is short.

    Parameters
    ----------
    work
        The function; it is called once now, so that nothing is compiled or loaded while the clock runs.
    repeat_short
        Whether short calls are repeated within a repetition.
    """
    first = _time_calls(work, 1)
    shortest = max(first.wall_seconds, 1e-7)
    number = max(1, math.ceil(_LEAST_SAMPLE_SECONDS / shortest)) if repeat_short else 1
    if number > 1:  # the first call may have been a slow one: loading, compiling
        number = max(1, math.ceil(_LEAST_SAMPLE_SECONDS / max(_time_calls(work, 1).wall_seconds, 1e-7)))
    return lambda: _time_calls(work, number)


def _time_calls(work: Callable[[], object], number: int) -> Cost:
    collecting = gc.isenabled()
    gc.disable()  # as timeit does; it favours peers made of many Python objects
    try:
        wall, cpu = time.perf_counter(), time.process_time()
        for _ in range(number):
            work()
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    finally:
        if collecting:
            gc.enable()
    return Cost(cpu / number, wall / number)


def command(
    words: Sequence[str], env: Mapping[str, str] | None = None, prepare: Callable[[], object] = lambda: None
) -> Contestant:
    """Return a contestant that runs a command; its children count if it waits for them.

    Parameters
    ----------
    words
        The command.
    env
        Variables added to this process's environment.
    prepare
        Called before each run, untimed, such as to remove what the last run left.
    """

    def run() -> Cost:
        prepare()
        return run_command(words, env)

    return run


def run_command(words: Sequence[str], env: Mapping[str, str] | None = None) -> Cost:
    """Run a command to its end and return what it cost; `launch` without what it said."""
    return launch(words, env)[0]


def launch(words: Sequence[str], env: Mapping[str, str] | None = None) -> tuple[Cost, str]:
    """Run a command to its end; return what it cost, and what it wrote to stdout.

    Raises
    ------
    RuntimeError
        Its exit status is not 0: the end of what it said is shown.
    """
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "cost.json"
        launched = subprocess.run(
            [sys.executable, "-S", str(_LAUNCHER), str(result), *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env={**os.environ, **(env or {})},
            check=False,
        )
        if launched.returncode:
            raise RuntimeError(f"{words[0]} ended with status {launched.returncode}:\n{launched.stderr[-2000:]}")
        return Cost(**json.loads(result.read_text())), launched.stdout


def compete(name: str, sizes: Mapping[str, float], contestants: Mapping[str, Contestant], pace: Pace) -> Case:
    """Let contestants do their work in turn, round after round (ABAB…).

    Parameters
    ----------
    name, sizes
        As in `Case`.
    contestants
        By name.
    pace
        How many rounds.
    """
    costs: dict[str, list[Cost]] = {who: [] for who in contestants}
    start = time.perf_counter()
    num_rounds = 0
    while num_rounds < pace.least or (
        num_rounds < pace.most and (time.perf_counter() - start) * (num_rounds + 1) / num_rounds < pace.seconds
    ):
        for who, contestant in contestants.items():
            costs[who].append(contestant())
        num_rounds += 1
    return Case(name, dict(sizes), costs)


def ratios(case: Case, over: str, under: str, clock: str = CPU) -> list[float]:
    """Return what `over` cost in units of what `under` cost, round by round."""
    pairs = zip(case.costs[over], case.costs[under], strict=True)
    return [getattr(one, clock) / max(getattr(other, clock), 1e-12) for one, other in pairs]


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return median, least, largest, and the distance of the quartiles.

    Examples
    --------
    >>> spread([3.0, 1.0, 2.0])
    {'median': 2.0, 'min': 1.0, 'max': 3.0, 'iqr': 1.0}
    """
    low, median, high = np.percentile(values, [25, 50, 75]).tolist()
    return {"median": median, "min": float(min(values)), "max": float(max(values)), "iqr": high - low}


def growth(cases: Sequence[Case], who: str, size: str, clock: str = CPU) -> float:
    """Return the exponent of a contestant's cost in a size, over at least three cases (the slope of the logarithms)."""
    if len(cases) < 3:
        raise ValueError(f"{len(cases)} sizes; an exponent takes three")
    sizes = np.log([case.sizes[size] for case in cases])
    costs = np.log([max(spread([getattr(cost, clock) for cost in case.costs[who]])["median"], 1e-12) for case in cases])
    return float(np.polyfit(sizes, costs, 1)[0])


def require_equal(what: str, ours: object, theirs: object, tolerance: float = 0.0) -> None:
    """Compare two answers before they are timed.

    Raises
    ------
    DisagreementError
        They differ in shape, or by more than the tolerance; NaN equals NaN.
    """
    one, other = np.asarray(ours), np.asarray(theirs)
    if one.shape != other.shape:
        raise DisagreementError(f"{what}: shape {one.shape} against {other.shape}")
    if one.dtype.kind in "OUS":
        same = bool((one == other).all())
    else:
        same = np.allclose(one, other, rtol=0.0, atol=tolerance, equal_nan=one.dtype.kind == "f")
    if not same:
        raise DisagreementError(f"{what}: the values differ by more than {tolerance}")
