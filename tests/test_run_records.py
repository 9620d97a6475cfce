"""What commands record of their runs, and where; and the commit of a working folder."""

import json
import re
import shlex
import subprocess
from pathlib import Path

import pytest
from factories_workflows import make_database, perfect_results, write_database, write_predictions_file, write_store
from typer.testing import CliRunner

import tsmfeat
from tsmfeat.files import sha256_file
from tsmfeat.heads.checkpoint import load_heads
from tsmfeat.heads.options import HeadOptions
from tsmfeat.store.reader import open_features
from tsmfeat.workflows import run_files
from tsmfeat.workflows.fit_options import FitOptions
from tsmfeat.workflows.fitting import fit_heads
from tsmfeat.workflows.repository import find_commit
from tsmfeat.workflows.run_comparison import compare_records
from tsmfeat.workflows.run_files import read_runs
from tsmfeat.workflows.run_listing import task_of
from tsmfeat.workflows.run_records import RECORDED, describe_file, describe_store, fit_parts
from tsmfeat_cli.main import app

FIT = ("--epochs", 2, "--lr", 0.1, "-q")


def call(*words, code=0, env=None):
    done = CliRunner().invoke(app, [str(word) for word in words], env=env)
    assert done.exit_code == code, done.output
    return done


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    folder = tmp_path_factory.mktemp("task")
    database = make_database()
    write_database(folder / "gt.json", database)
    write_store(folder / "store", database, noise=2.0)
    write_predictions_file(folder / "found.json", perfect_results(database))
    return folder


@pytest.fixture(scope="module")
def chain(task, tmp_path_factory):
    """Run the three commands that record, and return their records beside what they printed."""
    folder = tmp_path_factory.mktemp("a chain")
    gt, heads = ("--annotations", task / "gt.json"), folder / "heads.safetensors"
    stored = ("--features", task / "store")
    lines = [
        ("fit-heads", task / "store", *gt, "-o", heads, *FIT, "--json"),
        ("score", heads, *stored, *gt, "--subset", "testing", "--out", folder / "scores", "--bootstrap", 20, "--json"),
        ("tune", "--heads", heads, *stored, *gt, "--subset", "testing", "-o", folder / "tuned.toml", "--folds", 2,
         "--budget", 3, "--bootstrap", 10, "--json"),
    ]  # fmt: skip
    printed = [json.loads(call(*line).stdout) for line in lines]
    runs, bad = read_runs([folder / "runs.jsonl"])
    assert bad == []
    return lines, printed, [run.record for run in runs], folder


def test_each_command_appends_a_record_beside_its_output(chain):
    lines, _, records, folder = chain
    assert [record["command"] for record in records] == ["fit-heads", "score", "tune"]
    for line, record in zip(lines, records, strict=True):
        assert record["command_line"] == shlex.join(["tsmfeat", *map(str, line)])
        assert record["tsmfeat"] == "0.1.0"
        assert record["output"].startswith(str(folder))
        assert record["seconds"] > 0
        assert record["time"].endswith("Z")


def test_the_scores_are_those_that_were_printed(chain):
    _, (fitted, scored, tuned), records, _ = chain
    fit, score, tune = (record["scores"] for record in records)
    assert (fit["final_score"], fit["map"]) == (fitted["validation"]["final_score"], fitted["validation"]["map"])
    assert fit["judged_on"] == "validation"
    assert (score["final_score"], score["map"]) == (scored["final_score"], scored["map"])
    assert score["interval"] == scored["bootstrap"]["final_score"]
    assert score["scene_accuracy"] == scored["scene_accuracy"]
    assert score["validation_score"] == fit["final_score"]
    assert (score["judged_on"], score["protocol"]) == ("testing", "paper")
    assert (tune["final_score"], tune["honest_gain"]) == (tuned["honest_score"], tuned["honest_gain"])
    one, other = tuned["tuned_of_folds"]
    assert tune["final_score_sd"] == pytest.approx(abs(one - other) / 2**0.5)
    assert tune["judged_on"] == "2 folds"


def test_options_spec_and_inputs_are_told(chain, task):
    _, (_, scored, _), records, folder = chain
    heads = sha256_file(folder / "heads.safetensors")
    assert records[0]["options"]["heads"]["epochs"] == 2
    assert records[1]["options"] == scored["options"]
    with open_features(task / "store") as store:
        spec = store.spec
    for record in records:
        assert record["annotations"]["sha256"] == sha256_file(task / "gt.json")
        (told,) = record["specs"]
        assert told["sha256"] == spec.digest()
        assert told["fields"] == spec.to_dict()
        assert told["short"].startswith("resnet18#000000 t0.5 T8")
        assert record["inputs"][-1]["name"] == str(task / "store")
        assert record["inputs"][-1]["num_videos"] == 20
    assert [record["inputs"][0]["sha256"] for record in records[1:]] == [heads, heads]


def test_the_guide_names_every_field_of_a_record(chain):
    guide = Path(tsmfeat.__file__).parents[1] / "docs" / "runs.md"
    if not guide.exists():
        pytest.skip("the guide is not installed")
    text = guide.read_text()
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", text, re.MULTILINE))
    _, _, records, _ = chain
    assert {name for record in records for name in record} == set(rows)
    assert re.findall(r"`([\w-]+)`", rows["command"]) == list(RECORDED)
    named = {name for record in records for name in record["scores"]}
    assert named - {"default_score", "optimistic_score"} <= set(re.findall(r"`(\w+)`", rows["scores"]))


def test_the_digest_of_a_store_is_that_of_its_rows(task, tmp_path):
    same = write_store(tmp_path / "same", make_database(), noise=2.0)
    other = write_store(tmp_path / "other", make_database(), noise=2.0, seed=1)
    digests = [describe_store(path)["sha256"] for path in (task / "store", same, other)]
    assert digests[0] == digests[1] != digests[2]


def test_the_digest_of_a_folder_is_that_of_its_files(tmp_path, monkeypatch):
    for name, text in (("a.txt", "1"), ("b.txt", "2")):
        (tmp_path / name).write_text(text)
    whole = describe_file(tmp_path)
    assert whole["bytes"] == 2
    (tmp_path / "b.txt").write_text("3")
    assert describe_file(tmp_path)["sha256"] != whole["sha256"]
    monkeypatch.setattr("tsmfeat.workflows.run_records._MOST_HASHED_BYTES", 1)
    assert describe_file(tmp_path)["sha256"] is None
    assert describe_file(tmp_path / "a.txt")["sha256"] is not None


def score_words(task, *words):
    return ("score", task / "found.json", "--annotations", task / "gt.json", "--subset", "testing", "-q", *words)


def test_a_score_that_writes_nothing_is_recorded_where_it_is_told_to(task, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    call(*score_words(task))
    assert list(tmp_path.iterdir()) == []
    call(*score_words(task, "--record", "mine.jsonl"))
    call(*score_words(task), env={"TSMFEAT_RECORD": str(tmp_path / "mine.jsonl")})
    runs, _ = read_runs([tmp_path / "mine.jsonl"])
    assert [run.record["output"] for run in runs] == [None, None]
    assert [run.record["specs"] for run in runs] == [[], []]


def test_records_can_be_switched_off(task, tmp_path):
    for words, env in ((("--record", "off"), None), ((), {"TSMFEAT_RECORD": "off"})):
        call(*score_words(task, "--out", tmp_path / "scores", *words), env=env)
    (tmp_path / "c.toml").write_text("[score]\nrecord = false\n")
    call(*score_words(task, "--out", tmp_path / "scores", "--config", tmp_path / "c.toml"))
    out = tmp_path / "heads.safetensors"
    call("fit-heads", task / "store", "--annotations", task / "gt.json", "-o", out, *FIT, "--record", "off")
    subset = ("--annotations", task / "gt.json", "--subset", "testing")
    few = ("--folds", 2, "--budget", 2, "--bootstrap", 5, "--force", "-q")
    out_of_tune = ("-o", tmp_path / "t.toml", "--record", "off")
    call("tune", "--heads", out, "--features", task / "store", *subset, *few, *out_of_tune)
    assert not (tmp_path / "runs.jsonl").exists()


@pytest.mark.parametrize("where", ["of", "gt.json", "found.csv", ""])
def test_no_other_file_is_appended_to(task, tmp_path, where):
    before = (task / "gt.json").read_bytes()
    done = call(*score_words(task, "--record", task / where if "." in where else where), code=2)
    assert "neither auto, off nor a file of records (.jsonl)" in done.stderr
    assert done.stdout == ""
    assert (task / "gt.json").read_bytes() == before


def test_a_record_that_cannot_be_written_costs_no_result(task, tmp_path, monkeypatch):
    def refuse(descriptor, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(run_files.os, "write", refuse)
    done = call(*score_words(task, "--record", tmp_path / "runs.jsonl", "--json"))
    assert json.loads(done.stdout)["final_score"] > 0
    assert "warning: this run is not recorded:" in done.stderr
    assert "No space left on device" in done.stderr


def git(folder, *words):
    identity = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
    done = subprocess.run(["git", *identity, *words], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_the_commit_is_the_one_that_git_names(tmp_path):
    home = tmp_path / "repository"
    (home / "deep" / "er").mkdir(parents=True)
    assert find_commit(home) is None
    git(home, "init", "-q")
    assert find_commit(home) is None  # no commit yet
    git(home, "commit", "-q", "--allow-empty", "-m", "one")
    first = git(home, "rev-parse", "HEAD")
    assert find_commit(home / "deep" / "er") == first
    git(home, "pack-refs", "--all")
    assert find_commit(home) == first
    git(home, "worktree", "add", "-q", str(tmp_path / "tree"), "-b", "side")
    assert find_commit(tmp_path / "tree") == first
    git(tmp_path / "tree", "commit", "-q", "--allow-empty", "-m", "two")
    second = git(tmp_path / "tree", "rev-parse", "HEAD")
    assert find_commit(tmp_path / "tree") == second != first
    git(home, "checkout", "-q", "--detach")
    assert find_commit(home) == first
    (home / ".git" / "HEAD").write_bytes(b"\xff\xfe")
    assert find_commit(home) is None


def test_the_setting_that_won_a_sweep_is_told(task, tmp_path):
    """The options are those of the command line, which a sweep replaces."""
    options = FitOptions(HeadOptions(epochs=2), sweep="lr=0.0001,0.1")
    report = fit_heads(task / "store", task / "gt.json", tmp_path / "heads.safetensors", options)
    parts = fit_parts(report, [task / "store"], task / "gt.json", options)
    assert parts["setting"] == {"lr": load_heads(tmp_path / "heads.safetensors").options["lr"]}
    single = FitOptions(HeadOptions(epochs=1))
    plain = fit_heads(task / "store", task / "gt.json", tmp_path / "plain.safetensors", single)
    assert "setting" not in fit_parts(plain, [task / "store"], task / "gt.json", single)


def test_videos_that_were_only_pseudo_labelled_were_not_judged_on(task, tmp_path):
    results = perfect_results(make_database())
    testing = {name: results[name] for name, video in make_database().items() if video["subset"] == "testing"}
    write_predictions_file(tmp_path / "p.json", testing)
    options = FitOptions(HeadOptions(epochs=1), num_folds=2, pseudo=str(tmp_path / "p.json"))
    report = fit_heads(task / "store", task / "gt.json", tmp_path / "heads.safetensors", options)
    parts = fit_parts(report, [task / "store"], task / "gt.json", options)
    assert parts["scores"]["num_videos"] == 12 == report.num_training_videos - 4


def test_scores_of_other_numbers_of_videos_do_not_compare():
    """One subset is other videos where features of some are missing."""
    one, other = ({"scores": {"judged_on": "validation", "num_videos": count}} for count in (17, 14))
    assert compare_records(one, other).obstacles == ("number of videos 17 and 14",)
    assert compare_records(one, one).obstacles == ()
    assert task_of(one) != task_of(other)
