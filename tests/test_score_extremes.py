"""Numbers at the ends of their ranges, and files that hold almost nothing: refused in words, or borne."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from factories_workflows import write_database, write_predictions_file
from typer.testing import CliRunner

from tsmfeat.errors import InputError
from tsmfeat.formats.interval_scores import write_interval_scores
from tsmfeat.values.intervals import IntervalGrid
from tsmfeat.values.predictions import IntervalScores
from tsmfeat.values.vocabulary import Vocabulary
from tsmfeat_cli.main import app

FAR = 1.7e308


def call(*words, code=0):
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == code, done.output
    return done


def annotate(path, segments, duration=80.0, names="abcde"):
    rows = [{"label": "run", "segment": list(segment)} for segment in segments]
    entry = {"subset": "testing", "duration": duration, "annotations": rows}
    return write_database(path, dict.fromkeys(names, entry))


def predict(path, segments, names="abcde"):
    rows = [{"label": "run", "segment": list(segment), "score": 0.5} for segment in segments]
    return write_predictions_file(path, dict.fromkeys(names, rows))


def write_scores(path, rows, names="abcde"):
    offset = np.arange(len(names) + 1) * len(rows)
    scores = IntervalScores(
        tuple(names), Vocabulary(("run",)), offset, np.tile(rows, (len(names), 1)), 1.0, np.full(len(names), 9.5)
    )
    write_interval_scores(scores, path)
    return path


@pytest.fixture
def plain(tmp_path):
    """Annotations, and predictions that lie far outside."""
    return annotate(tmp_path / "gt.json", [(1.0, 5.0)]), predict(tmp_path / "far.json", [(-FAR, FAR), (1.0, 5.0)])


# Compiled kernels overflow in silence; numpy's scalars, which stand in for them without compilation, warn.
@pytest.mark.golden
@pytest.mark.parametrize("words", ["", "--measures ar-mmaction2", "--protocol paper,activitynet,mmaction2"])
def test_segments_longer_than_any_number_are_scored_without_a_warning(plain, words):
    truth, found = plain
    scored = json.loads(call("score", found, "--annotations", truth, "--json", *words.split()).stdout)
    assert scored["num_predictions"] == 10


def test_segments_longer_than_any_number_are_not_cut_into_bins(plain):
    truth, found = plain
    assert "a million seconds" in call("score", found, "--annotations", truth, "--unit", "bin10", code=4).stderr


def test_a_grid_has_no_more_intervals_than_a_store_can_count():
    assert IntervalGrid(2.0**30, 0.5 + 2.0**-30).count < 2**31
    for seconds, step in ((2.0**31, 1.0), (1e300, 1.0), (80.0, 1e-9), (1e300, 1e-300)):
        with pytest.raises(InputError, match="2,147,483,647"):
            IntervalGrid(seconds, step)


@pytest.mark.parametrize("duration", [1e300, None])
def test_videos_too_long_for_a_grid_are_refused(tmp_path, duration):
    truth = annotate(tmp_path / "gt.json", [(1.0, 1e300)], duration)
    found = predict(tmp_path / "found.json", [(1.0, 5.0)])
    assert "a video holds at most" in call("inspect", truth, "--ceilings", code=4).stderr
    if duration is not None:
        words = ("--annotations", truth, "--measures", "frames")
        assert "a video holds at most" in call("score", found, *words, code=4).stderr


@pytest.mark.parametrize("count", ["-1", "1", "100001", "99999999999999999999999"])
def test_resamples_that_cannot_be_drawn_are_refused(plain, tmp_path, count):
    truth, found = plain
    scores = write_scores(tmp_path / "v.scores", np.full((9, 2), 0.5))
    for command in (("score", found), ("tune", "--scores", scores)):
        refused = call(*command, "--annotations", truth, "--bootstrap", count, code=2)
        assert f"{count} resamples" in refused.stderr


@pytest.mark.parametrize("rows", [np.full((9, 2), np.nan), np.zeros((0, 2))])
def test_scores_that_say_nothing_are_tuned_to_nothing(tmp_path, rows):
    truth = annotate(tmp_path / "gt.json", [(1.0, 5.0)])
    scores = write_scores(tmp_path / "v.scores", rows)
    words = ("--annotations", truth, "--budget", 2, "--bootstrap", 5, "--json")
    report = json.loads(call("tune", "--scores", scores, *words).stdout)
    assert report["optimistic_score"] == 0.0


def test_a_class_has_one_threshold(tmp_path):
    truth = annotate(tmp_path / "gt.json", [(1.0, 5.0)])
    scores = write_scores(tmp_path / "v.scores", np.full((9, 2), 0.5))
    words = ("--localize", "threshold", "--class-threshold", "run=0.3,0.4")
    refused = call("score", scores, "--annotations", truth, *words, code=2)
    assert "'run=0.3,0.4'" in refused.stderr


def test_video_scores_whose_sums_overflow_are_refused(plain, tmp_path):
    truth, found = plain
    told = tmp_path / "told.json"
    told.write_text(json.dumps({"labels": ["run"], "videos": list("abcde"), "scores": [[1e308]] * 5}))
    refused = call("score", found, "--annotations", truth, "--video-prior", told, code=4)
    assert "from 0 to 1e+100" in refused.stderr


@pytest.mark.parametrize("read", ["source", "annotations", "compare"])
def test_score_never_writes_over_what_it_reads(tmp_path, read):
    folder = tmp_path / "out"
    folder.mkdir()
    place = folder / "predictions.json"
    truth = annotate(place if read == "annotations" else tmp_path / "gt.json", [(1.0, 5.0)])
    found = predict(place if read == "source" else tmp_path / "found.json", [(1.0, 5.0)])
    other = predict(place if read == "compare" else tmp_path / "other.json", [(1.0, 5.0)])
    before = place.read_bytes()
    words = ("--annotations", truth, "--compare", other, "--out", tmp_path / "else" / ".." / "out")
    assert "is to be read and written" in call("score", found, *words, code=2).stderr
    assert place.read_bytes() == before
    assert [path.name for path in folder.iterdir()] == ["predictions.json"]


def test_score_refuses_a_file_in_place_of_its_folder_before_it_works(plain):
    truth, found = plain
    assert "is a file" in call("score", found, "--annotations", truth, "--out", truth, code=2).stderr


def test_tune_replaces_only_its_own_files(tmp_path):
    truth = annotate(tmp_path / "gt.json", [(1.0, 5.0)])
    words = ("--annotations", truth, "--budget", 2, "--bootstrap", 5, "--force")
    scores = write_scores(tmp_path / "v.scores", np.full((9, 2), 0.5))
    somebodys = tmp_path / "pyproject.toml"
    somebodys.write_text('[project]\nname = "x"\n')
    refused = call("tune", "--scores", scores, *words, "-o", somebodys, code=2)
    assert "only such a file is replaced" in refused.stderr
    assert somebodys.read_text() == '[project]\nname = "x"\n'
    for _ in range(2):
        call("tune", "--scores", scores, *words, "-o", tmp_path / "t.toml")


def call_outside(*words):
    """A pipe that nobody writes to would hold this very process for ever."""
    command = [sys.executable, "-m", "tsmfeat_cli", *(str(word) for word in words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=15, check=False)


@pytest.mark.parametrize("words", ["score {pipe}", "tune --scores {pipe}", "score {found} --video-prior {pipe}"])
def test_a_pipe_is_refused_before_anybody_writes_to_it(plain, tmp_path, words):
    truth, found = plain
    os.mkfifo(tmp_path / "pipe")
    named = [word.format(pipe=tmp_path / "pipe", found=found) for word in words.split()]
    done = call_outside(*named, "--annotations", truth)
    assert done.returncode == 4
    assert "no regular file, such as a pipe" in done.stderr


def test_tables_nested_too_deep_are_refused(plain, tmp_path):
    truth, found = plain
    deep = tmp_path / "deep.toml"
    deep.write_text(f"[score]\nseed = {'[' * 5000}{']' * 5000}\n")
    refused = call("score", found, "--annotations", truth, "--config", deep, code=2)
    assert "not a readable TOML file" in refused.stderr


def test_changes_of_label_are_learned_from_segments_far_outside(tmp_path):
    truth = annotate(tmp_path / "gt.json", [(1.0, 5.0)])
    far = annotate(tmp_path / "far.json", [(1.0, FAR), (-FAR, 3.0)])
    scores = IntervalScores(("a",), Vocabulary(("run",)), [0, 9], np.full((9, 2), 0.5), 0.25, np.array([2.3]))
    write_interval_scores(scores, tmp_path / "a.scores")
    words = ("--annotations", truth, "--smooth", "viterbi:1", "--transitions", far, "--json")
    assert json.loads(call("score", tmp_path / "a.scores", *words).stdout)["num_predictions"] > 0


@pytest.mark.parametrize("named", ["", ".", "/"])
def test_an_empty_name_is_no_output_of_tune(plain, named):
    truth, found = plain
    refused = call("tune", "--predictions", found, "--annotations", truth, "-o", named, code=2)
    assert "tuned.toml" in refused.stderr


@pytest.mark.parametrize("line", [r'video-prior = "a\u0000b"', r'compare = ["x", "\u0000"]'])
def test_texts_that_no_command_line_can_hold_are_refused(plain, tmp_path, line):
    truth, found = plain
    config = tmp_path / "c.toml"
    config.write_text(f"[score]\n{line}\n")
    refused = call("score", found, "--annotations", truth, "--config", config, code=2)
    assert "U+0000" in refused.stderr
