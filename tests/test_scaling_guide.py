"""The recipes of the guide to scaling are true: the array's script is run as the scheduler runs it, then the merge."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from factories_videos import stored_counts, write_tiny_videos
from torchvision.models import resnet18
from typer.testing import CliRunner

import tsmfeat
from tsmfeat_cli.main import app

GUIDE = Path(tsmfeat.__file__).parents[1] / "docs" / "scaling.md"


@pytest.fixture
def guide():
    if not GUIDE.exists():
        pytest.skip("the guide is not installed")
    return GUIDE.read_text()


def blocks(guide):
    return re.findall(r"^```\n(.*?)^```$", guide, re.MULTILINE | re.DOTALL)


def option_names(guide):
    """Return the options that the guide gives to commands of ours, by command."""
    found = set()
    for block in blocks(guide):
        for line in block.replace("\\\n", " ").splitlines():
            if match := re.search(r"tsmfeat ([a-z]+) (.*)", line):
                found |= {(match[1], option) for option in re.findall(r"(?<![\w-])--[a-z-]+", match[2])}
    return found


def test_every_option_of_the_recipes_exists(guide):
    found = option_names(guide)
    assert {("extract", "--shard"), ("extract", "--engine"), ("extract", "--workers")} <= found
    for command in {command for command, _ in found}:
        shown = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "200"}).stdout
        assert [option for name, option in found if name == command and option not in shown] == []


def test_the_script_is_short(guide):
    script = next(block for block in blocks(guide) if block.startswith("#!"))
    assert len(script.splitlines()) <= 12


@pytest.mark.golden
def test_the_array_of_the_guide_and_its_merge_run(tmp_path, guide):
    script = next(block for block in blocks(guide) if block.startswith("#!"))
    # What the test cannot afford: the network, the frames' size and ten readers.
    script = script.replace("resnet50 ", "resnet18 ").replace("--workers 10", "--workers 1 --resize square32")
    (tmp_path / "extract.sbatch").write_text(script)
    write_tiny_videos(tmp_path / "videos", 4)
    torch.save(resnet18(weights=None).state_dict(), tmp_path / "resnet50.pth")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "tsmfeat").write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m tsmfeat_cli "$@"\n')
    (tmp_path / "bin" / "tsmfeat").chmod(0o755)
    paths = os.pathsep.join([str(tmp_path / "bin"), os.environ["PATH"]])
    for index in range(2):
        task = {"SLURM_ARRAY_TASK_ID": str(index), "SLURM_ARRAY_TASK_COUNT": "2", "PATH": paths}
        subprocess.run([shutil.which("bash"), "extract.sbatch"], cwd=tmp_path, env=os.environ | task, check=True)
    wrapped = re.search(r'--wrap "tsmfeat ([^"]+)"', guide)[1]
    subprocess.run([str(tmp_path / "bin" / "tsmfeat"), *shlex.split(wrapped)], cwd=tmp_path, check=True)
    assert stored_counts(tmp_path / "features.h5") == {"clip0": 2, "clip1": 3, "clip2": 4, "clip3": 5}
