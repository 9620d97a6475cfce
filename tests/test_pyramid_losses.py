"""The losses of a pyramid, and the steps of its descent."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from naive_pyramid import naive_distance_iou, naive_focal

from tsmfeat.heads.adaptive_descent import begin_descent, clip_gradients, descend_adaptively
from tsmfeat.heads.pyramid_losses import distance_iou_loss, sigmoid_focal_loss

DISTANCES = st.tuples(*[st.floats(0.0625, 20, width=32)] * 2)


@pytest.mark.parametrize(
    ("found", "wanted", "expected"),
    [
        ((2.0, 3.0), (2.0, 3.0), 0.0),
        # [-1, 1] in [-1, 3]: IoU 1/2, middles 1 apart, span 4.
        ((1.0, 1.0), (1.0, 3.0), 0.5 + 1 / 16),
        # [-3, 1] and [-1, 3]: 2 of 6 in common, middles 2 apart, span 6.
        ((3.0, 1.0), (1.0, 3.0), 2 / 3 + 1 / 9),
        # Nothing found at all: the whole loss, and the middle half the length away.
        ((0.0, 0.0), (0.0, 2.0), 1.0 + 1 / 4),
        ((0.0, 0.0), (0.0, 0.0), 1.0),
    ],
)
def test_distance_iou_by_hand(found, wanted, expected):
    loss = distance_iou_loss(torch.tensor([found]), torch.tensor([wanted]))
    assert loss.item() == pytest.approx(expected, abs=1e-6)


@given(DISTANCES, DISTANCES)
def test_distance_iou_is_that_of_bounds(found, wanted):
    loss = distance_iou_loss(torch.tensor([found]), torch.tensor([wanted])).item()
    assert loss == pytest.approx(naive_distance_iou(found, wanted), rel=1e-4, abs=1e-5)


@given(st.floats(-12, 12), st.integers(0, 1))
def test_focal_is_that_of_the_formula(logit, target):
    loss = sigmoid_focal_loss(torch.tensor([[logit]], dtype=torch.float64), torch.tensor([[float(target)]]).double())
    assert loss.item() == pytest.approx(naive_focal(logit, target), rel=1e-6, abs=1e-9)


def test_losses_of_places_are_added():
    rng = np.random.default_rng(0)
    logits, targets = rng.normal(size=(4, 3)), rng.integers(0, 2, (4, 3))
    found = sigmoid_focal_loss(torch.tensor(logits), torch.tensor(targets.astype(float))).item()
    expected = sum(naive_focal(a, b) for a, b in zip(logits.ravel().tolist(), targets.ravel().tolist(), strict=True))
    assert found == pytest.approx(expected, rel=1e-6)


def test_descending_distance_iou_ends_at_the_segment():
    found, wanted = torch.tensor([[0.2, 6.0]], requires_grad=True), torch.tensor([[3.0, 1.0]])
    descent = begin_descent([found], [0.0])
    for _ in range(400):
        descend_adaptively(descent, torch.autograd.grad(distance_iou_loss(found, wanted), [found]), 0.05, 0.9)
    np.testing.assert_allclose(found.detach().numpy(), wanted.numpy(), atol=0.1)


def test_steps_are_those_of_the_paper():
    rng = np.random.default_rng(1)
    start, gradients = rng.normal(size=3), rng.normal(size=(5, 3))
    descent = begin_descent([torch.tensor(start)], [0.1])
    value, mean, square = start.copy(), np.zeros(3), np.zeros(3)
    for step, gradient in enumerate(gradients, 1):
        descend_adaptively(descent, [torch.tensor(gradient)], 0.01, 0.8)
        value = value - 0.01 * 0.1 * value
        mean, square = 0.8 * mean + 0.2 * gradient, 0.999 * square + 0.001 * gradient**2
        value = value - 0.01 * (mean / (1 - 0.8**step)) / (np.sqrt(square / (1 - 0.999**step)) + 1e-8)
    np.testing.assert_allclose(descent.parameters[0].numpy(), value, rtol=1e-9)


def test_short_gradients_are_left_alone():
    gradients = [torch.tensor([0.3]), torch.tensor([[0.4]])]
    assert clip_gradients(gradients, 1.0).item() == pytest.approx(0.5)
    assert gradients[1].item() == pytest.approx(0.4)
    clip_gradients(gradients, 0.25)
    assert gradients[0].item() == pytest.approx(0.15)
    nothing = [torch.zeros(2)]
    clip_gradients(nothing, 1.0)
    assert nothing[0].tolist() == [0.0, 0.0]
