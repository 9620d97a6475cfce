"""`tsmfeat convert` of checkpoints: clean files from training files, the same network, nothing run, nothing lost."""

import argparse
import hashlib
import json
import os
import subprocess
import sys
from collections import OrderedDict

import numpy as np
import pytest
import torch
from naive_layouts import mmaction2, official_tsm
from typer.testing import CliRunner

from tsmfeat.errors import CheckpointError, ConfigurationError, OutputError
from tsmfeat.files import read_header, save_tensors
from tsmfeat.trunk.options import TrunkOptions
from tsmfeat.trunk.specs import SPECS
from tsmfeat.trunk.tsm import build_trunk, load_temporal_shift
from tsmfeat.workflows.checkpoint_conversion import convert_checkpoint
from tsmfeat_cli.main import app

SHIFTED = SPECS["resnet18"].shifted_blocks


def network(seed=0):
    state = dict(build_trunk("resnet18", checkpoint=f"random:{seed}").state_dict())
    return state | {"fc.weight": torch.ones(3, 512), "fc.bias": torch.zeros(3)}


@pytest.fixture(scope="module")
def training_file(tmp_path_factory):
    """What official TSM's trainer leaves, with objects that torch.load refuses."""
    path = tmp_path_factory.mktemp("training") / "ckpt.best.pth.tar"
    state = OrderedDict(official_tsm(network(), SHIFTED))
    torch.save({"state_dict": state, "args": argparse.Namespace(lr=0.1), "best_prec1": np.float64(71.2)}, path)
    return path


def run(*words):
    return CliRunner().invoke(app, [str(word) for word in words], prog_name="tsmfeat")


def failure(*words, code):
    done = run("convert", *words)
    assert (done.exit_code, done.stdout) == (code, ""), done.output
    error, hint = done.stderr.splitlines()[-2:]
    assert error.startswith("error: ")
    return error, hint


def load(path, shift="auto", trunk="resnet18"):
    return load_temporal_shift(TrunkOptions(trunk, str(path), 4, shift))


def test_a_training_file_becomes_a_clean_one_with_the_same_network(tmp_path, training_file):
    out = tmp_path / "trunk.safetensors"
    done = run("convert", training_file, out, "--json")
    assert done.exit_code == 0, done.output
    digest = build_trunk("resnet18", checkpoint="random:0").checkpoint_digest
    sha256 = hashlib.sha256(training_file.read_bytes()).hexdigest()
    placement = {"kind": "blockres", "blocks": list(SHIFTED)}
    assert json.loads(done.stdout) == {
        "out": str(out),
        "trunk": "resnet18",
        "layout": "official TSM",
        "placement": placement,
        "checkpoint_digest": digest,
        "source_sha256": sha256,
        "notes": [f"{training_file}: fc.weight, fc.bias left out: a trunk ends before its classifier"],
    }
    assert f"next: tsmfeat extract videos/ -o features.h5 --trunk resnet18 --checkpoint {out}" in done.stderr
    header = {"kind": "trunk", "version": 1, "trunk": "resnet18", "source_sha256": sha256, "layout": "official TSM"}
    assert read_header(out) == header | {"placement": placement}
    trunk = load(out)
    assert trunk.checkpoint_digest == digest
    assert trunk.shifted_blocks == SHIFTED
    with pytest.raises(CheckpointError) as caught:
        load(training_file)
    assert caught.value.hint.endswith(f"tsmfeat convert {training_file} ckpt.safetensors")
    assert [path.name for path in tmp_path.iterdir()] == ["trunk.safetensors"]


def test_a_converted_tsn_is_still_known_as_one(tmp_path):
    torch.save({"state_dict": mmaction2(network(), ()), "meta": {"t": np.float64(1)}}, tmp_path / "tsn.pth")
    done = run("convert", tmp_path / "tsn.pth", tmp_path / "tsn.safetensors")
    assert done.exit_code == 0, done.output
    assert "trained without the temporal shift (TSN); the shift is off" in done.stderr
    assert "read in the layout of mmaction2; temporal shift: none" in done.stderr
    assert load(tmp_path / "tsn.safetensors").shifted_blocks == ()
    assert "(TSN); the shift is off" in load(tmp_path / "tsn.safetensors").checkpoint_notes[-1]
    assert load(tmp_path / "tsn.safetensors", "on").shifted_blocks == SHIFTED


def test_a_converted_checkpoint_of_another_placement_is_still_refused(tmp_path):
    torch.save(official_tsm(network(), SHIFTED, place="block"), tmp_path / "block.pth")
    done = run("convert", tmp_path / "block.pth", tmp_path / "block.safetensors")
    assert done.exit_code == 0, done.output
    assert "extract refuses it unless --shift off" in done.stderr
    with pytest.raises(CheckpointError, match="placement block"):
        load(tmp_path / "block.safetensors")
    assert load(tmp_path / "block.safetensors", "off").shifted_blocks == ()


def test_clean_files_convert_too_and_converting_again_changes_nothing(tmp_path):
    torch.save(network(), tmp_path / "resnet18.pth")
    first = convert_checkpoint(tmp_path / "resnet18.pth", tmp_path / "a.safetensors")
    again = convert_checkpoint(tmp_path / "a.safetensors", tmp_path / "b.safetensors")
    assert (first.layout, first.placement) == ("torchvision", None)
    assert (again.layout, again.placement) == ("tsmfeat", None)
    assert first.checkpoint_digest == again.checkpoint_digest == load(tmp_path / "b.safetensors").checkpoint_digest
    # Another trunk's checkpoint is replaced, with -q in silence.
    torch.save(network(seed=1), tmp_path / "resnet18.pth")
    done = run("convert", tmp_path / "resnet18.pth", tmp_path / "a.safetensors", "-q")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "")
    assert load(tmp_path / "a.safetensors").checkpoint_digest != first.checkpoint_digest


def test_the_trunk_can_be_named_and_is_checked(tmp_path, training_file):
    out = tmp_path / "a.safetensors"
    assert run("convert", training_file, out, "--trunk", "resnet18").exit_code == 0
    out.unlink()
    error, hint = failure(training_file, out, "--trunk", "resnet34", code=4)
    assert "does not fit resnet34: missing layer1.2.conv1.weight" in error
    assert "it looks like resnet18: pass --trunk resnet18" in hint
    error, hint = failure(training_file, out, "--trunk", "resnet81", code=2)
    assert "did you mean 'resnet18'?" in hint
    torch.save({"fc1.weight": torch.ones(2)}, tmp_path / "other.pth")
    error, hint = failure(tmp_path / "other.pth", out, code=4)
    assert "those of no trunk (fc1.weight)" in error
    assert "resnet18, resnet34" in hint
    assert not out.exists()


class Dangerous:
    """Runs a command when a careless reader unpickles it."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch {self.marker}",)


@pytest.mark.parametrize("legacy", [False, True])
def test_a_command_in_the_file_is_never_run(tmp_path, legacy):
    content = {"state_dict": network(), "args": Dangerous(tmp_path / "marker")}
    torch.save(content, tmp_path / "a.pth", _use_new_zipfile_serialization=not legacy)
    assert run("convert", tmp_path / "a.pth", tmp_path / "a.safetensors").exit_code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.pth", "a.safetensors"]
    digest = build_trunk("resnet18", checkpoint="random:0").checkpoint_digest
    assert load(tmp_path / "a.safetensors").checkpoint_digest == digest


def test_files_that_cannot_be_converted_leave_nothing(tmp_path, training_file):
    out = tmp_path / "a.safetensors"
    whole = training_file.read_bytes()
    cut, module, empty = tmp_path / "cut.pth", tmp_path / "module.pth", tmp_path / "empty.pth"
    cut.write_bytes(whole[: len(whole) // 2])
    torch.save(torch.nn.Linear(2, 2), module)
    empty.touch()
    for path, says in [
        (cut, "damaged"),
        (module, "a whole pickled object (torch.nn.modules.linear.Linear)"),
        (empty, "empty"),
        (tmp_path / "nowhere.pth", "does not exist"),
        (tmp_path, ""),
    ]:
        error, _ = failure(path, out, code=4)
        assert says in error
        assert str(path) in error
        assert not out.exists()
    assert len(list(tmp_path.iterdir())) == 3


def test_only_a_checkpoint_of_a_trunk_is_replaced(tmp_path, training_file):
    error, hint = failure(training_file, tmp_path / "trunk.pth", code=2)
    assert "written as .safetensors" in error
    assert "trunk.safetensors" in hint
    heads, text = tmp_path / "heads.safetensors", tmp_path / "text.safetensors"
    save_tensors(heads, {"a": np.zeros(1, np.float32)}, {"kind": "heads", "version": 1})
    text.write_text("a letter")
    (tmp_path / "folder.safetensors").mkdir()
    for out in (heads, text, tmp_path / "folder.safetensors"):
        before = out.read_bytes() if out.is_file() else None
        error, _ = failure(training_file, out, code=2)
        assert "only another trunk's checkpoint is replaced" in error
        assert before is None or out.read_bytes() == before
    own = tmp_path / "own.safetensors"
    convert_checkpoint(training_file, own)
    with pytest.raises(ConfigurationError, match="only another trunk's checkpoint"):
        convert_checkpoint(own, own)
    error, _ = failure(heads, tmp_path / "b.safetensors", code=4)
    assert "holds 'heads'" in error


def test_a_full_disk_leaves_what_was_there(tmp_path, training_file, monkeypatch):
    out = tmp_path / "a.safetensors"
    convert_checkpoint(training_file, out)
    before = out.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(OutputError, match="No space left"):
            convert_checkpoint(training_file, out)
    assert out.read_bytes() == before
    assert list(tmp_path.iterdir()) == [out]


# ---------------------------------------------------------------- labels


@pytest.fixture
def labels(tmp_path):
    database = {"a": {"subset": "training", "duration": 9.0, "annotations": [{"label": "run", "segment": [1, 2]}]}}
    path = tmp_path / "gt.json"
    path.write_text(json.dumps({"database": database}))
    return path


def test_labels_are_told_from_checkpoints_by_content(tmp_path, labels):
    done = run("convert", labels, tmp_path / "gt.csv", "--json")
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert (report["kind"], report["num_videos"], report["num_segments"]) == ("annotations", 1, 1)
    assert "annotations of 1 videos, 1 segments of 1 classes" in done.stderr
    assert run("convert", tmp_path / "gt.csv", tmp_path / "again.json").exit_code == 0
    assert "run" in (tmp_path / "again.json").read_text()


def test_options_of_the_other_kind_of_file_are_refused(tmp_path, labels, training_file):
    error, hint = failure(labels, tmp_path / "gt.csv", "--trunk", "resnet18", code=2)
    assert "is no checkpoint and has no trunk" in error
    assert hint == "hint: leave --trunk out"
    for option in ("--from", "--to"):
        error, hint = failure(training_file, tmp_path / "a.safetensors", option, "csv", code=2)
        assert f"a checkpoint has no {option[2:]}" in error
        assert hint == f"hint: leave {option} out"
    error, hint = failure(training_file, tmp_path / "a.safetensors", "--strict", code=2)
    assert hint == "hint: leave --strict out"
    error, hint = failure(labels, tmp_path / "gt.csv", "--to", "cvs", code=2)
    assert "did you mean 'csv'?" in hint
    error, _ = failure(tmp_path / "nowhere.json", tmp_path / "gt.csv", code=4)
    assert "does not exist" in error
    assert not (tmp_path / "gt.csv").exists()


def test_labels_replace_only_their_own_kind(tmp_path, labels):
    guess, table, heads = tmp_path / "found.json", tmp_path / "gt.csv", tmp_path / "heads.csv"
    guess.write_text(json.dumps({"results": {"a": [{"label": "run", "segment": [1, 2], "score": 0.5}]}}))
    save_tensors(heads, {"a": np.zeros(1, np.float32)}, {"kind": "heads", "version": 1})
    table.touch()
    assert run("convert", labels, table).exit_code == 0
    assert run("convert", labels, table).exit_code == 0
    for source, out, kind in ((guess, table, "predictions"), (labels, guess, "annotations"), (labels, heads, "annot")):
        before = out.read_bytes()
        error, _ = failure(source, out, code=2)
        assert f"exists and holds no {kind}" in error
        assert out.read_bytes() == before
    error, _ = failure(labels, labels, code=2)
    assert "is the source itself" in error
    os.mkfifo(tmp_path / "pipe.json")
    error, _ = failure(labels, tmp_path / "pipe.json", code=2)
    assert "exists and holds no annotations" in error


def test_labels_are_converted_without_torch(tmp_path, labels):
    words = ["convert", str(labels), str(tmp_path / "gt.csv")]
    code = (
        "import sys\nfrom tsmfeat_cli.main import app\n"
        f"app({words!r}, prog_name='tsmfeat', standalone_mode=False)\nassert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60, capture_output=True)
    assert (tmp_path / "gt.csv").exists()
