"""Costs become a table, a JSON file, and an answer to the question whether a goal is reached."""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness import CPU, MEMORY, WALL, Case, Pace, ratios, spread
from machine import current_date, describe_machine, list_versions

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Setting:
    """How a benchmark runs.

    Parameters
    ----------
    quick
        Tiny sizes, to see that it works; its figures mean nothing.
    seed
        Of all inputs.
    peer_dir
        A checkout of an official evaluator to time beside its stand-in.
    """

    quick: bool = False
    seed: int = 0
    peer_dir: Path | None = None

    def pace(self, seconds: float = 10.0, least: int = 3) -> Pace:
        """Return how often to repeat."""
        return Pace(1, 2, 0.1) if self.quick else Pace(least, 15, seconds)


@dataclass(frozen=True)
class Goal:
    """A ratio to reach.

    Parameters
    ----------
    what
        In words.
    over, under
        The ratio is the cost of `over` in units of the cost of `under`.
    floor, aim
        What must, and what should be reached.
    at_most
        Whether the ratio is to be small (ours over a limit) rather than large (a peer over ours).
    clock
        ``"cpu_seconds"`` or ``"wall_seconds"``.
    """

    what: str
    over: str
    under: str
    floor: float
    aim: float
    at_most: bool = False
    clock: str = CPU


@dataclass(frozen=True)
class Report:
    """What a benchmark found: cases, judged goals, exponents of growth by contestant, and other numbers."""

    cases: Sequence[Case]
    goals: Sequence[dict[str, Any]] = ()
    growth: dict[str, float] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)


def judge(goal: Goal, case: Case) -> dict[str, Any]:
    """Compare a case's median ratio with a goal."""
    return judge_value(goal, case.name, spread(ratios(case, goal.over, goal.under, goal.clock))["median"])


def judge_value(goal: Goal, case_name: str, value: float) -> dict[str, Any]:
    """Compare a ratio with a goal.

    Examples
    --------
    >>> judge_value(Goal("fast", "theirs", "ours", 3, 10), "all", 4.0)["reached"]
    'floor'
    """
    reached = "missed"
    for level in ("floor", "aim"):
        bound = getattr(goal, level)
        if value <= bound if goal.at_most else value >= bound:
            reached = level
    return {
        "goal": goal.what,
        "case": case_name,
        "ratio": f"{goal.over} / {goal.under}",
        "clock": goal.clock,
        "direction": "at most" if goal.at_most else "at least",
        "value": value,
        "floor": goal.floor,
        "aim": goal.aim,
        "reached": reached,
    }


def run_benchmark(
    name: str, measure: Callable[[Setting], Report], ours: str = "tsmfeat", argv: Sequence[str] | None = None
) -> int:
    """Run a benchmark as its script is asked to: print a table, write the JSON file. A missed goal is no failure.

    Parameters
    ----------
    name
        Of the benchmark and its result.
    measure
        Does the work.
    ours
        The contestant the others are compared with.
    argv
        Words of the command line; None: those of this process.
    """
    parser = argparse.ArgumentParser(description=sys.modules[measure.__module__].__doc__)
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to see that it works")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the result")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--peer-dir", type=Path, help="checkout of an official evaluator, timed too")
    words = parser.parse_args(argv)
    setting = Setting(words.quick, words.seed, words.peer_dir)
    report = measure(setting)
    _print_report(name, report, ours)
    words.out.mkdir(parents=True, exist_ok=True)
    (words.out / f"{name}.json").write_text(json.dumps(to_dict(name, report, setting, ours), indent=1) + "\n")
    return 0


def to_dict(name: str, report: Report, setting: Setting, ours: str) -> dict[str, Any]:
    """Return what stands in the JSON file."""
    return {
        "benchmark": name,
        "date": current_date(),
        "quick": setting.quick,
        "seed": setting.seed,
        "machine": describe_machine(),
        "versions": list_versions(),
        "cases": [_case_to_dict(case, ours) for case in report.cases],
        "growth": report.growth,
        "goals": list(report.goals),
        "facts": report.facts,
    }


def _case_to_dict(case: Case, ours: str) -> dict[str, Any]:
    return {
        "name": case.name,
        "sizes": case.sizes,
        "repetitions": len(next(iter(case.costs.values()))),
        "costs": {
            who: {clock: spread([getattr(cost, clock) for cost in costs]) for clock in (CPU, WALL, MEMORY)}
            for who, costs in case.costs.items()
        },
        "ratios": {
            f"{who} / {ours}": {clock: spread(ratios(case, who, ours, clock)) for clock in (CPU, WALL)}
            for who in case.costs
            if who != ours and ours in case.costs
        },
    }


def _print_report(name: str, report: Report, ours: str) -> None:
    _say(f"\n== {name}")
    for case in report.cases:
        _say(f"{case.name} ({len(next(iter(case.costs.values())))} repetitions)")
        for who, costs in case.costs.items():
            _say(_cost_line(case, who, costs, ours))
    for who, exponent in report.growth.items():
        _say(f"growth: {who} as size ** {exponent:.2f}")
    for key, value in report.facts.items():
        _say(f"{key}: {value}")
    for goal in report.goals:
        _say(
            f"[{goal['reached']:>6}] {goal['goal']}: {goal['ratio']} = {goal['value']:.3g}, "
            f"{goal['direction']} {goal['floor']:g}, aim {goal['aim']:g} ({goal['case']})"
        )


def _cost_line(case: Case, who: str, costs: Sequence[Any], ours: str) -> str:
    cpu = spread([cost.cpu_seconds for cost in costs])
    wall = spread([cost.wall_seconds for cost in costs])["median"]
    line = f"  {who:34} {cpu['median'] * 1e3:11.3f} ms CPU (iqr {cpu['iqr'] * 1e3:8.3f})  {wall * 1e3:11.3f} ms wall"
    if who != ours and ours in case.costs:
        line += f"  {spread(ratios(case, who, ours))['median']:9.2f} x {ours}"
    return line


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
