"""Writing parts and packing them: round trips, names, refusals, equal bytes for equal input."""

import hashlib
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from factories_store import CREATED, make_features, make_spec, make_videos, same_features, write_parts
from hypothesis import given, settings
from hypothesis import strategies as st

from tsmfeat import files
from tsmfeat.errors import ConfigurationError, InputError, OutputError, SpecMismatchError, StoreError
from tsmfeat.files import sha256_file, write_atomically
from tsmfeat.store import publishing, writer
from tsmfeat.store.folders import finished_videos, output_files, parts_folder, remove_parts, set_aside
from tsmfeat.store.image import build_image, collect_columns
from tsmfeat.store.options import StoreOptions
from tsmfeat.store.packing import pack
from tsmfeat.store.reader import open_features
from tsmfeat.store.writer import PartWriter
from tsmfeat.values.features import Decoder, VideoStatus

DOCUMENT = Path(__file__).parents[1] / "docs" / "feature-store.md"


def pack_output(out: Path) -> None:
    with open_features(output_files(out)) as store:
        pack(store, out, created=CREATED)
    remove_parts(store.files, out)


def test_every_field_of_a_video_comes_back_bit_for_bit(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    video = make_features(rng, "kitchen/cam 1 – ö", 7, 8, VideoStatus.TRUNCATED, Decoder.TORCHCODEC)
    write_parts(tmp_path, [video])
    with open_features(tmp_path) as store:
        assert same_features(store.features("kitchen/cam 1 – ö"), video)
        assert store.spec == make_spec()


def test_all_float16_values_survive(tmp_path: Path) -> None:
    bits = np.arange(2**16, dtype=np.uint16)
    finite = bits[(bits & 0x7C00) != 0x7C00].view(np.float16)
    table = np.resize(finite, (len(finite) // 8, 8))
    video = make_features(np.random.default_rng(0), "a", len(table))
    write_parts(tmp_path, [replace(video, embeddings=table)])
    with open_features(tmp_path) as store:
        assert store.embeddings("a").tobytes() == table.tobytes()


@settings(max_examples=30, deadline=None)
@given(
    st.dictionaries(
        st.text(st.characters(min_codepoint=32, exclude_characters="\x7f", exclude_categories=["Cs"]), min_size=1),
        st.integers(0, 9),
        max_size=6,
    ),
    st.integers(1, 5),
    st.integers(1, 4),
)
def test_any_ids_and_counts_make_the_round_trip_through_parts_and_packing(
    tmp_path_factory: pytest.TempPathFactory, counts: dict[str, int], size: int, videos_per_part: int
) -> None:
    out = tmp_path_factory.mktemp("store") / "x.h5"
    rng = np.random.default_rng(0)
    videos = [make_features(rng, video_id, count, size) for video_id, count in counts.items()]
    write_parts(parts_folder(out), videos, videos_per_part, make_spec(size))
    if not videos:
        assert output_files(out) == []
        return
    pack_output(out)
    with open_features(out) as store:
        assert store.video_ids == tuple(sorted(counts))
        assert all(same_features(store.features(video.video_id), video) for video in videos)


def test_a_store_is_readable_by_the_snippet_of_the_document_without_tsmfeat(tmp_path: Path) -> None:
    videos = make_videos(9)
    write_parts(tmp_path / "features.parts", videos)
    pack_output(tmp_path / "features.h5")
    snippet = re.search(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    assert snippet is not None
    report = """
import sys, json, hashlib
assert not any(name.startswith("tsmfeat") for name in sys.modules)
print(json.dumps({v: hashlib.sha256(table.tobytes()).hexdigest() for v, table in features.items()}))
"""
    code = snippet[1] + report
    done = subprocess.run([sys.executable, "-I", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    expected = {video.video_id: hashlib.sha256(video.embeddings.tobytes()).hexdigest() for video in videos}
    assert json.loads(done.stdout) == expected


def test_the_tree_is_the_one_the_document_states(tmp_path: Path) -> None:
    (part,) = write_parts(tmp_path, make_videos(3), 9)
    with h5py.File(part, "r") as file:
        found = {name: (file[name].dtype.str, file[name].shape) for name in file}
        assert {name: file[name].id.get_offset() % 64 for name in file if file[name].size} == dict.fromkeys(found, 0)
        # No dataset knows when it was made: equal input gives equal bytes tomorrow too.
        assert {h5py.h5g.get_objinfo(file.id, name.encode()).mtime for name in file} == {0}
        assert dict(file.attrs)["version_major"] == 1
        assert file.attrs["format"] == b"tsmfeat-features"
        assert json.loads(file.attrs["spec"]) == make_spec().to_dict()
        assert file.attrs["spec_sha256"].decode() == hashlib.sha256(file.attrs["spec"]).hexdigest()
        assert file.attrs["created"].decode() == CREATED
    counts = dict.fromkeys(("num_intervals", "num_frames_decoded", "num_bad_packets", "num_repeated_frames"), "<i4")
    times = dict.fromkeys(("duration_seconds", "start_seconds"), "<f8")
    codes = dict.fromkeys(("status", "decoder"), "|u1")
    rest = {"embedding_crc32": "<u4", "source_size": "<i8"}
    per_video = {name: (kind, (3,)) for name, kind in (counts | times | codes | rest).items()}
    assert found == per_video | {
        "video_id_bytes": ("|u1", (27,)),
        "video_id_offset": ("<i8", (4,)),
        "row_offset": ("<i8", (4,)),
        "distinct_frames": ("|u1", (8,)),
        "embeddings": ("<f2", (8, 8)),
    }


def test_equal_input_gives_equal_bytes_and_the_part_is_named_by_them(tmp_path: Path) -> None:
    (one,) = write_parts(tmp_path / "one", make_videos(6), 9)
    (other,) = write_parts(tmp_path / "other", make_videos(6), 9)
    assert one.name == other.name
    assert one.read_bytes() == other.read_bytes()
    assert one.name == f"part-test-{hashlib.sha256(one.read_bytes()).hexdigest()[:16]}.h5"


def test_the_image_stays_small_however_large_the_table(tmp_path: Path) -> None:
    columns = collect_columns(make_videos(1, embedding_size=2048))
    columns["row_offset"] = np.array([0, 10**7])
    image = build_image(make_spec(2048), columns, CREATED)
    assert len(image.head) < 10_000
    assert image.num_bytes == len(image.head) + 10**7 * 2048 * 2


def test_packing_leaves_no_trace_of_how_videos_were_spread(tmp_path: Path) -> None:
    videos = make_videos(11)
    write_parts(tmp_path / "a.parts", videos, 3)
    write_parts(tmp_path / "b.parts", videos[::-1], 4)
    pack_output(tmp_path / "a.h5")
    pack_output(tmp_path / "b.h5")
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()
    assert not (tmp_path / "a.parts").exists()


def test_packing_again_takes_new_parts_in(tmp_path: Path) -> None:
    out, videos = tmp_path / "x.h5", make_videos(9)
    write_parts(tmp_path / "x.parts", videos[:4])
    pack_output(out)
    write_parts(tmp_path / "x.parts", videos[4:])
    pack_output(out)
    with open_features(out) as store:
        assert store.num_videos == 9
        assert all(same_features(store.features(video.video_id), video) for video in videos)


def test_a_store_without_videos_is_legal(tmp_path: Path) -> None:
    for name in ("x.h5", "y.h5"):
        publishing.publish_file(
            tmp_path / name, build_image(make_spec(), collect_columns([]), CREATED), [], replace=False
        )
    write_parts(tmp_path / "parts", make_videos(2))
    with open_features(tmp_path / "x.h5") as store:
        assert (store.num_videos, store.num_intervals, store.video_ids) == (0, 0, ())
        pack(store, tmp_path / "z.h5", created=CREATED)
    assert (tmp_path / "z.h5").read_bytes() == (tmp_path / "x.h5").read_bytes()
    with open_features([tmp_path / "x.h5", tmp_path / "parts", tmp_path / "y.h5"]) as store:
        assert store.num_videos == 2


def test_packing_removes_only_what_was_packed(tmp_path: Path) -> None:
    out, videos = tmp_path / "x.h5", make_videos(8)
    write_parts(tmp_path / "x.parts", videos[:4])
    with open_features(output_files(out)) as store:
        pack(store, out)
        (late,) = write_parts(tmp_path / "x.parts", videos[4:])
    remove_parts(store.files, out)
    assert output_files(out) == [out, late]


def test_a_folder_output_keeps_its_parts_when_told_to_remove_packed_ones(tmp_path: Path) -> None:
    (part,) = write_parts(tmp_path / "shards", make_videos(2))
    remove_parts([part], tmp_path / "merged.h5")
    assert part.exists()


def test_a_damaged_video_stops_packing_and_nothing_is_written(tmp_path: Path) -> None:
    out = tmp_path / "x.h5"
    (part,) = write_parts(tmp_path / "x.parts", make_videos(4))
    flip_last_byte(part)
    with open_features(part) as store, pytest.raises(StoreError, match=r"part-test-.*video 003") as caught:
        pack(store, out)
    assert caught.value.exit_code == 4
    assert list(tmp_path.iterdir()) == [tmp_path / "x.parts"]


def test_packing_verifies_again_what_was_verified_before(tmp_path: Path) -> None:
    (part,) = write_parts(tmp_path / "x.parts", make_videos(4))
    with open_features(part) as store:
        store.gather(store.video_ids)
        flip_last_byte(part)
        with pytest.raises(StoreError, match="video 003"):
            pack(store, tmp_path / "x.h5")


def flip_last_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    with path.open("r+b") as stream:
        stream.write(content)


def test_publishing_nothing_writes_nothing(tmp_path: Path) -> None:
    with PartWriter(tmp_path / "parts", make_spec()) as writer:
        assert writer.publish() is None
    assert list((tmp_path / "parts").iterdir()) == []


def test_videos_are_finished_only_after_publishing(tmp_path: Path) -> None:
    one, two = make_videos(2)
    writer = PartWriter(tmp_path, make_spec())
    writer.append(two)
    writer.append(one)
    assert (writer.finished, writer.buffered) == ([], ("video 001", "video 000"))
    assert finished_videos(tmp_path, make_spec()).num_intervals == {}
    writer.publish()
    assert (writer.finished, writer.buffered) == (["video 001", "video 000"], ())
    assert finished_videos(tmp_path, make_spec()).num_intervals == {"video 000": 0, "video 001": 5}


def test_leaving_the_block_publishes_but_an_exception_does_not(tmp_path: Path) -> None:
    one, two = make_videos(2)
    with PartWriter(tmp_path, make_spec()) as writer:
        writer.append(one)
    with suppress(KeyboardInterrupt), PartWriter(tmp_path, make_spec()) as writer:
        writer.append(two)
        raise KeyboardInterrupt
    assert list(finished_videos(tmp_path, make_spec()).num_intervals) == ["video 000"]


def test_a_part_is_due_by_size(tmp_path: Path) -> None:
    writer = PartWriter(tmp_path, make_spec(), options=StoreOptions(part_bytes=160))
    assert not writer.publish_due
    writer.append(make_features(np.random.default_rng(0), "a", 9))
    assert not writer.publish_due
    writer.append(make_features(np.random.default_rng(0), "b", 1))
    assert writer.publish_due
    writer.publish()
    assert not writer.publish_due


def test_a_part_is_due_by_the_age_of_its_oldest_video(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(writer.time, "monotonic", lambda: now)
    parts = PartWriter(tmp_path, make_spec())
    one, two = make_videos(2)
    now = 200.0
    parts.append(one)
    now = 229.0
    parts.append(two)
    assert not parts.publish_due
    now = 230.0
    assert parts.publish_due


def test_publishing_the_same_videos_twice_is_success_with_one_part(tmp_path: Path) -> None:
    paths = {write_parts(tmp_path, make_videos(3))[0] for _ in range(2)}
    assert list(tmp_path.iterdir()) == list(paths)


@pytest.mark.parametrize("gone", [False, True], ids=["damaged", "packed away meanwhile"])
def test_a_part_that_lies_there_damaged_is_replaced_by_what_its_name_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gone: bool
) -> None:
    (part,) = write_parts(tmp_path / "one", make_videos(3))
    (tmp_path / "two").mkdir()
    clash = tmp_path / "two" / part.name
    parts = PartWriter(tmp_path / "two", make_spec(), worker="test")
    clash.write_bytes(b"other")
    if gone:
        monkeypatch.setattr(writer, "sha256_file", lambda path: path.unlink() or sha256_file(path))
    for video in make_videos(3):
        parts.append(video)
    assert parts.publish(CREATED) == clash
    assert clash.read_bytes() == part.read_bytes()
    assert len(parts.finished) == 3


def test_a_file_system_without_hard_links_is_served_by_renaming(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(source: Path, target: Path) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    for _ in range(2):
        (part,) = write_parts(tmp_path, make_videos(3))
    assert list(tmp_path.iterdir()) == [part]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"embeddings": np.zeros((5, 9), np.float16)}, "size 9; the spec says 8"),
        ({"distinct_frames": np.zeros(5, np.int64)}, "int64, not uint8"),
        ({"duration_seconds": float("nan")}, "duration nan"),
        ({"duration_seconds": -1.0}, "duration -1.0"),
        ({"start_seconds": float("inf")}, "start inf"),
        ({"num_bad_packets": -1}, "num_bad_packets is -1"),
        ({"num_frames_decoded": 2**31}, "num_frames_decoded is 2147483648"),
        ({"source_size": -1}, "source_size is -1"),
    ],
)
def test_values_a_store_cannot_hold_are_refused_when_appended(
    tmp_path: Path, change: dict[str, object], words: str
) -> None:
    video = replace(make_features(np.random.default_rng(0)), **change)
    parts = PartWriter(tmp_path, make_spec())
    with pytest.raises(InputError, match=f"a: .*{words}"):
        parts.append(video)
    assert parts.buffered == ()


def test_a_video_is_appended_once(tmp_path: Path) -> None:
    parts = PartWriter(tmp_path, make_spec())
    parts.append(make_videos(1)[0])
    with pytest.raises(InputError, match="video 000: appended twice"):
        parts.append(make_videos(1)[0])


@pytest.mark.parametrize("worker", ["a/b", "a b", "ö", "x" * 65, "../x"])
def test_worker_names_that_are_no_file_names_are_refused(tmp_path: Path, worker: str) -> None:
    with pytest.raises(ConfigurationError, match="worker name"):
        PartWriter(tmp_path, make_spec(), worker=worker)


def test_a_folder_of_another_spec_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    parts = write_parts(tmp_path, make_videos(2))
    other = make_spec(step_seconds=0.25, precision="bf16")
    with pytest.raises(SpecMismatchError, match=r"step_seconds: 0\.5 / 0\.25; precision: fp32 / bf16") as caught:
        PartWriter(tmp_path, other)
    assert caught.value.exit_code == 6
    with pytest.raises(SpecMismatchError, match=r"step_seconds: 0\.5 / 0\.25; precision: fp32 / bf16"):
        finished_videos(tmp_path, other)
    assert list(tmp_path.iterdir()) == parts


def test_finished_videos_are_those_of_the_packed_file_and_of_its_parts(tmp_path: Path) -> None:
    out, videos = tmp_path / "x.h5", make_videos(6)
    assert finished_videos(out, make_spec()).num_intervals == {}
    write_parts(tmp_path / "x.parts", videos[:2])
    pack_output(out)
    write_parts(tmp_path / "x.parts", videos[2:])
    found = finished_videos(out, make_spec()).num_intervals
    assert found == {video.video_id: len(video.embeddings) for video in videos}


def test_a_damaged_part_is_named_or_skipped_and_set_aside(tmp_path: Path) -> None:
    good, bad = write_parts(tmp_path, make_videos(6), 3)
    bad.write_bytes(bad.read_bytes()[:-1])
    with pytest.raises(StoreError, match=bad.name):
        finished_videos(tmp_path, make_spec())
    state = finished_videos(tmp_path, make_spec(), skip_damaged=True)
    assert list(state.num_intervals) == ["video 000", "video 001", "video 002"]
    assert [item.path for item in state.damaged] == [bad]
    assert "truncated" in state.damaged[0].reason
    moved = set_aside(bad)
    assert moved.name == f"{bad.name}.damaged"
    with open_features(tmp_path) as store:
        assert store.files == (good,)


def test_stale_temporary_files_go_and_those_of_others_stay(tmp_path: Path) -> None:
    digest = "0" * 16
    ended = subprocess.run(["sh", "-c", "echo $$"], capture_output=True, text=True, check=True).stdout.strip()
    here, rest = files.MACHINE_MARK, "00000000-00000000.tmp"
    dead = f"{here}-{ended}-{rest}"
    names = {
        "mine, of a dead process": f".part-me-{digest}.h5.{dead}",
        "mine, of an earlier run with this process id": f".part-me-{digest}.h5.{here}-{os.getpid()}-{rest}",
        "mine, of a living process": f".part-me-{digest}.h5.{here}-{os.getppid()}-{rest}",
        "another worker's": f".part-me-too-{digest}.h5.{dead}",
        "another worker's, old": f".part-old-{digest}.h5.{dead}",
        "mine, of another machine": f".part-me-{digest}.h5.00000000-{ended}-{rest}",
        "of another program": ".notes.tmp",
    }
    for name in names.values():
        (tmp_path / name).write_bytes(b"x")
    yesterday = time.time() - 25 * 3600
    os.utime(tmp_path / names["another worker's, old"], (yesterday, yesterday))
    PartWriter(tmp_path, make_spec(), worker="me")
    left = {what for what, name in names.items() if (tmp_path / name).exists()}
    assert left == {"mine, of a living process", "another worker's", "mine, of another machine", "of another program"}


def test_a_write_in_progress_survives_a_second_writer_of_the_same_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_back = publishing.read_index

    def second_writer_starts(path: Path) -> object:
        PartWriter(tmp_path, make_spec(), worker="test")
        return read_back(path)

    monkeypatch.setattr(publishing, "read_index", second_writer_starts)
    assert len(write_parts(tmp_path, make_videos(3))) == 1


def test_of_two_specs_that_begin_in_an_empty_folder_the_first_to_publish_stays(tmp_path: Path) -> None:
    ours, theirs = PartWriter(tmp_path, make_spec()), PartWriter(tmp_path, replace(make_spec(), step_seconds=0.25))
    for parts in (ours, theirs):
        parts.append(make_videos(2)[1])
    part = ours.publish(CREATED)
    with pytest.raises(SpecMismatchError, match=r"step_seconds"):
        theirs.publish(CREATED)
    assert list(tmp_path.iterdir()) == [part]
    assert theirs.finished == []


def test_what_cannot_be_read_back_is_not_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishing, "_chunks", lambda image, rows: [image.head, *list(rows)[:-1]])
    with pytest.raises(OutputError, match="cannot be read back"):
        write_parts(tmp_path, make_videos(3))
    assert list(tmp_path.iterdir()) == []


def test_lack_of_room_names_the_bytes_needed_and_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = publishing.shutil.disk_usage(tmp_path)._replace(free=1_234)
    monkeypatch.setattr(publishing.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(OutputError, match=r"[89],\d{3} bytes needed, 1,234 free") as caught:
        write_parts(tmp_path, make_videos(3))
    assert caught.value.exit_code == 7


@pytest.mark.parametrize("place", ["file", "file/parts"])
def test_a_folder_that_cannot_be_made_is_an_output_error(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match="cannot be made"):
        PartWriter(tmp_path / place, make_spec())


def test_write_atomically_leaves_the_old_content_when_the_check_fails(tmp_path: Path) -> None:
    target = tmp_path / "x"
    target.write_bytes(b"old")

    def refuse(path: Path) -> None:
        assert path.read_bytes() == b"new"
        raise StoreError("no", "")

    check: Callable[[Path], object] = refuse
    with pytest.raises(StoreError):
        write_atomically(target, [b"new"], check=check)
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]
