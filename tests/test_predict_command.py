"""`tsmfeat predict` as users and their scripts see it: output, exit codes, signals."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time

import pytest
from factories_store import make_spec
from factories_videos import write_tiny_videos
from factories_workflows import make_database, write_database, write_store
from test_prediction import raw_spec, save_raw_heads
from typer.testing import CliRunner

from tsmfeat.formats.activitynet import read_predictions
from tsmfeat_cli.main import app

# The contract of scripts, with the type of each value.
SHAPE = {
    "out": str,
    "num_videos": int,
    "num_segments": int,
    "heads": list,
    "weights": list,
    "num_failed": int,
    "failed": list,
    "stopped": bool,
    "options": dict,
    "seconds": float,
}


def call(*words, code=0):
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == code, done.output
    return done


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    """Features, heads fitted on them, and raw videos with heads of their spec; a folder with a blank in its name."""
    folder = tmp_path_factory.mktemp("a task")
    database = make_database()
    write_database(folder / "gt.json", database)
    write_store(folder / "store", database)
    words = ["--epochs", 3, "--lr", 0.1, "--batch-size", 64, "-q"]
    call("fit-heads", folder / "store", "--annotations", folder / "gt.json", "-o", folder / "heads", *words)
    write_tiny_videos(folder / "videos", 2)
    save_raw_heads(folder / "raw heads", raw_spec())
    return folder


def test_the_summary_tells_what_was_written_and_the_next_command(task, tmp_path):
    done = call("predict", task / "store", "--heads", task / "heads", "-o", tmp_path / "o.json")
    assert done.stdout == ""
    summary, after = done.stderr.splitlines()
    count = len(read_predictions(tmp_path / "o.json").segments)
    assert summary.startswith(f"{tmp_path / 'o.json'}: {count} segments in 20 videos; ")
    assert after == f"next: tsmfeat score {tmp_path / 'o.json'} --annotations gt.json"
    words = shlex.split(after.removeprefix("next: tsmfeat "))[:-1]
    assert "final score" in call(*words, task / "gt.json", "--subset", "testing").stdout


def test_quiet_is_silent_and_json_is_one_object(task, tmp_path):
    words = ["predict", task / "store", "--heads", task / "heads", "--heads", task / "heads", "-o", tmp_path / "o.json"]
    assert call(*words, "-q").output == ""
    done = call(*words, "-q", "--json", "--weights", "3,1", "--video", "video 02", "--video", "video 01")
    (line,) = done.output.splitlines()
    found = json.loads(line)
    for name, kind in SHAPE.items():
        assert isinstance(found[name], kind), name
    assert (found["num_videos"], found["weights"], found["heads"]) == (2, [0.75, 0.25], [str(task / "heads")] * 2)
    assert found["options"]["video_ids"] == ["video 02", "video 01"]


def test_an_unreadable_video_among_good_ones_ends_with_code_3(task, tmp_path):
    bad = tmp_path / "bad.mp4"
    bad.write_text("no video")
    words = ["--heads", task / "raw heads", "--checkpoint", "random:0", "--workers", 1, "-o", tmp_path / "o.json"]
    done = call("predict", task / "videos", bad, *words, "--json", code=3)
    found = json.loads(done.stdout)
    assert found["num_videos"] == 2
    assert [entry["path"] for entry in found["failed"]] == [str(bad)]
    assert "1 videos could not be read and have no predictions" in done.stderr
    assert f"failed: {bad}: not a readable video" in done.stderr
    assert read_predictions(tmp_path / "o.json").video_ids == ("clip0", "clip1")


REFUSED = [
    (["{store}", "-o", "{out}"], 2, "missing option '--heads'", "tsmfeat predict --help"),
    (["{store}", "--heads", "{heads}"], 2, "missing option '--out'", "tsmfeat predict --help"),
    (
        ["--heads", "{heads}", "-o", "{out}"],
        2,
        "no source to predict on",
        "name feature stores, video files or a folder of videos",
    ),
    (["{store}", "--heads", "{task}/nowhere", "-o", "{out}"], 4, "{task}/nowhere: not a readable", "check the path"),
    (["{store}", "--heads", "{store}", "-o", "{out}"], 4, "{store}: a feature store; heads are", "name feature stores"),
    (["{heads}", "--heads", "{heads}", "-o", "{out}"], 4, "{heads}: a heads checkpoint", "name heads with an option"),
    (["{other}", "--heads", "{heads}", "-o", "{out}"], 6, "{heads}: no store has the spec", "name the store"),
    (["{task}/no.h5", "--heads", "{heads}", "-o", "{out}"], 4, "{task}/no.h5: cannot be opened", "check the path"),
    (["{videos}", "--heads", "{raw}", "-o", "{out}"], 2, "raw videos need the trunk", "add --checkpoint FILE"),
    (["{videos}", "--heads", "{raw}", "-o", "{out}", "--checkpoint", "random:1"], 6, "the heads demand", "pass the"),
    (["{store}", "--heads", "{heads}", "-o", "{out}", "--video", "vid 03"], 4, "video 'vid 03' is not", "did you mean"),
    (["{store}", "--heads", "{heads}", "-o", "{out}", "--localize", "argmx"], 2, "localize 'argmx'", "did you mean"),
    (["{store}", "--heads", "{heads}", "-o", "{out}", "--weights", "x"], 2, "--weights 'x'", "for example"),
    (["{store}", "--heads", "{heads}", "-o", "{task}/gt.json"], 2, "{task}/gt.json: exists and holds no", "choose an"),
    (["{store}", "--heads", "{heads}", "-o", "/proc/none/o.json"], 7, "/proc/none: cannot be made", "choose another"),
    (["{store}", "--heads", "{heads}", "-o", "{out}", "--workers", "0"], 2, "workers = 0", "--workers auto"),
]


@pytest.mark.parametrize(("words", "code", "error", "hint"), REFUSED, ids=lambda value: str(value)[-40:])
def test_what_does_not_fit_ends_with_the_code_of_its_kind(task, tmp_path, words, code, error, hint):
    other = write_store(tmp_path / "other", make_database(), make_spec(8, step_seconds=1.0, clip_seconds=1.0))
    places = {
        "task": task,
        "store": task / "store",
        "heads": task / "heads",
        "raw": task / "raw heads",
        "videos": task / "videos",
        "other": other,
        "out": tmp_path / "o.json",
    }
    done = call("predict", *[word.format(**places) for word in words], code=code)
    found, advice = done.stderr.splitlines()[-2:]
    assert found.startswith("error: " + error.format(**places))
    assert advice.startswith("hint: ")
    assert hint in advice
    assert done.stdout == ""
    assert not (tmp_path / "o.json").exists()


def test_a_stop_signal_ends_with_its_code_and_resumes(task, tmp_path):
    videos = write_tiny_videos(tmp_path / "videos", 20)
    words = ["predict", tmp_path / "videos", "--heads", task / "raw heads", "--checkpoint", "random:0", "--workers", 1]
    words += ["--features-out", tmp_path / "kept", "-o", tmp_path / "o.json", "--json", "--device", "cpu"]
    command = [sys.executable, "-m", "tsmfeat_cli", *map(str, words)]
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    running = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "TMPDIR": str(temporary)}
    )
    while b"on cpu in" not in (line := running.stderr.readline().encode()):
        assert line, "the run ended by itself"
    time.sleep(0.2)
    running.send_signal(signal.SIGTERM)
    output, errors = running.communicate(timeout=60)
    assert running.returncode == 143, errors
    assert json.loads(output)["stopped"] is True
    assert "run the same command again to go on" in errors
    assert not (tmp_path / "o.json").exists()
    assert list(temporary.iterdir()) == []
    assert json.loads(call(*words).stdout)["num_videos"] == len(videos)
