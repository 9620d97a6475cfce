import json
import math

import numpy as np
import pytest
from conftest import DATA
from factories_fusing import list_segments, make_predictions
from hypothesis import given, settings
from hypothesis import strategies as st
from naive import naive_fuse, naive_tiou

from tsmfeat.errors import ConfigurationError
from tsmfeat.fusion.fusing import fuse
from tsmfeat.fusion.options import FusionOptions
from tsmfeat.fusion.weights import check_weights

HANDWORKED = json.loads((DATA / "evaluation" / "handworked.json").read_text())
NAN = float("nan")
OPTION_NAMES = {"thr": "fusion_tiou", "merge": "union"}


def sorted_segments(predictions):
    return {video: sorted(rows) for video, rows in list_segments(predictions).items()}


@pytest.mark.parametrize("case", HANDWORKED["fusion"], ids=lambda case: case["name"])
def test_handworked(case):
    models = [make_predictions(model) for model in case["models"]]
    options = FusionOptions(**{OPTION_NAMES.get(key, key): value for key, value in case["options"].items()})
    fused = sorted_segments(fuse(models, case["weights"], options))
    assert set(fused) == set(case["expected"])
    for video, expected in case["expected"].items():
        assert [row[0] for row in fused[video]] == [row[0] for row in sorted(expected)]
        for row, other in zip(fused[video], sorted(expected), strict=True):
            assert row[1:] == pytest.approx(other[1:], rel=0, abs=1e-12)


# Bounds on a quarter-second grid and dyadic scores: ties everywhere, and sums without rounding.
segment = st.tuples(
    st.sampled_from(["run", "eat"]), st.integers(0, 8), st.integers(0, 6), st.sampled_from([0.25, 0.5, 0.75])
).map(lambda s: (s[0], s[1] * 0.25, (s[1] + s[2]) * 0.25, s[3]))
model_files = st.dictionaries(st.sampled_from(["u", "v", "w"]), st.lists(segment, max_size=8), max_size=3)
ensembles = st.lists(st.tuples(model_files, st.sampled_from([0.0, 1.0, 2.0, 0.5])), min_size=1, max_size=4).filter(
    lambda voices: sum(weight for _, weight in voices) > 0
)
rules = st.builds(
    FusionOptions,
    fusion_tiou=st.sampled_from([None, 0.0, 0.2, 0.4, 0.5, 0.8, 1.0]),
    missing=st.sampled_from(["zero", "present"]),
    union=st.sampled_from(["absorb", "components", "sweep", "none"]),
    decimals=st.sampled_from([0, 1, 3]),
)


def naive_arguments(options):
    return options.fusion_tiou, options.missing, options.union, options.decimals


@settings(max_examples=120, deadline=None)
@given(ensembles, rules)
def test_fuse_equals_the_naive_twin(voices, options):
    files, weights = zip(*voices, strict=True)
    fused = fuse([make_predictions(model) for model in files], weights, options)
    assert sorted_segments(fused) == naive_fuse(files, weights, *naive_arguments(options))


@settings(max_examples=50, deadline=None)
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


@settings(max_examples=60, deadline=None)
@given(ensembles, st.sampled_from([0.0, 0.3, 0.5, 1.0]))
def test_a_fused_file_has_no_pair_above_the_threshold_and_fuses_to_itself(voices, threshold):
    options = FusionOptions(fusion_tiou=threshold)
    fused = fuse([make_predictions(model) for model, _ in voices], [weight for _, weight in voices], options)
    for rows in list_segments(fused).values():
        for place, one in enumerate(rows):
            for other in rows[place + 1 :]:
                assert one[0] != other[0] or naive_tiou(one[1:3], other[1:3]) <= threshold
    again = fuse([fused], None, options)
    assert list_segments(again) == list_segments(fused)


@settings(max_examples=25, deadline=None)
@given(ensembles, st.sampled_from([0.25, 8.0]))
def test_weights_act_by_their_share(voices, factor):
    models, weights = [make_predictions(model) for model, _ in voices], [weight for _, weight in voices]
    scaled = fuse(models, [weight * factor for weight in weights])
    assert list_segments(scaled) == list_segments(fuse(models, weights))


def test_segments_come_by_video_then_label_then_start():
    rows = [("run", 3, 4, 0.2), ("eat", 4, 5, 0.1), ("run", 0, 1, 0.1), ("run", 0, 9, 0.9)]
    fused = fuse([make_predictions({"b": rows, "a": rows[:1]}, ["eat", "run"])])
    assert fused.video_ids == ("b", "a")
    assert list_segments(fused)["b"] == [rows[1], rows[2], rows[3], rows[0]]


def test_videos_and_actions_are_found_by_name():
    first = make_predictions({"a": [("run", 0, 2, 0.5)], "b": []}, ["run", "eat"])
    second = make_predictions({"c": [("sit", 0, 2, 0.25)], "a": [("run", 0, 2, 0.25)]}, ["eat", "run", "sit"])
    fused = fuse([first, second])
    assert fused.video_ids == ("a", "b", "c")
    assert fused.vocabulary.names == ("run", "eat", "sit")
    assert list_segments(fused) == {"a": [("run", 0, 2, 0.375)], "b": [], "c": [("sit", 0, 2, 0.125)]}


@pytest.mark.parametrize("missing", ["zero", "present"])
def test_a_model_of_weight_zero_is_left_out_wholly(missing):
    first = make_predictions({"a": [("run", 0, 2, 0.5)]}, scenes={"a": {"park": 1.0}}, num_dropped=1)
    second = make_predictions({"a": [("run", 0, 4, 1)], "b": [("eat", 0, 0, 1)]}, scenes={"a": {"room": 1.0}})
    options = FusionOptions(missing=missing)
    fused, alone = fuse([first, second], [2, 0], options), fuse([first], None, options)
    assert list_segments(fused) == list_segments(alone) == {"a": [("run", 0, 2, 0.5)]}
    assert fused.scene_vocabulary.names == ("park",)
    assert fused.num_dropped == 1


def test_models_that_agree_keep_their_score_exactly():
    models = [make_predictions({"a": [("run", 0.1, 0.7, 0.9)]})] * 3
    assert list_segments(fuse(models))["a"] == [("run", 0.1, 0.7, 0.9)]


@pytest.mark.parametrize(
    ("decimals", "start", "expected"),
    [
        (3, 0.0004999, 0.0),
        (3, 0.0005, 0.0),  # half to even
        (3, 0.0015, 0.002),
        (3, 0.0125, 0.012),
        (3, -0.0004, 0.0),
        (3, -1.2344, -1.234),
        (1, 0.25, 0.2),
        (0, 2.5, 2.0),
        (9, 0.123456789, 0.123456789),
    ],
)
def test_bounds_are_rounded_half_to_even(decimals, start, expected):
    options = FusionOptions(decimals=decimals)
    (row,) = list_segments(fuse([make_predictions({"a": [("run", start, 5.0, 0.5)]})], None, options))["a"]
    assert row[1] == expected
    assert math.copysign(1, row[1]) == math.copysign(1, expected)


def test_what_has_no_length_or_is_not_finite_is_dropped_and_counted():
    rows = [
        (3, 3, 0.9),
        (5, 4, 0.9),
        (1, 1.0004, 0.9),
        (NAN, 4, 0.9),
        (0, math.inf, 0.9),
        (0, 4, NAN),
        (0, 1e306, 1),
        (-math.inf, 4, 1),
    ]
    models = [make_predictions({"a": [("run", *row) for row in rows] + [("run", 0, 4, 0.5)]}, num_dropped=2)]
    fused = fuse([*models, make_predictions({"b": []}, num_dropped=5)])
    assert list_segments(fused) == {"a": [("run", 0, 4, 0.25)], "b": []}
    assert fused.num_dropped == 8 + 2 + 5


def test_a_tiou_of_exactly_the_threshold_never_passes_by_rounding_error():
    assert naive_tiou((0.0, 0.6), (0.3, 0.6)) > 0.5  # in seconds: 0.5000000000000001
    models = [make_predictions({"a": [("run", 0.0, 0.6, 0.5), ("run", 0.3, 0.6, 0.5)]})]
    assert len(fuse(models, None, FusionOptions(fusion_tiou=0.5)).segments) == 2
    assert len(fuse(models, None, FusionOptions(fusion_tiou=0.4999)).segments) == 1


@pytest.mark.parametrize("options", [FusionOptions(fusion_tiou=None), FusionOptions(union="none")])
def test_without_a_union_the_averages_stay(options):
    fused = fuse([make_predictions({"a": [("run", 0, 4, 0.5), ("run", 0, 5, 0.25)]})], None, options)
    assert list_segments(fused)["a"] == [("run", 0, 4, 0.5), ("run", 0, 5, 0.25)]


def test_scenes_are_averaged_over_the_models():
    first = make_predictions({"a": [], "b": [], "c": []}, scenes={"a": {"park": 0.8, "room": 0.2}, "b": {"park": 1.0}})
    second = make_predictions({"b": [], "a": []}, scenes={"a": {"room": 0.6, "park": 0.4}})
    zero = fuse([first, second], [3, 1])
    assert zero.scene_vocabulary.names == ("park", "room")
    expected = [[(3 * 0.8 + 0.4) / 4, (3 * 0.2 + 0.6) / 4], [3 * 1.0 / 4, 0.0], [NAN, NAN]]
    np.testing.assert_allclose(zero.scenes(), expected, rtol=0, atol=1e-15)
    present = fuse([first, second], [3, 1], FusionOptions(missing="present"))
    np.testing.assert_allclose(present.scenes(), [expected[0], [1.0, 0.0], [NAN, NAN]], rtol=0, atol=1e-15)


def test_models_without_scenes_give_none():
    fused = fuse([make_predictions({"a": []}), make_predictions({"b": []})])
    assert fused.scenes().shape == (2, 0)


def test_empty_models_give_an_empty_result():
    fused = fuse([make_predictions({}), make_predictions({})])
    assert (fused.video_ids, len(fused.segments), len(fused.vocabulary)) == ((), 0, 0)


def test_no_fusion_hands_a_single_model_through_and_refuses_several():
    one = make_predictions({"a": [("run", 0, 4, 0.5), ("run", 0, 4, 0.25)]})
    none = FusionOptions(fusion="none")
    assert fuse([one], None, none) is one
    assert fuse([one, one], [0, 1], none) is one
    with pytest.raises(ConfigurationError, match="2 models"):
        fuse([one, one], None, none)


def test_the_predictions_given_are_left_as_they_were():
    one = make_predictions({"a": [("run", 0, 4, 0.5), ("run", 1, 4, 0.25)]}, scenes={"a": {"park": 0.5}})
    before = list_segments(one)
    fuse([one, one])
    assert list_segments(one) == before
    assert one.scenes().tolist() == [[0.5]]


@pytest.mark.parametrize(
    ("weights", "found"),
    [
        ([1.0], "1 weights for 2 models"),
        ([1.0, 2.0, 3.0], "3 weights for 2 models"),
        ([1.0, -0.5], "weight 2 is -0.5"),
        ([NAN, 1.0], "weight 1 is nan"),
        ([1.0, math.inf], "weight 2 is inf"),
        ([0.0, 0.0], "sum to 0.0"),
        ([1e308, 1e308], "sum to inf"),
    ],
)
def test_weights_that_do_not_fit_are_refused(weights, found):
    with pytest.raises(ConfigurationError, match=found):
        fuse([make_predictions({"a": []})] * 2, weights)


def test_no_models_are_refused():
    with pytest.raises(ConfigurationError, match="at least one model"):
        fuse([])


def test_checked_weights_are_those_given():
    assert check_weights([0, 3], 2).tolist() == [0.0, 3.0]


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ({"fusion": "papper"}, "did you mean 'paper'"),
        ({"missing": "none"}, "zero, present"),
        ({"union": "absorbs"}, "did you mean 'absorb'"),
        ({"fusion_tiou": 1.5}, "fusion_tiou 1.5"),
        ({"fusion_tiou": NAN}, "fusion_tiou nan"),
        ({"fusion_tiou": -0.1}, "fusion_tiou -0.1"),
        ({"decimals": -1}, "decimals -1"),
        ({"decimals": 10}, "decimals 10"),
    ],
)
def test_options_that_cannot_be_carried_out_are_refused(values, found):
    with pytest.raises(ConfigurationError, match=found):
        FusionOptions(**values)


def random_ensemble(num_videos, num_segments):
    """Five models that vary the same segments on grids of their own, as (files, weights)."""
    rng = np.random.default_rng(7)
    names = [f"class{k}" for k in range(6)]
    truth = [
        [(rng.integers(6), rng.integers(0, 600), rng.integers(4, 60)) for _ in range(12)] for _ in range(num_videos)
    ]
    files = []
    for step in (1, 2, 2, 4, 2):
        model = {}
        for video, segments in enumerate(truth):
            rows = []
            for _ in range(num_segments):
                label, start, length = segments[rng.integers(len(segments))]
                start, end = start + rng.integers(-3, 4), start + length + rng.integers(-3, 4)
                low = start // step * step
                score = float(rng.integers(1, 65)) / 64
                rows.append((names[label], low * 0.25, max(end // step, low // step + 1) * step * 0.25, score))
            model[f"video{video}"] = rows
        files.append(model)
    return files, [1.0, 2.0, 1.0, 0.5, 3.5]


@pytest.mark.golden
@pytest.mark.parametrize("union", ["absorb", "components", "sweep"])
def test_thousands_of_segments_equal_the_naive_twin(union):
    files, weights = random_ensemble(10, 120)
    options = FusionOptions(union=union, fusion_tiou=0.6)
    fused = fuse([make_predictions(model) for model in files], weights, options)
    assert 0 < len(fused.segments) < 3000
    assert sorted_segments(fused) == naive_fuse(files, weights, *naive_arguments(options))


def test_the_result_keeps_no_room_alive():
    models = [make_predictions({"a": [("run", 0.0, 2.0, score)]}) for score in (0.5, 0.7)]
    segments = fuse(models, [1, 1]).segments
    for name in ("video", "label", "start", "end", "score"):
        column = getattr(segments, name)
        assert column.base is None or column.base.nbytes == column.nbytes
