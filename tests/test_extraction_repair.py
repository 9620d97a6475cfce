"""What killed runs left behind, and what was damaged after it had been stored, is put right by the next run."""

import subprocess

import pytest
from factories_videos import (
    EAGER,
    Listener,
    built_once,
    stored_checksums,
    tiny_options,
    write_tiny_videos,
)

from tsmfeat import files
from tsmfeat.store.folders import output_files, set_aside
from tsmfeat.workflows import extract

__all__ = ["built_once"]


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("videos")
    write_tiny_videos(folder, 4)
    return folder


def flip_last_bit(path):
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def temporary_name(name, machine=files.MACHINE_MARK):
    """Return a temporary name of a process that is gone."""
    ended = subprocess.run(["sh", "-c", "echo $$"], capture_output=True, text=True, check=True).stdout.strip()
    return f".{name}.{machine}-{ended}-00000000-00000000.tmp"


@pytest.mark.parametrize("name", ["x.h5", "x"])
def test_a_flipped_bit_in_a_complete_output_costs_its_video_only(tmp_path, videos, name):
    out, options, listener = tmp_path / name, tiny_options(store=EAGER, batch_size=1), Listener()
    extract([str(videos)], out, options)
    truth = stored_checksums(out)
    flip_last_bit(output_files(out)[0])
    report = extract([str(videos)], out, options, listener)
    assert (report.num_done, report.num_skipped) == (1, 3)
    assert any("damaged" in warning and "extracted again" in warning for warning in listener.warnings)
    assert stored_checksums(out) == truth
    # The damaged copy stays in its part, and an intact one stands in for it: nothing is left to do.
    again = extract([str(videos)], out, options)
    assert (again.num_done, again.num_skipped) == (0, 4)


def test_a_run_verifies_only_what_it_is_going_to_skip_in_a_folder(tmp_path, videos):
    out, options = tmp_path / "x", tiny_options(store=EAGER, batch_size=1)
    extract([str(videos / "clip0.mp4")], out, options)
    flip_last_bit(output_files(out)[0])
    # Another run's damaged video is none of this one's business.
    report = extract([str(videos / "clip1.mp4")], out, options)
    assert (report.num_done, report.num_skipped) == (1, 0)
    assert extract([str(videos / "clip0.mp4")], out, options).num_done == 1
    assert set(stored_checksums(out)) == {"clip0", "clip1"}


@pytest.mark.parametrize("name", ["x.h5", "x"])
def test_a_run_with_nothing_left_to_do_removes_what_killed_ones_left(tmp_path, videos, name):
    out, options = tmp_path / name, tiny_options(batch_size=1)
    extract([str(videos / "clip0.mp4")], out, options)
    beside = out.parent if name.endswith(".h5") else out
    parts = tmp_path / "x.parts" if name.endswith(".h5") else out
    parts.mkdir(exist_ok=True)
    failures = "x.failures.csv" if name.endswith(".h5") else "failures.csv"
    mine = [beside / temporary_name(failures), parts / temporary_name("part-somebody-0123.h5")]
    others = [beside / temporary_name(failures, "00000000"), beside / temporary_name("notes.txt")]
    for path in [*mine, *others]:
        path.write_bytes(b"half of it")
    assert extract([str(videos / "clip0.mp4")], out, options).num_skipped == 1
    assert [path.exists() for path in [*mine, *others]] == [False, False, True, True]


def test_two_runs_may_set_the_same_damaged_part_aside(tmp_path):
    path = tmp_path / "part-a.h5"
    path.write_bytes(b"damaged")
    assert set_aside(path) == set_aside(path) == tmp_path / "part-a.h5.damaged"
    assert [entry.name for entry in tmp_path.iterdir()] == ["part-a.h5.damaged"]


def test_a_store_too_large_to_verify_at_each_start_is_taken_as_it_is(videos, tmp_path, monkeypatch):
    from tsmfeat.workflows import outputs

    out, listener = tmp_path / "parts", Listener()
    extract([str(videos)], out, tiny_options(batch_size=1))
    monkeypatch.setattr(outputs, "_MOST_VERIFIED_BYTES", 1000)
    monkeypatch.setattr(outputs, "find_damaged", lambda *_: pytest.fail("it was read"))
    report = extract([str(videos)], out, tiny_options(batch_size=1), listener)
    assert (report.num_skipped, report.num_done) == (4, 0)
    assert any("are taken as they are" in note for note in listener.notes)
