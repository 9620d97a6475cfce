import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive import NAIVE_UNIONS, naive_tiou

from tsmfeat.kernels.absorption import unite_absorb
from tsmfeat.kernels.averages import Voices, average_segments, order_segments
from tsmfeat.kernels.rows import Rows
from tsmfeat.kernels.unions import unite_components, unite_sweep

KERNELS = {"absorb": unite_absorb, "components": unite_components, "sweep": unite_sweep}
THRESHOLDS = [0.0, 0.2, 1 / 3, 0.4, 0.5, 0.75, 1.0]


def make_rows(listed):
    """Rows of (video, label, start, end, score), in the order given."""
    columns = list(zip(*listed, strict=True)) or [()] * 5
    ids = (np.array(column, np.int32) for column in columns[:2])
    return Rows(*ids, *(np.array(column, np.float64) for column in columns[2:]))


def list_rows(rows):
    return [tuple(row) for row in zip(*(column.tolist() for column in rows), strict=True)]


def unite(rule, pieces, threshold):
    """Unions of (start, end, score) of one class and video; sorted, as the kernels give them by start."""
    rows = make_rows([(0, 0, *piece) for piece in sorted(pieces)])
    united = [row[2:] for row in list_rows(KERNELS[rule](rows, threshold))]
    key = {"components": 1}.get(rule, 2)
    assert united == sorted(united, key=lambda row: row[:key])
    return sorted(united)


# A small grid makes ties of tIoU, score and bounds frequent.
piece = st.tuples(st.integers(0, 10), st.integers(1, 7), st.sampled_from([0.25, 0.5, 0.75])).map(
    lambda p: (float(p[0]), float(p[0] + p[1]), p[2])
)
piece_lists = st.lists(piece, max_size=12, unique_by=lambda p: p[:2])


@pytest.mark.parametrize("rule", KERNELS)
@settings(max_examples=150, deadline=None)
@given(piece_lists, st.sampled_from(THRESHOLDS))
def test_unions_equal_the_naive_twin(rule, pieces, threshold):
    assert unite(rule, pieces, threshold) == NAIVE_UNIONS[rule](pieces, threshold)


@settings(max_examples=150, deadline=None)
@given(piece_lists, st.sampled_from(THRESHOLDS))
def test_absorb_leaves_no_pair_above_the_threshold_and_a_second_pass_changes_nothing(pieces, threshold):
    united = unite("absorb", pieces, threshold)
    for k, one in enumerate(united):
        assert all(naive_tiou(one, other) <= threshold for other in united[k + 1 :])
    assert unite("absorb", united, threshold) == united


@settings(max_examples=100, deadline=None)
@given(piece_lists, st.sampled_from(THRESHOLDS), st.sampled_from(sorted(KERNELS)))
def test_unions_cover_the_same_time_and_keep_the_best_score(pieces, threshold, rule):
    def covered(listed):
        return {k for start, end, _ in listed for k in range(int(start), int(end))}

    united = unite(rule, pieces, threshold)
    # A union closes no gap: what is united overlaps.
    assert covered(united) == covered(pieces)
    assert max((p[2] for p in united), default=0) == max((p[2] for p in pieces), default=0)
    assert len(united) <= len(pieces)


def test_components_may_leave_a_pair_above_the_threshold_where_absorb_does_not():
    pieces = [(0.0, 10.0, 0.9), (4.0, 13.0, 0.8), (0.0, 30.0, 0.7)]
    assert unite("components", pieces, 0.4) == [(0.0, 13.0, 0.9), (0.0, 30.0, 0.7)]
    assert naive_tiou((0, 13), (0, 30)) > 0.4
    assert unite("absorb", pieces, 0.4) == [(0.0, 30.0, 0.9)]


@pytest.mark.parametrize("rule", KERNELS)
def test_classes_and_videos_never_mix(rule):
    rows = make_rows([(0, 0, 0, 4, 0.5), (0, 1, 0, 4, 0.5), (1, 1, 0, 4, 0.5), (1, 1, 1, 4, 0.9)])
    assert list_rows(KERNELS[rule](rows, 0.5)) == [(0, 0, 0, 4, 0.5), (0, 1, 0, 4, 0.5), (1, 1, 0, 4, 0.9)]


@pytest.mark.parametrize("rule", KERNELS)
def test_the_input_is_left_as_it_was(rule):
    rows = make_rows([(0, 0, 0, 4, 0.5), (0, 0, 1, 4, 0.9)])
    KERNELS[rule](rows, 0.5)
    assert list_rows(rows) == [(0, 0, 0, 4, 0.5), (0, 0, 1, 4, 0.9)]


@pytest.mark.parametrize("rule", KERNELS)
def test_nothing_gives_nothing(rule):
    assert list_rows(KERNELS[rule](make_rows([]), 0.5)) == []


def test_a_long_chain_is_one_component():
    rows = make_rows([(0, 0, k, k + 10, 0.5) for k in range(40)])
    assert list_rows(unite_components(rows, 0.5)) == [(0, 0, 0, 49, 0.5)]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), piece), max_size=40))
def test_order_segments_is_a_stable_sort(listed):
    rows = [(video, label, *p) for video, label, p in listed]
    expected = sorted(range(len(rows)), key=lambda k: rows[k][:4])
    assert order_segments(make_rows(rows)).tolist() == expected


def test_a_model_counts_once_with_its_best_score_wherever_the_row_stands():
    rows = make_rows([(0, 0, 0, 2, 0.4), (0, 0, 0, 2, 0.6), (0, 0, 0, 2, 0.5), (0, 0, 0, 2, 0.2), (0, 0, 0, 2, 0.1)])
    voices = Voices(np.array([0, 0, 0, 2, 2], np.int32), np.array([1.0, 1.0, 3.0]))
    assert average_segments(rows, voices, True).score.tolist() == [(0.6 + 3 * 0.2) / 5]
    assert average_segments(rows, voices, False).score.tolist() == [(0.6 + 3 * 0.2) / 4]


@pytest.mark.parametrize("rule", KERNELS)
def test_long_clusters_are_united_as_short_ones_are(rule):
    # More pieces touch than are sorted by insertion; equal scores come by their starts and ends.
    rng = np.random.default_rng(0)
    pieces = {(float(start), float(start + rng.integers(3, 9))): rng.integers(1, 5) / 8 for start in range(150)}
    listed = [(*bounds, score) for bounds, score in pieces.items()]
    for threshold in (0.3, 0.7):
        assert unite(rule, listed, threshold) == NAIVE_UNIONS[rule](listed, threshold)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), piece), max_size=90), st.sampled_from(THRESHOLDS))
def test_absorbing_in_place_gives_the_same(listed, threshold):
    rows = make_rows(sorted({(video, label, *p[:2]): (video, label, *p) for video, label, p in listed}.values()))
    expected = list_rows(unite_absorb(rows, threshold))
    assert list_rows(unite_absorb(rows, threshold, in_place=True)) == expected


def test_absorbing_a_long_cluster_in_place_gives_the_same():
    rng = np.random.default_rng(2)
    rows = make_rows([(0, k // 200, k, k + 4 + k % 7, rng.integers(1, 9) / 8) for k in range(300)])
    for threshold in (0.9, 0.6, 0.3):
        copied = make_rows(list_rows(rows))
        expected = list_rows(unite_absorb(rows, threshold))
        assert list_rows(unite_absorb(copied, threshold, in_place=True)) == expected


@pytest.mark.parametrize(
    "starts",
    [
        [0.0, 0.25, 0.26, 1e-300, 5e-324, 0.0],  # far below a unit
        [-7.0, 3e5, -0.0, 0.0, -7.0, 12.5],
        [-1.7e308, 1.7e308, 0.0, 5.0, 4.0, 5.0],  # their distance is infinite
        [1e300, 1e300 + 1e285, 0.0, 3.0, 2.0, 1.0],  # cut to equal keys
        [4.0] * 6,
    ],
)
@pytest.mark.parametrize("largest_id", [0, 2, 2**31 - 1])  # the last leaves a key no room for the start
def test_order_segments_sorts_starts_of_any_size(starts, largest_id):
    rng = np.random.default_rng(1)
    ids = [0, largest_id]
    rows = [
        (int(rng.choice(ids)), int(rng.choice(ids)), start, end, 0.5)
        for start in [*starts, *starts]
        for end in (np.inf, np.nextafter(start, np.inf), np.inf)
    ]
    expected = sorted(range(len(rows)), key=lambda k: rows[k][:4])
    assert order_segments(make_rows(rows)).tolist() == expected
