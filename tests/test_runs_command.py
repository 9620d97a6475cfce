"""`tsmfeat runs`: the leaderboard, its orders and selections, and what differs between two runs."""

import csv
import json

import pytest
from typer.testing import CliRunner

from tsmfeat.errors import ConfigurationError
from tsmfeat.workflows.run_comparison import compare_records
from tsmfeat.workflows.run_files import append_run
from tsmfeat.workflows.run_listing import runs as list_runs
from tsmfeat.workflows.run_options import RunsOptions
from tsmfeat_cli.main import app
from tsmfeat_cli.run_tables import describe_comparison, describe_runs


def make_record(minute, command="score", final=0.5, **changes):
    scores = {
        "final_score": final,
        "map": [0.9, 0.5, 0.1],
        "tiou_thresholds": [0.5, 0.75, 0.95],
        "scene_accuracy": 0.75,
        "validation_score": changes.pop("validation", None),
        "judged_on": changes.pop("judged_on", "testing"),
        "protocol": "paper",
    }
    record = {
        "command": command,
        "time": f"2026-01-02T03:{minute:02}:05Z",
        "tsmfeat": "0.1.0",
        "command_line": f"tsmfeat {command} heads-{minute}.safetensors",
        "git_commit": None,
        "output": f"a-rather-long-folder/of-experiments/run-{minute}/scores",
        "options": {"heads": {"lr": 0.001 * minute, "tasks": ["action", "scene"]}, "subset": "testing"},
        "specs": [{"sha256": "ab", "short": "resnet18 t0.5", "fields": {"trunk": "resnet18", "step_seconds": 0.5}}],
        "annotations": {"name": "gt.json", "bytes": 9, "sha256": "cd" * 32},
        "inputs": [{"name": "heads.safetensors", "bytes": 7, "sha256": f"{minute:064}"}],
        "scores": scores,
        "seconds": 10.0 - minute,
    }
    return record | changes


RECORDS = [
    make_record(3, final=0.25, validation=0.75),
    make_record(1, "fit-heads", 0.75, validation=0.75, judged_on="validation"),
    make_record(2, final=0.5, validation=0.25),
    make_record(4, "tune", None),
]


@pytest.fixture
def runs(tmp_path, monkeypatch):
    for record in RECORDS:
        append_run(tmp_path / "runs.jsonl", record)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    return tmp_path / "runs.jsonl"


def call(*words, code=0):
    done = CliRunner().invoke(app, ["runs", *map(str, words)])
    assert done.exit_code == code, done.output
    return done


def numbers(**options):
    return [run.number for run in list_runs("runs.jsonl", RunsOptions(**options)).runs]


def test_runs_are_numbered_by_age_and_sorted_by_score(runs):
    assert numbers() == [1, 2, 3, 4]  # .75, .5, .25, none
    assert numbers(sort="final_score") == [1, 2, 3, 4]
    assert numbers(sort="validation") == [1, 3, 2, 4]
    assert numbers(sort="time") == [4, 3, 2, 1]
    assert numbers(sort="seconds") == [4, 3, 2, 1]
    assert numbers(command="score") == [2, 3]
    assert numbers(command="score", top=1) == [2]


def test_a_command_without_runs_is_refused(runs):
    with pytest.raises(ConfigurationError, match="no run of command 'scor' is recorded") as caught:
        numbers(command="scor")
    assert caught.value.hint == "did you mean 'score'?"
    with pytest.raises(ConfigurationError, match="sort 'final' is not one of"):
        RunsOptions("final")
    with pytest.raises(ConfigurationError, match="top -1"):
        RunsOptions(top=-1)
    with pytest.raises(ConfigurationError, match="it takes two runs"):
        RunsOptions(compare=("1",))


@pytest.mark.parametrize("width", [80, 120, 160])
def test_the_table_fits_and_keeps_what_matters(runs, width):
    lines = describe_runs(list_runs(runs), width).splitlines()
    assert max(map(len, lines)) <= width
    heads = lines[0].split()
    assert [name in heads for name in ("#", "command", "final", "@0.5", "on", "output")] == [True] * 6
    assert ("id" in heads) == (width > 80)
    first = lines[1].split()
    assert first[0] == "1"
    assert "0.7500" in first
    assert lines[1].endswith("run-1/scores")  # of a path that is cut, the end stays
    assert lines[4].split()[0] == "4"


def test_a_narrow_table_says_which_scores_do_not_compare(runs):
    assert "kinds of scores are listed together" in describe_runs(list_runs(runs), 80)
    assert "kinds of scores" not in describe_runs(list_runs(runs, RunsOptions(command="score")), 80)
    assert "3 more runs are recorded" in describe_runs(list_runs(runs, RunsOptions(top=1)), 80)


def test_runs_of_other_thresholds_have_no_place_in_the_columns(runs):
    other = make_record(5, final=0.9)
    other["scores"] |= {"map": [0.4], "tiou_thresholds": [0.3]}
    append_run(runs, other)
    first = describe_runs(list_runs(runs), 120).splitlines()[1].split()
    assert first[0] == "5"
    assert "0.400" not in first


def test_the_json_tells_all_and_counts_bad_lines(runs):
    with runs.open("a") as stream:
        stream.write("torn\n")
    done = call("--json")
    found = json.loads(done.stdout)
    assert (found["num_runs"], found["num_bad_lines"], found["sort"]) == (4, 1, "final-score")
    assert [run["number"] for run in found["runs"]] == [1, 2, 3, 4]
    assert found["runs"][0]["scores"] == RECORDS[1]["scores"]
    assert found["bad_lines"][0]["line"] == 5
    assert "hold no record: 1, first runs.jsonl line 5 (not JSON" in done.stderr
    assert "1  " in call("-q").stdout


def test_the_table_goes_into_a_csv_with_a_column_for_every_option(runs, tmp_path):
    call("--csv", tmp_path / "runs.csv", "--command", "score")
    call("--csv", tmp_path / "runs.csv")  # a table of ours is replaced
    with (tmp_path / "runs.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["number"] for row in rows] == ["1", "2", "3", "4"]
    assert rows[0]["map@0.75"] == "0.5"
    assert rows[0]["options.heads.lr"] == "0.001"
    assert rows[0]["options.heads.tasks"] == "action,scene"
    assert rows[0]["spec"] == "resnet18 t0.5"
    assert rows[3]["final_score"] == ""
    for path in (runs, tmp_path):
        done = call("--csv", path, code=2)
        assert "exists and is no table of runs" in done.stderr


def test_two_runs_are_compared_by_number_or_id(runs):
    ids = {run.number: run.run.id for run in list_runs(runs).runs}
    found = json.loads(call("--compare", 2, 3, "--json").stdout)
    assert found == json.loads(call("--compare", ids[2][:4], ids[3].upper(), "--json").stdout)
    assert found["scores_compare"]
    assert [run["number"] for run in found["compare"]] == [2, 3]
    told = {part: {each["name"]: each for each in differences} for part, differences in found["differences"].items()}
    assert told["scores"]["final_score"] == {"name": "final_score", "values": [0.5, 0.25], "change": -0.25}
    assert told["options"] == {
        "heads.lr": {"name": "heads.lr", "values": [0.002, 0.003], "change": pytest.approx(0.001)}
    }
    assert told["features"] == {}
    assert list(told["inputs"]) == ["inputs.1.sha256"]
    assert "seconds" in told["run"]


@pytest.mark.parametrize("width", [80, 120])
def test_a_comparison_is_readable(runs, width):
    comparison = list_runs(runs, RunsOptions(compare=("2", "3"))).comparison
    text = describe_comparison(comparison, in_full=False, width=width)
    lines = text.splitlines()
    assert all(len(line) <= width for line in lines)
    row = next(line for line in lines if line.startswith("  heads.lr"))
    assert row.split() == ["heads.lr", "0.002", "0.003", "+0.001"]
    assert lines[-1] == "the same: features"
    assert "sha256" not in text
    assert "sha256" in describe_comparison(comparison, in_full=True, width=width)
    assert "do not compare" not in text


def test_scores_of_different_things_are_told_not_to_compare(runs):
    text = call("--compare", 1, 2).stdout
    assert "the final scores do not compare: judged on validation and testing" in text
    one, other = make_record(1), make_record(1, annotations={"sha256": "other"})
    other["scores"] |= {"tiou_thresholds": [0.3, 0.5], "protocol": "epic"}
    assert compare_records(one, other).obstacles == (
        "the annotations differ",
        "protocol paper and epic",
        "tIoU thresholds 0.5, 0.75, 0.95 and 0.3, 0.5",
    )
    assert compare_records(one, one).obstacles == ()


def test_of_two_commands_only_shared_options_are_compared():
    one = make_record(1, options={"a": 1, "b": 2})
    other = make_record(1, "tune", options={"b": 3, "c": 4})
    (found,) = compare_records(one, other).differences["options"]
    assert (found.name, found.one, found.other, found.change) == ("b", 2, 3, 1.0)
    (_, two) = compare_records(one, {**other, "command": "score"}).differences["options"][::2]
    assert (two.name, two.one, two.other, two.change) == ("c", None, 4, None)


@pytest.mark.parametrize(
    ("words", "error", "hint"),
    [
        (("--compare", 1, 9), "there is no run '9'", "runs are numbered from 1 to 4"),
        (("--compare", 1, ""), "there is no run ''", "runs are numbered from 1 to 4"),
        (("--sort", "tim"), "sort 'tim' is not one of", "did you mean 'time'?"),
    ],
)
def test_what_cannot_be_answered_is_refused(runs, words, error, hint):
    done = call(*words, code=2)
    assert error in done.stderr
    assert hint in done.stderr


def test_equal_lines_need_their_numbers(runs):
    append_run(runs, RECORDS[0])
    name = next(run.run.id for run in list_runs(runs).runs if run.number == 3)
    done = call("--compare", name, 1, code=2)
    assert "2 runs have such an id" in done.stderr
    assert "use their numbers: 3, 4" in done.stderr


def test_no_file_of_records_is_told_with_who_writes_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = call(code=4)
    assert "runs.jsonl: no such file or folder" in done.stderr
    assert "fit-heads" in done.stderr
    (tmp_path / "runs.jsonl").touch()
    assert call().stdout == "no run is recorded in runs.jsonl\n"
