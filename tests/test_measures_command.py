"""`tsmfeat score --measures` as users and their scripts see it."""

import json
from dataclasses import replace

import pytest
from conftest import DATA
from typer.testing import CliRunner

from tsmfeat.errors import ConfigurationError, InputError
from tsmfeat.formats.reading import read_annotations, read_predictions
from tsmfeat.metrics.frames import frame_scores
from tsmfeat.metrics.options import MEASURES
from tsmfeat.metrics.proposals import average_recall
from tsmfeat.metrics.recall import top_recall
from tsmfeat.workflows.measures import take_measures
from tsmfeat.workflows.score_options import ScoreOptions
from tsmfeat_cli.main import app

GOLDEN = DATA / "evaluation"
SOURCE, TRUTH = GOLDEN / "pred_binego_like.json", GOLDEN / "gt_binego_like.json"


def call(*words, code=0):
    done = CliRunner().invoke(
        app, ["score", str(SOURCE), "--annotations", str(TRUTH), "--subset", "test", *map(str, words)]
    )
    assert done.exit_code == code, done.output
    return done


@pytest.fixture(scope="module")
def given():
    return read_predictions(SOURCE), read_annotations(TRUTH).select_subset("test")


def test_every_measure_stands_under_its_name_in_the_object(given):
    found = json.loads(call("--measures", ",".join(MEASURES), "--json").stdout)["measures"]
    assert list(found) == list(MEASURES)
    assert found["ar"] == average_recall(*given).to_dict()
    assert found["ar-opentad"] == average_recall(*given, variant="opentad").to_dict()
    assert found["ar-mmaction2"] == average_recall(*given, variant="mmaction2").to_dict()
    assert found["top-kx"] == top_recall(*given).to_dict()
    assert found["frames"] == frame_scores(*given).to_dict()


def test_measures_stand_in_the_order_asked_for_and_none_where_none_is():
    assert list(json.loads(call("--measures", "frames,ar", "--json").stdout)["measures"]) == ["frames", "ar"]
    assert json.loads(call("--json").stdout)["measures"] == {}
    assert "recall" not in call().stdout


def test_people_read_tables_of_80_columns():
    lines = call("--measures", ",".join(MEASURES), "--frame-step", "0.5").stdout.splitlines()
    tables = lines[lines.index("") :]
    assert any(line.startswith("recall@5x") for line in tables)
    assert "segmentation of 16 videos in frames of 0.5 s:" in tables
    assert sum(line.startswith("AR ") for line in tables) == 3
    measured = tables[tables.index("", 1) :]
    assert max(map(len, measured)) <= 80


def test_frames_of_several_truths_are_told(tmp_path):
    videos = {"v": {"subset": "test", "duration": 4.0, "annotations": [{"label": "walk", "segment": [0, 3]}]}}
    truth = tmp_path / "gt.json"
    for label, told in (("walk", False), ("sit", True)):
        truth.write_text(json.dumps({"database": videos}))
        words = ["score", str(SOURCE), "--annotations", str(truth), "--measures", "frames", "--frame-step", "1"]
        done = CliRunner().invoke(app, words)
        assert ("50.0% of the frames have several true segments; one of them counts" in done.stdout) == told, label
        videos["v"]["annotations"].append({"label": "sit", "segment": [1, 3]})


def test_thresholds_and_the_step_reach_the_measures(given):
    options = ScoreOptions(tiou_thresholds=(0.3,), measures=MEASURES, frame_step_seconds=2.0)
    found = take_measures(*given, options)
    assert [found[name].tiou_thresholds for name in MEASURES[:-1]] == [(0.3,)] * 4
    assert found["frames"] == frame_scores(*given, step_seconds=2.0)
    assert found["frames"] != frame_scores(*given)


def test_the_protocol_decides_the_thresholds_of_top_kx(given):
    found = take_measures(*given, ScoreOptions(protocol="activitynet", measures=("top-kx",)))
    assert len(found["top-kx"].tiou_thresholds) == 10


def test_an_unknown_measure_is_refused_with_the_nearest_one():
    done = call("--measures", "frame", code=2)
    assert "measure 'frame' is unknown" in done.stderr
    assert "did you mean 'frames'?" in done.stderr
    assert "choose among ar, " in call("--measures", "zzzz", code=2).stderr
    assert "named twice" in call("--measures", "ar,ar", code=2).stderr


@pytest.mark.parametrize("step", [0.0, -1.0, float("nan"), float("inf")])
def test_a_step_that_is_none_is_refused(step):
    with pytest.raises(ConfigurationError, match="positive number of seconds"):
        ScoreOptions(frame_step_seconds=step)


def test_frames_without_durations_say_whose_are_missing(given):
    predictions, annotations = given
    unknown = replace(annotations, duration_seconds=annotations.duration_seconds * float("nan"))
    with pytest.raises(InputError, match=r"16 of 16 annotated videos have no duration \('vid00'.*, \.\.\.\)"):
        take_measures(predictions, unknown, ScoreOptions(measures=("frames",)))
