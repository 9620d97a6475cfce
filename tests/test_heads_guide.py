"""The figures of the guide to heads with context are those of the result."""

import json
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
GUIDE, RESULTS = ROOT / "docs" / "studies-heads.md", ROOT / "benchmarks" / "results"
RESULT, CONTEXT = RESULTS / "study_heads.json", RESULTS / "study_context.json"
sys.path.append(str(ROOT / "benchmarks"))

import heads_figures  # noqa: E402

SETS = {"50salads_mid": "## 50 Salads mid", "gtea": "## GTEA"}


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


@pytest.mark.parametrize("name", SETS)
def test_every_row_is_in_its_table_with_its_figures(guide, result, name):
    section = guide.partition(SETS[name])[2].partition("\n## ")[0]
    found = result["sets"][name]
    told = dict(re.findall(r"^\| ([^|]+?) \| (\d.*) \|$", section, re.MULTILINE))
    rows = {title: heads_figures.tell_row(row) for title, row in (found["rows"] | found["widths"]).items()}
    assert told == rows
    pairs = dict(re.findall(r"^\| (.+? against .+?) \| ([+-].*) \|$", section, re.MULTILINE))
    compared = found["comparisons"]
    assert pairs == {f"{pair['one']} against {pair['other']}": heads_figures.tell_pair(pair) for pair in compared}


def test_the_untouched_splits_are_told_with_their_figures(guide, result):
    told = re.findall(r"^   \| (.+? against .+?) \| (\S+ / \S+) \| (.*) \|$", guide, re.MULTILINE)
    assert told == [
        (
            f"{pair['one']} against {pair['other']}",
            "{:.1f} / {:.1f}".format(*pair["values"]),
            heads_figures.tell_pair(pair),
        )
        for pair in result["untouched"]["comparisons"]
    ]


def test_the_known_values_are_met(result):
    """Those of the published models, by their authors' own measures, and of a mean filter of the SVM's scores."""
    rows = result["sets"]["50salads_mid"]["rows"]
    known = {"SVM": (54.9, 28.7, 22.7, 15.4), "ED-TCN": (64.7, 68.0, 63.9, 52.6)}
    for name, expected in known.items():
        row = rows[f"{name} as published"]
        assert [round(row[key], 1) for key in ("accuracy", "f1@10", "f1@25", "f1@50")] == list(expected)
    assert result["sets"]["50salads_mid"]["widths"]["mean:15"]["f1@50"] == pytest.approx(41.7, abs=0.3)


def test_the_stored_features_are_told_with_their_figures(guide):
    if not CONTEXT.exists():
        pytest.skip("the result is not installed")
    section = guide.partition("## The rendered benchmark")[2]
    (found,) = json.loads(CONTEXT.read_text()).values()
    told = dict(re.findall(r"^\| ([^|]+?) \| (\d.*) \|$", section, re.MULTILINE))
    assert told == {name: heads_figures.tell_scores(row) for name, row in found["rows"].items()}
    pairs = dict(re.findall(r"^\| (.+? against .+?) \| ([+-].*) \|$", section, re.MULTILINE))
    compared = found["comparisons"]
    assert pairs == {f"{pair['one']} against {pair['other']}": heads_figures.tell_pair(pair) for pair in compared}
