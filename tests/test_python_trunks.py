"""Trunks from a user's own function, and what is said of those that lack something."""

import sys
import types

import numpy as np
import pytest
import torch
from torch import nn

from tsmfeat.errors import CheckpointError, ConfigurationError, InputError
from tsmfeat.trunk.embedding import Embedder
from tsmfeat.trunk.frame_sizes import require_fitting
from tsmfeat.trunk.loading import load_trunk
from tsmfeat.trunk.options import TrunkOptions
from tsmfeat.trunk.tsm import build_trunk, load_temporal_shift


class Weighted(nn.Module):
    """Weighs the frames of a clip, and returns the mean colour."""

    embedding_size = 3
    mean, std = (0.5, 0.5, 0.5), (0.25, 0.5, 1.0)

    def __init__(self, num_frames):
        super().__init__()
        self.weights = nn.Parameter(torch.rand(num_frames))

    def forward(self, frames):
        return (frames.mean((3, 4)) * self.weights[:, None]).mean(1)


@pytest.fixture
def module(monkeypatch):
    made = types.ModuleType("own_trunks")
    made.build = Weighted
    monkeypatch.setitem(sys.modules, "own_trunks", made)
    return made


def load(checkpoint="", num_frames=2):
    return load_trunk(TrunkOptions("python:own_trunks:build", checkpoint, num_frames))


def test_a_function_gives_a_trunk(module):
    trunk = load("random:3")
    clips = np.random.default_rng(0).integers(0, 256, (3, 2, 6, 8, 3), dtype=np.uint8)
    weights = trunk.network.weights.numpy()
    expected = (((clips / 255 - Weighted.mean) / Weighted.std).mean((2, 3)) * weights[:, None]).mean(1)
    require_fitting(trunk, "python:own_trunks:build", 6, 8)
    with Embedder(trunk, "cpu", "fp32", 2) as embed:
        assert np.allclose(embed(clips), expected, atol=2e-3)
    with Embedder(trunk, "cpu", "bf16", 2) as embed:
        assert np.allclose(embed(clips), expected, atol=2e-2)
    assert load("random:3").checkpoint_digest == trunk.checkpoint_digest != load("random:4").checkpoint_digest
    assert not trunk.network.weights.requires_grad
    assert not trunk.network.training


def test_a_file_fills_what_the_function_returns(module, tmp_path):
    torch.save({"weights": torch.tensor([2.0, 3.0])}, tmp_path / "a.pth")
    trunk = load(str(tmp_path / "a.pth"))
    assert trunk.network.weights.tolist() == [2, 3]
    assert len(trunk.checkpoint_sha256) == 64
    with pytest.raises(CheckpointError, match=r"shape \(2,\); expected \(3,\)"):
        load(str(tmp_path / "a.pth"), num_frames=3)


@pytest.mark.parametrize(
    ("attribute", "value", "message"),
    [
        ("embedding_size", None, "embedding_size is None.*it needs embedding_size"),
        ("embedding_size", 2.5, "embedding_size is 2.5"),
        ("mean", None, "mean is None.*three numbers each"),
        ("std", (1, 1), "std is"),
        ("std", (1, 1, 0), "a deviation is positive"),
        ("num_frames", 16, "takes clips of 16 frames.*--num-frames 16"),
        ("frame_size", 224, "frame_size is 224"),
    ],
)
def test_what_lacks_is_said(module, monkeypatch, attribute, value, message):
    monkeypatch.setattr(Weighted, attribute, value, raising=False)
    with pytest.raises(ConfigurationError, match=message):
        load()


def test_what_a_module_states_of_itself_is_taken(module, monkeypatch):
    for name, value in {"frame_size": (6, 8), "checkpoint_digest": "abc", "checkpoint_notes": ("mine",)}.items():
        monkeypatch.setattr(Weighted, name, value, raising=False)
    trunk = load()
    assert (trunk.frame_size, trunk.checkpoint_digest, trunk.checkpoint_notes) == ((6, 8), "abc", ("mine",))
    with pytest.raises(ConfigurationError, match="6×8 pixels only; they would have 8×8"):
        require_fitting(trunk, "python:own_trunks:build", 8, 8)


def test_an_embedding_size_that_is_not_true_is_found_before_any_decoding(module, monkeypatch):
    monkeypatch.setattr(Weighted, "embedding_size", 4)
    with pytest.raises(Exception, match=r"shape \(1, 3\) for 1 clips; expected \(1, 4\)"):
        require_fitting(load(), "python:own_trunks:build", 8, 8)


def test_a_network_that_returns_no_tensor_is_found_before_any_decoding(module, monkeypatch):
    monkeypatch.setattr(Weighted, "forward", lambda self, frames: [frames])
    with pytest.raises(InputError, match=r"gave list; expected a tensor \[clips, 3\].*embeddings alone"):
        require_fitting(load(), "python:own_trunks:build", 8, 8)


def test_modules_functions_and_results_of_another_kind_are_refused(module, monkeypatch):
    module.build = lambda num_frames: num_frames
    with pytest.raises(ConfigurationError, match="returned int; expected a torch module"):
        load()
    module.build = 3
    with pytest.raises(ConfigurationError, match="has no function 'build'"):
        load()
    monkeypatch.setitem(sys.modules, "own_trunks", None)
    with pytest.raises(ConfigurationError, match=r"cannot be imported.*PYTHONPATH"):
        load()


def test_what_a_users_own_code_raises_is_no_fault_of_ours(module, monkeypatch, tmp_path):
    def build():
        raise AssertionError

    module.build = build
    with pytest.raises(ConfigurationError, match=r"build\(2\) failed \(TypeError: .*takes 0 positional.*--debug"):
        load()
    (tmp_path / "unreadable_trunks.py").write_text("def build(:")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigurationError, match=r"cannot be imported \(SyntaxError: .*mend it"):
        load_trunk(TrunkOptions("python:unreadable_trunks:build", "", 2))


def test_a_temporal_shift_trunk_takes_any_size_and_is_loaded_by_either_name():
    options = TrunkOptions("resnet18", "random:0", 2)
    assert load_trunk(options).checkpoint_digest == load_temporal_shift(options).checkpoint_digest
    require_fitting(load_trunk(options), "resnet18", 40, 56)
    with pytest.raises(ConfigurationError, match="no temporal shift trunk"):
        load_temporal_shift(TrunkOptions("timm:resnet18", "random:0"))
    with pytest.raises(ConfigurationError, match="has no temporal shift"):
        build_trunk("timm:resnet18")


def test_a_trunk_that_is_no_module_is_refused():
    class Plain:
        num_frames, embedding_size, mean, std = 1, 3, (0, 0, 0), (1, 1, 1)

    with pytest.raises(ConfigurationError, match="a trunk is a torch module; found Plain"):
        Embedder(Plain(), "cpu", "fp32", 1)
