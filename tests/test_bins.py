"""Videos in bins of ten seconds: a slow twin of the challenge's rule, its own files, and scores by hand."""

from dataclasses import replace

import numpy as np
import pytest
from conftest import DATA
from factories_metrics import annotations_of, predictions_of
from hypothesis import example, given, settings
from hypothesis import strategies as st
from naive_bins import naive_prediction_pieces, naive_truth_bins

from tsmfeat.errors import InputError
from tsmfeat.formats.reading import read_annotations, read_predictions
from tsmfeat.metrics.average_precision import evaluate
from tsmfeat.workflows.bins import cut_annotations, cut_predictions, round_to_decimal

GOLDEN = DATA / "evaluation"
VIDEOS, LABELS = ["a", "b_0_10", "c"], ["walk", "sit"]

SECONDS = st.one_of(
    st.integers(-60, 700).map(lambda tenths: tenths / 10),
    st.integers(-1200, 14000).map(lambda parts: parts / 200),
    st.floats(-30, 70, allow_nan=False),
)
LENGTHS = st.one_of(st.sampled_from([0.1, 0.45, 0.5, 0.55, 9.5, 10.0, 10.5, 25.0]), st.floats(0.01, 30))
SPANS = st.tuples(SECONDS, LENGTHS).map(lambda pair: (pair[0], pair[0] + pair[1]))
TRUTHS = st.lists(st.tuples(st.sampled_from(VIDEOS[:2]), st.sampled_from(LABELS), SPANS), min_size=1, max_size=8)
FOUND = st.lists(
    st.tuples(st.sampled_from(VIDEOS), st.sampled_from(LABELS), SPANS, st.sampled_from([0.2, 0.7])), max_size=10
)


def truth_rows(annotations):
    segments = annotations.segments
    rows = {}
    columns = (segments.video, segments.label, segments.start, segments.end)
    for video, label, start, end in zip(*(column.tolist() for column in columns), strict=True):
        rows.setdefault(annotations.video_ids[video], []).append((annotations.vocabulary.names[label], start, end))
    return rows


def prediction_rows(predictions):
    segments = predictions.segments
    columns = (segments.video, segments.label, segments.start, segments.end, segments.score)
    return [
        (predictions.video_ids[video], predictions.vocabulary.names[label], *rest)
        for video, label, *rest in zip(*(column.tolist() for column in columns), strict=True)
    ]


@settings(deadline=None, max_examples=200)
@given(TRUTHS, FOUND)
@example([("a", "walk", (0.2, 0.7))], [("a", "walk", (0.2, 0.7), 0.7)])
@example([("a", "walk", (0.0, 9.0))], [("c", "walk", (-4.0, 12.0), 0.7), ("a", "sit", (9.97, 10.04), 0.2)])
def test_pieces_are_those_of_a_slow_twin(truths, found):
    truths = [(video, label, *span) for video, label, span in truths]
    found = [(video, label, *span, score) for video, label, span, score in found]
    annotations = annotations_of(truths, VIDEOS[:2], LABELS)
    expected = naive_truth_bins(truths)
    if not expected:
        with pytest.raises(InputError, match=r"no true segment reaches 0\.5 s"):
            cut_annotations(annotations)
        return
    bins = cut_annotations(annotations)
    assert bins.annotations.video_ids == tuple(expected)
    assert truth_rows(bins.annotations) == expected
    pieces = naive_prediction_pieces(found)
    outside = [row for row in pieces if row[0] not in expected and not row[0].startswith("c_")]
    listed, every = (cut_predictions(predictions_of(found, VIDEOS, LABELS), bins, which) for which in (False, True))
    assert prediction_rows(every.predictions) == pieces
    assert prediction_rows(listed.predictions) == [row for row in pieces if row not in outside]
    assert listed.num_outside == every.num_outside == len(outside)


@given(st.lists(st.one_of(SECONDS, st.integers(-(10**8), 10**8).map(lambda parts: parts / 20)), max_size=50))
def test_values_are_rounded_as_python_rounds(values):
    assert round_to_decimal(np.array(values, np.float64)).tolist() == [round(value, 1) for value in values]


def test_the_bins_of_one_video_are_drawn_together():
    bins = cut_annotations(annotations_of([("b", "walk", 0, 25), ("c", "walk", 0, 0.1), ("a", "sit", 3, 5)]))
    assert bins.annotations.video_ids == ("b_0_10", "b_10_20", "b_20_30", "a_0_10")
    assert bins.owner.tolist() == [0, 0, 0, 1]  # c has no bin: there is nothing to draw


def test_pieces_from_a_file_in_bins_are_never_too_short():
    # 0.7 - 0.2 is a little less than half a second; what it was made from was not.
    annotations = annotations_of([("a", "walk", 0.2, 0.7)])
    assert cut_annotations(annotations, are_pieces=True).annotations.segments.end.tolist() == [0.7]
    with pytest.raises(InputError):
        cut_annotations(annotations)


def test_bins_last_ten_seconds_and_the_last_one_as_long_as_its_video():
    annotations = annotations_of([("a", "walk", 5, 34)])
    assert cut_annotations(annotations).annotations.duration_seconds.tolist() == [10.0] * 4
    annotations.duration_seconds[0] = 33.5
    assert cut_annotations(annotations).annotations.duration_seconds.tolist() == [10.0, 10.0, 10.0, 3.5]


@pytest.mark.parametrize("span", [(0, np.inf), (-np.inf, 4), (np.nan, 4), (0, 2e6), (3e9, 3e9 + 4)])
def test_times_that_cannot_be_cut_are_refused(span):
    with pytest.raises(InputError, match="at most a million seconds"):
        cut_annotations(annotations_of([("a", "walk", *span)]))


def test_reversed_segments_have_no_pieces():
    bins = cut_annotations(annotations_of([("a", "walk", 0, 5)]))
    found = predictions_of([("a", "walk", 25, 3, 0.9), ("a", "walk", 4, 4, 0.5), ("a", "walk", 8, 8.04, 0.5)])
    assert prediction_rows(cut_predictions(found, bins).predictions) == []


def test_ambiguous_segments_are_cut_into_the_bins_there_are():
    ambiguous = annotations_of([("a", "walk", 8.04, 31), ("b", "walk", 0, 3)]).segments
    annotations = replace(annotations_of([("a", "walk", 0, 15), ("b", "sit", 20, 25)]), ambiguous=ambiguous)
    found = cut_annotations(annotations).annotations
    assert found.video_ids == ("a_0_10", "a_10_20", "b_20_30")
    pieces = found.ambiguous
    assert (pieces.video.tolist(), pieces.start.tolist(), pieces.end.tolist()) == ([0, 1], [8.04, 10.0], [10.0, 20.0])


def test_edges_of_bins_are_free_matches():
    annotations = read_annotations(GOLDEN / "gt_binego_like.json").select_subset("test")
    predictions = read_predictions(GOLDEN / "pred_binego_like.json")
    bins = cut_annotations(annotations)
    whole = evaluate(predictions, annotations).map
    listed, every = (
        evaluate(cut_predictions(predictions, bins, which).predictions, bins.annotations).map for which in (False, True)
    )
    assert (listed > whole + 0.03).all()
    assert (every <= listed).all()
