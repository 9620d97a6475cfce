"""Losses of heads: against a naive twin, by hand, and the paper's bit for bit."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_losses import naive_cross_entropy, naive_focal, naive_sigmoid, naive_slopes

from tsmfeat.errors import ConfigurationError
from tsmfeat.heads.class_balance import BackgroundDraws, draw_background, effective_class_weights
from tsmfeat.heads.loss_options import LossRule, read_loss, target_kind
from tsmfeat.heads.losses import batch_loss, row_losses
from tsmfeat.heads.options import HeadOptions
from tsmfeat.heads.rows import class_weights

PAPER = LossRule("cross-entropy")


def paper_loss(scores, targets, row_weights):
    """The weighted mean cross-entropy of one run, as it always was."""
    losses = torch.nn.functional.cross_entropy(scores, targets, reduction="none")
    return (losses * row_weights).sum() / row_weights.sum().clamp_min(torch.finfo(torch.float32).tiny)


def draw_scores(num_runs, num_rows, num_classes, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).normal(0, 3, (num_runs, num_rows, num_classes))).float()


@pytest.mark.parametrize("num_rows", [1, 7, 256, 1000])
def test_the_papers_loss_and_its_gradient_keep_their_bits(num_rows):
    rng = np.random.default_rng(num_rows)
    targets, row_weights = (
        torch.from_numpy(rng.integers(0, 39, num_rows)),
        torch.from_numpy(rng.random(num_rows)).float(),
    )
    scores = draw_scores(1, num_rows, 39).requires_grad_()
    plain = scores.detach()[0].clone().requires_grad_()
    ours, theirs = batch_loss(scores, targets, row_weights, PAPER), paper_loss(plain, targets, row_weights)
    assert ours.shape == (1,)
    assert ours[0].item() == theirs.item()
    (gradient,), (expected,) = torch.autograd.grad(ours.sum(), scores), torch.autograd.grad(theirs, plain)
    np.testing.assert_array_equal(gradient[0].numpy(), expected.numpy())


@pytest.mark.parametrize("rule", [PAPER, LossRule("focal", 2.0, 0.1), LossRule("sigmoid"), LossRule("class-balanced")])
def test_each_run_of_a_stack_has_the_loss_it_has_alone(rule):
    scores, targets = draw_scores(3, 50, 5), torch.arange(50) % 5
    weights = torch.rand(3, 50, generator=torch.Generator().manual_seed(0))
    together = batch_loss(scores, targets, weights, rule)
    alone = [batch_loss(scores[run : run + 1], targets, weights[run], rule)[0] for run in range(3)]
    np.testing.assert_allclose(together.numpy(), [loss.item() for loss in alone], rtol=1e-6)


def test_rows_that_weigh_nothing_do_not_count_and_none_at_all_is_no_loss():
    scores, targets = draw_scores(1, 3, 4), torch.tensor([1, 2, 3])
    some = batch_loss(scores, targets, torch.tensor([0.0, 2.0, 0.0]), PAPER)
    assert some.item() == pytest.approx(row_losses(scores, targets, PAPER)[0, 1].item())
    assert batch_loss(scores, targets, torch.zeros(3), PAPER).item() == 0.0


numbers = st.lists(st.floats(-8, 8), min_size=3, max_size=3)
shares = st.lists(st.integers(0, 4), min_size=3, max_size=3).filter(any)


@settings(max_examples=80, deadline=None)
@given(numbers, shares, st.sampled_from([0.0, 0.5, 1.0, 2.0, 5.0]), st.sampled_from([0.0, 0.1]))
def test_losses_and_slopes_equal_those_written_out(scores, parts, gamma, smoothing):
    wanted = [part / sum(parts) for part in parts]
    hot = [part / 4 for part in parts]
    for rule, naive, targets in (
        (LossRule("cross-entropy", 0.0, smoothing), lambda z: naive_cross_entropy(z, wanted, smoothing), wanted),
        (LossRule("class-balanced", 0.9, smoothing), lambda z: naive_cross_entropy(z, wanted, smoothing), wanted),
        (LossRule("focal", gamma, smoothing), lambda z: naive_focal(z, wanted, gamma, smoothing), wanted),
        (LossRule("sigmoid", 0.0, smoothing), lambda z: naive_sigmoid(z, hot, smoothing), hot),
    ):
        given_scores = torch.tensor([[scores]], dtype=torch.float64).requires_grad_()
        loss = row_losses(given_scores, torch.tensor([targets], dtype=torch.float64), rule).sum()
        assert loss.item() == pytest.approx(naive(scores), rel=1e-6, abs=1e-9)
        (slopes,) = torch.autograd.grad(loss, given_scores)
        np.testing.assert_allclose(slopes[0, 0].numpy(), naive_slopes(naive, scores), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("rule", [PAPER, LossRule("focal", 2.0), LossRule("focal", 2.0, 0.2), LossRule("sigmoid")])
def test_a_class_by_its_number_is_a_share_of_one(rule):
    scores, targets = draw_scores(2, 20, 6), torch.arange(20) % 6
    by_share = row_losses(scores, torch.eye(6)[targets], rule)
    np.testing.assert_allclose(row_losses(scores, targets, rule).numpy(), by_share.numpy(), rtol=1e-5, atol=1e-6)


def test_a_focus_of_zero_is_the_cross_entropy():
    scores, targets = draw_scores(1, 20, 6), torch.arange(20) % 6
    focal = row_losses(scores, targets, LossRule("focal", 0.0))
    np.testing.assert_allclose(focal.numpy(), row_losses(scores, targets, PAPER).numpy(), rtol=1e-5)


@pytest.mark.parametrize("gamma", [0.3, 1.0, 2.0])
def test_what_is_wholly_sure_has_a_finite_slope(gamma):
    scores = torch.tensor([[[200.0, 0.0], [0.0, 200.0]]], requires_grad=True)
    (slopes,) = torch.autograd.grad(row_losses(scores, torch.tensor([0, 0]), LossRule("focal", gamma)).sum(), scores)
    assert torch.isfinite(slopes).all()
    assert slopes[0, 0].abs().max() == 0


def test_the_effective_number_of_rows_by_hand():
    # Three rows of class 0, one of class 1: (1 - .5³)/.5 = 1.75 and 1. Inverse 4/7 and 1, mean 11/14.
    found = effective_class_weights(np.array([0, 0, 0, 1]), 3, 0.5)
    np.testing.assert_allclose(found, [8 / 11, 14 / 11, 0.0])


def test_the_ends_of_beta_are_equal_weights_and_inverse_counts():
    targets = np.repeat([0, 1, 3], [1000, 10, 200])
    np.testing.assert_allclose(effective_class_weights(targets, 4, 0.0), [1, 1, 0, 1])
    balanced = class_weights(targets, 3, "balanced")
    np.testing.assert_allclose(effective_class_weights(targets, 4, 1 - 1e-12), balanced, rtol=1e-6)
    middle = effective_class_weights(targets, 4, 0.99)
    assert 1 < middle[1] < balanced[1]


def test_background_is_drawn_anew_and_actions_always_stay():
    is_background = np.arange(100) % 10 != 0
    source = BackgroundDraws(is_background, 3, np.random.default_rng(0))
    drawn = [draw_background(source) for _ in range(50)]
    for places in drawn:
        assert len(places) == 40
        assert (np.diff(places) > 0).all()
        assert set(np.flatnonzero(~is_background)) <= set(places.tolist())
    assert not np.array_equal(drawn[0], drawn[1])
    often = np.bincount(np.concatenate(drawn), minlength=100)[is_background]
    assert 5 <= often.min() <= often.max() <= 32  # of 50 draws of a third: 17 on average


@pytest.mark.parametrize(("ratio", "kept"), [("all", 90), (9, 90), (50, 90), (2.55, 25), (0.01, 0)])
def test_never_more_background_than_there_is_nor_than_was_asked_for(ratio, kept):
    is_background = np.arange(100) >= 10
    assert len(draw_background(BackgroundDraws(is_background, ratio, np.random.default_rng(0)))) == 10 + kept


def test_nothing_is_left_out_where_everything_is_background():
    assert len(draw_background(BackgroundDraws(np.ones(9, bool), 0.5, np.random.default_rng(0)))) == 9


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("cross-entropy", ("cross-entropy", 0.0)),
        ("sigmoid", ("sigmoid", 0.0)),
        ("focal:0", ("focal", 0.0)),
        ("focal:2.5", ("focal", 2.5)),
        ("class-balanced:0.999", ("class-balanced", 0.999)),
    ],
)
def test_losses_are_read(text, rule):
    found = read_loss(text, 0.1)
    assert (found.kind, found.amount) == rule
    assert found.smoothing == 0.1
    assert found.activation == ("sigmoid" if text == "sigmoid" else "softmax")


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("focal", "focal:GAMMA, GAMMA of 0 or more", "focal:2"),
        ("focal:", "focal:GAMMA", "focal:2"),
        ("focal:two", "focal:GAMMA", "focal:2"),
        ("focal:-1", "focal:GAMMA", "focal:2"),
        ("focal:inf", "focal:GAMMA", "focal:2"),
        ("focal:nan", "focal:GAMMA", "focal:2"),
        ("class-balanced", r"class-balanced:BETA, BETA in \[0, 1\)", "0.999"),
        ("class-balanced:1", "class-balanced:BETA", "0.999"),
        ("sigmoid:2", "known are", "focal:2"),
        ("cross-entropy:", "known are", "focal:2"),
        ("crossentropy", "known are", "did you mean 'cross-entropy'?"),
        ("sigmod", "known are", "did you mean 'sigmoid'?"),
        ("", "known are", "focal:2"),
        (None, "known are", "focal:2"),
    ],
)
def test_a_loss_that_is_none_is_refused_with_a_remedy(text, message, hint):
    with pytest.raises(ConfigurationError, match=message) as caught:
        read_loss(text)
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"label_smoothing": 1.0}, "label_smoothing 1.0"),
        ({"label_smoothing": -0.1}, "label_smoothing"),
        ({"label_smoothing": math.nan}, "label_smoothing"),
        ({"targets": "soft"}, "targets 'soft': known are hard, overlap"),
        ({"background_ratio": 0}, "background_ratio 0"),
        ({"background_ratio": "every"}, "background_ratio 'every'"),
        ({"background_ratio": 2, "solver": "lbfgs"}, "its iterations all see the same rows"),
        ({"loss": "class-balanced:0.9", "background_weight": 0.5}, "both say what background weighs"),
        ({"loss": "class-balanced:0.9", "background_weight": "balanced"}, "both say"),
        ({"loss": "focal"}, "focal:GAMMA"),
    ],
)
def test_choices_that_cannot_be_carried_out_are_refused(change, message):
    with pytest.raises(ConfigurationError, match=message) as caught:
        HeadOptions(**change)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("loss", "targets", "kind"),
    [
        ("cross-entropy", "hard", "hard"),
        ("class-balanced:0.9", "overlap", "shares"),
        ("sigmoid", "hard", "several"),
        ("sigmoid", "overlap", "coverage"),
    ],
)
def test_every_loss_asks_for_its_targets(loss, targets, kind):
    assert target_kind(loss, targets) == kind
