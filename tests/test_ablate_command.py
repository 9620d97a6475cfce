"""`tsmfeat ablate` as users see it."""

import json

import pytest
from factories_store import make_spec
from factories_workflows import SIZE, make_database, write_database, write_store
from typer.testing import CliRunner

from tsmfeat.workflows.run_files import read_runs
from tsmfeat_cli.main import app

FEW = ("--folds", 2, "--epochs", 2, "--lr", 0.05, "--bootstrap", 20, "--subset", "training")


def call(*words, code=0):
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == code, done.output
    return done


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    folder = tmp_path_factory.mktemp("task")
    database = make_database({"training": 8, "testing": 2})
    write_database(folder / "gt.json", database)
    for step in (0.5, 1.0):
        spec = make_spec(SIZE, step_seconds=step, clip_seconds=step)
        write_store(folder / f"t{step:g}", database, spec, seed=int(2 * step))
    return folder


@pytest.mark.golden
def test_the_table_fits_eighty_columns_and_the_run_is_recorded(task):
    stores = (task / "t0.5", task / "t1")
    done = call("ablate", "--features", *stores, "--annotations", task / "gt.json", *FEW, "-o", task / "a" / "out")
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert [line for line in lines if line.startswith(("resnet18", "ensemble of 2, "))] == [
        "resnet18 t0.5", "resnet18 t1", "ensemble of 2, multi"
    ]  # fmt: skip
    assert sum("equal by construction to multi" in line for line in lines) == 2
    for name in ("equal weights", "by score weights", "learned weights", "multi"):
        assert any(line.startswith(f"  {name}") for line in lines)
    assert "leaderboard" in done.stdout  # what the paper's own numbers are
    assert "ablation.json, ablation.csv, ablation.md" in done.stderr
    ((run,), bad) = read_runs([task / "a" / "runs.jsonl"])
    found = json.loads((task / "a" / "out" / "ablation.json").read_text())
    assert run.record["command"] == "ablate"
    assert run.record["scores"]["final_score"] == found["ensembles"][-1]["final_score"]
    assert len(run.record["scores"]["cells"]) == 7
    assert [spec["fields"]["step_seconds"] for spec in run.record["specs"]] == [0.5, 1.0]
    assert bad == []


def test_a_single_store_and_a_shared_layer(task):
    words = ("--features", task / "t1", "--annotations", task / "gt.json", *FEW, "--num-seeds", 1, "--head", "mlp")
    done = call("ablate", *words, "-o", task / "one", "--record", "off", "-q")
    assert "ensemble of" not in done.stdout
    assert "equal by construction" not in done.stdout
    assert "(multi) less resnet18 t1 (single): " in " ".join(done.stdout.split())
    found = json.loads(call("ablate", *words, "-o", task / "one", "--record", "off", "--json", "-q").stdout)
    assert found == json.loads((task / "one" / "ablation.json").read_text()) | {"seconds": found["seconds"]}
    assert not (task / "runs.jsonl").exists()


def test_several_subsets_and_none_named(task):
    done = call("ablate", "--features", task / "t1", "--annotations", task / "gt.json", code=2)
    assert "hold 2 subsets ('training', 'testing') and none is named" in done.stderr
