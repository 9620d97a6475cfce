"""Several steps, trunks and views in one decoding pass, and shares of the videos for several machines."""

import csv
import gc
import hashlib
from dataclasses import replace

import numpy as np
import pytest
from factories_videos import (
    COUNTS,
    EAGER,
    Listener,
    built_once,
    stored_checksums,
    stored_counts,
    tiny_options,
    write_tiny_video,
    write_tiny_videos,
)

from tsmfeat.errors import ConfigurationError, InputError, OutputError, SpecMismatchError
from tsmfeat.store.reader import open_features
from tsmfeat.trunk.options import TrunkOptions
from tsmfeat.workflows import extract
from tsmfeat.workflows.failures import load_failures
from tsmfeat.workflows.manifests import read_manifest
from tsmfeat.workflows.options import ExtractOptions
from tsmfeat.workflows.shards import shard_of
from tsmfeat.workflows.sources import VideoSource

__all__ = ["built_once"]

STEPS = (0.25, 0.5, 1.0)
TRUNKS = ("resnet18", "resnet34")


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("videos")
    write_tiny_videos(folder, 4)
    return folder


def trunk(name="resnet18", num_frames=2, checkpoint="random:0"):
    return TrunkOptions(name, checkpoint, num_frames, device="cpu", batch_size=1)


def many(*trunks, **options):
    return replace(tiny_options(batch_size=1), trunk=tuple(trunks), **options)


def test_one_pass_equals_six_runs_and_decodes_once(tmp_path, videos):
    report = extract([str(videos)], tmp_path / "all", many(*map(trunk, TRUNKS), step_seconds=STEPS))
    names = {f"{name}_t{step:g}.h5" for name in TRUNKS for step in STEPS}
    assert {path.name for path in (tmp_path / "all").iterdir()} == names
    assert [path.rpartition("/")[2] for path in report.out] == [f"{n}_t{s:g}.h5" for n in TRUNKS for s in STEPS]
    total = decoded = 0
    for name in TRUNKS:
        for step in STEPS:
            out = tmp_path / f"{name}_{step}.h5"
            alone = extract([str(videos)], out, tiny_options(batch_size=1, trunk=name, step_seconds=step))
            assert stored_checksums(tmp_path / "all" / f"{name}_t{step:g}.h5") == stored_checksums(out)
            total, decoded = total + alone.num_intervals, alone.frames_decoded
    assert (report.num_videos, report.num_done, report.num_intervals) == (4, 4, total)
    assert report.frames_decoded == decoded == 70
    assert len({spec.digest() for spec in report.specs}) == 6


def test_trunks_may_take_other_clips_of_the_same_frames(tmp_path, videos):
    one, other = trunk(num_frames=2), trunk("resnet34", num_frames=3)
    options = many(one, other, resizes=("square32", "short32-crop24"))
    report = extract([str(videos)], tmp_path / "all", options)
    extract([str(videos)], tmp_path / "one.h5", tiny_options(batch_size=1))
    alone = tiny_options(batch_size=1, trunk="resnet34", num_frames=3, resize="short32-crop24")
    extract([str(videos)], tmp_path / "other.h5", alone)
    assert [spec.geometry for spec in report.specs] == ["square32", "short32-crop24"]
    assert stored_checksums(tmp_path / "all" / "resnet18_t0.5.h5") == stored_checksums(tmp_path / "one.h5")
    assert stored_checksums(tmp_path / "all" / "resnet34_t0.5.h5") == stored_checksums(tmp_path / "other.h5")


def test_two_checkpoints_of_one_trunk_are_told_apart(tmp_path, videos):
    report = extract([str(videos / "clip0.mp4")], tmp_path, many(trunk(), trunk(checkpoint="random:1")))
    names = [path.rpartition("/")[2] for path in report.out]
    assert [name[:14] for name in names] == ["resnet18_t0.5_"] * 2
    assert len(set(names)) == 2
    again = extract([str(videos / "clip0.mp4")], tmp_path, many(trunk(), trunk(checkpoint="random:1")))
    assert (again.num_skipped, again.num_done, again.out) == (1, 0, report.out)


def test_a_precision_left_open_finds_the_outputs_of_two_checkpoints_in_another(tmp_path, videos):
    two = [replace(trunk(checkpoint=f"random:{seed}"), precision="bf16") for seed in (0, 1)]
    report = extract([str(videos / "clip0.mp4")], tmp_path, many(*two))
    again = extract([str(videos / "clip0.mp4")], tmp_path, many(trunk(), trunk(checkpoint="random:1")))
    assert (again.num_skipped, again.num_done, again.out) == (1, 0, report.out)
    assert {spec.precision for spec in again.specs} == {"bf16"}


def test_trunks_that_differ_in_precision_only_are_told_apart_by_it(tmp_path, videos):
    two = [replace(trunk(), precision=precision) for precision in ("bf16", "fp32")]
    report = extract([str(videos / "clip0.mp4")], tmp_path, many(*two))
    assert [path.rpartition("_")[2] for path in report.out] == ["bf16.h5", "fp32.h5"]


def test_one_trunk_twice_is_refused(tmp_path, videos):
    with pytest.raises(ConfigurationError, match=r"resnet18 at 0\.5 s is asked for 2 times"):
        extract([str(videos)], tmp_path / "all", many(trunk(), trunk()))
    assert not (tmp_path / "all").exists()


def test_overwriting_is_refused_before_anything_is_removed(tmp_path, videos):
    options = many(trunk(), step_seconds=(0.5, 1.0), shard="0/1")
    extract([str(videos / "clip0.mp4")], tmp_path, options)
    (part,) = (tmp_path / "resnet18_t1").iterdir()
    part.rename(part.with_name("mine.h5"))
    with pytest.raises(ConfigurationError, match="not a part of an extraction"):
        extract([str(videos / "clip0.mp4")], tmp_path, replace(options, overwrite=True))
    assert stored_counts(tmp_path / "resnet18_t0.5") == {"clip0": 2}


def test_trouble_of_one_output_leaves_what_is_complete_in_the_others(tmp_path, videos, monkeypatch):
    from tsmfeat.store.writer import PartWriter

    real = PartWriter.publish

    def publish(self, *words):
        if self._folder.name == "resnet18_t0.25.parts" and self.buffered:
            raise OutputError("no room here", "")
        return real(self, *words)

    monkeypatch.setattr(PartWriter, "publish", publish)
    with pytest.raises(OutputError, match="no room here"):
        extract([str(videos)], tmp_path, many(trunk(), step_seconds=STEPS))
    assert stored_counts(tmp_path / "resnet18_t0.5.h5") == COUNTS
    assert set(stored_counts(tmp_path / "resnet18_t1.h5")) == set(COUNTS)


def test_each_output_resumes_by_itself(tmp_path, videos):
    out, listener = tmp_path / "all", Listener()
    first = [str(videos / f"clip{number}.mp4") for number in (0, 1)]
    extract(first, out, many(trunk(), step_seconds=(0.5, 1.0)))
    (out / "resnet18_t1.h5").unlink()
    before = stored_checksums(out / "resnet18_t0.5.h5")
    report = extract([str(videos)], out, many(trunk(), step_seconds=(0.25, 0.5, 1.0)), listener)
    assert (report.num_skipped, report.num_done) == (0, 4)
    assert "2 videos are finished in some of the outputs, and go on in the others" in listener.notes
    assert stored_counts(out / "resnet18_t0.5.h5") == COUNTS
    assert stored_counts(out / "resnet18_t1.h5") == {"clip0": 1, "clip1": 1, "clip2": 2, "clip3": 2}
    assert stored_counts(out / "resnet18_t0.25.h5") == {"clip0": 4, "clip1": 6, "clip2": 8, "clip3": 10}
    assert before.items() <= stored_checksums(out / "resnet18_t0.5.h5").items()
    # Only what was missing was made: 4 videos at .25, 2 at .5, 4 at 1 s.
    assert report.num_intervals == 28 + 9 + 6
    assert extract([str(videos)], out, many(trunk(), step_seconds=(0.25, 0.5, 1.0))).num_skipped == 4


def test_an_output_that_is_killed_midway_goes_on(tmp_path, videos):
    class Stopping(Listener):
        def advance(self, amount=1.0, detail=""):
            super().advance(amount, detail)
            if len(self.done) == 2:
                raise KeyboardInterrupt

    options = many(*map(trunk, TRUNKS), store=EAGER)
    with pytest.raises(KeyboardInterrupt):
        extract([str(videos)], tmp_path / "all", options, Stopping())
    assert extract([str(videos)], tmp_path / "all", options).num_skipped == 2
    for name in TRUNKS:
        extract([str(videos)], tmp_path / f"{name}.h5", tiny_options(batch_size=1, trunk=name))
        assert stored_checksums(tmp_path / "all" / f"{name}_t0.5.h5") == stored_checksums(tmp_path / f"{name}.h5")


@pytest.mark.parametrize("order", [1, -1])
def test_an_embedding_that_one_output_refuses_leaves_the_others(tmp_path, videos, monkeypatch, order):
    from tsmfeat.trunk.embedding import Embedder

    real = Embedder.start

    def loud(self, clips):
        fetch = real(self, clips)
        return lambda: fetch() * (1e9 if self.num_frames == 3 else 1)

    monkeypatch.setattr(Embedder, "start", loud)
    options = many(*[trunk(), trunk("resnet34", num_frames=3)][::order])
    report = extract([str(videos)], tmp_path / "all", options)
    assert (report.num_done, report.num_failed) == (0, 4)
    assert {entry["reason"].rpartition(" ")[2] for entry in report.failed} == {"(resnet34_t0.5)"}
    assert stored_counts(tmp_path / "all" / "resnet18_t0.5.h5") == COUNTS
    assert not (tmp_path / "all" / "resnet34_t0.5.h5").exists()
    assert set(load_failures(tmp_path / "all" / "failures.csv")) == set(COUNTS)
    monkeypatch.undo()
    report = extract([str(videos)], tmp_path / "all", replace(options, retry_failed=True))
    assert (report.num_done, report.num_intervals) == (4, sum(COUNTS.values()))
    assert not (tmp_path / "all" / "failures.csv").exists()


def test_an_output_that_refused_a_video_holds_no_other_up(tmp_path, videos, monkeypatch):
    from tsmfeat.trunk.embedding import Embedder

    real = Embedder.start

    def loud(self, clips):
        fetch = real(self, clips)
        return lambda: fetch() * (1e9 if self.num_frames == 3 else 1)

    monkeypatch.setattr(Embedder, "start", loud)
    out, refusing = tmp_path / "all", trunk("resnet34", num_frames=3)
    extract([str(videos)], out, many(trunk(), refusing))
    # A step never tried before is made, by the trunk that can; the other outputs of that trunk are not tried again.
    report = extract([str(videos)], out, many(trunk(), refusing, step_seconds=(0.5, 1.0)))
    assert stored_counts(out / "resnet18_t1.h5") == {"clip0": 1, "clip1": 1, "clip2": 2, "clip3": 2}
    assert (report.num_done, report.num_failed) == (0, 4)
    listed = load_failures(out / "failures.csv")
    assert {failure.outputs for failure in listed.values()} == {"resnet34_t1"}
    alone = extract([str(videos)], out, many(trunk(), step_seconds=(0.25, 0.5)))
    assert (alone.num_done, alone.num_failed, stored_counts(out / "resnet18_t0.25.h5")["clip3"]) == (4, 0, 10)
    again = extract([str(videos)], out, many(trunk(), step_seconds=(0.25, 0.5)))
    assert (again.num_skipped, again.num_failed) == (4, 0)
    assert load_failures(out / "failures.csv") == listed
    monkeypatch.undo()
    mended = extract([str(videos)], out, many(trunk(), refusing, step_seconds=(0.5, 1.0), retry_failed=True))
    assert (mended.num_done, mended.num_failed) == (4, 0)
    assert not (out / "failures.csv").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"step_seconds": (0.5, 0.5)}, "one is given twice"),
        ({"step_seconds": ()}, "no step"),
        ({"resizes": ("square32",)}, "1 geometries for 2 trunks"),
        ({"step_seconds": (0.5, 2.0), "clip_seconds": 1.0}, "a clip spans its interval"),
        ({"shard": "4/4"}, "from 0 to n - 1"),
        ({"shard": "1 of 4"}, "from 0 to n - 1"),
        ({"shard": "-1/4"}, "from 0 to n - 1"),
    ],
)
def test_what_does_not_fit_together_is_refused(options, message):
    with pytest.raises(ConfigurationError, match=message):
        ExtractOptions((trunk(), trunk("resnet34")), **options)


@pytest.mark.parametrize("view", ["../../out", "360 °/left"])
def test_a_view_never_leads_out_of_the_folder(tmp_path, videos, view):
    out = tmp_path / "deep" / "kept"
    report = extract([str(videos / "clip0.mp4")], out, tiny_options(step_seconds=(0.5, 1.0), view=view))
    assert (report.num_done, report.spec.view) == (1, view)
    assert len(list(out.glob("*.h5"))) == len(list(tmp_path.rglob("*_t*"))) == 2
    with open_features(report.out[0]) as store:
        assert store.spec.view == view


def test_several_kinds_need_a_folder(tmp_path, videos):
    with pytest.raises(ConfigurationError, match="2 kinds of features"):
        extract([str(videos)], tmp_path / "x.h5", many(trunk(), step_seconds=(0.5, 1.0)))
    with pytest.raises(ConfigurationError, match="cannot be a file of its own"):
        extract([str(videos)], tmp_path / "x.h5", tiny_options(shard="0/2"))
    assert list(tmp_path.iterdir()) == []


def test_one_kind_and_several_do_not_share_a_folder(tmp_path, videos):
    one = [str(videos / "clip0.mp4")]
    extract(one, tmp_path / "parts", tiny_options())
    with pytest.raises(ConfigurationError, match="holds the parts of one kind"):
        extract(one, tmp_path / "parts", many(trunk(), step_seconds=(0.5, 1.0)))
    extract(one, tmp_path / "files", many(trunk(), step_seconds=(0.5, 1.0)))
    with pytest.raises(ConfigurationError, match="a file of each of several kinds") as caught:
        extract(one, tmp_path / "files", tiny_options())
    assert caught.value.hint == f"use -o {tmp_path / 'files' / 'resnet18_t0.5.h5'}"
    assert extract(one, tmp_path / "files" / "resnet18_t0.5.h5", tiny_options()).num_skipped == 1


def test_outputs_in_two_precisions_are_not_continued_in_one(tmp_path, videos):
    for step, precision in ((0.5, "fp32"), (1.0, "bf16")):
        out = tmp_path / f"resnet18_t{step:g}.h5"
        extract([str(videos / "clip0.mp4")], out, tiny_options(step_seconds=step, precision=precision))
    with pytest.raises(SpecMismatchError, match="different precisions"):
        extract([str(videos / "clip0.mp4")], tmp_path, many(trunk(), step_seconds=(0.5, 1.0)))
    assert stored_counts(tmp_path / "resnet18_t1.h5") == {"clip0": 1}


# Shards: every video in one share, the shares together all of them.


def naive_share(video_id, count):
    return int(hashlib.sha256(video_id.encode()).hexdigest(), 16) % count


def test_shards_divide_the_videos_and_leave_parts(tmp_path):
    write_tiny_videos(tmp_path / "videos", 7)
    ids = [f"clip{number}" for number in range(7)]
    assert [shard_of(video_id, 3) for video_id in ids] == [naive_share(video_id, 3) for video_id in ids]
    out, seen = tmp_path / "out", []
    for index in range(3):
        report = extract([str(tmp_path / "videos")], out, tiny_options(batch_size=1, shard=f"{index}/3"))
        assert list(report.video_ids) == [video_id for video_id in ids if naive_share(video_id, 3) == index]
        assert (report.num_done, report.num_failed) == (len(report.video_ids), 0)
        seen += report.video_ids
    assert sorted(seen) == ids
    assert {path.name.rpartition("-")[0] for path in out.iterdir()} == {f"part-shard-{i}-of-3" for i in range(3)}
    extract([str(tmp_path / "videos")], tmp_path / "x.h5", tiny_options(batch_size=1))
    assert stored_checksums(out) == stored_checksums(tmp_path / "x.h5")


def test_shards_of_several_kinds_write_folders_of_parts(tmp_path, videos):
    for index in range(2):
        options = many(trunk(), step_seconds=(0.5, 1.0), shard=f"{index}/2")
        report = extract([str(videos)], tmp_path / "out", options)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"resnet18_t0.5", "resnet18_t1"}
    assert [path.rpartition("/")[2] for path in report.out] == ["resnet18_t0.5", "resnet18_t1"]
    assert stored_counts(tmp_path / "out" / "resnet18_t0.5") == COUNTS


def test_a_shard_lists_its_own_failures_and_overwrites_its_own_parts(tmp_path, videos):
    folder = tmp_path / "videos"
    write_tiny_videos(folder, 4)
    bad = next(f"bad{n}" for n in range(99) if naive_share(f"bad{n}", 2) == 1)
    (folder / f"{bad}.mp4").write_text("no video")
    for index in range(2):
        extract([str(folder)], tmp_path / "out", tiny_options(batch_size=1, shard=f"{index}/2"))
    assert set(load_failures(tmp_path / "out" / "failures-1-of-2.csv")) == {bad}
    assert not (tmp_path / "out" / "failures-0-of-2.csv").exists()
    before = stored_checksums(tmp_path / "out")
    others = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("part-shard-0-*")}
    report = extract([str(folder)], tmp_path / "out", tiny_options(batch_size=1, shard="1/2", overwrite=True))
    assert report.num_done == sum(naive_share(video_id, 2) for video_id in COUNTS)
    assert others == {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("part-shard-0-*")}
    assert stored_checksums(tmp_path / "out") == before


def test_a_run_holds_no_videos_of_other_shares(tmp_path):
    write_tiny_videos(tmp_path / "videos", 4)
    share = naive_share("clip0", 5)
    mine = {video_id for video_id in COUNTS if naive_share(video_id, 5) == share}
    alive = set()

    class Counting(Listener):
        def advance(self, amount=1.0, detail=""):
            found = [thing for thing in gc.get_objects() if type(thing) is VideoSource]
            alive.update(source.video_id for source in found if source.path.is_relative_to(tmp_path))

    extract([str(tmp_path / "videos")], tmp_path / "out", tiny_options(batch_size=1, shard=f"{share}/5"), Counting())
    assert len(mine) < 4
    assert alive == mine


def test_a_share_without_videos_is_done_at_once(tmp_path, videos):
    empty = next(n for n in range(64) if n not in {naive_share(video_id, 64) for video_id in COUNTS})
    report = extract([str(videos)], tmp_path / "out", tiny_options(shard=f"{empty}/64"))
    assert (report.num_videos, report.num_done, report.num_failed) == (0, 0, 0)


# Manifests.


@pytest.fixture
def manifest(tmp_path):
    """Two videos, seen from two sides; files of both views have the same names."""
    rows = []
    for view, first in (("panoramic", 0), ("front_view", 2)):
        for number in range(2):
            path = write_tiny_video(tmp_path / view / f"v{number}.mp4", 1 + number / 2, seed=first + number)
            rows.append((f"walk {number}", view, path.relative_to(tmp_path)))
    path = tmp_path / "videos.csv"
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows([("video_id", "view", "path"), *rows])
    return path


def test_a_manifest_gives_a_store_a_view(tmp_path, manifest):
    out = tmp_path / "out"
    report = extract([], out, tiny_options(manifest=str(manifest), batch_size=1))
    assert {path.name for path in out.iterdir()} == {"resnet18_t0.5_panoramic.h5", "resnet18_t0.5_front_view.h5"}
    assert (report.num_videos, report.num_done, report.video_ids) == (4, 4, ("walk 0", "walk 1"))
    for view in ("panoramic", "front_view"):
        with open_features(out / f"resnet18_t0.5_{view}.h5") as store:
            assert store.spec.view == view
            assert {video_id: len(store.embeddings(video_id)) for video_id in store.video_ids} == {
                "walk 0": 2,
                "walk 1": 3,
            }
        extract([str(tmp_path / view)], tmp_path / f"{view}.h5", tiny_options(view=view, batch_size=1))
        expected = stored_checksums(tmp_path / f"{view}.h5")
        found = stored_checksums(out / f"resnet18_t0.5_{view}.h5")
        assert found == {f"walk {video_id[1:]}": checksum for video_id, checksum in expected.items()}
    assert extract([], out, tiny_options(manifest=str(manifest), batch_size=1)).num_skipped == 4


def test_one_view_of_a_manifest_is_one_output(tmp_path, manifest):
    report = extract([], tmp_path / "x.h5", tiny_options(manifest=str(manifest), view="front_view"))
    assert (report.num_videos, report.spec.view) == (2, "front_view")
    with pytest.raises(ConfigurationError, match="not in the manifest") as caught:
        extract([], tmp_path / "y.h5", tiny_options(manifest=str(manifest), view="front"))
    assert "front_view, panoramic" in caught.value.hint


def test_a_failed_view_is_listed_as_such_and_tried_again_alone(tmp_path, manifest):
    broken = tmp_path / "front_view" / "v1.mp4"
    good = broken.read_bytes()
    broken.write_text("no video")
    out = tmp_path / "out"
    report = extract([], out, tiny_options(manifest=str(manifest)))
    assert (report.num_done, report.num_failed) == (3, 1)
    with (out / "failures.csv").open(newline="") as stream:
        (row,) = csv.DictReader(stream)
    assert (row["video_id"], row["view"], row["attempts"]) == ("walk 1", "front_view", "1")
    broken.write_bytes(good)
    skipping = extract([], out, tiny_options(manifest=str(manifest)))
    assert (skipping.num_skipped, skipping.num_failed, skipping.num_done) == (3, 1, 0)
    again = extract([], out, tiny_options(manifest=str(manifest), retry_failed=True))
    assert (again.num_skipped, again.num_failed, again.num_done) == (3, 0, 1)
    assert not (out / "failures.csv").exists()


def test_the_views_of_a_video_stay_in_one_share(tmp_path, manifest):
    for index in range(2):
        report = extract([], tmp_path / "out", tiny_options(manifest=str(manifest), shard=f"{index}/2"))
        assert {naive_share(video_id, 2) for video_id in report.video_ids} <= {index}
        assert report.num_videos == 2 * len(report.video_ids)
        assert len(report.out) == 2


def write_rows(path, *rows):
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


def test_a_manifest_without_views_gives_ids_freely(tmp_path):
    write_tiny_video(tmp_path / "a.mp4", 1.0)
    path = write_rows(tmp_path / "m.csv", "\ufeffvideo_id,path", "käse/1,a.mp4", '"two, three",/nowhere/b.mp4')
    sources = read_manifest(path)
    assert [(s.video_id, s.path, s.view) for s in sources] == [
        ("käse/1", tmp_path / "a.mp4", ""),
        ("two, three", tmp_path / "/nowhere/b.mp4", ""),
    ]
    report = extract([], tmp_path / "x.h5", tiny_options(manifest=str(path), view="front"))
    assert (report.num_done, report.num_failed, report.spec.view) == (1, 1, "front")
    assert stored_counts(tmp_path / "x.h5") == {"käse/1": 2}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["video_id,file", "a,a.mp4"], "without column path; its first line is video_id, file"),
        (["video_id;path", "a;a.mp4"], "without column video_id, path; its first line is video_id;path.*with commas"),
        ([""], "its first line is empty"),
        (["video_id,path"], "no videos"),
        (["video_id,path", "a,a.mp4", "a,b.mp4"], "line 3: video 'a' is listed twice"),
        (["video_id,view,path", "a,x,a.mp4", "a,x,b.mp4"], "line 3: video 'a' view 'x' is listed twice"),
        (["video_id,path", ",a.mp4", "b,"], "line 2: a video id is empty.*line 3: no path"),
        (["video_id,path", "a"], "line 2: another number of columns"),
        (["video_id,path", "a,b,c"], "line 2: another number of columns"),
        (["video_id,view,path", "a,../x,a.mp4"], "line 2: view '../x'"),
        (["video_id,view,path", "a,front view,a.mp4"], "line 2: view 'front view'"),
        (["video_id,view,path", "a,360_panoramic,a.mp4", "b,_,", ",3,b.mp4"], "line 3: no path; line 4: a video id"),
        (["video_id,path", '"a,a.mp4'], "not a readable manifest"),
    ],
)
def test_rows_that_cannot_be_used_are_all_named(tmp_path, rows, message):
    with pytest.raises(InputError, match=message):
        read_manifest(write_rows(tmp_path / "m.csv", *rows))


def test_videos_and_a_manifest_exclude_each_other(tmp_path, manifest):
    with pytest.raises(ConfigurationError, match="videos and a manifest"):
        extract([str(tmp_path)], tmp_path / "x", tiny_options(manifest=str(manifest)))
    with pytest.raises(ConfigurationError, match="no videos named"):
        extract([], tmp_path / "x", tiny_options())
    with pytest.raises(InputError, match="not a readable manifest"):
        extract([], tmp_path / "x", tiny_options(manifest=str(tmp_path)))


def test_the_report_says_what_limited_the_run(tmp_path, videos):
    report = extract([str(videos)], tmp_path / "x.h5", tiny_options(batch_size=1))
    shares = report.effort.busy_shares()
    assert set(shares) == {"decode", "device", "disk"}
    assert all(0 <= share <= 1 for share in shares.values())
    assert report.effort.limited_by() == max(shares, key=shares.get)
    found = report.to_dict()
    assert (found["limited_by"], found["busy_shares"]) == (report.effort.limited_by(), shares)
    assert found["reader_peak_bytes"] > 1 << 20
    nothing = extract([str(videos)], tmp_path / "x.h5", tiny_options(batch_size=1))
    assert (nothing.effort.busy_shares(), nothing.effort.limited_by()) == ({}, "")


def test_a_slow_device_and_slow_readers_are_told_apart(tmp_path, videos, monkeypatch):
    import time

    from tsmfeat.trunk.embedding import Embedder

    real = Embedder.start

    def slow(self, clips):
        fetch = real(self, clips)
        time.sleep(0.1)
        self.busy_seconds += 0.1
        return fetch

    monkeypatch.setattr(Embedder, "start", slow)
    report = extract([str(videos)], tmp_path / "x.h5", tiny_options(batch_size=1))
    assert report.effort.limited_by() == "device"


def test_np_median_of_no_interval_is_no_repetition(tmp_path):
    path = write_tiny_video(tmp_path / "short.mp4", 0.7)
    listener = Listener()
    report = extract([str(path)], tmp_path / "out", many(trunk(), step_seconds=(0.5, 1.0)), listener)
    assert (report.num_done, report.num_intervals, report.num_repeating) == (1, 1, 0)
    assert [w for w in listener.warnings if w.endswith("shorter than one interval of 1 s")]
    assert np.array_equal(list(stored_counts(tmp_path / "out" / "resnet18_t1.h5").values()), [0])
