"""Reading stores: what is handed out, several files as one, duplicates, verification, refusals."""

import os
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import DATA
from factories_store import make_features, make_spec, make_videos, same_features, write_parts
from naive_store import write_naive_store

from tsmfeat.errors import ConfigurationError, InputError, SpecMismatchError, StoreError
from tsmfeat.store import rows
from tsmfeat.store.packing import describe_store, find_damaged, find_differing_copies
from tsmfeat.store.reader import open_features
from tsmfeat.values.features import Decoder, VideoStatus


def flip_byte(path: Path, needle: bytes) -> None:
    """Flip one bit in the middle of the one place where some bytes stand."""
    content = path.read_bytes()
    assert content.count(needle) == 1
    place = content.index(needle) + len(needle) // 2
    with path.open("r+b") as stream:
        stream.seek(place)
        stream.write(bytes([content[place] ^ 1]))


def test_a_file_written_from_the_document_by_hand_is_read(tmp_path: Path) -> None:
    write_naive_store(tmp_path / "x.h5")
    with open_features(tmp_path / "x.h5") as store:
        assert store.video_ids == ("a", "né")
        assert (len(store), store.num_videos, store.num_intervals) == (2, 2, 5)
        assert store.row_offset.tolist() == [0, 3, 5]
        assert store.embeddings("a").tolist() == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]
        assert store.distinct_frames("né").tolist() == [6, 5]
        assert store.duration_seconds.tolist() == [1.75, 1.0]
        assert store.status.tolist() == [0, 1]
        assert store.column("source_size").tolist() == [2**40, 5]
        video = store.features("né")
    assert (video.start_seconds, video.num_frames_decoded, video.num_bad_packets) == (-0.5, 24, 1)
    assert (video.status, video.decoder) == (VideoStatus.TRUNCATED, Decoder.PYAV)
    assert video.embeddings.tolist() == [[12, 13, 14, 15], [16, 17, 18, 19]]


def test_the_golden_file_of_version_1_stays_readable() -> None:
    """Made by the writer of version 1.0: four videos, one of them empty; values by the formulas below."""
    with open_features(DATA / "store" / "features-v1.h5") as store:
        assert store.spec == make_spec(embedding_size=6, view="panoramic", step_seconds=0.25, clip_seconds=1.5)
        assert store.video_ids == ("empty", "kitchen/cam 1", "né", "z")
        assert store.column("num_intervals").tolist() == [0, 4, 1, 3]
        assert store.duration_seconds.tolist() == [0.125, 1.1, 0.25, 0.75]
        assert store.status.tolist() == [0, 1, 0, 2]
        assert store.column("decoder").tolist() == [0, 1, 2, 0]
        assert store.column("source_size").tolist() == [0, 2**40, 7, 1]
        assert store.column("num_repeated_frames").tolist() == [0, 3, 0, 12]
        assert store.distinct_frames("kitchen/cam 1").tolist() == [8, 7, 6, 5]
        for number, (video_id, count) in enumerate([("empty", 0), ("kitchen/cam 1", 4), ("né", 1), ("z", 3)]):
            expected = [[number + row / 4 - column * 2 for column in range(6)] for row in range(count)]
            assert store.embeddings(video_id).tolist() == expected
        assert find_damaged(store) == []


def test_arrays_are_read_only(tmp_path: Path) -> None:
    write_parts(tmp_path, make_videos(3))
    with open_features(tmp_path) as store:
        arrays = [store.embeddings("video 001"), store.embeddings("video 000"), store.row_offset, store.status]
    assert not any(values.flags.writeable for values in arrays)


def test_arrays_outlive_the_store_but_the_closed_store_refuses(tmp_path: Path) -> None:
    videos = make_videos(3)
    write_parts(tmp_path, videos)
    with open_features(tmp_path) as store:
        table = store.embeddings("video 001")
    assert table.tobytes() == videos[1].embeddings.tobytes()
    with pytest.raises(StoreError, match="closed"):
        store.embeddings("video 001")


def test_gather_joins_videos_in_the_order_wanted(tmp_path: Path) -> None:
    videos = make_videos(6)
    write_parts(tmp_path, videos, 2)
    with open_features(str(tmp_path)) as store:
        table, row_offset = store.gather(["video 004", "video 000", "video 001"])
        empty, no_offset = store.gather([])
    assert row_offset.tolist() == [0, 6, 6, 11]
    assert table.tobytes() == videos[4].embeddings.tobytes() + videos[1].embeddings.tobytes()
    assert (table.dtype, row_offset.dtype, empty.shape, no_offset.tolist()) == (np.float16, np.int64, (0, 8), [0])


def test_a_file_a_folder_and_a_list_are_one_store(tmp_path: Path) -> None:
    videos = make_videos(9)
    write_parts(tmp_path / "a", videos[:4], 2)
    (single,) = write_parts(tmp_path / "b", videos[4:])
    with open_features([tmp_path / "a", str(single), single]) as store:
        assert store.video_ids == tuple(video.video_id for video in videos)
        assert all(same_features(store.features(video.video_id), video) for video in videos)
        assert "video 003" in store
        assert "video 010" not in store


def num_open_handles() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.parametrize("limit", [0, 64])
def test_many_files_are_read_without_holding_them_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    monkeypatch.setattr(rows, "MAX_MAPPED_FILES", limit)
    videos = make_videos(8)
    write_parts(tmp_path, videos, 1)
    before = num_open_handles()
    with open_features(tmp_path) as store:
        assert all(same_features(store.features(video.video_id), video) for video in videos)
        assert not store.embeddings("video 001").flags.writeable
        held = num_open_handles() - before
    # Two of the eight videos are empty: there is nothing to map.
    assert held == (6 if limit else 0)
    del store
    assert num_open_handles() == before


def test_zero_intervals_are_legal_everywhere(tmp_path: Path) -> None:
    write_parts(tmp_path, [make_features(np.random.default_rng(0), "short", 0)])
    with open_features(tmp_path) as store:
        assert store.embeddings("short").shape == (0, 8)
        assert store.features("short").embeddings.dtype == np.float16
        assert (store.num_videos, store.num_intervals) == (1, 0)


def test_unknown_videos_are_counted_and_the_nearest_name_given(tmp_path: Path) -> None:
    write_parts(tmp_path, make_videos(3))
    with open_features(tmp_path) as store:
        with pytest.raises(InputError, match=r"1 of 1 wanted .*'vidoe 001'.* 3 stored.*did you mean 'video 001'"):
            store.embeddings("vidoe 001")
        with pytest.raises(InputError, match="2 of 3 wanted"):
            store.gather(["video 001", "x", "y"])
        with pytest.raises(InputError, match="tsmfeat inspect"):
            store.features("zzz")


def test_the_first_copy_of_a_video_counts(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    first, second = make_features(rng, "a", 3), make_features(rng, "a", 3)
    other = make_features(rng, "b", 2)
    (one,) = write_parts(tmp_path / "one", [first, other])
    (two,) = write_parts(tmp_path / "two", [second])
    winner = first if one.name < two.name else second
    for order in ([one, two], [two, one]):
        with open_features(order) as store:
            assert (store.video_ids, store.num_intervals, store.duplicated) == (("a", "b"), 5, ("a",))
            assert same_features(store.features("a"), winner)


def named_parts(tmp_path: Path, *videos: object) -> list[Path]:
    """Write each video as a part of its own, named 0.h5, 1.h5, ... so that the first one wins."""
    paths = []
    for number, video in enumerate(videos):
        (part,) = write_parts(tmp_path / f"folder {number}", [video])
        paths.append(part.rename(tmp_path / f"{number}.h5"))
    return paths


def test_an_intact_copy_stands_in_for_a_damaged_one(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    first, shorter, second = (make_features(rng, "a", n) for n in (3, 2, 3))
    paths = named_parts(tmp_path, first, shorter, second)
    flip_byte(paths[0], first.embeddings.tobytes())
    with open_features(paths) as store:
        assert store.embeddings("a").tobytes() == second.embeddings.tobytes()
        assert store.features("a").num_frames_decoded == second.num_frames_decoded
    flip_byte(paths[2], second.embeddings.tobytes())
    with open_features(paths) as store, pytest.raises(StoreError, match=r"0\.h5: .*'a' are damaged"):
        store.embeddings("a")


def test_copies_that_differ_by_more_than_rounding_are_listed(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    video = make_features(rng, "a", 4)
    nearly = replace(video, embeddings=(video.embeddings.astype(np.float32) * 1.01).astype(np.float16))
    far = replace(video, embeddings=(video.embeddings.astype(np.float32) * 1.03).astype(np.float16))
    shorter = make_features(rng, "a", 3)
    with open_features(named_parts(tmp_path / "near", video, nearly)) as store:
        assert find_differing_copies(store) == []
        assert find_differing_copies(store, share=0.005) == ["a"]
    with open_features(named_parts(tmp_path / "far", video, far)) as store:
        assert find_differing_copies(store) == ["a"]
    with open_features(named_parts(tmp_path / "shorter", video, shorter)) as store:
        assert find_differing_copies(store) == ["a"]


def test_a_damaged_video_is_named_at_its_first_read_and_the_others_stay_readable(tmp_path: Path) -> None:
    videos = make_videos(4)
    (part,) = write_parts(tmp_path, videos)
    flip_byte(part, videos[2].embeddings.tobytes())
    with open_features(part) as store:
        for _ in range(2):
            with pytest.raises(StoreError, match=rf"{part.name}.*'video 002'"):
                store.embeddings("video 002")
        with pytest.raises(StoreError, match="'video 002'"):
            store.gather(store.video_ids)
        assert same_features(store.features("video 003"), videos[3])
        assert [item.video_id for item in find_damaged(store)] == ["video 002"]
    with open_features(part, verify="never") as store:
        assert store.embeddings("video 002").tobytes() != videos[2].embeddings.tobytes()
        assert [item.video_id for item in find_damaged(store)] == ["video 002"]


def test_stored_infinities_are_found_by_reading_everything(tmp_path: Path) -> None:
    def put_infinity(content: dict) -> None:
        content["embeddings"][4, 1] = np.inf
        content["arrays"]["embedding_crc32"][1] = zlib.crc32(content["embeddings"][3:].tobytes())

    write_naive_store(tmp_path / "x.h5", put_infinity)
    with open_features(tmp_path / "x.h5") as store:
        (found,) = find_damaged(store)
        assert found.video_id == "né"
        assert "interval 1 has a NaN or infinite embedding" in found.reason


def test_files_of_two_specs_are_no_store_and_both_are_named(tmp_path: Path) -> None:
    write_parts(tmp_path / "a", make_videos(2))
    write_parts(tmp_path / "b", make_videos(2), spec=make_spec(step_seconds=1.0, geometry="short256-crop224"))
    with pytest.raises(SpecMismatchError) as caught:
        open_features([tmp_path / "a", tmp_path / "b"])
    for words in ("/a/part-test", "/b/part-test", "step_seconds: ", "geometry: "):
        assert words in caught.value.message
    assert caught.value.exit_code == 6
    # Which part's name comes first depends on their digests.
    found = Path((caught.value.hint or "").partition("of one spec only, such as ")[2])
    assert found.parent in (tmp_path / "a", tmp_path / "b")
    assert found.is_file()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: None, "no such file or folder"),
        (lambda path: path.mkdir(), r"a folder without \.h5 files.*tsmfeat extract"),
        (lambda path: path.write_bytes(b""), "x.h5: damaged or not a feature store"),
        (lambda path: path.write_text("video_id,label\n"), "x.h5: damaged or not a feature store"),
        (lambda path: os.mkfifo(path), "not a regular file"),
        (lambda path: path.symlink_to("nowhere"), "no such file or folder"),
        (lambda path: write_parts(path.with_suffix(".parts"), make_videos(1)), r"was stopped.*again.*x\.parts"),
    ],
)
def test_what_is_no_store_is_refused_with_a_remedy(tmp_path: Path, make: Callable[[Path], object], words: str) -> None:
    make(tmp_path / "x.h5")
    with pytest.raises(StoreError, match=words) as caught:
        open_features(tmp_path / "x.h5")
    assert caught.value.exit_code == 4
    assert caught.value.hint


def test_a_folder_that_cannot_be_listed_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(StoreError, match="cannot be listed"):
        open_features(tmp_path)


def test_an_empty_list_is_refused() -> None:
    with pytest.raises(StoreError, match="no feature store was given"):
        open_features([])


def test_an_unknown_way_to_verify_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="verify='always'; known: first, never"):
        open_features(tmp_path, verify="always")


def test_a_mapped_file_keeps_its_content_when_it_is_replaced_or_removed(tmp_path: Path) -> None:
    old, new = make_videos(3), make_videos(3, seed=1)
    (part,) = write_parts(tmp_path / "a", old)
    (other,) = write_parts(tmp_path / "b", new)
    with open_features(part) as store:
        other.replace(part)
        assert same_features(store.features("video 001"), old[1])
        part.unlink()
        assert same_features(store.features("video 002"), old[2])


@pytest.mark.parametrize("what", ["removed", "replaced", "cut"])
def test_an_unmapped_file_that_changed_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    monkeypatch.setattr(rows, "MAX_MAPPED_FILES", 0)
    (part,) = write_parts(tmp_path / "a", make_videos(3))
    (other,) = write_parts(tmp_path / "b", make_videos(3, seed=1))
    with open_features(part) as store:
        if what == "removed":
            part.unlink()
        elif what == "replaced":
            other.replace(part)
        else:
            os.truncate(part, part.stat().st_size - 1)
        with pytest.raises(StoreError, match="was removed or changed"):
            store.embeddings("video 001")


def test_a_file_that_cannot_be_mapped_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(19, "No such device")

    videos = make_videos(3)
    write_parts(tmp_path, videos)
    monkeypatch.setattr(rows.np, "memmap", refuse)
    with open_features(tmp_path) as store:
        assert same_features(store.features("video 001"), videos[1])


def test_a_read_only_file_in_a_read_only_folder_is_read(tmp_path: Path) -> None:
    (part,) = write_parts(tmp_path / "a", make_videos(2))
    part.chmod(0o444)
    part.parent.chmod(0o555)
    try:
        with open_features(tmp_path / "a") as store:
            assert store.num_videos == 2
    finally:
        part.parent.chmod(0o755)


def test_hidden_temporary_and_damaged_files_are_no_parts(tmp_path: Path) -> None:
    (part,) = write_parts(tmp_path, make_videos(2))
    for name in (f".{part.name}", f".{part.name}.1-0-0.tmp", "x.h5.damaged", "failures.csv"):
        (tmp_path / name).write_bytes(b"x")
    with open_features(tmp_path) as store:
        assert store.files == (part,)


def test_the_description_has_the_shape_of_the_contract(tmp_path: Path) -> None:
    write_naive_store(tmp_path / "x.h5")
    with open_features(tmp_path / "x.h5") as store:
        found = describe_store(store)
    assert list(found) == ["kind", "version", "spec", "num_videos", "num_intervals", "embedding_size", "videos"]
    assert (found["kind"], found["version"], found["embedding_size"]) == ("features", 1, 4)
    assert found["videos"][1] == {
        "video_id": "né",
        "num_intervals": 2,
        "duration_seconds": 1.0,
        "step_seconds": 0.5,
        "status": "truncated",
    }
