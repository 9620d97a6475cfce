"""A dry run: what it says is what a run then does, and it leaves nothing behind."""

import json
import signal

import pytest
from factories_videos import COUNTS, Listener, built_once, tiny_options, write_tiny_video, write_tiny_videos
from typer.testing import CliRunner

from tsmfeat.errors import SpecMismatchError
from tsmfeat.trunk.options import TrunkOptions
from tsmfeat.workflows import extract, extraction_estimate
from tsmfeat.workflows.extraction_estimate import ExtractEstimate, OutputEstimate, estimate_extraction
from tsmfeat_cli.extract_estimate import describe_estimate
from tsmfeat_cli.main import app

__all__ = ["built_once"]

QUICK = {"measure_seconds": 0.3}


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("videos")
    write_tiny_videos(folder, 4)
    return folder


def test_what_is_said_is_what_a_run_does(tmp_path, videos):
    found = estimate_extraction([str(videos)], tmp_path / "x.h5", tiny_options(**QUICK))
    assert list(tmp_path.iterdir()) == []
    report = extract([str(videos)], tmp_path / "x.h5", tiny_options())
    assert (found.num_videos, found.num_todo, found.num_opened, found.num_unreadable) == (4, 4, 4, 0)
    assert found.num_intervals == report.num_intervals == sum(COUNTS.values())
    assert found.video_seconds == pytest.approx(report.video_seconds) == pytest.approx(7.0)
    # Embeddings of 512 halves and what belongs to them; a store has a head of some kilobytes beside.
    assert 14 * 1024 < found.num_bytes < (tmp_path / "x.h5").stat().st_size
    assert found.intervals_per_second > 0
    assert found.run_seconds == pytest.approx(14 / found.intervals_per_second)


def test_only_what_is_missing_counts(tmp_path, videos):
    out = tmp_path / "all"
    steps = tiny_options(step_seconds=(0.5, 1.0), **QUICK)
    extract([str(videos / "clip3.mp4")], out / "resnet18_t0.5.h5", tiny_options())
    before = {path: path.stat().st_mtime_ns for path in out.iterdir()}
    found = estimate_extraction([str(videos)], out, steps)
    assert [(entry.num_videos, entry.num_intervals) for entry in found.outputs] == [(3, 9), (4, 6)]
    assert before == {path: path.stat().st_mtime_ns for path in out.iterdir()}
    extract([str(videos)], out, steps)
    done = estimate_extraction([str(videos)], out, steps)
    assert (done.num_todo, done.num_intervals, done.num_bytes, done.run_seconds) == (0, 0, 0, None)
    assert "none: all is done" in "\n".join(describe_estimate(done))
    anew = estimate_extraction([str(videos)], out, tiny_options(step_seconds=(0.5, 1.0), overwrite=True, **QUICK))
    assert anew.num_intervals == 14 + 6


def test_videos_that_failed_before_are_not_counted_and_new_ones_that_cannot_be_read_are_told(tmp_path, videos):
    bad = tmp_path / "bad.mp4"
    bad.write_text("no video")
    inputs = [str(videos), str(bad)]
    found = estimate_extraction(inputs, tmp_path / "x.h5", tiny_options(**QUICK))
    assert (found.num_todo, found.num_unreadable, found.num_intervals) == (5, 1, 14)
    extract([str(bad)], tmp_path / "x.h5", tiny_options())
    assert estimate_extraction(inputs, tmp_path / "x.h5", tiny_options(**QUICK)).num_todo == 4
    retrying = estimate_extraction(inputs, tmp_path / "x.h5", tiny_options(retry_failed=True, **QUICK))
    assert retrying.num_todo == 5


def test_a_video_that_breaks_while_time_is_measured_counts_as_it_was_looked_up(tmp_path, videos):
    bad = write_tiny_video(tmp_path / "bad.mp4", 5.0)
    content = bytearray(bad.read_bytes())
    begin = content.index(b"mdat") + 4
    end = begin - 8 + int.from_bytes(content[begin - 8 : begin - 4], "big")
    content[begin + (end - begin) // 3 : end] = bytes(end - begin - (end - begin) // 3)
    bad.write_bytes(content)
    assert "cannot be decoded" in extract([str(bad)], tmp_path / "y.h5", tiny_options()).failed[0]["reason"]
    found = estimate_extraction([str(bad), str(videos)], tmp_path / "x.h5", tiny_options(measure_seconds=5.0))
    assert (found.num_todo, found.num_unreadable, found.num_intervals) == (5, 0, 10 + 14)


@pytest.mark.parametrize("more", [["--json"], []])
def test_a_dry_run_that_is_stopped_says_what_it_knows_and_ends_as_such(tmp_path, videos, monkeypatch, more):
    real = extraction_estimate.load_trunks
    monkeypatch.setattr(
        extraction_estimate, "load_trunks", lambda *words: signal.raise_signal(signal.SIGTERM) or real(*words)
    )
    words = ["extract", str(videos), "-o", str(tmp_path / "x.h5"), "--num-frames", "2", "--resize", "square32"]
    done = CliRunner().invoke(app, [*words, "--device", "cpu", "--checkpoint", "random:0", "--dry-run", *more])
    assert done.exit_code == 143
    assert ('"dry_run": true' if more else "4 to do of 4") in done.stdout
    assert "stopped" in done.stderr


def test_without_time_the_rest_is_told_by_file_size(tmp_path):
    # Copies of one video: any of them stands for all.
    good = write_tiny_video(tmp_path / "v" / "0.mp4", 2.0)
    for number in range(1, 40):
        (tmp_path / "v" / f"{number}.mp4").write_bytes(good.read_bytes())
    options = tiny_options(probe_seconds=0.0, measure_seconds=0.0)
    found = estimate_extraction([str(tmp_path / "v")], tmp_path / "x.h5", options)
    assert 1 <= found.num_opened < 40
    assert (found.num_todo, found.num_intervals) == (40, 160)
    assert found.video_seconds == pytest.approx(80.0)
    assert "looked up; the rest by file size" in describe_estimate(found)[0]


def test_another_spec_is_refused_as_by_the_run(tmp_path, videos):
    extract([str(videos / "clip0.mp4")], tmp_path / "x.h5", tiny_options())
    with pytest.raises(SpecMismatchError):
        estimate_extraction([str(videos)], tmp_path / "x.h5", tiny_options(num_frames=3))


def test_a_stop_ends_it(tmp_path, videos):
    found = estimate_extraction([str(videos)], tmp_path / "x.h5", tiny_options(), Listener(), lambda: True)
    assert found.num_opened <= 1


def test_several_trunks_are_measured_together(tmp_path, videos):
    trunks = tuple(TrunkOptions(name, "random:0", 2, device="cpu") for name in ("resnet18", "resnet34"))
    found = estimate_extraction([str(videos)], tmp_path / "x", tiny_options(trunk="resnet18", **QUICK))
    from dataclasses import replace

    both = estimate_extraction([str(videos)], tmp_path / "x", replace(tiny_options(**QUICK), trunk=trunks))
    assert both.num_intervals == 2 * found.num_intervals


def test_the_command_prints_it_and_writes_nothing(tmp_path, videos):
    words = ["extract", str(videos), "-o", str(tmp_path / "x.h5"), "--trunk", "resnet18", "--num-frames", "2"]
    words += ["--resize", "square32", "--workers", "1", "--device", "cpu", "--checkpoint", "random:0", "--dry-run"]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0] == "videos      4 to do of 4"
    assert lines[2] == "intervals   14"
    assert lines[4].startswith("time        ")
    found = json.loads(CliRunner().invoke(app, [*words, "--json"]).stdout)
    assert (found["dry_run"], found["num_intervals"], found["num_todo"]) == (True, 14, 4)
    assert found["estimated_seconds"] > 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("rate", "expected"),
    [(1000.0, "100 s"), (100.0, "16.7 min"), (1.0, "27.8 h"), (0.1, "11.6 days"), (None, "unknown")],
)
def test_times_are_told_in_fitting_units(rate, expected):
    outputs = (OutputEstimate("a.h5", 3, 100_000, 3_000_000_000),)
    lines = describe_estimate(ExtractEstimate(outputs, 9, 3, 3, 0, 7200.0, rate, 2_000_000_000, 1.0))
    assert expected in lines[4]
    assert lines[1] == "length      2.00 h"
    assert lines[3] == "bytes       3.0 GB (2.0 GB free)"
    assert "no room: 1.0 GB are missing" in lines
