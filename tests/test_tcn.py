"""The dilated residual network: numpy, torch and a naive twin agree, and no video sees another."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_tcn import naive_represent, naive_smoothing_loss

from tsmfeat.heads.bodies import BatchVideos
from tsmfeat.heads.options import HeadOptions
from tsmfeat.heads.smoothness import smoothing_loss
from tsmfeat.heads.standardization import Standardization
from tsmfeat.heads.tcn import fold_tcn, initial_tcn, represent_tcn
from tsmfeat.heads.tcn_torch import represent_tcn as represent_in_torch

LENGTHS = st.lists(st.integers(0, 9), min_size=1, max_size=5)


def make_body(num_layers=3, hidden_size=4, embedding_size=5, seed=0):
    """Return a body whose biases are not 0 and whose layers are loud."""
    rng = np.random.default_rng(seed)
    options = HeadOptions(head="tcn", hidden_size=hidden_size, num_layers=num_layers)
    body = initial_tcn(options, embedding_size, lambda shape: rng.standard_normal(shape, np.float32))
    return {
        name: values * 2 if name.endswith("weight") else rng.standard_normal(values.shape, np.float32)
        for name, values in body.items()
    }


def make_rows(lengths, embedding_size=5, seed=1):
    offset = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return np.random.default_rng(seed).standard_normal((offset[-1], embedding_size), np.float32), offset


def make_videos(offset):
    lengths = np.diff(offset)
    first, last = np.repeat(offset[:-1], lengths), np.repeat(offset[1:] - 1, lengths)
    return BatchVideos(torch.from_numpy(first), torch.from_numpy(last))


def in_torch(bodies, rows, offset):
    stacked = {name: torch.from_numpy(np.stack([body[name] for body in bodies])) for name in bodies[0]}
    return represent_in_torch(stacked, torch.from_numpy(rows), make_videos(offset), lambda values: values).numpy()


@settings(max_examples=60, deadline=None)
@given(LENGTHS, st.integers(1, 4), st.integers(1, 3), st.integers(0, 2**32 - 1))
def test_numpy_torch_and_loops_agree(lengths, num_layers, hidden_size, seed):
    body = make_body(num_layers, hidden_size, 2, seed)
    rows, offset = make_rows(lengths, 2, seed)
    lists = {name: values.astype(float).tolist() for name, values in body.items()}
    expected = [row for a, b in pairwise(offset) for row in naive_represent(lists, rows[a:b].tolist())]
    expected = np.array(expected).reshape(-1, hidden_size)
    close = {"rtol": 1e-4, "atol": 1e-5 * (1 + np.abs(expected).max(initial=0))}
    np.testing.assert_allclose(represent_tcn(body, rows, offset), expected, **close)
    np.testing.assert_allclose(in_torch([body], rows, offset)[0], expected, **close)


@settings(max_examples=30, deadline=None)
@given(LENGTHS, st.integers(0, 4))
def test_a_video_alone_is_as_among_others(lengths, which):
    body = make_body()
    rows, offset = make_rows(lengths)
    video = which % len(lengths)
    own = slice(offset[video], offset[video + 1])
    alone = represent_tcn(body, rows[own], np.array([0, lengths[video]]))
    np.testing.assert_allclose(represent_tcn(body, rows, offset)[own], alone, rtol=1e-4, atol=1e-5)
    others = rows.copy()
    others[: own.start], others[own.stop :] = 1e3, -1e3
    np.testing.assert_array_equal(represent_tcn(body, others, offset)[own], represent_tcn(body, rows, offset)[own])
    np.testing.assert_array_equal(in_torch([body], others, offset)[0, own], in_torch([body], rows, offset)[0, own])


def test_a_row_sees_as_far_as_the_layers_reach_and_no_farther():
    """Three layers: 1 + 2 + 4 rows on either side."""
    body = {name: np.abs(values) for name, values in make_body(num_layers=3).items()}
    rows, offset = make_rows([40])
    rows = np.abs(rows)
    changed = rows.copy()
    changed[20] += 1
    moved = np.flatnonzero((represent_tcn(body, rows, offset) != represent_tcn(body, changed, offset)).any(axis=1))
    assert moved.tolist() == list(range(13, 28))


def test_videos_of_thousands_of_rows_equal_torch():
    body = make_body(6, 16, 8)
    rows, offset = make_rows([3000, 1, 0, 2500], 8)
    found = represent_tcn(body, rows, offset)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, in_torch([body], rows, offset)[0], rtol=1e-4, atol=1e-4)


def test_each_run_of_a_stack_is_as_if_alone():
    bodies = [make_body(seed=seed) for seed in range(3)]
    rows, offset = make_rows([7, 4])
    together = in_torch(bodies, rows, offset)
    for body, found in zip(bodies, together, strict=True):
        np.testing.assert_allclose(found, in_torch([body], rows, offset)[0], rtol=1e-5, atol=1e-6)


def test_dropout_falls_on_the_projection_and_on_what_each_layer_adds():
    body = make_body(num_layers=2)
    rows, offset = make_rows([6])
    stacked = {name: torch.from_numpy(values)[None] for name, values in body.items()}
    seen = []

    def drop(values):
        seen.append(values)
        return values if len(seen) == 1 else torch.zeros_like(values)

    found = represent_in_torch(stacked, torch.from_numpy(rows), make_videos(offset), drop)[0]
    projected = rows @ body["input_weight"].T + body["input_bias"]
    np.testing.assert_allclose(found, projected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(seen[0][0], projected, rtol=1e-5, atol=1e-6)
    assert len(seen) == 3


def test_folding_moves_the_standardisation_into_the_first_layer():
    body = make_body()
    rows, offset = make_rows([9, 5])
    mean, deviation = np.linspace(-3, 3, 5), np.linspace(0.5, 2.0, 5)
    folded = fold_tcn(body, Standardization(mean, deviation))
    standardised = ((rows - mean) / deviation).astype(np.float32)
    expected = represent_tcn(body, standardised, offset)
    np.testing.assert_allclose(represent_tcn(folded, rows, offset), expected, rtol=1e-4, atol=1e-4)
    assert {name for name in body if folded[name] is not body[name]} == {"input_weight", "input_bias"}


def test_initial_values_have_the_spread_of_their_inputs():
    rng = np.random.default_rng(0)
    options = HeadOptions(head="tcn", hidden_size=64, num_layers=3)
    body = initial_tcn(options, 300, lambda shape: rng.standard_normal(shape, np.float32))
    for name, inputs in (("input", 300), ("dilated", 192), ("pointwise", 64)):
        assert body[f"{name}_weight"].std() == pytest.approx((3 * inputs) ** -0.5, rel=0.03)
        assert not body[f"{name}_bias"].any()
    assert all(values.dtype == np.float32 for values in body.values())


@settings(max_examples=60, deadline=None)
@given(LENGTHS, st.integers(2, 4), st.floats(0.1, 8.0), st.integers(0, 2**32 - 1))
def test_the_smoothing_loss_equals_loops_over_neighbours(lengths, num_classes, loudness, seed):
    rng = np.random.default_rng(seed)
    offset = np.concatenate([[0], np.cumsum(lengths)])
    scores = rng.normal(0, loudness, (2, offset[-1], num_classes))
    found = smoothing_loss(torch.from_numpy(scores).log_softmax(dim=2), make_videos(offset))
    for run in range(2):
        videos = [scores[run, a:b].tolist() for a, b in pairwise(offset)]
        assert found[run].item() == pytest.approx(naive_smoothing_loss(videos), rel=1e-9)


def test_only_the_later_row_learns_and_not_beyond_the_truncation():
    offset = np.array([0, 2, 4])
    scores = torch.tensor([[[0.0, 0.0], [1.0, 0.0], [0.0, 0.0], [50.0, 0.0]]], requires_grad=True)
    smoothing_loss(scores.log_softmax(dim=2), make_videos(offset)).sum().backward()
    changed = scores.grad[0].abs().sum(dim=1) > 0
    # The last row's second class falls by 50, which is cut off; its first rises by ln 2, at a slope of e^-50.
    assert changed[:3].tolist() == [False, True, False]
    assert scores.grad[0, 3].abs().max() < 1e-6
