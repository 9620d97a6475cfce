"""Options of a trunk: every value checked at once, with the remedy."""

import subprocess
import sys

import pytest

from tsmfeat.errors import ConfigurationError
from tsmfeat.trunk.names import TRUNKS, name_in_spec
from tsmfeat.trunk.options import PRECISIONS, SHIFTS, TrunkOptions, random_seed, require_trunk
from tsmfeat.trunk.specs import SPECS


def test_defaults_are_those_of_the_contract():
    options = TrunkOptions(checkpoint="random:0")
    assert options.trunk == "resnext101_64x4d"
    assert (options.num_frames, options.shift, options.shift_div) == (8, "auto", 8)
    assert (options.precision, options.device, options.batch_size) == ("auto", "auto", None)


def test_every_choice_is_accepted():
    for trunk in TRUNKS:
        for precision in PRECISIONS:
            for shift in SHIFTS:
                TrunkOptions(trunk, "weights.pth", precision=precision, shift=shift)
    for device in ("auto", "cpu", "cuda", "cuda:0", "cuda:15"):
        assert TrunkOptions("resnet18", "random:0", device=device).device == device


@pytest.mark.parametrize(
    ("changes", "message", "hint"),
    [
        ({"trunk": "resnext101_32x8"}, "resnext101_32x8", "did you mean 'resnext101_32x8d'"),
        ({"trunk": "vit"}, "vit", "choose one of resnet18, resnet34"),
        ({"trunk": "vit"}, "vit", "timm:NAME, hf:NAME, python:module:function"),
        ({"trunk": "vit_base_patch16_224"}, "vit_base", "write timm:vit_base_patch16_224"),
        ({"trunk": "MCG-NJU/videomae-base"}, "videomae", "write hf:MCG-NJU/videomae-base"),
        ({"trunk": "tim:resnet18"}, "prefix 'tim'", "did you mean 'timm'"),
        ({"trunk": "torch:resnet18"}, "prefix 'torch'", "choose one of timm:NAME"),
        ({"trunk": "timm:"}, "names nothing", "timm:NAME"),
        ({"trunk": "python:module"}, "names nothing", "python:module:function"),
        ({"trunk": "python:a:b.c", "checkpoint": ""}, "names nothing", "python:module:function"),
        ({"trunk": "timm:resnet18", "shift": "on"}, "has no temporal shift", "leave --shift out"),
        ({"trunk": "timm:resnet18", "checkpoint": ""}, "no default", "pretrained (timm downloads it once)"),
        ({"trunk": "timm:resnet18", "checkpoint": "imagenet"}, "'imagenet'", "pass pretrained"),
        ({"trunk": "hf:a/b", "checkpoint": "model.pth"}, "config.json and model.safetensors", "hf:FOLDER"),
        ({"trunk": "python:a:b", "checkpoint": "pretrained"}, "'pretrained'", "leave it out"),
        ({"checkpoint": "pretrained"}, "'pretrained'", "imagenet for torchvision's file"),
        ({"checkpoint": ""}, "no default", "random:SEED"),
        ({"checkpoint": ""}, "no default", "imagenet for torchvision's file"),
        ({"checkpoint": "random:"}, "random:", "random:0"),
        ({"checkpoint": "random:-1"}, "random:-1", "random:0"),
        ({"checkpoint": "random:1.5"}, "random:1.5", "random:0"),
        ({"checkpoint": "random:" + "9" * 5000}, "random:9", "random:0"),
        ({"checkpoint": "random:١"}, "random:١", "random:0"),
        ({"precision": "fp23"}, "precision 'fp23'", "did you mean 'fp32'"),
        ({"precision": "half"}, "precision 'half'", "choose one of auto, fp32, bf16, fp16"),
        ({"shift": "yes"}, "shift 'yes'", "choose one of auto, on, off"),
        ({"num_frames": 0}, "num_frames is 0", ""),
        ({"num_frames": True}, "num_frames is True", ""),
        ({"num_frames": 8.0}, "num_frames is 8.0", ""),
        ({"shift_div": 1}, "shift_div is 1; expected a whole number of at least 2", ""),
        ({"batch_size": 0}, "batch_size is 0", ""),
        ({"device": "gpu"}, "device 'gpu'", "cuda:N"),
        ({"device": "cuda:"}, "device 'cuda:'", "cuda:N"),
        ({"device": "cuda:-1"}, "device 'cuda:-1'", "cuda:N"),
    ],
)
def test_values_that_cannot_be_carried_out_are_refused(changes, message, hint):
    with pytest.raises(ConfigurationError) as caught:
        TrunkOptions(**{"trunk": "resnet18", "checkpoint": "random:0"} | changes)
    assert message in caught.value.message
    assert hint in caught.value.hint
    assert "\n" not in str(caught.value)


def test_names_with_a_prefix_are_accepted():
    for trunk, checkpoint in (
        ("timm:vit_tiny_patch16_224.augreg_in21k", "pretrained"),
        ("timm:resnet18", "weights.pth"),
        ("hf:MCG-NJU/videomae-base", "pretrained"),
        ("hf:../models/my own", "random:3"),
        ("python:own.trunks:build", ""),
    ):
        assert TrunkOptions(trunk, checkpoint, shift="off").trunk == trunk
    with pytest.raises(ConfigurationError, match="of another library"):
        require_trunk("timm:resnet18")


@pytest.mark.parametrize(
    ("name", "recorded"),
    [
        ("resnet18", "resnet18"),
        ("timm:resnet18", "timm:resnet18"),
        ("hf:MCG-NJU/videomae-base", "hf:MCG-NJU/videomae-base"),
        ("hf:/home/me/models/videomae-base/", "hf:videomae-base"),
        ("hf:./videomae", "hf:videomae"),
        ("hf:~/a/b c", "hf:b c"),
        ("hf:/", "hf:/"),
        ("python:a.b:c", "python:a.b:c"),
    ],
)
def test_features_record_a_folders_name_and_not_where_it_lies(name, recorded):
    assert name_in_spec(name) == recorded


def test_a_checkpoint_that_is_not_a_seed_is_a_path():
    assert random_seed("random:12") == 12
    assert random_seed("random.pth") is None
    assert random_seed("./random:12") is None


def test_deep_nets_shift_every_second_block():
    # By hand: 3 + 4 + 6 + 3 blocks, and 2 + 2 + 12 + 2 of 3 + 4 + 23 + 3.
    assert len(SPECS["resnet50"].shifted_blocks) == 16
    assert len(SPECS["resnet101"].shifted_blocks) == 18
    assert SPECS["resnext101_64x4d"].shifted_blocks[:4] == ("layer1.0", "layer1.2", "layer2.0", "layer2.2")
    assert SPECS["resnet18"].shifted_blocks[-1] == "layer4.1"


def test_options_import_nothing_heavy():
    code = (
        "import sys, tsmfeat.trunk.options; print([m for m in ('torch', 'torchvision', 'numpy') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
