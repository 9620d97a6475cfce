"""The page on heads that regress bounds says what its study found."""

import json
import re
from pathlib import Path

import pytest

import tsmfeat

ROOT = Path(tsmfeat.__file__).parents[1]


@pytest.fixture
def page():
    path = ROOT / "docs" / "studies-pyramid.md"
    if not path.exists():
        pytest.skip("the page is not installed")
    return path.read_text()


@pytest.fixture
def found():
    return json.loads((ROOT / "benchmarks" / "results" / "study_pyramid.json").read_text())["sets"]


def percent(values):
    return " / ".join(f"{100 * value:.1f}" for value in values)


def rows_of(page, heading):
    section = page.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    lines = [line.strip("|") for line in section.splitlines() if "|" in line]
    return [[cell.strip(" *") for cell in line.split("|")] for line in lines[2:]]


def points(each):
    low, high = (100 * bound for bound in each["interval"])
    return f"{100 * each['difference']:+.1f} ({low:+.1f} to {high:+.1f})"


def test_the_table_of_scores_is_that_of_the_study(page, found):
    expected = []
    for name, one in found.items():
        expected.append([name, "runs of perfect labels", percent(one["grid"]), percent([sum(one["grid"]) / 3])])
        for kind, its in one["kinds"].items():
            expected.append([name, kind, percent(its["map"]), percent([sum(its["map"]) / 3])])
    assert rows_of(page, "Scores") == expected


def test_the_table_of_differences_is_that_of_the_study(page, found):
    expected = []
    for name, one in found.items():
        for kind, listed in one["pyramid_minus"].items():
            expected.append([name, kind, *map(points, listed)])
    assert rows_of(page, "The pyramid less the others") == expected


def test_every_number_of_the_text_on_data_is_that_of_the_study(page, found):
    for one in found.values():
        training, validation, testing = one["num_videos"]
        assert re.search(rf"{training} / {validation} / {testing} videos", page)
