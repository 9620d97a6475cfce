"""Resampled scores against files in which the videos are really copied."""

import numpy as np
import pytest
from factories_metrics import annotations_of, predictions_of
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_metrics import naive_evaluation
from naive_resampling import naive_copies, naive_interval

from tsmfeat.errors import InputError
from tsmfeat.kernels.resampling import RankedHits, resampled_precisions
from tsmfeat.metrics.average_precision import evaluate
from tsmfeat.metrics.intervals import percentile_interval, shifted_interval
from tsmfeat.metrics.matching import match_predictions
from tsmfeat.metrics.protocols import PROTOCOLS, protocol_named
from tsmfeat.metrics.resampling import (
    Population,
    draw_videos,
    keep_judgeable,
    resample_scores,
)

EXACT = 1e-12
VIDEOS, LABELS, OUTSIDE = ["a", "b", "c"], ["walk", "run"], "z"
THRESHOLDS = (0.25, 0.5, 0.75)
SPOT = st.integers(0, 6).map(lambda k: k * 0.5)
TRUTH = st.tuples(st.sampled_from(VIDEOS), st.sampled_from(LABELS), SPOT, SPOT)
SCORE = st.sampled_from([0.1, 0.2, 0.3, 0.4])  # ties across videos happen often
PREDICTION = st.tuples(st.sampled_from([*VIDEOS, OUTSIDE]), st.sampled_from(LABELS), SPOT, SPOT, SCORE)


def samples_of(rows, truths, counts, protocol="paper"):
    annotations = annotations_of(truths, VIDEOS, LABELS)
    matching = match_predictions(predictions_of(rows), annotations, protocol_named(protocol), THRESHOLDS)
    return matching.classes, resample_scores(matching, Population.of(annotations), np.array(counts, np.uint16))


# --- the witness ------------------------------------------------------------------------------------------------------


@given(
    st.lists(TRUTH, min_size=1, max_size=10),
    st.lists(PREDICTION, max_size=16),
    st.lists(st.integers(0, 4), min_size=3, max_size=3),
    st.sampled_from([0, 1]),
    st.sampled_from(["paper", "activitynet"]),
)
@settings(max_examples=300, deadline=None)
def test_resampled_scores_equal_those_of_files_with_copied_videos(truths, rows, times, outside, protocol):
    counted = dict(zip(VIDEOS, times, strict=True))
    classes, samples = samples_of(rows, truths, [[*times, outside]], protocol)
    copied_truths, copied_rows = naive_copies(truths, counted, outside), naive_copies(rows, counted, outside)
    expected = naive_evaluation(copied_rows, copied_truths, THRESHOLDS, undefined_matches=protocol == "activitynet")
    for name, found in zip(classes, samples.ap[0], strict=True):
        if name in expected:
            assert np.abs(found - expected[name]).max() <= EXACT
        else:
            assert np.isnan(found).all()
    if copied_truths:
        ours = evaluate(predictions_of(copied_rows), annotations_of(copied_truths), protocol, THRESHOLDS)
        assert np.abs(samples.map[0] - ours.map).max() <= EXACT
        assert abs(samples.final_score[0] - ours.final_score) <= EXACT


@given(
    st.lists(TRUTH, min_size=1, max_size=8),
    st.lists(PREDICTION, max_size=12),
    st.lists(st.tuples(st.sampled_from(VIDEOS), SPOT, SPOT), max_size=2),
    st.lists(st.integers(0, 3), min_size=3, max_size=3),
    st.sampled_from([protocol.name for protocol in PROTOCOLS]),
)
@settings(max_examples=400, deadline=None)
def test_under_every_protocol_they_equal_files_with_copied_videos(truths, rows, ambiguous, times, name):
    protocol, truths = protocol_named(name), [*truths, ("a", "run", 0, 1.5)]
    if protocol.tie == "video":  # there equal scores of one video would stand together in each copy
        rows = [(*row[:4], 0.1 + place * 0.01) for place, row in enumerate(rows)]
    counted = dict(zip(VIDEOS, times, strict=True))
    copied = [naive_copies(part, counted, 1) for part in (truths, rows, ambiguous)]
    videos = [f"{video}#{copy}" for video in VIDEOS for copy in range(counted[video])]
    annotations = annotations_of(truths, VIDEOS, LABELS, ambiguous)
    matching = match_predictions(predictions_of(rows, labels=LABELS), annotations, protocol, THRESHOLDS)
    counts = np.array([[*times, 1]], np.uint16)
    samples = resample_scores(matching, Population.of(annotations), counts, protocol)
    whole = evaluate(predictions_of(rows, labels=LABELS), annotations, protocol, THRESHOLDS)
    assert samples.measured == pytest.approx(whole.ap, abs=EXACT)
    if np.isnan(samples.ap).all():
        return
    written = annotations_of(copied[0], videos, LABELS, copied[2])
    found = evaluate(predictions_of(copied[1], labels=LABELS), written, protocol, THRESHOLDS)
    if protocol.unknown == "collide" and found.classes != whole.classes:
        return  # labels collide with others where fewer classes have truth
    assert np.abs(samples.map[0] - found.map).max() <= EXACT


@pytest.mark.parametrize("times", [1, 2, 7])
def test_copying_every_video_alike_changes_no_score(times):
    # Truth [0, 10] in a and b; hits 1 0 1 once. Copied w times: precision w/w, then 2w/3w where the last hit stands.
    truths = [("a", "walk", 0, 10), ("b", "walk", 0, 10)]
    rows = [("a", "walk", 0, 10, 0.9), ("a", "walk", 50, 60, 0.8), ("b", "walk", 0, 10, 0.7)]
    _, samples = samples_of(rows, truths, [[times, times, 0, 1]])
    assert samples.ap[0, 0] == pytest.approx([(1 + 2 / 3) / 2] * 3, abs=1e-15)


def test_copies_of_a_hit_take_the_precision_of_the_last_of_them():
    # By hand: a false positive of a video that stands once, then a hit of one that stands three times:
    # precision 1/2, 2/3, 3/4, each hit worth 3/4, three truths: 3/4.
    truths = [("b", "walk", 0, 10)]
    rows = [("a", "walk", 0, 10, 0.9), ("b", "walk", 0, 10, 0.5)]
    _, samples = samples_of(rows, truths, [[1, 3, 0, 1]])
    assert samples.ap[0, 0] == pytest.approx([0.75] * 3, abs=1e-15)


def test_every_video_once_is_the_evaluation_itself():
    truths = [("a", "walk", 0, 10), ("b", "run", 0, 4), ("b", "walk", 5, 9)]
    rows = [("z", "walk", 0, 1, 0.95), ("a", "walk", 0, 8, 0.9), ("b", "run", 1, 4, 0.3), ("b", "walk", 5, 8, 0.9)]
    _, samples = samples_of(rows, truths, [[1, 1, 1, 1]])
    assert (
        samples.ap[0].tolist()
        == evaluate(
            predictions_of(rows), annotations_of(truths, VIDEOS, LABELS), tiou_thresholds=THRESHOLDS
        ).ap.tolist()
    )


def test_sixty_four_thresholds_and_many_copies_fit():
    hits = np.array([~np.uint64(0)])
    ranked = RankedHits(hits, np.zeros(1, np.int32), np.array([0, 1]), np.zeros(1, np.int32), np.array([0, 1]))
    found = resampled_precisions(ranked, np.array([[65_535, 1]], np.uint16), 64)
    assert found.shape == (1, 1, 64)
    assert (found == 1.0).all()


# --- the draws --------------------------------------------------------------------------------------------------------


def units(count):
    return Population.of(annotations_of([], [f"v{k}" for k in range(count)]))


def test_pieces_of_one_unit_are_drawn_together():
    population = Population(annotations_of([], ["a0", "a1", "b0", "a2"]), np.array([0, 0, 1, 0]))
    counts = draw_videos(population, 5, 100, np.random.default_rng(0))
    assert (counts[:, 0] == counts[:, 1]).all()
    assert (counts[:, 0] == counts[:, 3]).all()
    assert (counts[:, 0] + counts[:, 2] == 5).all()
    assert (counts[:, 4] == 1).all()


def test_each_resample_holds_as_many_videos_as_were_drawn():
    counts = draw_videos(units(7), 5, 300, np.random.default_rng(3), outside=0)
    assert counts.dtype == np.uint16
    assert counts.shape == (300, 8)
    assert (counts[:, :-1].sum(axis=1) == 5).all()
    assert (counts[:, -1] == 0).all()
    # Every video has its turn: 300 * 5 / 7 = 214 draws each, standard deviation 13.6.
    assert np.abs(counts[:, :-1].sum(axis=0) - 1500 / 7).max() < 60


def test_a_seed_draws_the_same_videos_again():
    one, other = (draw_videos(units(9), 9, 20, np.random.default_rng(4)) for _ in range(2))
    assert one.tolist() == other.tolist()
    assert one.tolist() != draw_videos(units(9), 9, 20, np.random.default_rng(5)).tolist()


def test_more_draws_than_can_be_counted_are_refused():
    with pytest.raises(InputError, match="65,536 videos"):
        draw_videos(units(3), 65_536, 1, np.random.default_rng(0))


def test_resamples_without_truth_that_counts_are_left_out():
    # The truth of a is shorter than a millisecond: opentad leaves it out.
    annotations = annotations_of([("b", "walk", 0, 1), ("a", "walk", 3, 3)], VIDEOS, LABELS)
    matching = match_predictions(predictions_of([]), annotations, protocol_named("opentad"), THRESHOLDS)
    counts = np.array([[2, 0, 1, 1], [0, 1, 2, 1]], np.uint16)
    population = Population.of(annotations)
    assert keep_judgeable(counts, matching, population).tolist() == [[0, 1, 2, 1]]
    with pytest.raises(InputError, match="no resample"):
        keep_judgeable(counts[:1], matching, population)


# --- intervals --------------------------------------------------------------------------------------------------------


@given(st.lists(st.sampled_from([0.0, 0.25, 0.3, 1.0, float("nan")]), min_size=1, max_size=50))
@settings(max_examples=100, deadline=None)
def test_intervals_equal_the_twin(values):
    known = [value for value in values if value == value]
    found = percentile_interval(np.array([values, values]).T)
    expected = naive_interval(values) if known else [float("nan")] * 2
    assert found[:, 0] == pytest.approx(expected, abs=1e-15, nan_ok=True)
    assert found[:, 1] == pytest.approx(expected, abs=1e-15, nan_ok=True)


def test_intervals_equal_those_of_numpy():
    values = np.random.default_rng(0).normal(size=(501, 3))
    assert percentile_interval(values) == pytest.approx(np.quantile(values, [0.025, 0.975], axis=0), abs=1e-14)


def test_shifted_intervals_are_moved_by_the_mean_distance_and_stay_within_bounds():
    samples = np.random.default_rng(0).uniform(0.3, 0.5, (400, 2))
    samples[::7, 1] = np.nan
    plain, moved = percentile_interval(samples), shifted_interval(samples, [0.45, 0.1])
    assert moved[1] - moved[0] == pytest.approx(plain[1] - plain[0], abs=1e-12)
    assert moved.mean(axis=0) == pytest.approx(plain.mean(axis=0) - (np.nanmean(samples, axis=0) - [0.45, 0.1]))
    assert shifted_interval(samples, [0.95, 0.02]).tolist()[1][0] == 1.0
    assert shifted_interval(samples, [0.95, 0.02]).tolist()[0][1] == 0.0
