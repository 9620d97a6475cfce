"""`tsmfeat extract` and `tsmfeat inspect`: options, exit codes, what goes to stdout, signals, two at once."""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import torchvision
from factories_videos import COUNTS, built_once, stored_checksums, stored_counts, tiny_options, write_tiny_videos
from naive_layouts import official_tsm
from typer.testing import CliRunner

from tsmfeat.store.folders import output_files
from tsmfeat.workflows import extract
from tsmfeat_cli.main import app
from tsmfeat_cli.signals import StopSignals

__all__ = ["built_once"]

SMALL = ["--trunk", "resnet18", "--num-frames", "2", "--resize", "square32", "--workers", "1", "--device", "cpu"]
USUAL = [*SMALL, "--checkpoint", "random:0"]
NUM_VIDEOS = 72


class Dangerous:
    """Runs a command when a careless reader unpickles it."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch {self.marker}",)


KEYS = {
    "out",
    "num_videos",
    "num_done",
    "num_skipped",
    "num_failed",
    "failed",
    "num_intervals",
    "seconds",
    "frames_decoded",
}


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("videos")
    write_tiny_videos(folder, 4)
    return folder


def run(*words):
    """Run a command in this process."""
    return CliRunner().invoke(app, [str(word) for word in words], prog_name="tsmfeat")


# ---------------------------------------------------------------- options and what is said


def test_json_is_one_object_on_stdout_and_all_else_goes_to_stderr(tmp_path, videos):
    done = run("extract", videos, "-o", tmp_path / "deep" / "x.h5", "--json", *USUAL)
    assert done.exit_code == 0
    (line,) = done.stdout.splitlines()
    found = json.loads(line)
    assert set(found) >= KEYS
    assert found["out"] == [str(tmp_path / "deep" / "x.h5")]
    assert (found["num_videos"], found["num_done"], found["num_intervals"], found["failed"]) == (4, 4, 14, [])
    assert found["frames_decoded"] == 70
    assert "resnet18 on cpu in fp32" in done.stderr
    assert "4 videos extracted, 0 skipped, 0 failed; 14 intervals in" in done.stderr
    assert "× real time" in done.stderr
    assert f"next: tsmfeat fit-heads {tmp_path / 'deep' / 'x.h5'}" in done.stderr
    quiet = run("extract", videos, "-o", tmp_path / "deep" / "x.h5", "-q", *USUAL)
    assert (quiet.exit_code, quiet.stdout, quiet.stderr) == (0, "", "")


def test_failures_make_exit_code_3_now_and_when_the_run_is_repeated(tmp_path, videos):
    shutil.copytree(videos, tmp_path / "videos")
    bad = tmp_path / "videos" / "bad.mp4"
    bad.write_text("no video")
    for times in (1, 2):
        done = run("extract", tmp_path / "videos", "-o", tmp_path / "x.h5", "--json", "-v", *USUAL)
        assert done.exit_code == 3
        found = json.loads(done.stdout)
        assert (found["num_done"], found["num_skipped"], found["num_failed"]) == ((4, 0, 1), (0, 4, 1))[times - 1]
        assert found["failed"] == [{"path": str(bad), "reason": found["failed"][0]["reason"]}]
        assert found["failed"][0]["reason"].startswith("not a readable video")
        assert f"listed in {tmp_path / 'x.failures.csv'}" in done.stderr
        assert f"failed: {bad}: not a readable video" in done.stderr
    bad.unlink()
    shutil.copy(videos / "clip0.mp4", bad)
    assert run("extract", tmp_path / "videos", "-o", tmp_path / "x.h5", "--retry-failed", *USUAL).exit_code == 0
    assert stored_counts(tmp_path / "x.h5") == COUNTS | {"bad": 2}


USAGE = [
    ([*SMALL], ["no checkpoint given", ".pth", ".safetensors", "imagenet", "random:SEED"]),
    ([*SMALL, "--checkpoint", "random:x"], ["random:0"]),
    ([*SMALL, "--checkpoint", "random"], ["random:0"]),
    ([*SMALL, "--checkpoint", "rand:0"], ["random:0"]),
    ([*USUAL, "--trunk", "resnet81"], ["did you mean 'resnet18'?"]),
    ([*USUAL, "--workers", "0"], ["--workers auto"]),
    ([*USUAL, "--workers", "-2"], ["--workers '-2'"]),
    ([*USUAL, "--workers", "two"], ["--workers 'two'", "--workers auto"]),
    ([*USUAL, "--batch-size", "0"], ["batch_size is 0"]),
    ([*USUAL, "--batch-size", "1.5"], ["--batch-size '1.5'", "--batch-size auto"]),
    ([*USUAL, "--batch-size", "9" * 14], ["does not fit into memory"]),
    ([*USUAL, "--step", "0"], ["positive number"]),
    ([*USUAL, "--step", "nan"], ["positive number"]),
    ([*USUAL, "--num-frames", "0"], ["num_frames is 0"]),
    ([*USUAL, "--num-frames", "300"], ["1 to 255 frames"]),
    ([*USUAL, "--clip-seconds", "0.1"], ["a clip spans its interval at least"]),
    ([*USUAL, "--resize", "256"], ["squareN or shortN-cropM"]),
    ([*USUAL, "--precision", "fp23"], ["fp32"]),
    ([*USUAL, "--shift", "maybe"], ["auto, on, off"]),
    ([*USUAL, "--device", "gpu"], ["cuda:N"]),
    ([*USUAL, "--id", "uuid"], ["stem, path"]),
    ([*USUAL, "--max-bad", "2"], ["0..1"]),
]


@pytest.mark.parametrize(("options", "words"), USAGE, ids=lambda value: " ".join(value)[-30:])
def test_usage_errors_are_exit_code_2_with_the_remedy(tmp_path, videos, options, words):
    done = run("extract", videos, "-o", tmp_path / "x.h5", *options)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.count("error: ") == 1
    assert "hint: " in done.stderr
    assert all(word in done.stderr for word in words), done.stderr
    assert not (tmp_path / "x.h5").exists()


@pytest.mark.parametrize(("missing", "word"), [("videos", "VIDEOS"), ("out", "--OUT")])
def test_arguments_without_a_default_are_asked_for(tmp_path, videos, missing, word):
    given = {"videos": [videos], "out": ["-o", tmp_path / "x.h5"]}
    del given[missing]
    done = run("extract", *[text for part in given.values() for text in part], *USUAL)
    assert done.exit_code == 2
    assert word in done.stderr.upper()


def test_each_error_has_its_exit_code(tmp_path, videos, monkeypatch):
    out = tmp_path / "x.h5"
    assert run("extract", tmp_path / "nowhere.mp4", "-o", out, *USUAL).exit_code == 4
    assert run("extract", videos, "-o", out, *SMALL, "--checkpoint", tmp_path / "no.pth").exit_code == 4
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    no_cuda = run("extract", videos, "-o", out, *USUAL, "--device", "cuda")
    assert no_cuda.exit_code == 5
    assert "--device cpu" in no_cuda.stderr
    assert list(tmp_path.iterdir()) == []
    assert run("extract", videos, "-o", out, *USUAL).exit_code == 0
    other = run("extract", videos, "-o", out, *USUAL, "--step", "1")
    assert other.exit_code == 6
    assert "step_seconds: 0.5 / 1.0; clip_seconds: 0.5 / 1.0" in other.stderr
    with monkeypatch.context() as patch:
        real = os.access
        patch.setattr(os, "access", lambda path, mode: not mode & os.W_OK and real(path, mode))
        read_only = run("extract", videos, "-o", tmp_path / "y.h5", *USUAL)
    assert (read_only.exit_code, "cannot be written to" in read_only.stderr) == (7, True)


CHECKPOINTS = {
    "text": (b"a letter to the editor", "neither a torch file nor safetensors", "copy the checkpoint again"),
    "empty": (b"", "is empty", "copy the checkpoint again"),
    "truncated": (None, "damaged", "copy the checkpoint again"),
    "another network": ({"fc1.weight": torch.ones(2, 2)}, "not used fc1.weight", "change --trunk"),
    "another trunk": (torchvision.models.resnet34, "does not fit resnet18", "pass --trunk resnet34"),
    "MobileNetV2": (torchvision.models.mobilenet_v2, "holds MobileNetV2", "torchvision's ResNets"),
    "an object": ({"state_dict": {}, "args": argparse.Namespace(lr=1)}, "argparse.Namespace", "tsmfeat convert"),
    "a command": ({"conv1.weight": Dangerous("never-made")}, "system", "tsmfeat convert"),
    "a stride of zero": ({"conv1.weight": torch.zeros(1).expand(10**12)}, "does not fit resnet18", ""),
    "a flipped byte": (torchvision.models.resnet18, "its SHA-256 begins with", "download it again"),
}


@pytest.mark.parametrize("case", CHECKPOINTS)
def test_checkpoints_that_cannot_be_used_are_exit_code_4_before_anything_is_written(tmp_path, videos, case):
    content, says, hint = CHECKPOINTS[case]
    path = tmp_path / ("resnet18-f37072fd.pth" if case == "a flipped byte" else "a.pth")
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content().state_dict() if callable(content) else content or {"conv1.weight": torch.ones(99)}, path)
    if content is None:
        path.write_bytes(path.read_bytes()[:-200])
    done = run("extract", videos, "-o", tmp_path / "x.h5", *SMALL, "--checkpoint", path)
    assert (done.exit_code, done.stdout) == (4, "")
    error, advice = done.stderr.splitlines()[-2:]
    assert error.startswith(f"error: {path}")
    assert says in error
    assert hint in advice
    assert list(tmp_path.iterdir()) == [path]
    assert not Path("never-made").exists()


def test_imagenet_without_the_file_is_a_lack_of_this_machine(tmp_path, videos, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    done = run("extract", videos, "-o", tmp_path / "x.h5", *SMALL, "--checkpoint", "imagenet")
    assert (done.exit_code, done.stdout) == (5, "")
    assert f"{tmp_path / 'torch' / 'hub' / 'checkpoints'} holds no resnet18-f37072fd.pth" in done.stderr
    assert "SHA-256 begins with f37072fd" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_plain_tsn_is_extracted_without_the_shift_and_another_placement_refused(tmp_path, videos):
    state = torchvision.models.resnet18().state_dict()
    torch.save(official_tsm(state, ()), tmp_path / "tsn.pth.tar")
    words = ["extract", videos, *SMALL, "--checkpoint"]
    done = run(*words, tmp_path / "tsn.pth.tar", "-o", tmp_path / "x.h5", "--json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["spec"]["shift"] is False
    assert "trained without the temporal shift (TSN); the shift is off" in done.stderr
    other = run(*words, tmp_path / "tsn.pth.tar", "-o", tmp_path / "x.h5", "--shift", "on")
    assert (other.exit_code, "shift: False / True" in other.stderr) == (6, True)
    torch.save(official_tsm(state, ("layer1.0",), place="block"), tmp_path / "block.pth.tar")
    refused = run(*words, tmp_path / "block.pth.tar", "-o", tmp_path / "y.h5")
    assert (refused.exit_code, refused.stdout) == (4, "")
    assert "placement block: layer1.0" in refused.stderr
    assert "--shift off" in refused.stderr
    assert not (tmp_path / "y.h5").exists()


def test_a_list_on_stdin_and_ids_by_path(tmp_path, videos):
    listing = "".join(f"{path}\n" for path in sorted(videos.iterdir())[:2])
    words = [str(word) for word in ("extract", "-", "-o", tmp_path / "x.h5", *USUAL)]
    assert CliRunner().invoke(app, words, input=listing).exit_code == 0
    assert list(stored_counts(tmp_path / "x.h5")) == ["clip0", "clip1"]
    for name in ("left", "right"):
        shutil.copytree(videos, tmp_path / "cameras" / name)
    words = ["extract", tmp_path / "cameras", "-o", tmp_path / "y.h5", *USUAL]
    twice = run(*words)
    assert (twice.exit_code, "--id path" in twice.stderr) == (2, True)
    assert run(*words, "--id", "path").exit_code == 0
    both = {f"{side}/{name}": count for side in ("left", "right") for name, count in COUNTS.items()}
    assert stored_counts(tmp_path / "y.h5") == both


def test_repeating_frames_are_warned_of(tmp_path, videos):
    done = run("extract", videos, "-o", tmp_path / "x.h5", *USUAL, "--num-frames", "16")
    assert done.exit_code == 0
    assert "in 4 videos the median clip repeats more than half of its frames" in done.stderr


def test_inspect_shows_a_store(tmp_path, videos):
    out = tmp_path / "x.h5"
    run("extract", videos, "-o", out, *USUAL)
    found = json.loads(run("inspect", out, "--json").stdout)
    assert {video["video_id"]: video["num_intervals"] for video in found["videos"]} == COUNTS
    text = run("inspect", out).stdout
    assert "4 videos, 14 intervals, 512 numbers each" in text
    assert "step_seconds      0.5" in text
    assert text.splitlines()[-1].split() == ["clip3", "5", "intervals", "2.500", "s", "complete"]
    missing = run("inspect", tmp_path / "y.h5")
    assert (missing.exit_code, missing.stdout) == (4, "")


def test_inspect_shows_twenty_videos_unless_asked_for_all(tmp_path):
    from factories_store import make_videos, write_parts

    write_parts(tmp_path / "parts", make_videos(25))
    short, whole = run("inspect", tmp_path / "parts").stdout, run("inspect", tmp_path / "parts", "-v").stdout
    assert "... and 5 more (--verbose shows all)" in short
    assert "video 024" not in short
    assert "video 024" in whole


# ---------------------------------------------------------------- signals


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_stops_the_run_and_says_how_to_go_on(tmp_path, videos, monkeypatch, number, code):
    from tsmfeat.workflows import extraction

    real = extraction.find_videos

    def signalled(*arguments):
        os.kill(os.getpid(), number)
        return real(*arguments)

    # The signal comes before anything is read, as it may while torch is loaded.
    monkeypatch.setattr(extraction, "find_videos", signalled)
    before = [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)]
    for options, words in (([], "run the same command again"), (["--overwrite"], "without --overwrite")):
        done = run("extract", videos, "-o", tmp_path / "x.h5", "--json", *USUAL, *options)
        assert done.exit_code == code
        assert words in done.stderr
        assert "next:" not in done.stderr
        found = json.loads(done.stdout)
        assert (found["num_done"], found["num_failed"], found["num_videos"]) == (0, 0, 4)
        assert not (tmp_path / "x.h5").exists()
    assert [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)] == before
    monkeypatch.undo()
    assert run("extract", videos, "-o", tmp_path / "x.h5", *USUAL).exit_code == 0


@pytest.fixture
def usual_ctrl_c():
    """Let SIGINT raise, as it does but for shells that start what they put behind ``&`` with SIGINT ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("usual_ctrl_c")
def test_the_second_signal_acts_at_once():
    usual = signal.getsignal(signal.SIGTERM)
    with StopSignals() as stop:
        assert stop.caught is None
        signal.raise_signal(signal.SIGTERM)
        assert stop.caught == signal.SIGTERM
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGTERM) == usual


def start(*words):
    command = [sys.executable, "-m", "tsmfeat_cli", *map(str, words)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def readers_of(pid):
    try:
        return set(Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
    except FileNotFoundError:
        return set()


def wait_until(condition, seconds=60.0):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found


def video_being_read(pid):
    """Return the last name, in order, of the videos that the readers of a process hold open."""
    names = [""]
    for reader in readers_of(pid):
        try:
            links = [entry.readlink() for entry in Path(f"/proc/{reader}/fd").iterdir()]
        except FileNotFoundError:
            continue
        names += [link.stem for link in links if link.suffix == ".mp4"]
    return max(names)


def end(process, number, place):
    """Send a run a signal once it reads a video; return its exit code and words when nothing of it is left."""
    wait_until(lambda: video_being_read(process.pid) >= f"v{place:03}")
    readers = readers_of(process.pid)
    process.send_signal(number)
    out, error = process.communicate(timeout=60)
    wait_until(lambda: not any(Path(f"/proc/{reader}").exists() for reader in readers), 10)
    return process.returncode, out, error


@pytest.mark.golden
def test_stopped_killed_and_doubled_runs_lose_nothing(tmp_path, videos):
    many = tmp_path / "many"
    many.mkdir()
    for index in range(NUM_VIDEOS):
        os.link(videos / f"clip{index % 4}.mp4", many / f"v{index:03}.mp4")
    extract([str(videos)], tmp_path / "truth.h5", tiny_options(batch_size=1))
    truth = list(stored_checksums(tmp_path / "truth.h5").values())
    expected = {f"v{index:03}": truth[index % 4] for index in range(NUM_VIDEOS)}
    out = tmp_path / "x.h5"
    words = ["extract", many, "-o", out, "--json", *USUAL, "--batch-size", "1"]

    def require_sound():
        assert not out.exists()
        finished = stored_checksums(out)
        assert finished.items() <= expected.items()
        assert 0 < len(finished) < NUM_VIDEOS
        return len(finished)

    code, text, error = end(start(*words), signal.SIGINT, 6)
    assert code == 130, error
    assert "run the same command again" in error
    assert "Traceback" not in error
    first = require_sound()
    assert json.loads(text)["num_done"] == first

    # What stands there now can be looked at.
    seen = json.loads(run("inspect", out, "--json").stdout)
    assert {video["video_id"] for video in seen["videos"]} == stored_checksums(out).keys()

    code, text, error = end(start(*words), signal.SIGTERM, first + 6)
    assert code == 143, error
    second = require_sound()
    assert json.loads(text)["num_skipped"] == first
    assert json.loads(text)["num_done"] == second - first > 0

    code, text, _ = end(start(*words), signal.SIGKILL, second + 6)
    assert (code, text) == (-signal.SIGKILL, "")
    assert require_sound() == second

    both = [start(*words) for _ in range(2)]
    ended = [process.communicate(timeout=120) for process in both]
    assert [process.returncode for process in both] == [0, 0], ended
    assert stored_checksums(out) == expected
    assert output_files(out) == [out]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["many", "truth.h5", "x.h5"]


# ---------------------------------------------------------------- real files

REAL = {
    "demo": (40, 20, 10),
    "flipping_a_pancake": (41, 20, 10),
    "v_GGSY1Qvo990": (72, 36, 18),
    "v_ZNVhz7ctTq0": (56, 28, 14),
    "test": (26, 13, 6),
    "h265_video": (4, 2, 1),
    "h264_10bits": (4, 2, 1),
    "av1_video": (20, 10, 5),
    "video_90": (0, 0, 0),
    "video_180": (0, 0, 0),
    "unordered": (0, 0, 0),
}


@pytest.mark.golden
@pytest.mark.parametrize(("place", "step"), [(0, "0.25"), (1, "0.5"), (2, "1.0")])
def test_real_videos_have_the_intervals_of_their_notes(tmp_path, shared_data, place, step):
    folder = shared_data("videos")
    words = [*SMALL, "--workers", "2", "--checkpoint", "random:0"]
    done = run("extract", folder, "-o", tmp_path / "x.h5", "-t", step, "--json", *words)
    assert done.exit_code == 3
    found = json.loads(done.stdout)
    assert found["failed"] == [
        {
            "path": str(folder / "corrupted.mp4"),
            "reason": "corrupt: 1 of 50 packets cannot be decoded",
        }
    ]
    # `stored_checksums` reads every row and finds it finite.
    assert stored_checksums(tmp_path / "x.h5").keys() == REAL.keys()
    assert stored_counts(tmp_path / "x.h5") == {name: counts[place] for name, counts in REAL.items()}
    assert found["num_intervals"] == sum(counts[place] for counts in REAL.values())


def test_several_trunks_on_the_command_line(videos, tmp_path):
    words = ["extract", str(videos), "-o", str(tmp_path / "out"), "-t", "0.5,1", "--trunk", "resnet18,resnet34"]
    words += ["--checkpoint", "random:0,random:1", "--num-frames", "2,3", "--resize", "square32,square24"]
    result = CliRunner().invoke(app, [*words, "--workers", "1", "--device", "cpu", "--json"])
    assert result.exit_code == 0, result.stderr
    report = json.loads(result.stdout)
    found = [(spec["trunk"], spec["num_frames"], spec["geometry"], spec["step_seconds"]) for spec in report["specs"]]
    assert found == [
        ("resnet18", 2, "square32", 0.5),
        ("resnet18", 2, "square32", 1.0),
        ("resnet34", 3, "square24", 0.5),
        ("resnet34", 3, "square24", 1.0),
    ]
    assert [Path(out).name for out in report["out"]] == [
        f"{name}_t{step}.h5" for name in ("resnet18", "resnet34") for step in ("0.5", "1")
    ]
    assert "limited by: " in result.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--trunk", "resnet18,resnet34", "--checkpoint", "random:0,random:1,random:2"], "--checkpoint has 3 values"),
        (["--trunk", "resnet18,resnet34", "--num-frames", "2,3,4"], "--num-frames has 3 values and --trunk 2"),
        (["--trunk", "resnet18,"], "a comma list with an empty place"),
        (["--resize", "square32,square48"], "2 geometries for 1 trunks"),
        (["--num-frames", "two"], "--num-frames 'two': not a whole number"),
        (["--shard", "3/3"], "a shard is i/n"),
        (["--manifest", "m.csv"], "videos and a manifest"),
    ],
)
def test_lists_that_do_not_fit_are_usage_errors(videos, tmp_path, words, message):
    result = CliRunner().invoke(app, ["extract", str(videos), "-o", str(tmp_path / "out"), *USUAL, *words])
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.split())


def test_a_shard_names_the_merge_that_follows(videos, tmp_path):
    words = ["extract", str(videos), "-o", str(tmp_path / "out"), *USUAL, "--shard"]
    result = CliRunner().invoke(app, [*words, "0/1"])
    assert result.exit_code == 0
    assert f"tsmfeat merge {tmp_path}/out -o {tmp_path}/out.h5" in "".join(result.stderr.split("\n"))
    assert stored_counts(tmp_path / "out") == COUNTS
