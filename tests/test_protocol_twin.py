"""Records of rules, drawn at random, against a twin that reads the same record in plain Python."""

import math
from dataclasses import replace

import numpy as np
import pytest
from factories_metrics import annotations_of, predictions_of
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_metrics import naive_protocol_evaluation

from tsmfeat.errors import InputError
from tsmfeat.metrics import protocol_passes
from tsmfeat.metrics.average_precision import evaluate
from tsmfeat.metrics.matching import match_ranked
from tsmfeat.metrics.protocol_passes import evaluate_protocols
from tsmfeat.metrics.protocols import PROTOCOLS, Protocol, protocol_named

VIDEOS, LABELS = ["b", "a", "c"], ["walk", "run", "sit", "fly"]
# A coarse grid and few scores: exact, equal and undefined tIoUs, repeats, reversed segments and ties all happen often.
SPOT = st.integers(0, 8).map(lambda k: k * 0.5)
# Beside it ends that differ by less than the millisecond of the filters.
END = st.one_of(SPOT, SPOT.map(lambda k: k + 5e-4))
TRUTH = st.tuples(st.sampled_from(VIDEOS[:2]), st.sampled_from(LABELS[1:3]), SPOT, END)
SCORE = st.sampled_from([0.1, 0.2, 0.3, math.nan, math.inf, -math.inf])
PREDICTION = st.tuples(st.sampled_from(VIDEOS), st.sampled_from(LABELS), SPOT, END, SCORE)
AMBIGUOUS = st.tuples(st.sampled_from(VIDEOS[:2]), SPOT, SPOT)
THRESHOLDS = st.lists(st.sampled_from([0.1, 0.25, 0.3, 1 / 3, 0.5, 0.75, 0.95, 1.0]), min_size=1, max_size=3)
RULES = {
    "undefined_tiou": ["zero", "match"],
    "compare": ["ge", "gt"],
    "tie": ["stable", "revstable", "video", "hits-first"],
    "nan_score": ["first", "last"],
    "iou": ["sum", "hull"],
    "tiou_type": ["float64", "float32"],
    "eps": [0.0, 1e-8, 0.5],
    "gt_filter": ["none", "repeats", "repeats-1ms"],
    "unknown": ["ignore", "collide"],
    "outside_video": ["false-positive", "drop"],
    "match": ["det-greedy", "gt-best"],
    "ap": ["voc-all", "voc-11", "mean-at-tp"],
    "class_order": ["appearance", "vocabulary"],
    "gt_tie": ["later", "earlier"],
    "ambiguous": ["unused", "forgive"],
}
RECORD = st.builds(
    Protocol,
    name=st.just("drawn"),
    summary=st.just(""),
    tiou_thresholds=THRESHOLDS.map(tuple),
    **{name: st.sampled_from(values) for name, values in RULES.items()},
)


def require_twin(record, truths, rows, ambiguous):
    annotations = annotations_of(truths, VIDEOS[:2], LABELS[:3], ambiguous)
    expected = naive_protocol_evaluation(record, rows, truths, ambiguous, LABELS[:3], VIDEOS[:2])
    if not expected:
        with pytest.raises(InputError, match="leaves out"):
            evaluate(predictions_of(rows, VIDEOS, LABELS), annotations, record)
        return
    found = evaluate(predictions_of(rows, VIDEOS, LABELS), annotations, record)
    assert list(found.classes) == list(expected)
    assert np.abs(found.ap - np.array(list(expected.values()))).max() <= 1e-12


@given(
    RECORD, st.lists(TRUTH, min_size=1, max_size=8), st.lists(PREDICTION, max_size=16), st.lists(AMBIGUOUS, max_size=3)
)
@settings(max_examples=600, deadline=None)
def test_any_record_of_rules_equals_the_twin(record, truths, rows, ambiguous):
    require_twin(record, truths, rows, ambiguous)


@pytest.mark.parametrize("name", [record.name for record in PROTOCOLS])
@given(st.lists(TRUTH, min_size=1, max_size=8), st.lists(PREDICTION, max_size=16), st.lists(AMBIGUOUS, max_size=3))
@settings(max_examples=60, deadline=None)
def test_every_named_protocol_equals_the_twin(name, truths, rows, ambiguous):
    require_twin(protocol_named(name), truths, rows, ambiguous)


@pytest.mark.parametrize("name", [record.name for record in PROTOCOLS])
def test_many_ties_in_a_long_file(name):
    rng = np.random.default_rng(3)
    videos, labels = ["b", "a", "c"], ["walk", "run"]

    def draw(count, width):
        start = rng.integers(0, 400, count) / 2
        length = rng.integers(1, width, count) / 2
        return [
            (videos[rng.integers(3)], labels[rng.integers(2)], s, s + d)
            for s, d in zip(start.tolist(), length.tolist(), strict=True)
        ]

    truths = draw(60, 20)
    rows = [(*row, rng.integers(0, 5) / 8) for row in draw(400, 20)]
    rows += [(*row, rng.integers(0, 5) / 8) for row in truths[::2]]
    record = replace(protocol_named(name), tiou_thresholds=(0.3, 0.5))
    ambiguous = [("a", 10.0, 20.0), ("b", 100.0, 130.0)]
    annotations = annotations_of(truths, videos, labels, ambiguous)
    expected = naive_protocol_evaluation(record, rows, truths, ambiguous, labels, videos)
    found = evaluate(predictions_of(rows, videos, labels), annotations, record)
    assert np.abs(found.ap - np.array([expected[label] for label in found.classes])).max() <= 1e-12
    assert 0.0 < found.final_score < 1.0
    assert found.tied_share > 0.9


SEVERAL, TRUTHS = st.lists(RECORD, min_size=1, max_size=4), st.lists(TRUTH, min_size=1, max_size=8)


@given(
    SEVERAL, st.lists(TRUTH, min_size=1, max_size=8), st.lists(PREDICTION, max_size=16), st.lists(AMBIGUOUS, max_size=3)
)
@settings(max_examples=150, deadline=None)
def test_several_records_at_once_equal_each_by_itself(records, truths, rows, ambiguous):
    annotations = annotations_of(truths, VIDEOS[:2], LABELS[:3], ambiguous)
    predictions = predictions_of(rows, VIDEOS, LABELS)
    try:
        alone = [evaluate(predictions, annotations, record) for record in records]
    except InputError:
        with pytest.raises(InputError, match="leaves out"):
            evaluate_protocols(predictions, annotations, records)
        return
    require_equal(evaluate_protocols(predictions, annotations, records), alone)


def require_equal(found, expected):
    for one, other in zip(found, expected, strict=True):
        told = [vars(record) | {"ap": record.ap.tolist()} for record in (one, other)]
        assert told[0] == told[1]


def test_plain_data_are_matched_once(monkeypatch):
    rng = np.random.default_rng(1)
    start = rng.uniform(0, 50, 200)
    rows = [("a", "walk", s, s + 5, score) for s, score in zip(start.tolist(), rng.permutation(200) / 7, strict=True)]
    annotations = annotations_of([("a", "walk", s, s + 4.9) for s in (1, 9, 21, 33)])
    calls = []
    monkeypatch.setattr(protocol_passes, "match_ranked", lambda *told: calls.append(1) or match_ranked(*told))
    named = [protocol_named(name) for name in ("paper", "activitynet", "opentad", "actionformer", "epic")]
    found = evaluate_protocols(predictions_of(rows), annotations, named)
    assert len(calls) == 1
    require_equal(found, [evaluate(predictions_of(rows), annotations, record) for record in named])
    assert evaluate_protocols(predictions_of(rows), annotations, PROTOCOLS)[0].final_score == found[0].final_score
