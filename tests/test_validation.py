"""What `validate` finds: every kind of damage, all problems at once, and no damaged file takes the process down."""

import json
import os
import subprocess
import sys
import zlib
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from conftest import DATA
from factories_heads import Recorder, make_weights
from factories_store import make_spec, make_videos, write_parts
from factories_video import cut, make_video, overwrite
from factories_videos import _build_once
from factories_workflows import (
    make_database,
    perfect_results,
    write_database,
    write_predictions_file,
    write_store,
)
from naive_store import write_naive_store
from test_store_damage import HOSTILE, OTHER_VERSION
from typer.testing import CliRunner

from tsmfeat.errors import ConfigurationError, InputError, StoreError
from tsmfeat.heads.checkpoint import HeadsCheckpoint, save_heads
from tsmfeat.store.reader import open_features
from tsmfeat.trunk.checkpoint import save_trunk
from tsmfeat.values.vocabulary import Vocabulary
from tsmfeat.video.options import VideoOptions
from tsmfeat.workflows import validate
from tsmfeat.workflows.failures import Failure, save_failures
from tsmfeat.workflows.options import ValidateOptions
from tsmfeat.workflows.validation import MAX_LISTED
from tsmfeat_cli.main import app
from tsmfeat_cli.validate import group_problems

GOLDEN = DATA / "evaluation"
DEEP = ValidateOptions(deep=True, video=VideoOptions(workers=1))


def call(*words, code=0):
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == code, done.output
    return done


def problems(path, options=None):
    """Return the problems of one path."""
    (file,) = validate(path, options).files
    assert len(file.problems) == file.num_problems
    return list(file.problems)


def save_test_heads(path, spec=None, names=("run", "eat", "read")):
    save_heads(path, HeadsCheckpoint(make_weights(len(names), 0, 8), spec or make_spec(), Vocabulary(names)))
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A sound file of every kind, that agree with each other."""
    folder = tmp_path_factory.mktemp("sound")
    database = make_database()
    write_database(folder / "gt.json", database)
    write_store(folder / "store", database)
    results = {video_id: [] for video_id in database} | perfect_results(database)
    write_predictions_file(folder / "found.json", results)
    save_test_heads(folder / "heads")
    save_trunk(folder / "trunk", _build_once("resnet18", 2, "random:0", shift=True, shift_div=8), {"trunk": "resnet18"})
    torch.save({"w": torch.ones(3)}, folder / "trunk.pth")
    save_failures(folder / "failures.csv", {"a": Failure("a", "a.mp4", "probe", "no video")}, ["a"])
    make_video(folder / "film.mp4", range(30))
    return folder


KINDS = {
    "gt.json": "annotations",
    "store": "features",
    "found.json": "predictions",
    "heads": "heads",
    "trunk": "trunk",
    "trunk.pth": "trunk",
    "failures.csv": "failures",
    "film.mp4": "video",
}


@pytest.mark.parametrize("deep", [False, True])
def test_sound_files_of_every_kind_pass(folder, deep):
    heard = Recorder()
    options = replace(DEEP, deep=deep)
    report = validate([folder / name for name in KINDS], options, heard)
    assert {file.path: (file.kind, file.problems) for file in report.files} == {
        str(folder / name): (kind, ()) for name, kind in KINDS.items()
    }
    assert report.num_problems == 0
    assert heard.of("begin") == [("begin", "validate", len(KINDS), "files")]
    assert len(heard.of("advance")) == len(KINDS)


# ---------------------------------------------------------------- stores


CHILD = """
import json, resource, sys
from pathlib import Path
resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
from tsmfeat.workflows import validate
from tsmfeat.workflows.options import ValidateOptions
validate(sys.argv[2])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
report = validate(sorted(Path(sys.argv[1]).iterdir()), ValidateOptions(deep=True)).to_dict()
report["grown"] = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
print(json.dumps(report))
"""


@pytest.fixture(scope="module")
def hostile(tmp_path_factory, folder):
    """Return what a child with 3 GB says of every hostile store, all in one run."""
    stores = tmp_path_factory.mktemp("hostile")
    for name, (edit, spoil, _) in HOSTILE.items():
        write_naive_store(stores / f"{name}.h5", edit, spoil)
    for name, (edit, _) in OTHER_VERSION.items():
        write_naive_store(stores / f"{name}.h5", edit)
    write_naive_store(stores / "sound.h5")
    command = [sys.executable, "-c", CHILD, str(stores), str(folder / "store")]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=120, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_every_hostile_store_has_one_problem_and_costs_no_memory(hostile):
    found = {file["path"].rpartition("/")[2].removesuffix(".h5"): file for file in hostile["files"]}
    assert found.pop("sound")["problems"] == []
    words = {name: text for name, (_, _, text) in HOSTILE.items()} | {n: text for n, (_, text) in OTHER_VERSION.items()}
    assert found.keys() == words.keys()
    for name, text in words.items():
        (problem,) = found[name]["problems"]
        assert text in problem
        assert not problem.startswith("/")
        assert found[name]["kind"] == "features"
    assert hostile["num_problems"] == len(words)
    assert hostile["grown"] < 200


def flip_byte(path, place):
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


def spoil_spec(path):
    content = path.read_bytes()
    path.write_bytes(content.replace(b"resnet18", b"resnet19", 1))


def test_a_flipped_byte_of_the_rows_is_found_by_the_deep_check(tmp_path):
    (part,) = write_parts(tmp_path / "parts", make_videos(4))
    flip_byte(part, -3)
    assert problems(tmp_path / "parts") == []
    (found,) = problems(tmp_path / "parts", DEEP)
    assert "the embeddings of video 'video 003' are damaged" in found


def test_embeddings_that_are_not_finite_are_found_by_the_deep_check(tmp_path):
    def infinite(content):
        table = content["embeddings"]
        table[1, 2] = np.inf
        content["arrays"]["embedding_crc32"][0] = zlib.crc32(table[:3].tobytes())

    write_naive_store(tmp_path / "x.h5", infinite)
    assert problems(tmp_path / "x.h5") == []
    (found,) = problems(tmp_path / "x.h5", DEEP)
    assert found.startswith("a: interval 1 has a NaN or infinite embedding")


def test_one_damaged_part_does_not_hide_another(tmp_path):
    parts = write_parts(tmp_path / "parts", make_videos(15), 5)
    spoil_spec(parts[0])
    parts[2].write_bytes(b"\x89HDF")
    found = problems(tmp_path / "parts")
    assert len(found) == 2
    assert found[0].startswith(str(parts[0]))
    assert found[1].startswith(str(parts[2]))


def test_parts_of_two_specs_are_told_apart_by_field(tmp_path):
    write_parts(tmp_path / "parts", make_videos(2))
    other = make_spec(8, step_seconds=1.0, clip_seconds=1.0)
    (part,) = write_parts(tmp_path / "others", make_videos(2, seed=1), spec=other)
    part.rename(tmp_path / "parts" / part.name)
    (found,) = problems(tmp_path / "parts")
    assert "belongs to other features than" in found
    assert "step_seconds" in found


def test_videos_stored_twice_are_listed_where_they_differ(tmp_path):
    for seed in (0, 0, 1):
        write_parts(tmp_path / "parts", make_videos(3, seed))
    found = problems(tmp_path / "parts")
    assert [problem.partition(":")[0] for problem in found] == ["video 'video 001'", "video 'video 002'"]
    assert "differ by more than rounding" in found[0]


def test_a_damaged_copy_is_a_problem_and_not_an_end(tmp_path):
    first, second = (write_parts(tmp_path / "parts", make_videos(2, seed))[0] for seed in (0, 1))
    flip_byte(min(first, second), -3)
    flip_byte(max(first, second), -3)
    (found,) = problems(tmp_path / "parts")
    assert "damaged" in found


def test_the_parts_of_a_running_extraction_are_checked(tmp_path):
    parts = write_parts(tmp_path / "x.parts", make_videos(3))
    assert problems(tmp_path / "x.h5") == []
    spoil_spec(parts[0])
    assert len(problems(tmp_path / "x.h5")) == 1


# ---------------------------------------------------------------- checkpoints


def test_a_flipped_byte_of_heads_is_found(tmp_path):
    path = save_test_heads(tmp_path / "heads")
    flip_byte(path, -1)
    (found,) = problems(path)
    assert found == "its content does not match its checksum"


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"w": torch.tensor([1.0, float("nan")])}, "w: NaN or infinity inside"),
        ({"w": torch.ones(1).expand(10**12)}, "w: shape (1000000000000,) claims more numbers than the file holds"),
        ({"w": torch.eye(3).to_sparse()}, "w: not a plain tensor in memory"),
        ({"epoch": 3}, "no tensors"),
    ],
)
def test_odd_tensors_are_named_without_being_touched(tmp_path, values, words):
    torch.save(values, tmp_path / "odd.pth")
    (found,) = problems(tmp_path / "odd.pth")
    assert found.startswith(words)


class Bomb:
    """Writes a file when it is unpickled."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return (open, (str(self.marker), "w"))


def test_a_pickle_bomb_is_a_problem_and_never_goes_off(tmp_path):
    torch.save({"w": Bomb(tmp_path / "marker")}, tmp_path / "bomb.pth")
    (found,) = problems(tmp_path / "bomb.pth")
    assert "refused it with weights_only" in found
    assert not (tmp_path / "marker").exists()


def test_a_digest_in_a_name_must_fit(tmp_path):
    torch.save({"w": torch.ones(3)}, tmp_path / "resnet18-f37072fd.pth")
    (found,) = problems(tmp_path / "resnet18-f37072fd.pth")
    assert "its name says f37072fd" in found


def test_a_torch_file_whose_shapes_tell_its_trunk_must_fill_it(tmp_path):
    values = _build_once("resnet18", 2, "random:0", shift=True, shift_div=8).state_dict()
    torch.save(values, tmp_path / "whole.pth")
    assert problems(tmp_path / "whole.pth") == []
    torch.save(values | {"bn1.bias": torch.full((64,), float("nan"))}, tmp_path / "nan.pth")
    (found,) = problems(tmp_path / "nan.pth")
    assert found.startswith("bn1.bias: NaN or infinity inside")
    torch.save({name: value for name, value in values.items() if name != "bn1.bias"}, tmp_path / "less.pth")
    (found,) = problems(tmp_path / "less.pth")
    assert "does not fit resnet18: missing bn1.bias" in found


def test_a_trunk_of_ours_must_fill_its_network(tmp_path, folder):
    trunk = _build_once("resnet18", 2, "random:0", shift=True, shift_div=8)
    save_trunk(tmp_path / "other", trunk, {"trunk": "resnet34"})
    (found,) = problems(tmp_path / "other")
    assert "does not fit resnet34" in found
    save_trunk(tmp_path / "unknown", trunk, {"trunk": "resnet99"})
    (found,) = problems(tmp_path / "unknown")
    assert found.startswith("its header names the trunk 'resnet99'")
    whole = (folder / "trunk").read_bytes()
    (tmp_path / "cut").write_bytes(whole[: len(whole) // 2])
    assert len(problems(tmp_path / "cut")) == 1


# ---------------------------------------------------------------- labels


def test_all_problems_of_a_file_are_listed_even_beyond_twenty(tmp_path):
    rows = [{"label": "run", "segment": [5.0, 5.0 - n], "score": 0.5} for n in range(50)]
    path = write_predictions_file(tmp_path / "found.json", {"a": rows})
    found = problems(path)
    assert len(found) == 50
    assert found[49].startswith("results['a'][49]: segment [5.0, -44.0] with score 0.5; a segment ends after its start")


def test_so_many_problems_are_counted_rather_than_listed(tmp_path):
    rows = [{"label": "run", "segment": [5.0, 5.0], "score": 0.5}] * (MAX_LISTED + 7)
    (file,) = validate(write_predictions_file(tmp_path / "found.json", {"a": rows})).files
    assert (len(file.problems), file.num_problems) == (MAX_LISTED, MAX_LISTED + 7)
    lines = call("validate", tmp_path / "found.json", code=4).stdout.splitlines()
    assert lines[0] == f"{tmp_path / 'found.json'}: predictions, {MAX_LISTED + 7:,} problems"
    assert len(lines) == 1 + 3 + 2
    assert lines[-2] == f"  ... and {MAX_LISTED - 3} more of these (--verbose shows them)"
    assert lines[-1] == "  ... and 7 others"


def test_repeated_ids_and_wrong_fields_are_found(tmp_path):
    (tmp_path / "gt.json").write_text(
        '{"database": {"a": {"duration": -1, "annotations": [{"label": 3, "segment": [0, 1]}]}, "a": {}, '
        '"b": {"annotations": [{"label": "run", "segment": [0]}]}}}'
    )
    found = problems(tmp_path / "gt.json")
    assert any("'a' occurs twice" in problem for problem in found)
    assert any("database['b'].annotations[0]" in problem for problem in found)


def test_the_real_annotations_have_the_three_known_problems(shared_data):
    path = shared_data("evaluation/gt_activitynet13_validation.json.gz")
    assert len(problems(path)) == 3


def test_a_list_of_failures_must_be_readable(tmp_path):
    (tmp_path / "failures.csv").write_text('video_id,path,stage,reason,attempts\n"a,b\n')
    (found,) = problems(tmp_path / "failures.csv")
    assert found.startswith("not a readable list of failures")


def test_lines_of_tables_are_named(tmp_path):
    (tmp_path / "one.csv").write_text("video_id,label,start,end\nv,run,0,1\nv,run,2,2\n")
    (found,) = problems(tmp_path / "one.csv")
    assert found.startswith("line 3: ")
    (tmp_path / "two.csv").write_text("video_id,label,start,end,score\nv,run,4,3,0.5\nv,run,2,2,0.5\n")
    assert [problem.partition(": ")[0] for problem in problems(tmp_path / "two.csv")] == ["line 2", "line 3"]


def test_annotations_hold_no_class_beside_those_given(folder, tmp_path):
    (tmp_path / "classes.txt").write_text("run\neat\n")
    found = problems(folder / "gt.json", ValidateOptions(classes=str(tmp_path / "classes.txt")))
    assert len(found) == 1
    assert "class 'read' is not among the 2 classes given" in found[0]
    with pytest.raises(InputError, match="nowhere"):
        problems(folder / "gt.json", ValidateOptions(classes=str(tmp_path / "nowhere.txt")))
    (tmp_path / "classes.txt").write_text("run\neat\nread\n")
    assert problems(folder / "gt.json", ValidateOptions(classes=str(tmp_path / "classes.txt"))) == []


# ---------------------------------------------------------------- videos


def test_a_folder_of_videos_is_listed_by_its_files(tmp_path):
    (tmp_path / "videos" / "deep").mkdir(parents=True)
    make_video(tmp_path / "videos" / "good.mp4", range(20))
    (tmp_path / "videos" / "deep" / "bad.mp4").write_text("no video")
    (tmp_path / "videos" / "deep" / "none.mkv").write_bytes(b"")
    for options in (None, DEEP):
        found = {file.path.rpartition("/")[2]: file.problems for file in validate(tmp_path / "videos", options).files}
        assert found.keys() == {"bad.mp4", "none.mkv", "good.mp4"}
        assert found["good.mp4"] == ()
        assert found["bad.mp4"][0].startswith("not a readable video")
        assert found["none.mkv"] == ("0 bytes; a video cannot be empty",)


def test_damage_that_only_decoding_shows_is_found_by_the_deep_check(tmp_path):
    whole = make_video(tmp_path / "film.mp4", range(120), container_options={"movflags": "faststart"})
    damaged = overwrite(whole, 0.5, 600)
    assert problems(damaged) == []
    (found,) = problems(damaged, DEEP)
    assert "cannot be decoded" in found or "could be decoded" in found


def test_a_file_cut_short_is_found_without_decoding(tmp_path):
    whole = make_video(tmp_path / "film.mp4", range(200), container_options={"movflags": "faststart"})
    (found,) = problems(cut(whole, 0.6))
    assert found.startswith("truncated: the file holds")


def test_a_reader_that_dies_costs_its_own_video(tmp_path, monkeypatch):
    videos = [make_video(tmp_path / f"{name}.mp4", range(20)) for name in "abc"]
    monkeypatch.setattr("tsmfeat.workflows.video_checks.ReaderPool.read", lambda *_: iter(_events()))
    heard = Recorder()
    report = validate(videos, DEEP, heard)
    assert [file.problems for file in report.files] == [(), ("reader process ended by signal 11",), ()]
    assert heard.of("warn") == [("warn", "b.mp4: hung; tried again with decord")]


def _events():
    from tsmfeat.video.tasks import ClipsReady, VideoFailed, VideoRead, VideoRetried

    released = []
    yield ClipsReady(0, 0, 0, np.zeros((1, 1, 1, 1, 3), np.uint8), lambda: released.append(0))
    assert released == [0]
    yield VideoRead(0, SimpleNamespace())
    yield VideoRetried(1, "b.mp4: hung", "decord")
    yield VideoFailed(1, "reader", "reader process ended by signal 11")
    yield VideoRead(2, SimpleNamespace())


@pytest.mark.golden
def test_the_real_corrupted_video_is_found_by_the_deep_check(shared_data):
    folder = shared_data("videos")
    assert validate(folder).num_problems == 0
    (bad,) = [file for file in validate(folder, DEEP).files if file.problems]
    assert bad.path.endswith("corrupted.mp4")
    assert bad.problems == ("corrupt: 1 of 50 packets cannot be decoded",)


# ---------------------------------------------------------------- against something


def against(path, other):
    return problems(path, ValidateOptions(against=str(other)))


def test_files_that_agree_have_no_problem(folder):
    for name in ("gt.json", "found.json", "heads", "store", "trunk", "failures.csv"):
        assert against(folder / name, folder / "store") == []
        assert against(folder / name, folder / "gt.json") == []


def test_labels_disagree_with_a_store_in_ids_lengths_and_ends(folder, tmp_path):
    database = make_database()
    database["vidoe 03"] = database.pop("video 03")
    database["video 04"]["duration"] += 5
    length = database["video 05"]["duration"]
    database["video 05"]["annotations"].append({"label": "run", "segment": [length - 1, length + 2]})
    database["video 06"]["annotations"].append({"label": "run", "segment": [-3.0, 1.0]})
    found = against(write_database(tmp_path / "gt.json", database), folder / "store")
    assert len(found) == 5
    assert found[0] == f"video 'vidoe 03': not among the 20 of {folder / 'store'}; did you mean 'video 03'?"
    assert found[1] == f"video 'video 03': missing; {folder / 'store'} holds it"
    assert found[2].startswith("video 'video 04': ")
    assert "but" in found[2]
    assert found[3].startswith(f"video 'video 05' of {length:.3f} s: 'run' from {length - 1:.3f} to {length + 2:.3f} s")
    assert "'video 06'" in found[4]


def test_an_end_rounded_to_a_tenth_is_within_its_video(folder, tmp_path):
    database = make_database()
    length = database["video 05"]["duration"]
    database["video 05"]["annotations"].append({"label": "run", "segment": [0.0, length + 0.05]})
    assert against(write_database(tmp_path / "gt.json", database), folder / "store") == []


def test_predictions_disagree_with_annotations_in_classes(folder, tmp_path):
    results = {video_id: [] for video_id in make_database()}
    results["video 01"] = [{"label": "rnu", "segment": [0.0, 1.0], "score": 0.5}]
    found = against(write_predictions_file(tmp_path / "found.json", results), folder / "gt.json")
    assert found == [f"class 'rnu': not among the 3 of {folder / 'gt.json'}; did you mean 'run'?"]


def test_heads_and_stores_disagree_in_the_fields_of_their_spec(folder, tmp_path):
    other = make_spec(8, trunk="resnet50")
    found = against(save_test_heads(tmp_path / "heads", other), folder / "store")
    assert found == [f"spec: trunk: resnet50 / resnet18 of {folder / 'store'}"]
    write_store(tmp_path / "other", make_database(), other)
    assert against(tmp_path / "other", folder / "store") == found
    unknown = save_test_heads(tmp_path / "unknown", names=("run", "walk"))
    assert against(unknown, folder / "gt.json") == [f"class 'walk': not among the 3 of {folder / 'gt.json'}"]


def test_a_video_disagrees_in_its_id_or_length(folder, tmp_path):
    (tmp_path / "v").mkdir()
    make_video(tmp_path / "v" / "video 01.mp4", range(30))
    make_video(tmp_path / "v" / "vidoe 02.mp4", range(30))
    report = validate(tmp_path / "v", ValidateOptions(against=str(folder / "store")))
    found = {file.path.rpartition("/")[2]: file.problems for file in report.files}
    with open_features(folder / "store") as store:
        length = store.duration_seconds[store.video_ids.index("video 01")]
    assert found["video 01.mp4"] == (f"video 'video 01': 1.000 s long, but {length:.3f} s in {folder / 'store'}",)
    assert found["vidoe 02.mp4"][0].startswith("video 'vidoe 02': not among the 20")


def test_unknown_lengths_agree_with_all(folder, tmp_path):
    database = make_database()
    for video in database.values():
        del video["duration"]
    assert against(write_database(tmp_path / "gt.json", database), folder / "store") == []
    assert against(folder / "found.json", tmp_path / "gt.json") == []


def test_a_submission_has_the_rows_of_its_sample(tmp_path):
    (tmp_path / "sample.csv").write_text("id,prediction\nv_0_10,[]\nv_10_20,[]\nw_0_10,[]\n")
    cell = '"[[1, 0, 5, 0.5]]"'
    (tmp_path / "good.csv").write_text(f"id,prediction\nw_0_10,[]\nv_0_10,{cell}\nv_10_20,[]\n")
    assert against(tmp_path / "good.csv", tmp_path / "sample.csv") == []
    (tmp_path / "bad.csv").write_text(f"id,prediction\nv_0_10,{cell}\nv_10_20,[]\nww_0_10,[]\n")
    assert against(tmp_path / "bad.csv", tmp_path / "sample.csv") == [
        f"row 'ww_0_10': not among the 3 of {tmp_path / 'sample.csv'}; did you mean 'w_0_10'?",
        f"row 'w_0_10': missing; {tmp_path / 'sample.csv'} holds it",
    ]
    native = write_predictions_file(tmp_path / "native.json", {"v": []})
    assert against(native, tmp_path / "sample.csv") == [f"video 'w': missing; {tmp_path / 'sample.csv'} holds it"]


def test_a_reference_must_be_a_store_or_annotations(folder, tmp_path):
    with pytest.raises(ConfigurationError, match="a heads checkpoint; files are compared with"):
        against(folder / "gt.json", folder / "heads")
    with pytest.raises(InputError, match="nowhere"):
        against(folder / "gt.json", tmp_path / "nowhere")
    with pytest.raises(StoreError):
        against(folder / "gt.json", tmp_path / "nowhere.h5")


# ---------------------------------------------------------------- paths and the command


def test_what_is_no_known_file_is_a_problem_like_others(folder, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "notes").write_text("notes")
    report = validate([tmp_path / "missing", tmp_path / "pipe", tmp_path / "notes", folder / "gt.json"])
    assert [file.kind for file in report.files] == ["unknown", "unknown", "unknown", "annotations"]
    assert [file.num_problems for file in report.files] == [1, 1, 1, 0]
    assert report.files[0].problems == ("cannot be reached (No such file or directory)",)


def test_no_path_is_a_configuration_error():
    with pytest.raises(ConfigurationError, match="no file to check"):
        validate([])


def test_the_command_lists_every_file_and_ends_with_code_4(folder, tmp_path):
    rows = [{"label": "run", "segment": [5.0, 5.0], "score": 0.5}] * 5
    bad = write_predictions_file(tmp_path / "bad.json", {"a": rows})
    done = call("validate", folder / "gt.json", bad, tmp_path / "missing", code=4)
    lines = done.stdout.splitlines()
    assert lines[0] == f"{folder / 'gt.json'}: annotations, no problem found"
    assert lines[1] == f"{bad}: predictions, 5 problems"
    assert lines[5] == "  ... and 2 more of these (--verbose shows them)"
    assert lines[6] == f"{tmp_path / 'missing'}: unknown, 1 problem"
    assert done.stderr.startswith("3 files checked in ")
    assert "6 problems in 2 of them" in done.stderr
    whole = call("validate", bad, "-v", "-q", code=4)
    assert len(whole.stdout.splitlines()) == 6
    assert whole.stderr == ""


def test_the_command_prints_one_object(folder, tmp_path):
    done = call("validate", folder / "gt.json", tmp_path / "missing", "--json", "-q", code=4)
    found = json.loads(done.output)
    assert found["files"][0] == {
        "path": str(folder / "gt.json"),
        "kind": "annotations",
        "problems": [],
        "num_problems": 0,
    }
    assert (found["num_problems"], found["num_files"]) == (1, 2)
    assert found["files"][1]["problems"] == ["cannot be reached (No such file or directory)"]


def test_sound_files_end_with_code_0_and_a_word_on_the_deep_check(folder):
    done = call("validate", folder / "heads", folder / "store")
    assert "no problem found" in done.stderr
    assert "--deep also verifies every checksum" in done.stderr
    assert "--deep" not in call("validate", folder / "heads", "--deep").stderr


@pytest.mark.parametrize(
    ("words", "code", "error"),
    [
        ([], 2, "missing argument 'paths'"),
        (["{folder}/heads", "--against", "{folder}/heads"], 2, "--against {folder}/heads: a heads checkpoint"),
        (["{folder}/heads", "--against", "{folder}/nowhere"], 4, "{folder}/nowhere: cannot be reached"),
        (["{folder}/heads", "--workers", "0"], 2, "workers = 0"),
    ],
)
def test_what_cannot_be_carried_out_is_refused(folder, words, code, error):
    done = call("validate", *[word.format(folder=folder) for word in words], code=code)
    assert done.stdout == ""
    assert f"error: {error.format(folder=folder)}" in done.stderr


def test_problems_are_grouped_by_the_rule_they_break():
    listed = [f"row {n}: odd; rows are even" for n in range(9)] + ["alone: no rule at all"]
    shown = group_problems(SimpleNamespace(problems=listed, num_problems=10))
    assert shown == [
        *(f"  row {n}: odd; rows are even" for n in range(3)),
        "  ... and 6 more of these (--verbose shows them)",
        "  alone: no rule at all",
    ]
    plain = [f"rows[{n}]: a field is missing" for n in range(5)]
    shown = group_problems(SimpleNamespace(problems=plain, num_problems=5))
    assert shown[2:] == ["  rows[2]: a field is missing", "  ... and 2 more of these (--verbose shows them)"]
    many = [f"p{n}: r; rule {n}" for n in range(30)]
    assert group_problems(SimpleNamespace(problems=many, num_problems=30))[-1] == "  ... and 10 others"
