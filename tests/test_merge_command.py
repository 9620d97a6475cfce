"""`tsmfeat merge`: what it prints, its exit codes, and that the command it names next runs."""

import json
import os
import shlex
import signal

import numpy as np
import pytest
from factories_store import make_features, make_spec, make_videos, write_parts
from typer.testing import CliRunner

from tsmfeat.store.writer import PartWriter
from tsmfeat.workflows.failures import Failure, save_failures
from tsmfeat_cli.main import app

# The contract of scripts, with the type of each value.
SHAPE = {
    "out": list,
    "dry_run": bool,
    "num_files": int,
    "num_videos": int,
    "num_intervals": int,
    "num_bytes": int,
    "num_duplicates": int,
    "num_failed": int,
    "failures": (str, type(None)),
    "unreadable": list,
    "missing_shards": list,
    "outputs": list,
    "stopped": bool,
    "seconds": float,
}
OUTPUT = {
    "out": str,
    "num_files": int,
    "num_videos": int,
    "num_intervals": int,
    "num_bytes": int,
    "num_duplicates": int,
    "unchanged": bool,
    "differing": list,
    "mended": list,
    "damaged": list,
    "spec": dict,
}


def run(*words):
    return CliRunner().invoke(app, ["merge", *map(str, words)], prog_name="tsmfeat")


def require_shape(found, shape):
    assert found.keys() == shape.keys()
    assert {name for name, kind in shape.items() if not isinstance(found[name], kind)} == set()


@pytest.fixture
def parts(tmp_path):
    return write_parts(tmp_path / "my parts", make_videos(12))[0].parent


def test_it_says_what_was_written_and_the_next_command_runs(tmp_path, parts):
    out = tmp_path / "new folder" / "y.h5"
    done = run(parts, "-o", out)
    assert (done.exit_code, done.stdout) == (0, "")
    summary, after = done.stderr.splitlines()
    size = out.stat().st_size / 1e6
    intervals = sum(len(video.embeddings) for video in make_videos(12))
    assert summary.startswith(f"{out}: 12 videos, {intervals} intervals, {size:.1f} MB of 3 files; ")
    command, _, rest = after.removeprefix("next: ").partition("; ")
    assert "left as it is" in rest
    words = shlex.split(command)
    checked = CliRunner().invoke(app, words[1:], prog_name="tsmfeat")
    assert checked.exit_code == 0, checked.output
    assert "no problem found" in checked.stdout
    assert "holds all of it already" in run(parts, "-o", out).stderr


def test_json_is_one_object_of_a_fixed_shape(tmp_path, parts):
    write_parts(tmp_path / "z" / "a", make_videos(3), spec=make_spec(view="front"))
    done = run(parts, tmp_path / "z", "-o", tmp_path / "y", "--json", "--quiet")
    assert (done.exit_code, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    require_shape(found, SHAPE)
    for output in found["outputs"]:
        require_shape(output, OUTPUT)
    assert found["out"] == [str(tmp_path / "y" / name) for name in ("my parts.h5", "a.h5")] or found["out"] == [
        str(tmp_path / "y" / name) for name in ("a.h5", "my parts.h5")
    ]
    assert found["num_videos"] == 15


def test_a_dry_run_tells_the_same_and_writes_nothing(tmp_path, parts):
    planned = run(parts, "-o", tmp_path / "y.h5", "--dry-run", "--json")
    assert planned.exit_code == 0
    assert "would hold 12 videos" in planned.stderr
    assert "next:" not in planned.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["my parts"]
    real = json.loads(run(parts, "-o", tmp_path / "y.h5", "--json").stdout)
    expected = json.loads(planned.stdout)
    assert {name for name in real if real[name] != expected[name]} == {"dry_run", "seconds"}


def test_two_specs_are_exit_6(tmp_path, parts):
    write_parts(tmp_path / "z", make_videos(3), spec=make_spec(step_seconds=0.25, clip_seconds=0.25))
    done = run(parts, tmp_path / "z", "-o", tmp_path / "y.h5")
    assert done.exit_code == 6
    assert "step_seconds: 0." in done.stderr
    assert "hint: merge them into a folder" in done.stderr


def test_damage_is_exit_4_also_of_a_dry_run_which_lists_it(tmp_path, parts):
    victim, other = sorted(parts.iterdir())[:2]
    data = bytearray(victim.read_bytes())
    data[-1] ^= 0x40
    victim.write_bytes(data)
    refused = run(parts, "-o", tmp_path / "y.h5")
    assert refused.exit_code == 4
    assert "are damaged (their checksum does not match); nothing was written" in refused.stderr
    other.write_bytes(b"")
    planned = run(parts, "-o", tmp_path / "y.h5", "--dry-run", "--json")
    assert planned.exit_code == 4
    found = json.loads(planned.stdout)
    assert [file["path"] for file in found["unreadable"]] == [str(other)]
    assert len(found["outputs"][0]["damaged"]) == 1
    assert "a merge would be refused" in planned.stderr
    assert run(parts, "-o", tmp_path / "y.h5").exit_code == 4
    assert not (tmp_path / "y.h5").exists()


def test_an_output_that_is_no_store_of_these_is_exit_2_until_overwritten(tmp_path, parts):
    write_parts(tmp_path / "z", make_videos(3, 1), 3)[0].rename(tmp_path / "y.h5")
    done = run(parts, "-o", tmp_path / "y.h5")
    assert done.exit_code == 2
    assert "--overwrite" in done.stderr
    assert run(parts, "-o", tmp_path / "y.h5", "--overwrite").exit_code == 0


def test_no_room_is_exit_7(tmp_path, parts, monkeypatch):
    monkeypatch.setattr("tsmfeat.files.os.write", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left")))
    done = run(parts, "-o", tmp_path / "y.h5")
    assert done.exit_code == 7
    assert [path.name for path in tmp_path.iterdir()] == ["my parts"]


def test_failures_and_missing_shards_are_told(tmp_path):
    with PartWriter(tmp_path / "x", make_spec(), worker="1-of-3") as writer:
        writer.append(make_features(np.random.default_rng(0)))
    failure = Failure("bad", "bad.mp4", "probe", "0 bytes")
    save_failures(tmp_path / "x" / "failures-1-of-3.csv", {"bad": failure}, ())
    done = run(tmp_path / "x", "-o", tmp_path / "y.h5")
    assert done.exit_code == 0
    assert "no part of shard 0/3, 2/3 is here" in done.stderr
    assert f"1 videos failed in the shards; they are listed in {tmp_path / 'y.failures.csv'}" in done.stderr


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_it_with_nothing_half_done(tmp_path, parts, monkeypatch, number, code):
    from tsmfeat.workflows import merging

    real = merging.find_store_files

    def signalled(stores):
        os.kill(os.getpid(), number)
        return real(stores)

    monkeypatch.setattr(merging, "find_store_files", signalled)
    done = run(parts, "-o", tmp_path / "y.h5")
    assert done.exit_code == code
    assert "run the same command again" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["my parts"]
