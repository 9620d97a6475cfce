"""The diagnosis against the official tool's numbers, the twin, and examples by hand."""

import json
from dataclasses import replace

import numpy as np
import pytest
from conftest import DATA
from factories_diagnosis import keep_comparable, read_json, spoil
from factories_metrics import annotations_of, predictions_of
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_diagnosis import NaiveDiagnosis, naive_assigned, naive_ranked

from tsmfeat.errors import ConfigurationError, InputError
from tsmfeat.formats.activitynet import read_annotations, read_predictions
from tsmfeat.kernels.diagnosing import assign_truths
from tsmfeat.kernels.matching import Pieces
from tsmfeat.metrics.buckets import COVERAGE, LENGTH, NUM_INSTANCES, deal_to_buckets, usable_truths
from tsmfeat.metrics.diagnosis import diagnose
from tsmfeat.metrics.diagnosis_errors import OUTCOMES
from tsmfeat.metrics.matching import match_predictions
from tsmfeat.metrics.protocols import protocol_named

EXACT = 1e-12
GOLDEN = json.loads((DATA / "diagnosis" / "detad.json").read_text())


# --- the official tool ------------------------------------------------------------------------------------------------


def golden_inputs(folder, gt, pred, subset, spoilt, tmp_path):
    truth, predicted = read_json(folder / gt), read_json(folder / pred)["results"]
    results = keep_comparable(spoil(predicted) if spoilt else predicted, truth["database"], subset)
    (tmp_path / "pred.json").write_text(json.dumps({"version": "", "external_data": {}, "results": results}))
    annotations = read_annotations(folder / gt, "keep").select_subset(subset)
    return read_predictions(tmp_path / "pred.json", "keep"), annotations


def require_equal(found, golden):
    assert found.num_truths == golden["num_truths"]
    assert found.counts.tolist() == golden["counts"]
    for name in ("profile", "map_n_first", "cost_n", "map_first", "cost", "map_n"):
        assert np.nan_to_num(getattr(found, name)) == pytest.approx(np.nan_to_num(golden[name]), abs=EXACT), name
    judged = {one.name: one for one in found.sensitivities}
    for name, buckets in golden["sensitivity"].items():
        one = judged[name]
        shares = one.num_truths / found.num_truths
        rows = zip(one.buckets, shares, one.map_n, one.missed, strict=True)
        ours = {bucket: row for bucket, *row in rows if row[0] > 0}
        assert ours.keys() == buckets.keys()
        for bucket, row in buckets.items():
            assert ours[bucket] == pytest.approx(row, abs=EXACT), (name, bucket)


def test_binego_like_data_equals_the_official_tool(tmp_path):
    files = ("gt_binego_like.json", "pred_binego_like.json", "test")
    predictions, annotations = golden_inputs(DATA / "evaluation", *files, True, tmp_path)
    golden = GOLDEN["binego"]
    require_equal(diagnose(predictions, annotations, golden["tiou_thresholds"], "activitynet"), golden)


@pytest.mark.golden
@pytest.mark.parametrize(
    ("name", "gt", "pred", "subset"),
    [
        ("thumos14", "gt_thumos14_test.json", "pred_thumos14_synth_unique.json", "testing"),
        ("activitynet", "gt_activitynet13_validation.json.gz", "pred_activitynet_sample.json.gz", "validation"),
    ],
)
def test_real_annotations_equal_the_official_tool(shared_data, name, gt, pred, subset, tmp_path):
    folder = shared_data("evaluation")
    predictions, annotations = golden_inputs(folder, gt, pred, subset, name == "activitynet", tmp_path)
    require_equal(diagnose(predictions, annotations, GOLDEN[name]["tiou_thresholds"], name), GOLDEN[name])


# --- the twin ---------------------------------------------------------------------------------------------------------

VIDEOS, LABELS = ["a", "b", "c"], ["walk", "run"]
SPOT = st.integers(0, 6).map(lambda k: k * 0.5)
PIECE = st.tuples(SPOT, st.integers(1, 6).map(lambda k: k * 0.5))
TRUTH = st.tuples(st.sampled_from(VIDEOS[:2]), st.sampled_from(LABELS), PIECE)
PREDICTION = st.tuples(
    st.sampled_from([*VIDEOS, "z"]), st.sampled_from([*LABELS, "sit"]), PIECE, st.sampled_from([0.1, 0.2, 0.3, 0.4])
)


def as_rows(drawn):
    return [(video, label, piece[0], piece[0] + piece[1], *rest) for video, label, piece, *rest in drawn]


@given(
    st.lists(TRUTH, min_size=1, max_size=8),
    st.lists(PREDICTION, max_size=30),
    st.sampled_from([(0.3, 0.5), (0.05,)]),
)
@settings(max_examples=150, deadline=None)
def test_the_diagnosis_equals_the_twin(truths, predictions, thresholds):
    truths, predictions = as_rows(truths), as_rows(predictions)
    annotations = annotations_of(truths, VIDEOS)
    found = diagnose(predictions_of(predictions), annotations, thresholds, "quantiles")
    for characteristic in deal_to_buckets(annotations, np.ones(len(truths), bool), "quantiles"):
        (one,) = (each for each in found.sensitivities if each.name == characteristic.name)
        twin = NaiveDiagnosis(predictions, truths, thresholds, characteristic.bucket.tolist())
        places = range(len(one.buckets))
        assert one.map_n == pytest.approx([twin.bucket_map(b) for b in places], abs=EXACT, nan_ok=True)
        assert one.missed == pytest.approx([twin.missed(b) for b in places], abs=EXACT, nan_ok=True)
    assert found.counts.tolist() == twin.counts()
    assert found.profile == pytest.approx(np.array(twin.profile()), abs=EXACT, nan_ok=True)
    assert (found.map_first, found.map_n_first) == pytest.approx((twin.first_map(True), twin.first_map(False)))
    assert found.cost == pytest.approx(twin.cost(True), abs=EXACT)
    assert found.cost_n == pytest.approx(twin.cost(False), abs=EXACT)
    assert (found.map_n, found.missed) == pytest.approx((twin.map_n(), twin.missed()), abs=EXACT)


@given(st.lists(TRUTH, min_size=1, max_size=8), st.lists(PREDICTION, max_size=20))
@settings(max_examples=150, deadline=None)
def test_truths_are_assigned_where_matching_finds_hits(truths, predictions):
    annotations, thresholds = annotations_of(as_rows(truths)), (0.3, 0.5, 0.75)
    found = predictions_of(as_rows(predictions))
    matching = match_predictions(found, annotations, protocol_named("paper"), thresholds)
    rows, own = matching.rows, matching.truth_rows
    assigned = assign_truths(
        matching.offset,
        Pieces(matching.video, found.segments.start[rows], found.segments.end[rows]),
        matching.truth_offset,
        Pieces(annotations.segments.video[own], annotations.segments.start[own], annotations.segments.end[own]),
        np.array(thresholds),
    )
    hits = [[bool(int(bits) >> t & 1) for t in range(3)] for bits in matching.hits]
    assert (assigned >= 0).tolist() == hits
    for place, name in enumerate(matching.classes):
        ranked = naive_ranked(as_rows(predictions), name)
        for t, threshold in enumerate(thresholds):
            mine = assigned[matching.offset[place] : matching.offset[place + 1], t]
            rows_taken = [None if truth < 0 else int(own[truth]) for truth in mine]
            assert rows_taken == naive_assigned(ranked, as_rows(truths), threshold)


# --- by hand ----------------------------------------------------------------------------------------------------------


def counts_of(rows, truths, threshold=0.5):
    found = diagnose(predictions_of(rows), annotations_of(truths), [threshold], "quantiles")
    return {name: count for name, count in zip(OUTCOMES, found.counts[0].tolist(), strict=True) if count}


TRUTHS = [("a", "walk", 0, 10), ("a", "run", 20, 30)]


@pytest.mark.parametrize(
    ("row", "outcome"),
    [
        (("a", "walk", 0, 9, 0.5), "double detection"),
        (("a", "walk", 20, 29, 0.5), "wrong label"),
        (("a", "walk", 0, 4, 0.5), "localisation"),
        (("a", "walk", 20, 21, 0.5), "confusion"),  # a tIoU of exactly .1 is no background
        (("a", "walk", 20, 20.9, 0.5), "background"),
        (("a", "walk", 60, 70, 0.5), "background"),
        (("z", "walk", 0, 10, 0.5), "background"),
    ],
)
def test_each_kind_of_error_by_hand(row, outcome):
    right = ("a", "walk", 0, 10, 0.9)
    assert counts_of([right, row], TRUTHS) == {"true positive": 1, outcome: 1}


def test_of_equal_overlaps_the_first_truth_of_the_file_names_the_error():
    # [5, 25] has tIoU .2 with both truths: the walk stands first.
    assert counts_of([("a", "run", 5, 25, 0.5)], TRUTHS) == {"confusion": 1}
    assert counts_of([("a", "walk", 5, 25, 0.5)], TRUTHS) == {"localisation": 1}


def test_detections_beyond_ten_times_the_truths_are_not_profiled():
    rows = [("a", "walk", 60, 70, 0.9)] * 30
    found = diagnose(predictions_of(rows), annotations_of([("a", "walk", 0, 10)]), [0.5], "quantiles")
    assert found.counts.sum() == 10
    assert found.profile[:, OUTCOMES.index("background")].tolist() == [1.0] * 10
    # Ten false alarms come before the truth is found: AP of all sees it, that of the first ten does not.
    rows = [*rows[:10], ("a", "walk", 0, 10, 0.5)]
    found = diagnose(predictions_of(rows), annotations_of([("a", "walk", 0, 10)]), [0.5], "quantiles")
    assert (found.map_first, found.map_n) == (0.0, pytest.approx(1 / 11))


def test_a_truth_found_behind_nineteen_false_alarms_is_missed():
    # One truth of one class: precision 1 / 20 is not above .05, 1 / 19 is.
    for num_false, missed in ((19, 1.0), (18, 0.0)):
        rows = [*[("a", "walk", 60, 70, 0.9)] * num_false, ("a", "walk", 0, 10, 0.5)]
        found = diagnose(predictions_of(rows), annotations_of([("a", "walk", 0, 10)]), [0.5], "quantiles")
        assert found.missed == missed


def test_removing_the_only_errors_makes_the_score_perfect():
    rows = [("a", "walk", 60, 70, 0.9), ("a", "walk", 0, 10, 0.5), ("a", "run", 20, 30, 0.5)]
    found = diagnose(predictions_of(rows), annotations_of(TRUTHS), [0.5, 0.95], "quantiles")
    assert found.map_first == 0.75
    assert found.cost.tolist() == [0, 0, 0, 0, 0.25]


def test_no_prediction_at_all_misses_everything():
    found = diagnose(predictions_of([]), annotations_of(TRUTHS), [0.5], "quantiles")
    assert (found.map_first, found.map_n, found.missed) == (0.0, 0.0, 1.0)
    assert np.isnan(found.profile).all()
    told = found.to_dict()
    assert told["profile"][0] == [None] * 6
    assert json.loads(json.dumps(told, allow_nan=False)) == told


# --- buckets ----------------------------------------------------------------------------------------------------------


def with_durations(truths, seconds):
    annotations = annotations_of(truths)
    return replace(annotations, duration_seconds=np.full(len(annotations.video_ids), seconds))


def test_edges_belong_to_the_bucket_below_and_the_lowest_to_the_first():
    truths = [("a", "walk", 0, length) for length in (3, 3.5, 6, 18, 19)]
    annotations = with_durations(truths, 100)
    length, coverage, instances = deal_to_buckets(annotations, usable_truths(annotations), "thumos14")
    assert (length.name, length.bucket.tolist()) == (LENGTH, [0, 1, 1, 3, 4])
    assert (coverage.name, coverage.bucket.tolist()) == (COVERAGE, [1, 1, 2, 4, 4])
    assert (instances.name, instances.bucket.tolist()) == (NUM_INSTANCES, [1] * 5)
    assert length.names == ("XS", "S", "M", "L", "XL")
    assert instances.names == ("XS", "S", "M", "L")


def test_without_durations_there_is_no_coverage():
    annotations = annotations_of(TRUTHS)
    names = [one.name for one in deal_to_buckets(annotations, usable_truths(annotations), "activitynet")]
    assert names == [LENGTH, NUM_INSTANCES]


def test_fifths_hold_a_fifth_each_and_equal_values_make_fewer():
    truths = [("a", "walk", 0, 1 + k) for k in range(100)]
    annotations = annotations_of(truths)
    length, instances = deal_to_buckets(annotations, usable_truths(annotations), "quantiles")
    assert length.num_truths.tolist() == [20] * 5
    assert instances.edges == (100.0, 100.0)
    assert instances.num_truths.tolist() == [100]


def test_truths_longer_than_their_video_are_left_out_and_counted():
    annotations = with_durations([*TRUTHS, ("a", "walk", 0, 101), ("a", "walk", 5, 5)], 100)
    found = diagnose(predictions_of([]), annotations, [0.5], "activitynet")
    assert (found.num_truths, found.num_left_out) == (2, 2)


def test_nothing_to_diagnose_is_refused():
    with pytest.raises(InputError, match="none of 1 truths"):
        diagnose(predictions_of([]), annotations_of([("a", "walk", 5, 5)]), [0.5], "quantiles")
    with pytest.raises(ConfigurationError, match="tIoU threshold"):
        diagnose(predictions_of([]), annotations_of(TRUTHS), [1.5], "quantiles")


def test_a_segment_that_is_its_whole_video_has_a_coverage_of_one():
    annotations = with_durations([("a", "walk", 0, 100)], 100)
    _, coverage, _ = deal_to_buckets(annotations, usable_truths(annotations), "activitynet")
    assert coverage.bucket.tolist() == [4]
