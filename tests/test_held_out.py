"""Predictions of several folds as one, and choices where a fold or a draw holds no truth."""

import warnings

import numpy as np
import pytest
from factories_fusing import list_segments, make_predictions
from factories_metrics import annotations_of, predictions_of

from tsmfeat.fusion.options import FusionOptions
from tsmfeat.metrics.average_precision import evaluate
from tsmfeat.metrics.options import StatisticsOptions
from tsmfeat.metrics.resampling import Population
from tsmfeat.workflows.folds import assign_all_folds, assign_folds
from tsmfeat.workflows.gamma_choice import choose_gamma
from tsmfeat.workflows.grading import Judge, leave_out
from tsmfeat.workflows.held_out import pool_folds
from tsmfeat.workflows.learning import learn_weights
from tsmfeat.workflows.score_options import ScoreOptions, SearchOptions
from tsmfeat.workflows.splits import select_videos
from tsmfeat.workflows.tuning_bench import make_exam
from tsmfeat.workflows.tuning_gain import measure_gain
from tsmfeat.workflows.uncertainty import Entrant, judge_uncertainty


def test_each_video_is_taken_from_its_fold_and_rows_keep_their_order():
    rows = [("b", "run", 0, 1, 0.5), ("a", "run", 0, 1, 0.5), ("b", "eat", 2, 3, 0.5), ("c", "run", 0, 1, 0.5)]
    first = predictions_of(rows)
    second = predictions_of([(*row[:4], 0.25) for row in rows], labels=["eat", "run"])
    pooled = pool_folds([first, second], {"a": 1, "b": 0})  # c is of no fold: as in the first
    names = [(pooled.video_ids[v], pooled.vocabulary.names[k]) for v, k in zip(
        pooled.segments.video, pooled.segments.label, strict=True)]  # fmt: skip
    assert names == [row[:2] for row in rows]
    assert pooled.segments.score.tolist() == [0.5, 0.25, 0.5, 0.5]


def test_folds_that_all_choose_the_same_weights_score_as_those_weights_do():
    # All scores are equal, so the order of the rows decides; every second video is predicted rightly.
    names = [f"v{k}" for k in range(9)]
    model = {name: [("run", 4 * (k % 2), 4 * (k % 2) + 3, 0.5)] for k, name in enumerate(names)}
    truth = annotations_of([(name, "run", 0.0, 3.0) for name in names])
    learned = learn_weights(
        [make_predictions(model)] * 2, truth, FusionOptions(), Judge("paper"), SearchOptions(3, 0, 20)
    )
    assert set(learned.fold_weights) == {learned.weights} == {(0.5, 0.5)}
    assert 0 < learned.seen_score < 1
    assert learned.held_out_score == learned.seen_score
    assert list(list_segments(learned.held_out)) == names


def test_a_fold_that_holds_all_truth_takes_the_weakest_prior():
    truth = annotations_of([("a", "run", 0.0, 1.0)], videos=["a", "b"])
    choice, honest = choose_gamma(
        lambda gamma: predictions_of([("a", "run", 0, 1, 1 - gamma / 2), ("b", "run", 0, 1, 0.75)]),
        truth,
        (1.0, 0.0),
        2,
        lambda found, part: evaluate(found, part).final_score,
    )
    assert choice.gamma_of_fold == (0.0, 0.0)
    assert honest.segments.score.tolist() == [1.0, 0.75]


def test_videos_that_are_only_predicted_lie_in_folds_of_their_own():
    # In fold 0 (y) a prior harms, in fold 1 (x) it helps: each takes what the other chose, and so do p and q.
    truth = annotations_of([(name, "run", 0.0, 1.0) for name in "xy"])
    names = ["x", "y", "p", "q"]
    choice, honest = choose_gamma(
        lambda gamma: predictions_of(
            [(name, "run", at, at + 1, gamma) for name, at in zip(names, (9 - 9 * gamma, 9 * gamma, 5, 5), strict=True)]
        ),
        truth,
        (0.0, 1.0),
        2,
        lambda found, part: evaluate(found, part).final_score,
    )
    folds = assign_all_folds(["x", "y"], names, 2)
    assert sorted(choice.gamma_of_fold) == [0.0, 1.0]
    assert {folds["p"], folds["q"]} == {0, 1}
    assert honest.segments.score.tolist() == [choice.gamma_of_fold[folds[name]] for name in names]


def test_a_fold_without_truth_has_no_gain_and_hides_none():
    names = [f"v{k}" for k in range(4)]
    folds = assign_folds(names, 2)
    truth = annotations_of([(name, "run", 0.0, 3.0) for name in names if folds[name] == 1], videos=names)
    right, wrong = (make_predictions({name: [("run", at, at + 3, 0.5)] for name in names}) for at in (0, 9))
    learned = learn_weights([right, wrong], truth, FusionOptions("nms"), Judge("paper"), SearchOptions(2, 0, 20))
    assert np.isnan(learned.fold_gains[0])
    assert learned.mean_fold_gain == learned.fold_gains[1]
    assert learned.to_dict()["fold_gains"][0] is None


def test_of_several_tests_the_adjusted_p_value_decides():
    names = [f"v{k}" for k in range(6)]
    truth = annotations_of([(name, "run", 0.0, 3.0) for name in names])
    right, wrong = (predictions_of([(name, "run", at, at + 3, 0.5) for name in names]) for at in (0, 9))
    options = ScoreOptions(statistics=StatisticsOptions(bootstrap=400, compare=("x",)))

    def rivalry(count):
        rivals = [Entrant(f"rival {k}", wrong) for k in range(count)]
        return judge_uncertainty(Entrant("mine", right), [], rivals, Population.of(truth), options).rivalry

    # All of six tosses leave or reverse the whole difference: p is about 2 / 64.
    alone, five = rivalry(1), rivalry(5)
    assert alone.adjusted_p_values[0] == alone.comparisons[0].p_value < 0.05
    assert five.comparisons[0].p_value < 0.05 < min(five.adjusted_p_values)
    assert alone.are_distinguishable == (True,)
    assert five.are_distinguishable == (False,) * 5
    assert [each["is_distinguishable"] for each in five.to_dict()["against"]] == [False] * 5


@pytest.mark.parametrize("protocol", ["paper", "opentad"])
def test_draws_without_truth_that_counts_have_no_gain(protocol):
    # OpenTAD leaves out what is no longer than 0: of the first fold's videos only one holds truth then.
    names = ["a", "b", "c", "d"]
    rows = [("a", "run", 0.0, 2.0), *((name, "run", 1.0, 1.0) for name in "bcd"), ("d", "run", 0.0, 2.0)]
    truth = annotations_of(rows if protocol == "opentad" else [rows[0], rows[-1]], videos=names)
    before = predictions_of([("a", "run", 5, 6, 0.5), ("d", "run", 5, 6, 0.5)])
    after = predictions_of([("a", "run", 0, 2, 0.5), ("d", "run", 0, 2, 0.5)])
    exam = make_exam(truth, [before], 2, protocol, (0.5,))
    assert exam.fold[0] != exam.fold[3]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = measure_gain(before, after, exam, 200, 0)
    assert found.gain == 1.0
    assert found.interval == (1.0, 1.0)  # of the draws that hold any truth
    assert np.isfinite(found.default_of_folds).all()


@pytest.mark.parametrize("protocol", ["paper", "thumos14-2014", "thumos14-2015", "opentad"])
def test_folds_are_judged_under_the_protocol_that_was_asked_for(protocol):
    rng = np.random.default_rng(0)
    names = [f"v{k}" for k in range(8)]
    truth = annotations_of([(name, "run", 4.0 * k, 4.0 * k + 3) for name in names for k in range(4)])
    files = [
        predictions_of(
            [
                (v, "run", s, s + 3, score)
                for v in names
                for s, score in zip(rng.integers(0, 15, 6), rng.random(6), strict=True)
            ]
        )
        for _ in range(2)
    ]
    exam = make_exam(truth, files, 2, protocol, (0.3,))
    found = measure_gain(*files, exam, 10, 0)
    for of_folds, file in zip((found.default_of_folds, found.tuned_of_folds), files, strict=True):
        for fold, score in enumerate(of_folds):
            aside = {name for name, own in zip(exam.truth.video_ids, exam.fold, strict=True) if own != fold}
            part = select_videos(truth, set(names) - aside)
            assert score == pytest.approx(
                evaluate(leave_out(file, aside), part, protocol, (0.3,)).final_score, abs=1e-12
            )
