"""Intervals, the paired test and simulated test sets: by hand, against twins, and on simulated systems."""

import json

import numpy as np
import pytest
from factories_metrics import annotations_of, predictions_of
from factories_statistics import simulated_set
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_metrics import naive_evaluation
from naive_resampling import naive_flips, naive_relative_ranks, naive_swap

from tsmfeat.errors import ConfigurationError, InputError
from tsmfeat.kernels.resampling import resampled_precisions
from tsmfeat.metrics.average_precision import evaluate
from tsmfeat.metrics.bootstrap import bootstrap_intervals
from tsmfeat.metrics.matching import match_predictions
from tsmfeat.metrics.options import StatisticsOptions
from tsmfeat.metrics.paired import adjust_p_values, compare_samples
from tsmfeat.metrics.protocols import protocol_named
from tsmfeat.metrics.resampling import Population, ScoreSamples, draw_videos, resample_scores
from tsmfeat.metrics.shakeup import simulate_splits
from tsmfeat.metrics.swapping import count_swaps, merge_ranks, swap_p_value

THRESHOLDS = (0.5, 0.75)
everyone = Population.of


def matched(predictions, annotations):
    return match_predictions(predictions, annotations, protocol_named("paper"), THRESHOLDS)


def compared(annotations, systems, num_resamples, seed=0):
    population = everyone(annotations)
    counts = draw_videos(population, population.num_units, num_resamples, np.random.default_rng(seed))
    matchings = [matched(system, annotations) for system in systems]
    p_value = swap_p_value(*matchings, population, num_resamples, np.random.default_rng(seed))
    return compare_samples(*(resample_scores(one, population, counts) for one in matchings), p_value)


# --- intervals --------------------------------------------------------------------------------------------------------


@pytest.mark.golden
def test_intervals_hold_the_score_and_narrow_with_the_square_root_of_the_videos():
    widths = []
    for num_videos in (25, 400):
        annotations, (system,) = simulated_set(0, num_videos, [0.6], [1.0])
        found = bootstrap_intervals(
            matched(system, annotations), everyone(annotations), StatisticsOptions(bootstrap=400)
        )
        low, high = found.final_score
        assert low < evaluate(system, annotations, "paper", THRESHOLDS).final_score < high
        assert (found.map[0] < found.map[1]).all()
        widths.append(high - low)
    assert 2.5 < widths[0] / widths[1] < 6.5  # 4, give or take


def test_a_perfect_file_has_no_spread():
    truths = [("a", "walk", 0, 10), ("b", "run", 0, 10)]
    annotations = annotations_of(truths)
    perfect = predictions_of([(*row, 0.5) for row in truths])
    found = bootstrap_intervals(matched(perfect, annotations), everyone(annotations), StatisticsOptions(bootstrap=50))
    assert found.final_score == (1.0, 1.0)
    assert found.map.tolist() == [[1, 1], [1, 1]]
    assert found.ap.shape == (2, 2, 2)
    # Each of two videos is missing from a quarter of the resamples.
    assert found.presence == pytest.approx([0.75, 0.75], abs=0.2)
    assert found.num_empty == 0


def test_resamples_without_truth_are_counted():
    annotations = annotations_of([("a", "walk", 0, 10)], videos=["a", "b"])
    matching = matched(predictions_of([("a", "walk", 0, 10, 0.5)]), annotations)
    found = bootstrap_intervals(matching, everyone(annotations), StatisticsOptions(bootstrap=400))
    assert 60 < found.num_empty < 140  # a quarter
    assert found.presence.tolist() == [1.0]


def test_reports_are_json():
    annotations, systems = simulated_set(1, 12, [0.5, 0.6])
    matchings = [matched(system, annotations) for system in systems]
    options = StatisticsOptions(bootstrap=30, split_bootstrap=5)
    intervals = bootstrap_intervals(matchings[0], everyone(annotations), options).to_dict()
    splits = simulate_splits(matchings, everyone(annotations), options).to_dict()
    comparison = compared(annotations, systems, 30).to_dict()
    for found in (intervals, splits, comparison):
        assert json.loads(json.dumps(found)) == found
    assert np.shape(intervals["ap"]) == (len(matchings[0].classes), 2, 2)
    assert np.shape(splits["difference"]) == (2, 2, 2)
    assert np.shape(comparison["class_interval"]) == (len(matchings[0].classes), 2)


# --- the paired test --------------------------------------------------------------------------------------------------


def test_a_file_is_not_distinguishable_from_itself():
    annotations, (system,) = simulated_set(2, 20, [0.6], [1.0])
    found = compared(annotations, [system, system], 100)
    assert (found.difference, found.interval, found.p_value) == (0.0, (0.0, 0.0), 1.0)
    assert not found.is_distinguishable
    assert (found.class_difference == 0).all()


def test_exchanging_the_files_reverses_the_signs_alone():
    annotations, systems = simulated_set(3, 20, [0.6, 0.7])
    there, back = compared(annotations, systems, 200), compared(annotations, systems[::-1], 200)
    assert there.difference == -back.difference
    assert there.interval == pytest.approx([-back.interval[1], -back.interval[0]], abs=1e-15)
    assert there.p_value == back.p_value
    assert there.class_difference.tolist() == (-back.class_difference).tolist()


def test_the_difference_is_that_of_the_evaluations():
    annotations, systems = simulated_set(4, 20, [0.6, 0.7])
    one, other = (evaluate(system, annotations, "paper", THRESHOLDS) for system in systems)
    found = compared(annotations, systems, 20)
    assert found.difference == pytest.approx(one.final_score - other.final_score, abs=1e-14)
    assert found.class_difference == pytest.approx(one.ap.mean(axis=1) - other.ap.mean(axis=1), abs=1e-15)


ROWS = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "z"]),
        st.sampled_from(["walk", "run"]),
        *[st.integers(0, 4).map(float)] * 2,
        st.integers(1, 9).map(float),
    ),
    max_size=8,
    unique_by=lambda row: (row[1], row[4]),
)


@given(ROWS, ROWS, st.sets(st.sampled_from(["a", "b", "z"])))
@settings(max_examples=200, deadline=None)
def test_swapped_videos_score_as_files_with_exchanged_rows(one, other, swapped):
    truths = [("a", "walk", 0, 2), ("a", "run", 1, 3), ("b", "walk", 2, 4)]
    annotations = annotations_of(truths)
    merged = merge_ranks(*(matched(predictions_of(rows), annotations) for rows in (one, other)), 2)
    tossed = np.array([[name in swapped for name in ("a", "b", "z")]], np.uint16)
    files = naive_swap(naive_relative_ranks(one), naive_relative_ranks(other), swapped)
    for first, rows in zip((True, False), files, strict=True):
        found = resampled_precisions(merged[0], count_swaps(tossed, first), 2)[0]
        expected = naive_evaluation(rows, truths, THRESHOLDS, undefined_matches=False)
        assert np.abs(found - [expected["walk"], expected["run"]]).max() <= 1e-12


def test_the_p_value_of_two_videos_by_hand():
    # The first file is right in both videos, the other in none. Of four tosses two leave or reverse the difference of
    # 1, two leave one video to each file: about half of the tosses are as far apart as what was found.
    truths = [("a", "walk", 0, 10), ("b", "walk", 0, 10)]
    annotations = annotations_of(truths)
    right, wrong = ([(*row[:2], row[2] + move, row[3] + move, 0.5) for row in truths] for move in (0, 50))
    matchings = [matched(predictions_of(rows), annotations) for rows in (right, wrong)]
    assert swap_p_value(*matchings, everyone(annotations), 4000, np.random.default_rng(0)) == pytest.approx(
        0.5, abs=0.03
    )


def test_bent_scores_change_no_p_value():
    found = []
    for scales in ((1.0, 1.0), (1.0, 9.0)):
        annotations, systems = simulated_set(8, 15, (0.6, 0.7), scales)
        pair = [matched(one, annotations) for one in systems]
        found.append(swap_p_value(*pair, everyone(annotations), 100, np.random.default_rng(0)))
    assert found[0] == found[1]


def test_pieces_of_one_video_are_swapped_together():
    # Four pieces of two videos: two tosses, not four, decide. Half of them leave or reverse the whole difference.
    truths = [(name, "walk", 0, 10) for name in ("a0", "a1", "b0", "b1")]
    annotations = annotations_of(truths)
    right, wrong = ([(*row[:2], row[2] + move, row[3] + move, 0.5) for row in truths] for move in (0, 50))
    matchings = [matched(predictions_of(rows), annotations) for rows in (right, wrong)]
    pieces = Population(annotations, np.array([0, 0, 1, 1]))
    for population, expected in ((pieces, 1 / 2), (everyone(annotations), 1 / 8)):
        found = swap_p_value(*matchings, population, 4000, np.random.default_rng(0))
        assert found == pytest.approx(expected, abs=0.03)


def test_both_witnesses_are_needed_to_tell_two_files_apart():
    samples = [ScoreSamples(np.zeros((1, 1)), np.full((9, 1, 1), value)) for value in (0.5, 0.4)]
    assert compare_samples(*samples, 0.04).is_distinguishable
    assert not compare_samples(*samples, 0.06).is_distinguishable
    assert not compare_samples(samples[0], samples[0], 0.04).is_distinguishable


def test_several_tests_are_adjusted_by_hand():
    # In rising order: 3 * .01, 2 * .02, 1 * .04.
    assert adjust_p_values([0.01, 0.04, 0.02]) == pytest.approx([0.03, 0.04, 0.04])
    assert adjust_p_values([0.6, 0.9]) == [1.0, 1.0]
    assert adjust_p_values([]) == []


@pytest.mark.golden
@pytest.mark.parametrize("scales", [(1.0, 1.0), (1.0, 4.0)], ids=["one scale", "two scales"])
def test_equal_systems_are_told_apart_as_rarely_as_promised(scales):
    p_values = np.array(
        [compared(*simulated_set(seed, 30, (0.6, 0.6), scales), 199, seed).p_value for seed in range(200)]
    )
    # 5 % and 50 % of 200: 10 and 100, with standard deviations of 3 and 7.
    assert 2 <= (p_values <= 0.05).sum() <= 20
    assert 75 <= (p_values <= 0.5).sum() <= 125


@pytest.mark.golden
def test_a_clearly_better_system_is_found_so():
    found = [compared(*simulated_set(seed, 60, (0.9, 0.5)), 199, seed) for seed in range(20)]
    assert all(one.is_distinguishable and one.difference > 0 and one.p_value <= 0.02 for one in found)


# --- simulated test sets ----------------------------------------------------------------------------------------------


def test_flips_equal_the_twin_and_are_symmetric():
    annotations, systems = simulated_set(5, 25, [0.6, 0.65, 0.7], [1.0] * 3)
    matchings = [matched(system, annotations) for system in systems]
    options = StatisticsOptions(bootstrap=150, split_bootstrap=8, seed=2)
    found = simulate_splits(matchings, everyone(annotations), options)
    population, random = everyone(annotations), np.random.default_rng(2)
    public, private = (
        np.stack(
            [resample_scores(one, population, counts).final_score for one in matchings],
            axis=1,
        )
        for counts in (draw_videos(population, 8, 150, random, outside=0) for _ in range(2))
    )
    for one in range(3):
        for other in range(3):
            expected = naive_flips(public[:, [one, other]].tolist(), private[:, [one, other]].tolist())
            assert found.flips[one, other] == pytest.approx(expected, abs=1e-12)
    assert found.first_share.sum() == pytest.approx(1.0)
    assert found.num_splits == 150
    assert found.winner_kept == pytest.approx(np.mean(public.argmax(axis=1) == private.argmax(axis=1)), abs=1e-12)


@pytest.mark.golden
def test_more_videos_move_a_ranking_less():
    annotations, systems = simulated_set(6, 60, [0.5, 0.7])
    matchings = [matched(system, annotations) for system in systems]
    few, many = (
        simulate_splits(matchings, everyone(annotations), StatisticsOptions(bootstrap=300, split_bootstrap=count))
        for count in (4, 200)  # more than there are: new videos of the same kind
    )
    assert few.flips[0, 1] > 0.1
    assert many.flips[0, 1] < 0.02
    assert not few.is_distinguishable.any()
    assert many.is_distinguishable.tolist() == [[False, True], [True, False]]
    assert many.rank_interval.tolist() == [[2, 1], [2, 1]]


@pytest.mark.golden
def test_the_videos_needed_to_tell_two_sources_apart_are_about_right():
    annotations, systems = simulated_set(6, 60, [0.5, 0.7])
    matchings = [matched(system, annotations) for system in systems]

    def split(num_videos):
        options = StatisticsOptions(bootstrap=400, split_bootstrap=num_videos)
        return simulate_splits(matchings, everyone(annotations), options)

    needed = split(20).videos_needed
    assert needed[0, 1] == pytest.approx(needed[1, 0])
    assert np.isinf(needed[0, 0])
    assert not split(int(needed[0, 1] / 2)).is_distinguishable[0, 1]
    assert split(int(needed[0, 1] * 2)).is_distinguishable[0, 1]


def test_equal_sources_share_the_first_place_and_never_flip():
    annotations, (system,) = simulated_set(7, 20, [0.6], [1.0])
    matching = matched(system, annotations)
    found = simulate_splits([matching] * 2, everyone(annotations), StatisticsOptions(bootstrap=99, split_bootstrap=5))
    assert found.first_share.tolist() == [0.5, 0.5]
    assert found.flips.tolist() == [[0, 0], [0, 0]]
    assert found.winner_kept == 1.0
    assert (found.rank_interval == 1).all()
    assert found.to_dict()["videos_needed"] == [[None, None], [None, None]]


def test_detections_outside_do_not_count_on_a_split_but_do_in_an_interval():
    truths = [("a", "walk", 0, 10), ("b", "walk", 0, 10)]
    annotations = annotations_of(truths)
    matching = matched(predictions_of([("z", "walk", 0, 1, 0.9), *((*row, 0.5) for row in truths)]), annotations)
    options = StatisticsOptions(bootstrap=20, split_bootstrap=2)
    assert simulate_splits([matching], everyone(annotations), options).interval.tolist() == [[1.0], [1.0]]
    assert bootstrap_intervals(matching, everyone(annotations), options).final_score == pytest.approx((2 / 3, 2 / 3))


def test_sets_without_truth_are_refused_only_if_there_is_no_other():
    annotations = annotations_of([("a", "walk", 0, 10)], videos=["a", *(f"empty{k}" for k in range(999))])
    matching = matched(predictions_of([]), annotations)
    with pytest.raises(InputError, match="no resample"):
        simulate_splits([matching], everyone(annotations), StatisticsOptions(bootstrap=2, split_bootstrap=1))


# --- options ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"bootstrap": 1}, "1 resamples"),
        ({"bootstrap": -5}, "-5 resamples"),
        ({"split_bootstrap": -1}, "-1 videos"),
        ({"split_bootstrap": 65_536}, "65536 videos"),
        ({"seed": -1}, "seed -1"),
        ({"diagnosis": "quantile"}, "quantile"),
    ],
)
def test_options_out_of_range_are_refused(wrong, message):
    with pytest.raises(ConfigurationError, match=message):
        StatisticsOptions(**wrong)
