"""The guide to the rendered benchmark says what the study found, and what the package holds."""

import json
import re
from pathlib import Path

import pytest

import tsmfeat
from tsmfeat import rendered_benchmark
from tsmfeat.files import read_header
from tsmfeat.rendered_benchmark.actions import GROUPS

ROOT = Path(tsmfeat.__file__).parents[1]
GUIDE, RESULT = ROOT / "docs" / "benchmark.md", ROOT / "benchmarks" / "results" / "study_rendered.json"


@pytest.fixture
def guide():
    if not GUIDE.exists():
        pytest.skip("the guide is not installed")
    return GUIDE.read_text()


@pytest.fixture
def found(guide):
    return json.loads(RESULT.read_text())


def table(guide, head):
    """Return the cells of the table whose first line begins so."""
    lines = guide[guide.index(head) :].split("\n\n")[0].splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def number(value):
    return "–" if value is None else f"{value:.3f}".removeprefix("0")


def test_the_dial_is_as_counted(guide, found):
    expected = [
        [
            f"{row['scene_information']:g}",
            f"{row['information_bits']:.2f}",
            f"{row['corrected_bits']:.2f}",
            f"{row['num_instances']:,}",
            f"{max(row['counts'].values())} / {min(row['counts'].values())}",
            f"{100 * row['short_share']:.0f} %",
            f"{100 * row['overlap_share']:.0f} %",
        ]
        for row in found["dials"]
    ]
    assert table(guide, "| `--scene-information`") == expected


def test_the_views_are_as_counted(guide, found):
    told = re.search(r"(\d+) % of the videos have a front view; there it sees (\d+) % .*?, (\d+) % of all", guide, re.S)
    assert [int(value) for value in told.groups()] == [round(100 * value) for value in found["views"].values()]


def test_the_ceilings_are_as_measured(guide, found):
    def cell(step, way, extra):
        (row,) = (
            one
            for one in found["ceilings"]
            if (one["step_seconds"], one["localize"], one["extra"]) == (step, way, extra)
        )
        return " / ".join(number(value) for value in row["map"]) + f" → {number(row['final_score'])}"

    kinds = (("argmax", "none"), ("threshold", "none"), ("threshold", "refine"))
    expected = [[f"{step:g} s", *(cell(step, *kind) for kind in kinds)] for step in (0.25, 0.5, 1.0)]
    assert table(guide, "| step | one action") == expected


def test_the_demos_rows_are_as_measured(guide, found):
    fields = ("final_score", "ceiling", "direction", "scene_accuracy")
    told = {tuple(row[:2]): row[2:] for row in table(guide, "| views | step")}
    assert len(told) == len(found["demo"]["rows"])
    for name, row in found["demo"]["rows"].items():
        views, _, step = name.partition("_t") if "_t" in name else ("joined", "", "all")
        key = (views.replace("panoramic+front_view", "joined"), f"{step} s" if step != "all" else "all")
        assert told[key] == [number(row[field]) for field in fields], name


def test_the_controls_are_as_measured(guide, found):
    rows = [
        [name, *(number(row[field]) for field in ("final_score", "direction", "scene_accuracy"))]
        for name, row in found["controls"].items()
    ]
    assert table(guide, "| trunk and labels") == rows


def test_the_tail_is_as_measured(guide, found):
    rows = [
        [row["actions"], str(row["num_training"]), str(row["num_testing"]), number(row["ap50"])]
        for row in found["tail"]
    ]
    assert table(guide, "| actions | training") == rows
    assert [row[0] for row in rows] == [" / ".join(group.names) for group in GROUPS]


def test_the_trunk_is_the_one_of_the_package(guide):
    judged = read_header(Path(rendered_benchmark.__file__).with_name("trunk.safetensors"))["validation"]
    told = re.search(r"names (\S+) of the actions, (\S+) of the directions and (\S+) of the scenes", guide)
    assert list(told.groups()) == [number(judged[name]) for name in ("action", "direction", "scene")]
