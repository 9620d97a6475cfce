"""Videos that are left out of an evaluation, as ActivityNet and OpenTAD block them."""

import json

import pytest
from factories_heads import Recorder

from tsmfeat.errors import ConfigurationError, InputError
from tsmfeat.formats.video_lists import read_video_list
from tsmfeat.workflows.score_options import ScoreOptions
from tsmfeat.workflows.scoring import score

SEGMENTS = {"a": ([0, 10], [0, 9], 0.5), "b": ([0, 10], [50, 60], 0.9), "c": ([5, 9], [5, 9], 0.7)}


@pytest.fixture
def files(tmp_path):
    database = {v: {"subset": "t", "annotations": [{"label": "x", "segment": g}]} for v, (g, _, _) in SEGMENTS.items()}
    results = {v: [{"label": "x", "segment": p, "score": s}] for v, (_, p, s) in SEGMENTS.items()}
    # A blocked video without annotations is no false positive either.
    results["d"] = [{"label": "x", "segment": [0, 1], "score": 1.0}]
    (tmp_path / "gt.json").write_text(json.dumps({"database": database}))
    (tmp_path / "found.json").write_text(json.dumps({"results": results}))
    return tmp_path / "found.json", tmp_path / "gt.json"


@pytest.mark.parametrize("form", [json.dumps(["b", "d"]), "# down\nb\n\nd\n"])
def test_blocked_videos_count_on_neither_side(files, tmp_path, form):
    (tmp_path / "blocked").write_text(form)
    progress = Recorder()
    whole = score(*files).evaluation
    # d and b are wrong, c and a right: precision 2/4 at recall 1/3 and 2/3.
    assert whole.ap[:, 0].tolist() == pytest.approx([1 / 3], abs=1e-12)
    left = score(*files, options=ScoreOptions(blocked=str(tmp_path / "blocked")), progress=progress)
    assert left.evaluation.ap[:, 0].tolist() == [1.0]
    assert (left.evaluation.num_annotations, left.evaluation.num_predictions) == (2, 2)
    assert any("1 evaluated videos are left out" in str(call) for call in progress.calls)
    assert left.to_dict()["options"]["blocked"] == str(tmp_path / "blocked")


def test_other_protocols_see_the_same_videos(files, tmp_path):
    (tmp_path / "blocked").write_text("b\nd\n")
    options = ScoreOptions(protocols=("activitynet", "thumos14-2015"), blocked=str(tmp_path / "blocked"))
    report = score(*files, options=options)
    assert {found.num_annotations for found in report.protocols.values()} == {2}


def test_blocking_every_video_is_refused(files, tmp_path):
    (tmp_path / "blocked").write_text("a\nb\nc\n")
    with pytest.raises(InputError, match="lists all 3 videos"):
        score(*files, options=ScoreOptions(blocked=str(tmp_path / "blocked")))


@pytest.mark.parametrize("content", ["[]", '{"a": 1}', "[1]", "#\n", '[""]', '["a"'])
def test_what_is_no_list_is_refused(tmp_path, content):
    (tmp_path / "list").write_text(content)
    with pytest.raises(InputError, match="list"):
        read_video_list(tmp_path / "list")


def test_predictions_of_other_videos_can_be_left_out(files):
    progress = Recorder()
    report = score(*files, options=ScoreOptions(outside="drop"), progress=progress)
    # Only d is not annotated; b stays wrong: precision 1/2 and 2/3 at recall 1/3 and 2/3.
    assert report.evaluation.ap[:, 0].tolist() == pytest.approx([2 * (2 / 3) / 3], abs=1e-12)
    assert report.evaluation.num_predictions == 3
    assert any("1 predictions in videos that are not evaluated" in str(call) for call in progress.calls)
    assert not any("false positive" in str(call) for call in progress.calls)


def test_an_unknown_choice_is_refused():
    with pytest.raises(ConfigurationError, match="outside 'dorp'"):
        ScoreOptions(outside="dorp")
