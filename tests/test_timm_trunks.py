"""Image backbones of timm as trunks, against timm itself called frame by frame."""

import sys

import numpy as np
import pytest
import torch

from tsmfeat.errors import CheckpointError, ConfigurationError, EnvironmentLackError, InputError
from tsmfeat.files import save_tensors
from tsmfeat.trunk.embedding import Embedder
from tsmfeat.trunk.frame_sizes import require_fitting
from tsmfeat.trunk.loading import load_trunk
from tsmfeat.trunk.options import TrunkOptions

timm = pytest.importorskip("timm")

FLOAT16_STEP = 2**-11


def load(name="resnet18", checkpoint="random:3", num_frames=2, **options):
    return load_trunk(TrunkOptions(f"timm:{name}", checkpoint, num_frames, **options))


def clips_of(side, num_clips=3, num_frames=2):
    return np.random.default_rng(side).integers(0, 256, (num_clips, num_frames, side, side, 3), dtype=np.uint8)


def frame_by_frame(network, clips, mean, std):
    """The mean over frames of what timm gives for each by itself, in float64."""
    network = network.double().eval()
    with torch.no_grad():
        rows = [
            np.mean([network(torch.tensor((f / 255 - mean) / std).permute(2, 0, 1)[None])[0].numpy() for f in clip], 0)
            for clip in clips
        ]
    return np.stack(rows)


# A convolutional network of any frame size, one with the activation inside its norms, and a transformer of one size
# with another mean.
@pytest.mark.parametrize(
    ("name", "side", "values"),
    [("resnet18", 64, None), ("test_efficientnet", 64, None), ("test_vit", 160, (0.5, 0.5))],
)
def test_embeddings_are_the_mean_of_timms_own_over_frames(name, side, values):
    trunk, clips = load(name), clips_of(side)
    require_fitting(trunk, f"timm:{name}", side, side)
    network = timm.create_model(name, num_classes=0)
    network.load_state_dict(trunk.network.state_dict())
    mean, std = ([v] * 3 for v in values) if values else (network.pretrained_cfg["mean"], network.pretrained_cfg["std"])
    expected = frame_by_frame(network, clips, np.array(mean), np.array(std))
    with Embedder(trunk, "cpu", "fp32", 2) as embed:
        found = embed(clips)
    assert found.shape == (3, trunk.embedding_size)
    assert np.all(np.abs(found - expected) <= FLOAT16_STEP * np.abs(expected) + 1e-4 * np.abs(expected).max())
    assert trunk.frame_size == ((160, 160) if name == "test_vit" else None)
    assert trunk.shifted_blocks == ()


def test_a_seed_gives_the_same_network_and_leaves_torchs_generator_alone():
    before = torch.get_rng_state()
    assert load().checkpoint_digest == load().checkpoint_digest != load(checkpoint="random:4").checkpoint_digest
    assert torch.equal(torch.get_rng_state(), before)


def test_other_preprocessing_is_another_identity(monkeypatch):
    plain = load("test_resnet")
    create = timm.create_model

    def create_dark(*arguments, **options):
        network = create(*arguments, **options)
        network.pretrained_cfg = {**network.pretrained_cfg, "mean": (0.1, 0.2, 0.3)}
        return network

    monkeypatch.setattr(timm, "create_model", create_dark)
    dark = load("test_resnet")
    assert dark.mean == (0.1, 0.2, 0.3)
    assert dark.checkpoint_digest != plain.checkpoint_digest
    assert all(torch.equal(a, b) for a, b in zip(dark.parameters(), plain.parameters(), strict=True))


@pytest.mark.parametrize("kind", ["pth", "wrapped", "safetensors"])
def test_files_are_loaded_whole_and_their_classifier_is_said(tmp_path, kind):
    state = timm.create_model("test_resnet").state_dict()
    path = tmp_path / f"a.{kind}"
    if kind == "safetensors":
        arrays = {name: value.numpy() for name, value in state.items()}
        save_tensors(path, arrays, {"kind": "other", "version": 1})
    else:
        wrapped = {"epoch": 3, "state_dict": {f"module.{name}": value for name, value in state.items()}}
        torch.save(wrapped if kind == "wrapped" else state, path)
    trunk = load("test_resnet", str(path))
    assert all(torch.equal(value, state[name]) for name, value in trunk.network.state_dict().items())
    assert "left out: a trunk ends before its classifier" in trunk.checkpoint_notes[0]
    assert "fc.weight" in trunk.checkpoint_notes[0]
    assert len(trunk.checkpoint_sha256) == 64


def test_files_that_do_not_fit_are_refused_with_the_keys(tmp_path):
    state = timm.create_model("test_resnet", num_classes=0).state_dict()
    name = next(iter(state))
    for change, message in (
        ({name: None}, f"missing {name}"),
        ({"extra.weight": torch.zeros(2)}, "not used extra.weight"),
        ({name: torch.zeros(2, 2)}, r"shape \(2, 2\)"),
        ({name: torch.full_like(state[name], torch.nan)}, "NaN"),
    ):
        changed = {key: value for key, value in {**state, **change}.items() if value is not None}
        torch.save(changed, tmp_path / "bad.pth")
        with pytest.raises(CheckpointError, match=message):
            load("test_resnet", str(tmp_path / "bad.pth"))


def test_names_that_timm_does_not_have_are_refused_naming_the_nearest():
    with pytest.raises(ConfigurationError, match="did you mean 'resnet18'"):
        load("resnet19")


def test_a_frame_size_that_does_not_fit_is_refused_with_the_remedy():
    with pytest.raises(ConfigurationError, match=r"160×160 pixels only; they would have 64×64.*--resize square160"):
        require_fitting(load("test_vit"), "timm:test_vit", 64, 64)


def test_one_frame_shows_whether_a_size_is_taken():
    trunk, seen = load("test_resnet", num_frames=8), []
    trunk.network.register_forward_pre_hook(lambda _, inputs: seen.append(tuple(inputs[0].shape)))
    require_fitting(trunk, "timm:test_resnet", 64, 48)
    assert seen == [(1, 3, 64, 48)]


def test_a_network_that_fails_on_a_size_says_so_before_any_decoding():
    trunk = load("test_resnet")
    trunk.network.conv1[0].register_forward_pre_hook(lambda *_: (_ for _ in ()).throw(RuntimeError("odd size\n63")))
    with pytest.raises(ConfigurationError, match=r"timm:test_resnet cannot take frames of 63×63.*odd size 63"):
        require_fitting(trunk, "timm:test_resnet", 63, 63)


def test_other_shapes_are_refused():
    with pytest.raises(InputError, match=r"takes \[clips, 2, 3, H, W\]"):
        load("test_resnet")(torch.zeros(1, 3, 3, 64, 64))


def test_without_the_extra_the_remedy_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(EnvironmentLackError, match=r'pip install "tsmfeat\[timm\]"') as caught:
        load()
    assert caught.value.exit_code == 5


@pytest.mark.parametrize(
    ("error", "kind"), [(OSError("no route"), EnvironmentLackError), (RuntimeError("no weights"), CheckpointError)]
)
def test_weights_that_cannot_be_had_are_told_from_those_that_do_not_exist(monkeypatch, error, kind):
    def fail(*_, **options):
        raise error

    monkeypatch.setattr(timm, "create_model", fail)
    with pytest.raises(kind, match="checkpoint pretrained"):
        load(checkpoint="pretrained")


def test_pretrained_weights_offline_are_an_environments_lack(monkeypatch, tmp_path):
    constants = pytest.importorskip("huggingface_hub").constants
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(EnvironmentLackError, match=r"cannot be downloaded.*HF_HOME"):
        load("test_resnet", "pretrained")


@pytest.mark.gpu
def test_cuda_equals_the_cpu():
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    trunk, clips = load(), clips_of(64)
    rows = [Embedder(trunk, device, "fp32", 2)(clips).astype(np.float64) for device in ("cpu", "cuda:0")]
    assert np.abs(rows[1] - rows[0]).max() <= 2e-3 * np.abs(rows[0]).max()
