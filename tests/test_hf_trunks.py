"""Video transformers as trunks, against the transformers library called clip by clip; nothing is downloaded."""

import json
import sys

import numpy as np
import pytest
import torch

from tsmfeat.errors import CheckpointError, ConfigurationError, EnvironmentLackError
from tsmfeat.trunk.embedding import Embedder
from tsmfeat.trunk.frame_sizes import require_fitting
from tsmfeat.trunk.hf_preprocessing import normalisation
from tsmfeat.trunk.loading import load_trunk
from tsmfeat.trunk.options import TrunkOptions
from tsmfeat.trunk.protocol import IMAGENET_MEAN

transformers = pytest.importorskip("transformers")

SMALL = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2}
PREDICTOR = {
    "pred_hidden_size": 24,
    "pred_num_hidden_layers": 1,
    "pred_num_attention_heads": 2,
    "pred_num_mask_tokens": 2,
}
CONFIGS = {
    "videomae": {"image_size": 32, "num_frames": 4, "intermediate_size": 48, **SMALL},
    "vjepa2": {"crop_size": 32, "frames_per_clip": 8, "mlp_ratio": 2, **PREDICTOR, **SMALL},
    "vivit": {"image_size": 32, "num_frames": 4, "intermediate_size": 48, **SMALL},
    "timesformer": {"image_size": 32, "num_frames": 4, "intermediate_size": 48, **SMALL},
}
MEAN, STD = [0.1, 0.2, 0.3], [0.4, 0.5, 0.6]


def write_config(folder, kind, **changes):
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps({"model_type": kind, **CONFIGS[kind], **changes}))
    return folder


def write_model(folder, kind, model_class="AutoModel"):
    """A whole folder as on the hub: config, weights, preprocessor."""
    config = transformers.AutoConfig.for_model(kind, **CONFIGS[kind])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        chosen = getattr(transformers, model_class)
        model = chosen.from_config(config) if model_class == "AutoModel" else chosen(config)
    model.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps({"image_mean": MEAN, "image_std": STD}))
    return folder


@pytest.fixture(autouse=True)
def quiet_library():
    transformers.utils.logging.disable_progress_bar()


def load(folder, checkpoint="random:1", num_frames=4):
    return load_trunk(TrunkOptions(f"hf:{folder}", checkpoint, num_frames))


def clips_of(side=32, num_clips=3, num_frames=4):
    return np.random.default_rng(side).integers(0, 256, (num_clips, num_frames, side, side, 3), dtype=np.uint8)


@pytest.mark.parametrize("kind", CONFIGS)
def test_embeddings_are_the_mean_of_the_librarys_last_hidden_state(tmp_path, kind):
    folder, clips = write_model(tmp_path / "model", kind), clips_of()
    trunk = load(folder, "pretrained")
    require_fitting(trunk, "hf:model", 32, 32)
    assert (trunk.mean, trunk.std, trunk.frame_size) == (tuple(MEAN), tuple(STD), (32, 32))
    with Embedder(trunk, "cpu", "fp32", 2) as embed:
        found = embed(clips)
    model = transformers.AutoModel.from_pretrained(folder, dtype=torch.float64).eval()
    pixels = torch.tensor((clips / 255 - MEAN) / STD).permute(0, 1, 4, 2, 3)
    with torch.no_grad():
        expected = np.stack([model(clip[None]).last_hidden_state[0].mean(0).numpy() for clip in pixels])
    assert found.shape == (3, 24)
    assert np.all(np.abs(found - expected) <= 2**-11 * np.abs(expected) + 1e-5)
    # A transformer sees the order of frames; TimeSformer's positions are zeros before any training.
    assert kind == "timesformer" or np.abs(embed_all(trunk, clips[:, ::-1]) - found).max() > 1e-3


def embed_all(trunk, clips):
    with Embedder(trunk, "cpu", "fp32", 2) as embed:
        return embed(clips)


@pytest.mark.parametrize(
    ("kind", "model_class", "left_out"),
    [
        ("videomae", "VideoMAEForPreTraining", "decoder."),
        ("videomae", "VideoMAEForVideoClassification", "classifier."),
        ("vjepa2", "VJEPA2ForVideoClassification", "classifier."),
    ],
)
def test_heads_of_other_tasks_are_left_out_and_said(tmp_path, kind, model_class, left_out):
    trunk = load(write_model(tmp_path / "model", kind, model_class), "pretrained")
    assert left_out in trunk.checkpoint_notes[0]
    assert "left out" in trunk.checkpoint_notes[0]
    assert not any("predictor" in name or "decoder" in name for name in trunk.state_dict())
    assert len(trunk.checkpoint_sha256) == 64


def test_a_config_alone_gives_a_seeded_network_and_imagenets_mean(tmp_path):
    folder = write_config(tmp_path / "only-config", "videomae")
    trunk, same, other = load(folder), load(folder), load(folder, "random:2")
    assert trunk.checkpoint_digest == same.checkpoint_digest != other.checkpoint_digest
    assert trunk.mean == IMAGENET_MEAN
    assert "ImageNet's mean and std" in trunk.checkpoint_notes[0]
    with pytest.raises(CheckpointError, match=r"no weights that can be read.*model\.safetensors"):
        load(folder, "pretrained")


def test_a_file_of_another_depth_is_refused_either_way(tmp_path):
    folder = write_model(tmp_path / "model", "timesformer")
    for layers, message in ((1, "not used encoder"), (3, "missing encoder")):
        config = json.loads((folder / "config.json").read_text()) | {"num_hidden_layers": layers}
        (folder / "config.json").write_text(json.dumps(config))
        with pytest.raises(CheckpointError, match=message):
            load(folder, "pretrained")


@pytest.mark.parametrize(
    ("kind", "num_frames", "hint"),
    [
        ("videomae", 8, "--num-frames 4"),
        ("vivit", 2, "--num-frames 4"),
        ("vjepa2", 5, "--num-frames 4"),
        ("timesformer", 3, "4"),
    ],
)
def test_a_number_of_frames_that_does_not_fit_is_refused_with_the_remedy(tmp_path, kind, num_frames, hint):
    with pytest.raises(ConfigurationError, match=f"takes clips of .* frames; num_frames is {num_frames}.*{hint}"):
        load(write_config(tmp_path / "m", kind), num_frames=num_frames)


def test_rotary_positions_take_any_even_number_of_frames_and_one_frame_size(tmp_path):
    folder = write_config(tmp_path / "m", "vjepa2")
    for num_frames in (2, 6, 16):
        assert load(folder, num_frames=num_frames)(torch.zeros(1, num_frames, 3, 32, 32)).shape == (1, 24)
    with pytest.raises(ConfigurationError, match=r"32×32 pixels only.*--resize square32"):
        require_fitting(load(folder), "hf:m", 48, 48)


@pytest.mark.parametrize(
    ("config", "error", "message"),
    [
        ({"model_type": "vit"}, ConfigurationError, "kind 'vit'; known video transformers are videomae"),
        ({"model_type": "nothing-known"}, CheckpointError, "config.json cannot be used"),
        ({"model_type": "videomae", "num_channels": 1}, CheckpointError, "takes 1 channels"),
        ({"model_type": "videomae", "image_size": [32, 48]}, CheckpointError, "odd sizes"),
    ],
)
def test_configs_that_are_no_video_transformers_are_refused(tmp_path, config, error, message):
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(error, match=message):
        load(tmp_path)


def test_folders_without_a_model_are_refused(tmp_path):
    with pytest.raises(ConfigurationError, match=r"holds no config\.json"):
        load(tmp_path)
    with pytest.raises(ConfigurationError, match="no such folder"):
        load(tmp_path / "nowhere")
    # Features record no more of a folder than this: where they are made again it must lie at hand.
    with pytest.raises(ConfigurationError, match=r"hf:videomae: no such folder here .*run where it lies"):
        load("videomae")
    write_config(tmp_path, "videomae")
    (tmp_path / "preprocessor_config.json").write_text('{"image_mean": [1, 2]}')
    with pytest.raises(CheckpointError, match="says no mean and std"):
        load(tmp_path)


def test_the_hub_out_of_reach_is_an_environments_lack(monkeypatch, tmp_path):
    constants = pytest.importorskip("huggingface_hub").constants
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    for checkpoint in ("pretrained", "random:0"):
        with pytest.raises(EnvironmentLackError, match="hf download MCG-NJU/videomae-base") as caught:
            load("MCG-NJU/videomae-base", checkpoint, 16)
        assert caught.value.exit_code == 5


def test_without_the_extra_the_remedy_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(EnvironmentLackError, match=r'pip install "tsmfeat\[hf\]"'):
        load("MCG-NJU/videomae-base")


@pytest.mark.parametrize(
    "config",
    [
        {"image_mean": MEAN, "image_std": STD},
        {"image_mean": MEAN, "image_std": STD, "rescale_factor": 0.00392156862745098},
        {"rescale_factor": 1 / 127.5, "offset": True, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]},
        {"rescale_factor": 1 / 127.5, "offset": True, "do_normalize": False},
        {"do_normalize": False},
        {"do_rescale": False, "image_mean": [128, 128, 128], "image_std": [64, 64, 64]},
    ],
)
def test_normalisation_equals_the_steps_of_a_preprocessor(config):
    values = np.arange(256.0)[:, None] * np.ones(3)
    steps = values * config.get("rescale_factor", 1 / 255) if config.get("do_rescale", True) else values
    steps = steps - 1 if config.get("offset") else steps
    if config.get("do_normalize", True):
        steps = (steps - config["image_mean"]) / config["image_std"]
    mean, std = normalisation(config)
    assert np.allclose((values / 255 - mean) / std, steps, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("kind", ["videomae", "vjepa2"])
@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_lower_precisions_stay_close(tmp_path, kind, precision):
    trunk, clips = load(write_config(tmp_path / "m", kind)), clips_of()
    exact = embed_all(trunk, clips).astype(np.float64)
    rough = Embedder(trunk, "cpu", precision, 2)(clips).astype(np.float64)
    assert 0 < np.abs(rough - exact).max() <= 5e-2 * np.abs(exact).max()


@pytest.mark.gpu
def test_cuda_equals_the_cpu(tmp_path):
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    trunk, clips = load(write_config(tmp_path / "m", "vjepa2")), clips_of()
    rows = [Embedder(trunk, device, "fp32", 2)(clips).astype(np.float64) for device in ("cpu", "cuda:0")]
    assert np.abs(rows[1] - rows[0]).max() <= 2e-3 * np.abs(rows[0]).max()


def test_code_that_lies_in_a_folder_is_never_run_nor_asked_about(tmp_path, monkeypatch):
    ran = tmp_path / "ran"
    config = {"model_type": "odd", "auto_map": {"AutoConfig": "odd.OddConfig"}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "odd.py").write_text(f"import pathlib\n\npathlib.Path({str(ran)!r}).touch()\n")
    asked = []
    monkeypatch.setattr("builtins.input", lambda *words: asked.append(words) or "y")
    with pytest.raises(CheckpointError, match="json cannot be used"):
        load(tmp_path)
    assert not asked
    assert not ran.exists()
