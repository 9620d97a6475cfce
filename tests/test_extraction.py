"""Extraction through the Python function: what is stored, what fails, how runs go on after each other."""

import math
from fractions import Fraction

import av
import numpy as np
import pytest
import torch
from factories_video import cut, make_video
from factories_videos import (
    COUNTS,
    EAGER,
    FPS,
    STEP,
    Listener,
    built_once,
    stored_counts,
    tiny_options,
    write_tiny_video,
    write_tiny_videos,
)
from PIL import Image

from tsmfeat.errors import (
    SpecMismatchError,
    TsmfeatError,
)
from tsmfeat.store.folders import output_files
from tsmfeat.store.reader import open_features
from tsmfeat.trunk.embedding import Embedder
from tsmfeat.trunk.tsm import build_trunk
from tsmfeat.workflows import extract, inspect
from tsmfeat.workflows.batching import ClipBatcher
from tsmfeat.workflows.failures import load_failures

__all__ = ["built_once"]


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("videos")
    write_tiny_videos(folder, 4)
    return folder


def expected_embeddings(path, step, num_frames, side):
    """Decode, sample, resize, normalise and embed by hand, with nothing of ours but the network."""
    with av.open(str(path)) as container:
        frames = [
            (frame.pts * frame.time_base, frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)
        ]
    start = frames[0][0]
    length = frames[-1][0] - start + Fraction(1, FPS)
    clips = []
    for interval in range(math.floor(length / Fraction(step))):
        for place in range(num_frames):
            centre = start + Fraction(step) * interval + Fraction(step) * (2 * place + 1) / (2 * num_frames)
            shown = [image for stamp, image in frames if stamp <= centre][-1]
            small = Image.fromarray(shown).resize((side, side), Image.Resampling.BILINEAR)
            clips.append((np.asarray(small) / 255 - (0.485, 0.456, 0.406)) / (0.229, 0.224, 0.225))
    batch = torch.tensor(np.array(clips, np.float32)).reshape(-1, num_frames, side, side, 3).permute(0, 1, 4, 2, 3)
    with torch.inference_mode():
        return build_trunk("resnet18", num_frames, "random:7")(batch).numpy().astype(np.float16)


def test_stored_values_equal_an_independent_computation(tmp_path):
    path = write_tiny_video(tmp_path / "walk.mp4", 2.3, seed=5)
    report = extract([str(path)], tmp_path / "x.h5", tiny_options(checkpoint="random:7", num_frames=3))
    expected = expected_embeddings(path, STEP, 3, 32)
    assert expected.shape == (4, 512)
    with open_features(tmp_path / "x.h5") as store:
        found = store.features("walk")
    assert np.abs(found.embeddings.astype(np.float32) - expected).max() <= 2e-3 * np.abs(expected).max()
    assert found.duration_seconds == pytest.approx(2.3)
    assert found.distinct_frames.tolist() == [3, 3, 3, 3]
    assert (found.num_frames_decoded, found.num_bad_packets, found.num_repeated_frames) == (23, 0, 0)
    assert found.source_size == path.stat().st_size
    assert (report.num_done, report.num_intervals, report.frames_decoded) == (1, 4, 23)
    assert report.video_seconds == pytest.approx(2.3)
    # The rows tell intervals apart: a shuffled store would not pass.
    assert np.abs(expected[0].astype(np.float32) - expected[1]).max() > 2e-2 * np.abs(expected).max()


def test_the_spec_says_what_was_done(tmp_path, videos):
    options = tiny_options(step_seconds=1, clip_seconds=2.0, view="front", shift="off", precision="bf16")
    report = extract([str(videos / "clip2.mp4")], tmp_path / "x.h5", options)
    with open_features(tmp_path / "x.h5") as store:
        spec = store.spec
    assert report.spec == spec
    assert spec.to_dict() | {"checkpoint_digest": ""} == {
        "trunk": "resnet18",
        "checkpoint_digest": "",
        "num_frames": 2,
        "step_seconds": 1.0,
        "clip_seconds": 2.0,
        "geometry": "square32",
        "resize_filter": "pil",
        "shift": False,
        "shift_div": 8,
        "precision": "bf16",
        "embedding_size": 512,
        "view": "front",
        "reader": "",
        "sampling_version": 1,
    }
    assert spec.checkpoint_digest == build_trunk("resnet18", 2, "random:0").checkpoint_digest


def test_counts_are_whole_intervals(tmp_path, videos):
    report = extract([str(videos)], tmp_path / "x.h5", tiny_options())
    assert stored_counts(tmp_path / "x.h5") == COUNTS
    assert (report.num_videos, report.num_done, report.num_intervals, report.num_failed) == (4, 4, 14, 0)
    assert report.frames_decoded == 70
    assert [path.name for path in tmp_path.iterdir()] == ["x.h5"]


@pytest.mark.parametrize(("batch_size", "workers"), [(1, 2), (5, 1)])
def test_batches_and_readers_do_not_change_embeddings(tmp_path, videos, batch_size, workers):
    extract([str(videos)], tmp_path / "a.h5", tiny_options())
    extract([str(videos)], tmp_path / "b.h5", tiny_options(batch_size=batch_size, workers=workers))
    with open_features(tmp_path / "a.h5") as one, open_features(tmp_path / "b.h5") as other:
        assert one.video_ids == other.video_ids == tuple(COUNTS)
        for video_id in one.video_ids:
            a, b = (store.embeddings(video_id).astype(np.float32) for store in (one, other))
            assert np.linalg.norm(a - b, axis=1).max() <= 1e-3 * np.linalg.norm(a, axis=1).min()


def test_a_video_shorter_than_the_step_is_stored_empty_with_a_warning(tmp_path, videos):
    path = write_tiny_video(tmp_path / "short.mp4", 0.4)
    listener = Listener()
    report = extract([str(path), str(videos / "clip0.mp4")], tmp_path / "x.h5", tiny_options(), listener)
    assert stored_counts(tmp_path / "x.h5") == {"clip0": 2, "short": 0}
    assert (report.num_done, report.num_failed, report.num_repeating) == (2, 0, 0)
    assert [w for w in listener.warnings if "short.mp4: 0.400 s, shorter than one interval" in w]


@pytest.mark.parametrize(("num_frames", "repeating"), [(9, 0), (10, 0), (11, 1)])
def test_clips_that_repeat_more_than_half_of_their_frames_are_counted(tmp_path, videos, num_frames, repeating):
    # Half a second at 10 frames a second: five distinct frames, whatever is asked for.
    report = extract([str(videos / "clip1.mp4")], tmp_path / "x.h5", tiny_options(num_frames=num_frames))
    assert report.num_repeating == repeating


@pytest.fixture
def mixed(tmp_path):
    """Two good videos among bad ones."""
    folder = tmp_path / "mixed"
    write_tiny_videos(folder, 2)
    (folder / "text.mp4").write_text("this is no video")
    (folder / "empty.mp4").touch()
    (folder / "link.mp4").symlink_to(folder / "gone.mp4")
    (folder / "noise.mp4").write_bytes(np.random.default_rng(0).bytes(5000))
    cut(write_tiny_video(folder / "whole.mp4", 3.0), 0.6, "cut.mp4")
    (folder / "whole.mp4").unlink()
    return folder


BAD = {"text", "empty", "link", "noise", "cut"}


def test_bad_files_are_listed_with_their_reason_and_the_run_goes_on(tmp_path, mixed):
    out, listener = tmp_path / "x.h5", Listener()
    report = extract([str(mixed)], out, tiny_options(workers=2), listener)
    assert stored_counts(out) == {"clip0": 2, "clip1": 3}
    assert (report.num_videos, report.num_done, report.num_failed, report.num_skipped) == (7, 2, 5, 0)
    listed = load_failures(tmp_path / "x.failures.csv")
    assert set(listed) == BAD
    assert listed["empty"].reason == "0 bytes; a video cannot be empty"
    assert listed["link"].reason == "no such file"
    assert "not a readable video" in listed["text"].reason
    assert {failure.stage for failure in listed.values()} == {"probe"}
    for failure in listed.values():
        assert failure.attempts == 1
        assert failure.path == str(mixed / f"{failure.video_id}.mp4")
        assert failure.path not in failure.reason
        assert "\n" not in failure.reason
    assert {(entry["path"], entry["reason"]) for entry in report.failed} == {
        (f.path, f.reason) for f in listed.values()
    }
    # Every video is counted once, good or bad.
    assert sorted(listener.done) == sorted([*BAD, "clip0", "clip1"])


def test_failed_videos_are_skipped_until_they_are_asked_for(tmp_path, mixed):
    out, csv = tmp_path / "x.h5", tmp_path / "x.failures.csv"
    extract([str(mixed)], out, tiny_options())
    listener = Listener()
    again = extract([str(mixed)], out, tiny_options(), listener)
    # They still have no features: the run tells so again, but tries nothing.
    assert (again.num_done, again.num_skipped, again.num_failed) == (0, 2, 5)
    assert not listener.begun
    assert any("5 videos failed before, skipped now; --retry-failed" in warning for warning in listener.warnings)
    assert {failure.attempts for failure in load_failures(csv).values()} == {1}
    write_tiny_video(mixed / "text.mp4", 1.0, seed=9)
    (mixed / "noise.mp4").unlink()
    retried = extract([str(mixed)], out, tiny_options(retry_failed=True))
    assert (retried.num_done, retried.num_skipped, retried.num_failed) == (1, 2, 3)
    assert {name: failure.attempts for name, failure in load_failures(csv).items()} == {
        "empty": 2,
        "link": 2,
        "cut": 2,
        "noise": 1,
    }
    assert stored_counts(out) == {"clip0": 2, "clip1": 3, "text": 2}


def test_a_failure_list_goes_when_nothing_fails_any_more(tmp_path, mixed):
    out = tmp_path / "parts"
    extract([str(mixed / "clip0.mp4"), str(mixed / "empty.mp4")], out, tiny_options())
    assert set(load_failures(out / "failures.csv")) == {"empty"}
    write_tiny_video(mixed / "empty.mp4", 1.0)
    extract([str(mixed / "empty.mp4")], out, tiny_options(retry_failed=True))
    assert not (out / "failures.csv").exists()


def test_a_run_of_bad_files_alone_leaves_the_list_alone(tmp_path, mixed):
    out = tmp_path / "new" / "folder" / "x.h5"
    report = extract([str(mixed / "empty.mp4")], out, tiny_options())
    assert (report.num_done, report.num_failed) == (0, 1)
    assert [path.name for path in out.parent.iterdir()] == ["x.failures.csv"]


def test_partial_videos_are_kept_where_they_are_wanted(tmp_path):
    whole = make_video(tmp_path / "whole.mp4", range(90), container_options={"movflags": "faststart"})
    path = cut(whole, 0.6)
    assert extract([str(path)], tmp_path / "x.h5", tiny_options()).num_failed == 1
    kept = extract([str(path)], tmp_path / "x.h5", tiny_options(allow_partial=True, retry_failed=True))
    assert (kept.num_failed, kept.num_done) == (0, 1)
    (video,) = inspect(tmp_path / "x.h5")["videos"]
    assert video["status"] == "truncated"
    assert 0 < video["num_intervals"] < 6
    assert not (tmp_path / "x.failures.csv").exists()


@pytest.mark.parametrize("content", [b"", b"\x00\xff\xfe"])
def test_a_corrupt_failure_list_costs_a_warning(tmp_path, mixed, content):
    out, csv = tmp_path / "x.h5", tmp_path / "x.failures.csv"
    extract([str(mixed)], out, tiny_options())
    before = csv.read_bytes()
    csv.write_bytes(content)
    listener = Listener()
    report = extract([str(mixed)], out, tiny_options(), listener)
    assert any("list of failures" in warning for warning in listener.warnings)
    # All of them were tried again.
    assert (report.num_skipped, report.num_failed) == (2, 5)
    assert csv.read_bytes() == before


def test_embeddings_beyond_float16_fail_their_video_only(tmp_path, videos, monkeypatch):
    real, seen = Embedder.start, []

    def loud(self, clips):
        fetch, first = real(self, clips), not seen
        seen.append(len(clips))

        def louder():
            rows = fetch().copy()
            if first:
                rows[0, 3] = 1e6
            return rows

        return louder

    monkeypatch.setattr(Embedder, "start", loud)
    report = extract([str(videos)], tmp_path / "x.h5", tiny_options())
    assert (report.num_done, report.num_failed) == (3, 1)
    listed = load_failures(tmp_path / "x.failures.csv")
    assert listed["clip0"].stage == "embed"
    assert listed["clip0"].reason.startswith("interval 0 has a NaN or infinite embedding")


def test_a_video_without_room_for_its_embeddings_fails_alone(tmp_path, videos, monkeypatch):
    real = ClipBatcher.open

    def full(self, key, num_intervals):
        if num_intervals == 3:
            raise MemoryError
        real(self, key, num_intervals)

    monkeypatch.setattr(ClipBatcher, "open", full)
    report = extract([str(videos)], tmp_path / "x.h5", tiny_options())
    assert report.failed == (
        {"path": str(videos / "clip1.mp4"), "reason": "no memory for the embeddings of 3 intervals"},
    )
    assert stored_counts(tmp_path / "x.h5") == {"clip0": 2, "clip2": 4, "clip3": 5}


def test_a_second_run_does_nothing(tmp_path, videos):
    out = tmp_path / "x.h5"
    extract([str(videos)], out, tiny_options())
    before, listener = out.read_bytes(), Listener()
    again = extract([str(videos)], out, tiny_options(), listener)
    assert (again.num_done, again.num_skipped, again.num_failed, again.frames_decoded) == (0, 4, 0, 0)
    assert not listener.begun
    assert out.read_bytes() == before
    assert list(tmp_path.iterdir()) == [out]


def test_new_videos_are_packed_with_the_old(tmp_path, videos):
    out, listener = tmp_path / "x.h5", Listener()
    extract([str(videos / "clip1.mp4"), str(videos / "clip3.mp4")], out, tiny_options())
    report = extract([str(videos)], out, tiny_options(), listener)
    assert (report.num_done, report.num_skipped) == (2, 2)
    assert any("packed anew at the end" in note for note in listener.notes)
    assert stored_counts(out) == COUNTS
    assert list(tmp_path.iterdir()) == [out]


def test_a_folder_stays_a_folder_of_parts(tmp_path, videos):
    out = tmp_path / "parts"
    for name in ("clip0.mp4", "clip2.mp4"):
        extract([str(videos / name)], out, tiny_options(store=EAGER))
    report = extract([str(videos)], out, tiny_options(store=EAGER))
    assert (report.num_done, report.num_skipped, report.out) == (2, 2, (str(out),))
    assert all(path.name.startswith("part-") and path.suffix == ".h5" for path in out.iterdir())
    assert len(list(out.iterdir())) >= 3
    assert stored_counts(out) == COUNTS


def test_overwrite_starts_anew(tmp_path, videos):
    for out in (tmp_path / "x.h5", tmp_path / "parts"):
        extract([str(videos / "clip0.mp4"), str(videos / "clip1.mp4")], out, tiny_options(store=EAGER))
        report = extract([str(videos / "clip2.mp4")], out, tiny_options(step_seconds=1.0, overwrite=True))
        assert (report.num_done, report.num_skipped) == (1, 0)
        assert stored_counts(out) == {"clip2": 2}


def test_overwrite_removes_nothing_before_all_else_is_checked(tmp_path, videos):
    out = tmp_path / "x.h5"
    extract([str(videos / "clip0.mp4")], out, tiny_options())
    before = out.read_bytes()
    for options in (
        tiny_options(overwrite=True, checkpoint=str(tmp_path / "nowhere.pth")),
        tiny_options(overwrite=True, step_seconds=0.0),
    ):
        with pytest.raises(TsmfeatError):
            extract([str(videos)], out, options)
        assert out.read_bytes() == before


OTHER_SPECS = [
    ({"step_seconds": 0.25}, ["step_seconds: 0.5 / 0.25", "clip_seconds: 0.5 / 0.25"]),
    ({"trunk": "resnet34"}, ["trunk: resnet18 / resnet34", "checkpoint_digest"]),
    ({"checkpoint": "random:1"}, ["checkpoint_digest"]),
    ({"num_frames": 3}, ["num_frames: 2 / 3"]),
    ({"resize": "short40-crop32"}, ["geometry: square32 / short40-crop32"]),
    ({"shift": "off"}, ["shift: True / False"]),
    ({"precision": "bf16"}, ["precision: fp32 / bf16"]),
    ({"clip_seconds": 1.0}, ["clip_seconds: 0.5 / 1.0"]),
    ({"view": "front"}, ["view:  / front"]),
]


def test_another_spec_is_refused_before_decoding_naming_each_field(tmp_path, videos, monkeypatch):
    outs = [tmp_path / "x.h5", tmp_path / "parts"]
    for out in outs:
        extract([str(videos / "clip0.mp4")], out, tiny_options())
    monkeypatch.setattr("tsmfeat.workflows.extraction.extract_videos", lambda *_: pytest.fail("it began to read"))
    for out in outs:
        before = output_files(out)[0].read_bytes()
        for changes, fields in OTHER_SPECS if out.suffix else OTHER_SPECS[:1]:
            with pytest.raises(SpecMismatchError) as caught:
                extract([str(videos)], out, tiny_options(**changes))
            assert caught.value.exit_code == 6
            named = caught.value.message.split("): ")[1].split("; ")
            assert len(named) == len(fields)
            assert all(entry.startswith(field) for entry, field in zip(named, fields, strict=True))
            assert output_files(out)[0].read_bytes() == before


def test_automatic_precision_keeps_that_of_the_output(tmp_path, videos):
    out = tmp_path / "x.h5"
    extract([str(videos / "clip0.mp4")], out, tiny_options(precision="bf16"))
    report = extract([str(videos)], out, tiny_options(precision="auto"))
    assert (report.spec.precision, report.num_skipped, report.num_done) == ("bf16", 1, 3)
    anew = extract([str(videos / "clip0.mp4")], out, tiny_options(precision="auto", overwrite=True))
    assert anew.spec.precision == "fp32"
