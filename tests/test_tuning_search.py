"""Where a search goes, what it may spend, and which settings are the same."""

import itertools
import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tsmfeat.errors import ConfigurationError
from tsmfeat.fusion.options import FusionOptions
from tsmfeat.localization.options import LocalizationOptions
from tsmfeat.priors.options import PriorOptions
from tsmfeat.values.predictions import IntervalScores
from tsmfeat.values.vocabulary import Vocabulary
from tsmfeat.workflows.tuning_defaults import base_setting, default_values
from tsmfeat.workflows.tuning_search import Limits, search_best
from tsmfeat.workflows.tuning_settings import NAMES, Setting, change, idle_options, value_of, value_text
from tsmfeat.workflows.tuning_space import Space, make_space
from tsmfeat.workflows.tuning_words import parse_search

VALUES = {
    "smooth": ("none", "mean:3", "mean:5", "viterbi:1"),
    "localize": ("argmax", "threshold"),
    "threshold": (0.5, 0.3, 0.7),
    "max-gap": (0, 1, 2, 3),
    "fusion": ("paper", "wbf", "nms", "soft-nms"),
    "fusion-tiou": (0.5, 0.4, 0.6),
    "fusion-sigma": (0.5, 1.0),
}


def chance(seed=0):
    return np.random.default_rng(seed)


def graded(worth, log=None):
    """A grade of a point, which notes where the search has been."""

    def grade(point):
        if log is not None:
            log.append(point)
        return worth(point)

    return grade


def test_settings_are_not_counted_beyond_the_time(monkeypatch):
    counted, list_points = [], Space.points

    def count(space):
        for point in list_points(space):
            counted.append(point)
            yield point

    monkeypatch.setattr(Space, "points", count)
    found = search_best(make_space(Setting(), VALUES), lambda _: 0.0, Limits(10**6, time.monotonic()), chance())
    assert len(counted) <= 1
    assert len(found.scores) == 1


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_a_space_within_the_budget_is_searched_wholly(seed):
    rng = chance(seed)
    space = make_space(Setting(), {name: VALUES[name] for name in ("smooth", "localize", "threshold", "max-gap")})
    worth = {}

    def grade(point):
        return worth.setdefault(point, float(rng.integers(0, 6)))

    found = search_best(space, grade, Limits(1000), chance())
    # 4 smoothings without thresholds, and 3 of them (viterbi has none) with each of 3; each with 4 gaps.
    assert len(found.scores) == (4 + 3 * 3) * 4
    assert found.is_exhaustive
    assert worth[found.best] == max(worth.values())
    ties = [point for point in worth if worth[point] == worth[found.best]]
    changes = [sum(place > 0 for place in point) for point in ties]
    assert sum(place > 0 for place in found.best) == min(changes)
    assert found.best == min(point for point, count in zip(ties, changes, strict=True) if count == min(changes))


def test_a_larger_space_is_climbed_within_the_budget():
    log = []
    space = make_space(Setting(), VALUES)
    # Two options help only together, which no step along one of them shows.
    grade = graded(lambda point: point[3] + 5 * (point[1] == 1 and point[2] == 2) - (point[0] - 2) ** 2, log)
    found = search_best(space, grade, Limits(60), chance())
    assert not found.is_exhaustive
    assert len(log) == len(set(log)) == len(found.scores) == 60
    assert log[0] == space.origin
    assert space.values_at(found.best)["threshold"] == 0.7
    assert space.values_at(found.best)["max-gap"] == 3
    assert space.values_at(found.best)["smooth"] == "mean:5"


def test_new_starts_leave_a_hill_that_is_not_the_highest():
    space = make_space(Setting(), {name: VALUES[name] for name in ("smooth", "max-gap", "fusion-tiou")})

    def worth(point):
        return 9.0 if point == (2, 3, 2) else -float(sum(point))

    assert len(list(space.points())) == 48
    assert search_best(space, worth, Limits(47), chance()).best == (2, 3, 2)
    assert search_best(space, worth, Limits(9), chance()).best == space.origin


def test_a_search_depends_on_its_grades_and_its_seed_alone():
    space = make_space(Setting(), VALUES)

    def worth(point):
        return math.sin(sum((k + 1) * 1.7 * place for k, place in enumerate(point)))

    first, again, other = ([] for _ in range(3))
    for log, seed in ((first, 1), (again, 1), (other, 2)):
        search_best(space, graded(worth, log), Limits(80), chance(seed))
    assert first == again
    assert first != other


def test_a_space_that_is_used_up_ends_the_search():
    space = make_space(Setting(), {"max-gap": tuple(range(30)), "fusion-tiou": (0.5, 0.4), "fusion": VALUES["fusion"]})
    found = search_best(space, lambda point: 0.0, Limits(10_000), chance())
    assert found.best == space.origin


def test_settings_that_come_to_the_same_are_one_point():
    space = make_space(Setting(), VALUES)
    every = itertools.product(*(range(len(axis.values)) for axis in space.axes))
    feasible = [point for point in every if space.setting_at(point) is not None]
    settled = {space.settle(point) for point in feasible}
    assert settled == set(space.points())
    for point in feasible[::7]:
        setting, same = space.setting_at(point), space.setting_at(space.settle(point))
        names = set(VALUES) - idle_options(setting)
        assert {name: value_of(setting, name) for name in names} == {name: value_of(same, name) for name in names}


def test_options_that_exclude_each_other_are_no_setting():
    space = make_space(Setting(), VALUES)
    names = [axis.name for axis in space.axes]
    point = [0] * len(names)
    point[names.index("smooth")], point[names.index("localize")] = 3, 1
    assert space.setting_at(tuple(point)) is None
    assert space.settle(tuple(point)) is None


def test_every_option_of_the_stages_can_be_searched():
    # Rounding is the data's, and thresholds of single classes are not searched.
    names = {"decimals", "class_thresholds"}
    fields = {*LocalizationOptions.__dataclass_fields__, *FusionOptions.__dataclass_fields__} - names
    changed = {
        "smooth": "mean:3", "localize": "threshold", "threshold": 0.3, "max-gap": 2, "min-duration": 1.0,
        "tail": "extend", "refine": True, "segment-score": "mean", "gamma": 0.5, "fusion": "nms", "fusion-tiou": 0.3,
        "missing": "present", "union": "none", "fusion-sigma": 0.7, "fusion-min-score": 0.1, "fusion-max-segments": 9,
        "weights": (0.6, 0.4),
    }  # fmt: skip
    assert set(changed) == set(NAMES)
    assert len(fields) == len(NAMES) - 2
    found = change(Setting(), changed)
    assert {name: value_of(found, name) for name in NAMES} == changed
    text = ";".join(f"{name}={value_text(value)}" for name, value in changed.items())
    assert parse_search(text) == {name: (value,) for name, value in changed.items()}


def scores_of(values, durations=(2.0,)):
    offset = np.array([0, len(values)])
    return IntervalScores(("a",), Vocabulary(("run",)), offset, np.array(values), 0.5, np.array(durations))


def test_what_is_tried_by_default_is_what_the_sources_allow():
    shares = scores_of([[0.9, 0.1], [0.2, 0.8]])
    margins = scores_of([[-2.0, 0.1], [0.2, 0.8]], (math.nan,))
    found = default_values([shares], PriorOptions())
    assert {"localize", "threshold", "tail", "smooth"} <= set(found)
    assert not {"gamma", "weights", "union"} & set(found)
    assert {"wbf", "soft-nms"} <= set(found["fusion"])
    found = default_values([margins], PriorOptions())
    assert not {"localize", "threshold", "tail"} & set(found)
    assert not {"wbf", "soft-nms"} & set(found["fusion"])
    assert default_values([shares], PriorOptions("prior.csv"))["gamma"][0] == 0.0
    several = default_values([shares, shares, shares], PriorOptions())
    assert all(len(weights) in (0, 3) for weights in several["weights"])
    assert all(sum(weights) == pytest.approx(1.0, abs=1e-5) for weights in several["weights"] if weights)
    for sources in ([shares], [margins], [shares, margins], [shares] * 3):
        space = make_space(base_setting(sources), default_values(sources, PriorOptions()))
        assert all(space.setting_at(space.settle(move)) for block in space.blocks()
                   for move in space.moves(space.origin, block))  # fmt: skip


def test_what_no_command_can_be_told_is_not_searched():
    assert parse_search("fusion-min-score=none,0.1") == {"fusion-min-score": (None, 0.1)}
    with pytest.raises(ConfigurationError, match="fusion-tiou=none: no command"):
        parse_search("fusion-tiou=0.5,none")


def test_a_value_that_no_setting_can_have_is_refused():
    with pytest.raises(ConfigurationError, match="fusion_tiou"):
        make_space(Setting(), {"fusion-tiou": (1.5,)})
