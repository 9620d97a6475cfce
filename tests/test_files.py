"""Atomic writes, digests and tensor files."""

import errno
import os
import struct

import numpy as np
import pytest

from tsmfeat import files
from tsmfeat.errors import CheckpointError, OutputError


def test_the_final_name_shows_the_whole_content(tmp_path):
    files.write_atomically(tmp_path / "a", [b"one", memoryview(b"two"), np.arange(3, dtype=np.uint8).data])
    assert (tmp_path / "a").read_bytes() == b"onetwo\0\1\2"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a"]


def test_an_existing_name_is_replaced_or_refused(tmp_path):
    target = tmp_path / "a"
    files.write_atomically(target, [b"old"])
    with pytest.raises(FileExistsError):
        files.write_atomically(target, [b"new"], replace=False)
    assert target.read_bytes() == b"old"
    files.write_atomically(target, [b"new"])
    assert target.read_bytes() == b"new"
    assert len(list(tmp_path.iterdir())) == 1


def test_short_writes_are_continued(tmp_path, monkeypatch):
    whole = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, view: whole(descriptor, bytes(view[:3])))
    files.write_atomically(tmp_path / "a", [b"0123456789"])
    assert (tmp_path / "a").read_bytes() == b"0123456789"


@pytest.mark.parametrize("call", ["open", "write", "fsync", "replace"])
def test_a_failing_disk_leaves_the_old_file_and_no_temporary(tmp_path, monkeypatch, call):
    target = tmp_path / "a"
    target.write_bytes(b"old")

    def fail(*arguments, **options):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(OutputError, match="No space left on device") as caught:
        files.write_atomically(target, [b"new"])
    assert "run the same command again" in caught.value.hint
    monkeypatch.undo()
    assert target.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a"]


def test_a_failed_check_stops_the_publication(tmp_path):
    def refuse(path):
        assert path.read_bytes() == b"new"
        raise CheckpointError("no good", "")

    with pytest.raises(CheckpointError):
        files.write_atomically(tmp_path / "a", [b"new"], check=refuse)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_an_output_error(tmp_path):
    with pytest.raises(OutputError, match="cannot be written"):
        files.write_text(tmp_path / "no" / "a", "text")


def test_without_hard_links_a_rename_publishes(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "link", lambda *names: (_ for _ in ()).throw(OSError(errno.EPERM, "no links")))
    files.write_atomically(tmp_path / "a", [b"one"], replace=False)
    assert (tmp_path / "a").read_bytes() == b"one"
    with pytest.raises(FileExistsError):
        files.write_atomically(tmp_path / "a", [b"two"], replace=False)
    assert (tmp_path / "a").read_bytes() == b"one"


def test_digests_of_files_and_texts_agree_with_the_standard(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, example B.1
    assert files.sha256_file(tmp_path / "a") == expected == files.sha256_text("abc")


def test_tensor_identity_sees_names_shapes_and_values():
    base = {"w": np.arange(6.0).reshape(2, 3), "b": np.zeros(2)}
    same = {"b": np.zeros(2, np.float32), "w": np.asfortranarray(base["w"])}
    assert files.digest_tensors(base) == files.digest_tensors(same)
    for other in (
        {"v": base["w"], "b": base["b"]},
        {"w": base["w"].T, "b": base["b"]},
        {"w": base["w"] + 1, "b": base["b"]},
    ):
        assert files.digest_tensors(base) != files.digest_tensors(other)


def test_tensors_round_trip_with_their_header(tmp_path):
    tensors = {"w": np.arange(6, dtype=np.float32).reshape(2, 3), "n": np.arange(3)}
    files.save_tensors(tmp_path / "h.safetensors", tensors, {"kind": "heads", "version": 1, "names": ["ü"]})
    loaded, header = files.load_tensors(tmp_path / "h.safetensors", "heads")
    assert header == {"kind": "heads", "version": 1, "names": ["ü"]}
    assert all(
        np.array_equal(loaded[name], tensors[name]) and loaded[name].dtype == tensors[name].dtype for name in tensors
    )


def test_a_checkpoint_of_another_kind_is_refused(tmp_path):
    files.save_tensors(tmp_path / "t", {"w": np.zeros(1)}, {"kind": "trunk", "version": 1})
    with pytest.raises(CheckpointError, match="holds 'trunk'; a file of kind 'heads' is expected"):
        files.load_tensors(tmp_path / "t", "heads")


def test_non_finite_tensors_are_refused(tmp_path):
    files.save_tensors(tmp_path / "t", {"w": np.array([1.0, np.nan])}, {"kind": "heads", "version": 1})
    with pytest.raises(CheckpointError, match="'w' holds NaN"):
        files.load_tensors(tmp_path / "t", "heads")


@pytest.mark.parametrize(
    "content",
    [b"", b"hello", struct.pack("<Q", 1 << 60) + b"{}", struct.pack("<Q", 2) + b"{}", struct.pack("<Q", 2) + b"[]"],
    ids=["empty", "text", "huge header", "no metadata", "not an object"],
)
def test_damaged_tensor_files_are_refused(tmp_path, content):
    (tmp_path / "t").write_bytes(content)
    with pytest.raises(CheckpointError):
        files.load_tensors(tmp_path / "t", "heads")


def test_missing_and_truncated_tensor_files_are_refused(tmp_path):
    with pytest.raises(CheckpointError):
        files.read_header(tmp_path / "none")
    files.save_tensors(tmp_path / "t", {"w": np.zeros(100)}, {"kind": "heads", "version": 1})
    content = (tmp_path / "t").read_bytes()
    for size in range(0, len(content), 37):
        (tmp_path / "t").write_bytes(content[:size])
        with pytest.raises(CheckpointError):
            files.read_header(tmp_path / "t")
