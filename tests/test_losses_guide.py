"""The study of losses tells what was measured: its tables are those of the results."""

import json
from pathlib import Path

import pytest

import tsmfeat
from tsmfeat.heads.options import HeadOptions

ROOT = Path(tsmfeat.__file__).parents[1]
GUIDE = ROOT / "docs" / "studies-losses.md"
RESULTS = ROOT / "benchmarks" / "results" / "study_losses.json"
PAPERS = "paper: cross-entropy"


@pytest.fixture(scope="module")
def guide():
    if not GUIDE.exists():
        pytest.skip("the guide is not installed")
    return GUIDE.read_text()


@pytest.fixture(scope="module")
def tasks():
    if not RESULTS.exists():
        pytest.skip("the results are not installed")
    return json.loads(RESULTS.read_text())["tasks"]


def percent(value, sign=False):
    return f"{100 * value:+.1f}" if sign else f"{100 * value:.1f}"


def with_spread(found):
    return f"{percent(found['final'])} ± {percent(found['deviation'])}"


def difference(found, other, interval):
    low, high = (percent(bound, True) for bound in interval)
    return f"{percent(found['final'] - other['final'], True)} [{low}, {high}]"


def loss_rows(task):
    """Score of every variant, against the paper's."""
    variants = task["variants"]
    for name, found in variants.items():
        setting = ", ".join(f"{key.replace('_', '-')} {value}" for key, value in found["setting"].items())
        against = difference(found, variants[PAPERS], found["against_paper"]) if name != PAPERS else ""
        yield f"| {name} | {setting} | {with_spread(found)} | {against} | {percent(found['rare'])} |"


def threshold_rows(task):
    """Score with a threshold instead of the best class, and the share of simultaneous segments found by either."""
    variants, localized = task["variants"], task["threshold"]
    for name, found in localized.items():
        argmax = variants[name]
        softmax = difference(found, localized[PAPERS], found["against_softmax"]) if name != PAPERS else ""
        both = ""
        if "simultaneous" in found:
            both = f"{percent(argmax['simultaneous'])} → {percent(found['simultaneous'])}"
        yield (
            f"| {name} | {percent(argmax['final'])} | {found['threshold']:g}: {with_spread(found)} "
            f"| {difference(found, variants[PAPERS], found['against_paper'])} | {softmax} | {both} |"
        )


def confidence_rows(task):
    """Calibration error and log-loss on the testing videos, without the temperature and with it."""
    for name, found in task["variants"].items():
        its = found["confidence"]
        before, after = (percent(error) for error in its["calibration_error"])
        losses = " → ".join(f"{loss:.3f}" for loss in its["log_loss"])
        yield f"| {name} | {its['temperature']:.2f} | {before} → {after} | {losses} |"


ROWS = (loss_rows, threshold_rows, confidence_rows)


@pytest.mark.parametrize("rows", ROWS, ids=lambda rows: rows.__name__)
def test_every_row_of_the_results_is_told_in_its_order(guide, tasks, rows):
    assert len(tasks) >= 2
    place = 0
    for task in tasks.values():
        for row in rows(task):
            assert row in guide[place:], row
            place = guide.index(row, place)


def test_no_row_of_a_table_is_of_anything_else(guide, tasks):
    known = {row for task in tasks.values() for rows in ROWS for row in rows(task)}
    names = {name for task in tasks.values() for name in task["variants"]}
    told = [line for line in guide.splitlines() if line.startswith("| ") and line.split(" | ")[0][2:] in names]
    assert len(told) == len(known)
    assert set(told) == known


def test_the_settings_that_were_tried_can_be_asked_for(tasks):
    for task in tasks.values():
        for found in task["variants"].values():
            HeadOptions(**found["setting"])


def test_the_sizes_of_the_tasks_are_told(guide, tasks):
    told = " ".join(guide.split())
    for task in tasks.values():
        training, validation, testing = task["num_videos"]
        assert f"{training:,} / {validation:,} / {testing:,}" in told
        assert f"{task['num_test_segments']:,} test segments" in told
