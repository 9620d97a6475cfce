"""`--checkpoint imagenet`: torchvision's files, found where torch keeps downloads, never fetched."""

import hashlib
from dataclasses import replace

import pytest
import torch
import torchvision

from tsmfeat.errors import CheckpointError, EnvironmentLackError
from tsmfeat.trunk.imagenet import find_imagenet
from tsmfeat.trunk.options import TrunkOptions
from tsmfeat.trunk.specs import SPECS
from tsmfeat.trunk.tsm import load_temporal_shift

V2, V1 = "resnet50-11ad3fa6.pth", "resnet50-0676ba61.pth"


@pytest.fixture
def downloads(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    folder = tmp_path / "torch" / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


def test_the_newest_file_that_is_there_is_taken(downloads):
    (downloads / V1).touch()
    assert find_imagenet("resnet50") == downloads / V1
    (downloads / V2).touch()
    assert find_imagenet("resnet50") == downloads / V2


@pytest.mark.parametrize(
    ("environment", "folder"),
    [
        ({"TORCH_HOME": "a"}, "a"),
        ({"TORCH_HOME": "a", "XDG_CACHE_HOME": "b"}, "a"),
        ({"XDG_CACHE_HOME": "b"}, "b/torch"),
        ({}, "home/.cache/torch"),
    ],
)
def test_the_folder_is_torch_own(tmp_path, monkeypatch, environment, folder):
    for name in ("TORCH_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in ({"HOME": "home"} | environment).items():
        monkeypatch.setenv(name, str(tmp_path / value))
    path = tmp_path / folder / "hub" / "checkpoints" / V1
    path.parent.mkdir(parents=True)
    path.touch()
    assert find_imagenet("resnet50") == path


def test_without_a_file_its_name_its_folder_and_its_digest_are_told(downloads):
    with pytest.raises(EnvironmentLackError) as caught:
        load_temporal_shift(TrunkOptions("resnet50", "imagenet"))
    assert f"{downloads} holds no {V2} and no {V1}" in caught.value.message
    assert "SHA-256 begins with 11ad3fa6 or 0676ba61" in caught.value.hint
    assert f"torchvision's {V2} there" in caught.value.hint
    assert caught.value.exit_code == 5


def test_a_file_of_that_name_with_another_digest_is_refused(downloads):
    torch.save(torchvision.models.resnet18().state_dict(), downloads / "resnet18-f37072fd.pth")
    with pytest.raises(CheckpointError, match="its name says f37072fd; the file is damaged"):
        load_temporal_shift(TrunkOptions("resnet18", "imagenet"))


def test_the_file_is_loaded_with_the_shift_and_named(downloads, tmp_path, monkeypatch):
    network = torchvision.models.resnet18()
    torch.save(network.state_dict(), tmp_path / "a.pth")
    # As torchvision names its files; eight digits without a letter could be a date and are not compared.
    digest = hashlib.sha256((tmp_path / "a.pth").read_bytes()).hexdigest()
    name = f"resnet18-{digest[:8]}.pth"
    (tmp_path / "a.pth").rename(downloads / name)
    monkeypatch.setitem(SPECS, "resnet18", replace(SPECS["resnet18"], imagenet_files=("resnet18-00000000.pth", name)))
    trunk = load_temporal_shift(TrunkOptions("resnet18", "imagenet"))
    assert trunk.checkpoint_notes[0] == f"checkpoint imagenet: {downloads / name}"
    assert trunk.checkpoint_sha256 == digest
    assert len(trunk.shifted_blocks) == 8
    assert torch.equal(trunk.conv1.weight, network.conv1.weight)
