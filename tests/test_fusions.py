"""Fusions beside the paper's: weighted boxes fusion, suppression, and what is kept of any fusion's result."""

import json
import math

import numpy as np
import pytest
from conftest import DATA
from factories_fusing import list_segments, make_predictions
from hypothesis import given, settings
from hypothesis import strategies as st
from naive import naive_tiou
from naive_fusions import naive_nms, naive_soft_nms, naive_wbf
from test_fusing import ensembles, random_ensemble, sorted_segments

from tsmfeat.errors import ConfigurationError, InputError
from tsmfeat.fusion.fusing import fuse
from tsmfeat.fusion.options import FusionOptions

GOLDEN = json.loads((DATA / "fusion" / "wbf_1d.json").read_text())
thresholds = st.sampled_from([None, 0.0, 0.2, 0.4, 0.5, 0.8, 1.0])
rules = st.builds(
    FusionOptions,
    fusion=st.sampled_from(["wbf", "nms", "soft-nms"]),
    fusion_tiou=thresholds,
    missing=st.sampled_from(["zero", "present"]),
    decimals=st.sampled_from([0, 3]),
    sigma=st.sampled_from([0.1, 0.5]),
    min_score=st.sampled_from([None, 0.4]),
    max_segments=st.sampled_from([None, 1, 3]),
)


def one_file(*rows):
    return make_predictions({"a": [("run", *row) for row in rows]})


def assert_rows(found, expected, tolerance=1e-12):
    """Compare {video: sorted rows}; where bounds differ in the last bit, rows may come in another order."""
    assert found.keys() == expected.keys()
    for video, rows in expected.items():
        assert len(found[video]) == len(rows)
        ordered = [sorted(each, key=lambda row: (row[0], *np.round(row[1:], 9))) for each in (found[video], rows)]
        for row, other in zip(*ordered, strict=True):
            assert row[0] == other[0]
            assert row[1:] == pytest.approx(other[1:], rel=0, abs=tolerance)


@pytest.mark.parametrize("factor", [1, 300], ids=["unit", "seconds"])
@pytest.mark.parametrize("case", GOLDEN["cases"], ids=lambda case: f"iou{case['iou_thr']}x{len(case['weights'])}")
def test_weighted_boxes_fusion_equals_the_package(case, factor):
    """Its domain is 0..1 and float32; ours is any time, since a tIoU does not depend on the unit."""
    models = [
        make_predictions(
            {"a": [(f"l{k}", factor * x, factor * y, s) for (x, y), k, s in zip(boxes, labels, scores, strict=True)]}
        )
        for boxes, labels, scores in zip(case["boxes"], case["labels"], case["scores"], strict=True)
    ]
    options = FusionOptions("wbf", float(case["iou_thr"]), decimals=6)
    rows = sorted_segments(fuse(models, case["weights"], options))["a"]
    assert len(rows) == len(case["expected"]) < sum(map(len, case["boxes"])) / 2
    for (label, start, end, score), other in zip(rows, case["expected"], strict=True):
        assert label == f"l{other[0]}"
        assert (start / factor, end / factor, score) == pytest.approx(other[1:], rel=0, abs=1e-6)


def test_weighted_boxes_by_hand():
    models = [one_file((0, 8, 0.6), (20, 22, 0.3)), one_file((2, 10, 0.2))]
    zero = list_segments(fuse(models, [1, 1], FusionOptions("wbf")))["a"]
    assert zero == [("run", 0.5, 8.5, pytest.approx(0.4, abs=1e-15)), ("run", 20.0, 22.0, 0.15)]
    present = list_segments(fuse(models, [3, 1], FusionOptions("wbf", missing="present")))["a"]
    # Masses 1.8 and .2: the bounds move by a tenth, the score is 2 / 4.
    assert_rows({"a": present}, {"a": [("run", 0.2, 8.2, 0.5), ("run", 20.0, 22.0, 0.3)]}, 1e-15)


def test_more_segments_than_models_do_not_raise_a_score_above_their_average():
    rows = list_segments(fuse([one_file((0, 4, 0.9), (0, 4, 0.6), (0, 4, 0.3))], None, FusionOptions("wbf")))["a"]
    assert rows == [("run", 0.0, 4.0, pytest.approx(0.6, abs=1e-15))]


def test_scores_of_zero_move_no_bounds():
    models = [one_file((0, 4, 0.0), (1, 5, 0.0)), one_file((8, 12, 0.5), (9, 13, 0.0))]
    rows = list_segments(fuse(models, None, FusionOptions("wbf")))["a"]
    assert rows == [("run", 0.0, 4.0, 0.0), ("run", 8.0, 12.0, 0.25)]


@settings(max_examples=80, deadline=None)
@given(ensembles, thresholds.filter(lambda t: t not in (0.5, 0.8, 0.2)), st.sampled_from(["zero", "present"]))
def test_weighted_boxes_equal_the_naive_twin(voices, threshold, missing):
    files, weights = zip(*voices, strict=True)
    options = FusionOptions("wbf", threshold, missing)
    fused = fuse([make_predictions(model) for model in files], weights, options)
    assert_rows(sorted_segments(fused), naive_wbf(files, weights, threshold, missing))


@settings(max_examples=80, deadline=None)
@given(ensembles, thresholds)
def test_hard_suppression_equals_the_naive_twin(voices, threshold):
    files, weights = zip(*voices, strict=True)
    fused = fuse([make_predictions(model) for model in files], weights, FusionOptions("nms", threshold))
    assert sorted_segments(fused) == naive_nms(files, weights, threshold)


@settings(max_examples=80, deadline=None)
@given(ensembles, st.sampled_from([0.1, 0.5, 2.0]))
def test_soft_suppression_equals_the_naive_twin(voices, sigma):
    files, weights = zip(*voices, strict=True)
    options = FusionOptions("soft-nms", sigma=sigma)
    fused = fuse([make_predictions(model) for model in files], weights, options)
    assert_rows(sorted_segments(fused), naive_soft_nms(files, weights, sigma), 1e-15)


@settings(max_examples=100, deadline=None)
@given(ensembles, rules, st.randoms())
def test_the_order_of_rows_and_files_and_names_changes_nothing(voices, options, random):
    shuffled = []
    for model, weight in voices:
        videos = list(model)
        random.shuffle(videos)
        shuffled.append(({video: random.sample(model[video], len(model[video])) for video in videos}, weight))
    random.shuffle(shuffled)
    names = [["run", "eat"], ["eat", "run"]]
    once, again = (
        fuse([make_predictions(model, random.choice(names)) for model, _ in listed], [w for _, w in listed], options)
        for listed in (voices, shuffled)
    )
    assert sorted_segments(once) == sorted_segments(again)


@pytest.mark.parametrize("fusion", ["wbf", "nms", "soft-nms"])
def test_the_order_of_models_changes_no_bit_of_sums_that_round(fusion):
    files, _ = random_ensemble(2, 30)
    voices = list(zip(files, [0.3, 0.25, 0.2, 0.15, 0.1], strict=True))
    once, again = (
        fuse([make_predictions(model) for model, _ in listed], [w for _, w in listed], FusionOptions(fusion))
        for listed in (voices, voices[::-1])
    )
    assert sorted_segments(once) == sorted_segments(again)


@settings(max_examples=60, deadline=None)
@given(ensembles, st.sampled_from([0.2, 0.5, 1.0]))
def test_what_hard_suppression_leaves_overlaps_less_than_the_threshold_and_stays_as_it_is(voices, threshold):
    options = FusionOptions("nms", threshold)
    fused = fuse([make_predictions(model) for model, _ in voices], [weight for _, weight in voices], options)
    for rows in list_segments(fused).values():
        for place, one in enumerate(rows):
            for other in rows[place + 1 :]:
                assert one[0] != other[0] or naive_tiou(one[1:3], other[1:3]) < threshold
    assert list_segments(fuse([fused], None, options)) == list_segments(fused)


def test_a_tiou_of_exactly_the_threshold_suppresses_but_does_not_average():
    models = [one_file((0.0, 0.6, 0.5), (0.3, 0.6, 0.4))]  # .5 in whole milliseconds, a little more in seconds
    assert len(fuse(models, None, FusionOptions("nms", 0.5)).segments) == 1
    assert len(fuse(models, None, FusionOptions("nms", 0.5001)).segments) == 2
    assert len(fuse(models, None, FusionOptions("wbf", 0.5)).segments) == 2
    assert len(fuse(models, None, FusionOptions("wbf", 0.4999)).segments) == 1


def test_weights_of_suppression_are_relative_to_the_largest():
    models = [one_file((0, 10, 0.6)), one_file((2, 10, 0.9))]
    assert list_segments(fuse(models, None, FusionOptions("nms")))["a"] == [("run", 2, 10, 0.9)]
    assert list_segments(fuse(models, [4, 2], FusionOptions("nms")))["a"] == [("run", 0, 10, 0.6)]
    soft = list_segments(fuse(models, [4, 2], FusionOptions("soft-nms", sigma=0.8)))["a"]
    assert soft == [("run", 0, 10, 0.6), ("run", 2, 10, pytest.approx(0.45 * math.exp(-0.8), abs=1e-15))]


@pytest.mark.parametrize("fusion", ["paper", "wbf", "nms", "soft-nms", "none"])
def test_low_scores_and_all_but_the_best_of_a_video_are_left_out_on_demand(fusion):
    model = make_predictions(
        {
            "a": [("run", 0, 2, 0.5), ("eat", 4, 6, 0.5), ("run", 8, 9, 0.7), ("eat", 9, 12, 0.1)],
            "b": [("run", 0, 2, 0.05), ("run", 4, 6, 0.3)],
        }
    )
    kept = fuse([model], None, FusionOptions(fusion, min_score=0.1, max_segments=2))
    # Of equal scores the class whose name sorts first.
    assert sorted_segments(kept) == {"a": [("eat", 4, 6, 0.5), ("run", 8, 9, 0.7)], "b": [("run", 4, 6, 0.3)]}
    assert sorted_segments(fuse([model], None, FusionOptions(fusion, min_score=0.1)))["a"][0] == ("eat", 4, 6, 0.5)
    assert kept.num_dropped == 0


@pytest.mark.parametrize("fusion", ["wbf", "nms", "soft-nms"])
def test_of_equal_bounds_the_higher_score_comes_first_whatever_the_order(fusion):
    rows = [(0, 4, 0.25), (0, 4, 0.75), (0, 4, 0.5)]
    for listed in (rows, rows[::-1]):
        found = list_segments(fuse([one_file(*listed)], None, FusionOptions(fusion, None, sigma=1e9)))["a"]
        assert [round(row[3], 6) for row in found] == [0.75, 0.5, 0.25]


@pytest.mark.parametrize("fusion", ["wbf", "soft-nms"])
def test_scores_below_zero_are_refused_where_they_are_factors(fusion):
    models = [one_file((0, 2, 0.5), (1, 2, -0.25))]
    with pytest.raises(InputError, match=r"a score of -0\.25; fusion"):
        fuse(models, None, FusionOptions(fusion))
    assert len(fuse(models, None, FusionOptions("nms")).segments) == 1


@pytest.mark.parametrize("fusion", ["wbf", "nms", "soft-nms"])
def test_empty_models_give_an_empty_result(fusion):
    assert len(fuse([make_predictions({"a": []}), make_predictions({})], None, FusionOptions(fusion)).segments) == 0


def test_scenes_are_averaged_whatever_the_fusion():
    models = [make_predictions({"a": []}, scenes={"a": {"park": 0.8}}), make_predictions({"a": []})]
    for fusion in ("paper", "wbf", "nms", "soft-nms"):
        assert fuse(models, [3, 1], FusionOptions(fusion)).scenes().tolist() == [[pytest.approx(0.6)]]


@pytest.mark.golden
def test_thousands_of_segments_equal_the_naive_twins():
    files, weights = random_ensemble(6, 120)
    models = [make_predictions(model) for model in files]
    wbf = fuse(models, weights, FusionOptions("wbf", 0.61803))
    assert 0 < len(wbf.segments) < 2000
    assert_rows(sorted_segments(wbf), naive_wbf(files, weights, 0.61803), 1e-9)
    assert sorted_segments(fuse(models, weights, FusionOptions("nms", 0.6))) == naive_nms(files, weights, 0.6)
    soft = fuse(models, weights, FusionOptions("soft-nms"))
    assert_rows(sorted_segments(soft), naive_soft_nms(files, weights), 1e-12)


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ({"fusion": "soft_nms"}, "did you mean 'soft-nms'"),
        ({"sigma": 0.0}, "sigma 0.0"),
        ({"sigma": math.inf}, "sigma inf"),
        ({"min_score": math.nan}, "min_score nan"),
        ({"max_segments": 0}, "max_segments 0"),
    ],
)
def test_options_that_cannot_be_carried_out_are_refused(values, found):
    with pytest.raises(ConfigurationError, match=found):
        FusionOptions(**values)
