"""What a sweep tries, and which of it is kept."""

import csv
import io
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsmfeat.errors import ConfigurationError
from tsmfeat.heads.grouping import varied_options
from tsmfeat.heads.options import HeadOptions
from tsmfeat.workflows.fit_options import FitOptions
from tsmfeat.workflows.sweeps import SweptRun, expand_sweep, parse_sweep, rank_settings, sweep_table


def test_every_combination_is_a_setting_and_every_seed_a_run():
    runs = expand_sweep(HeadOptions(seed=5), "lr=0.1,0.2;standardize=on,off;batch-size=8", 3)
    assert [(run.lr, run.standardize, run.seed) for run in runs] == [
        (lr, on, seed) for lr in (0.1, 0.2) for on in (True, False) for seed in (5, 6, 7)
    ]
    assert {run.batch_size for run in runs} == {8}
    assert varied_options(runs) == ["lr", "standardize"]
    assert expand_sweep(HeadOptions(), "") == [HeadOptions()]


def test_values_are_of_their_options_types():
    found = parse_sweep("background-weight=1,balanced;epochs=3,4;schedule=step,none;dropout=0,.5")
    assert found == {
        "background_weight": (1.0, "balanced"),
        "epochs": (3, 4),
        "schedule": ("step", "none"),
        "dropout": (0.0, 0.5),
    }


@pytest.mark.parametrize(
    ("text", "found", "hint"),
    [
        ("lrr=1", "no option of heads", "did you mean 'lr'"),
        ("seed=1,2", "no option of heads", ""),
        ("lr", "it is a number", "default is 0.001"),
        ("lr=0.1,0.1", "values that differ", "lr=0.001,0.01"),
        ("lr=0.1;lr=0.2", "once", ""),
        ("epochs=2.5", "a whole number", "default is 50"),
        ("standardize=yes", "on or off", ""),
        ("lr=fast", "a number", ""),
    ],
)
def test_what_is_no_sweep_is_refused_with_its_rule(text, found, hint):
    with pytest.raises(ConfigurationError, match=found) as caught:
        parse_sweep(text)
    assert hint in caught.value.hint


def test_a_value_that_heads_cannot_have_is_refused_before_anything_is_read():
    with pytest.raises(ConfigurationError, match=r"dropout 1\.5"):
        FitOptions(sweep="dropout=0.5,1.5").runs()


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"num_seeds": 0}, "0 seeds"),
        ({"num_folds": 1}, "1 folds"),
        ({"group": "take"}, "--group and no folds"),
        ({"save_oof": "oof"}, "--save-oof and no folds"),
        ({"num_folds": 3, "validation_subset": "v"}, "folds and a validation subset"),
        ({"num_folds": 3, "sweep": "patience=0,2"}, "folds and patience"),
    ],
)
def test_options_that_contradict_each_other_are_refused(changes, found):
    with pytest.raises(ConfigurationError, match=found):
        FitOptions(**changes)


def make_runs(scores):
    return [
        SweptRun({"lr": lr}, seed, score, (score, 0.5), None, 3, ())
        for lr, of_seeds in scores.items()
        for seed, score in enumerate(of_seeds)
    ]


def test_settings_are_ranked_by_the_mean_over_their_seeds():
    """The best single run is not of the best setting."""
    ranking = rank_settings(make_runs({0.1: (0.9, 0.1), 0.2: (0.6, 0.7), 0.3: (0.2, 0.3)}))
    assert [found.setting["lr"] for found in ranking] == [0.2, 0.1, 0.3]
    assert ranking[0].mean == pytest.approx(0.65)
    assert ranking[0].deviation == pytest.approx(math.sqrt(0.005))
    assert ranking[0].places == (3, 2)
    assert ranking[1].places == (0, 1)


def test_a_setting_without_score_comes_last_and_equal_ones_stay_in_order():
    ranking = rank_settings(make_runs({0.1: (math.nan,), 0.2: (0.0,), 0.3: (0.5,), 0.4: (0.5,)}))
    assert [found.setting["lr"] for found in ranking] == [0.3, 0.4, 0.2, 0.1]
    assert math.isnan(ranking[0].deviation)


@given(st.lists(st.lists(st.floats(0, 1), min_size=2, max_size=2), min_size=1, max_size=6))
def test_the_table_holds_every_run_once_in_the_order_of_the_ranking(scores):
    runs = make_runs(dict(enumerate(scores)))
    rows = list(csv.DictReader(io.StringIO(sweep_table(runs, (0.5, 0.75)))))
    assert sorted((row["lr"], row["seed"]) for row in rows) == sorted((str(r.setting["lr"]), str(r.seed)) for r in runs)
    means = [float(row["mean"]) for row in rows]
    assert means == sorted(means, reverse=True)
    assert all(float(row["map@0.75"]) == 0.5 and row["scene_accuracy"] == "" for row in rows)
