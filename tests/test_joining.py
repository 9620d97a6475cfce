"""Views on the time grid: side by side, never interpolated; what is missing is told and stands for nothing."""

from contextlib import ExitStack

import numpy as np
import pytest
from factories_heads import Recorder, make_weights
from factories_store import make_features, make_spec, write_parts
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_views import naive_join

from tsmfeat.errors import ConfigurationError, InputError, SpecMismatchError, StoreError
from tsmfeat.heads.model import HeadParameters
from tsmfeat.heads.prediction import predict_probabilities
from tsmfeat.heads.views import JoinedViews, drop_views, fill_missing
from tsmfeat.store.reader import open_features
from tsmfeat.workflows.inference import GatheredFeatures, gather_features
from tsmfeat.workflows.joining import gather_joined, join_features, warn_of_lacking_views
from tsmfeat.workflows.view_stores import open_views

VIDEOS = ("a", "b", "c", "d")


def gathered(rows_of, size, duration=0.25):
    """Return features of one view: a video with N intervals lasts N steps and `duration`."""
    names = tuple(rows_of)
    rows = [np.array(rows_of[name], np.float16).reshape(-1, size) for name in names]
    offset = np.concatenate([[0], np.cumsum([len(part) for part in rows])]).astype(np.int64)
    table = np.concatenate([np.empty((0, size), np.float16), *rows])
    return GatheredFeatures(names, table, offset, 0.5, np.diff(offset) * 0.5 + duration)


@st.composite
def view_sets(draw):
    """Draw sizes, and for each view the rows of some videos in some order; every video is in one view at least."""
    sizes = draw(st.lists(st.integers(1, 3), min_size=2, max_size=3))
    parts = []
    for size in sizes:
        names = draw(st.permutations(VIDEOS))[: draw(st.integers(0, len(VIDEOS)))]
        counts = [draw(st.integers(0, 4)) for _ in names]
        rng = np.random.default_rng(draw(st.integers(0, 99)))
        parts.append(
            {n: rng.integers(-9, 9, (k, size)).astype(float).tolist() for n, k in zip(names, counts, strict=True)}
        )
    known = [name for name in VIDEOS if any(name in part for part in parts)]
    return sizes, parts, draw(st.permutations(known))


@settings(max_examples=150, deadline=None)
@given(view_sets())
def test_joining_is_the_same_as_number_by_number(found):
    sizes, parts, names = found
    joined = join_features([gathered(part, size) for part, size in zip(parts, sizes, strict=True)], names)
    table, counts = naive_join(parts, sizes, names)
    assert joined.video_ids == tuple(names)
    assert np.diff(joined.row_offset).tolist() == counts
    owner = np.repeat(np.arange(len(sizes)), sizes)
    seen = [
        [value if present else None for value, present in zip(row, there[owner], strict=True)]
        for row, there in zip(joined.embeddings.tolist(), joined.views.present, strict=True)
    ]
    assert seen == table
    assert not joined.embeddings[~joined.views.present[:, owner]].any()
    assert joined.duration_seconds.tolist() == [0.5 * count + 0.25 for count in counts]
    # A row without any view would be one that no view shows.
    assert joined.views.present.any(axis=1).all()


def test_one_view_alone_stays_as_it_is():
    part = gathered({"a": [[1.0]]}, 1)
    assert join_features([part], ["a"]) is part
    assert part.views is None


def test_the_longest_view_sets_the_duration_and_a_video_of_one_view_keeps_its_own():
    one, other = gathered({"a": [[1], [2]], "b": [[3]]}, 1, 0.0), gathered({"c": [], "a": [[7, 8]]}, 2, 0.4)
    joined = join_features([one, other], ["c", "a", "b"])
    assert joined.duration_seconds.tolist() == [0.4, 1.0, 0.5]
    assert joined.row_offset.tolist() == [0, 0, 2, 3]
    assert joined.views.present.tolist() == [[True, True], [True, False], [True, False]]
    assert joined.embeddings.tolist() == [[1, 7, 8], [2, 0, 0], [3, 0, 0]]


def test_a_video_that_no_view_shows_is_refused(stores):
    parts = [gathered({"a": [[1.0]]}, 1), gathered({"b": [[1.0]]}, 1)]
    with pytest.raises(InputError, match="'c': no view of it"):
        join_features(parts, ["a", "c"])
    with open_features(stores / "panoramic") as store, pytest.raises(InputError, match="'c'"):
        gather_joined((store,), ["a", "c"])


@pytest.mark.parametrize("present", [np.ones((3, 3), np.bool_), np.ones(3, np.bool_), np.ones((3, 2))])
def test_presence_of_another_shape_is_refused(present):
    with pytest.raises(InputError, match="expected bool"):
        JoinedViews((2, 4), present)


def test_a_missing_view_is_the_same_as_its_mean():
    rng = np.random.default_rng(0)
    weights = make_weights(2, 3, 5)
    weights = HeadParameters(**weights.tensors(), missing=rng.normal(size=5))
    rows, present = rng.normal(size=(40, 5)).astype(np.float16), rng.random((40, 2)) < 0.7
    by_hand = rows.astype(np.float32)
    by_hand[~present[:, 0], :2] = weights.missing[:2]
    by_hand[~present[:, 1], 2:] = weights.missing[2:]
    garbage = rows.copy()
    garbage[~present[:, 0], :2] = 999
    found = predict_probabilities(weights, garbage, views=JoinedViews((2, 3), present))
    for one, other in zip(found, predict_probabilities(weights, by_hand), strict=True):
        np.testing.assert_array_equal(one, other)
    assert not np.allclose(found[0], predict_probabilities(weights, garbage)[0])
    assert (garbage[~present[:, 0], :2] == 999).all()  # what was given is left as it was


def test_filling_is_in_place_and_leaves_what_is_there():
    values = np.arange(12, dtype=np.float32).reshape(3, 4)
    views = JoinedViews((3, 1), np.array([[True, True], [False, True], [False, False]]))
    fill_missing(values, views, views.present)
    assert values.tolist() == [[0, 1, 2, 3], [0, 0, 0, 7], [0, 0, 0, 0]]


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 999), st.integers(1, 4), st.sampled_from([0.0, 0.2, 0.9]))
def test_a_row_never_loses_all_its_views_nor_gains_one(seed, num_views, dropout):
    rng = np.random.default_rng(seed)
    present = rng.random((60, num_views)) < 0.6
    left = drop_views(present, dropout, np.random.default_rng(seed))
    assert not (left & ~present).any()
    assert (left.any(axis=1) == present.any(axis=1)).all()
    assert (left == drop_views(present, dropout, np.random.default_rng(seed))).all()
    if dropout == 0:
        assert (left == present).all()


def test_views_are_dropped_as_often_as_said():
    present = np.ones((60_000, 3), np.bool_)
    present[:, 2] = False
    left = drop_views(present, 0.3, np.random.default_rng(1))
    both, none = (1 - 0.3) ** 2, 0.3**2
    assert np.isclose((left.sum(axis=1) == 2).mean(), both, atol=0.01)
    for view in (0, 1):  # alone: the other is dropped, or both would be
        assert np.isclose((left[:, view] & ~left[:, 1 - view]).mean(), 0.3 * 0.7 + none / 2, atol=0.01)


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    """Four stores in one folder: three views, one of them also at another step."""
    folder = tmp_path_factory.mktemp("views")
    rng = np.random.default_rng(5)
    for name, spec, ids in (
        ("panoramic", make_spec(4, view="panoramic"), ("a", "b")),
        ("front", make_spec(3, view="front_view", trunk="resnet50"), ("c", "a")),
        ("ego", make_spec(2, view="ego", step_seconds=1.0), ("a",)),
        ("front-fp16", make_spec(3, view="front_view", precision="fp16"), ("a",)),
    ):
        count = {"panoramic": 4, "front": 6}.get(name, 2)
        write_parts(folder / name, [make_features(rng, i, count, spec.embedding_size) for i in ids], 1, spec)
    return folder


def opened(stores, names, views, stack, progress=None):
    return open_views([stores / name for name in names], views, stack, progress or Recorder())


def test_views_come_in_the_order_of_their_names(stores):
    with ExitStack() as stack:
        for views in (("panoramic", "front_view"), ("front_view", "panoramic")):
            found = opened(stores, ("panoramic", "front"), views, stack)
            assert [store.spec.view for store in found] == ["front_view", "panoramic"]
        joined = gather_joined(found, ["a", "b", "c"])
        assert joined.views.sizes == (3, 4)
        assert np.diff(joined.row_offset).tolist() == [6, 4, 6]
        assert (
            joined.views.present.tolist()
            == [[True, True]] * 4 + [[True, False]] * 2 + [[False, True]] * 4 + [[True, False]] * 6
        )
        alone = gather_features(found[1], ["b"])
        np.testing.assert_array_equal(joined.embeddings[6:10, 3:], alone.embeddings)
        progress = Recorder()
        warn_of_lacking_views(found, ["a", "b", "c"], progress)
        assert progress.of("warn") == [
            ("warn", "view 'front_view': 1 of 3 videos lack it, such as 'b': it is masked there"),
            ("warn", "view 'panoramic': 1 of 3 videos lack it, such as 'c': it is masked there"),
        ]


def test_one_view_can_be_picked_and_the_others_are_left_aside(stores):
    progress = Recorder()
    with ExitStack() as stack:
        (found,) = opened(stores, ("panoramic", "front"), ("panoramic",), stack, progress)
        assert found.spec.view == "panoramic"
    assert [call[1].partition(": ")[2] for call in progress.of("note")] == [
        "shows the view 'front_view'; it is left aside"
    ]


@pytest.mark.parametrize(
    ("names", "views", "error", "reason"),
    [
        (("panoramic", "front"), ("panoramic", "front_veiw"), ConfigurationError, "did you mean 'front_view'"),
        (("panoramic", "front"), ("panoramic", "zzz"), ConfigurationError, "tsmfeat extract --view zzz"),
        (("panoramic", "front"), ("panoramic", "panoramic"), ConfigurationError, "one is named twice"),
        (("panoramic", "ego"), ("panoramic", "ego"), SpecMismatchError, r"ego 1 s .*; panoramic 0\.5 s .* interval by"),
        (("front", "front-fp16"), ("front_view",), SpecMismatchError, "2 kinds of features .*trunk: resnet50 / res"),
        (("panoramic", "nowhere"), ("panoramic",), StoreError, "nowhere"),
    ],
)
def test_views_that_cannot_be_joined_are_refused(stores, names, views, error, reason):
    with ExitStack() as stack, pytest.raises(error, match=reason) as caught:
        opened(stores, names, views, stack)
    assert caught.value.exit_code == {ConfigurationError: 2, SpecMismatchError: 6, StoreError: 4}[error]


def test_without_names_all_files_are_one_store(stores):
    with ExitStack() as stack:
        assert len(opened(stores, ("panoramic",), (), stack)) == 1
        with pytest.raises(SpecMismatchError):
            opened(stores, ("panoramic", "front"), (), stack)
    with open_features(stores / "panoramic") as store:
        assert store.spec.view == "panoramic"
