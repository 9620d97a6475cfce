"""Interval scores on disk: whole, checked, and as good a source as the heads they come from."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from factories_heads import Recorder
from factories_store import make_spec
from factories_workflows import SIZE, make_database, write_database, write_store
from safetensors import safe_open
from typer.testing import CliRunner

from tsmfeat.errors import CheckpointError, ConfigurationError, InputError, SpecMismatchError
from tsmfeat.files import save_tensors
from tsmfeat.formats.interval_scores import (
    _checksum,
    holds_interval_scores,
    read_interval_scores,
    read_with_header,
    write_interval_scores,
)
from tsmfeat.heads.options import HeadOptions
from tsmfeat.localization.options import LocalizationOptions
from tsmfeat.values.predictions import IntervalScores
from tsmfeat.values.vocabulary import Vocabulary
from tsmfeat.workflows.comparison import compare, open_reference
from tsmfeat.workflows.fit_options import FitOptions
from tsmfeat.workflows.fitting import fit_heads
from tsmfeat.workflows.inspection import inspect
from tsmfeat.workflows.kinds import recognize
from tsmfeat.workflows.predict_options import PredictOptions
from tsmfeat.workflows.prediction import predict
from tsmfeat.workflows.score_options import ScoreOptions
from tsmfeat.workflows.scoring import score
from tsmfeat.workflows.validation import validate
from tsmfeat_cli.main import app

TESTING = ScoreOptions(subset="testing")
NAN = float("nan")


def make_scores(dtype=np.float32, num_scenes=2):
    """Three videos, the second without intervals, the third of unknown length; a row is undefined."""
    rows = np.random.default_rng(3).random((5, 3)).astype(dtype)
    rows[4] = NAN
    scenes = np.array([[0.75, 0.25], [NAN, NAN], [0.5, 0.5]])[:, :num_scenes]
    names = ("kitchen", "garden")[:num_scenes]
    return IntervalScores(
        ("a", "ü 2", "c/d"),
        Vocabulary(("run", "eat")),
        np.array([0, 3, 3, 5]),
        rows,
        0.1,
        np.array([0.35, 0.05, NAN]),
        Vocabulary(names),
        scenes if num_scenes else None,
    )


def same(one, other):
    assert (one.video_ids, one.vocabulary, one.scene_vocabulary) == (
        other.video_ids,
        other.vocabulary,
        other.scene_vocabulary,
    )
    assert one.step_seconds == other.step_seconds
    assert one.scores.dtype == other.scores.dtype
    for name in ("row_offset", "scores", "duration_seconds"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    if one.scene_scores is None or other.scene_scores is None:
        assert one.scene_scores is other.scene_scores
    else:
        np.testing.assert_array_equal(one.scene_scores, other.scene_scores)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("num_scenes", [0, 1, 2])
def test_what_is_written_is_read(tmp_path, dtype, num_scenes):
    scores = make_scores(dtype, num_scenes)
    write_interval_scores(scores, tmp_path / "s", make_spec(SIZE), {"heads": "h"})
    found, header = read_with_header(tmp_path / "s")
    same(found, scores)
    assert header["spec"] == make_spec(SIZE).to_dict()
    assert header["record"]["heads"] == "h"
    assert holds_interval_scores(tmp_path / "s")


def test_no_video_and_no_interval_are_legal(tmp_path):
    none = IntervalScores((), Vocabulary(("run",)), np.array([0]), np.zeros((0, 2)), 1.0, np.zeros(0))
    empty = IntervalScores(("a",), Vocabulary(("run",)), np.array([0, 0]), np.zeros((0, 2)), 1.0, np.zeros(1))
    for scores in (none, empty):
        write_interval_scores(scores, tmp_path / "s")
        same(read_interval_scores(tmp_path / "s"), scores)


def test_equal_scores_give_equal_bytes_and_strided_ones_too(tmp_path):
    scores = make_scores()
    write_interval_scores(scores, tmp_path / "a")
    write_interval_scores(replace(scores, scores=np.asfortranarray(scores.scores)), tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_what_could_not_be_read_is_not_written(tmp_path):
    scores = make_scores()
    for bad in (
        replace(scores, step_seconds=0.0),
        replace(scores, step_seconds=NAN),
        replace(scores, video_ids=("a", "", "c")),
        replace(scores, duration_seconds=np.array([1.0, np.inf, 1.0])),
        replace(scores, scores=scores.scores.astype(np.float16)),
        replace(scores, scores=np.full_like(scores.scores, np.inf)),
    ):
        with pytest.raises(InputError, match=str(tmp_path / "s")):
            write_interval_scores(bad, tmp_path / "s")
    assert list(tmp_path.iterdir()) == []


def test_scene_scores_have_a_row_a_video_and_a_column_a_scene():
    with pytest.raises(InputError, match=r"scene scores of shape \(3, 1\); expected \(3, 2\)"):
        replace(make_scores(), scene_scores=np.zeros((3, 1)))


def test_some_videos_are_chosen_in_the_order_asked_for():
    scores = make_scores()
    found = scores.select_videos([2, 0])
    assert found.video_ids == ("c/d", "a")
    assert found.row_offset.tolist() == [0, 2, 5]
    np.testing.assert_array_equal(found.scores, scores.scores[[3, 4, 0, 1, 2]])
    np.testing.assert_array_equal(found.duration_seconds, [NAN, 0.35])
    np.testing.assert_array_equal(found.scene_scores, scores.scene_scores[[2, 0]])
    assert len(scores.select_videos([]).scores) == 0


def forge(path, header=None, **tensors):
    """Write a file whose checksum is right and whose parts are what a hostile writer likes."""
    write_interval_scores(make_scores(), path)
    with safe_open(path, framework="numpy") as stream:
        parts = {name: stream.get_tensor(name) for name in stream.keys()} | tensors
        content = json.loads(stream.metadata()["tsmfeat"])
    parts = {name: values for name, values in parts.items() if values is not None}
    content |= header or {}
    content = {key: value for key, value in content.items() if key != "crc32" and value != "left out"}
    save_tensors(path, parts, {**content, "crc32": _checksum(content, parts)})
    return path


HOSTILE = [
    ({}, {"row_offset": np.array([0.0, NAN, 3.0, 5.0])}, "'row_offset' is float64; expected int64"),
    ({}, {"row_offset": np.array([0, 9, 3, 5])}, "do not describe 3 videos"),
    ({}, {"row_offset": np.array([-3, 0, 3, 5])}, "do not describe 3 videos"),
    ({}, {"row_offset": np.array([0, 2**63 - 1, -(2**63), 5])}, "do not describe 3 videos"),
    ({}, {"row_offset": np.array([0, 3, 5])}, "do not describe 3 videos"),
    ({}, {"row_offset": np.zeros(0, np.int64)}, "row offsets of shape"),
    ({}, {"row_offset": np.zeros((2, 2), np.int64)}, "row offsets of shape"),
    ({}, {"scores": np.zeros((5, 4))}, "scores of shape"),
    ({}, {"scores": np.zeros(15)}, "scores of shape"),
    ({}, {"scores": np.zeros((5, 3), np.float16)}, "'scores' is float16"),
    ({}, {"scores": np.full((5, 3), np.inf)}, "'scores' holds infinity"),
    ({}, {"scores": None}, "holds the tensors duration_seconds"),
    ({}, {"more": np.zeros(3)}, "holds the tensors duration_seconds, more"),
    ({}, {"duration_seconds": np.array([-1.0, 1.0, 1.0])}, "a duration is"),
    ({}, {"duration_seconds": np.array([1.0, 1.0])}, "do not describe 3 videos"),
    ({}, {"duration_seconds": np.ones((3, 1))}, "a duration is"),
    ({}, {"scene_scores": np.zeros((3, 3))}, "scene scores of shape"),
    ({"scene_vocabulary": []}, {}, "scene scores of shape"),
    ({"video_ids": ["a", "a", "b"]}, {}, "'a' occurs twice"),
    ({"video_ids": ["a", 7, "b"]}, {}, "a video id is empty"),
    ({"video_ids": ["a", ["b"], "c"]}, {}, "a video id is empty"),
    ({"video_ids": ["a", "b\n", "c"]}, {}, "control character"),
    ({"video_ids": {"a": 1, "b": 2, "c": 3}}, {}, "video_ids is no list"),
    ({"vocabulary": ["run", "run"]}, {}, "'run' occurs twice"),
    ({"vocabulary": ["run", None]}, {}, "class 1 is None"),
    ({"vocabulary": "ab"}, {}, "vocabulary is no list"),
    ({"step_seconds": 0.0}, {}, "a step is a positive number"),
    ({"step_seconds": "0.5"}, {}, "a step is a positive number"),
    ({"step_seconds": True}, {}, "a step is a positive number"),
    ({"step_seconds": "left out"}, {}, "step_seconds"),
    ({"record": []}, {}, "no JSON object"),
    ({"spec": {"trunk": "resnet18"}}, {}, "missing or unknown"),
    ({"spec": 7}, {}, "do not fit"),
]


@pytest.mark.parametrize(("header", "tensors", "reason"), HOSTILE, ids=lambda value: str(value)[:40])
def test_a_hostile_file_is_refused_by_name(tmp_path, header, tensors, reason):
    with pytest.raises(CheckpointError, match=reason) as caught:
        read_interval_scores(forge(tmp_path / "s", header, **tensors))
    assert str(tmp_path / "s") in caught.value.message
    assert caught.value.hint


def test_another_kind_and_another_version_are_refused(tmp_path):
    with pytest.raises(CheckpointError, match="holds 'heads'; a file of kind 'interval-scores' is expected"):
        read_interval_scores(forge(tmp_path / "s", {"kind": "heads"}))
    with pytest.raises(SpecMismatchError, match="interval scores of version 2"):
        read_interval_scores(forge(tmp_path / "s", {"version": 2}))
    (tmp_path / "text").write_text("notes")
    with pytest.raises(CheckpointError, match="not a readable safetensors file"):
        read_interval_scores(tmp_path / "text")


def test_a_truncated_file_is_refused_at_every_length(tmp_path):
    write_interval_scores(make_scores(), tmp_path / "s")
    content = (tmp_path / "s").read_bytes()
    for size in range(len(content)):
        (tmp_path / "s").write_bytes(content[:size])
        with pytest.raises(InputError):
            read_interval_scores(tmp_path / "s")


def test_a_flipped_bit_is_never_passed_over(tmp_path):
    scores = make_scores()
    write_interval_scores(scores, tmp_path / "s")
    content = bytearray((tmp_path / "s").read_bytes())
    refused = 0
    for place in range(len(content)):
        content[place] ^= 1
        (tmp_path / "s").write_bytes(content)
        try:
            same(read_interval_scores(tmp_path / "s"), scores)
        except (InputError, SpecMismatchError):
            refused += 1
        content[place] ^= 1
    assert refused > 0.95 * len(content)


# As a source and an output of the commands.


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    """Two stores of other steps, the heads fitted on each, and the interval scores of both."""
    folder = tmp_path_factory.mktemp("task")
    database = make_database()
    write_database(folder / "gt.json", database)
    for number, step in enumerate((0.5, 1.0)):
        name = f"t{number}"
        store = write_store(
            folder / name, database, make_spec(SIZE, step_seconds=step, clip_seconds=step), 1.0, seed=number
        )
        options = FitOptions(HeadOptions(epochs=3, lr=0.05, batch_size=64, seed=number))
        fit_heads(store, folder / "gt.json", folder / f"{name}.safetensors", options)
    both = [folder / "t0.safetensors", folder / "t1.safetensors"]
    outs = tuple(str(folder / f"{path.stem}.scores") for path in both)
    predict([folder / "t0", folder / "t1"], both, folder / "found.json", PredictOptions(scores_out=outs))
    return folder


def call(*words, code=0):
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == code, done.output
    return done


@pytest.mark.parametrize(
    "rules",
    [LocalizationOptions(), LocalizationOptions("threshold", 0.3, 1, 0.6, smooth="mean:3")],
    ids=["paper", "others"],
)
def test_scores_score_as_the_heads_they_come_from(task, rules):
    options = replace(TESTING, localization=rules)
    by_heads = score(task / "t0.safetensors", task / "gt.json", task / "t0", options)
    by_scores = score(task / "t0.scores", task / "gt.json", options=options)
    np.testing.assert_array_equal(by_scores.evaluation.ap, by_heads.evaluation.ap)
    assert by_scores.scenes == by_heads.scenes
    assert by_heads.scenes.num_videos == 4
    assert len(by_heads.predictions.segments) > 5


def test_scores_heads_and_files_fuse_together(task):
    by_heads = score([task / "t0.safetensors", task / "t1.safetensors"], task / "gt.json", [task / "t0", task / "t1"],
                     TESTING)  # fmt: skip
    mixed = score([task / "t0.scores", task / "t1.safetensors"], task / "gt.json", task / "t1", TESTING)
    np.testing.assert_array_equal(mixed.evaluation.ap, by_heads.evaluation.ap)
    assert mixed.weights == (0.5, 0.5)


def test_videos_without_scores_are_told_of(task, tmp_path):
    found, header = read_with_header(task / "t0.scores")
    assert header["record"]["heads"]["name"] == "t0.safetensors"
    write_interval_scores(found.select_videos(list(range(17))), tmp_path / "some")
    told = Recorder()
    score(tmp_path / "some", task / "gt.json", options=TESTING, progress=told)
    assert any("3 of 4 videos have no interval scores, such as 'video 17'" in text for _, text in told.of("warn"))
    write_interval_scores(found.select_videos([0, 1]), tmp_path / "none")
    with pytest.raises(InputError, match="holds none of the 4 evaluated videos"):
        score(tmp_path / "none", task / "gt.json", options=TESTING)


def test_scores_weigh_by_the_validation_score_of_their_heads(task, tmp_path):
    options = replace(TESTING, weights="validation")
    by_scores = score([task / "t0.scores", task / "t1.scores"], task / "gt.json", options=options)
    heads = [task / "t0.safetensors", task / "t1.safetensors"]
    assert by_scores.weights == score(heads, task / "gt.json", [task / "t0", task / "t1"], options).weights
    assert by_scores.weights[0] != by_scores.weights[1]
    write_interval_scores(read_interval_scores(task / "t0.scores"), tmp_path / "bare")
    with pytest.raises(ConfigurationError, match="bare: holds no validation score"):
        score([task / "t0.scores", tmp_path / "bare"], task / "gt.json", options=options)


def test_every_kind_of_look_knows_scores(task):
    path = task / "t0.scores"
    assert recognize(path) == "interval-scores"
    found = inspect(path)
    assert (found["kind"], found["num_videos"], found["step_seconds"]) == ("interval-scores", 20, 0.5)
    assert found["num_intervals"] == sum(video["num_intervals"] for video in found["videos"])
    assert inspect(path, "video 03")["video"]["video_id"] == "video 03"
    text = call("inspect", path).stdout
    assert "interval scores, version 1: 20 videos" in text
    assert "heads" in text
    assert json.loads(call("inspect", path, "--json").stdout)["spec"]["step_seconds"] == 0.5
    assert validate(path).num_problems == 0


def test_validate_names_what_is_wrong_and_what_differs(task, tmp_path):
    broken = Path(forge(tmp_path / "s", {"video_ids": ["a", "a", "b"]}))
    (checked,) = validate(broken).files
    assert (checked.kind, checked.num_problems) == ("interval-scores", 1)
    from contextlib import ExitStack

    with ExitStack() as stack:
        same_step = open_reference(str(task / "t0"), stack)
        other_step = open_reference(str(task / "t1"), stack)
        assert compare(task / "t0.scores", "interval-scores", same_step) == []
        assert any("step_seconds" in text for text in compare(task / "t0.scores", "interval-scores", other_step))
        write_interval_scores(make_scores(), tmp_path / "other")
        texts = compare(tmp_path / "other", "interval-scores", same_step)
        assert any("video 'a': not among the 20" in text for text in texts)


def test_the_command_keeps_scores_and_says_so(task, tmp_path):
    words = ["predict", task / "t0", "--heads", task / "t0.safetensors", "-o", tmp_path / "o.json"]
    done = call(*words, "--save-scores", tmp_path / "deep" / "o.scores")
    assert f"{tmp_path / 'deep' / 'o.scores'}: interval scores" in done.stderr
    same(read_interval_scores(tmp_path / "deep" / "o.scores"), read_interval_scores(task / "t0.scores"))
    found = json.loads(call(*words, "--save-scores", tmp_path / "deep" / "o.scores", "--json", "-q").stdout)
    assert found["scores_out"] == [str(tmp_path / "deep" / "o.scores")]
    report = call("score", tmp_path / "deep" / "o.scores", "--annotations", task / "gt.json", "--subset", "testing")
    assert "final score" in report.stdout


REFUSED = [
    (["{t0}"], ["a", "b"], "2 files of interval scores for 1 heads"),
    (["{t0}", "{t1}"], ["a"], "1 files of interval scores for 2 heads"),
    (["{t0}", "{t1}"], ["a", "./a"], "named twice"),
    (["{t0}"], ["./o.json"], "the file of the predictions\nhint: use --save-scores o.scores"),
    (["{t0}"], ["{task}/gt.json"], "exists and holds no interval-scores"),
    (["{t0}"], ["{t0}"], "exists and holds no interval-scores"),
]


@pytest.mark.parametrize(("heads", "outs", "reason"), REFUSED)
def test_outputs_that_do_not_fit_are_refused_before_any_work(task, tmp_path, monkeypatch, heads, outs, reason):
    monkeypatch.chdir(tmp_path)
    places = {"task": task, "t0": task / "t0.safetensors", "t1": task / "t1.safetensors"}
    words = [word for path in heads for word in ("--heads", path.format(**places))]
    words += [word for path in outs for word in ("--save-scores", path.format(**places))]
    done = call("predict", task / "t0", task / "t1", *words, "-o", tmp_path / "o.json", code=2)
    assert reason in done.stderr
    assert list(tmp_path.iterdir()) == []
