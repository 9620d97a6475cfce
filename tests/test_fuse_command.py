"""`tsmfeat fuse`, and what `tsmfeat score` says of learned weights and of every fusion."""

import json
import shlex

import pytest
from factories_workflows import make_database, perfect_results, write_database, write_predictions_file
from typer.testing import CliRunner

from tsmfeat.formats.reading import read_predictions
from tsmfeat.fusion.fusing import fuse
from tsmfeat.fusion.options import FusionOptions
from tsmfeat_cli.main import app

# The contract of scripts, with the type of each value.
SHAPE = {
    "out": str,
    "num_videos": int,
    "num_segments": int,
    "num_dropped": int,
    "sources": list,
    "weights": list,
    "learned": (dict, type(None)),
    "options": dict,
    "seconds": float,
}
LEARNED = {
    "weights": list,
    "seen_score": float,
    "held_out_score": float,
    "equal_score": float,
    "single_scores": list,
    "seen_gain": float,
    "held_out_gain": float,
    "mean_fold_gain": float,
    "fold_weights": list,
    "fold_gains": list,
    "num_candidates": int,
    "seconds": float,
}


def call(*words, code=0):
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == code, done.output
    return done


def shifted(results, seconds, score):
    return {
        video: [
            {**row, "segment": [row["segment"][0] + seconds, row["segment"][1] + seconds], "score": score}
            for row in rows
        ]
        for video, rows in results.items()
    }


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    """Annotations, a good file, one whose boundaries are off, and a confident one that is wrong."""
    folder = tmp_path_factory.mktemp("a task")
    database = make_database({"training": 2, "testing": 10})
    write_database(folder / "gt.json", database)
    good = perfect_results(database)
    write_predictions_file(folder / "good.json", good, {"video 02": [{"label": "kitchen", "score": 0.8}]})
    write_predictions_file(folder / "near.json", shifted(good, 0.25, 0.8))
    write_predictions_file(folder / "wrong.json", shifted(good, 1.0, 1.0))
    return folder


def test_files_become_one_and_the_next_command_runs(task, tmp_path):
    out = tmp_path / "sub" / "fused.json"
    done = call("fuse", task / "good.json", task / "near.json", "-o", out, "--weights", "3,1")
    assert done.stdout == ""
    summary, after = done.stderr.splitlines()
    models = [read_predictions(task / name) for name in ("good.json", "near.json")]
    expected = fuse(models, [3, 1])
    found = read_predictions(out)
    assert summary.startswith(f"{out}: {len(expected.segments)} segments in 10 videos of 2 files; ")
    assert after == f"next: tsmfeat score {out} --annotations gt.json"
    assert found.segments.score.tolist() == expected.segments.score.tolist()
    assert found.scenes()[0].tolist() == [pytest.approx(0.6)]
    words = shlex.split(after.removeprefix("next: tsmfeat "))[:-1]
    assert "final score" in call(*words, task / "gt.json", "--subset", "testing").stdout


@pytest.mark.parametrize("fusion", ["wbf", "nms", "soft-nms"])
def test_every_fusion_and_form_can_be_written(task, tmp_path, fusion):
    words = ["--fusion", fusion, "--fusion-tiou", 0.4, "--decimals", 2, "--fusion-max-segments", 3, "-q"]
    done = call("fuse", task / "good.json", task / "wrong.json", "-o", tmp_path / "o.csv", *words)
    assert done.output == f"warning: {tmp_path / 'o.csv'}: its form cannot hold scene scores of 1 videos\n"
    models = [read_predictions(task / name) for name in ("good.json", "wrong.json")]
    expected = fuse(models, None, FusionOptions(fusion, 0.4, decimals=2, max_segments=3))
    found = read_predictions(tmp_path / "o.csv")
    assert found.segments.start.tolist() == pytest.approx(expected.segments.start.tolist(), abs=1e-9)


def test_a_single_file_is_post_processed(task, tmp_path):
    words = ["fuse", task / "good.json", "-o", tmp_path / "o.json", "--fusion"]
    assert "of 1 file;" in call(*words, "nms").stderr
    call(*words, "none", "--fusion-max-segments", 1, "-q")
    assert len(read_predictions(tmp_path / "o.json").segments) == 10


def test_json_is_one_object(task, tmp_path):
    words = ["fuse", task / "good.json", task / "near.json", "-o", tmp_path / "o.json", "--json", "-q"]
    (line,) = call(*words).output.splitlines()
    found = json.loads(line)
    for name, kind in SHAPE.items():
        assert isinstance(found[name], kind), name
    assert (found["weights"], found["learned"], found["num_videos"]) == ([0.5, 0.5], None, 10)
    assert found["options"]["fusion"]["fusion"] == "paper"


def test_weights_are_learned_and_the_honest_number_stands_beside_the_optimistic_one(task, tmp_path):
    words = ["fuse", task / "good.json", task / "wrong.json", "-o", tmp_path / "o.json", "--weights", "learned"]
    words += ["--annotations", task / "gt.json", "--subset", "testing", "--folds", 3, "--fusion", "nms"]
    done = call(*words)
    lines = done.stderr.splitlines()
    assert any("equal weights score" in line and "best model alone" in line for line in lines)
    assert any(line.startswith("learned weights: ") for line in lines)
    assert any("optimistic" in line for line in lines)
    assert "final score" in call(*shlex.split(lines[-1].removeprefix("next: tsmfeat "))).stdout
    assert any("on held-out videos (3 folds)" in line and "against equal weights" in line for line in lines)
    again = json.loads(call(*words, "--json", "-q").stdout)
    gained = sum(gain > 0 for gain in again["learned"]["fold_gains"])
    assert any(f"better than equal weights in {gained} of 3 folds" in line for line in lines)
    for name, kind in LEARNED.items():
        assert isinstance(again["learned"][name], kind), name
    assert again["learned"]["held_out_score"] > again["learned"]["equal_score"]
    assert again["weights"] == again["learned"]["weights"]
    assert again["weights"][0] > 0.5
    scored = json.loads(
        call(
            "score", tmp_path / "o.json", "--annotations", task / "gt.json", "--subset", "testing", "--json", "-q"
        ).stdout
    )
    assert scored["final_score"] == pytest.approx(again["learned"]["seen_score"], abs=1e-12)


def test_scoring_with_learned_weights_says_that_the_number_is_optimistic(task):
    words = ["score", task / "good.json", task / "wrong.json", "--annotations", task / "gt.json", "--subset", "testing"]
    words += ["--weights", "learned", "--folds", 3, "--fusion", "nms"]
    text = call(*words).stdout
    assert "optimistic" in text
    assert "on held-out videos (3 folds)" in text
    found = json.loads(call(*words, "--json").stdout)
    assert found["learned"]["seen_score"] == found["final_score"]
    assert found["weights"] == found["learned"]["weights"]


def test_weights_and_gamma_are_not_chosen_at_once(task):
    words = ["score", task / "good.json", task / "near.json", "--annotations", task / "gt.json", "--subset", "testing"]
    done = call(*words, "--weights", "learned", "--video-prior", "p.csv", "--gamma", "auto", code=2)
    assert "one choice at a time" in done.stderr


def test_one_source_has_nothing_to_learn(task):
    words = [
        "score",
        task / "good.json",
        "--annotations",
        task / "gt.json",
        "--subset",
        "testing",
        "--weights",
        "learned",
    ]
    assert json.loads(call(*words, "--json").stdout)["learned"] is None


def test_every_fusion_is_compared_on_demand(task):
    words = ["score", task / "good.json", task / "near.json", "--annotations", task / "gt.json", "--subset", "testing"]
    assert json.loads(call(*words, "--json").stdout)["fusions"] == []
    found = json.loads(call(*words, "--compare-fusions", "--json").stdout)
    names = [row["name"] for row in found["fusions"]]
    assert names[:2] == [f"best single: {task / 'good.json'}", "paper, no union, zero"]
    assert {"paper 0.5, zero", "paper 0.5, present", "paper 0.5, components", "wbf 0.5", "nms 0.5"} <= set(names)
    rows = {row["name"]: row for row in found["fusions"]}
    assert rows[names[0]]["final_score"] == 1.0
    assert rows["paper 0.5, zero"]["final_score"] == found["final_score"]
    assert rows["paper 0.5, zero"]["map"] == found["map"]
    assert rows["wbf 0.5"]["fusion"]["fusion"] == "wbf"
    for row in rows.values():
        assert row["num_segments"] > 0
        assert sum(row["map"]) / 3 == pytest.approx(row["final_score"])
    table = call(*words, "--compare-fusions").stdout
    assert all(name in table for name in ["best single source", *names])
    rows = table.splitlines()[table.splitlines().index(next(x for x in table.splitlines() if x.startswith("fusion"))) :]
    assert max(map(len, rows)) <= 80


def test_a_fusion_that_the_scores_do_not_allow_is_left_out_of_the_comparison_and_told(task, tmp_path):
    margins = {
        video: [{**row, "score": -0.5} for row in rows] for video, rows in perfect_results(make_database()).items()
    }
    write_predictions_file(tmp_path / "margins.json", margins)
    words = ["score", tmp_path / "margins.json", "--annotations", task / "gt.json", "--subset", "testing"]
    done = call(*words, "--compare-fusions", "--json")
    names = [row["name"] for row in json.loads(done.stdout)["fusions"]]
    assert "nms 0.5" in names
    assert not any(name.startswith(("wbf", "soft")) for name in names)
    assert "wbf 0.5: not compared: a score of -0.5" in done.stderr


def test_a_single_source_is_scored_as_it_is_but_suppressed_on_demand(task):
    words = ["score", task / "good.json", "--annotations", task / "gt.json", "--subset", "testing", "--json"]
    plain = json.loads(call(*words).stdout)["num_predictions"]
    assert (
        json.loads(call(*words, "--fusion", "nms", "--fusion-max-segments", 2).stdout)["num_predictions"] == 20 < plain
    )
    assert json.loads(call(*words, "--fusion-max-segments", 2).stdout)["num_predictions"] == 20


REFUSED = [
    (["{good}"], 2, "missing option '--out'", "tsmfeat fuse --help"),
    (["-o", "{out}"], 2, "missing argument 'sources'", "tsmfeat fuse --help"),
    (["{task}/none.json", "-o", "{out}"], 4, "{task}/none.json: cannot be reached", "check the path"),
    (
        ["{task}/gt.json", "-o", "{out}"],
        4,
        "{task}/gt.json: an annotation file; what is fused",
        "tsmfeat predict makes",
    ),
    (["{good}", "-o", "{good}"], 2, "{good}: is to be read and written", "choose another name"),
    (["{good}", "-o", "{task}/gt.json"], 2, "{task}/gt.json: exists and holds no predictions", "choose another name"),
    (["{good}", "-o", "{task}"], 2, "{task}: a folder", "predictions.json"),
    (["{good}", "-o", "{out}", "--fusion", "wfb"], 2, "fusion 'wfb' is not one of", "did you mean 'wbf'"),
    (["{good}", "{near}", "-o", "{out}", "--fusion", "none"], 2, "fusion 'none' with 2 models", "name one source"),
    (["{good}", "{near}", "-o", "{out}", "--weights", "1"], 2, "1 weights for 2 sources", "give a number a source"),
    (["{good}", "{near}", "-o", "{out}", "--weights", "validation"], 2, "holds no validation score", "as numbers"),
    (["{good}", "{near}", "-o", "{out}", "--weights", "learned"], 2, "and none are given", "add --annotations"),
    (["{good}", "-o", "{out}", "--folds", "1"], 2, "1 folds; one is held out", "use --folds 5"),
    (["{good}", "-o", "{out}", "--fusion-sigma", "0"], 2, "sigma 0.0", "use --fusion-sigma 0.5"),
]


@pytest.mark.parametrize(("words", "code", "error", "hint"), REFUSED, ids=lambda value: str(value)[-40:])
def test_what_does_not_fit_ends_with_the_code_of_its_kind(task, tmp_path, words, code, error, hint):
    places = {"task": task, "good": task / "good.json", "near": task / "near.json", "out": tmp_path / "o.json"}
    before = (task / "good.json").read_bytes()
    done = call("fuse", *(word.format(**places) for word in words), code=code)
    message, remedy = done.stderr.splitlines()[-2:]
    assert message.startswith("error: ")
    assert error.format(**places) in message
    assert remedy.startswith("hint: ")
    assert hint in remedy
    assert not (tmp_path / "o.json").exists()
    assert (task / "good.json").read_bytes() == before


def test_predict_cannot_learn_weights(tmp_path):
    from tsmfeat.errors import ConfigurationError
    from tsmfeat.workflows.ensembles import weigh_sources

    with pytest.raises(ConfigurationError, match="learned only on annotations"):
        weigh_sources(["a", "b"], {}, "learned")
