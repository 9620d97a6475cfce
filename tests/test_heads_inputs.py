"""What goes into a fit: rows and their weights, standardisation, dropout, rates, loss."""

import math

import numpy as np
import pytest
import torch
from factories_heads import make_blobs, make_rows
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.optim.sgd import sgd

from tsmfeat.errors import ConfigurationError, InputError
from tsmfeat.heads.batches import draw_inputs, draw_order, make_batches
from tsmfeat.heads.loss_options import LossRule
from tsmfeat.heads.losses import batch_loss
from tsmfeat.heads.model import equivalent_dropout
from tsmfeat.heads.optimization import descend, learning_rate
from tsmfeat.heads.options import HeadOptions
from tsmfeat.heads.randomness import random_bits
from tsmfeat.heads.rows import class_weights
from tsmfeat.heads.standardization import Standardization, fold, measure_standardization, no_standardization

# --- rows ---------------------------------------------------------------------------------------------------------


def test_rows_without_target_are_refused_naming_the_row():
    with pytest.raises(InputError, match=r"row 2 has action target -1; training rows have one in 0\.\.2"):
        make_rows(np.zeros((3, 2), np.float16), [0, 1, -1])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"action": [0, 1, 3]}, "row 2 has action target 3"),
        ({"scene": [0, 0, 1], "num_scenes": 1}, "row 2 has scene target 1"),
        ({"scene": [0, -2, 0], "num_scenes": 1}, "row 1 has scene target -2"),
        ({"action": [0, 1]}, "action targets of shape"),
        ({"scene": [0, 1]}, "scene targets of shape"),
        ({"rows": np.array([], np.int64)}, "no interval to fit on"),
        ({"rows": np.array([0, 3])}, "row 3 is not among the 3"),
        ({"rows": np.array([0, -1])}, "row -1 is not among the 3"),
        ({"rows": np.array([True, False, True])}, "rows are bool"),
        ({"features": np.zeros((3, 2))}, "float64"),
        ({"features": np.zeros(3, np.float16)}, r"\(3,\)"),
    ],
)
def test_rows_that_do_not_fit_are_refused(changes, message):
    arguments = {"features": np.zeros((3, 2), np.float16), "action": [0, 1, 2], **changes}
    with pytest.raises(InputError, match=message):
        make_rows(**arguments)


def test_balanced_weights_are_inverse_frequencies_of_mean_one_over_the_classes_there_are():
    """Counts 1, 0, 2, 4 (background): inverses 1, 1/2, 1/4 with mean 7/12."""
    targets = np.array([0, 2, 2, 3, 3, 3, 3])
    np.testing.assert_allclose(class_weights(targets, 3, "balanced"), [12 / 7, 0, 6 / 7, 3 / 7])


def test_a_given_background_weight_stands_beside_ones():
    assert class_weights(np.array([0, 1]), 3, 0.2).tolist() == [1, 1, 1, 0.2]


# --- standardisation ----------------------------------------------------------------------------------------------


def test_mean_and_deviation_are_exact_over_many_blocks_and_chosen_rows_only():
    rng = np.random.default_rng(0)
    features = (rng.normal(size=(3000, 3)) * [1.0, 0.1, 50.0] + [0.0, 60.0, -900.0]).astype(np.float16)
    rows = rng.permutation(3000)[:2500]
    found = measure_standardization(features, rows)
    exact = features[rows].astype(np.longdouble)
    np.testing.assert_allclose(found.mean, exact.mean(axis=0).astype(float), rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(found.deviation, exact.std(axis=0).astype(float), rtol=1e-12)


def test_a_feature_that_hardly_moved_is_not_blown_up():
    rng = np.random.default_rng(0)
    table = rng.normal(size=(500, 9))
    table[:, 3] = 0
    table[7, 3] = 1e-6
    found = measure_standardization(table, np.arange(500))
    others = np.delete(table.std(axis=0), 3)
    # The median of nine deviations of which one is tiny is the fourth of the eight others.
    assert found.deviation[3] == pytest.approx(0.01 * np.sort(others)[3])
    np.testing.assert_allclose(np.delete(found.deviation, 3), others)


def test_a_constant_feature_has_deviation_one_and_becomes_zero():
    features = np.full((2049, 2), 0.1, np.float16)
    features[:, 1] = np.arange(2049) % 2
    found = measure_standardization(features, np.arange(2049))
    assert found.deviation[0] == 1.0
    inputs = draw_inputs(make_batches(features, np.arange(2049), found, 0.0, 0), np.arange(2049))
    assert (inputs[:, 0] == 0).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_row_that_is_not_finite_is_refused_by_its_number(bad):
    features = np.ones((2000, 2), np.float16)
    features[1500, 1] = bad
    with pytest.raises(InputError, match="row 1500"):
        measure_standardization(features, np.arange(2000)[::-1])
    assert measure_standardization(features, np.arange(1500)).mean.tolist() == [1, 1]


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.01, 30), st.floats(-20, 20))
def test_folded_heads_do_on_raw_embeddings_what_heads_do_on_standardised_ones(seed, spread, centre):
    rng = np.random.default_rng(seed)
    features = (rng.normal(size=(40, 6)) * spread * rng.uniform(0.5, 2, 6) + centre).astype(np.float16)
    weight, bias = rng.normal(size=(3, 6)).astype(np.float32), rng.normal(size=3).astype(np.float32)
    standardization = measure_standardization(features, np.arange(40))
    inputs = draw_inputs(make_batches(features, np.arange(40), standardization, 0.0, 0), np.arange(40)).numpy()
    on_raw, shifted = fold(weight, bias, standardization)
    expected = inputs @ weight.T + bias
    # float32 holds scores relative to the terms they are summed from, which grow with centre / spread.
    terms = np.abs(features.astype(float)) @ np.abs(on_raw.T) + np.abs(shifted)
    assert (np.abs(features.astype(np.float32) @ on_raw.T + shifted - expected) <= 1e-6 * terms + 1e-5).all()


def test_no_standardization_changes_nothing():
    rng = np.random.default_rng(0)
    weight, bias = rng.normal(size=(3, 4)).astype(np.float32), rng.normal(size=3).astype(np.float32)
    on_raw, shifted = fold(weight, bias, no_standardization(4))
    np.testing.assert_array_equal(on_raw, weight)
    np.testing.assert_array_equal(shifted, bias)
    features = rng.normal(size=(5, 4)).astype(np.float16)
    inputs = draw_inputs(make_batches(features, np.arange(5), no_standardization(4), 0.0, 0), np.arange(5))
    np.testing.assert_array_equal(inputs.numpy(), features.astype(np.float32))


# --- dropout and batches ------------------------------------------------------------------------------------------


def test_equivalent_dropout_has_the_variance_of_averaged_masks():
    """Var(mask / (1 - p)) is p / (1 - p); of a mean over T independent ones a T-th of it."""
    for dropout in (0.0, 0.1, 0.5, 0.8):
        for num_frames in (1, 4, 8, 16):
            found = equivalent_dropout(dropout, num_frames)
            assert found / (1 - found) == pytest.approx(dropout / (1 - dropout) / num_frames)


@pytest.mark.parametrize(("dropout", "num_frames"), [(1.0, 8), (-0.1, 8), (0.5, 0)])
def test_equivalent_dropout_refuses_what_is_no_dropout(dropout, num_frames):
    with pytest.raises(ConfigurationError):
        equivalent_dropout(dropout, num_frames)


def test_the_noise_on_scores_is_that_of_official_dropout_on_every_frame():
    """Simulated as TSM does it (a mask a frame, then the mean) on frames that differ; one mask of .5 is sqrt 8 off."""
    rng = np.random.default_rng(0)
    num_frames, size, draws = 8, 128, 2000
    clip = rng.normal(0.0, 1.0, size) + rng.normal(0.0, 0.25, (num_frames, size))
    weight = rng.normal(size=size)
    masks = rng.random((draws, num_frames, size)) >= 0.5
    official = ((masks * clip / 0.5).mean(axis=1) @ weight).std()
    mean = clip.mean(axis=0).astype(np.float32)[None]
    table, places = np.repeat(mean, draws, axis=0), np.arange(draws)
    spreads = {}
    for dropout in (equivalent_dropout(0.5, num_frames), 0.5):
        batches = make_batches(table, places, no_standardization(size), dropout, seed=1)
        spreads[dropout] = (draw_inputs(batches, places).numpy() @ weight).std()
    once, naive = spreads.values()
    assert once == pytest.approx(official, rel=0.06)
    assert naive == pytest.approx(official * math.sqrt(8), rel=0.08)


@pytest.mark.parametrize("dropout", [1 / 9, 0.5])
def test_dropout_drops_its_share_and_keeps_the_mean(dropout):
    table = np.ones((500, 401), np.float16)
    inputs = draw_inputs(make_batches(table, np.arange(500), no_standardization(401), dropout, 3), np.arange(500))
    dropped = (inputs == 0).float()
    assert dropped.mean().item() == pytest.approx(dropout, abs=0.004)
    assert inputs.mean().item() == pytest.approx(1.0, abs=0.005)
    assert inputs.max().item() == pytest.approx(1 / (1 - dropout), rel=1e-4)
    # Neither rows nor columns share a mask: the spread of their means is that of independent draws.
    for axis, count in ((0, 500), (1, 401)):
        assert dropped.mean(dim=axis).std().item() == pytest.approx(math.sqrt(dropout * (1 - dropout) / count), rel=0.2)


def test_every_batch_has_a_new_mask():
    table = np.ones((8, 64), np.float16)
    batches = make_batches(table, np.arange(8), no_standardization(64), 0.5, 0)
    first, second = (draw_inputs(batches, np.arange(8)) for _ in range(2))
    assert 0.3 < (first != second).float().mean().item() < 0.7


def test_an_order_holds_every_row_once_and_the_next_is_another():
    batches = make_batches(np.ones((50, 2), np.float16), np.arange(0, 50, 2), no_standardization(2), 0.0, 0)
    first, second = draw_order(batches), draw_order(batches)
    assert sorted(first) == sorted(second) == list(range(25))
    assert (first != second).any()


def test_inputs_are_those_of_the_places_asked_for():
    features, _, _ = make_blobs(num_rows=20, size=6)
    standardization = Standardization(np.arange(6.0), np.arange(1.0, 7.0))
    batches = make_batches(features, np.array([19, 3, 7]), standardization, 0.0, 0)
    expected = (features[[7, 19]].astype(float) - np.arange(6)) / np.arange(1, 7)
    np.testing.assert_allclose(draw_inputs(batches, np.array([2, 0])).numpy(), expected, rtol=1e-5, atol=1e-6)


def test_drawing_leaves_the_table_as_it_was():
    for dtype in (np.float16, np.float32):
        table = np.ones((4, 3), dtype)
        draw_inputs(make_batches(table, np.arange(4), no_standardization(3), 0.5, 0), np.arange(4))
        assert (table == 1).all()


def test_inputs_always_lie_aligned_in_memory():
    """A matmul may round differently on memory aligned differently; numpy's is, from run to run."""
    for dtype in (np.float16, np.float32):
        for count in range(1, 30):
            batches = make_batches(np.ones((30, 7), dtype), np.arange(30), no_standardization(7), 0.0, 0)
            assert draw_inputs(batches, np.arange(count)).data_ptr() % 64 == 0


def test_streams_of_one_seed_are_independent_and_fixed():
    """The numbers are numpy's SFC64 for that seed and key: a change would silently re-seed every fit."""
    drawn = {name: int(random_bits(7, name).random_raw()) for name in ("order", "dropout", "action", "scene")}
    assert len(set(drawn.values())) == 4
    for key, name in enumerate(drawn):
        assert drawn[name] == int(np.random.SFC64(np.random.SeedSequence(7, spawn_key=(key,))).random_raw())


# --- rate and loss ------------------------------------------------------------------------------------------------


def test_the_cosine_starts_at_lr_is_half_in_the_middle_and_ends_at_nothing():
    options = HeadOptions(lr=0.4, epochs=10)
    rates = [learning_rate(options, step // 5, step % 5 / 5) for step in range(50)]
    assert rates[0] == 0.4
    assert rates[25] == pytest.approx(0.2)
    assert 0 < rates[-1] < 0.001
    assert rates == sorted(rates, reverse=True)


@pytest.mark.parametrize(("epochs", "drops"), [(50, (25, 40)), (35, (18, 28)), (60, (30, 48)), (1, (1, 1))])
def test_the_step_schedule_drops_at_half_and_four_fifths_of_the_epochs(epochs, drops):
    options = HeadOptions(lr=1.0, epochs=epochs, schedule="step")
    rates = [learning_rate(options, epoch, 2 / 3) for epoch in range(epochs)]
    expected = [1.0 if epoch < drops[0] else 0.1 if epoch < drops[1] else 0.01 for epoch in range(epochs)]
    assert rates == pytest.approx(expected)


def test_no_schedule_is_constant():
    assert {learning_rate(HeadOptions(lr=0.3, schedule="none"), step // 2, step % 2 / 2) for step in range(100)} == {
        0.3
    }


def test_steps_are_those_of_torchs_sgd():
    """Three steps with its own function (its class would import the compiler, for seconds)."""
    generator = torch.Generator().manual_seed(0)
    mine = [torch.randn(3, 4, generator=generator), torch.randn(3, generator=generator)]
    theirs = [value.clone() for value in mine]
    velocities, buffers = [torch.zeros_like(value) for value in mine], [[None], [None]]
    for step in range(3):
        gradients = [torch.randn(value.shape, generator=generator) for value in mine]
        rates = [torch.tensor([[0.5 / (step + 1), 0.9]])] * 2
        stacks = [[value[None] for value in values] for values in (mine, gradients, velocities)]
        descend(*stacks, [torch.tensor([0.1]), torch.tensor([0.0])], rates)
        for value, gradient, buffer, decay in zip(theirs, gradients, buffers, [0.1, 0.0], strict=True):
            settings = dict(weight_decay=decay, momentum=0.9, lr=0.5 / (step + 1), dampening=0.0, nesterov=False)
            sgd([value], [gradient], buffer, foreach=False, maximize=False, **settings)
    for value, expected in zip(mine, theirs, strict=True):
        torch.testing.assert_close(value, expected)


PAPER = LossRule("cross-entropy")


def test_the_loss_is_torchs_weighted_cross_entropy():
    generator = torch.Generator().manual_seed(0)
    scores, targets = torch.randn(9, 4, generator=generator), torch.tensor([0, 1, 2, 3, 0, 1, 2, 3, 3])
    weights = torch.tensor([1.0, 0.5, 2.0, 0.1])
    expected = torch.nn.functional.cross_entropy(scores, targets, weight=weights)
    torch.testing.assert_close(batch_loss(scores[None], targets, weights[targets], PAPER)[0], expected)


def test_a_loss_of_no_known_row_is_zero_with_zero_gradient():
    scores = torch.ones(3, 2, requires_grad=True)
    loss = batch_loss(scores[None], torch.zeros(3, dtype=torch.int64), torch.zeros(3), PAPER)[0]
    assert loss.item() == 0
    assert torch.autograd.grad(loss, scores)[0].abs().max().item() == 0
