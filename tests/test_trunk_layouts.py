"""Key layouts of other projects, and the placement of the shift that their keys show."""

import hashlib
from functools import cache

import numpy as np
import pytest
import torch
import torchvision
from factories_trunk import golden, golden_frames, golden_state, relative_error
from naive_layouts import mmaction2, official_tsm

from tsmfeat.errors import CheckpointError
from tsmfeat.trunk.layouts import rename_keys
from tsmfeat.trunk.options import TrunkOptions
from tsmfeat.trunk.placement import Placement, decide_shift, read_placement
from tsmfeat.trunk.recognition import recognize_trunk
from tsmfeat.trunk.specs import SPECS
from tsmfeat.trunk.tsm import build_trunk, load_temporal_shift, trunk_shapes


def torchvision_state(name):
    with torch.device("meta"):
        return getattr(torchvision.models, name)().state_dict()


@cache
def random_state(seed):
    return dict(build_trunk("resnet18", checkpoint=f"random:{seed}").state_dict())


def full_state(seed=0, classes=3):
    """A resnet18 of torchvision's names with classifier and counters, saved in other layouts by the tests."""
    return random_state(seed) | {"fc.weight": torch.ones(classes, 512), "fc.bias": torch.zeros(classes)}


def saved(path, content):
    torch.save(content, path)
    return str(path)


def load(checkpoint, shift="auto", trunk="resnet18"):
    return load_temporal_shift(TrunkOptions(trunk, checkpoint, 4, shift))


def refusal(checkpoint, says, hints="", **options):
    with pytest.raises(CheckpointError) as caught:
        load(checkpoint, **options)
    assert says in caught.value.message
    assert hints in caught.value.hint
    assert "\n" not in str(caught.value)
    return caught.value


# ---------------------------------------------------------------- names


# By hand: 6 tensors for each convolution with its norm (53, 20, 104 of them), and the classifier's 2.
@pytest.mark.parametrize(("name", "count"), [("resnet50", 320), ("resnet18", 122), ("resnext101_32x8d", 626)])
@pytest.mark.parametrize("layout", ["torchvision", "official TSM", "official TSM without dropout", "mmaction2"])
def test_every_key_of_every_layout_gets_its_name(name, count, layout):
    state, shifted = torchvision_state(name), SPECS[name].shifted_blocks
    keys = {
        "torchvision": lambda: dict(state),
        "official TSM": lambda: official_tsm(state, shifted),
        "official TSM without dropout": lambda: official_tsm(state, shifted, dropout=False, parallel=False),
        "mmaction2": lambda: mmaction2(state, shifted),
    }[layout]()
    assert len(keys) == len(state) == count
    renamed = rename_keys(keys, "a.pth")
    kept = [key for key in state if not key.endswith("num_batches_tracked")]
    assert list(renamed.sources) == kept
    assert all(keys[source] is state[target] for target, source in renamed.sources.items())
    assert renamed.layout == layout.removesuffix(" without dropout")
    assert renamed.placement == (None if layout == "torchvision" else Placement("blockres", shifted))


@pytest.mark.parametrize("place", ["block", "pool"])
def test_keys_of_other_placements_get_their_names_and_tell_the_placement(place):
    state, shifted = torchvision_state("resnet50"), SPECS["resnet50"].shifted_blocks
    keys = official_tsm(state, shifted, place=place)
    assert len(keys) == 320
    renamed = rename_keys(keys, "a.pth")
    assert list(renamed.sources) == [key for key in state if not key.endswith("num_batches_tracked")]
    assert renamed.placement == (
        Placement("block", shifted) if place == "block" else Placement("temporal pool", ("layer2",))
    )


def test_keys_written_out_by_hand():
    keys = {
        "module.base_model.layer1.0.conv1.net.weight": "layer1.0.conv1.weight",
        "module.base_model.layer1.0.downsample.0.weight": "layer1.0.downsample.0.weight",
        "module.new_fc.weight": "fc.weight",
        "base_model.layer2.0.net.conv1.weight": "layer2.0.conv1.weight",
        "base_model.layer2.net.0.conv2.weight": "layer2.0.conv2.weight",
        "base_model.fc.bias": "fc.bias",
        "module._orig_mod.module.base_model.bn1.bias": "bn1.bias",
    }
    assert rename_keys(keys, "a").sources == {name: key for key, name in keys.items()}
    keys = {
        "backbone.conv1.conv.weight": "conv1.weight",
        "backbone.conv1.bn.running_var": "bn1.running_var",
        "backbone.layer1.0.conv1.conv.net.weight": "layer1.0.conv1.weight",
        "backbone.layer1.0.conv3.bn.bias": "layer1.0.bn3.bias",
        "backbone.layer1.0.downsample.conv.weight": "layer1.0.downsample.0.weight",
        "backbone.layer1.0.downsample.bn.weight": "layer1.0.downsample.1.weight",
        "cls_head.fc_cls.weight": "fc.weight",
    }
    dropped = ["data_preprocessor.mean", "data_preprocessor.std", "backbone.conv1.bn.num_batches_tracked"]
    assert rename_keys([*keys, *dropped], "a").sources == {name: key for key, name in keys.items()}


def test_a_shifted_network_is_known_without_its_prefix():
    renamed = rename_keys(["layer1.0.conv1.net.weight", "fc.weight"], "a")
    assert renamed.layout == "official TSM"
    assert list(renamed.sources) == ["layer1.0.conv1.weight", "fc.weight"]


@pytest.mark.parametrize(
    "keys",
    [
        ("base_model.fc.weight", "new_fc.weight"),
        ("module.conv1.weight", "conv1.weight"),
        ("base_model.layer1.0.conv1.net.weight", "base_model.layer1.0.conv1.weight"),
        ("backbone.conv1.conv.weight", "backbone.conv1.weight"),
    ],
)
def test_two_keys_for_one_parameter_are_an_error(keys):
    with pytest.raises(CheckpointError) as caught:
        rename_keys(keys, "a.pth")
    assert all(key in caught.value.message for key in keys)
    assert "a parameter has one value" in caught.value.message


@pytest.mark.parametrize(
    ("keys", "network"),
    [
        (
            ["module.base_model.layer2.0.block.conv1.net.weight", "module.base_model.layer2.0.nl.g.0.weight"],
            "non-local",
        ),
        (["base_model.layer2.net.0.nl.theta.weight"], "non-local"),
        (["backbone.layer2.0.non_local_block.g.conv.weight"], "non-local"),
        (["module.base_model.features.3.conv.0.net.weight"], "MobileNetV2"),
        (["backbone.layer1.0.conv.0.conv.weight"], "MobileNetV2"),
        (["base_model.conv1_7x7_s2.weight", "base_model.inception_3a_1x1.weight"], "BNInception"),
        (["Conv3d_1a_7x7.conv3d.weight", "Mixed_3b.b0.conv3d.weight"], "I3D"),
        (["backbone.pos_embed", "backbone.patch_embed.projection.weight"], "vision transformer"),
    ],
)
def test_other_networks_are_refused_by_what_they_are(keys, network):
    with pytest.raises(CheckpointError) as caught:
        rename_keys(keys, "a.pth")
    assert network in caught.value.message
    assert keys[0] in caught.value.message


def test_names_from_a_file_do_not_break_the_line():
    with pytest.raises(CheckpointError) as caught:
        rename_keys(["layer2.0.nl.\n\x1b[31m" + "x" * 5000], "a.pth")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


# ---------------------------------------------------------------- whole files


def test_one_network_has_one_identity_in_every_layout(tmp_path):
    state, shifted = full_state(), SPECS["resnet18"].shifted_blocks
    plain = {name: value for name, value in state.items() if not name.endswith("num_batches_tracked")}
    mean = {"data_preprocessor.mean": torch.zeros(3, 1, 1), "data_preprocessor.std": torch.ones(3, 1, 1)}
    compiled = {"_orig_mod." + name: value for name, value in state.items()}
    files = [
        saved(tmp_path / "resnet18.pth", state),
        saved(tmp_path / "old.pth", plain),
        saved(tmp_path / "a.pth.tar", {"epoch": 3, "state_dict": official_tsm(state, shifted), "best_prec1": 70.5}),
        saved(tmp_path / "b.pth", official_tsm(state, shifted, dropout=False, parallel=False)),
        saved(tmp_path / "c.pth", {"meta": {"epoch": 1}, "state_dict": mmaction2(state, shifted) | mean}),
        saved(tmp_path / "d.pth", {"state_dict_ema": compiled}),
        saved(tmp_path / "e.pth", {"model_state_dict": {"module." + name: value for name, value in state.items()}}),
    ]
    trunks = [load(path) for path in files]
    assert {trunk.checkpoint_digest for trunk in trunks} == {build_trunk("resnet18").checkpoint_digest}
    assert all(trunk.shifted_blocks == shifted for trunk in trunks)
    for path, trunk in zip(files, trunks, strict=True):
        assert trunk.checkpoint_notes == (f"{path}: fc.weight, fc.bias left out: a trunk ends before its classifier",)


@pytest.mark.parametrize("case", ["resnet18_t4", pytest.param("resnet101_t4", marks=pytest.mark.golden)])
def test_official_layout_gives_the_official_numbers(tmp_path, case):
    facts = golden(case)
    keys = official_tsm(golden_state(case), SPECS[facts["arch"]].shifted_blocks)
    trunk = load(saved(tmp_path / "a.pth.tar", {"state_dict": keys}), trunk=facts["arch"])
    direct = saved(tmp_path / "b.pth", golden_state(case))
    with torch.inference_mode():
        embeddings = trunk(golden_frames(case))
        expected = build_trunk(facts["arch"], 4, direct)(golden_frames(case))
    assert torch.equal(embeddings, expected)
    assert relative_error(embeddings[:, :48], facts["embedding_first48"]) <= 1e-5


def test_every_other_key_is_accounted_for(tmp_path):
    state = official_tsm(full_state(), SPECS["resnet18"].shifted_blocks)
    extra = {"module.base_model.layer5.0.conv1.weight": torch.zeros(1)}
    refusal(saved(tmp_path / "a.pth", state | extra), "missing nothing; not used layer5.0.conv1.weight")
    lacking = {name: value for name, value in state.items() if name != "module.base_model.bn1.bias"}
    refusal(saved(tmp_path / "b.pth", lacking), "missing bn1.bias; not used nothing")
    wrong = state | {"module.base_model.bn1.bias": torch.zeros(3)}
    refusal(saved(tmp_path / "c.pth", wrong), "bn1.bias: shape (3,); expected (64,)")
    swapped = {name.replace(".bn1.bias", ".bn1.bais"): value for name, value in state.items()}
    error = refusal(saved(tmp_path / "d.pth", swapped), "missing bn1.bias, layer1.0.bn1.bias")
    assert "not used bn1.bais, layer1.0.bn1.bais" in error.message


def test_the_checkpoint_of_another_trunk_names_it(tmp_path):
    path = saved(tmp_path / "a.pth", full_state())
    refusal(path, "does not fit resnet34", "it looks like resnet18: pass --trunk resnet18", trunk="resnet34")
    shapes = trunk_shapes("resnext50_32x4d")
    # Names and count are those of resnet50; only shapes differ.
    wide = {name: torch.zeros(shape, dtype=torch.float16) for name, shape in shapes.items()}
    path = saved(tmp_path / "b.pth", wide)
    refusal(path, "layer1.0.conv1.weight: shape (128,", "it looks like resnext50_32x4d", trunk="resnet50")


@pytest.mark.parametrize("name", SPECS)
def test_every_trunk_is_recognized_by_its_shapes(name):
    assert recognize_trunk(trunk_shapes(name)) == name


def test_what_is_no_trunk_is_not_recognized():
    shapes = trunk_shapes("resnet50")
    assert recognize_trunk({}) == ""
    assert recognize_trunk({name: shape for name, shape in shapes.items() if not name.startswith("layer4.2")}) == ""
    wide = {name: value.shape for name, value in torchvision_state("wide_resnet50_2").items()}
    assert recognize_trunk(wide) == ""


# ---------------------------------------------------------------- placement


def test_a_plain_tsn_turns_the_shift_off_and_says_so(tmp_path):
    for layout in (official_tsm(full_state(), ()), mmaction2(full_state(), ())):
        path = saved(tmp_path / "tsn.pth", layout)
        trunk = load(path)
        assert trunk.shifted_blocks == ()
        assert "trained without the temporal shift (TSN); the shift is off" in trunk.checkpoint_notes[-1]
        asked = load(path, "on")
        assert len(asked.shifted_blocks) == 8
        assert "on as asked" in asked.checkpoint_notes[-1]
        assert load(path, "off").checkpoint_notes == trunk.checkpoint_notes[:1]
    # torchvision's own names cannot tell, and ImageNet's networks begin a TSM.
    assert len(load(saved(tmp_path / "plain.pth", full_state())).shifted_blocks) == 8


def test_a_module_that_official_tsm_never_shifts_is_seen():
    keys = [
        "base_model.layer1.0.conv1.net.weight",
        "base_model.layer10.0.net.a",
        "base_model.layer1.0.conv2.net.weight",
    ]
    assert read_placement(keys) == Placement("elsewhere", ("layer1.0.conv2", "layer10.0"))
    assert read_placement(["backbone.conv1.conv.net.weight"]) == Placement("elsewhere", ("conv1.conv",))


SHIFTED = SPECS["resnet18"].shifted_blocks
WRONG = {
    "block": (
        lambda state: official_tsm(state, SHIFTED, place="block"),
        "before the whole block (placement block: layer1.0",
    ),
    "pool": (
        lambda state: official_tsm(state, SHIFTED, place="pool"),
        "pooled in time before layer2 (temporal pool)",
    ),
    "half": (
        lambda state: official_tsm(state, SHIFTED[::2]),
        "4 blocks are shifted (not layer1.1, layer2.1, layer3.1 and 1",
    ),
    "mmaction2": (lambda state: mmaction2(state, SHIFTED[:-1]), "7 blocks are shifted (not layer4.1)"),
    "conv2": (
        lambda state: {
            key.replace("conv2.weight", "conv2.net.weight"): state[name]
            for key, name in zip(official_tsm(state, ()), state, strict=True)
        },
        "before layer1.0.conv2, layer1.1.conv2, layer2.0.conv2 and 5 more, which official TSM never does",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_frames_shifted_elsewhere_are_refused_with_a_remedy(tmp_path, case):
    lay_out, says = WRONG[case]
    path = saved(tmp_path / "a.pth", lay_out(full_state()))
    for shift in ("auto", "on"):
        error = refusal(path, says, "--shift off for a per-frame network", shift=shift)
        assert "resnet18 shifts 8 blocks before conv1, as official TSM (blockres) does" in error.message
    trunk = load(path, "off")
    assert trunk.shifted_blocks == ()
    assert "which is off here as asked" in trunk.checkpoint_notes[-1]


def test_a_deep_net_shifted_in_every_block_is_refused():
    shifted = SPECS["resnet101"].shifted_blocks
    every = tuple(f"layer{s}.{b}" for s, count in enumerate((3, 4, 23, 3), 1) for b in range(count))
    placement = read_placement(f"base_model.{block}.conv1.net.weight" for block in every)
    assert placement == Placement("blockres", every)
    with pytest.raises(
        CheckpointError, match=r"33 blocks are shifted \(beyond ours layer1.1, layer2.1, layer2.3 and 12"
    ):
        decide_shift(placement, "auto", shifted, "a.pth", "resnet101")
    assert decide_shift(Placement("blockres", shifted), "auto", shifted, "a.pth", "resnet101") == (True, ())


@pytest.mark.parametrize(("shift", "expected"), [("auto", True), ("on", True), ("off", False)])
def test_a_checkpoint_that_cannot_tell_leaves_the_choice_to_the_option(shift, expected):
    assert decide_shift(None, shift, ("layer1.0",), "a.pth", "resnet18") == (expected, ())
    assert bool(load("random:0", shift).shifted_blocks) == expected


@pytest.mark.parametrize(
    "value", [{}, [], "block", {"kind": "spin", "blocks": []}, {"kind": "none", "blocks": [1]}, {"kind": "none"}]
)
def test_a_header_that_states_no_placement_is_refused(value):
    with pytest.raises(CheckpointError, match="convert the checkpoint again"):
        Placement.from_dict(value, "a.safetensors")
    for placement in (Placement("none"), Placement("blockres", ("layer1.0",))):
        assert Placement.from_dict(placement.to_dict(), "a") == placement


def test_digest_of_the_renamed_state_is_that_of_the_names(tmp_path):
    """Identity by hand for one file of a foreign layout: names, shapes and numbers, in name order."""
    state = {name: value for name, value in full_state().items() if not name.endswith("num_batches_tracked")}
    digest = hashlib.sha256()
    for name in sorted(name for name in state if not name.startswith("fc.")):
        array = state[name].numpy()
        digest.update(f'["{name}",[{",".join(str(n) for n in array.shape)}]]'.encode())
        digest.update(np.ascontiguousarray(array, "<f4").tobytes())
    path = saved(tmp_path / "a.pth", mmaction2(state, SPECS["resnet18"].shifted_blocks))
    assert load(path).checkpoint_digest == digest.hexdigest()
