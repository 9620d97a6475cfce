import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive import naive_tiou

from tsmfeat.kernels.overlap import tiou

NAN, INF = math.nan, math.inf


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ((0.0, 10.0), (2.0, 10.0), 0.8),
        ((0.0, 10.0), (4.0, 14.0), 6 / 14),
        ((0.0, 4.0), (0.0, 4.0), 1.0),
        ((0.0, 4.0), (4.0, 8.0), 0.0),
        ((0.0, 4.0), (6.0, 8.0), 0.0),
        ((-3.0, 1.0), (-1.0, 3.0), 2 / 6),
    ],
)
def test_tiou_of_proper_segments(one, other, expected):
    assert tiou(*one, *other) == expected
    assert tiou(*other, *one) == expected


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((3.0, 3.0), (3.0, 3.0)),  # 0 / 0 in the official evaluators, which count it as a match
        ((3.0, 3.0), (0.0, 6.0)),
        ((20.0, 16.0), (4.0, 8.0)),  # the lengths cancel: the same 0 / 0
        ((20.0, 10.0), (4.0, 8.0)),  # a negative union
        ((0.0, INF), (0.0, INF)),
        ((NAN, 4.0), (0.0, 4.0)),
        ((0.0, NAN), (0.0, 4.0)),
    ],
)
def test_tiou_is_zero_where_the_union_is_not_positive(one, other):
    assert tiou(*one, *other) == 0.0


times = st.integers(-8, 8).map(lambda k: k * 0.25)


@settings(max_examples=200, deadline=None)
@given(times, times, times, times)
def test_tiou_equals_the_naive_twin(a, b, c, d):
    assert tiou(a, b, c, d) == naive_tiou((a, b), (c, d))
