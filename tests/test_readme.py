"""Every command and the Python of the README, and every example of ``--help``, run as printed."""

import json
import re
import shlex
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
import torch
from naive_layouts import official_tsm
from torchvision.models import resnet18, resnet50
from typer.testing import CliRunner

from tsmfeat.formats.interval_scores import write_interval_scores
from tsmfeat.heads.options import HeadOptions
from tsmfeat.trunk.tsm import build_trunk
from tsmfeat.values.predictions import IntervalScores
from tsmfeat.values.vocabulary import Vocabulary
from tsmfeat.video.encoding import write_video
from tsmfeat.workflows import extract, fit_heads
from tsmfeat.workflows.fit_options import FitOptions
from tsmfeat.workflows.options import ExtractOptions, TrunkOptions, VideoOptions
from tsmfeat_cli.lazy import COMMANDS as COMMANDS_OF_THE_APP
from tsmfeat_cli.main import app

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^ *```(\w*)\n(.*?)^ *```$", README, re.MULTILINE | re.DOTALL)
COMMANDS = [line.strip() for kind, block in BLOCKS if not kind for line in block.splitlines()]
COMMANDS = [line for line in COMMANDS if line.startswith("tsmfeat ")]
SUBSETS = {"kitchen-1": "training", "kitchen-2": "validation", "kitchen-3": "testing", "kitchen-4": "training"}
# Annotated and scored, but not filmed here: tuning needs a video a fold.
OUT_OF_FOLD = [f"kitchen-{number}" for number in range(5, 10)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Make the files a reader would have: videos, annotations, a checkpoint, results, and an ensemble's parts."""
    folder = tmp_path_factory.mktemp("readme")
    (folder / "videos").mkdir()
    rng = np.random.default_rng(0)
    for name in (*(f"videos/{name}" for name in SUBSETS), "new"):
        write_video(folder / f"{name}.mp4", rng.integers(0, 255, (25, 64, 64, 3), np.uint8), fps=16)
    row = {"label": "stir", "segment": [0.5, 1.0]}
    database = {
        name: {"subset": s, "duration": 1.56, "scene": "kitchen", "annotations": [row]} for name, s in SUBSETS.items()
    }
    database |= {name: {**database["kitchen-2"], "subset": "tuning"} for name in OUT_OF_FOLD}
    (folder / "gt.json").write_text(json.dumps({"database": database}))
    for name in ("result", "a", "b"):
        results = {video: [{**row, "score": 0.5}] for video in database}
        (folder / f"{name}.json").write_text(json.dumps({"results": results}))
    write_interval_scores(score_intervals(), folder / "oof.safetensors")
    torch.save(resnet50(weights=None).state_dict(), folder / "resnet50.pth")
    shifted = build_trunk("resnet18", 2).shifted_blocks
    training = {"state_dict": official_tsm(resnet18(weights=None).state_dict(), shifted), "args": Namespace(lr=0.1)}
    torch.save(training, folder / "ckpt.best.pth.tar")
    (folder / "audio").mkdir()
    for name in SUBSETS:
        np.save(folder / "audio" / f"{name}.npy", rng.normal(size=(3, 8)).astype(np.float32))
    for name, step in (("t05", 0.5), ("t10", 1.0)):
        trunk = TrunkOptions("resnet18", "random:0", num_frames=2)
        options = ExtractOptions(trunk, VideoOptions("square32", workers=1), step_seconds=step)
        extract([str(folder / "videos")], folder / f"{name}.h5", options)
        if step == 0.5:
            extract([str(folder / "videos")], folder / "parts", options)
        fitting = FitOptions(HeadOptions(epochs=20, lr=0.1, dropout=0.0, standardize=False))
        fit_heads([folder / f"{name}.h5"], folder / "gt.json", folder / f"{name}.safetensors", fitting)
    return folder


def score_intervals():
    """Three intervals each of the videos to tune on; the annotated one is the second."""
    ids = tuple(OUT_OF_FOLD)
    rows = np.tile([[0.2, 0.8], [0.9, 0.1], [0.4, 0.6]], (len(ids), 1))
    return IntervalScores(ids, Vocabulary(("stir",)), np.arange(len(ids) + 1) * 3, rows, 0.5, np.full(len(ids), 1.56))


@pytest.fixture
def run(folder, monkeypatch):
    """Run a command line in the reader's folder."""
    monkeypatch.chdir(folder)
    return lambda command: CliRunner().invoke(app, shlex.split(command)[1:], prog_name="tsmfeat")


def test_the_readme_prints_commands():
    assert len(COMMANDS) >= 6
    assert {line.split()[1] for line in COMMANDS} == {*COMMANDS_OF_THE_APP} - {"demo"}


@pytest.mark.golden
def test_every_command_of_the_readme_runs(run):
    for command in COMMANDS:
        done = run(command)
        assert done.exit_code == 0, f"{command}\n{done.output}"


@pytest.mark.golden
def test_the_python_of_the_readme_runs(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    code = [block for kind, block in BLOCKS if kind == "python"]
    assert len(code) == 1
    exec(compile(code[0], "README.md", "exec"), {})
    assert capsys.readouterr().out.startswith("[")


def test_the_annotations_of_the_readme_are_readable(tmp_path):
    from tsmfeat import read_annotations

    (block,) = [block for kind, block in BLOCKS if kind == "json"]
    (tmp_path / "gt.json").write_text(block)
    truth = read_annotations(tmp_path / "gt.json", invalid="error")
    assert (truth.video_ids, truth.vocabulary.names, truth.scene_vocabulary.names) == (
        ("kitchen-1",),
        ("stir",),
        ("kitchen",),
    )


@pytest.mark.golden
def test_every_example_of_the_help_runs(run):
    # The demo has a test of its own.
    for name in (name for name in COMMANDS_OF_THE_APP if name != "demo"):
        shown = " ".join(run(f"tsmfeat {name} --help").stdout.split())
        example = re.search(r"Example: (tsmfeat .*?) ╭", shown)
        assert example, shown
        done = run(example[1])
        assert done.exit_code == 0, f"{example[1]}\n{done.output}"
