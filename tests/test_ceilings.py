"""The best that perfect labels of intervals reach, and costs learned from annotations."""

import json
import math
from fractions import Fraction

import numpy as np
import pytest
from factories_metrics import annotations_of
from factories_workflows import write_database
from hypothesis import given, settings
from hypothesis import strategies as st
from naive import naive_runs
from naive_localizing import naive_transition_costs
from naive_metrics import naive_evaluation
from naive_targets import naive_interval_target
from typer.testing import CliRunner

from tsmfeat.errors import ConfigurationError, InputError
from tsmfeat.localization.localizing import localize
from tsmfeat.localization.options import LocalizationOptions
from tsmfeat.values.predictions import IntervalScores
from tsmfeat.values.vocabulary import Vocabulary
from tsmfeat.workflows import ceilings
from tsmfeat.workflows.ceilings import measure_ceilings
from tsmfeat.workflows.score_options import CeilingOptions
from tsmfeat.workflows.transitions import learn_transitions, localize_with_transitions, read_transitions
from tsmfeat_cli.main import app

THRESHOLDS = (0.5, 0.75, 0.95)


def entry(segments, duration=None, subset="testing"):
    rows = [{"label": label, "segment": [start, end]} for label, start, end in segments]
    return {"subset": subset, "annotations": rows} | ({} if duration is None else {"duration": duration})


def maps_of(report):
    return {(row.step_seconds, row.localize, row.extra): row.map for row in report.rows}


KNOWN = {
    "gt_thumos14_test.json": (
        {0.25: (0.924, 0.891, 0.497), 0.5: (0.879, 0.769, 0.229), 1.0: (0.732, 0.514, 0.043)},
        {"argmax": (0.771, 0.626, 0.430), "threshold": (0.804, 0.649, 0.444)},
    ),
    "gt_binego_like.json": ({}, {"argmax": (0.924, 0.855, 0.768), "threshold": (0.963, 0.890, 0.798)}),
}


@pytest.mark.golden
@pytest.mark.parametrize("name", KNOWN)
def test_known_ceilings_are_met(name, shared_data):
    report = measure_ceilings(shared_data("evaluation") / name)
    maps, finals = KNOWN[name]
    for step, expected in maps.items():
        assert maps_of(report)[step, "argmax", "none"] == pytest.approx(expected, rel=0, abs=6e-4)
    for way, expected in finals.items():
        found = [row.final_score for row in report.rows if (row.localize, row.extra) == (way, "none")]
        assert found == pytest.approx(expected, rel=0, abs=6e-4)


def naive_ceiling(videos, step, several):
    """mAP of perfect labels of {video: (duration or None, [(label, start, end)])}, in exact fractions."""
    truths = [(v, name, float(a), float(b)) for v, (_, rows) in videos.items() for name, a, b in rows]
    names = sorted({row[1] for row in truths})
    predictions = []
    for video, (duration, rows) in videos.items():
        last = max((end for _, _, end in rows), default=0)
        count = math.ceil(last / step) if duration is None else math.floor(duration / step)
        ids = [(names.index(name), start, end) for name, start, end in rows]
        groups = [[row for row in ids if row[0] == k] for k in range(len(names))] if several else [ids]
        found = []
        for group in groups:
            labels = [naive_interval_target(group, i, step, Fraction(1, 2), len(names)) for i in range(count)]
            found += naive_runs(labels, [1.0] * count, len(names))
        found.sort(key=lambda run: (run[1], run[2], run[0]))
        predictions += [(video, names[k], float(a * step), float(b * step), 1.0) for k, a, b, _ in found]
    return predictions, truths


def test_of_actions_at_once_only_the_larger_moves_boundaries(tmp_path):
    # Run, eat, eat, run second by second. While both go on, their shares tell nothing of where one ends.
    path = write_database(tmp_path / "gt.json", {"a": entry([("run", 0.0, 4.0), ("eat", 0.6, 3.4)], 4.0)})
    found = maps_of(measure_ceilings(path, CeilingOptions((1.0,), tiou_thresholds=(0.7,))))
    assert found[1.0, "argmax", "refine"] == (0.5,)  # eat from 1 to 3 of 0.6 to 3.4; run in two pieces


quarters = st.integers(0, 40).map(lambda value: Fraction(value, 8))
annotated = st.lists(
    st.tuples(
        st.sampled_from([None, Fraction(5), Fraction(21, 4)]),
        st.lists(
            st.tuples(st.sampled_from(["eat", "run", "cut"]), quarters, quarters).filter(lambda row: row[1] < row[2]),
            max_size=4,
        ),
    ),
    min_size=1,
    max_size=3,
).filter(lambda videos: any(rows for _, rows in videos))


@settings(max_examples=40, deadline=None)
@given(annotated, st.sampled_from([Fraction(1, 4), Fraction(1, 2), Fraction(1)]))
def test_ceilings_equal_the_naive_twin(tmp_path_factory, videos, step):
    named = {f"v{index}": video for index, video in enumerate(videos)}
    database = {
        name: entry([(k, float(a), float(b)) for k, a, b in rows], None if length is None else float(length))
        for name, (length, rows) in named.items()
    }
    path = write_database(tmp_path_factory.getbasetemp() / "ceilings.json", database)
    found = maps_of(measure_ceilings(path, CeilingOptions((float(step),))))
    for way, several in (("argmax", False), ("threshold", True)):
        expected = naive_evaluation(*naive_ceiling(named, step, several), THRESHOLDS, False)
        means = [sum(values[k] for values in expected.values()) / len(expected) for k in range(3)]
        assert found[float(step), way, "none"] == pytest.approx(means, rel=0, abs=1e-12)


@pytest.fixture
def by_hand(tmp_path):
    # Of 2 s: [0.25, 1.5) at t = 1 fills the first interval by 3/4, the second by 1/2; the video goes on.
    return write_database(tmp_path / "gt.json", {"a": entry([("run", 0.25, 1.5)], 3.5), "b": entry([], 4.0)})


def test_a_ceiling_by_hand(by_hand):
    found = maps_of(measure_ceilings(by_hand, CeilingOptions((1.0,), tiou_thresholds=(0.6, 0.7, 0.99))))
    # The segment is [0, 2): tIoU 1.25 / 2. Refined, its end moves to where the share is one half: 1.5 but for .01.
    assert found[1.0, "argmax", "none"] == (1.0, 0.0, 0.0)
    assert found[1.0, "threshold", "none"] == (1.0, 0.0, 0.0)
    assert found[1.0, "threshold", "refine"] == (1.0, 1.0, 0.0)
    assert found[1.0, "argmax", "tail"] == (1.0, 0.0, 0.0)


def test_an_extended_tail_reaches_the_end_of_the_video(tmp_path):
    path = write_database(tmp_path / "gt.json", {"a": entry([("run", 1.0, 2.9)], 2.9)})
    found = maps_of(measure_ceilings(path, CeilingOptions((1.0,), tiou_thresholds=(0.6,))))
    assert (found[1.0, "argmax", "none"], found[1.0, "argmax", "tail"]) == ((0.0,), (1.0,))


def test_unknown_durations_have_no_tail_and_end_with_their_last_segment(tmp_path):
    path = write_database(tmp_path / "gt.json", {"a": entry([("run", 0.0, 1.75)])})
    report = measure_ceilings(path, CeilingOptions((1.0,), tiou_thresholds=(0.87, 0.88)))
    assert {row.extra for row in report.rows} == {"none", "refine"}
    assert maps_of(report)[1.0, "argmax", "none"] == (1.0, 0.0)
    assert report.num_known_durations == 0


def test_refining_shares_brings_back_boundaries_that_no_grid_has(tmp_path):
    segments = [("run", 1.75, 4.4), ("eat", 5.8, 9.3), ("run", 9.3, 13.7)]
    path = write_database(tmp_path / "gt.json", {"a": entry(segments, 15.0)})
    found = maps_of(measure_ceilings(path, CeilingOptions((1.0,), tiou_thresholds=(0.9,))))
    assert found[1.0, "argmax", "none"][0] < found[1.0, "argmax", "refine"][0] == 1.0


def test_refining_shares_finds_the_bound_between_two_actions_that_meet(tmp_path):
    path = write_database(tmp_path / "gt.json", {"a": entry([("run", 0.0, 4.4), ("eat", 4.4, 8.0)], 8.0)})
    found = maps_of(measure_ceilings(path, CeilingOptions((1.0,), tiou_thresholds=(0.97,))))
    # Of the interval both share "eat" has .2 more, of the one before "run" has 1 more: they cross at 3.5 + 1 / 1.2.
    assert found[1.0, "argmax", "none"] == (0.0,)
    assert found[1.0, "argmax", "refine"] == (1.0,)


def test_equally_long_actions_are_chosen_by_name_whatever_the_order_and_counted(tmp_path):
    both = [("run", 0.0, 4.0), ("eat", 0.0, 4.0)]
    reports = []
    for rows in (both, both[::-1]):
        path = write_database(tmp_path / "gt.json", {"a": entry([*rows, ("run", 6.0, 8.0)], 10.0)})
        reports.append(measure_ceilings(path, CeilingOptions((1.0,))))
    assert maps_of(reports[0]) == maps_of(reports[1])
    assert reports[0].tied_shares == (pytest.approx(4 / 6),)
    # "eat" comes first by name, so the first "run" is lost.
    assert maps_of(reports[0])[1.0, "argmax", "none"][0] == pytest.approx((1 + 0.5) / 2)
    assert maps_of(reports[0])[1.0, "threshold", "none"][0] == 1.0


def test_videos_are_scored_in_portions_without_a_difference(tmp_path, monkeypatch):
    rng = np.random.default_rng(3)
    database = {}
    for index in range(7):
        bounds = np.sort(rng.uniform(0, 20, 6))
        database[f"v{index}"] = entry([("run", *bounds[:2]), ("eat", *bounds[2:4]), ("run", *bounds[4:])], 20.3)
    path = write_database(tmp_path / "gt.json", database)
    whole = measure_ceilings(path)
    monkeypatch.setattr(ceilings, "_MOST_CELLS", 150)
    assert measure_ceilings(path) == whole
    monkeypatch.setattr(ceilings, "_MOST_CELLS", 1)
    assert measure_ceilings(path) == whole


def test_the_coarsest_step_near_the_best_is_recommended(tmp_path):
    path = write_database(tmp_path / "gt.json", {"a": entry([("run", 2.0, 20.0), ("run", 24.0, 31.0)], 40.0)})
    assert measure_ceilings(path, CeilingOptions((0.25, 0.5, 1.0))).recommended_step == 1.0
    path = write_database(tmp_path / "gt.json", {"a": entry([("run", 2.5, 4.0), ("run", 24.5, 27.0)], 40.0)})
    assert measure_ceilings(path, CeilingOptions((0.25, 0.5, 1.0))).recommended_step == 0.5


def test_what_has_no_ceiling_is_refused(tmp_path):
    path = write_database(tmp_path / "gt.json", {"a": entry([("run", 0, 1)], 2.0, "training"), "b": entry([], 2.0)})
    with pytest.raises(ConfigurationError, match="2 subsets"):
        measure_ceilings(path)
    with pytest.raises(InputError, match="no segment"):
        measure_ceilings(path, CeilingOptions(subset="testing"))
    for steps in ((), (0.0,), (math.nan,)):
        with pytest.raises(ConfigurationError, match="steps"):
            CeilingOptions(steps)


def invoke(*words):
    return CliRunner().invoke(app, ["inspect", *map(str, words)])


def test_the_command_prints_a_table_and_the_step_to_choose(by_hand):
    done = invoke(by_hand, "--ceilings", "--step", "0.25,1", "--tiou", "0.6,0.9")
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert "@0.6" in lines[1]
    assert "@0.9" in lines[1]
    rows = [line.split() for line in lines if line.startswith(("0.25 s", "1 s"))]
    assert len(rows) == 12
    assert rows[0][-3:] == ["1.000", "1.000", "1.000"]
    assert any(line.startswith("choose --step 0.25: 1.000") for line in lines)


def test_the_command_prints_json_of_its_options(by_hand):
    words = ("--ceilings", "--json", "--step", "1", "--subset", "testing", "--protocol", "activitynet")
    found = json.loads(invoke(by_hand, *words).stdout)
    assert (found["kind"], found["protocol"], found["subset"]) == ("ceilings", "activitynet", "testing")
    assert len(found["tiou_thresholds"]) == 10
    assert {(row["localize"], row["extra"]) for row in found["ceilings"]} == {
        (way, extra) for way in ("argmax", "threshold") for extra in ("none", "tail", "refine")
    }
    assert found["recommended_step"] == 1.0


@pytest.mark.parametrize("words", [["--step", "1"], ["--ceilings", "--video", "a"], ["--ceilings", "--step", "x"]])
def test_options_that_do_not_go_together_are_refused(by_hand, words):
    assert invoke(by_hand, *words).exit_code == 2


def test_costs_are_learned_on_the_grid_of_the_scores_by_the_names_of_their_classes():
    truth = annotations_of([("a", "run", 0.0, 2.0), ("a", "eat", 2.0, 3.0), ("b", "eat", 1.0, 2.0), ("b", "nap", 2, 4)])
    found = learn_transitions(truth, Vocabulary(("eat", "run")), 0.5)
    # a: run x 4, eat x 2; b: background x 2, eat x 2, then a class that the scores do not know.
    expected = naive_transition_costs([[1] * 4 + [0] * 2, [2] * 2 + [0] * 2 + [-1] * 4], 3, 1.0)
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_annotations_for_transitions_are_those_of_the_training_subset(tmp_path):
    database = {
        "a": entry([("run", 0, 8), ("eat", 8, 16)], 16.0, "training"),
        "b": entry([("eat", 0, 8), ("run", 8, 16)], 16.0, "testing"),
    }
    path = write_database(tmp_path / "gt.json", database)
    rows = np.array([[1.0, 0.0, 0.0], [0.4, 0.41, 0.0], [0.4, 0.41, 0.0]])
    names = Vocabulary(("run", "eat"))
    scores = IntervalScores(("v",), names, np.array([0, 3]), rows, 1.0, np.array([3.0]))
    options = LocalizationOptions(smooth="viterbi:0.1")
    training = annotations_of([("a", "run", 0.0, 8.0), ("a", "eat", 8.0, 16.0)])
    expected = localize(scores, options, learn_transitions(training, names, 1.0)).segments
    found = localize_with_transitions(scores, options, read_transitions(path)).segments
    assert found.label.tolist() == expected.label.tolist()
    assert localize_with_transitions(scores, options).segments.label.tolist() == [0]
