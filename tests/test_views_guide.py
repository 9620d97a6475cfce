"""The guide to views is true: its tables are those of the study, and the study runs."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from factories_store import make_spec
from factories_workflows import SIZE, make_database, write_database, write_store
from typer.main import get_command

import tsmfeat
from tsmfeat.heads.options import HeadOptions
from tsmfeat_cli.main import app

ROOT = Path(tsmfeat.__file__).parents[1]
GUIDE, RESULT = ROOT / "docs" / "views.md", ROOT / "benchmarks" / "results" / "study_views.json"


@pytest.fixture(scope="module")
def guide():
    if not GUIDE.exists():
        pytest.skip("the guide is not installed")
    return GUIDE.read_text()


@pytest.fixture(scope="module")
def result(guide):
    return json.loads(RESULT.read_text())


def test_every_option_of_its_commands_exists(guide):
    group = get_command(app)
    lines = re.findall(r"^    tsmfeat (.*)$", guide, re.MULTILINE)
    assert len(lines) >= 5
    context = group.make_context("tsmfeat", [], resilient_parsing=True)
    for line in lines:
        name, *words = line.split()
        known = {option for parameter in group.get_command(context, name).params for option in parameter.opts}
        assert {word for word in words if word.startswith("-")} <= known, line


def rows_of(guide, section):
    """Return the cells of the table below a heading, by the first two."""
    text = guide.partition(f"### {section}\n")[2].partition("\n#")[0]
    lines = [line for line in text.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def shown(row):
    values = " / ".join(f"{100 * value:.1f}" for value in row["map"])
    return f"{values} → **{100 * row['final_score']:.1f}** ± {100 * row['deviation']:.1f}"


def test_the_tables_of_scores_are_those_of_the_result(guide, result):
    kinds, count = list(result["kinds"]), 0
    for condition in ("as recorded", "without front_view", "without panoramic"):
        for name, *cells in rows_of(guide, condition):
            for kind, cell in zip(kinds, cells, strict=True):
                assert cell == shown(result["kinds"][kind][condition]["setups"][name]), (condition, name, kind)
                count += 1
    assert count == len(kinds) * sum(
        len(result["kinds"][kinds[0]][condition]["setups"])
        for condition in ("as recorded", "without front_view", "without panoramic")
    )


def test_the_differences_are_those_of_the_result(guide, result):
    kinds, rows = list(result["kinds"]), rows_of(guide, "Differences")
    assert len(rows) >= 5
    for condition, name, *cells in rows:
        for kind, cell in zip(kinds, cells, strict=True):
            found = result["kinds"][kind][condition]["differences"][name]
            low, high = found["interval"]
            assert cell == f"{100 * found['difference']:+.1f} [{100 * low:+.1f}, {100 * high:+.1f}]", (condition, name)


def test_the_study_runs(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    if not (ROOT / "benchmarks" / "study_views.py").exists():
        pytest.skip("the benchmarks are not installed")
    import study_views

    fast = {"linear": (HeadOptions(epochs=2), (0.1,))}
    for name, value in (("KINDS", fast), ("RESAMPLES", 20), ("NUM_WORKERS", 1)):
        monkeypatch.setattr(study_views, name, value)
    database = make_database()
    write_database(tmp_path / "gt.json", database)
    front = {name: video for name, video in database.items() if name not in ("video 01", "video 17")}
    write_store(tmp_path / "panoramic", database, make_spec(SIZE, view="panoramic"), noise=2.0)
    write_store(tmp_path / "front", front, make_spec(SIZE, view="front_view"), noise=2.0, seed=1)
    paths = [path for name in ("panoramic", "front") for path in sorted((tmp_path / name).iterdir())]
    found = study_views.study(tmp_path / "gt.json", paths, 2)
    judged = found["kinds"]["linear"]["as recorded"]
    assert found["num_videos"]["testing"] == {"all": 4, "front_view": 3, "panoramic": 4}
    assert set(judged["setups"]) >= {"panoramic alone", "front_view alone", study_views.JOINED, study_views.DROPPED}
    assert found["kinds"]["linear"]["without panoramic"]["num_videos"] == 3
    assert all(np.isfinite(row["final_score"]) for row in judged["setups"].values())
    row = judged["differences"][f"{study_views.JOINED} - panoramic alone"]
    assert np.isclose(row["difference"], np.mean(row["by_seed"]))
