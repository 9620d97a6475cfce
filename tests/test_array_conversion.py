"""`tsmfeat convert` between folders of arrays and stores: what goes in comes out, and what cannot be is refused."""

import json
import os
import subprocess
import sys
import time
import zlib
from dataclasses import replace

import h5py
import numpy as np
import pytest
from factories_store import make_spec, make_videos, same_features, write_parts
from factories_workflows import make_database, write_database
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from tsmfeat import files
from tsmfeat.errors import ConfigurationError, InputError, OutputError, SpecMismatchError
from tsmfeat.store.packing import pack
from tsmfeat.store.reader import open_features
from tsmfeat.store.streaming import VideoRecord
from tsmfeat.store.validation import read_index
from tsmfeat.values.features import Decoder, VideoStatus
from tsmfeat.video.encoding import write_video
from tsmfeat.workflows.array_export import export_arrays
from tsmfeat.workflows.array_files import float16_blocks, read_shape
from tsmfeat.workflows.array_import import declared_spec, import_arrays
from tsmfeat.workflows.array_index import name_files, read_array_index, write_array_index
from tsmfeat.workflows.array_options import ArrayOptions
from tsmfeat_cli.main import app

DECLARED = ArrayOptions("vggish", 0.5, view="audio")


class Heard:
    """A progress that remembers its warnings."""

    def __init__(self):
        self.warnings = []

    def __getattr__(self, name):
        return self.warnings.append if name == "warn" else lambda *words: None


def save(folder, **arrays):
    folder.mkdir(exist_ok=True)
    for name, values in arrays.items():
        np.save(folder / f"{name}.npy", values)
    return folder


def rows_of(count, size=4, dtype=np.float32, seed=0):
    return np.random.default_rng(seed).normal(0, 3, (count, size)).astype(dtype)


def run(*words):
    return CliRunner().invoke(app, [str(word) for word in words], prog_name="tsmfeat")


def refusal(folder, out, options=DECLARED):
    with pytest.raises(InputError) as caught:
        import_arrays(folder, out, options)
    assert not out.exists()
    assert not [path for path in out.parent.iterdir() if path.name.startswith(f".{out.name}")]
    return caught.value


# From arrays to a store.


@pytest.mark.parametrize("dtype", ["<f2", "<f4", "<f8", ">f4"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_of_any_floating_type_and_layout_become_the_rows_of_their_videos(tmp_path, dtype, order):
    arrays = {name: np.asarray(rows_of(n, seed=n), dtype, order=order) for name, n in [("b", 7), ("a", 3), ("none", 0)]}
    report = import_arrays(save(tmp_path / "npy", **arrays), tmp_path / "audio.h5", DECLARED)
    assert (report.num_videos, report.num_intervals, report.kind) == (3, 10, "features")
    with h5py.File(tmp_path / "audio.h5", "r") as file:
        assert file["video_id_bytes"][:].tobytes() == b"abnone"
        assert file["row_offset"][:].tolist() == [0, 3, 10, 10]
        expected = np.concatenate([arrays[name].astype("<f2") for name in ("a", "b", "none")])
        assert file["embeddings"][:].tobytes() == expected.tobytes()
        assert file["embedding_crc32"][0] == zlib.crc32(arrays["a"].astype("<f2").tobytes())
        assert file["duration_seconds"][:].tolist() == [1.5, 3.5, 0.0]
        assert file["distinct_frames"][:].tolist() == [1] * 10
    with open_features(tmp_path / "audio.h5") as store:
        assert store.spec == declared_spec(DECLARED, 0.5, 4)
        assert (store.spec.trunk, store.spec.view, store.spec.geometry) == ("npy:vggish", "audio", "none")


def test_what_is_declared_is_the_identity(tmp_path):
    base = declared_spec(DECLARED, 0.5, 4)
    for change, fields in (
        ({"name": "clap"}, ["trunk", "checkpoint_digest"]),
        ({"origin": "AudioSet, 2017"}, ["checkpoint_digest"]),
        ({"num_frames": 48}, ["num_frames"]),
        ({"clip_seconds": 0.96}, ["clip_seconds"]),
        ({"view": ""}, ["view"]),
    ):
        other = declared_spec(replace(DECLARED, **change), 0.5, 4)
        assert [text.partition(":")[0] for text in base.differences(other)] == fields


def test_rows_beyond_one_block_are_all_checked_and_written(tmp_path, monkeypatch):
    monkeypatch.setattr("tsmfeat.workflows.array_files._BLOCK_BYTES", 3 * 4 * 4)
    values = rows_of(11)
    import_arrays(save(tmp_path / "npy", a=values), tmp_path / "a.h5", DECLARED)
    with open_features(tmp_path / "a.h5") as store:
        assert np.array_equal(store.embeddings("a"), values.astype(np.float16))
    values[10, 2] = np.nan
    assert "row 10 holds nan" in str(refusal(save(tmp_path / "bad", a=values), tmp_path / "b.h5"))


def test_all_that_is_wrong_is_listed_at_once_with_the_files(tmp_path):
    folder = save(
        tmp_path / "npy",
        good=rows_of(5),
        good2=rows_of(2),
        counts=np.ones((3, 4), np.int64),
        flat=np.ones(4, np.float32),
        clips=np.ones((3, 2, 4), np.float32),
        narrow=rows_of(3, size=3),
        nothing=np.ones((3, 0), np.float32),
    )
    for name, place, value in (("nan", (1, 2), np.nan), ("inf", (2, 0), -np.inf), ("large", (0, 3), 65505.0)):
        values = rows_of(3, dtype=np.float64)
        values[place] = value
        save(folder, **{name: values})
    np.save(folder / "objects.npy", np.array([[{"a": 1}]], object), allow_pickle=True)
    whole = (folder / "good.npy").read_bytes()
    for name, content in (("cut", whole[:-1]), ("long", whole + b"\0"), ("head", whole[:50]), ("empty", b"")):
        (folder / f"{name}.npy").write_bytes(content)
    (folder / "text.npy").write_bytes(b"1.0 2.0 3.0")
    np.savez(folder / "zipped.npz", rows_of(2))
    error = refusal(folder, tmp_path / "audio.h5")
    expected = {
        "counts.npy": "holds int64", "flat.npy": "has shape (4,); (N, D) is expected",
        "clips.npy": "has shape (3, 2, 4)", "narrow.npy": "rows of 3 values; 5 files have 4",
        "nothing.npy": "has shape (3, 0)", "nan.npy": "row 1 holds nan; features are finite",
        "inf.npy": "row 2 holds -inf", "large.npy": "row 0 holds 65505; float16 ends at 65,504",
        "objects.npy": "holds object", "cut.npy": "is damaged: 1 bytes are missing",
        "long.npy": "is damaged: 1 bytes follow", "head.npy": "is no array that can be read",
        "empty.npy": "is no array that can be read", "text.npy": "is no array that can be read",
        "zipped.npz": "an archive",
    }  # fmt: skip
    told = dict(problem.split(": ", 1) for problem in error.problems)
    assert told.keys() == expected.keys()
    for name, words in expected.items():
        assert words in told[name], name
    assert error.message.startswith(f"{folder}: 15 problems: ")


def test_an_array_is_never_unpickled(tmp_path):
    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "made"),)

    folder = tmp_path / "npy"
    folder.mkdir()
    np.save(folder / "a.npy", np.array([[Trap()]], object), allow_pickle=True)
    refusal(folder, tmp_path / "a.h5")
    assert not (tmp_path / "made").exists()


def test_the_largest_numbers_of_float16_are_legal(tmp_path):
    values = np.array([[65504.0, -65504.0, 0.0, 1e-12]])
    import_arrays(save(tmp_path / "npy", a=values), tmp_path / "a.h5", DECLARED)
    with open_features(tmp_path / "a.h5") as store:
        assert store.embeddings("a").tolist() == [[65504.0, -65504.0, 0.0, 0.0]]


def test_a_header_that_promises_the_moon_is_refused(tmp_path):
    folder = save(tmp_path / "npy", a=rows_of(10, size=8))
    content = (folder / "a.npy").read_bytes()
    for shape in (b"(10**9, 8), ", b"(999999999999999999999, 8), }", b"(-10, 8), }"):
        padded = content.replace(b"(10, 8), }" + b" " * (len(shape) - 10), shape)
        assert len(padded) == len(content)
        (folder / "a.npy").write_bytes(padded)
        assert "a.npy" in str(refusal(folder, tmp_path / "a.h5"))


def test_any_damage_to_a_header_is_a_refusal_or_none(tmp_path):
    content = (save(tmp_path / "npy", a=rows_of(10, size=8)) / "a.npy").read_bytes()
    path = tmp_path / "b.npy"
    for at in range(128):
        for byte in (0, 10, 34, 40, 41, 44, 57, 76, 123, 125, 255):
            path.write_bytes(content[:at] + bytes([byte]) + content[at + 1 :])
            try:
                array = read_shape(path)
            except ValueError:
                continue
            assert len(list(float16_blocks(array, array.shape[0]))) == 1


def test_subfolders_count_and_ids_are_unique(tmp_path):
    folder = save(tmp_path / "npy", a=rows_of(2))
    for name in ("day 1", "day 2", ".hidden"):
        save(folder / name, cam=rows_of(3))
    assert "another file is video 'cam' already" in str(refusal(folder, tmp_path / "a.h5"))
    import_arrays(folder, tmp_path / "a.h5", replace(DECLARED, id_rule="path"))
    with open_features(tmp_path / "a.h5") as store:
        assert store.video_ids == ("a", "day 1/cam", "day 2/cam")


# Lengths.


def reference(tmp_path, spec=None):
    """Five videos of 0, 5, 3, 1 and 6 intervals of 0.5 s; each is 0.25 s longer than those."""
    return write_parts(tmp_path / "frames", make_videos(5), spec=spec)[0].parent


def test_lengths_are_taken_from_a_store_and_one_row_more_or_less_is_said(tmp_path):
    against = reference(tmp_path)
    counts = {"video 001": 6, "video 002": 3, "video 004": 5}
    folder = save(tmp_path / "npy", **{name: rows_of(n) for name, n in counts.items()})
    heard = Heard()
    report = import_arrays(folder, tmp_path / "a.h5", replace(DECLARED, against=str(against)), heard)
    assert (report.num_cut, report.num_short, report.num_without_array, report.num_intervals) == (1, 1, 2, 13)
    with open_features(tmp_path / "a.h5") as store, open_features(against) as frames:
        assert dict(zip(store.video_ids, store.column("num_intervals").tolist(), strict=True)) == {
            "video 001": 5,
            "video 002": 3,
            "video 004": 5,
        }
        known = dict(zip(frames.video_ids, frames.duration_seconds, strict=True))
        assert store.duration_seconds.tolist() == [known[name] for name in counts]
        assert np.array_equal(store.embeddings("video 001"), rows_of(6).astype(np.float16)[:5])
    assert [text.partition(", such as")[0] for text in heard.warnings] == [
        "1 arrays have one row more than intervals",
        "1 arrays lack the row of their last interval",
        f"2 videos of {against} have no array",
    ]


def test_a_row_that_is_left_out_need_not_be_a_number(tmp_path):
    values = rows_of(6)
    values[5] = np.nan
    folder = save(tmp_path / "npy", **{"video 001": values})
    import_arrays(folder, tmp_path / "a.h5", replace(DECLARED, against=str(reference(tmp_path))))
    assert read_index(tmp_path / "a.h5").columns["num_intervals"].tolist() == [5]


def test_other_lengths_are_refused_naming_every_video(tmp_path):
    counts = {"video 001": 7, "video 002": 1, "video 004": 6, "stranger": 2}
    folder = save(tmp_path / "npy", **{name: rows_of(n) for name, n in counts.items()})
    options = replace(DECLARED, against=str(reference(tmp_path)))
    error = refusal(folder, tmp_path / "a.h5", options)
    assert error.problems == (
        f"video 'stranger': {tmp_path / 'frames'} does not know it",
        "video 'video 001': 7 rows; 2.750 s in steps of 0.5 s are 5 intervals",
        "video 'video 002': 1 rows; 1.750 s in steps of 0.5 s are 3 intervals",
    )


def test_at_another_step_the_durations_decide(tmp_path):
    # 2.75 s are 2 whole seconds.
    folder = save(tmp_path / "npy", **{"video 001": rows_of(2)})
    options = replace(DECLARED, step_seconds=1.0, against=str(reference(tmp_path)))
    assert import_arrays(folder, tmp_path / "a.h5", options).num_cut == 0
    save(folder, **{"video 001": rows_of(5)})
    assert "5 rows; 2.750 s in steps of 1 s are 2 intervals" in str(refusal(folder, tmp_path / "b.h5", options))


def test_annotations_know_durations_too(tmp_path):
    database = make_database()
    truth = write_database(tmp_path / "gt.json", database)
    name, video = next(iter(database.items()))
    folder = save(tmp_path / "npy", **{name: rows_of(int(video["duration"] / 0.5))})
    report = import_arrays(folder, tmp_path / "a.h5", replace(DECLARED, against=str(truth)))
    assert (report.num_cut, report.num_short) == (0, 0)
    assert read_index(tmp_path / "a.h5").columns["duration_seconds"].tolist() == [video["duration"]]
    save(folder, **{name: rows_of(2)})
    refusal(folder, tmp_path / "b.h5", replace(DECLARED, against=str(truth)))


# The output.


def test_only_a_store_of_the_same_features_is_replaced(tmp_path):
    folder, out = save(tmp_path / "npy", a=rows_of(3)), tmp_path / "a.h5"
    import_arrays(folder, out, DECLARED)
    save(folder, a=rows_of(4))
    import_arrays(folder, out, DECLARED)
    before = out.read_bytes()
    assert read_index(out).columns["num_intervals"].tolist() == [4]
    with pytest.raises(SpecMismatchError, match=r"step_seconds: 0\.5 / 1\.0"):
        import_arrays(folder, out, replace(DECLARED, step_seconds=1.0))
    assert out.read_bytes() == before
    (tmp_path / "gt.h5").write_text("precious")
    with pytest.raises(InputError, match="damaged or not a feature store"):
        import_arrays(folder, tmp_path / "gt.h5", DECLARED)
    assert (tmp_path / "gt.h5").read_text() == "precious"
    write_parts(tmp_path / "run.parts", make_videos(2))
    with pytest.raises(ConfigurationError, match="parts of an extraction"):
        import_arrays(folder, tmp_path / "run.h5", DECLARED)
    with pytest.raises(ConfigurationError, match=r"its name ends in \.h5"):
        import_arrays(folder, tmp_path / "audio", DECLARED)


def test_arrays_that_change_meanwhile_leave_nothing(tmp_path, monkeypatch):
    folder = save(tmp_path / "npy", a=rows_of(3))
    from tsmfeat.workflows import array_import

    def meddle(array, num_rows):
        save(folder, a=rows_of(3, seed=1))
        return checksum

    checksum = array_import.checksum_rows(array_import.read_shape(folder / "a.npy"), 3)
    monkeypatch.setattr(array_import, "checksum_rows", meddle)
    assert "changed while they were read" in str(refusal(folder, tmp_path / "a.h5"))


def test_memory_does_not_grow_with_the_arrays(tmp_path):
    folder = tmp_path / "npy"
    folder.mkdir()
    # 160 MB in two files; sparse, so that the test is quick.
    for name in ("a", "b"):
        np.lib.format.open_memmap(folder / f"{name}.npy", "w+", np.float32, (20000, 1000))[0] = 1.0
    code = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from tsmfeat.workflows.array_import import import_arrays\n"
        "from tsmfeat.workflows.array_options import ArrayOptions\n"
        "size = lambda: int(Path('/proc/self/status').read_text().split('RssAnon:')[1].split()[0]) // 1024\n"
        "before = size()\n"
        "limit = resource.getrlimit(resource.RLIMIT_DATA)\n"
        "now = int(Path('/proc/self/statm').read_text().split()[5]) * 4096\n"
        "resource.setrlimit(resource.RLIMIT_DATA, (now + 60 * 2**20, limit[1]))\n"
        "import_arrays(Path(sys.argv[1]), Path(sys.argv[2]), ArrayOptions('x', 1.0))\n"
        "print(size() - before)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, folder, tmp_path / "a.h5"], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 40
    assert (tmp_path / "a.h5").stat().st_size > 80e6


# From a store to arrays, and back.


def odd_videos():
    """Videos whose ids are no file names, or would be the same one."""
    ids = [
        "plain",
        "day 1/cam",
        "day_1/cam",
        "../up",
        ".hidden",
        "%2E",
        "Plain",
        "ö" * 300,
        "a" * 400,
        "a" * 401,
        "~",
        "*",
    ]
    videos = [
        replace(video, video_id=video_id, status=VideoStatus(at % 3), decoder=Decoder(at % 3))
        for at, (video, video_id) in enumerate(zip(make_videos(len(ids)), ids, strict=True))
    ]
    return sorted(videos, key=lambda video: video.video_id)


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_a_store_comes_back_from_its_arrays_byte_for_byte(tmp_path, dtype):
    videos = odd_videos()
    write_parts(tmp_path / "parts", videos)
    with open_features(tmp_path / "parts") as store:
        pack(store, tmp_path / "before.h5", created="now")
    report = export_arrays(tmp_path / "before.h5", tmp_path / "npy", dtype)
    assert (report.num_videos, report.num_intervals) == (12, sum(len(video.embeddings) for video in videos))
    files = sorted(path.name for path in (tmp_path / "npy").iterdir())
    assert len(files) == 13
    assert len({name.lower() for name in files}) == 13
    assert all(len(name) < 200 and not name.startswith(".") for name in files)
    names = {
        entry["video_id"]: entry["file"] for entry in json.loads((tmp_path / "npy/features.json").read_text())["videos"]
    }
    for video in videos:
        array = np.load(tmp_path / "npy" / names[video.video_id], allow_pickle=False)
        assert array.dtype == dtype
        assert np.array_equal(array, video.embeddings)
    import_arrays(tmp_path / "npy", tmp_path / "after.h5")
    with open_features(tmp_path / "after.h5") as store:
        assert all(same_features(store.features(video.video_id), video) for video in videos)
        pack(store, tmp_path / "after.h5", created="now")
    assert (tmp_path / "after.h5").read_bytes() == (tmp_path / "before.h5").read_bytes()


def test_an_empty_store_comes_back_too(tmp_path):
    write_parts(tmp_path / "parts", make_videos(1))
    from tsmfeat.store.streaming import write_records

    write_records(tmp_path / "empty.h5", make_spec(), [], lambda record: [])
    assert run("convert", tmp_path / "empty.h5", tmp_path / "npy").exit_code == 0
    assert run("convert", tmp_path / "npy", tmp_path / "back.h5").exit_code == 0
    assert read_index(tmp_path / "back.h5").video_ids == ()


@given(st.lists(st.text(st.characters(codec="utf-8"), min_size=1, max_size=300), unique=True))
@settings(deadline=None)
def test_file_names_are_safe_and_told_apart(ids):
    names = name_files(ids)
    assert list(names) == ids
    assert len({name.lower() for name in names.values()}) == len(ids)
    for name in names.values():
        assert name.isascii()
        assert name.endswith(".npy")
        assert len(name) <= 175
        assert not set(name) & set('/\\:*?"<>| ')
        assert not name.startswith(".")


def test_exported_arrays_that_were_changed_are_told(tmp_path):
    write_parts(tmp_path / "store", make_videos(6))
    folder, out = tmp_path / "npy", tmp_path / "a.h5"
    export_arrays(tmp_path / "store", folder)
    np.save(folder / "video%20001.npy", np.load(folder / "video%20001.npy") + np.float16(1))
    np.save(folder / "video%20002.npy", np.load(folder / "video%20002.npy")[:-1])
    (folder / "video%20003.npy").unlink()
    save(folder, stranger=rows_of(2, size=8))
    error = refusal(folder, out, ArrayOptions())
    assert sorted(error.problems) == [
        "stranger.npy: features.json does not name it",
        "video%20001.npy: holds other values than those features.json was written for",
        "video%20002.npy: has shape (2, 8); features.json says (3, 8)",
        "video%20003.npy: is missing",
    ]
    with pytest.raises(ConfigurationError, match=r"its features\.json says what the arrays are"):
        import_arrays(folder, out, DECLARED)
    # Without it they are any arrays, and their declaration makes them other features.
    (folder / "features.json").unlink()
    assert import_arrays(folder, out, DECLARED).num_videos == 6


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2}, {"format": "x"}, {"videos": 3}, {"spec": {}}, {"file": "../x.npy"}, {"file": "/x.npy"},
        {"file": 1}, {"status": "fine"}, {"duration_seconds": -1.0}, {"duration_seconds": "1"},
        {"num_frames_decoded": 2**31}, {"distinct_frames": [1]}, {"distinct_frames": 300}, {"video_id": ""},
        {"embedding_crc32": None}, {"more": 1}, {"source_size": True}, {"start_seconds": [1]}, {"decoder": None},
        {"spec": [1]},
    ],
)  # fmt: skip
def test_a_damaged_index_is_refused_in_one_line(tmp_path, change):
    write_parts(tmp_path / "store", make_videos(3))
    export_arrays(tmp_path / "store", tmp_path / "npy")
    path = tmp_path / "npy/features.json"
    content = json.loads(path.read_text())
    (content if change.keys() & {"version", "format", "videos", "spec"} else content["videos"][1]).update(change)
    path.write_text(json.dumps(content))
    done = run("convert", tmp_path / "npy", tmp_path / "a.h5")
    assert (done.exit_code, done.stdout) == (6 if change == {"spec": {}} else 4, ""), done.output
    assert f"{path}: cannot be used (" in done.stderr.replace("\n", "")


def test_the_time_to_read_an_index_grows_as_its_length(tmp_path):
    for count in (1_000, 16_000):
        folder = tmp_path / str(count)
        folder.mkdir()
        records = [VideoRecord(f"v{number}", 0, 0, np.zeros(0, np.uint8), 0.0) for number in range(count)]
        write_array_index(folder, make_spec(), records, name_files([record.video_id for record in records]))

    def seconds(count):
        began = time.process_time()
        assert len(read_array_index(tmp_path / str(count)).names) == count
        return time.process_time() - began

    assert seconds(16_000) < 64 * min(seconds(1_000) for _ in range(3))


def test_a_damaged_store_leaves_no_folder(tmp_path):
    (part,) = write_parts(tmp_path / "store", make_videos(5))
    content = bytearray(part.read_bytes())
    content[-1] ^= 1
    part.write_bytes(content)
    with pytest.raises(InputError, match="'video 004' are damaged"):
        export_arrays(tmp_path / "store", tmp_path / "npy")
    assert [path.name for path in tmp_path.iterdir()] == ["store"]


def test_what_lies_at_the_folder_is_left_alone_and_what_a_killed_run_left_is_not(tmp_path):
    write_parts(tmp_path / "store", make_videos(3))
    save(tmp_path / "npy", mine=rows_of(1))
    with pytest.raises(ConfigurationError, match="is no empty folder"):
        export_arrays(tmp_path / "store", tmp_path / "npy")
    killed = subprocess.Popen(["true"])
    killed.wait()
    stale = tmp_path / f".out.{files.MACHINE_MARK}-{killed.pid}-0123abcd-0123abcd.tmp"
    save(stale, a=rows_of(1))
    (tmp_path / "out").mkdir()
    export_arrays(tmp_path / "store", tmp_path / "out")
    assert not stale.exists()
    assert len(list((tmp_path / "out").iterdir())) == 4


def test_a_full_disk_leaves_no_folder(tmp_path, monkeypatch):
    write_parts(tmp_path / "store", make_videos(5))

    def full(path, chunks):
        raise OutputError(f"{path}: cannot be written (No space left on device)", "")

    monkeypatch.setattr("tsmfeat.workflows.array_export.write_atomically", full)
    with pytest.raises(OutputError):
        export_arrays(tmp_path / "store", tmp_path / "npy")
    assert [path.name for path in tmp_path.iterdir()] == ["store"]


# The command.


def test_the_command_goes_both_ways(tmp_path):
    folder = save(tmp_path / "audio", a=rows_of(3), b=rows_of(4))
    done = run(
        "convert", folder, tmp_path / "audio.h5", "--name", "vggish", "--step", "0.5", "--view", "audio", "--json"
    )
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert {**report, "seconds": 0, "spec": 0} == {
        "out": str(tmp_path / "audio.h5"), "kind": "features", "spec": 0, "num_videos": 2, "num_intervals": 7,
        "num_cut": 0, "num_short": 0, "num_without_array": 0, "seconds": 0,
    }  # fmt: skip
    assert report["spec"]["trunk"] == "npy:vggish"
    assert "2 videos, 7 rows of 4 values at every 0.5 s, of npy:vggish" in done.stderr
    done = run("convert", tmp_path / "audio.h5", tmp_path / "npy", "--dtype", "float32")
    assert (done.exit_code, done.stdout) == (0, ""), done.output
    assert np.array_equal(np.load(tmp_path / "npy/a.npy"), rows_of(3).astype(np.float16).astype(np.float32))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "arrays do not say what made them"),
        (["--name", "x"], "arrays do not say what made them"),
        (["--name", "a b", "--step", "1"], "letters, digits"),
        (["--name", "x", "--step", "0"], "a positive number of seconds"),
        (["--name", "x", "--step", "nan"], "a positive number of seconds"),
        (["--name", "x", "--step", "1", "--clip-seconds", "0.5"], "a clip spans its interval at least"),
        (["--name", "x", "--step", "1", "--num-frames", "0"], "1 to 255"),
        (["--name", "x", "--step", "1", "--trunk", "resnet50"], "a folder of arrays has no trunk"),
        (["--name", "x", "--step", "1", "--to", "csv"], "a folder of arrays has no to"),
        (["--name", "x", "--step", "1", "--dtype", "float32"], "a store's rows are float16"),
        (["--name", "x", "--step", "1", "--dtype", "int8"], "is not one of float16, float32"),
        (["--name", "x", "--step", "1", "--id", "name"], "id 'name' is not known"),
    ],
)
def test_what_is_declared_wrongly_is_refused(tmp_path, words, message):
    done = run("convert", save(tmp_path / "npy", a=rows_of(2)), tmp_path / "a.h5", *words)
    assert (done.exit_code, done.stdout) == (2, ""), done.output
    assert message in " ".join(done.stderr.split())
    assert not (tmp_path / "a.h5").exists()


def test_options_of_arrays_are_refused_elsewhere(tmp_path):
    write_parts(tmp_path / "store", make_videos(2))
    done = run("convert", tmp_path / "store", tmp_path / "npy", "--name", "x")
    assert done.exit_code == 2
    assert "a feature store says itself what it holds, and has no name" in " ".join(done.stderr.split())
    truth = write_database(tmp_path / "gt.json", make_database())
    done = run("convert", truth, tmp_path / "gt.csv", "--step", "1")
    assert done.exit_code == 2
    assert "holds neither arrays nor stored features, and has no step" in " ".join(done.stderr.split())


def test_annotations_beside_arrays_are_converted_when_their_format_is_named(tmp_path):
    folder = tmp_path / "annotation"
    save(folder, a=rows_of(2))
    (folder / "run_val.txt").write_text("video_validation_0000001  1.0  2.0\n")
    done = run("convert", folder, tmp_path / "gt.csv")
    assert done.exit_code == 2
    assert "--from FORMAT" in " ".join(done.stderr.split())
    done = run("convert", folder, tmp_path / "gt.csv", "--from", "thumos14")
    assert done.exit_code == 0, done.output
    assert "1 segments of 1 classes" in done.stderr


def test_foreign_features_are_fitted_and_scored_like_any(tmp_path):
    database = make_database()
    truth = write_database(tmp_path / "gt.json", database)
    rng = np.random.default_rng(0)
    labels = ["run", "eat", "read"]
    folder = tmp_path / "audio"
    folder.mkdir()
    for name, video in database.items():
        rows = rng.normal(0, 0.3, (int(video["duration"] / 0.5), 4))
        for entry in video["annotations"]:
            first, last = (round(bound * 2) for bound in entry["segment"])
            rows[first:last, labels.index(entry["label"])] += 4
        np.save(folder / f"{name}.npy", rows)
    out, heads = tmp_path / "audio.h5", tmp_path / "heads.safetensors"
    for words in (
        ["convert", folder, out, "--name", "vggish", "--step", "0.5", "--view", "audio", "--against", truth],
        ["validate", out, "--deep"],
        ["fit-heads", out, "--annotations", truth, "-o", heads, "--tasks", "action", "--epochs", "20", "--lr", "0.1"],
    ):
        done = run(*words)
        assert done.exit_code == 0, done.output
    done = run("score", heads, "--features", out, "--annotations", truth, "--subset", "testing", "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["final_score"] > 0.9
    # A raw video has no such features.
    write_video(tmp_path / "v.mp4", np.zeros((9, 32, 32, 3), np.uint8), fps=8)
    done = run("predict", tmp_path / "v.mp4", "--heads", heads, "-o", tmp_path / "p.json", "--checkpoint", "random:0")
    assert done.exit_code == 6, done.output
    assert "predict on the store these heads were fitted on" in " ".join(done.stderr.split())
