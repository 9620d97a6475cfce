"""The figures of the guide to reliability are those of the result, and no rule was broken in it."""

import json
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
GUIDE, RESULT = ROOT / "docs" / "reliability.md", ROOT / "benchmarks" / "results" / "faults.json"
sys.path.append(str(ROOT / "benchmarks"))

from faults import figures  # noqa: E402


@pytest.fixture(scope="module")
def result():
    if not RESULT.exists():
        pytest.skip("the result is not installed")
    return json.loads(RESULT.read_text())


@pytest.fixture(scope="module")
def guide():
    if not GUIDE.exists():
        pytest.skip("the guide is not installed")
    return GUIDE.read_text()


def test_every_part_is_in_the_table_with_its_figures(guide, result):
    told = dict(re.findall(r"^\| .* \| .* \| `(.*?)` \| (.*) \|$", guide, re.MULTILINE))
    assert told == {name: figures.tell_part(name, part) for name, part in result["parts"].items()}


def test_the_kills_are_those_of_the_result(guide, result):
    every, random = figures.count_kills(result["parts"])
    assert f"{every:,} processes were killed, {random:,} of them at random moments" in " ".join(guide.split())
    assert every >= 900


def test_no_rule_was_broken_and_nothing_left_out(result):
    assert result["quick"] is False
    for name, part in result["parts"].items():
        assert sum(part["violations"].values()) == 0, name
        assert part["checks"], name
        assert part["skipped"] == [], name
    damage = result["parts"]["damaged files"]["counts"]
    assert all(damage[name] >= 60 for name in figures.DAMAGES)
