"""The grid of intervals: counts of exact multiples, bounds, and which interval covers a time."""

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tsmfeat.errors import ConfigurationError, InputError
from tsmfeat.values.intervals import IntervalGrid


def test_every_multiple_of_a_tenth_is_counted_whole():
    wrong = [k for k in range(1, 10_001) if IntervalGrid(float(Decimal(k) / 10), 0.1).count != k]
    assert wrong == []


def test_a_naive_floor_would_lose_intervals():
    assert sum(int((k / 10) // 0.1) != k for k in range(1, 10_001)) > 3000


@pytest.mark.parametrize(
    ("length", "step", "count"),
    [(0.3, 0.1, 3), (2.9, 0.5, 5), (0.7, 1.0, 0), (0.0, 0.5, 0), (1.0, 0.25, 4), (18.094, 0.5, 36), (10.333, 1.0, 10)],
)
def test_worked_counts(length, step, count):
    assert IntervalGrid(length, step).count == count


def test_the_tolerance_keeps_the_last_interval_of_rounded_stamps():
    # 24 fps in Matroska's milliseconds: 48 frames end at 1.999 or 2.000 s.
    assert IntervalGrid(1.999, 0.5).count == 3
    assert IntervalGrid(1.999, 0.5, tolerance_seconds=0.001).count == 4


@given(st.integers(1, 2_000), st.integers(1, 4_000), st.integers(0, 999))
@settings(max_examples=300, deadline=None)
def test_counts_equal_exact_arithmetic(step_ms, count, rest_permille):
    length_ms = Fraction(step_ms * count) + Fraction(step_ms * rest_permille, 1000)
    grid = IntervalGrid(float(length_ms / 1000), float(Fraction(step_ms, 1000)))
    assert grid.count == int(length_ms // step_ms)


@given(st.floats(0, 50), st.sampled_from([0.1, 0.25, 0.3, 0.5, 1.0]))
@settings(max_examples=300, deadline=None)
def test_index_at_agrees_with_the_bounds(seconds, step):
    grid = IntervalGrid(40.0, step)
    bounds = grid.bounds()
    inside = np.flatnonzero((bounds[:, 0] <= seconds) & (seconds < bounds[:, 1]))
    assert grid.index_at(seconds) == (int(inside[0]) if len(inside) else None)


def test_bounds_are_multiplied_not_accumulated():
    grid = IntervalGrid(100.0, 0.1)
    assert grid.bounds()[999, 1] == 1000 * 0.1
    assert np.array_equal(grid.bounds()[1:, 0], grid.bounds()[:-1, 1])


@pytest.mark.parametrize("step", [0.0, -1.0, float("nan"), float("inf")])
def test_a_step_must_be_positive(step):
    with pytest.raises(ConfigurationError, match="positive number of seconds"):
        IntervalGrid(1.0, step)


@pytest.mark.parametrize(("length", "tolerance"), [(-1.0, 0.0), (float("nan"), 0.0), (1.0, -0.1)])
def test_lengths_must_be_finite_and_not_negative(length, tolerance):
    with pytest.raises(InputError, match="finite number"):
        IntervalGrid(length, 0.5, tolerance)


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), -0.1, 2.5])
def test_no_interval_outside_the_grid(seconds):
    assert IntervalGrid(2.4, 0.5).index_at(seconds) is None
