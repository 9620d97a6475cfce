"""Priors of whole videos in the commands: files, names, scenes, folds; and the study on real detections."""

import gzip
import json
import re
from dataclasses import replace

import numpy as np
import pytest
from conftest import DATA
from factories_heads import Recorder
from factories_workflows import (
    ACTIONS,
    make_database,
    perfect_results,
    write_database,
    write_predictions_file,
    write_store,
)
from naive_priors import naive_rates, naive_scene_logs, naive_tilt_row
from typer.testing import CliRunner

from tsmfeat.errors import ConfigurationError, InputError
from tsmfeat.formats.activitynet import read_annotations, read_predictions, write_predictions
from tsmfeat.formats.interval_scores import read_interval_scores
from tsmfeat.formats.video_scores import read_video_scores
from tsmfeat.fusion.options import FusionOptions
from tsmfeat.heads.checkpoint import load_heads, save_heads
from tsmfeat.heads.options import HeadOptions
from tsmfeat.localization.localizing import localize
from tsmfeat.metrics.average_precision import evaluate
from tsmfeat.priors.options import PriorOptions
from tsmfeat.values.predictions import Predictions
from tsmfeat.values.segments import Segments
from tsmfeat.values.vocabulary import Vocabulary
from tsmfeat.workflows.fit_options import FitOptions
from tsmfeat.workflows.fitting import fit_heads
from tsmfeat.workflows.fusing import fuse
from tsmfeat.workflows.gamma_choice import choose_gamma
from tsmfeat.workflows.predict_options import PredictOptions
from tsmfeat.workflows.prediction import predict
from tsmfeat.workflows.score_options import FuseOptions, ScoreOptions
from tsmfeat.workflows.scoring import score
from tsmfeat_cli.main import app

GOLDEN = DATA / "evaluation"
TESTING = ScoreOptions(subset="testing")
NAN = float("nan")


def call(*words, code=0):
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == code, done.output
    return done


# Files.

FORMS = {
    "matrix": json.dumps({"labels": ["run", "eat"], "videos": ["a", "b"], "scores": [[0.75, None], [0.5, 0.25]]}),
    "bare NaN": '{"labels": ["run", "eat"], "videos": ["a", "b"], "scores": [[0.75, NaN], [0.5, 0.25]], "more": 1}',
    "table": "video_id,label,score\na,run,0.75\nb,run,0.5\nb,eat,0.25\n",
    "scenes": json.dumps(
        {
            "results": {"a": [], "b": []},
            "scenes": {
                "a": [{"label": "run", "score": 0.75}],
                "b": [{"label": "run", "score": 0.5}, {"label": "eat", "score": 0.25}],
            },
        }
    ),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("zipped", [False, True])
def test_every_form_gives_the_same_scores(tmp_path, form, zipped):
    content = FORMS[form].encode()
    (tmp_path / "p").write_bytes(gzip.compress(content) if zipped else content)
    found = read_video_scores(tmp_path / "p")
    assert (found.video_ids, found.vocabulary.names) == (("a", "b"), ("run", "eat"))
    np.testing.assert_array_equal(found.scores, [[0.75, NAN], [0.5, 0.25]])


BAD_FILES = [
    ("", "empty"),
    ("{", "not JSON"),
    ("[1, 2]", "Expected `object`"),
    ('{"database": {}}', "other JSON"),
    ('{"labels": ["a"], "videos": ["v"]}', "other JSON"),
    ('{"labels": ["a"], "videos": ["v"], "scores": [[1, 2]]}', "1 rows of [2] scores for 1 videos and 1 labels"),
    ('{"labels": ["a"], "videos": ["v", "w"], "scores": [[1]]}', "1 rows of [1] scores for 2 videos"),
    ('{"labels": ["a", "a"], "videos": ["v"], "scores": [[1, 2]]}', "'a' occurs twice"),
    ('{"labels": ["a"], "videos": ["v", "v"], "scores": [[1], [2]]}', "'v' occurs twice"),
    ('{"labels": ["a"], "videos": ["v"], "scores": [["x"]]}', "$.scores[0][0]"),
    ('{"labels": ["a"], "videos": ["v"], "scores": [[-1]]}', "score -1.0"),
    ('{"labels": ["a"], "videos": ["v"], "scores": [[1e999]]}', "score inf"),
    ('{"scenes": {"v": [{"label": "a", "score": 1}, {"label": "a", "score": 2}]}}', "scenes['v'][1]"),
    ('{"scenes": {"v": [{"label": "", "score": 1}]}}', "scenes['v'][0]"),
    ("video_id,label\nv,a\n", "lacks score"),
    ("video_id,label,start,end,score\nv,a,0,1,1\n", "a table of segments"),
    ("video_id,label,score\nv,a,1\nv,a,2\n", ":3: 'a' of video 'v'"),
    ("video_id,label,score\nv,a,nan\n", ":2: 'a' of video 'v'"),
    ("video_id,label,score\nv,a,-1\n", ":2: 'a' of video 'v'"),
    ("video_id,label,score\n,a,1\n", ":2: 'a' of video ''"),
    ("video_id,label,score\nv,a,many\n", "a number in plain digits"),
    ("video_id,label,score\nv,a\n", "2 cells"),
]


@pytest.mark.parametrize(("content", "reason"), BAD_FILES)
def test_a_file_that_is_none_is_refused_with_its_place(tmp_path, content, reason):
    (tmp_path / "p.any").write_text(content)
    with pytest.raises(InputError, match=re.escape(reason)) as caught:
        read_video_scores(tmp_path / "p.any")
    assert caught.value.message.startswith(str(tmp_path / "p.any"))
    assert caught.value.hint


# Heads, interval scores and files as sources.


def make_scenic_database():
    """Return a database in which the scene tells much of the actions."""
    database = make_database()
    for video in database.values():
        for turn, entry in enumerate(video["annotations"]):
            usual = ACTIONS[:2] if video["scene"] == "kitchen" else ACTIONS[2:]
            entry["label"] = ACTIONS[turn % 3] if turn == 3 else usual[turn % len(usual)]
    return database


def by_file(path, gamma=1.0):
    return replace(TESTING, prior=PriorOptions(str(path), gamma))


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    """A store, heads fitted on it with scenes and without, interval scores, and segments with scenes."""
    folder = tmp_path_factory.mktemp("task")
    database = make_scenic_database()
    write_database(folder / "gt.json", database)
    write_store(folder / "store", database, noise=3.0)
    for name, tasks in (("heads", ("action", "scene")), ("single", ("action",))):
        options = FitOptions(HeadOptions(tasks=tasks, epochs=3, lr=0.05, batch_size=64))
        fit_heads(folder / "store", folder / "gt.json", folder / name, options)
    out = PredictOptions(scores_out=(str(folder / "scores"),))
    predict(folder / "store", folder / "heads", folder / "found.json", out)
    return folder


def by_scenes(gamma, **more):
    return replace(TESTING, prior=PriorOptions("scenes", gamma, **more))


def test_fitting_records_the_instances_of_its_training_videos(task):
    counts = load_heads(task / "heads").record["counts"]
    database = json.loads((task / "gt.json").read_text())["database"]
    training = [video for video in database.values() if video["subset"] == "training"]
    for index, scene in enumerate(counts["scenes"]):
        for column, action in enumerate(counts["actions"]):
            told = [entry for video in training if video["scene"] == scene for entry in video["annotations"]]
            assert counts["by_scene"][index][column] == sum(entry["label"] == action for entry in told)
    assert sum(counts["total"]) == sum(len(video["annotations"]) for video in training)


def test_the_scenes_of_heads_weigh_their_actions_as_the_naive_twin_does(task):
    counts = load_heads(task / "heads").record["counts"]
    naive = naive_rates(counts["total"], counts["by_scene"], 1.0)
    found = read_interval_scores(task / "scores")
    rows = found.scores.astype(np.float64)
    for video in range(len(found.video_ids)):
        logs = naive_scene_logs(found.scene_scores[video].tolist(), *naive)
        for row in range(found.row_offset[video], found.row_offset[video + 1]):
            rows[row] = naive_tilt_row(rows[row].tolist(), logs, 0.7)
    testing = [place for place, name in enumerate(found.video_ids) if int(name.split()[1]) >= 16]
    expected = localize(replace(found, scores=rows.astype(np.float32)).select_videos(testing)).segments
    for source, features in (("heads", [task / "store"]), ("scores", [])):
        given = score(task / source, task / "gt.json", features, by_scenes(0.7)).predictions.segments
        assert given.label.tolist() == expected.label.tolist()
        assert given.start.tolist() == expected.start.tolist()
        assert given.score == pytest.approx(expected.score, abs=2e-7)
    without = score(task / "heads", task / "gt.json", task / "store", TESTING).predictions.segments
    assert not np.array_equal(without.score, given.score)


def test_no_strength_is_no_prior(task):
    plain = score(task / "scores", task / "gt.json", options=TESTING)
    zero = score(task / "scores", task / "gt.json", options=by_scenes(0.0))
    np.testing.assert_array_equal(zero.predictions.segments.score, plain.predictions.segments.score)
    np.testing.assert_array_equal(zero.evaluation.ap, plain.evaluation.ap)
    assert plain.prior is None
    assert zero.prior.final_score_without == plain.evaluation.final_score
    assert json.loads(json.dumps(plain.to_dict()))["video_prior"] is None


def test_predict_lays_the_prior_on_and_keeps_the_scores_without_it(task, tmp_path):
    options = PredictOptions(prior=PriorOptions("scenes", 0.7), scores_out=(str(tmp_path / "s"),))
    predict(task / "store", task / "heads", tmp_path / "o.json", options)
    kept, plain = read_interval_scores(tmp_path / "s"), read_interval_scores(task / "scores")
    np.testing.assert_array_equal(kept.scores, plain.scores)
    everything = read_predictions(tmp_path / "o.json")
    found = everything.segments.take(np.isin(everything.segments.video, range(16, 20)))
    expected = score(task / "heads", task / "gt.json", task / "store", by_scenes(0.7)).predictions
    assert expected.video_ids == everything.video_ids[16:]
    np.testing.assert_array_equal(found.score, expected.segments.score)
    np.testing.assert_array_equal(found.start, expected.segments.start)
    by_command = tmp_path / "c.json"
    call("predict", task / "store", "--heads", task / "heads", "-o", by_command, "--video-prior", "scenes",
         "--gamma", "0.7", "-q")  # fmt: skip
    assert by_command.read_bytes() == (tmp_path / "o.json").read_bytes()


def test_annotations_given_replace_what_the_heads_recorded(task, tmp_path):
    recorded = score(task / "heads", task / "gt.json", task / "store", by_scenes(1.0))
    again = by_scenes(1.0, prior_annotations=str(task / "gt.json"))
    told = Recorder()
    given = score(task / "heads", task / "gt.json", task / "store", again, told)
    assert any("instances in 12 videos tell" in text for _, text in told.of("note"))
    np.testing.assert_array_equal(given.predictions.segments.score, recorded.predictions.segments.score)
    other = score(
        task / "heads",
        task / "gt.json",
        task / "store",
        replace(again, prior=replace(again.prior, prior_subset="testing")),
    )
    assert not np.array_equal(other.predictions.segments.score, recorded.predictions.segments.score)
    with pytest.raises(ConfigurationError, match="subset 'trainin' does not occur"):
        score(
            task / "heads",
            task / "gt.json",
            task / "store",
            by_scenes(1.0, prior_annotations=str(task / "gt.json"), prior_subset="trainin"),
        )


def test_heads_of_an_older_version_are_told_what_to_do(task, tmp_path):
    old = load_heads(task / "heads")
    save_heads(
        tmp_path / "old", replace(old, record={name: value for name, value in old.record.items() if name != "counts"})
    )
    for job in (
        lambda: score(tmp_path / "old", task / "gt.json", task / "store", by_scenes(0.5)),
        lambda: predict(
            task / "store", tmp_path / "old", tmp_path / "o.json", PredictOptions(prior=PriorOptions("scenes"))
        ),
    ):
        with pytest.raises(ConfigurationError, match="old: nothing tells which actions occur in which scene") as caught:
            job()
        assert "--prior-annotations" in caught.value.hint
    assert not (tmp_path / "o.json").exists()
    with_file = by_scenes(0.5, prior_annotations=str(task / "gt.json"))
    assert score(tmp_path / "old", task / "gt.json", task / "store", with_file).prior.gamma == 0.5


def test_scenes_that_tell_nothing_are_told_of(task, tmp_path):
    usual = write_database(tmp_path / "gt.json", make_database({"training": 200}))
    told = Recorder()
    options = by_scenes(0.5, prior_annotations=str(usual))
    score(task / "scores", task / "gt.json", options=options, progress=told)
    assert any("the scene tells 0.00 bits of them; it can gain little" in text for _, text in told.of("warn"))
    told = Recorder()
    score(task / "scores", task / "gt.json", options=by_scenes(0.5), progress=told)
    assert not any("can gain little" in text for _, text in told.of("warn"))


def test_inspecting_annotations_tells_what_scenes_are_worth(task, tmp_path):
    found = json.loads(call("inspect", task / "gt.json", "--json").stdout)["scene_information"]
    assert found["information_bits"] > 0.4
    assert found["is_worth_using"]
    assert found["corrected_bits"] == pytest.approx(found["information_bits"] - found["bias_bits"])
    assert found["num_instances"] == 80
    assert found["action_bits"] == pytest.approx(found["action_given_scene_bits"] + found["information_bits"])
    assert (
        f"{found['corrected_bits']:.2f} of {found['action_bits']:.2f} bits" in call("inspect", task / "gt.json").stdout
    )
    assert "worth a try; 0.1 bits are the least" in call("inspect", task / "gt.json").stdout
    usual = write_database(tmp_path / "usual.json", make_database({"training": 200}))
    assert not json.loads(call("inspect", usual, "--json").stdout)["scene_information"]["is_worth_using"]
    assert "to be skipped: below 0.1 bits" in call("inspect", usual).stdout
    bare = make_database()
    for video in bare.values():
        del video["scene"]
    path = write_database(tmp_path / "bare.json", bare)
    assert json.loads(call("inspect", path, "--json").stdout)["scene_information"] is None
    assert "scenes tell" not in call("inspect", path).stdout


def test_a_damaged_record_is_told_with_its_place(task, tmp_path):
    old = load_heads(task / "heads")
    save_heads(tmp_path / "bad", replace(old, record={**old.record, "counts": {"actions": ["run"]}}))
    with pytest.raises(InputError, match="bad: counts of actions by scene that do not fit") as caught:
        score(tmp_path / "bad", task / "gt.json", task / "store", by_scenes(0.5))
    assert "--prior-annotations" in caught.value.hint


def test_a_configuration_file_may_hold_the_strength_as_a_number(task, tmp_path):
    (tmp_path / "c.toml").write_text('[score]\nvideo-prior = "scenes"\ngamma = 0.7\n')
    words = ["score", task / "scores", "--annotations", task / "gt.json", "--subset", "testing", "--json", "-q"]
    found = json.loads(call(*words, "--config", tmp_path / "c.toml").stdout)
    assert found["video_prior"]["gamma"] == 0.7


def test_heads_without_scenes_are_told_what_to_do(task, tmp_path):
    with pytest.raises(ConfigurationError, match="single: predicts no scenes") as caught:
        score(task / "single", task / "gt.json", task / "store", by_scenes(0.5))
    assert "--tasks action,scene" in caught.value.hint
    done = call("predict", task / "store", "--heads", task / "single", "-o", tmp_path / "o.json", "--video-prior",
                "scenes", code=2)  # fmt: skip
    assert "predicts no scenes" in done.stderr


def test_choosing_needs_annotations_and_annotations_need_a_prior(task, tmp_path):
    with pytest.raises(ConfigurationError, match="gamma 'auto' is chosen on annotations"):
        PredictOptions(prior=PriorOptions("scenes", "auto"))
    with pytest.raises(ConfigurationError, match=r"--prior-annotations gt\.json and no --video-prior"):
        score(
            task / "scores", task / "gt.json", options=replace(TESTING, prior=PriorOptions(prior_annotations="gt.json"))
        )
    done = call("score", task / "scores", "--annotations", task / "gt.json", "--subset", "testing", "--video-prior",
                "scenes", "--gamma", "0.1,0.2", code=2)  # fmt: skip
    assert "gamma '0.1,0.2'" in done.stderr


def make_class_prior(path, database, wrong=0.1, names=ACTIONS):
    """Write what each video holds: 1 a class annotated, little else."""
    rows = [
        [1.0 if any(entry["label"] == name for entry in video["annotations"]) else wrong for name in names]
        for video in database.values()
    ]
    path.write_text(json.dumps({"labels": list(names), "videos": list(database), "scores": rows}))
    return path


def test_a_file_of_classes_weighs_intervals_by_their_rates(task, tmp_path):
    prior = make_class_prior(tmp_path / "p", make_database())
    told = Recorder()
    options = replace(TESTING, prior=PriorOptions(str(prior), 1.0))
    found = score(task / "scores", task / "gt.json", options=options, progress=told).predictions.segments
    assert told.of("warn") == []
    counts = load_heads(task / "heads").record["counts"]
    rates = naive_rates(counts["total"], counts["by_scene"], 1.0)[0]
    scores = read_interval_scores(task / "scores")
    rows = scores.scores.astype(np.float64)
    table = json.loads(prior.read_text())
    for video, name in enumerate(scores.video_ids):
        values = dict(zip(table["labels"], table["scores"][table["videos"].index(name)], strict=True))
        logs = [
            np.log(values[a] / sum(values.values()) / rate) for a, rate in zip(counts["actions"], rates, strict=True)
        ]
        for row in range(scores.row_offset[video], scores.row_offset[video + 1]):
            rows[row] = naive_tilt_row(rows[row].tolist(), logs, 1.0)
    testing = [place for place, name in enumerate(scores.video_ids) if int(name.split()[1]) >= 16]
    expected = localize(replace(scores, scores=rows.astype(np.float32)).select_videos(testing)).segments
    assert found.label.tolist() == expected.label.tolist()
    assert found.score == pytest.approx(expected.score, abs=2e-7)


def test_a_file_of_scenes_is_known_by_its_names(task, tmp_path):
    scores = read_interval_scores(task / "scores")
    rows = ["video_id,label,score"]
    rows += [
        f"{video},{scene},{value!r}"
        for video, row in zip(scores.video_ids, scores.scene_scores.tolist(), strict=True)
        for scene, value in zip(scores.scene_vocabulary.names, row, strict=True)
    ]
    (tmp_path / "scenes.csv").write_text("\n".join(rows) + "\n")
    by_file = score(
        task / "scores",
        task / "gt.json",
        options=replace(TESTING, prior=PriorOptions(str(tmp_path / "scenes.csv"), 0.7)),
    )
    own = score(task / "scores", task / "gt.json", options=by_scenes(0.7))
    np.testing.assert_allclose(by_file.predictions.segments.score, own.predictions.segments.score, atol=1e-7)
    # Its own predictions hold the same scenes.
    by_predictions = replace(TESTING, prior=PriorOptions(str(task / "found.json"), 0.7))
    again = score(task / "scores", task / "gt.json", options=by_predictions)
    np.testing.assert_allclose(again.predictions.segments.score, own.predictions.segments.score, atol=1e-7)


def test_segments_with_scenes_are_weighed_by_them(task):
    with pytest.raises(ConfigurationError, match=r"found\.json: nothing tells which actions"):
        score(task / "found.json", task / "gt.json", options=by_scenes(0.5))
    options = by_scenes(0.5, prior_annotations=str(task / "gt.json"))
    found = score(task / "found.json", task / "gt.json", options=options)
    plain = score(task / "found.json", task / "gt.json", options=TESTING)
    one, other = found.predictions.segments, plain.predictions.segments
    assert one.start.tolist() == other.start.tolist()
    factor = one.score / other.score
    assert factor.max() == pytest.approx(1.0)
    assert factor.min() < 0.999


def test_names_that_do_not_match_are_told(task, tmp_path):
    database = make_database()
    some = dict(list(database.items())[:18])
    prior = make_class_prior(tmp_path / "p", some, names=("run", "eat", "raed"))
    told = Recorder()
    score(task / "scores", task / "gt.json", options=replace(TESTING, prior=PriorOptions(str(prior))), progress=told)
    texts = [text for _, text in told.of("warn")]
    assert any(
        "1 of 3 actions are not known to it ('read') and stay as they are; did you mean 'raed'?" in text
        for text in texts
    )
    assert any(
        "2 of 4 videos are not known to it, such as 'video 18'; they get what is usual" in text for text in texts
    )
    silent = json.loads(make_class_prior(tmp_path / "silent", database).read_text())
    silent["scores"][-1] = [None] * len(ACTIONS)
    (tmp_path / "silent").write_text(json.dumps(silent))
    told, options = Recorder(), replace(TESTING, prior=PriorOptions(str(tmp_path / "silent")))
    score(task / "scores", task / "gt.json", options=options, progress=told)
    said = " ".join(text for _, text in told.of("warn"))
    assert "1 of 4 videos are not known to it, such as 'video 19'; they get what is usual" in said
    assert "did you mean" not in said
    strange = make_class_prior(tmp_path / "strange", database, names=("runn",))
    with pytest.raises(InputError, match="none of its 1 classes") as caught:
        score(task / "scores", task / "gt.json", options=replace(TESTING, prior=PriorOptions(str(strange))))
    assert caught.value.hint == "did you mean 'run'?"
    others = make_class_prior(tmp_path / "others", {f"film {name}": video for name, video in database.items()})
    with pytest.raises(InputError, match="knows none of the 4 videos"):
        score(task / "scores", task / "gt.json", options=replace(TESTING, prior=PriorOptions(str(others))))


def test_the_strength_is_chosen_where_it_is_not_measured(task, tmp_path):
    # Segments whose labels are right in half the videos: only what is known of the video tells them apart.
    database = make_database({"testing": 30})
    for index, video in enumerate(database.values()):
        for entry in video["annotations"]:
            entry["label"] = ACTIONS[index % 3]
    write_database(tmp_path / "gt.json", database)
    results = perfect_results(database)
    for number, rows in enumerate(results.values()):
        if number % 2:
            for row in rows:
                row |= {"label": ACTIONS[(ACTIONS.index(row["label"]) + 1) % 3], "score": 0.95}
    found = write_predictions_file(tmp_path / "found.json", results)
    truth = read_annotations(tmp_path / "gt.json")
    prior = {video: {row["label"]: 0.5 for row in entry["annotations"]} for video, entry in database.items()}
    lines = [f"{video},{name},{values.get(name, 0.05)}" for video, values in prior.items() for name in ACTIONS]
    (tmp_path / "p.csv").write_text("video_id,label,score\n" + "\n".join(lines) + "\n")
    done = call(
        "score",
        found,
        "--annotations",
        tmp_path / "gt.json",
        "--video-prior",
        tmp_path / "p.csv",
        "--gamma",
        "auto",
        "--folds",
        "6",
        "--json",
    )
    report = json.loads(done.stdout)
    choice = report["video_prior"]["choice"]
    assert len(choice["gamma_of_fold"]) == 6
    assert choice["final_score_out_of_fold"] == report["final_score"]
    tried = {entry["gamma"]: entry["final_score"] for entry in choice["final_scores"]}
    assert tried[0.0] == pytest.approx(report["video_prior"]["final_score_without"])
    assert report["video_prior"]["gamma"] in tried
    assert max(tried.values()) == tried[report["video_prior"]["gamma"]]
    assert report["final_score"] > report["video_prior"]["final_score_without"] + 0.1
    for gamma, value in tried.items():
        alone = score(
            found, tmp_path / "gt.json", options=ScoreOptions(prior=PriorOptions(str(tmp_path / "p.csv"), gamma))
        )
        assert alone.evaluation.final_score == pytest.approx(value, abs=1e-12)
        assert truth.video_ids == alone.predictions.video_ids
    text = call(
        "score", found, "--annotations", tmp_path / "gt.json", "--video-prior", tmp_path / "p.csv", "--gamma", "auto"
    ).stdout
    text = " ".join(text.split())
    assert "gamma by 5 folds" in text
    assert "for other videos --gamma" in text
    assert "it does not pay here" not in text
    idle = [f"{video},{name},0.5" for video in database for name in ACTIONS]
    (tmp_path / "idle.csv").write_text("video_id,label,score\n" + "\n".join(idle) + "\n")
    words = ["score", found, "--annotations", tmp_path / "gt.json", "--video-prior", tmp_path / "idle.csv"]
    assert call(*words, "--gamma", "auto").stdout.count("it does not pay here") == 1


def test_out_of_fold_rows_are_those_of_each_folds_strength():
    # Two strengths, each good in one half of the classes: what is joined is told by the marks in the scores.
    names = tuple(f"v{index}" for index in range(10))
    rows = Segments(range(10), [0] * 10, [0.0] * 10, [1.0] * 10, [0.5] * 10)
    truth = read_annotations_of(names, rows)

    def predictions_at(gamma):
        mark = Segments(rows.video[::-1], rows.label, rows.start, rows.end, np.full(10, 0.25 + gamma))
        return Predictions(names, Vocabulary(("x",)), mark)

    seen = []

    def judge(found, judged):
        seen.append((frozenset(judged.video_ids), frozenset(found.video_ids[v] for v in found.segments.video)))
        return float(found.segments.score.mean() if len(judged.video_ids) % 2 else -found.segments.score.mean())

    choice, honest = choose_gamma(predictions_at, truth, (0.5, 0.0), 5, judge)
    held_in = seen[:10]
    assert all(judged == given and len(judged) == 8 for judged, given in held_in)
    assert choice.gamma_of_fold == (0.0,) * 5
    assert honest.segments.video.tolist() == list(range(10))[::-1]
    assert honest.segments.score.tolist() == [0.25] * 10
    one = truth.select_videos([0])
    with pytest.raises(ConfigurationError, match="1 annotated videos"):
        choose_gamma(predictions_at, one, (0.0,), 5, judge)


def read_annotations_of(names, rows):
    from tsmfeat.values.annotations import Annotations

    return Annotations(names, Vocabulary(("x",)), rows, [NAN] * 10, ("",) * 10, [-1] * 10, Vocabulary(()))


def test_the_help_shows_an_example_of_a_prior():
    text = call("score", "--help").stdout
    assert "--video-prior" in text
    assert "--gamma" in text


# Fused files.


def test_a_fused_file_is_weighed_as_its_score_says(task, tmp_path):
    prior = make_class_prior(tmp_path / "p", make_scenic_database())
    options = FuseOptions(prior=PriorOptions(str(prior), 0.5))
    report = fuse([task / "found.json", task / "found.json"], tmp_path / "o.json", options)
    assert (report.prior.gamma, report.prior.choice, report.prior.final_score_without) == (0.5, None, None)
    told = score([task / "found.json"] * 2, task / "gt.json", options=by_file(prior, 0.5))
    again = score(tmp_path / "o.json", task / "gt.json", options=TESTING)
    np.testing.assert_array_equal(again.evaluation.ap, told.evaluation.ap)
    plain = score(task / "found.json", task / "gt.json", options=TESTING)
    assert not np.array_equal(again.evaluation.ap, plain.evaluation.ap)
    fuse(
        task / "found.json",
        tmp_path / "zero.json",
        FuseOptions(FusionOptions("none"), prior=PriorOptions(str(prior), 0.0)),
    )
    fuse(task / "found.json", tmp_path / "plain.json", FuseOptions(FusionOptions("none")))
    assert (tmp_path / "zero.json").read_bytes() == (tmp_path / "plain.json").read_bytes()


def test_fusing_chooses_the_strength_on_annotated_videos_alone(task, tmp_path):
    prior = make_class_prior(tmp_path / "p", make_scenic_database())
    words = ["fuse", task / "found.json", "-o", tmp_path / "o.json", "--video-prior", prior, "--gamma", "auto"]
    refused = call(*words, code=2)
    assert "gamma 'auto' is chosen on annotations and none are given" in refused.stderr
    words += ["--annotations", task / "gt.json", "--subset", "validation"]
    found = json.loads(call(*words, "--json", "-q").stdout)["video_prior"]
    assert len(found["choice"]["gamma_of_fold"]) == 4
    few = json.loads(call(*words, "--folds", 2, "--json", "-q").stdout)["video_prior"]
    assert len(few["choice"]["gamma_of_fold"]) == 2
    validation = ScoreOptions(subset="validation")
    inside = replace(validation, prior=PriorOptions(str(prior), "auto"))
    some = read_predictions(task / "found.json")
    mask = np.isin(some.segments.video, range(12, 16))
    write_predictions(replace(some, segments=some.segments.take(mask)), tmp_path / "inside.json")
    told = score(tmp_path / "inside.json", task / "gt.json", options=inside).prior
    assert found["gamma"] == told.gamma
    assert found["final_score_without"] == pytest.approx(told.final_score_without, abs=1e-12)
    assert "video prior" in call(*words).stderr
    both = call(*words, "--weights", "learned", code=2)
    assert "one choice at a time" in both.stderr


# The study on real detections: S-CNN on THUMOS14, weighed by UntrimmedNet's scores of whole videos.

THRESHOLDS = (0.3, 0.4, 0.5, 0.6, 0.7)


@pytest.fixture(scope="module")
def study(shared_data):
    return (
        shared_data("evaluation/pred_scnn_nms0.0.json.gz"),
        shared_data("evaluation/gt_thumos14_test.json"),
        shared_data("video_prior/unet_thumos14_test.json"),
    )


@pytest.mark.golden
def test_real_detections_gain_what_the_study_says(study):
    found, truth, prior = study
    options = ScoreOptions(tiou_thresholds=(0.5,), prior=PriorOptions(str(prior), "auto"))
    report = score(found, truth, options=options)
    assert report.prior.choice.gamma_of_fold == (0.25,) * 5
    assert report.prior.gamma == 0.25
    assert report.prior.final_score_without == pytest.approx(0.192, abs=0.002)
    assert report.evaluation.final_score == pytest.approx(0.210, abs=0.002)
    fixed = ScoreOptions(tiou_thresholds=THRESHOLDS, prior=PriorOptions(str(prior), 0.25))
    all_thresholds = score(found, truth, options=fixed)
    assert all_thresholds.evaluation.map == pytest.approx([0.451, 0.339, 0.210, 0.103, 0.034], abs=0.002)
    assert all_thresholds.evaluation.final_score == pytest.approx(0.227, abs=0.002)
    assert all_thresholds.prior.final_score_without == pytest.approx(0.209, abs=0.002)


@pytest.mark.golden
def test_real_detections_under_an_oracle_gain_what_the_study_says(study, tmp_path):
    found, truth, _ = study
    known = read_annotations(truth)
    present = np.zeros((len(known.video_ids), len(known.vocabulary)))
    present[known.segments.video, known.segments.label] = 1.0
    content = {"labels": known.vocabulary.names, "videos": known.video_ids, "scores": present.tolist()}
    (tmp_path / "oracle.json").write_text(json.dumps(content))
    options = ScoreOptions(tiou_thresholds=(0.3, 0.5, 0.7), prior=PriorOptions(str(tmp_path / "oracle.json"), 1.0))
    assert score(found, truth, options=options).evaluation.map == pytest.approx([0.485, 0.220, 0.035], abs=0.002)


@pytest.mark.golden
def test_the_literal_product_ranks_real_detections_alike(study):
    found, truth_path, prior = study
    predictions, truth = read_predictions(found), read_annotations(truth_path)
    table = json.loads(prior.read_text())
    values = {
        (video, name): value
        for video, row in zip(table["videos"], table["scores"], strict=True)
        for name, value in zip(table["labels"], row, strict=True)
    }
    rows = predictions.segments
    names = predictions.vocabulary.names
    keep = [row for row in range(len(rows)) if predictions.video_ids[rows.video[row]] in set(truth.video_ids)]
    weighed = [
        rows.score[row] * values[predictions.video_ids[rows.video[row]], names[rows.label[row]]] ** 0.25 for row in keep
    ]
    literal = replace(
        predictions,
        segments=Segments(rows.video[keep], rows.label[keep], rows.start[keep], rows.end[keep], weighed),
    )
    ours = score(found, truth_path, options=ScoreOptions(tiou_thresholds=(0.5,), prior=PriorOptions(str(prior), 0.25)))
    # A factor a class changes no ranking; 15 detections lie in a video that is not annotated.
    assert ours.evaluation.final_score == pytest.approx(evaluate(literal, truth, "paper", (0.5,)).final_score, abs=1e-3)
