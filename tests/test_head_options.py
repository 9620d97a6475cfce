"""Options of heads: what they default to, what they refuse, and that they cost no import."""

import subprocess
import sys

import pytest

from tsmfeat.errors import ConfigurationError
from tsmfeat.files import canonical_json
from tsmfeat.heads.options import HeadOptions


def test_the_defaults_are_those_of_the_command_line_contract():
    assert HeadOptions() == HeadOptions(
        head="linear",
        tasks=("action", "scene"),
        epochs=50,
        batch_size=256,
        lr=0.001,
        momentum=0.9,
        weight_decay=5e-4,
        schedule="cosine",
        dropout=0.5,
        dropout_unit="frame",
        standardize=True,
        scene_weight=1.0,
        background_weight=1.0,
        min_overlap=0.5,
        seed=0,
        loss="cross-entropy",
        label_smoothing=0.0,
        targets="hard",
        background_ratio="all",
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("head", "liner"),
        ("schedule", ""),
        ("dropout_unit", "frames"),
        ("tasks", ("scene",)),
        ("tasks", ()),
        ("tasks", ("action", "action")),
        ("tasks", ("action", "sound")),
        ("epochs", 0),
        ("epochs", 1.5),
        ("epochs", True),
        ("batch_size", 0),
        ("seed", -1),
        ("lr", 0.0),
        ("lr", float("nan")),
        ("lr", float("inf")),
        ("lr", "0.1"),
        ("momentum", 1.0),
        ("momentum", -0.1),
        ("weight_decay", -1e-9),
        ("dropout", 1.0),
        ("dropout", -0.1),
        ("scene_weight", -1.0),
        ("scene_weight", None),
        ("min_overlap", 1.1),
        ("min_overlap", -0.1),
        ("background_weight", 0.0),
        ("background_weight", float("inf")),
        ("background_weight", "balance"),
        ("background_weight", "1.0"),
        ("num_levels", 0),
        ("nms_sigma", 0.0),
    ],
)
def test_what_cannot_be_carried_out_is_refused_by_name_with_a_remedy(name, value):
    with pytest.raises(ConfigurationError, match=name) as caught:
        HeadOptions(**{name: value})
    assert caught.value.hint
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("dropout", 0.0),
        ("momentum", 0),
        ("scene_weight", 0),
        ("min_overlap", 0),
        ("min_overlap", 1),
        ("background_weight", "balanced"),
        ("background_weight", 0.01),
        ("weight_decay", 0.0),
        ("epochs", 1),
    ],
)
def test_the_ends_of_the_ranges_are_allowed(name, value):
    assert getattr(HeadOptions(**{name: value}), name) == value


def test_tasks_have_one_order_and_may_come_as_a_list():
    assert HeadOptions(tasks=["scene", "action"]).tasks == ("action", "scene")
    assert HeadOptions(tasks=["action"]).tasks == ("action",)


def test_a_mistyped_choice_gets_a_suggestion():
    with pytest.raises(ConfigurationError) as caught:
        HeadOptions(tasks=("actions",))
    assert caught.value.hint == "did you mean 'action'?"


def test_the_options_are_json_and_come_back_whole():
    options = HeadOptions(tasks=("action",), background_weight="balanced", lr=0.01)
    assert canonical_json(options.to_dict())
    assert HeadOptions(**options.to_dict()) == options


def test_only_fitting_needs_torch():
    """Scoring with heads starts without torch's two seconds."""
    modules = "options, targets, rows, model, prediction, checkpoint"
    program = (
        f"import sys; from tsmfeat.heads import {modules}; print(*{{'torch', 'numba', 'h5py'}} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
