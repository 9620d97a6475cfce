"""Every benchmark runs at tiny sizes and writes a result of the agreed form; its figures are not looked at."""

import json
import os
import sys
import time
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "benchmarks"
sys.path.append(str(ROOT))

harness, reporting = import_module("harness"), import_module("reporting")

NAMES = sorted(path.stem.removeprefix("bench_") for path in ROOT.glob("bench_*.py"))
KEYS = {"benchmark", "date", "quick", "seed", "machine", "versions", "cases", "growth", "goals", "facts"}
MACHINE_KEYS = {"cpu", "cores", "usable_cores", "memory_kib", "kernel", "python", "load_average", "settings"}
SPREAD_KEYS = {"median", "min", "max", "iqr"}
GOAL_KEYS = {"goal", "case", "ratio", "clock", "direction", "value", "floor", "aim", "reached"}


def cost(cpu, wall=None):
    return harness.Cost(cpu, cpu if wall is None else wall)


def contestant(costs, log, who):
    waiting = iter(costs)

    def run():
        log.append(who)
        return cost(next(waiting))

    return run


@pytest.mark.golden
@pytest.mark.parametrize("name", NAMES)
def test_a_quick_run_writes_a_result_of_the_agreed_form(name, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", [f"bench_{name}.py", "--quick", "--out", str(tmp_path), "--seed", "3"])
    bench = import_module(f"bench_{name}")
    assert reporting.run_benchmark(name, bench.measure) == 0
    assert f"== {name}" in capsys.readouterr().out
    text = (tmp_path / f"{name}.json").read_text()
    assert str(tmp_path) not in text
    assert f'"{os.uname().nodename}"' not in text
    found = json.loads(text)
    assert set(found) == KEYS
    assert set(found["machine"]) == MACHINE_KEYS
    assert (found["benchmark"], found["quick"], found["seed"]) == (name, True, 3)
    assert found["versions"]["numpy"]
    assert found["cases"]
    assert found["goals"]
    for case in found["cases"]:
        assert case["repetitions"] >= 1
        assert case["sizes"]
        assert all(set(clocks["cpu_seconds"]) == SPREAD_KEYS for clocks in case["costs"].values())
        assert all(clocks["wall_seconds"]["median"] > 0 for clocks in case["costs"].values())
    for goal in found["goals"]:
        assert set(goal) == GOAL_KEYS
        assert goal["reached"] in ("aim", "floor", "missed")
        assert goal["value"] == pytest.approx(goal["value"])  # a number


def test_contestants_take_turns_as_often_as_each_other():
    log = []
    costs = {who: contestant([1.0] * 9, log, who) for who in "ab"}
    case = harness.compete("x", {"n": 1}, costs, harness.Pace(3, 3, 0.0))
    assert "".join(log) == "ababab"
    assert [len(costs) for costs in case.costs.values()] == [3, 3]


def test_rounds_end_with_the_time_but_not_before_the_least():
    log = []
    slow = contestant([1.0] * 99, log, "a")

    def run():
        time.sleep(0.01)
        return slow()

    harness.compete("x", {"n": 1}, {"a": run}, harness.Pace(2, 99, 0.0))
    assert len(log) == 2
    harness.compete("x", {"n": 1}, {"a": run}, harness.Pace(1, 99, 0.1))
    assert 3 <= len(log) - 2 <= 10


def test_ratios_are_taken_round_by_round():
    case = harness.Case("x", {"n": 1}, {"a": [cost(1), cost(4), cost(9)], "b": [cost(2), cost(2), cost(3)]})
    assert harness.ratios(case, "a", "b") == [0.5, 2.0, 3.0]


def test_the_exponent_of_growth_is_the_slope_of_the_logarithms():
    cases = [harness.Case("x", {"n": n}, {"a": [cost(5e-3 * n**1.5)]}) for n in (10, 100, 1000)]
    assert harness.growth(cases, "a", "n") == pytest.approx(1.5)
    with pytest.raises(ValueError, match="takes three"):
        harness.growth(cases[:2], "a", "n")


@pytest.mark.parametrize("theirs", [[1.0, 2.1], [1.0], [1.0, float("nan")]])
def test_answers_that_differ_end_a_benchmark(theirs):
    with pytest.raises(harness.DisagreementError, match="scores"):
        harness.require_equal("scores", [1.0, 2.0], theirs, 0.05)


def test_equal_answers_pass_within_the_tolerance_and_nan_equals_nan():
    harness.require_equal("scores", [1.0, float("nan")], [1.04, float("nan")], 0.05)
    harness.require_equal("names", ["a", "b"], ["a", "b"])
    with pytest.raises(harness.DisagreementError):
        harness.require_equal("names", ["a", "b"], ["a", "c"])


def test_a_command_costs_its_own_time_and_memory_and_not_those_of_its_parent():
    held = bytearray(300_000_000)
    idle = harness.run_command([sys.executable, "-S", "-c", "import time; time.sleep(0.1)"])
    assert idle.wall_seconds >= 0.1 > idle.cpu_seconds
    assert idle.peak_bytes < len(held)
    busy = harness.run_command([sys.executable, "-S", "-c", "x = bytearray(200_000_000); x[::4096] = x[::4096]"])
    assert busy.peak_bytes > 200_000_000


def test_a_command_that_fails_ends_a_benchmark_with_what_it_said():
    with pytest.raises(RuntimeError, match=r"status 3[\s\S]*no such thing"):
        harness.run_command([sys.executable, "-c", "import sys; print('no such thing', file=sys.stderr); sys.exit(3)"])


def test_variables_given_to_a_command_reach_it():
    script = "import os; print(os.environ['GREETING'])"
    assert harness.launch([sys.executable, "-S", "-c", script], {"GREETING": "hello"})[1].strip() == "hello"


@pytest.mark.parametrize(
    ("at_most", "value", "reached"),
    [
        (False, 2.9, "missed"),
        (False, 3.0, "floor"),
        (False, 10.0, "aim"),
        (True, 3.1, "missed"),
        (True, 3.0, "floor"),
        (True, 1.5, "aim"),
    ],
)
def test_goals_are_judged_by_floor_and_aim(at_most, value, reached):
    goal = reporting.Goal("x", "a", "b", 3.0, 1.5 if at_most else 10.0, at_most)
    assert reporting.judge_value(goal, "y", value)["reached"] == reached
