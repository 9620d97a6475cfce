"""The paper's localisation on real scores that nobody here made: 12 streams of 4 published models on 3 data sets."""

import json
from dataclasses import replace
from itertools import groupby

import numpy as np
import pytest
from factories_streams import read_stream

from tsmfeat.localization.localizing import localize
from tsmfeat.localization.options import LocalizationOptions
from tsmfeat.values.vocabulary import Vocabulary

FIELDS = ("video", "label", "start", "end", "score")
STREAMS = [
    *(f"50salads_eval.eval_video_{model}" for model in ("DilatedTCN_L5_B2", "ED-TCN_L2_C18", "SVM", "tCNN_C36")),
    *(f"50salads_mid.mid_video_{model}" for model in ("DilatedTCN_B3_L5", "ED-TCN_L2_C15", "SVM", "tCNN_C36")),
    *(f"gtea.video_{model}" for model in ("DilatedTCN_L5_B2", "ED-TCN_L2_C25", "SVM", "tCNN_C30")),
]


@pytest.fixture(params=STREAMS)
def stream(request, shared_data):
    data_set, _, model = request.param.partition(".")
    expected = json.loads(shared_data("segmentation/expected.json").read_text())[data_set][model]
    return read_stream(shared_data(f"segmentation/{request.param}.npz")), expected


def test_localising_real_scores_gives_the_published_numbers(stream):
    (scores, truth), expected = stream
    assert len(scores.video_ids) == expected["videos"]
    assert len(scores.scores) == expected["frames"]
    segments = localize(scores).segments
    hits = paint_segments(scores, segments) == truth
    accuracy = [hits[a:b].mean() for a, b in zip(scores.row_offset[:-1], scores.row_offset[1:], strict=True)]
    assert 100 * np.mean(accuracy) == pytest.approx(expected["accuracy"], rel=1e-12)
    # The published counts are of all runs, those of the background too.
    every = localize(background_as_action(scores)).segments
    assert len(every) == expected["num_segments"]
    assert tied_share(every.score) == pytest.approx(expected["tied_score_share"], rel=1e-12)
    assert every.score.max() == expected["scores_max"]
    actions = every.take(every.label != scores.vocabulary.background)
    assert all(np.array_equal(getattr(actions, name), getattr(segments, name)) for name in FIELDS)


def test_segments_are_the_runs_a_plain_loop_finds(stream):
    (scores, _), _ = stream
    segments = localize(scores).segments
    rows = list(zip(*(getattr(segments, name).tolist() for name in ("video", "start", "end", "label")), strict=True))
    expected, values = [], []
    for video, (first, last) in enumerate(zip(scores.row_offset[:-1], scores.row_offset[1:], strict=True)):
        at = 0
        for label, run in groupby(scores.scores[first:last].argmax(1).tolist()):
            length = len(list(run))
            if label != scores.vocabulary.background:
                expected.append((video, float(at), float(at + length), label))
                values.append(float(scores.scores[first + at : first + at + length, label].max()))
            at += length
    assert rows == expected
    assert segments.score.tolist() == values


def test_smoothing_joins_runs(stream):
    (scores, _), expected = stream
    smoothed = localize(scores, LocalizationOptions(smooth="mean:15")).segments
    assert 0 < len(smoothed) < expected["num_segments"]


def background_as_action(scores):
    """Return the scores with the background as one more action, and a background that never wins."""
    names = Vocabulary((*scores.vocabulary.names, "background"))
    never = np.full((len(scores.scores), 1), -np.inf, scores.scores.dtype)
    return replace(scores, vocabulary=names, scores=np.concatenate([scores.scores, never], axis=1))


def paint_segments(scores, segments):
    """Return the label of every interval, background where there is no segment."""
    labels = np.full(len(scores.scores), scores.vocabulary.background)
    first = scores.row_offset[segments.video]
    for start, end, label in zip(first + segments.start, first + segments.end, segments.label, strict=True):
        labels[int(start) : int(end)] = label
    return labels


def tied_share(values):
    """Return the share of values that repeat an earlier one."""
    return 1 - len(np.unique(values)) / len(values)
