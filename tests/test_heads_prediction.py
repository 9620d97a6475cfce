"""Heads on embeddings, and scenes of videos."""

import math

import numpy as np
import pytest
from factories_heads import make_weights
from hypothesis import given, settings
from hypothesis import strategies as st

from tsmfeat.errors import CheckpointError, SpecMismatchError
from tsmfeat.heads.model import HeadParameters
from tsmfeat.heads.prediction import pool_scenes, predict_probabilities


def naive_softmax(scores):
    powers = [math.exp(score - max(scores)) for score in scores]
    return [power / sum(powers) for power in powers]


def test_probabilities_and_log_probabilities_equal_the_formula_row_by_row():
    weights = make_weights(num_actions=3, num_scenes=2, embedding_size=5)
    embeddings = np.random.default_rng(1).normal(size=(7, 5)).astype(np.float16)
    action, scene = predict_probabilities(weights, embeddings)
    assert (action.dtype, scene.dtype) == (np.float32, np.float64)
    for row, embedding in enumerate(embeddings.astype(float).tolist()):
        for found, weight, bias in (
            (action[row], weights.action_weight, weights.action_bias),
            (np.exp(scene[row]), weights.scene_weight, weights.scene_bias),
        ):
            scores = [
                sum(w * x for w, x in zip(line, embedding, strict=True)) + b
                for line, b in zip(weight.tolist(), bias.tolist(), strict=True)
            ]
            np.testing.assert_allclose(found, naive_softmax(scores), rtol=1e-5)


def test_blocks_do_not_show_and_repeats_are_equal_to_the_bit():
    """2,500 rows are three blocks: each row is as if it stood alone."""
    weights = make_weights(embedding_size=8)
    embeddings = np.random.default_rng(2).normal(size=(2500, 8)).astype(np.float16)
    action, scene = predict_probabilities(weights, embeddings)
    again, scene_again = predict_probabilities(weights, embeddings)
    np.testing.assert_array_equal(action, again)
    np.testing.assert_array_equal(scene, scene_again)
    for row in (0, 1023, 1024, 2047, 2048, 2499):
        alone, scene_alone = predict_probabilities(weights, embeddings[row : row + 1])
        np.testing.assert_allclose(action[row], alone[0], rtol=1e-5)
        np.testing.assert_allclose(scene[row], scene_alone[0], rtol=1e-5)


def test_huge_scores_stay_probabilities():
    weights = HeadParameters(np.float32([[3e4], [-3e4], [3e4]]), np.zeros(3), np.float32([[3e4], [-3e4]]), np.zeros(2))
    action, scene = predict_probabilities(weights, np.float16([[100.0], [-100.0]]))
    np.testing.assert_allclose(action, [[0.5, 0, 0.5], [0, 1, 0]])
    assert np.isfinite(scene).all()


def test_no_rows_give_no_scores():
    action, scene = predict_probabilities(make_weights(2, 3, 4), np.empty((0, 4), np.float16))
    assert action.shape == (0, 3)
    assert scene.shape == (0, 3)


def test_without_a_scene_head_there_are_no_scenes():
    assert predict_probabilities(make_weights(2, 0, 4), np.zeros((2, 4), np.float16))[1] is None


@pytest.mark.parametrize("shape", [(2, 5), (4,), (1, 2, 4)])
def test_embeddings_of_another_size_are_refused(shape):
    with pytest.raises(SpecMismatchError, match=r"the heads expect \(N, 4\)"):
        predict_probabilities(make_weights(2, 3, 4), np.zeros(shape, np.float16))


def test_a_read_only_map_of_a_file_is_enough(tmp_path):
    values = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float16)
    values.tofile(tmp_path / "rows")
    mapped = np.memmap(tmp_path / "rows", np.float16, "r", shape=(5, 4))
    expected = predict_probabilities(make_weights(), values)[0]
    np.testing.assert_array_equal(predict_probabilities(make_weights(), mapped)[0], expected)


def test_a_videos_scene_is_the_normalised_geometric_mean_of_its_intervals():
    """Two intervals, .9/.1 and .5/.5: roots .6708 and .2236, which is 3 : 1."""
    pooled = pool_scenes(np.log([[0.9, 0.1], [0.5, 0.5]]), [0, 2])
    np.testing.assert_allclose(pooled, [[0.75, 0.25]], rtol=1e-12)


def test_certain_intervals_do_not_outweigh_by_underflow():
    """A mean of probabilities would lose 1e-300; the mean of logarithms does not."""
    pooled = pool_scenes(np.array([[-700.0, -701.0], [-1000.0, -999.5]]), [0, 2])
    np.testing.assert_allclose(pooled[0], naive_softmax([-850.0, -850.25]), rtol=1e-12)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 4), max_size=8), st.integers(1, 3))
def test_pooling_equals_a_loop_over_videos_empty_ones_anywhere(counts, num_scenes):
    offsets = np.cumsum([0, *counts])
    logs = np.random.default_rng(sum(counts)).normal(size=(offsets[-1], num_scenes))
    pooled = pool_scenes(logs, offsets)
    assert pooled.shape == (len(counts), num_scenes)
    for video, count in enumerate(counts):
        rows = logs[offsets[video] : offsets[video + 1]].tolist()
        if count == 0:
            assert np.isnan(pooled[video]).all()
        else:
            means = [sum(row[k] for row in rows) / count for k in range(num_scenes)]
            np.testing.assert_allclose(pooled[video], naive_softmax(means), rtol=1e-9)


@pytest.mark.parametrize(
    "arrays",
    [
        (np.zeros((3, 4)), np.zeros(2)),
        (np.zeros(4), np.zeros(4)),
        (np.zeros((0, 4)), np.zeros(0)),
        (np.zeros((3, 0)), np.zeros(3)),
        (np.zeros((3, 4)), np.zeros(3), np.zeros((2, 5)), np.zeros(2)),
        (np.zeros((3, 4)), np.zeros(3), np.zeros((2, 4)), np.zeros(3)),
        (np.zeros((3, 4)), np.zeros(3), np.zeros((2, 4))),
    ],
)
def test_weights_that_do_not_fit_each_other_are_refused(arrays):
    with pytest.raises(CheckpointError):
        HeadParameters(*arrays)
