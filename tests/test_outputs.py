"""Where an extraction writes: what it refuses to touch, several runs at once, and what inspecting shows."""

import io
import math
import os
import threading

import h5py
import numpy as np
import pytest
from factories_store import make_spec, make_videos, write_parts
from factories_videos import (
    COUNTS,
    EAGER,
    Listener,
    built_once,
    leave_parts,
    stored_counts,
    tiny_options,
    write_tiny_videos,
)

from tsmfeat.errors import (
    ConfigurationError,
    OutputError,
    StoreError,
)
from tsmfeat.workflows import extract, inspect, inspection
from tsmfeat.workflows.outputs import hold_output, pack_output

__all__ = ["built_once"]


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("videos")
    write_tiny_videos(folder, 4)
    return folder


def foreign_hdf5():
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        file["precious"] = np.arange(5000)
    return stream.getvalue()


@pytest.mark.parametrize("content", [b"", b"my notes", foreign_hdf5(), foreign_hdf5()[:900]])
@pytest.mark.parametrize("overwrite", [False, True])
def test_somebodys_file_is_never_touched(tmp_path, videos, content, overwrite):
    mine, folder = tmp_path / "mine.h5", tmp_path / "folder"
    folder.mkdir()
    for path, out in ((mine, mine), (folder / "mine.h5", folder)):
        path.write_bytes(content)
        with pytest.raises(ConfigurationError, match="is no feature store; it is left as it is"):
            extract([str(videos)], out, tiny_options(overwrite=overwrite))
        assert path.read_bytes() == content
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["folder", "mine.h5", "mine.h5"]


def test_overwriting_a_folder_spares_stores_that_are_no_parts(tmp_path, videos):
    out = tmp_path / "features.h5"
    extract([str(videos / "clip0.mp4")], out, tiny_options())
    with pytest.raises(ConfigurationError, match="not a part of an extraction"):
        extract([str(videos)], tmp_path, tiny_options(overwrite=True))
    assert stored_counts(out) == {"clip0": 2}


@pytest.mark.parametrize("name", ["x.hdf5", "x.H5", "x.hdf"])
def test_names_that_mean_a_file_are_no_folders(tmp_path, videos, name):
    with pytest.raises(ConfigurationError, match=r"ends in \.h5"):
        extract([str(videos)], tmp_path / name, tiny_options())
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_no_file_and_a_file_no_folder(tmp_path, videos):
    (tmp_path / "x.h5").mkdir()
    (tmp_path / "notes.txt").write_text("mine")
    for name, words in (("x.h5", "is a folder"), ("notes.txt", "is a file")):
        with pytest.raises(ConfigurationError, match=words):
            extract([str(videos)], tmp_path / name, tiny_options(overwrite=True))
    with pytest.raises(OutputError, match="cannot be"):
        extract([str(videos)], tmp_path / "notes.txt" / "x.h5", tiny_options())
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_a_folder_that_cannot_be_written_is_refused_before_the_trunk_is_built(tmp_path, videos, monkeypatch):
    real = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: mode & os.W_OK == 0 and real(path, mode))
    monkeypatch.setattr("tsmfeat.workflows.extraction.load_trunk", lambda *_, **__: pytest.fail("too late"))
    with pytest.raises(OutputError, match="cannot be written to"):
        extract([str(videos)], tmp_path / "new" / "x.h5", tiny_options())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"step_seconds": 0.0},
        {"step_seconds": -1.0},
        {"step_seconds": math.nan},
        {"step_seconds": math.inf},
        {"step_seconds": 1e-6},
        {"num_frames": 256},
        {"clip_seconds": math.inf},
    ],
)
def test_what_no_clip_can_be_made_of_is_refused_at_once(tmp_path, videos, changes):
    with pytest.raises(ConfigurationError):
        extract([str(videos)], tmp_path / "x.h5", tiny_options(**changes))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("changes", [{"clip_seconds": 0.25}, {"clip_seconds": math.nan}, {"id_rule": "uuid"}])
def test_options_are_checked_when_they_are_made(changes):
    with pytest.raises(ConfigurationError):
        tiny_options(**changes)


def test_a_run_goes_on_when_another_has_packed_its_parts_and_removed_the_folder(tmp_path, videos):
    out = tmp_path / "x.h5"

    class Meddling(Listener):
        def advance(self, amount=1.0, detail=""):
            super().advance(amount, detail)
            if detail == "clip1":
                # Another process, with other videos for the same output, starts and ends meanwhile.
                extract([str(videos / "clip3.mp4")], out, tiny_options(store=EAGER, batch_size=1))
                assert not (tmp_path / "x.parts").exists()

    extract([str(videos)], out, tiny_options(store=EAGER, batch_size=1), Meddling())
    assert stored_counts(out) == COUNTS
    assert list(tmp_path.iterdir()) == [out]


def test_packing_waits_for_another_that_packs(tmp_path, videos):
    out = tmp_path / "x.h5"
    leave_parts([videos], out)
    listener = Listener()
    thread = threading.Thread(target=pack_output, args=(out, listener))
    with hold_output(out, Listener()):
        thread.start()
        thread.join(0.3)
        assert thread.is_alive()
        assert not out.exists()
    thread.join(10)
    assert len(stored_counts(out)) == 4
    assert any("waiting" in note for note in listener.notes)


def test_file_systems_without_locks_are_bearable(tmp_path, videos, monkeypatch):
    def unsupported(*_):
        raise OSError(37, "No locks available")

    monkeypatch.setattr("fcntl.flock", unsupported)
    report = extract([str(videos / "clip0.mp4")], tmp_path / "x.h5", tiny_options())
    assert report.num_done == 1


def test_inspect_reads_the_parts_of_a_stopped_run_and_the_packed_file_alike(tmp_path, videos):
    out = tmp_path / "x.h5"
    leave_parts([videos], out)
    parts = inspect(out)
    extract([str(videos)], out, tiny_options())
    packed = inspect(str(out))
    assert parts == packed
    assert set(packed) == {"kind", "version", "spec", "num_videos", "num_intervals", "embedding_size", "videos"}
    assert (packed["kind"], packed["version"], packed["num_videos"], packed["num_intervals"]) == ("features", 1, 4, 14)
    assert packed["videos"][1] == {
        "video_id": "clip1",
        "num_intervals": 3,
        "duration_seconds": pytest.approx(1.5),
        "step_seconds": 0.5,
        "status": "complete",
    }


def test_inspect_looks_again_when_the_parts_are_packed_meanwhile(tmp_path, videos, monkeypatch):
    from tsmfeat.workflows.outputs import pack_output

    out = tmp_path / "x.h5"
    leave_parts([videos], out)
    real = inspection.open_features

    def late(paths):
        pack_output(out, Listener())
        return real(paths)

    monkeypatch.setattr(inspection, "open_features", late)
    assert inspect(out)["num_videos"] == 4


def test_inspect_refuses_what_is_no_store(tmp_path):
    (tmp_path / "x.h5").write_text("notes")
    with pytest.raises(StoreError, match="not a feature store"):
        inspect(tmp_path / "x.h5")
    with pytest.raises(StoreError, match="no such file"):
        inspect(tmp_path / "nowhere.h5")
    with pytest.raises(StoreError, match="a folder without"):
        inspect(
            tmp_path / "x.h5"
            if (tmp_path / "x.h5").is_dir()
            else tmp_path.joinpath("empty").mkdir() or tmp_path / "empty"
        )


def test_inspect_of_a_large_store_reads_no_rows(tmp_path):
    write_parts(tmp_path / "parts", make_videos(30), spec=make_spec())
    assert inspect(tmp_path / "parts")["num_videos"] == 30


def test_packing_tells_once_of_copies_that_differ(tmp_path):
    for seed in (0, 1):
        write_parts(tmp_path / "x.parts", make_videos(8, seed))
    listener = Listener()
    pack_output(tmp_path / "x.h5", listener)
    (warning,) = listener.warnings
    assert "stored twice with embeddings that differ" in warning
    assert len(stored_counts(tmp_path / "x.h5")) == 8


def test_inspect_of_a_run_that_has_stored_nothing_says_so(tmp_path):
    (tmp_path / "x.parts").mkdir()
    with pytest.raises(StoreError, match="has stored nothing yet"):
        inspect(tmp_path / "x.h5")
