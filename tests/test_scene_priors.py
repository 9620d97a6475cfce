"""The prior from scenes that is chosen when heads are fitted, and that is laid on what they say from then on."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
from factories_heads import Recorder
from factories_workflows import ACTIONS, make_database, write_database, write_store
from naive_priors import naive_rates, naive_scene_logs
from typer.testing import CliRunner

from tsmfeat.errors import ConfigurationError, InputError
from tsmfeat.formats.activitynet import read_annotations, read_predictions
from tsmfeat.formats.interval_scores import read_interval_scores, read_with_header
from tsmfeat.heads.checkpoint import load_heads, save_heads
from tsmfeat.heads.options import HeadOptions
from tsmfeat.localization.localizing import localize
from tsmfeat.metrics.average_precision import evaluate
from tsmfeat.priors.counts import count_actions
from tsmfeat.priors.options import PriorOptions
from tsmfeat.priors.tilting import tilt_intervals
from tsmfeat.values.predictions import IntervalScores
from tsmfeat.values.vocabulary import Vocabulary
from tsmfeat.workflows import scene_priors
from tsmfeat.workflows.fit_options import FitOptions
from tsmfeat.workflows.fitting import fit_heads
from tsmfeat.workflows.gamma_choice import GammaChoice
from tsmfeat.workflows.predict_options import PredictOptions
from tsmfeat.workflows.prediction import predict
from tsmfeat.workflows.scene_priors import choose_scene_prior
from tsmfeat.workflows.score_options import ScoreOptions
from tsmfeat.workflows.scoring import score
from tsmfeat_cli.main import app

TESTING = ScoreOptions(subset="testing")
GAMMA = 0.7


def make_scenic_database(counts=None, seed=0):
    """Return a database in which a scene has its own actions."""
    database = make_database(counts or {"training": 12, "validation": 4, "testing": 4}, seed)
    for video in database.values():
        usual = ACTIONS[:2] if video["scene"] == "kitchen" else ACTIONS[2:]
        for turn, entry in enumerate(video["annotations"]):
            entry["label"] = usual[turn % len(usual)]
    return database


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    """A store, heads fitted on it, and the same heads with a prior recorded."""
    folder = tmp_path_factory.mktemp("task")
    database = make_scenic_database()
    write_database(folder / "gt.json", database)
    write_store(folder / "store", database, noise=3.0)
    fit_heads(folder / "store", folder / "gt.json", folder / "plain",
              FitOptions(HeadOptions(epochs=3, lr=0.05, batch_size=64)))  # fmt: skip
    heads = load_heads(folder / "plain")
    save_heads(folder / "heads", replace(heads, record=heads.record | {"scene_prior": {"gamma": GAMMA}}))
    return folder


def scored(task, source="heads", features=True, prior=None, progress=None):
    options = replace(TESTING, prior=prior or PriorOptions())
    told = progress or Recorder()
    return score(task / source, task / "gt.json", task / "store" if features else (), options, told).predictions


def test_scoring_lays_on_what_was_recorded_and_says_so(task):
    told = Recorder()
    found = scored(task, progress=told).segments
    expected = scored(task, "plain", prior=PriorOptions("scenes", GAMMA)).segments
    np.testing.assert_array_equal(found.score, expected.score)
    np.testing.assert_array_equal(found.label, expected.label)
    notes = [text for _, text in told.of("note") if "gamma 0.7" in text]
    assert len(notes) == 1
    assert "--video-prior none" in notes[0]
    assert not np.array_equal(found.score, scored(task, "plain").segments.score)


@pytest.mark.parametrize("prior", [PriorOptions("none"), PriorOptions("scenes", 0.0)])
def test_an_option_takes_the_place_of_what_was_recorded(task, prior):
    told = Recorder()
    found = scored(task, prior=prior, progress=told).segments
    np.testing.assert_array_equal(found.score, scored(task, "plain").segments.score)
    assert not any("when the heads were fitted" in text for _, text in told.of("note"))


def test_another_strength_is_not_laid_on_top(task):
    other = scored(task, prior=PriorOptions("scenes", 0.25)).segments
    np.testing.assert_array_equal(other.score, scored(task, "plain", prior=PriorOptions("scenes", 0.25)).segments.score)


def test_predicting_lays_it_on_and_keeps_the_interval_scores_without_it(task, tmp_path):
    for name in ("heads", "plain"):
        kept = PredictOptions(scores_out=(str(tmp_path / f"{name}.scores"),))
        predict(task / "store", task / name, tmp_path / f"{name}.json", kept)
    given = PredictOptions(prior=PriorOptions("scenes", GAMMA))
    predict(task / "store", task / "plain", tmp_path / "given.json", given)
    assert (tmp_path / "heads.json").read_bytes() == (tmp_path / "given.json").read_bytes()
    assert (tmp_path / "heads.json").read_bytes() != (tmp_path / "plain.json").read_bytes()
    predict(task / "store", task / "heads", tmp_path / "none.json", PredictOptions(prior=PriorOptions("none")))
    assert (tmp_path / "none.json").read_bytes() == (tmp_path / "plain.json").read_bytes()
    scores = [read_interval_scores(tmp_path / f"{name}.scores").scores for name in ("heads", "plain")]
    np.testing.assert_array_equal(*scores)
    # The file of interval scores knows of it: scored, it is what the heads are.
    assert read_with_header(tmp_path / "heads.scores")[1]["record"]["scene_prior"] == {"gamma": GAMMA}
    again = replace(TESTING, prior=PriorOptions())
    by_file = score(tmp_path / "heads.scores", task / "gt.json", (), again).predictions.segments
    np.testing.assert_array_equal(by_file.score, scored(task).segments.score)
    assert len(read_predictions(tmp_path / "heads.json").segments)


@pytest.mark.parametrize("recorded", [{}, {"gamma": None}, {"gamma": -1.0}, {"gamma": "much"}])
def test_a_damaged_record_is_named(task, tmp_path, recorded):
    heads = load_heads(task / "plain")
    save_heads(tmp_path / "bad", replace(heads, record=heads.record | {"scene_prior": recorded}))
    with pytest.raises(InputError, match="bad: a scene prior") as caught:
        score(tmp_path / "bad", task / "gt.json", task / "store", TESTING)
    assert caught.value.hint == "fit the heads again"


# The choice.


def make_validation(shuffled=False, num_videos=24):
    """Return interval scores that hardly tell "run" from "read" though the scenes do, their truth, and counts."""
    database = make_scenic_database({"validation": num_videos})
    rng = np.random.default_rng(3)
    if shuffled:
        scenes = rng.permutation([video["scene"] for video in database.values()])
        for video, scene in zip(database.values(), scenes.tolist(), strict=True):
            video["scene"] = scene
    return database, rng


def as_scores(truth, database, rng):
    rows, offset = [], [0]
    for video in database.values():
        count = int(video["duration"])
        found = np.full((count, len(ACTIONS) + 1), 0.05)
        found[:, -1] = 0.85
        for entry in video["annotations"]:
            first, last = (int(bound) for bound in entry["segment"])
            leading = rng.dirichlet(np.ones(len(ACTIONS))) * 0.8
            leading[truth.vocabulary.id_of(entry["label"])] += 0.1
            found[first:last] = [*leading, 0.1]
        rows.append(found)
        offset.append(offset[-1] + count)
    known = np.eye(len(truth.scene_vocabulary))[truth.scene]
    return IntervalScores(
        truth.video_ids,
        truth.vocabulary,
        np.array(offset),
        np.concatenate(rows),
        1.0,
        truth.duration_seconds,
        truth.scene_vocabulary,
        0.9 * known + 0.05,
    )


def validation(tmp_path, **changes):
    database, rng = make_validation(**changes)
    truth = read_annotations(write_database(tmp_path / "v.json", database))
    return as_scores(truth, database, rng), truth


def test_a_telling_scene_is_given_its_strength_and_the_record_tells_the_worth(tmp_path):
    scores, truth = validation(tmp_path)
    told = Recorder()
    found = choose_scene_prior(scores, truth, [(scores.video_ids, count_actions(truth))], told)
    assert found["gamma"] > 0
    assert found["final_score_out_of_fold"] > found["final_score_without"] + 0.05
    assert found["final_score_without"] == evaluate(localize(scores), truth).final_score
    counts = count_actions(truth)
    rates = (counts.total + 1) / (counts.total.sum() + 3)
    by_scene = (counts.by_scene + 3 * rates) / (counts.by_scene.sum(axis=1, keepdims=True) + 3)
    ratios = (scores.scene_scores / scores.scene_scores.sum(axis=1, keepdims=True)) @ by_scene / rates
    tilted = evaluate(localize(tilt_intervals(scores, ratios, found["gamma"])), truth).final_score
    by_gamma = {entry["gamma"]: entry["final_score"] for entry in found["final_scores"]}
    assert by_gamma[found["gamma"]] == pytest.approx(tilted, abs=1e-12)
    assert max(by_gamma.values()) == by_gamma[found["gamma"]]
    assert any(f"gamma {found['gamma']:g}" in text for _, text in told.of("note"))


def test_scenes_that_belong_to_other_videos_are_given_none(tmp_path):
    """The counts know which actions a scene has, but the videos' scenes are drawn by lot."""
    truth = validation(tmp_path)[1]
    scores, shuffled = validation(tmp_path, shuffled=True)
    found = choose_scene_prior(scores, shuffled, [(scores.video_ids, count_actions(truth))], Recorder())
    assert found["gamma"] == 0.0
    assert found["final_score_out_of_fold"] <= found["final_score_without"]


def test_what_pays_only_where_it_was_chosen_is_left_out(tmp_path, monkeypatch):
    scores, truth = validation(tmp_path)
    choice = GammaChoice(0.5, (0.5, 0.0), ((0.0, 0.6), (0.5, 0.7)), 0.6)
    monkeypatch.setattr(scene_priors, "choose_gamma", lambda *_: (choice, None))
    counted = [(scores.video_ids, count_actions(truth))]
    assert choose_scene_prior(scores, truth, counted, Recorder())["gamma"] == 0.0
    choice = replace(choice, final_score_out_of_fold=0.61)
    monkeypatch.setattr(scene_priors, "choose_gamma", lambda *_: (choice, None))
    assert choose_scene_prior(scores, truth, counted, Recorder())["gamma"] == 0.5


def test_without_scenes_or_videos_there_is_none_and_that_is_said(tmp_path):
    scores, truth = validation(tmp_path)
    counts = count_actions(truth)
    for found, judged, reason in (
        (replace(scores, scene_vocabulary=Vocabulary(()), scene_scores=None), truth, "no training video has a scene"),
        (scores.select_videos([0]), truth.select_videos([0]), "1 annotated validation videos"),
    ):
        told = Recorder()
        assert choose_scene_prior(found, judged, [(found.video_ids, counts)], told) is None
        assert reason in str(told.of("warn")[0][1])
    empty = replace(counts, by_scene=np.zeros_like(counts.by_scene))
    told = Recorder()
    assert choose_scene_prior(scores, truth, [(scores.video_ids, empty)], told) is None
    assert "no annotated action" in str(told.of("warn")[0][1])


# Fitting.


def fit(task, out, **changes):
    told = Recorder()
    options = FitOptions(HeadOptions(epochs=3, lr=0.05, batch_size=64), scene_prior=True, **changes)
    report = fit_heads(task / "store", task / "gt.json", out, options, told)
    return report, load_heads(out), told


def test_fitting_chooses_on_the_validation_videos_and_records(task, tmp_path):
    report, heads, told = fit(task, tmp_path / "h")
    plain = load_heads(task / "plain")
    np.testing.assert_array_equal(heads.weights.action_weight, plain.weights.action_weight)
    found = heads.record["scene_prior"]
    assert found == json.loads(json.dumps(report.scene_prior))
    assert found["final_score_without"] == heads.record["validation"]["final_score"]
    assert any("scene prior: gamma" in text for _, text in told.of("note"))
    by_hand = score(
        task / "plain",
        task / "gt.json",
        task / "store",
        ScoreOptions(subset="validation", prior=PriorOptions("scenes", "auto")),
    ).prior.choice
    assert found["final_scores"] == by_hand.to_dict()["final_scores"]
    assert found["final_score_out_of_fold"] == by_hand.final_score_out_of_fold
    assert plain.record["scene_prior"] is None


def test_folds_choose_on_scores_of_heads_and_counts_that_did_not_see_the_video(task, tmp_path):
    report, heads, _ = fit(task, tmp_path / "h", num_folds=3, save_oof=str(tmp_path / "oof"))
    oof = read_interval_scores(report.oof[0])
    truth = read_annotations(task / "gt.json")
    own = truth.select_videos([truth.video_ids.index(name) for name in oof.video_ids])
    with (tmp_path / "oof" / "folds.csv").open() as lines:
        fold_of = {row["video_id"]: int(row["fold"]) for row in csv.DictReader(lines)}
    by_gamma = {entry["gamma"]: entry["final_score"] for entry in heads.record["scene_prior"]["final_scores"]}
    ratios = np.ones((len(oof.video_ids), len(oof.vocabulary)))
    for fold in range(3):
        others = [place for place, name in enumerate(own.video_ids) if fold_of[name] != fold]
        counts = count_actions(own.select_videos(others))
        naive = naive_rates(counts.total, counts.by_scene, 1.0)
        for place, name in enumerate(oof.video_ids):
            if fold_of[name] == fold:
                ratios[place] = np.exp(naive_scene_logs(oof.scene_scores[place].tolist(), *naive))
    for gamma in (0.0, 0.5, 1.0):
        expected = evaluate(localize(tilt_intervals(oof, ratios, gamma)), own).final_score
        assert by_gamma[gamma] == pytest.approx(expected, abs=1e-12)


def test_the_strength_is_chosen_in_the_folds_of_the_heads(task, tmp_path, monkeypatch):
    """Videos of one group share a fold there, and must not tell of each other here."""
    seen = []
    real = scene_priors.choose_gamma
    monkeypatch.setattr(scene_priors, "choose_gamma", lambda *given: seen.append(given[5]) or real(*given))
    _, heads, _ = fit(task, tmp_path / "h", num_folds=3, save_oof=str(tmp_path / "oof"))
    assert len(heads.record["scene_prior"]["gamma_of_fold"]) == 3
    with (tmp_path / "oof" / "folds.csv").open() as lines:
        assert {row["video_id"]: int(row["fold"]) for row in csv.DictReader(lines)} == dict(seen[0])
    fit(task, tmp_path / "v")
    assert seen[1] is None


def test_scenes_that_are_not_learned_cannot_weigh(task, tmp_path):
    with pytest.raises(ConfigurationError, match="a scene prior and heads that learn no scenes") as caught:
        FitOptions(HeadOptions(tasks=("action",)), scene_prior=True)
    assert "--tasks action,scene" in caught.value.hint
    for changes in ({"heads": HeadOptions(loss="sigmoid")}, {"sweep": "loss=focal:2,sigmoid"}):
        with pytest.raises(ConfigurationError, match="a scene prior and --loss sigmoid"):
            FitOptions(**changes, scene_prior=True)
    with pytest.raises(ConfigurationError, match="a scene prior and head 'pyramid'"):
        FitOptions(HeadOptions("pyramid"), scene_prior=True)


def test_the_command_chooses_and_the_next_one_says_what_it_lays_on(task, tmp_path):
    words = ["fit-heads", task / "store", "--annotations", task / "gt.json", "-o", tmp_path / "h", "--record", "off"]
    words += ["--epochs", 3, "--lr", 0.05, "--batch-size", 64]
    plain = CliRunner().invoke(app, [str(word) for word in words])
    assert plain.exit_code == 0, plain.output
    assert "scene prior" not in plain.output
    assert load_heads(tmp_path / "h").record["scene_prior"] is None
    done = CliRunner().invoke(app, [str(word) for word in [*words, "--scene-prior", "on", "--json"]])
    assert done.exit_code == 0, done.output
    assert "scene prior: gamma" in " ".join(done.stderr.split())
    assert json.loads(done.stdout)["scene_prior"]["gamma"] == load_heads(tmp_path / "h").record["scene_prior"]["gamma"]
