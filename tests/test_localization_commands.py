"""Options of localisation on the command line, in files and end to end."""

import json

import numpy as np
import pytest
import typer
from factories_workflows import write_database
from typer.testing import CliRunner

import tsmfeat.workflows.scoring
from tsmfeat.formats.interval_scores import write_interval_scores
from tsmfeat.values.predictions import IntervalScores
from tsmfeat.values.vocabulary import Vocabulary
from tsmfeat_cli.main import app


@pytest.fixture
def wavering(tmp_path):
    """Scores that lose their action for one interval, and annotations."""
    rows = np.array(
        [[0.9, 0.0, 0.1]] * 3 + [[0.4, 0.1, 0.5]] + [[0.8, 0.0, 0.2]] * 3 + [[0.0, 0.9, 0.1]] * 3, np.float32
    )
    names = Vocabulary(("run", "eat"))
    scores = IntervalScores(("v",), names, np.array([0, 10]), rows, 1.0, np.array([10.5]))
    write_interval_scores(scores, tmp_path / "v.scores")
    segments = [{"label": "run", "segment": [0.0, 7.0]}, {"label": "eat", "segment": [7.0, 10.5]}]
    entry = {"duration": 10.5, "annotations": segments}
    write_database(tmp_path / "gt.json", {"v": {"subset": "testing", **entry}})
    write_database(tmp_path / "train.json", {"w": {"subset": "training", **entry}})
    return tmp_path


def score(folder, *words):
    command = [
        "score",
        str(folder / "v.scores"),
        "--annotations",
        str(folder / "gt.json"),
        "--tiou",
        "0.5,0.95",
        *words,
    ]
    return CliRunner().invoke(app, command)


def test_without_extras_what_wavers_is_torn(wavering):
    found = json.loads(score(wavering, "--json").stdout)
    assert found["num_predictions"] == 3
    assert max(found["map"]) < 1.0


@pytest.mark.parametrize(
    "words",
    [
        "--max-gap 1",
        "--smooth mean:3",
        "--smooth gaussian:1",
        "--smooth viterbi:0.2",
        "--localize threshold --threshold 0.4",
        "--localize threshold --class-threshold run=0.4",
    ],
)
def test_extras_mend_what_wavers(wavering, words):
    done = score(wavering, "--json", "--tail", "extend", *words.split())
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["map"] == [1.0, 1.0]


def test_costs_of_changes_are_learned_from_a_file(wavering):
    words = ("--smooth", "viterbi:0.1", "--tail", "extend", "--transitions", str(wavering / "train.json"))
    assert json.loads(score(wavering, "--json", *words).stdout)["map"] == [1.0, 1.0]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--threshold", "half"], "--threshold 'half'"),
        (["--class-threshold", "0.3"], "not a name and a number"),
        (["--class-threshold", "run=x"], "--class-threshold 'run=x'"),
        (["--refine", "maybe"], "--refine 'maybe'"),
        (["--smooth", "viterbi"], "COST"),
        (["--segment-score", "best"], "segment_score 'best'"),
        (["--transitions", "train.json"], "only viterbi pays"),
    ],
)
def test_what_cannot_be_carried_out_is_told(wavering, words, message, monkeypatch):
    monkeypatch.chdir(wavering)
    done = score(wavering, *words)
    assert done.exit_code == 2
    assert message in done.stderr


def test_a_config_file_may_hold_a_number_or_a_list(tmp_path, monkeypatch):
    seen = []

    def capture(sources, annotations, features, options, progress):
        seen.append(options.localization)
        raise typer.Exit(0)

    monkeypatch.setattr(tsmfeat.workflows.scoring, "score", capture)
    for text in ("threshold = 0.3", 'threshold = "0.3,0.5"\nclass-threshold = ["run=0.4", "eat=0.2"]\nrefine = "on"'):
        (tmp_path / "c.toml").write_text(f"[score]\n{text}\n")
        words = ["score", "x", "--annotations", "gt.json", "--config", str(tmp_path / "c.toml")]
        assert CliRunner().invoke(app, words).exit_code == 0
    assert seen[0].threshold == 0.3
    assert seen[1].threshold == (0.3, 0.5)
    assert seen[1].class_thresholds == (("run", 0.4), ("eat", 0.2))
    assert seen[1].refine
