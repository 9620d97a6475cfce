import hashlib

import numpy as np
import pytest
from factories_heads import Recorder
from hypothesis import given, settings
from hypothesis import strategies as st

from tsmfeat.errors import ConfigurationError, InputError
from tsmfeat.values.annotations import Annotations
from tsmfeat.values.segments import Segments
from tsmfeat.values.vocabulary import Vocabulary
from tsmfeat.workflows.splits import choose_subset, held_out_subset, select_videos, split_videos


def truth_of(*subsets):
    """One video a subset name: a, b, c, ..."""
    ids = tuple("abcdefghijklmnopqrstuvwxyz"[: len(subsets)])
    count = len(ids)
    segments = Segments(range(count), [0] * count, [0.0] * count, [1.0] * count, [1.0] * count)
    return Annotations(ids, Vocabulary(("run",)), segments, [9.0] * count, subsets, [-1] * count, Vocabulary(()))


def split(truth, stored=None, subset="", validation_subset=""):
    progress = Recorder()
    found = split_videos(truth, truth.video_ids if stored is None else stored, subset, validation_subset, progress)
    return found, [call[1] for call in progress.of("warn")]


@pytest.mark.parametrize(("train", "val"), [("train", "val"), ("training", "validation"), ("Training", "VALID")])
def test_subsets_are_found_by_their_usual_names(train, val):
    found, warnings = split(truth_of(train, val, "testing", train))
    assert found.training == ("a", "d")
    assert found.validation == ("b",)
    assert not warnings
    assert found.described == f"training: 2 videos of subset {train!r}; validation: 1 of subset {val!r}"


def test_named_subsets_win_over_the_usual_names():
    found, _ = split(truth_of("train", "val", "extra", "dev"), subset="extra", validation_subset="dev")
    assert (found.training, found.validation) == (("c",), ("d",))


def test_training_on_what_is_called_testing_is_warned_of():
    truth = truth_of("training", "testing", "testing")
    found, warnings = split(truth, subset="testing")
    assert found.subset == "testing"
    assert warnings == ["subset 'testing' is trained on: scores of its videos say nothing about others"]
    assert held_out_subset(truth.subsets(), found.subset) == "training"
    assert split(truth)[0].subset == "training"


def test_a_hash_sets_a_tenth_aside_where_no_validation_subset_exists():
    truth = truth_of(*["train"] * 20)
    found, warnings = split(truth)
    by_hash = sorted(truth.video_ids, key=lambda name: hashlib.sha256(name.encode()).digest())
    assert set(found.validation) == set(by_hash[:2])
    assert found.training == tuple(name for name in truth.video_ids if name not in by_hash[:2])
    assert found.described.endswith("validation: 2 more, set aside by the hash of their ids")
    assert not warnings


def test_a_single_training_video_is_never_set_aside():
    found, _ = split(truth_of("train", "test"))
    assert (found.training, found.validation) == (("a",), ())


def test_no_training_subset_means_all_but_the_validation_videos_and_a_warning():
    found, warnings = split(truth_of("one", "two", "val"))
    assert (found.training, found.validation) == (("a", "b"), ("c",))
    assert warnings == ["no single subset is called train or training: all are trained on (one, two)"]


def test_two_names_for_training_are_no_single_match():
    found, warnings = split(truth_of("train", "training", "val"))
    assert found.training == ("a", "b")
    assert "train, training" in warnings[0]


def test_videos_without_any_subset_are_trained_on_without_a_warning():
    found, warnings = split(truth_of("", "", ""))
    assert len(found.training) == 2
    assert len(found.validation) == 1
    assert not warnings


def test_videos_without_features_are_counted_and_named():
    found, warnings = split(truth_of("train", "train", "train", "val", "val"), stored={"a", "d"})
    assert (found.training, found.validation) == (("a",), ("d",))
    assert warnings == [
        "2 of 3 training videos have no features, such as 'b'",
        "1 of 2 validation videos have no features, such as 'e'",
    ]


def test_no_training_video_with_features_is_an_input_error():
    with pytest.raises(InputError, match="none of the 2 annotated training videos has features"):
        split(truth_of("train", "train", "val"), stored={"c", "x"})


def test_a_usual_validation_subset_without_features_falls_back_to_the_hash():
    found, warnings = split(truth_of("train", "train", "val"), stored={"a", "b"})
    assert len(found.training) == len(found.validation) == 1
    assert warnings == ["1 of 1 validation videos have no features, such as 'c'"]


def test_a_named_validation_subset_without_features_is_refused():
    with pytest.raises(InputError, match="nothing to select by"):
        split(truth_of("train", "val"), stored={"a"}, validation_subset="val")


@pytest.mark.parametrize("which", ["subset", "validation_subset"])
def test_a_mistyped_subset_is_refused_with_the_nearest(which):
    with pytest.raises(ConfigurationError, match="'trian' does not occur") as caught:
        split(truth_of("train", "val"), **{which: "trian"})
    assert caught.value.hint == "did you mean 'train'?"


def test_a_file_without_subsets_says_so():
    with pytest.raises(ConfigurationError) as caught:
        split(truth_of("", ""), subset="zzz")
    assert caught.value.hint == "subsets are not given in this file"


def test_training_on_what_is_usually_validated_on_sets_a_part_of_it_aside():
    found, _ = split(truth_of("train", "val", "val"), subset="val")
    assert {*found.training, *found.validation} == {"b", "c"}
    assert len(found.training) == len(found.validation) == 1


def test_a_file_with_validation_videos_only_can_be_trained_on_by_name_only():
    truth = truth_of("val", "val")
    with pytest.raises(InputError, match="none of the 0 annotated training videos"):
        split(truth)
    assert len(split(truth, subset="val")[0].training) == 1


def test_the_same_subset_cannot_train_and_validate():
    with pytest.raises(ConfigurationError, match="to train on and to select by"):
        split(truth_of("train", "val"), validation_subset="train")


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(["train", "val", "test", "", "other"]), min_size=1, max_size=20), st.data())
def test_a_split_is_disjoint_stored_and_in_the_order_of_the_file(subsets, data):
    truth = truth_of(*subsets)
    stored = data.draw(st.sets(st.sampled_from(truth.video_ids)))
    try:
        found, _ = split(truth, stored)
    except InputError:
        return
    assert not set(found.training) & set(found.validation)
    assert set(found.training) | set(found.validation) <= stored
    for side in (found.training, found.validation):
        places = [truth.video_ids.index(name) for name in side]
        assert places == sorted(places)
    if "train" in subsets:
        assert {truth.subset[truth.video_ids.index(name)] for name in found.training} == {"train"}


def test_one_subset_is_scored_without_being_named():
    truth = truth_of("x", "x")
    assert choose_subset(truth, "") is truth
    assert choose_subset(truth, "x").video_ids == ("a", "b")


def test_several_subsets_and_none_named_are_listed():
    with pytest.raises(ConfigurationError, match=r"3 subsets \('train', 'val', 'my test'\)") as caught:
        choose_subset(truth_of("train", "val", "my test"), "")
    assert caught.value.hint == "add --subset val"
    assert caught.value.exit_code == 2


def test_the_hint_for_a_subset_is_quoted_for_the_shell():
    with pytest.raises(ConfigurationError) as caught:
        choose_subset(truth_of("train", "my set"), "")
    assert caught.value.hint == "add --subset 'my set'"


@pytest.mark.parametrize(
    ("subsets", "expected"),
    [
        (["training", "Test", "val"], "Test"),
        (["val", "train"], "val"),
        (["train", "rest"], "rest"),
        (["rest", "train"], "rest"),
        (["train", ""], "train"),
        (["train"], ""),
        ([], ""),
    ],
)
def test_the_subset_to_score_next_is_the_held_out_one(subsets, expected):
    assert held_out_subset(subsets) == expected


def test_videos_are_selected_in_the_order_of_the_file():
    chosen = select_videos(truth_of("x", "y", "z"), ["c", "nobody", "a"])
    assert chosen.video_ids == ("a", "c")
    assert np.array_equal(chosen.segments.video, [0, 1])
