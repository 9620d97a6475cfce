"""The tables of the guide to ablations are those of the study's results."""

import json
import re
from pathlib import Path

import pytest

import tsmfeat

ROOT = Path(tsmfeat.__file__).parents[1]
GUIDE = ROOT / "docs" / "ablation.md"
RESULTS = ROOT / "benchmarks" / "results" / "study_ablation.json"


@pytest.fixture
def guide():
    if not (GUIDE.exists() and RESULTS.exists()):
        pytest.skip("the guide is not installed")
    return GUIDE.read_text(), json.loads(RESULTS.read_text())


def row_of(cell):
    """Write a cell as a row of the guide."""
    name = f"ensemble, {cell['weighting']}" if cell["weighting"] else cell["features"][0]
    if cell["equal_by_construction_to"]:
        return f"| {name} | {cell['tasks']} | equal by construction | | | | | |"
    low, high = cell["interval"]
    scenes = "" if cell["scene_accuracy"] is None else f"{cell['scene_accuracy']:.3f}"
    values = " | ".join(f"{value:.3f}" for value in cell["map"])
    return (
        f"| {name} | {cell['tasks']} | {cell['final_score']:.4f} ± {cell['final_score_sd']:.4f} "
        f"| {low:.3f} to {high:.3f} | {values} | {scenes} |"
    )


def test_every_row_of_the_tables_is_a_cell_of_the_results(guide):
    text, found = guide
    rows = [row_of(cell) for grid in found["grids"].values() for cell in (*grid["cells"], *grid["ensembles"])]
    told = re.findall(r"^\| .* \| (?:single|multi) \| .*$", text, re.MULTILINE)
    assert told == rows


def test_every_difference_that_is_told_is_in_the_results(guide):
    text, found = guide
    known = {
        f"{each['difference']:+.4f} ({each['interval'][0]:+.4f} to {each['interval'][1]:+.4f})"
        for grid in found["grids"].values()
        for each in grid["differences"]
    }
    told = re.findall(r"[+-]0\.\d{4} \([+-]0\.\d{4} to [+-]0\.\d{4}\)", text)
    assert len(told) >= 3
    assert set(told) <= known
