"""What was given to `fit-heads` and `ablate` in vain is told, and what is not theirs is left alone."""

from dataclasses import replace
from pathlib import Path

import pytest
from factories_heads import Recorder
from factories_workflows import make_database, perfect_results, write_database, write_predictions_file, write_store
from typer.testing import CliRunner

from tsmfeat.errors import ConfigurationError
from tsmfeat.heads.options import HeadOptions
from tsmfeat.workflows.ablation import ablate
from tsmfeat.workflows.ablation_options import AblateOptions
from tsmfeat.workflows.fit_options import FitOptions
from tsmfeat.workflows.fit_options_in_vain import list_vain_fitting
from tsmfeat.workflows.fitting import fit_heads
from tsmfeat_cli.main import app

BRIEF = HeadOptions(epochs=1, lr=0.1)


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    folder = tmp_path_factory.mktemp("vain")
    write_database(folder / "gt.json", make_database())
    write_store(folder / "store", make_database())
    return folder


def say(text: str) -> list[str]:
    return [
        f"{part} has no say {rest}" for part, _, rest in (line.partition(" | ") for line in text.split("; ") if line)
    ]


@pytest.mark.parametrize(
    ("given", "vain"),
    [
        ({}, ""),
        ({"hidden_size": 9}, "--hidden-size | without --head mlp or tcn or pyramid"),
        ({"head": "mlp", "hidden_size": 9}, ""),
        ({"head": "conditioned", "hidden_size": 9, "rank": 9}, "--hidden-size | without --head mlp or tcn or pyramid"),
        (
            {"num_layers": 2, "smoothing_loss": 0.0},
            "--num-layers | without --head tcn; --smoothing-loss | without --head tcn",
        ),
        ({"head": "tcn", "num_layers": 2, "smoothing_loss": 0.0}, ""),
        (
            {"num_levels": 2, "nms_sigma": 1.0},
            "--num-levels | without --head pyramid; --nms-sigma | without --head pyramid",
        ),
        ({"head": "pyramid", "num_levels": 2, "nms_sigma": 1.0, "dropout_unit": "embedding", "hidden_size": 9}, ""),
        ({"head": "mlp", "dropout_unit": "embedding"}, "--dropout-unit | without --head linear or pyramid"),
        ({"lr": 0.1, "momentum": 0.5, "weight_decay": 0.1}, ""),
        (
            {"solver": "lbfgs", "lr": 0.1, "dropout": 0.1, "weight_decay": 0.1},
            "--lr | with --solver lbfgs; --dropout | with --solver lbfgs",
        ),
        ({"tasks": ("action",), "scene_weight": 2.0}, "--scene-weight | with --tasks action"),
    ],
)
def test_an_option_of_heads_has_a_say_or_is_named(given, vain):
    assert list_vain_fitting(FitOptions(HeadOptions(**given))) == say(vain)


def test_an_option_has_a_say_in_a_sweep_where_any_run_hears_it():
    assert list_vain_fitting(FitOptions(sweep="head=linear,mlp;hidden-size=4,8")) == []
    assert list_vain_fitting(FitOptions(sweep="hidden-size=4,8")) == say(
        "--hidden-size | without --head mlp or tcn or pyramid"
    )
    assert list_vain_fitting(FitOptions(HeadOptions(lr=0.1), sweep="solver=sgd,lbfgs")) == []


def test_fits_and_ablations_tell_what_is_in_vain(task, tmp_path):
    heads = replace(BRIEF, rank=3)
    progress = Recorder()
    options = FitOptions(heads, pseudo_min_score=0.9)
    fit_heads(task / "store", task / "gt.json", tmp_path / "h.safetensors", options, progress)
    told = [text for _, text in progress.of("note") if "no say" in text]
    assert told == say("--rank | without --head conditioned; --pseudo-min-score | without --pseudo")
    progress = Recorder()
    options = AblateOptions(heads, num_folds=2, num_seeds=1, subset="training", num_resamples=2)
    ablate(task / "store", task / "gt.json", None, options, progress)
    assert [text for _, text in progress.of("note") if "no say" in text] == say("--rank | without --head conditioned")


def test_tables_that_are_not_ours_are_left_alone(task, tmp_path):
    table, folds, out = tmp_path / "h.sweep.csv", tmp_path / "oof" / "folds.csv", tmp_path / "h.safetensors"
    table.write_text("mine\n")
    with pytest.raises(ConfigurationError, match=r"h\.sweep\.csv: exists and is not what is written there"):
        fit_heads(task / "store", task / "gt.json", out, FitOptions(BRIEF, num_seeds=2))
    folds.parent.mkdir()
    folds.write_text("video_id,fold_of_mine\n")
    with pytest.raises(ConfigurationError, match=r"folds\.csv: exists and is not what is written there"):
        fit_heads(task / "store", task / "gt.json", out, FitOptions(BRIEF, num_folds=2, save_oof=str(folds.parent)))
    assert table.read_text() == "mine\n"
    assert folds.read_text() == "video_id,fold_of_mine\n"
    assert not out.exists()
    table.unlink()
    folds.write_text("")
    options = FitOptions(BRIEF, num_seeds=2, num_folds=2, save_oof=str(folds.parent))
    fit_heads(task / "store", task / "gt.json", out, options)
    fit_heads(task / "store", task / "gt.json", out, options)
    assert table.read_text().startswith("rank,seed,")


def test_pseudo_labels_print_both_scores_without_a_sweep_too(task, tmp_path):
    found = write_predictions_file(Path(tmp_path, "found.json"), perfect_results(make_database()))
    words = [
        "fit-heads",
        task / "store",
        "--annotations",
        task / "gt.json",
        "--pseudo",
        found,
        "--epochs",
        1,
        "--lr",
        0.1,
    ]
    done = CliRunner().invoke(app, [str(word) for word in [*words, "-o", tmp_path / "h.safetensors"]])
    assert done.exit_code == 0, done.stderr
    assert "pseudo-labels of 4 videos: " in done.stdout
    assert " without)" in done.stdout
