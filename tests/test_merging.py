"""Merging stores: what becomes of every video, of copies, of damage, and of what stands where the result goes."""

import os
import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from factories_store import CREATED, make_features, make_spec, make_videos, same_features, write_parts
from factories_videos import Listener
from faulty_os import FaultyOs, KilledError

from tsmfeat import files
from tsmfeat.errors import ConfigurationError, OutputError, SpecMismatchError, StoreError
from tsmfeat.store.reader import open_features
from tsmfeat.store.writer import PartWriter
from tsmfeat.workflows import merge
from tsmfeat.workflows.failures import Failure, load_failures, save_failures
from tsmfeat.workflows.merge_options import MergeOptions
from tsmfeat.workflows.outputs import hold_output

SPEC = make_spec()
OTHER = make_spec(step_seconds=0.25, clip_seconds=0.25)


def write_shards(folder, videos, count=3, spec=SPEC, per_part=4):
    """Publish video k as shard k mod count would, in parts called after the shards."""
    for index in range(count):
        with PartWriter(folder, spec, worker=f"{index}-of-{count}") as writer:
            for video in videos[index::count]:
                writer.append(video)
                if len(writer.buffered) == per_part:
                    writer.publish(CREATED)
            writer.publish(CREATED)
    return folder


def contents(folder):
    return {path: path.read_bytes() for path in sorted(Path(folder).rglob("*")) if path.is_file()}


def require_holds(path, videos):
    with open_features(path) as store:
        assert store.files == (path,)
        assert store.video_ids == tuple(sorted(video.video_id for video in videos))
        for video in videos:
            assert same_features(store.features(video.video_id), video)


def flip(path, video, spec=SPEC):
    """Damage the embeddings of a video where they lie in a file."""
    data = bytearray(path.read_bytes())
    at = data.index(video.embeddings.tobytes())
    data[at + 1] ^= 0x40
    path.write_bytes(data)


def part_with(folder, video):
    """Return the part that holds the very embeddings of a video."""
    return next(path for path in sorted(folder.rglob("*.h5")) if video.embeddings.tobytes() in path.read_bytes())


# ---------------------------------------------------------------- every video once


def test_shards_become_one_file_and_are_left_as_they_were(tmp_path):
    videos = make_videos(31)
    shards = write_shards(tmp_path / "x", videos)
    before = contents(shards)
    report = merge([shards], tmp_path / "y.h5")
    require_holds(tmp_path / "y.h5", videos)
    assert contents(shards) == before
    (output,) = report.outputs
    assert (output.num_videos, output.num_files, output.num_duplicates) == (31, len(before), 0)
    assert output.num_intervals == sum(len(video.embeddings) for video in videos)
    assert output.num_bytes == (tmp_path / "y.h5").stat().st_size
    assert (report.failures, report.num_failed, report.missing_shards, report.stopped) == (None, 0, (), False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x", "y.h5"]


@pytest.mark.parametrize("count", [1, 2, 7])
def test_how_videos_were_spread_leaves_no_trace(tmp_path, count, monkeypatch):
    monkeypatch.setattr("tsmfeat.store.packing.timestamp_now", lambda: CREATED)
    videos = make_videos(17)
    merge([write_shards(tmp_path / "x", videos, count)], tmp_path / "y.h5")
    merge([write_parts(tmp_path / "z", videos[::-1], 17)[0]], tmp_path / "z.h5")
    assert (tmp_path / "y.h5").read_bytes() == (tmp_path / "z.h5").read_bytes()


def test_files_folders_and_outputs_of_stopped_runs_are_stores_alike(tmp_path):
    videos = make_videos(40)
    write_parts(tmp_path / "x", videos[:10])
    write_parts(tmp_path / "stopped.parts", videos[10:20])
    merge([write_parts(tmp_path / "a", videos[20:30], 10)[0]], tmp_path / "packed.h5")
    write_parts(tmp_path / "packed.parts", videos[30:])
    names = ["x", "stopped.h5", "packed.h5", "x"]
    report = merge([str(tmp_path / name) for name in names], tmp_path / "y.h5")
    require_holds(tmp_path / "y.h5", videos)
    assert report.outputs[0].num_duplicates == 0


def test_a_file_named_twice_counts_once(tmp_path):
    paths = write_parts(tmp_path / "x", make_videos(10))
    (tmp_path / "link").symlink_to(tmp_path / "x")
    report = merge([tmp_path / "x", tmp_path / "link", *paths], tmp_path / "y.h5")
    assert (report.outputs[0].num_files, report.outputs[0].num_duplicates) == (len(paths), 0)


def test_new_parts_are_added_to_a_file_that_is_among_the_stores(tmp_path):
    videos = make_videos(20)
    out = tmp_path / "y.h5"
    merge([write_parts(tmp_path / "x", videos[:12], 5)[0].parent], out)
    write_parts(tmp_path / "new", videos[12:])
    merge([out, tmp_path / "new"], out)
    require_holds(out, videos)


def test_an_output_may_lie_in_the_folder_that_is_merged(tmp_path):
    videos = make_videos(9)
    write_parts(tmp_path, videos)
    merge([tmp_path], tmp_path / "all.h5")
    require_holds(tmp_path / "all.h5", videos)
    again = merge([tmp_path], tmp_path / "all.h5")
    assert again.outputs[0].unchanged
    assert again.outputs[0].num_duplicates == 9


def test_no_videos_at_all_are_a_store_too(tmp_path):
    merge([write_parts(tmp_path / "x", [make_features(np.random.default_rng(0), "short", 0)])[0]], tmp_path / "y.h5")
    with open_features(tmp_path / "y.h5") as store:
        assert (store.video_ids, store.num_intervals) == (("short",), 0)


def test_the_same_command_again_writes_nothing(tmp_path):
    write_shards(tmp_path / "x", make_videos(12))
    merge([tmp_path / "x"], tmp_path / "y.h5")
    before = (tmp_path / "y.h5").stat()
    report = merge([tmp_path / "x"], tmp_path / "y.h5")
    after = (tmp_path / "y.h5").stat()
    assert report.outputs[0].unchanged
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert merge([tmp_path / "y.h5"], tmp_path / "y.h5").outputs[0].unchanged


# ---------------------------------------------------------------- several specs


def test_two_specs_for_one_file_are_refused_with_fields_and_places(tmp_path):
    one = write_parts(tmp_path / "x" / "a", make_videos(3))[0]
    other = write_parts(tmp_path / "x" / "b", make_videos(3), spec=OTHER)[0]
    with pytest.raises(SpecMismatchError) as caught:
        merge([tmp_path / "x"], tmp_path / "y.h5")
    first, second = sorted([one, other], key=lambda path: path.name)
    places = f"({first} / {second})"
    pairs = ["0.5 / 0.25", "0.25 / 0.5"][first != one]
    assert places in caught.value.message
    assert f"step_seconds: {pairs}" in caught.value.message
    assert "-o FOLDER" in caught.value.hint
    assert not (tmp_path / "y.h5").exists()


def test_a_folder_gets_one_file_a_spec_called_as_its_parts_were(tmp_path):
    videos, others = make_videos(8), make_videos(6, seed=1)
    write_shards(tmp_path / "x" / "a_t0.5", videos)
    write_shards(tmp_path / "x" / "b_t0.25", others, spec=OTHER)
    third = replace(SPEC, view="front")
    merge([write_parts(tmp_path / "c", videos, 8, third)[0]], tmp_path / "x" / "c_front.h5")
    report = merge([tmp_path / "x"], tmp_path / "y")
    assert sorted(output.out.name for output in report.outputs) == ["a_t0.5.h5", "b_t0.25.h5", "c_front.h5"]
    require_holds(tmp_path / "y" / "a_t0.5.h5", videos)
    require_holds(tmp_path / "y" / "b_t0.25.h5", others)
    require_holds(tmp_path / "y" / "c_front.h5", videos)
    assert all(output.unchanged for output in merge([tmp_path / "x"], tmp_path / "y").outputs)


def test_shards_in_folders_of_their_own_meet_by_name(tmp_path):
    videos = make_videos(8)
    for job in range(2):
        write_parts(tmp_path / f"job{job}" / "a", videos[job::2])
        write_parts(tmp_path / f"job{job}" / "b", videos[job::2], spec=OTHER)
    merge([tmp_path / "job0", tmp_path / "job1"], tmp_path / "y")
    require_holds(tmp_path / "y" / "a.h5", videos)
    require_holds(tmp_path / "y" / "b.h5", videos)


def test_names_that_do_not_tell_specs_apart_are_refused(tmp_path):
    write_parts(tmp_path / "1" / "a", make_videos(3))
    write_parts(tmp_path / "2" / "b", make_videos(3))
    write_parts(tmp_path / "3" / "a", make_videos(3), spec=OTHER)
    with pytest.raises(ConfigurationError, match="the stores a, b hold the same features"):
        merge([tmp_path / "1", tmp_path / "2"], tmp_path / "y")
    with pytest.raises(SpecMismatchError, match="step_seconds"):
        merge([tmp_path / "1", tmp_path / "3"], tmp_path / "y")
    assert not (tmp_path / "y").exists()


# ---------------------------------------------------------------- copies and damage


def test_of_copies_the_first_by_file_name_counts_and_differing_ones_are_told_once(tmp_path):
    videos, others = make_videos(8), make_videos(8, seed=1)
    write_parts(tmp_path / "x", videos)
    write_parts(tmp_path / "z", others)
    first = {}
    for path in sorted([*tmp_path.glob("?/*.h5")], key=lambda path: path.name):
        with open_features(path) as store:
            for video_id in store.video_ids:
                first.setdefault(video_id, store.features(video_id))
    listener = Listener()
    report = merge([tmp_path / "z", tmp_path / "x"], tmp_path / "y.h5", progress=listener)
    require_holds(tmp_path / "y.h5", list(first.values()))
    (output,) = report.outputs
    differing = [video.video_id for video in videos if len(video.embeddings)]
    assert (output.num_duplicates, list(output.differing)) == (8, differing)
    (warning,) = listener.warnings
    assert f"{len(differing)} videos are stored twice with embeddings that differ" in warning


def test_copies_that_differ_in_the_last_bit_are_no_news(tmp_path):
    videos = make_videos(6)
    close = [replace(v, embeddings=np.nextafter(v.embeddings, np.float16(9)).astype(np.float16)) for v in videos]
    write_parts(tmp_path / "x", videos)
    write_parts(tmp_path / "z", close)
    listener = Listener()
    report = merge([tmp_path / "x", tmp_path / "z"], tmp_path / "y.h5", progress=listener)
    assert (report.outputs[0].num_duplicates, report.outputs[0].differing, listener.warnings) == (6, (), [])


def test_a_damaged_video_is_saved_by_an_intact_copy(tmp_path):
    videos = make_videos(8)
    write_parts(tmp_path / "x", videos, 8)
    write_parts(tmp_path / "z", videos, 3)
    first = sorted([*tmp_path.glob("?/*.h5")], key=lambda path: path.name)[0]
    with open_features(first) as store:
        victim = next(video for video in videos if video.video_id in store and len(video.embeddings))
    flip(first, victim)
    listener = Listener()
    report = merge([tmp_path / "x", tmp_path / "z"], tmp_path / "y.h5", progress=listener)
    require_holds(tmp_path / "y.h5", videos)
    assert report.outputs[0].mended == (victim.video_id,)
    assert any("damaged in one file and were taken from another" in warning for warning in listener.warnings)


def test_damage_without_a_copy_is_listed_whole_and_nothing_is_written(tmp_path):
    videos = make_videos(20)
    write_parts(tmp_path / "x", videos)
    for victim in (videos[1], videos[12]):
        flip(part_with(tmp_path / "x", victim), victim)
    before = contents(tmp_path)
    with pytest.raises(StoreError) as caught:
        merge([tmp_path / "x"], tmp_path / "y.h5")
    assert len(caught.value.problems) == 2
    for victim in (videos[1], videos[12]):
        assert repr(victim.video_id) in caught.value.message
    assert "nothing was written" in caught.value.message
    assert contents(tmp_path) == before
    report = merge([tmp_path / "x"], tmp_path / "y.h5", MergeOptions(dry_run=True))
    assert [video.video_id for video in report.outputs[0].damaged] == [videos[1].video_id, videos[12].video_id]
    assert report.num_damaged == 2
    assert contents(tmp_path) == before


def cut(data):
    return data[: len(data) // 2]


@pytest.mark.parametrize("harm", [cut, lambda data: b"", lambda data: b"notes", lambda data: data[:200]])
def test_files_that_cannot_be_read_are_all_named(tmp_path, harm):
    paths = write_parts(tmp_path / "x", make_videos(20))
    for path in paths[:2]:
        path.write_bytes(harm(path.read_bytes()))
    with pytest.raises(StoreError) as caught:
        merge([tmp_path / "x"], tmp_path / "y.h5")
    assert all(str(path) in caught.value.message for path in paths[:2])
    report = merge([tmp_path / "x"], tmp_path / "y.h5", MergeOptions(dry_run=True))
    assert {file.path for file in report.unreadable} == set(paths[:2])
    assert not (tmp_path / "y.h5").exists()


def test_a_pipe_called_like_a_part_is_refused_without_waiting(tmp_path):
    write_parts(tmp_path / "x", make_videos(2))
    os.mkfifo(tmp_path / "x" / "part-a.h5")
    with pytest.raises(StoreError, match="not a regular file"):
        merge([tmp_path / "x"], tmp_path / "y.h5")


def test_a_damaged_result_is_mended_by_the_same_command(tmp_path):
    videos = make_videos(8)
    write_parts(tmp_path / "x", videos)
    merge([tmp_path / "x"], tmp_path / "y.h5")
    flip(tmp_path / "y.h5", videos[3])
    assert not merge([tmp_path / "x"], tmp_path / "y.h5").outputs[0].unchanged
    require_holds(tmp_path / "y.h5", videos)
    flip(tmp_path / "y.h5", videos[3])
    report = merge([tmp_path / "y.h5", tmp_path / "x"], tmp_path / "y.h5")
    require_holds(tmp_path / "y.h5", videos)
    assert report.outputs[0].num_duplicates == 8


# ---------------------------------------------------------------- what stands where the result goes


def test_a_file_that_is_not_among_the_stores_is_replaced_only_when_told_to(tmp_path):
    videos = make_videos(9)
    write_parts(tmp_path / "x", videos)
    out = tmp_path / "y.h5"
    merge([write_parts(tmp_path / "z", make_videos(3, 5), 3)[0]], out)
    before = out.read_bytes()
    with pytest.raises(ConfigurationError, match="is not among the stores"):
        merge([tmp_path / "x"], out)
    with pytest.raises(ConfigurationError, match="is not among the stores"):
        merge([tmp_path / "x"], out, MergeOptions(dry_run=True))
    assert out.read_bytes() == before
    merge([tmp_path / "x"], out, MergeOptions(overwrite=True))
    require_holds(out, videos)


@pytest.mark.parametrize("overwrite", [False, True])
def test_somebodys_file_is_never_replaced(tmp_path, overwrite):
    write_parts(tmp_path / "x", make_videos(3))
    out = tmp_path / "y.h5"
    out.write_bytes(b"my notes")
    with pytest.raises(ConfigurationError, match="is no feature store; it is left as it is"):
        merge([tmp_path / "x"], out, MergeOptions(overwrite=overwrite))
    assert out.read_bytes() == b"my notes"


@pytest.mark.parametrize("name", ["missing", "missing.h5", "empty"])
def test_stores_that_are_not_there_are_refused(tmp_path, name):
    (tmp_path / "empty").mkdir()
    with pytest.raises(StoreError, match=r"no such file|without"):
        merge([tmp_path / name], tmp_path / "y.h5")
    assert not (tmp_path / "y.h5").exists()


def test_merging_waits_for_an_extraction_that_packs(tmp_path):
    videos = make_videos(9)
    write_parts(tmp_path / "x", videos[:5])
    out = tmp_path / "y.h5"
    listener = Listener()
    thread = threading.Thread(target=merge, args=([tmp_path / "x", out], out, MergeOptions(), listener))
    with hold_output(out, Listener()):
        thread.start()
        thread.join(0.3)
        assert thread.is_alive()
        # What was packed meanwhile is read afterwards, not replaced.
        merge_by_hand(videos[5:], out)
    thread.join(10)
    assert any("waiting" in note for note in listener.notes)
    require_holds(out, videos)


def merge_by_hand(videos, out):
    (part,) = write_parts(out.parent / "elsewhere", videos, len(videos))
    part.rename(out)


# ---------------------------------------------------------------- full disks, death, stops


def test_a_full_disk_leaves_everything_as_it_was(tmp_path, monkeypatch):
    videos = make_videos(9)
    out = tmp_path / "y.h5"
    write_parts(tmp_path / "x", videos)
    merge([write_parts(tmp_path / "z", videos[:3], 3)[0]], out)
    before = contents(tmp_path)
    fail_at = 0
    while True:
        fail_at += 1
        faulty = FaultyOs(fail_at, full=True)
        with monkeypatch.context() as patch:
            patch.setattr(files, "os", faulty)
            try:
                merge([tmp_path / "x", out], out)
            except OutputError:
                assert "replace" in faulty.calls or contents(tmp_path) == before
                continue
        break
    assert fail_at > 5
    require_holds(out, videos)


@pytest.mark.parametrize("half", [False, True])
def test_death_at_any_call_loses_nothing_and_the_same_command_ends_it(tmp_path, monkeypatch, half):
    videos = make_videos(9)
    out = tmp_path / "y.h5"
    write_parts(tmp_path / "x", videos[3:])
    (first,) = write_parts(tmp_path / "z", videos[:3], 3)
    fail_at = 0
    while True:
        fail_at += 1
        out.write_bytes(first.read_bytes())
        with monkeypatch.context() as patch:
            patch.setattr(files, "os", FaultyOs(fail_at, half=half))
            try:
                merge([tmp_path / "x", out], out)
            except KilledError:
                with open_features(out) as store:
                    assert store.num_videos in (3, 9)
            else:
                break
        merge([tmp_path / "x", out], out)
        require_holds(out, videos)
    assert fail_at > 5


def test_no_room_is_said_before_anything_is_written_and_a_dry_run_needs_none(tmp_path, monkeypatch):
    write_parts(tmp_path / "x", make_videos(9))
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=1))
    with pytest.raises(OutputError, match="no room"):
        merge([tmp_path / "x"], tmp_path / "y.h5")
    report = merge([tmp_path / "x"], tmp_path / "y.h5", MergeOptions(dry_run=True))
    assert not (tmp_path / "y.h5").exists()
    monkeypatch.undo()
    merge([tmp_path / "x"], tmp_path / "y.h5")
    assert report.outputs[0].num_bytes == (tmp_path / "y.h5").stat().st_size


def test_a_stop_leaves_nothing_half_done(tmp_path):
    write_parts(tmp_path / "x", make_videos(20))
    before = contents(tmp_path)
    asked = []

    def after_ten():
        asked.append(1)
        return len(asked) > 10

    report = merge([tmp_path / "x"], tmp_path / "y.h5", should_stop=after_ten)
    assert (report.stopped, report.outputs) == (True, ())
    assert contents(tmp_path) == before


# ---------------------------------------------------------------- what the shards say


def test_failures_of_the_shards_are_gathered_for_videos_that_no_store_holds(tmp_path):
    videos = make_videos(6)
    write_shards(tmp_path / "x", videos, 2)
    lists = {
        "failures-0-of-2.csv": [Failure("bad", "bad.mp4", "probe", "0 bytes", 2)],
        "failures-1-of-2.csv": [
            Failure("worse", "worse.mp4", "decode", "cut"),
            Failure(videos[2].video_id, "v.mp4", "decode", "once upon a time"),
        ],
        "failures.csv": [Failure("bad", "bad.mp4", "probe", "0 bytes, again", 1)],
    }
    for name, failures in lists.items():
        save_failures(tmp_path / "x" / name, {failure.video_id: failure for failure in failures}, ())
    report = merge([tmp_path / "x"], tmp_path / "y.h5")
    assert (report.failures, report.num_failed) == (tmp_path / "y.failures.csv", 2)
    found = load_failures(report.failures)
    assert [(f.video_id, f.reason, f.attempts) for f in found.values()] == [
        ("bad", "0 bytes", 2),
        ("worse", "cut", 1),
    ]
    # What failed then is extracted since.
    write_parts(tmp_path / "x", [make_features(np.random.default_rng(0), name) for name in ("bad", "worse")])
    report = merge([tmp_path / "x", tmp_path / "y.h5"], tmp_path / "y.h5")
    assert (report.failures, report.num_failed) == (None, 0)
    assert not (tmp_path / "y.failures.csv").exists()


def test_a_list_of_failures_that_cannot_be_read_costs_only_itself(tmp_path):
    write_parts(tmp_path / "x", make_videos(3))
    (tmp_path / "x" / "failures.csv").write_text("nonsense")
    listener = Listener()
    merge([tmp_path / "x"], tmp_path / "y.h5", progress=listener)
    assert any("merged without it" in warning for warning in listener.warnings)
    require_holds(tmp_path / "y.h5", make_videos(3))


@pytest.mark.parametrize(
    ("present", "missing"),
    [(["0-of-3", "1-of-3", "2-of-3"], ()), (["0-of-3", "2-of-3"], ("1/3",)), (["0-of-3", "0-of-2", "1-of-2"], ())],
)
def test_missing_shards_are_named(tmp_path, present, missing):
    for number, name in enumerate(present):
        with PartWriter(tmp_path / "x", SPEC, worker=name) as writer:
            writer.append(make_features(np.random.default_rng(0), f"v{number}"))
    listener = Listener()
    report = merge([tmp_path / "x"], tmp_path / "y.h5", progress=listener)
    assert report.missing_shards == missing
    assert [name in text for name in missing for text in listener.warnings] == [True] * len(missing)
    assert bool(listener.warnings) == bool(missing)
