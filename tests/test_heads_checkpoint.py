"""Heads on disk: they come back whole, or are refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from factories_heads import make_spec, make_weights

from tsmfeat.errors import CheckpointError, SpecMismatchError
from tsmfeat.files import load_tensors, save_tensors
from tsmfeat.heads.checkpoint import HeadsCheckpoint, load_heads, save_heads
from tsmfeat.heads.options import HeadOptions
from tsmfeat.values.vocabulary import Vocabulary


@pytest.fixture
def heads() -> HeadsCheckpoint:
    return HeadsCheckpoint(
        make_weights(2, 3, 4),
        make_spec(4),
        Vocabulary(("open door", "ümläut")),
        Vocabulary(("kitchen", "park", "street")),
        HeadOptions(background_weight="balanced").to_dict(),
        {"best_epoch": 3, "epochs": [{"epoch": 1, "action_loss": 0.25}], "annotations": {"name": "a.json"}},
    )


@pytest.fixture
def saved(heads: HeadsCheckpoint, tmp_path: Path) -> Path:
    path = tmp_path / "heads.safetensors"
    save_heads(path, heads)
    return path


def rewrite(path: Path, change) -> None:
    """Change a file's tensors or header in place, its checksum left as it was."""
    tensors, header = load_tensors(path, "heads")
    change(tensors, header)
    save_tensors(path, tensors, header)


def test_heads_come_back_whole(heads, saved):
    loaded = load_heads(saved)
    for name, values in heads.weights.tensors().items():
        np.testing.assert_array_equal(getattr(loaded.weights, name), values)
    assert (loaded.spec, loaded.vocabulary, loaded.scene_vocabulary) == (
        heads.spec,
        heads.vocabulary,
        heads.scene_vocabulary,
    )
    assert HeadOptions(**loaded.options) == HeadOptions(background_weight="balanced")
    assert loaded.record == heads.record


def test_heads_without_scenes_come_back(heads, tmp_path):
    single = replace(heads, weights=make_weights(2, 0, 4), scene_vocabulary=Vocabulary(()))
    save_heads(tmp_path / "single", single)
    loaded = load_heads(tmp_path / "single")
    assert loaded.weights.scene_weight is None
    assert len(loaded.scene_vocabulary) == 0


def test_equal_heads_make_equal_files(heads, saved, tmp_path):
    save_heads(tmp_path / "again", heads)
    assert (tmp_path / "again").read_bytes() == saved.read_bytes()


def test_a_record_with_nan_is_saved_as_null(heads, tmp_path):
    odd = replace(heads, record={"score": float("nan"), "list": (1.0, float("inf")), "inner": {"x": float("-inf")}})
    save_heads(tmp_path / "odd", odd)
    assert load_heads(tmp_path / "odd").record == {"score": None, "list": [1.0, None], "inner": {"x": None}}


@pytest.mark.parametrize(
    "change",
    [
        {"spec": make_spec(5)},
        {"vocabulary": Vocabulary(("one",))},
        {"scene_vocabulary": Vocabulary(())},
        {"weights": make_weights(2, 0, 4)},
    ],
)
def test_parts_that_do_not_fit_are_refused_before_anything_is_saved(heads, change):
    with pytest.raises(CheckpointError, match="both must agree"):
        replace(heads, **change)


def test_every_flipped_byte_is_noticed(saved):
    content = bytearray(saved.read_bytes())
    unnoticed = []
    for place in range(len(content)):
        content[place] ^= 0x01
        saved.write_bytes(content)
        content[place] ^= 0x01
        try:
            load_heads(saved)
        except (CheckpointError, SpecMismatchError):
            continue
        unnoticed.append(place)
    assert unnoticed == []


def test_every_truncation_is_noticed(saved):
    content = saved.read_bytes()
    for length in range(0, len(content), 7):
        saved.write_bytes(content[:length])
        with pytest.raises(CheckpointError):
            load_heads(saved)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="absent"):
        load_heads(tmp_path / "absent")


def test_another_kind_is_refused(tmp_path):
    save_tensors(tmp_path / "trunk", {"fc": np.zeros(2)}, {"kind": "trunk", "version": 1})
    with pytest.raises(CheckpointError, match="'trunk'"):
        load_heads(tmp_path / "trunk")


@pytest.mark.parametrize("version", [0, 3, None, "1"])
def test_another_version_is_refused_as_such(saved, version):
    rewrite(saved, lambda tensors, header: header.update(version=version))
    with pytest.raises(SpecMismatchError, match="version") as caught:
        load_heads(saved)
    assert caught.value.exit_code == 6


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda tensors, header: tensors.pop("action_bias"), "expected action_bias"),
        (lambda tensors, header: tensors.update(extra=np.zeros(1, np.float32)), "extra"),
        (lambda tensors, header: tensors.update(action_bias=np.zeros(3)), "float64"),
        (lambda tensors, header: tensors.update(action_bias=np.zeros(3, np.float32)), "checksum"),
        (lambda tensors, header: header.update(vocabulary=["a", "b"]), "checksum"),
        (lambda tensors, header: header["spec"].update(num_frames=16), "checksum"),
        (lambda tensors, header: header.pop("sha256"), "checksum"),
    ],
)
def test_a_changed_content_is_refused(saved, change, message):
    rewrite(saved, change)
    with pytest.raises(CheckpointError, match=message):
        load_heads(saved)


def test_a_file_whose_checksum_is_right_must_still_make_sense(saved, monkeypatch):
    """What another program writes with a right checksum: parts missing or at odds."""
    monkeypatch.setattr("tsmfeat.heads.checkpoint._content_digest", lambda header, tensors: "right")
    rewrite(saved, lambda tensors, header: header.update(sha256="right", vocabulary=["twice", "twice"]))
    with pytest.raises(CheckpointError, match="twice"):
        load_heads(saved)
    rewrite(saved, lambda tensors, header: header.update(vocabulary=["only one"]))
    with pytest.raises(CheckpointError, match="do not fit"):
        load_heads(saved)
    rewrite(saved, lambda tensors, header: header.pop("record"))
    with pytest.raises(CheckpointError):
        load_heads(saved)


def test_a_spec_of_another_version_is_said_to_be_one(saved, monkeypatch):
    monkeypatch.setattr("tsmfeat.heads.checkpoint._content_digest", lambda header, tensors: "right")

    def change(tensors, header):
        header["sha256"] = "right"
        header["spec"]["crop"] = "centre"

    rewrite(saved, change)
    with pytest.raises(SpecMismatchError, match="crop"):
        load_heads(saved)


def test_a_tensor_that_is_not_finite_is_refused(saved):
    rewrite(saved, lambda tensors, header: tensors["scene_bias"].__setitem__(0, np.nan))
    with pytest.raises(CheckpointError, match="scene_bias"):
        load_heads(saved)
