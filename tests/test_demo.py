"""The demo: once as a user runs it, its parts in this process."""

import json
import shlex
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from factories_heads import Recorder
from factories_store import make_features, make_spec, write_parts
from factories_workflows import make_database, write_database
from typer.testing import CliRunner

from tsmfeat.errors import ConfigurationError
from tsmfeat.formats.activitynet import read_annotations
from tsmfeat.heads.checkpoint import HeadsCheckpoint, save_heads
from tsmfeat.heads.model import HeadParameters
from tsmfeat.rendering import annotate_scripts, write_scripts
from tsmfeat.values.vocabulary import Vocabulary
from tsmfeat.video.probing import probe_video
from tsmfeat.workflows import demonstration
from tsmfeat.workflows.demonstration import DemoFiles, measure_direction, render_dataset, render_video, score_oracle
from tsmfeat.workflows.options import DemoOptions
from tsmfeat_cli import demo
from tsmfeat_cli.demo_report import ChainResult, describe_demo
from tsmfeat_cli.main import app

SMALL = DemoOptions(num_videos=10)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("a demo")
    words = [sys.executable, "-m", "tsmfeat_cli", "demo", "--num-videos", "10", "-o", folder / "out"]
    return folder / "out", subprocess.run(words, capture_output=True, text=True, timeout=300)


def printed_commands(done):
    return [line.removeprefix("$ tsmfeat ") for line in done.stderr.splitlines() if line.startswith("$ tsmfeat ")]


@pytest.mark.golden
def test_the_demo_runs_from_end_to_end(finished):
    out, done = finished
    assert done.returncode == 0, done.stderr
    names = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    assert {f"videos/video_{index:03d}.mp4" for index in range(10)} <= names
    for shift in ("on", "off"):
        assert {f"features-shift-{shift}.h5", f"heads-shift-{shift}.safetensors"} <= names
        assert {f"scores-shift-{shift}/{name}" for name in ("scores.json", "predictions.json")} <= names


@pytest.mark.golden
def test_the_demo_ends_with_a_table_of_both_rows_that_fits_a_screen(finished):
    out, done = finished
    lines = done.stdout.splitlines()
    assert len(lines) <= 25
    table = {line[:20].strip(): line[20:].split()[:2] for line in lines[1:6]}
    assert table["2 held-out videos"] == ["shift", "on"]
    for row, shift in ((0, "on"), (1, "off")):
        found = json.loads((out / f"scores-shift-{shift}" / "scores.json").read_text())
        assert table["final score"][row] == f"{found['final_score']:.3f}"
        assert table["scene"][row] == f"{found['scene_accuracy']:.3f}"
    assert 0.5 < float(table["its ceiling"][0]) <= 1.0


@pytest.mark.golden
def test_the_demo_prints_the_commands_it_runs(finished):
    _, done = finished
    commands = printed_commands(done)
    assert [shlex.split(line)[0] for line in commands] == ["extract", "fit-heads", "score"] * 2


@pytest.mark.golden
def test_a_printed_command_is_a_runnable_copy(finished, tmp_path):
    out, done = finished
    words = shlex.split(printed_commands(done)[2])
    assert words[0] == "score"
    words[-1] = str(tmp_path / "again")
    again = CliRunner().invoke(app, words)
    assert again.exit_code == 0, again.output
    one, other = (
        json.loads((folder / "scores.json").read_text()) for folder in (out / "scores-shift-on", tmp_path / "again")
    )
    no_times = {"seconds": 0, "seconds_by_part": {}}
    assert one | no_times == other | no_times


def run_in_process(flags, *words):
    """Stand in for `demo.run_command`: the same commands without new interpreters."""
    done = CliRunner().invoke(app, [*(str(word) for word in words), "--json"])
    assert done.exit_code == 0, done.output
    assert flags == ["--verbose"]
    return json.loads(done.stdout)


@pytest.mark.golden
def test_a_second_run_reuses_videos_and_features(finished, monkeypatch):
    out, _ = finished
    kept = [*sorted(out.glob("videos/*.mp4")), *sorted(out.glob("*.h5")), out / "annotations.json"]
    before = [(path.stat().st_mtime_ns, path.stat().st_ino) for path in kept]
    scores = [json.loads((out / f"scores-shift-{shift}" / "scores.json").read_text()) for shift in ("on", "off")]
    monkeypatch.setattr(demo, "run_command", run_in_process)
    done = CliRunner().invoke(app, ["demo", "--num-videos", "10", "-o", str(out), "--json", "-v"])
    assert done.exit_code == 0, done.output
    assert [(path.stat().st_mtime_ns, path.stat().st_ino) for path in kept] == before
    assert "already rendered" in done.stderr
    found = json.loads(done.stdout)
    assert set(found) == {"shift_on", "shift_off", "oracle_ceiling", "out", "seconds"}
    assert [found[f"shift_{shift}"]["final_score"] for shift in ("on", "off")] == [one["final_score"] for one in scores]


def test_other_videos_in_the_same_folder_are_rendered_and_extracted_anew(tmp_path, monkeypatch):
    monkeypatch.setattr(demonstration, "_render_all", lambda scripts, folder, progress: touch(scripts, folder))
    first = render_dataset(tmp_path, SMALL)
    assert first.annotations.exists()
    for name in ("features-shift-on.h5", "heads-shift-on.safetensors"):
        (tmp_path / name).write_text("of seed 0")
    assert render_dataset(tmp_path, SMALL) == first
    assert (tmp_path / "features-shift-on.h5").exists()
    render_dataset(tmp_path, replace(SMALL, seed=1))
    assert not (tmp_path / "features-shift-on.h5").exists()
    scripts = write_scripts(6, 2, 2, seed=1)
    truth = read_annotations(first.annotations)
    assert truth.video_ids == tuple(script.video_id for script in scripts)
    assert np.allclose(truth.segments.start, annotate_scripts(scripts).segments.start)


def touch(scripts, folder):
    for script in scripts:
        (folder / f"{script.video_id}.mp4").write_text(str(script.seed))


def test_fewer_videos_leave_none_of_the_earlier_ones(tmp_path, monkeypatch):
    monkeypatch.setattr(demonstration, "_render_all", lambda scripts, folder, progress: touch(scripts, folder))
    render_dataset(tmp_path, DemoOptions(num_videos=14))
    files = render_dataset(tmp_path, SMALL)
    assert len(list(files.videos.iterdir())) == 10


def test_an_interrupted_rendering_is_begun_anew(tmp_path, monkeypatch):
    def break_off(scripts, folder, progress):
        touch(scripts[:3], folder)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(demonstration, "_render_all", break_off)
        with pytest.raises(KeyboardInterrupt):
            render_dataset(tmp_path, SMALL)
    progress = Recorder()
    monkeypatch.setattr(demonstration, "_render_all", lambda scripts, folder, progress: touch(scripts, folder))
    files = render_dataset(tmp_path, SMALL, progress)
    assert len(list(files.videos.iterdir())) == 10
    assert not progress.of("note")


def test_a_video_that_has_gone_is_rendered_again(tmp_path, monkeypatch):
    monkeypatch.setattr(demonstration, "_render_all", lambda scripts, folder, progress: touch(scripts, folder))
    files = render_dataset(tmp_path, SMALL)
    (files.videos / "video_004.mp4").unlink()
    assert (render_dataset(tmp_path, SMALL).videos / "video_004.mp4").exists()


@pytest.mark.parametrize("name", ["videos/holiday.mp4", "annotations.json"])
def test_files_of_the_users_own_are_never_overwritten(tmp_path, name):
    own = tmp_path / name
    own.parent.mkdir(exist_ok=True)
    own.write_text("mine")
    with pytest.raises(ConfigurationError, match="not made by a demo"):
        render_dataset(tmp_path, SMALL)
    assert own.read_text() == "mine"


def test_rendered_videos_are_files_of_the_size_and_length_of_their_script(tmp_path):
    script = replace(write_scripts(1, 0, 0)[0], duration_seconds=1.2, frame_rate=12.5, segments=(("grow", 0.2, 1.0),))
    path = render_video(script, tmp_path)
    assert path == tmp_path / f"{script.video_id}.mp4"
    found = probe_video(path)
    assert (found.height, found.width) == (script.height, script.width)
    assert abs(found.duration_seconds - 1.2) < 0.1


def test_too_few_videos_are_refused_before_anything_is_made(tmp_path):
    done = CliRunner().invoke(app, ["demo", "--num-videos", "9", "-o", str(tmp_path / "out")])
    assert done.exit_code == 2
    assert "hint: use --num-videos 10" in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("num_videos", range(10, 200, 13))
def test_each_subset_has_videos(num_videos):
    options = DemoOptions(num_videos)
    num_training = num_videos - options.num_validation - options.num_testing
    assert min(num_training, options.num_validation, options.num_testing) >= 2


@pytest.mark.golden
def test_a_command_that_fails_ends_the_demo_with_its_code(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(demonstration, "_render_all", lambda scripts, folder, progress: touch(scripts, folder))
    done = CliRunner().invoke(app, ["demo", "--num-videos", "10", "-o", str(tmp_path)])
    assert done.exit_code == 3  # not one of the files is a video
    assert "ended with exit code 3" in done.stderr
    assert "video_000" in capfd.readouterr().err + (tmp_path / "features-shift-on.failures.csv").read_text()


def test_the_oracle_knows_every_interval_and_no_boundary(tmp_path):
    database = make_database()  # segments of whole seconds
    path = write_database(tmp_path / "gt.json", database)
    assert score_oracle(path, "testing", 0.5, 0.5) == 1.0
    for video in database.values():
        for entry in video["annotations"]:
            entry["segment"] = [bound + 0.2 for bound in entry["segment"]]
    shifted = write_database(tmp_path / "shifted.json", database)
    assert 0.2 < score_oracle(shifted, "testing", 0.5, 0.5) < 1.0


def test_direction_counts_intervals_of_the_right_pair(tmp_path):
    """Twelve intervals of two pairs; the heads read the label off the feature."""
    actions = ("move left", "move right", "grow", "shrink")
    entries = [{"label": name, "segment": [index * 1.5, (index + 1) * 1.5]} for index, name in enumerate(actions)]
    database = {"a": {"subset": "testing", "duration": 6.0, "annotations": entries}}
    gt = write_database(tmp_path / "gt.json", database)
    #        move left  move right  grow (one called background, one of the other pair)  shrink
    named = [0, 0, 1, 1, 1, 0, 2, 4, 0, 2, 2, 2]
    features = replace(
        make_features(np.random.default_rng(0), "a", 12, 5), embeddings=np.eye(5, dtype=np.float16)[named] * 9
    )
    spec = make_spec(5)
    write_parts(tmp_path / "store", [features], spec=spec)
    weights = HeadParameters(np.eye(5, dtype=np.float32), np.zeros(5, np.float32))
    checkpoint = HeadsCheckpoint(weights, spec, Vocabulary(actions), options={"min_overlap": 0.5})
    save_heads(tmp_path / "heads", checkpoint)
    # In the right pair: three, three, one, three; rightly named of them: two, two, one, none.
    assert measure_direction(tmp_path / "heads", tmp_path / "store", gt, "testing") == pytest.approx(5 / 10)


def test_a_report_of_what_is_not_known_has_dashes():
    nothing = ChainResult(0.0, None, None, "fp32")
    report = describe_demo(Path("my demo"), SMALL, nothing, nothing, 0.7, 12.0)
    rows = {line[:20].strip(): line[20:].split()[:2] for line in report.splitlines()[1:6]}
    assert rows["direction"] == rows["scene"] == ["-", "-"]
    assert "tsmfeat inspect 'my demo/features-shift-on.h5'" in report
    assert max(len(line) for line in report.splitlines()) <= 120


def test_a_full_demo_below_its_promise_ends_with_3(tmp_path, monkeypatch):
    weak = ChainResult(0.1, 0.6, 1.0, "fp32")
    monkeypatch.setattr(demonstration, "render_dataset", lambda *words: DemoFiles(tmp_path, tmp_path / "a.json", 160))
    monkeypatch.setattr(demonstration, "score_oracle", lambda *words: 0.7)
    monkeypatch.setattr(demo, "_run_chain", lambda *words: weak)
    done = CliRunner().invoke(app, ["demo", "-o", str(tmp_path)])
    assert done.exit_code == 3
    assert "final score with shift 0.100 < 0.25; final score without shift 0.100 > 0.05" in done.stderr
    assert CliRunner().invoke(app, ["demo", "--num-videos", "20", "-o", str(tmp_path)]).exit_code == 0


def test_sigterm_ends_the_command_the_demo_waits_for(tmp_path):
    """Killed by name, the demo leaves no command behind."""
    code = "import os, sys, time; open(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(60)"
    call = f"_wait_for([{sys.executable!r}, '-c', {code!r}, 'pid'])"
    script = f"from tsmfeat_cli.demo_commands import _wait_for; print({call}[0])"
    waiting = subprocess.Popen([sys.executable, "-c", script], cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 30
    while not ((tmp_path / "pid").exists() and (tmp_path / "pid").read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    waiting.terminate()
    assert waiting.communicate(timeout=30)[0].strip() == "-15"
    assert not Path(f"/proc/{(tmp_path / 'pid').read_text()}").exists()
