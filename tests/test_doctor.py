"""`tsmfeat doctor`: what is told of a machine, of a broken one, and of a video that decoders read differently."""

import json

import pytest
from factories_video import X264, make_video, spoil_packets
from typer.testing import CliRunner

from tsmfeat.errors import VideoError
from tsmfeat.workflows import doctor, examination
from tsmfeat_cli.main import app


def run(*words):
    return CliRunner().invoke(app, [str(word) for word in words], prog_name="tsmfeat")


@pytest.fixture
def quick(monkeypatch):
    """Ask only for what the test is about: each probe is a process of its own."""
    monkeypatch.setattr(examination, "_PROBES", {"HDF5": examination._PROBES["HDF5"]})


def test_this_machine_lacks_nothing_that_the_tests_need():
    found = doctor()
    checks = {check.name: check for check in found.checks}
    assert {"Python", "packages", "PyAV", "decord", "HDF5", "kernels", "device", "CPU", "memory", "disk"} < set(checks)
    assert found.lacks == ()
    assert "torch " in checks["packages"].found
    assert "h264" in checks["PyAV"].found
    assert checks["checkpoints"].status in ("ok", "note")
    assert all(check.hint for check in found.checks if check.status != "ok")
    assert found.to_dict()["video"] is None


def test_a_library_that_crashes_or_hangs_is_told_and_mended(monkeypatch):
    probes = {
        "PyAV": "raise ImportError('libavcodec is missing')",
        "decord": "import os; os.kill(os.getpid(), 11)",
        "HDF5": "import time; time.sleep(60)",
    }
    monkeypatch.setattr(examination, "_PROBES", probes)
    monkeypatch.setattr(examination, "_PROBE_SECONDS", 1.0)
    checks = {check.name: check for check in doctor().checks}
    assert checks["PyAV"].found == "cannot be used: ImportError: libavcodec is missing"
    assert checks["PyAV"].hint == "pip install av"
    assert (checks["PyAV"].status, checks["decord"].status, checks["HDF5"].status) == ("lacks", "note", "lacks")
    assert checks["decord"].found == "cannot be used: it ended with -11"
    done = run("doctor")
    assert done.exit_code == 5
    assert "LACKS PyAV" in done.stdout
    assert "this machine lacks something: PyAV, HDF5" in done.stderr


def test_extras_that_are_not_there_are_told_with_the_command(monkeypatch, quick):
    monkeypatch.setattr(examination, "_EXTRAS", {"one": ("numpy", "x"), "two": ("no-such-package", "trunks two:NAME")})
    extras = next(check for check in doctor().checks if check.name == "extras")
    assert extras.status == "note"
    assert extras.found.startswith("numpy ")
    assert extras.hint == 'pip install "tsmfeat[two]" brings trunks two:NAME'
    monkeypatch.setattr(examination, "_EXTRAS", {"one": ("numpy", "x")})
    assert next(check for check in doctor().checks if check.name == "extras").status == "ok"


def test_missing_packages_and_little_room_are_told(monkeypatch, quick):
    monkeypatch.setattr(examination, "_PACKAGES", ("tsmfeat", "no-such-package"))
    monkeypatch.setattr(examination, "_LITTLE_DISK_BYTES", 1 << 60)
    checks = {check.name: check for check in doctor().checks}
    assert checks["packages"].found == "no-such-package not installed"
    assert (checks["packages"].status, checks["disk"].status, checks["memory"].status) == ("lacks", "note", "ok")


def test_decoders_that_agree(tmp_path, quick):
    path = make_video(tmp_path / "a.mp4", range(30))
    found = doctor(path)
    assert found.video["why_unsafe"] == ""
    assert (found.video["codec"], found.video["num_frames"]) == ("h264", 30)
    for comparison in found.comparisons:
        assert (comparison.num_frames, comparison.num_equal, comparison.first_difference) == (30, 30, None)
        assert comparison.error == ""
    done = run("doctor", "--video", path)
    assert done.exit_code == 0
    assert "all equal to PyAV's" in done.stdout
    assert "the pre-flight lets decord read it" in done.stdout
    assert "damaged" not in done.stdout


def test_decoders_that_differ(tmp_path, quick):
    # decord begins an MPEG transport stream at its last key frame, without a word.
    path = make_video(tmp_path / "a.ts", range(60), codec_options=X264 | {"g": "10"})
    done = run("doctor", "--video", path, "--json")
    assert done.exit_code == 0
    found = json.loads(done.stdout)
    assert found["video"]["why_unsafe"] == "its container is mpegts"
    ours, theirs = found["comparisons"][:2]
    assert (ours["decoder"], ours["num_frames"], ours["first_difference"]) == ("pyav", 60, None)
    assert (theirs["decoder"], theirs["num_equal"] < 60, theirs["first_difference"] is not None) == (
        "decord",
        True,
        True,
    )
    assert "decord must not read it: its container is mpegts" in run("doctor", "--video", path).stdout


def test_a_damaged_video_is_called_so(tmp_path, quick):
    whole = make_video(tmp_path / "a.mp4", range(60), codec_options={"preset": "veryfast", "g": "10", "bf": "0"})
    done = run("doctor", "--video", spoil_packets(whole, [20])[0])
    assert done.exit_code == 0
    assert "stopped: " in done.stdout
    assert (
        done.stdout.splitlines()[-1] == "a decoder stopped: the file is damaged, and tsmfeat validate --deep says how"
    )


def test_what_is_no_video_is_refused(tmp_path, quick):
    (tmp_path / "a.mp4").write_text("no video")
    with pytest.raises(VideoError, match="not a readable video"):
        doctor(tmp_path / "a.mp4")
    done = run("doctor", "--video", tmp_path / "missing.mp4")
    assert done.exit_code == 4
    assert "no such file" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_decoder_that_dies_is_an_answer(tmp_path, quick, monkeypatch):
    path = make_video(tmp_path / "a.mp4", range(5))
    code = "import os, sys; sys.argv[2] == 'decord' and os.kill(os.getpid(), 11); "
    monkeypatch.setattr(examination, "_COMPARE", code + examination._COMPARE)
    found = doctor(path)
    assert [comparison.error for comparison in found.comparisons[:2]] == ["", "its process ended with -11"]
    assert found.comparisons[1].first_difference == 0
