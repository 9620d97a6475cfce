"""Which place of a pyramid answers for which segment."""

import numpy as np
from factories_pyramid import as_segment_rows, make_shares
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_pyramid import naive_targets

from tsmfeat.heads.pyramid_places import lay_places
from tsmfeat.heads.pyramid_targets import assign_places
from tsmfeat.heads.pyramid_videos import choose_videos, group_videos

LENGTHS = [23, 4, 40]
# Halves and quarters fall on borders of every rule.
TIMES = st.integers(0, 4 * 44).map(lambda k: k / 4) | st.floats(0, 44)


@st.composite
def segments(draw):
    found = []
    for _ in range(draw(st.integers(0, 8))):
        a, b = sorted((draw(TIMES), draw(TIMES)))
        if b > a:
            found.append((draw(st.integers(0, 2)), draw(st.integers(0, 3)), a, b))
    return found


def as_dict(found):
    labels = {}
    for place, label in zip(found.positive.tolist(), found.label.tolist(), strict=True):
        labels.setdefault(place, set()).add(label)
    pairs = zip(found.regressed.tolist(), found.distances.tolist(), strict=True)
    return {place: (labels[place], *distances) for place, distances in pairs}


@settings(max_examples=150, deadline=None)
@given(segments(), st.integers(1, 5))
def test_targets_are_those_of_a_loop(listed, num_levels):
    offset = np.concatenate([[0], np.cumsum(LENGTHS)])
    found = assign_places(lay_places(offset, num_levels), as_segment_rows(listed))
    expected = naive_targets(LENGTHS, num_levels, listed)
    assert sorted(found.regressed.tolist()) == sorted(expected)
    for place, (labels, left, right) in as_dict(found).items():
        assert labels == expected[place][0]
        np.testing.assert_allclose((left, right), expected[place][1:], rtol=1e-6, atol=1e-6)


def test_levels_share_the_sizes():
    # The middle is 10. Level 0: 8.5 is 1.5 away, 9.5 and 10.5 are near, their farther bound is 3.5 away, 4 at most.
    # Level 1, 4 to 8 away: 8.5 and 12.5 have a bound 4.5 and 5.5 away; 10.5 has none beyond 3.5. Level 2 begins at 8.
    places = lay_places([0, 40], 4)
    small = assign_places(places, as_segment_rows([(0, 0, 7.0, 13.0)]))
    assert places.centre[small.regressed].tolist() == [9.5, 10.5, 8.5, 12.5]
    assert places.stride[small.regressed].tolist() == [1, 1, 2, 2]
    assert small.distances.tolist() == [[2.5, 3.5], [3.5, 2.5], [0.75, 2.25], [2.75, 0.25]]
    # The middle is 16: too far from the bounds for level 0. Level 1: 18.5 is 8.5 from the start.
    large = assign_places(places, as_segment_rows([(0, 0, 10.0, 22.0)]))
    assert places.centre[large.regressed].tolist() == [14.5, 16.5, 12.5, 20.5]
    assert large.distances.tolist() == [[2.25, 3.75], [3.25, 2.75], [0.625, 2.375], [2.625, 0.375]]
    # The last level takes what is larger than any.
    assert set(places.stride[assign_places(places, as_segment_rows([(0, 0, 0.0, 400.0)])).regressed]) == set()
    whole = assign_places(places, as_segment_rows([(0, 0, -60.0, 100.0)]))
    assert set(places.stride[whole.regressed].tolist()) == {8}


def test_the_shorter_of_two_is_taken_and_equal_ones_share():
    places = lay_places([0, 20], 1)
    nested = assign_places(places, as_segment_rows([(0, 0, 5.0, 8.0), (0, 1, 6.0, 7.0), (0, 2, 6.0, 7.0)]))
    found = as_dict(nested)
    assert found[6] == ({1, 2}, 0.5, 0.5)
    assert found[5] == ({0}, 0.5, 2.5)
    assert nested.is_learned.tolist() == [True, True, True]


def test_a_segment_between_two_places_is_not_lost():
    places = lay_places([0, 6, 9], 2)
    found = assign_places(places, as_segment_rows([(0, 1, 2.6, 2.9), (1, 0, 1.0, 1.4)]))
    assert {place: (labels, round(a, 6), round(b, 6)) for place, (labels, a, b) in as_dict(found).items()} == {
        2: ({1}, 0.0, 0.4),
        7: ({0}, 0.5, 0.0),
    }
    beyond = assign_places(places, as_segment_rows([(1, 0, 3.1, 3.6)]))
    assert not len(beyond.regressed)
    assert beyond.is_learned.tolist() == [False]


def test_no_segment_no_target():
    found = assign_places(lay_places([0, 6], 2), as_segment_rows([]))
    assert len(found.positive) == len(found.regressed) == len(found.is_learned) == 0


def test_chosen_videos_bring_their_rows_and_segments():
    data = make_shares(4, 20, scenes=2)
    chosen = choose_videos(data, np.array([2, 0]))
    assert chosen.rows.tolist() == [*range(40, 60), *range(20)]
    assert chosen.row_offset.tolist() == [0, 20, 40]
    assert chosen.scene.tolist() == [0, 0]
    for place, video in enumerate((2, 0)):
        for mine, theirs in zip(chosen.segments[1:], data.segments[1:], strict=True):
            assert mine[chosen.segments.video == place].tolist() == theirs[data.segments.video == video].tolist()


@given(st.lists(st.integers(1, 9), min_size=1, max_size=8), st.integers(1, 30))
def test_batches_hold_every_video_once(lengths, batch_size):
    offset = np.concatenate([[0], np.cumsum(lengths)])
    order = np.random.default_rng(0).permutation(len(lengths))
    groups = group_videos(offset, order, batch_size)
    assert np.concatenate(groups).tolist() == order.tolist()
    sizes = [sum(lengths[video] for video in group) for group in groups]
    assert all(size < batch_size + 9 for size in sizes)
    assert all(size > batch_size - 9 for size in sizes[:-1])
