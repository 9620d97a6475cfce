"""The head that sees an interval in the light of its video: numpy, torch and a naive twin; alone and among others."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from factories_heads import make_rows
from naive_conditioned import naive_conditioned

from tsmfeat.heads.bodies import BatchVideos
from tsmfeat.heads.conditioned import fold_conditioned, initial_conditioned, represent_conditioned
from tsmfeat.heads.conditioned_torch import represent_conditioned as represent_in_torch
from tsmfeat.heads.model import HeadParameters
from tsmfeat.heads.options import HeadOptions
from tsmfeat.heads.prediction import predict_probabilities
from tsmfeat.heads.standardization import Standardization
from tsmfeat.heads.training import train_heads

SIZE, RANK = 7, 3
OFFSET = np.array([0, 4, 5, 5, 11])
QUICK = HeadOptions("conditioned", ("action",), epochs=12, batch_size=64, lr=0.02, dropout=0.0, rank=4)


def draw(seed=0):
    rng = np.random.default_rng(seed)
    body = initial_conditioned(RANK, SIZE, rng.standard_normal)
    for name in ("input_bias", "context_bias"):
        body[name] = rng.normal(size=RANK).astype(np.float32)
    embeddings = rng.normal(3.0, 2.0, (OFFSET[-1], SIZE)).astype(np.float32)
    return body, embeddings, Standardization(rng.normal(3.0, 0.5, SIZE), rng.uniform(0.5, 3.0, SIZE))


def in_torch(bodies, embeddings, standardization, offset, drop=lambda hidden: hidden):
    inputs = torch.from_numpy(((embeddings - standardization.mean) / standardization.deviation).astype(np.float32))
    place = np.repeat(np.arange(len(offset) - 1), np.diff(offset))
    videos = BatchVideos(torch.from_numpy(offset[place]), torch.from_numpy(offset[place + 1] - 1))
    stacked = {name: torch.from_numpy(np.stack([body[name] for body in bodies])) for name in bodies[0]}
    return represent_in_torch(stacked, inputs, videos, drop).numpy()


def test_numpy_torch_and_the_naive_twin_agree():
    bodies = [draw(seed)[0] for seed in (0, 1)]
    _, embeddings, standardization = draw()
    trained = in_torch(bodies, embeddings, standardization, OFFSET)
    assert trained.shape == (2, 11, SIZE + RANK)
    for body, of_run in zip(bodies, trained, strict=True):
        folded = fold_conditioned(body, standardization)
        found = represent_conditioned(folded, embeddings, OFFSET)
        assert found.dtype == np.float32
        videos = [embeddings[first:last] for first, last in pairwise(OFFSET) if last > first]
        parts = standardization.mean, standardization.deviation
        naive = [row for video in videos for row in naive_conditioned(body, video.astype(float), *parts)]
        np.testing.assert_allclose(found, naive, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(of_run, naive, rtol=1e-5, atol=1e-5)


def test_a_video_alone_is_what_it_is_among_others():
    body, embeddings, standardization = draw()
    folded = fold_conditioned(body, standardization)
    together = represent_conditioned(folded, embeddings, OFFSET)
    for first, last in ((0, 4), (4, 5), (5, 11)):
        alone = represent_conditioned(folded, embeddings[first:last], np.array([0, last - first]))
        np.testing.assert_allclose(together[first:last], alone, rtol=1e-6, atol=1e-6)
    # Its neighbours are no part of it, its own rows are.
    changed = embeddings.copy()
    changed[3] += 5
    other = represent_conditioned(folded, changed, OFFSET)
    np.testing.assert_array_equal(other[4:], together[4:])
    assert not np.allclose(other[0, SIZE:], together[0, SIZE:], atol=0.1)


def test_what_is_dropped_is_the_whole_representation():
    body, embeddings, standardization = draw()
    kept = in_torch([body], embeddings, standardization, OFFSET)
    shapes = []

    def drop(hidden):
        shapes.append(tuple(hidden.shape))
        return hidden * 2

    np.testing.assert_array_equal(in_torch([body], embeddings, standardization, OFFSET, drop), 2 * kept)
    assert shapes == [(1, 11, SIZE + RANK)]


def test_without_products_it_is_the_linear_head():
    rng = np.random.default_rng(5)
    body, embeddings, standardization = draw()
    outputs = rng.normal(size=(3, SIZE + RANK)).astype(np.float32), rng.normal(size=3).astype(np.float32)
    silent = {name: np.zeros_like(values) for name, values in body.items()}
    heads = HeadParameters(*outputs, kind="conditioned", body=fold_conditioned(silent, standardization))
    on_raw = outputs[0][:, :SIZE] / standardization.deviation
    linear = HeadParameters(on_raw, outputs[1] - on_raw @ standardization.mean)
    assert (heads.embedding_size, heads.num_actions) == (SIZE, 2)
    found = predict_probabilities(heads, embeddings, OFFSET)[0]
    np.testing.assert_allclose(found, predict_probabilities(linear, embeddings)[0], rtol=1e-5, atol=1e-6)
    speaking = HeadParameters(*outputs, kind="conditioned", body=fold_conditioned(body, standardization))
    assert not np.allclose(predict_probabilities(speaking, embeddings, OFFSET)[0], found, atol=0.01)


# Fitting.


def make_contrary(num_videos=60, seed=0):
    """Return rows whose first number means one action in videos of one kind and the other in the others."""
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, 2, num_videos) * 2 - 1
    offset = np.arange(num_videos + 1) * 10
    sign = rng.integers(0, 2, offset[-1]) * 2 - 1
    features = rng.normal(0.0, 0.3, (offset[-1], 6))
    features[:, 0] += sign
    features[:, 1] += np.repeat(kind, 10)
    return features.astype(np.float16), (sign * np.repeat(kind, 10) > 0).astype(np.int32), offset


def fit(options, features, action, offset):
    data = make_rows(features, action, num_actions=2)
    return train_heads(type(data)(**{**vars(data), "row_offset": offset}), options, num_frames=8)


def test_it_learns_what_only_the_whole_video_tells_and_needs_no_scene_for_it():
    fitted = fit([QUICK], *make_contrary())[0].weights
    features, action, offset = make_contrary(seed=1)
    right = predict_probabilities(fitted, features, offset)[0].argmax(axis=1) == action
    assert right.mean() > 0.95
    linear = HeadOptions(tasks=("action",), epochs=12, batch_size=64, lr=0.02, dropout=0.0)
    blind = fit([linear], *make_contrary())[0].weights
    assert (predict_probabilities(blind, features)[0].argmax(axis=1) == action).mean() < 0.65


def test_what_is_fitted_is_what_is_predicted_and_each_of_a_stack_is_as_alone():
    features, action, offset = make_contrary(num_videos=8)
    runs = [HeadOptions(**{**QUICK.to_dict(), "lr": lr, "epochs": 3}) for lr in (0.02, 0.05)]
    stacked = fit(runs, features, action, offset)
    for options, together in zip(runs, stacked, strict=True):
        alone = fit([options], features, action, offset)[0]
        for name, values in alone.weights.tensors().items():
            np.testing.assert_allclose(together.weights.tensors()[name], values, rtol=1e-4, atol=1e-5)
    said = predict_probabilities(stacked[0].weights, features, offset)[0]
    loss = -np.log(said[np.arange(len(action)), action]).mean()
    assert loss == pytest.approx(stacked[0].record["epochs"][-1]["action_loss"], abs=0.1)
    assert set(stacked[0].weights.body) == {
        "input_weight", "input_bias", "context_weight", "context_bias", "centre", "scale"
    }  # fmt: skip
