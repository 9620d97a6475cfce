"""The trunk against the official code's numbers, and variants that must not pass for it."""

import copy
import pickle

import numpy as np
import pytest
import torch
import torchvision
from factories_trunk import (
    golden,
    golden_frames,
    golden_head,
    golden_pixels,
    golden_state,
    relative_error,
)

from tsmfeat.errors import ConfigurationError, InputError
from tsmfeat.trunk.embedding import to_float16
from tsmfeat.trunk.folding import fold_norms
from tsmfeat.trunk.shift import shift_frames
from tsmfeat.trunk.specs import SPECS, STAGES
from tsmfeat.trunk.tsm import TemporalShiftTrunk, build_trunk

SMALL = ("resnet18_t4", "resnet50_t8")
DEEP = tuple(pytest.param(case, marks=pytest.mark.golden) for case in ("resnet101_t4", "resnext101_32x8d_t4"))
EXACT = 1e-5


def golden_trunk(case, shift=True):
    facts = golden(case)
    with torch.device("meta"):
        trunk = TemporalShiftTrunk(SPECS[facts["arch"]], facts["num_segments"], shift, facts["shift_div"])
    state = golden_state(case)
    counters = {name: torch.tensor(0) for name in trunk.state_dict() if name not in state}
    trunk.load_state_dict(state | counters, assign=True)
    return trunk.eval().requires_grad_(False)


def embed_with_stages(trunk, frames):
    """Embeddings, with the maps that each stage gave out."""
    maps = {}
    handles = [
        trunk.get_submodule(stage).register_forward_hook(
            lambda module, inputs, output, stage=stage: maps.update({stage: output})
        )
        for stage in STAGES
    ]
    with torch.inference_mode():
        embeddings = trunk(frames)
    for handle in handles:
        handle.remove()
    return embeddings, maps


def heads_of(case, embeddings):
    facts = golden(case)
    return {
        task: torch.nn.functional.linear(embeddings, *golden_head(facts["seed"], task, facts["dim"]))
        for task in ("action", "scene")
    }


@pytest.mark.parametrize("case", [*SMALL, *DEEP])
def test_weights_and_frames_are_those_of_the_golden_values(case):
    facts, state = golden(case), golden_state(case)
    frames = golden_frames(case).double()
    assert float(frames.sum()) == pytest.approx(facts["input_check"]["sum"], rel=1e-6)
    assert frames.flatten()[:4].tolist() == pytest.approx(facts["input_check"]["first"], rel=1e-6)
    assert sum(v.numel() for n, v in state.items() if "running" not in n) == facts["n_params_no_head"]
    for name, first in facts["weight_check"].items():
        tensor = golden_head(facts["seed"], "action", facts["dim"])[0] if name.startswith("heads") else state[name]
        assert tensor.flatten()[:3].tolist() == pytest.approx(first, rel=1e-6)


@pytest.mark.parametrize("case", [*SMALL, *DEEP])
def test_embeddings_equal_the_official_code(case):
    facts = golden(case)
    trunk = golden_trunk(case)
    assert list(trunk.shifted_blocks) == [f"{s}.{i}" for s in STAGES for i in facts["shifted_blocks"][s]]
    assert len(trunk.shifted_blocks) == facts["num_shifts"]
    embeddings, maps = embed_with_stages(trunk, golden_frames(case))
    for stage, expected in facts["stage_mean_std"].items():
        values = maps[stage].double()
        assert [float(values.mean()), float(values.std(correction=0))] == pytest.approx(expected, rel=EXACT)
    per_frame = maps["layer4"].mean((2, 3))[: facts["num_segments"], :8]
    assert relative_error(per_frame, facts["frame_embedding_first8"]) <= EXACT
    assert embeddings.shape == (facts["clips"], facts["dim"])
    assert relative_error(embeddings[:, :48], facts["embedding_first48"]) <= EXACT
    assert embeddings.double().sum(1).tolist() == pytest.approx(facts["embedding_sum"], rel=EXACT)
    assert embeddings.double().norm(dim=1).tolist() == pytest.approx(facts["embedding_l2"], rel=EXACT)
    for task, logits in heads_of(case, embeddings).items():
        assert relative_error(logits, facts[f"logits_{task}"]) <= EXACT


@pytest.mark.parametrize("case", SMALL)
def test_bf16_stays_close_to_the_official_code(case):
    trunk = golden_trunk(case)
    frames = golden_frames(case)
    exact, _ = embed_with_stages(trunk, frames)
    with torch.autocast("cpu", torch.bfloat16):
        rough, _ = embed_with_stages(trunk, frames)
    assert rough.dtype == torch.float32
    assert 0 < relative_error(rough, exact) <= 2e-2
    assert torch.nn.functional.cosine_similarity(rough, exact).min() >= 0.9999
    for task, logits in heads_of(case, rough).items():
        assert relative_error(logits, golden(case)[f"logits_{task}"]) <= 2e-2


def last_channels(frames, num_frames):
    return shift_frames(frames.flip(1), num_frames).flip(1)


def other_direction(frames, num_frames):
    """The shift in the other direction: time reversed, shifted, reversed back."""
    reverse = frames.unflatten(0, (-1, num_frames)).flip(1).flatten(0, 1)
    return shift_frames(reverse, num_frames).unflatten(0, (-1, num_frames)).flip(1).flatten(0, 1)


def circular(frames, num_frames):
    fold = frames.shape[1] // 8
    clips = frames.unflatten(0, (-1, num_frames))
    moved = [clips[:, :, :fold].roll(-1, 1), clips[:, :, fold : 2 * fold].roll(1, 1), clips[:, :, 2 * fold :]]
    return torch.cat(moved, 2).flatten(0, 1)


def leaking(frames, num_frames):
    return shift_frames(frames, len(frames))


def quarter(frames, num_frames):
    return shift_frames(frames, num_frames, shift_div=4)


def unshifted(frames, num_frames):
    return frames


def variant_logits(case, variant, place="{}.conv1", blocks=None):
    """Action logits of a trunk whose blocks see another shift than ours."""
    facts = golden(case)
    trunk = golden_trunk(case, shift=False)
    for block in blocks or SPECS[facts["arch"]].shifted_blocks:
        trunk.get_submodule(place.format(block)).register_forward_pre_hook(
            lambda module, inputs: (variant(inputs[0], facts["num_segments"]),)
        )
    embeddings, _ = embed_with_stages(trunk, golden_frames(case))
    return heads_of(case, embeddings)["action"]


def test_the_harness_for_variants_passes_the_right_shift():
    logits = variant_logits("resnet18_t4", shift_frames)
    assert relative_error(logits, golden("resnet18_t4")["logits_action"]) <= EXACT


@pytest.mark.parametrize("variant", [other_direction, last_channels, circular, leaking, quarter, unshifted])
def test_wrong_shifts_are_seen(variant):
    logits = variant_logits("resnet18_t4", variant)
    assert relative_error(logits, golden("resnet18_t4")["logits_action"]) > 1e-2


def test_shifting_the_whole_block_is_seen():
    logits = variant_logits("resnet18_t4", shift_frames, place="{}")
    assert relative_error(logits, golden("resnet18_t4")["logits_action"]) > 1e-2


@pytest.mark.golden
def test_shifting_every_block_of_a_deep_net_is_seen():
    every = [
        f"{stage}.{i}" for stage, count in zip(STAGES, SPECS["resnet101"].blocks, strict=True) for i in range(count)
    ]
    logits = variant_logits("resnet101_t4", shift_frames, blocks=every)
    assert relative_error(logits, golden("resnet101_t4")["logits_action"]) > 1e-2


@pytest.mark.parametrize("name", SPECS)
def test_state_dict_has_torchvision_names_shapes_and_order_without_classifier(name):
    with torch.device("meta"):
        ours = TemporalShiftTrunk(SPECS[name], num_frames=4).state_dict()
        theirs = getattr(torchvision.models, name)().state_dict()
    expected = {key: (value.shape, value.dtype) for key, value in theirs.items() if not key.startswith("fc.")}
    assert {key: (value.shape, value.dtype) for key, value in ours.items()} == expected
    assert list(ours) == list(expected)


@pytest.mark.parametrize("name", SPECS)
def test_specs_say_torchvision_files_and_embedding_size(name):
    entries = torchvision.models.get_model_weights(name)
    files = tuple(entry.url.rpartition("/")[2] for entry in reversed(entries))
    assert SPECS[name].imagenet_files == files
    assert entries.DEFAULT.url.endswith(files[0])
    with torch.device("meta"):
        assert getattr(torchvision.models, name)().fc.in_features == SPECS[name].embedding_size


def test_without_shift_the_trunk_is_torchvision_frame_by_frame():
    trunk = build_trunk("resnet18", num_frames=3, checkpoint="random:1", shift=False)
    network = torchvision.models.resnet18()
    network.fc = torch.nn.Identity()
    network.load_state_dict(trunk.state_dict())
    frames = torch.randn(2, 3, 3, 40, 56)
    with torch.inference_mode():
        expected = network.eval()(frames.flatten(0, 1)).view(2, 3, 512).mean(1)
        assert relative_error(trunk(frames), expected) <= 1e-6
    assert trunk.shifted_blocks == ()


def test_a_head_on_the_mean_embedding_is_the_mean_of_heads_on_frames():
    case = "resnet50_t8"
    embeddings, maps = embed_with_stages(golden_trunk(case), golden_frames(case))
    per_frame = heads_of(case, maps["layer4"].mean((2, 3)))
    for task, logits in heads_of(case, embeddings).items():
        assert relative_error(logits, per_frame[task].mean(0, keepdim=True)) <= 1e-6


def test_float16_storage_costs_little():
    case = "resnet50_t8"
    embeddings, _ = embed_with_stages(golden_trunk(case), golden_frames(case))
    stored = torch.from_numpy(to_float16(embeddings.numpy())).float()
    for task, logits in heads_of(case, stored).items():
        assert 0 < relative_error(logits, golden(case)[f"logits_{task}"]) <= 1e-3


def test_folded_norms_keep_the_golden_embeddings():
    case = "resnet50_t8"
    folded = fold_norms(golden_trunk(case))
    with torch.inference_mode():
        embeddings = folded(golden_frames(case))
    assert relative_error(embeddings[:, :48], golden(case)["embedding_first48"]) <= EXACT
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in folded.modules())


def test_folding_leaves_the_trunk_as_it_was():
    trunk = golden_trunk("resnet18_t4")
    before = {name: value.clone() for name, value in trunk.state_dict().items()}
    fold_norms(trunk)
    after = trunk.state_dict()
    assert list(before) == list(after)
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_memory_format_and_copies_do_not_change_embeddings():
    trunk = golden_trunk("resnet18_t4")
    frames = golden_frames("resnet18_t4")
    expected = trunk(frames)
    for twin in (copy.deepcopy(trunk), pickle.loads(pickle.dumps(trunk))):
        assert torch.equal(twin(frames), expected)
    last = copy.deepcopy(trunk).to(memory_format=torch.channels_last)
    assert relative_error(last(frames.permute(0, 1, 3, 4, 2).contiguous().permute(0, 1, 4, 2, 3)), expected) <= 1e-6


def test_built_trunks_are_ready_to_embed():
    trunk = build_trunk("resnet18", num_frames=2, checkpoint="random:3")
    assert not trunk.training
    assert not any(parameter.requires_grad for parameter in trunk.parameters())
    assert (trunk.num_frames, trunk.embedding_size, len(trunk.shifted_blocks)) == (2, 512, 8)
    assert len(trunk.checkpoint_digest) == 64
    assert trunk(torch.zeros(0, 2, 3, 32, 32)).shape == (0, 512)
    assert trunk(torch.zeros(1, 2, 3, 1, 3)).shape == (1, 512)


@pytest.mark.parametrize("shape", [(2, 3, 32, 32), (1, 3, 3, 32, 32), (1, 2, 4, 32, 32), (1, 3, 2, 32, 32)])
def test_frames_of_another_shape_are_refused(shape):
    with pytest.raises(InputError, match=r"\[clips, 2, 3, H, W\]"):
        build_trunk("resnet18", num_frames=2)(torch.zeros(shape))


def test_values_that_cannot_be_built_are_refused():
    for arguments in ({"name": "resnet19"}, {"num_frames": 0}, {"shift_div": 1}, {"checkpoint": "random:x"}):
        with pytest.raises(ConfigurationError):
            build_trunk(**{"name": "resnet18"} | arguments)


def test_pixels_of_the_factory_match_its_frames():
    pixels = golden_pixels("resnet18_t4")
    assert pixels.shape == (2, 4, 32, 32, 3)
    # By hand: q + 13 t^2 + 7 y + 11 x + 29 c + 3 t x + (x y) // (t + 1) with q = 108, t = 2, y = 5, x = 6, c = 1.
    assert pixels[1, 2, 5, 6, 1] == np.uint8((108 + 52 + 35 + 66 + 29 + 36 + 10) % 256)
