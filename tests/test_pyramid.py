"""The places of a pyramid, and its forward pass: numpy, torch and plain Python agree."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from factories_pyramid import make_body, make_embeddings, make_pyramid
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_pyramid import naive_places, naive_run

from tsmfeat.heads.pyramid import fold_pyramid, pool_videos, represent_pyramid, run_pyramid
from tsmfeat.heads.pyramid_places import lay_places
from tsmfeat.heads.pyramid_torch import run_pyramid_torch
from tsmfeat.heads.standardization import Standardization

LENGTHS = [7, 1, 12, 2]


@settings(max_examples=60)
@given(st.lists(st.integers(0, 19), max_size=5), st.integers(1, 5))
def test_places_are_those_of_a_loop(lengths, num_levels):
    offset = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    places = lay_places(offset, num_levels)
    expected = naive_places(lengths, num_levels)
    level, video, index = np.array(expected, np.int64).reshape(-1, 3).T
    assert np.diff(places.level_offset).tolist() == np.bincount(level, minlength=num_levels).tolist()
    np.testing.assert_array_equal(places.video, video)
    np.testing.assert_array_equal(places.stride, 2**level)
    np.testing.assert_array_equal(places.centre, index * 2.0**level + 0.5)
    known = set(expected)
    assert places.has_previous[:, 0].tolist() == [float((k, v, i - 1) in known) for k, v, i in expected]
    assert places.has_next[:, 0].tolist() == [float((k, v, i + 1) in known) for k, v, i in expected]
    for number in range(1, num_levels):
        below = [expected.index((k - 1, v, 2 * i)) for k, v, i in expected if k == number]
        np.testing.assert_array_equal(places.below_level(number) + places.level_offset[number - 1], below)
    for k in range(num_levels):
        begins = [sum(1 for one in expected if one[:2] < (k, v)) for v in range(len(lengths) + 1)]
        np.testing.assert_array_equal(places.first[k], begins)


def test_numpy_says_what_a_loop_says():
    weights, (rows, offset) = make_pyramid(), make_embeddings(LENGTHS)
    found = run_pyramid(weights.body, rows, offset)
    for video, (first, last) in enumerate(pairwise(offset)):
        expected = naive_run(weights.body, rows[first:last])
        for level, listed in enumerate(expected):
            mine = slice(found.places.first[level, video], found.places.first[level, video + 1])
            np.testing.assert_allclose(found.scores[mine], [one[0] for one in listed], atol=1e-5)
            np.testing.assert_allclose(found.distances[mine], [one[1] for one in listed], rtol=1e-4, atol=1e-5)


def test_torch_says_what_numpy_says():
    weights, (rows, offset) = make_pyramid(), make_embeddings(LENGTHS)
    expected = run_pyramid(weights.body, rows, offset)
    body = {name: torch.tensor(values) for name, values in weights.body.items()}
    found = run_pyramid_torch(body, torch.tensor(rows), lay_places(offset, 3))
    np.testing.assert_allclose(torch.sigmoid(found.logits).numpy(), expected.scores, atol=1e-5)
    np.testing.assert_allclose(found.distances.numpy(), expected.distances, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(found.ground.numpy(), represent_pyramid(weights.body, rows, offset), atol=1e-5)
    np.testing.assert_allclose(found.pooled.numpy(), expected.pooled, atol=1e-5)


@pytest.mark.parametrize("video", range(len(LENGTHS)))
def test_a_video_alone_is_the_same_as_among_others(video):
    weights, (rows, offset) = make_pyramid(), make_embeddings(LENGTHS)
    among = run_pyramid(weights.body, rows, offset)
    own = rows[offset[video] : offset[video + 1]]
    alone = run_pyramid(weights.body, own, np.array([0, len(own)]))
    mine = among.places.video == video
    np.testing.assert_allclose(among.scores[mine], alone.scores, atol=1e-6)
    np.testing.assert_allclose(among.distances[mine], alone.distances, rtol=1e-5)
    np.testing.assert_allclose(among.pooled[video], alone.pooled[0], atol=1e-6)
    # And not because neighbours did not matter at all.
    apart = run_pyramid(weights.body, own, np.arange(len(own) + 1))
    assert len(own) == 1 or np.abs(apart.scores[: len(own)] - alone.scores[: len(own)]).max() > 1e-3


def test_folding_makes_raw_embeddings_do():
    body, (rows, offset) = make_body(), make_embeddings(LENGTHS)
    standardization = Standardization(np.array([1.0, -2.0, 0.5, 3.0]), np.array([0.5, 2.0, 1.0, 4.0]))
    expected = represent_pyramid(body, rows, offset)
    raw = (rows * standardization.deviation + standardization.mean).astype(np.float32)
    np.testing.assert_allclose(represent_pyramid(fold_pyramid(body, standardization), raw, offset), expected, atol=1e-4)
    assert (expected >= 0).all()
    assert (expected > 0).any()


def test_videos_without_intervals_are_passed_over():
    weights, (rows, offset) = make_pyramid(), make_embeddings([0, 3, 0])
    found = run_pyramid(weights.body, rows, offset)
    assert set(found.places.video.tolist()) == {1}
    assert found.pooled[[0, 2]].tolist() == np.zeros((2, 6)).tolist()
    np.testing.assert_allclose(found.pooled[1], represent_pyramid(weights.body, rows, offset).mean(axis=0), rtol=1e-6)
    empty = run_pyramid(weights.body, rows[:0], np.zeros(3, np.int64))
    assert empty.scores.shape == (0, 2)
    assert pool_videos(np.zeros((0, 2), np.float32), np.array([0, 0])).tolist() == [[0.0, 0.0]]
