"""Learned weights: a grade is what fusing and evaluating give, the search finds the best, held-out videos are so."""

from itertools import product

import numpy as np
import pytest
from factories_fusing import list_segments, make_predictions
from factories_metrics import annotations_of
from hypothesis import given, settings
from hypothesis import strategies as st
from test_fusing import ensembles

from tsmfeat.errors import ConfigurationError, InputError
from tsmfeat.fusion.fusing import fuse
from tsmfeat.fusion.options import FusionOptions
from tsmfeat.metrics.average_precision import evaluate
from tsmfeat.values.progress import Silence
from tsmfeat.workflows.candidates import list_candidates, list_neighbours
from tsmfeat.workflows.folds import assign_folds
from tsmfeat.workflows.grading import Judge, _make_fast_grade, _make_slow_grade, make_grade
from tsmfeat.workflows.learning import learn_weights, warn_of_weights
from tsmfeat.workflows.score_options import SearchOptions

JUDGE = Judge("paper")
TRUTH = [
    ("u", "run", 0.0, 1.0),
    ("u", "run", 0.5, 1.5),
    ("u", "eat", 0.25, 2.0),
    ("v", "run", 1.0, 2.0),
    ("w", "sit", 0.0, 1.0),
    ("x", "run", 0.0, 1.0),
]
rules = st.builds(
    FusionOptions,
    fusion=st.sampled_from(["paper", "wbf", "nms", "soft-nms"]),
    fusion_tiou=st.sampled_from([None, 0.0, 0.4, 0.5, 1.0]),
    missing=st.sampled_from(["zero", "present"]),
    union=st.sampled_from(["absorb", "components", "sweep", "none"]),
)


@settings(max_examples=150, deadline=None)
@given(ensembles, rules, st.sampled_from([(0.5, 0.75, 0.95), (0.1, 0.5)]))
def test_a_grade_is_the_final_score_of_all_videos_and_without_each_fold(voices, options, thresholds):
    # One order of names, whoever is left out: equal scores rank in the order of the fused file.
    files = [{name: model.get(name, []) for name in "uvw"} for model, _ in voices]
    models, weights = [make_predictions(file, ["run", "eat"]) for file in files], np.array([w for _, w in voices])
    truth = annotations_of(TRUTH)  # video x has no predictions, class sit neither
    judge, folds = Judge("paper", thresholds), assign_folds(truth.video_ids, 2)
    fast, slow = (make(models, truth, options, judge, folds)(weights) for make in (_make_fast_grade, _make_slow_grade))
    np.testing.assert_allclose(fast, slow, rtol=0, atol=1e-12)
    assert slow[0] == evaluate(fuse(models, weights.tolist(), options), truth, "paper", thresholds).final_score


def test_predictions_outside_the_annotated_videos_count_against_every_fold():
    models = [make_predictions({"u": [("run", 0, 1, 0.5)], "elsewhere": [("run", 0, 1, 0.9)]})]
    truth = annotations_of([("u", "run", 0.0, 1.0), ("v", "run", 0.0, 1.0)])
    grade = make_grade(models, truth, FusionOptions(), JUDGE, {"u": 0, "v": 1})
    assert grade(np.ones(1)).tolist() == [0.25, 0.0, 0.5]


def test_a_fold_that_holds_all_truth_has_no_grade():
    models = [make_predictions({"u": [("run", 0, 1, 0.5)], "v": []})]
    truth = annotations_of([("u", "run", 0.0, 1.0)], videos=["u", "v"])
    for options in (FusionOptions(), FusionOptions(min_score=0.0)):
        found = make_grade(models, truth, options, JUDGE, {"u": 0, "v": 1})(np.ones(1))
        assert found.tolist() == pytest.approx([1.0, float("nan"), 1.0], nan_ok=True)


def test_scores_that_differ_in_their_last_bits_keep_their_order():
    low, high = 0.7, np.nextafter(0.7, 1)
    wrong = {f"v{k:04}": [("run", 5, 6, high)] for k in range(40)}
    models = [make_predictions({"right": [("run", 0, 1, low)], **wrong, "first": [("run", 0, 1, high)]})]
    truth = annotations_of([("right", "run", 0.0, 1.0), ("first", "run", 0.0, 1.0)])
    folds = {"right": 0, "first": 1}
    fast, slow = (
        make(models, truth, FusionOptions(), JUDGE, folds)(np.ones(1)) for make in (_make_fast_grade, _make_slow_grade)
    )
    assert fast.tolist() == slow.tolist()
    assert 0 < slow[0] < 0.1


# The finest lattice of at most half the count: 20, 91 and 495 points.
@pytest.mark.parametrize(("num_models", "count", "steps"), [(2, 40, 19), (3, 200, 12), (5, 1000, 8)])
def test_candidates_are_points_of_the_simplex(num_models, count, steps):
    found = list_candidates(num_models, count, np.random.default_rng(3))
    assert len(found) == count
    assert found.min() >= 0
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=0, atol=1e-12)
    assert (found[0] == 1 / num_models).all()
    assert (found[1 : num_models + 1] == np.eye(num_models)).all()
    whole = {tuple(row) for row in found[num_models + 1 :].tolist()}
    lattice = {tuple(k / steps for k in c) for c in product(range(steps + 1), repeat=num_models) if sum(c) == steps}
    assert lattice <= whole
    assert list_candidates(num_models, count, np.random.default_rng(3)).tolist() == found.tolist()


def test_neighbours_stay_near_and_on_the_simplex():
    found = list_neighbours(np.array([0.5, 0.5, 0.0]), 0.01, 200, np.random.default_rng(0))
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=0, atol=1e-12)
    assert found.min() == 0
    assert np.abs(found - [0.5, 0.5, 0.0]).max() < 0.06
    assert list_neighbours(np.ones(1), 9.0, 3, np.random.default_rng(0)).tolist() == [[1.0]] * 3


def test_folds_are_even_and_the_same_in_every_order():
    names = [f"video {k}" for k in range(11)]
    folds = assign_folds(names, 4)
    assert sorted(np.bincount(list(folds.values())).tolist()) == [2, 3, 3, 3]
    assert assign_folds(names[::-1], 4) == folds
    for wrong in (1, 12):
        with pytest.raises(ConfigurationError, match=f"{wrong} folds of 11"):
            assign_folds(names, wrong)


def ensemble(seed, num_videos=12):
    """Truth, a good model, one that is good in a few videos only, and one that is confidently wrong."""
    rng = np.random.default_rng(seed)
    rows, models = [], [{}, {}, {}]
    for v in range(num_videos):
        at = np.cumsum(rng.integers(4, 9, 5))
        truth = [(("run", "eat")[int(k) % 2], float(s), float(s) + 3) for k, s in enumerate(at)]
        rows += [(f"v{v}", *segment) for segment in truth]
        for model, (share, high) in zip(models, ((0.9, 0.6), (0.5, 0.5), (0.1, 1.0)), strict=True):
            shift = [0.0 if rng.random() < share else 2.0 for _ in truth]
            model[f"v{v}"] = [
                (label, start + by, end + by, high * float(rng.integers(16, 33)) / 32)
                for (label, start, end), by in zip(truth, shift, strict=True)
            ]
    return annotations_of(rows), [make_predictions(model) for model in models]


@pytest.mark.parametrize("fusion", ["paper", "wbf", "nms"])
def test_learning_finds_the_best_candidate_and_says_what_it_is_worth(fusion):
    truth, models = ensemble(0)
    options, search = FusionOptions(fusion), SearchOptions(folds=3, num_candidates=60)
    learned = learn_weights(models, truth, options, JUDGE, search)

    def scored(weights, names=truth.video_ids):
        fused = fuse(models, list(weights), options)
        kept = truth.select_videos([k for k, name in enumerate(truth.video_ids) if name in names])
        inside = np.isin(fused.segments.video, [k for k, name in enumerate(fused.video_ids) if name in names])
        part = make_predictions({name: rows for name, rows in list_segments(fused).items() if name in names})
        assert inside.sum() == len(part.segments)
        return evaluate(part, kept).final_score

    assert sum(learned.weights) == pytest.approx(1, abs=1e-12)
    assert learned.seen_score == pytest.approx(scored(learned.weights), abs=1e-12)
    listed = list_candidates(3, 60, np.random.default_rng([0, 0]))
    assert learned.seen_score >= max(scored(weights) for weights in listed) - 1e-12
    assert learned.equal_score == pytest.approx(scored([1, 1, 1]), abs=1e-12)
    assert learned.single_scores == pytest.approx([scored(row) for row in np.eye(3)], abs=1e-12)
    assert learned.seen_score > learned.equal_score
    folds = assign_folds(truth.video_ids, 3)
    for fold, weights in enumerate(learned.fold_weights):
        others = {name for name in truth.video_ids if folds[name] != fold}
        assert scored(weights, others) >= max(scored(row, others) for row in listed) - 1e-12
    assert learned.held_out_score == pytest.approx(evaluate(learned.held_out, truth).final_score, abs=1e-12)
    for fold, (weights, gain) in enumerate(zip(learned.fold_weights, learned.fold_gains, strict=True)):
        own = {name for name in truth.video_ids if folds[name] == fold}
        assert gain == pytest.approx(scored(weights, own) - scored([1, 1, 1], own), abs=1e-12)
    fused = [list_segments(fuse(models, list(weights), options)) for weights in learned.fold_weights]
    held_out = list_segments(learned.held_out)
    assert {name: sorted(held_out[name]) for name in folds} == {
        name: sorted(fused[fold][name]) for name, fold in folds.items()
    }


def test_each_candidate_fused_and_evaluated_anew_gives_the_same_weights():
    truth, models = ensemble(1, 6)
    search = SearchOptions(folds=3, num_candidates=30)
    fast = learn_weights(models, truth, FusionOptions(), JUDGE, search)
    slow = learn_weights(models, truth, FusionOptions(min_score=-1.0), JUDGE, search)
    assert (fast.weights, fast.fold_weights) == (slow.weights, slow.fold_weights)
    assert fast.seen_score == pytest.approx(slow.seen_score, abs=1e-12)


def test_what_is_learned_depends_on_the_seed_alone():
    truth, models = ensemble(2, 6)
    one, same, other = (
        learn_weights(models, truth, FusionOptions(), JUDGE, SearchOptions(3, seed, 30)) for seed in (5, 5, 6)
    )
    assert one.weights == same.weights != other.weights
    assert one.num_candidates == 30 + 120


def test_where_nothing_is_gained_equal_weights_stay_and_it_is_said():
    model = {f"v{k}": [("run", 0, 4, 0.5)] for k in range(4)}
    truth = annotations_of([(name, "run", 0.0, 4.0) for name in model])
    learned = learn_weights([make_predictions(model)] * 2, truth, FusionOptions(), JUDGE, SearchOptions(2, 0, 20))
    assert learned.weights == (0.5, 0.5)
    warned = []
    warn_of_weights(learned, type("Ear", (Silence,), {"warn": lambda self, text: warned.append(text)})())
    assert len(warned) == 1
    assert "gain nothing on held-out videos (1.0000 against 1.0000" in warned[0]


def test_equal_weights_that_lose_to_a_single_model_are_told():
    truth, models = ensemble(3)
    learned = learn_weights(models[::2], truth, FusionOptions("nms"), JUDGE, SearchOptions(3, 0, 20))
    warned = []
    warn_of_weights(learned, type("Ear", (Silence,), {"warn": lambda self, text: warned.append(text)})())
    assert any("the best model alone" in text for text in warned)


def test_what_cannot_be_learned_is_refused():
    truth, models = ensemble(0, 4)
    with pytest.raises(ConfigurationError, match="no weights to learn"):
        learn_weights(models, truth, FusionOptions("none"), JUDGE, SearchOptions())
    with pytest.raises(ConfigurationError, match="5 folds of 4"):
        learn_weights(models, truth, FusionOptions(), JUDGE, SearchOptions())
    negative = make_predictions({"v0": [("run", 0, 4, -0.5)]})
    with pytest.raises(InputError, match=r"score of -0\.5"):
        learn_weights([negative], truth, FusionOptions("wbf"), JUDGE, SearchOptions(2))
    for wrong in ({"folds": 1}, {"seed": -1}, {"num_candidates": 0}):
        with pytest.raises(ConfigurationError):
            SearchOptions(**wrong)
