"""Vocabulary, segments, annotations, predictions, features: checked once, at construction."""

import pickle
from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest

from tsmfeat import errors
from tsmfeat.errors import InputError, SpecMismatchError
from tsmfeat.values.annotations import Annotations
from tsmfeat.values.features import FeatureSpec, VideoFeatures, require_same_spec
from tsmfeat.values.predictions import IntervalScores, Predictions
from tsmfeat.values.segments import Segments
from tsmfeat.values.vocabulary import Vocabulary, require_same_names

WALK_RUN = Vocabulary(("walk", "run"))
SPEC = FeatureSpec("resnet18", "0" * 64, 8, 0.5, 0.5, "square256", "pil", True, 8, "fp32", 4)


def truth(**changes):
    fields = {
        "video_ids": ("a", "b"),
        "vocabulary": WALK_RUN,
        "segments": Segments([0, 1, 1], [0, 1, 0], [0.0, 1.0, 2.0], [1.0, 2.0, 3.0], [1.0, 1.0, 1.0]),
        "duration_seconds": np.array([5.0, np.nan]),
        "subset": ("training", "testing"),
        "scene": np.array([0, -1]),
        "scene_vocabulary": Vocabulary(("kitchen",)),
    }
    return Annotations(**{**fields, **changes})


# Vocabulary


def test_background_is_one_past_the_last_name():
    assert (WALK_RUN.id_of("walk"), WALK_RUN.id_of("run"), WALK_RUN.background) == (0, 1, 2)


@pytest.mark.parametrize(
    ("names", "found"), [(("a", "a"), "'a' occurs twice"), (("a", ""), "class 1"), ((3,), "class 0")]
)
def test_names_are_unique_texts(names, found):
    with pytest.raises(InputError, match=found):
        Vocabulary(names)


def test_a_mistyped_name_is_met_with_the_nearest():
    with pytest.raises(InputError) as caught:
        WALK_RUN.id_of("wlak")
    assert caught.value.hint == "did you mean 'walk'?"


def test_ids_of_unknown_names_can_be_mapped():
    assert WALK_RUN.ids_of(["run", "fly"], unknown=-1).tolist() == [1, -1]
    with pytest.raises(InputError, match="unknown class 'fly'"):
        WALK_RUN.ids_of(["fly"])


def test_differing_names_are_listed():
    with pytest.raises(SpecMismatchError, match=r"only in heads: \['run'\]; only in truth: \['fly'\]"):
        require_same_names(WALK_RUN, Vocabulary(("walk", "fly")), "heads", "truth")
    with pytest.raises(SpecMismatchError, match="another order"):
        require_same_names(WALK_RUN, Vocabulary(("run", "walk")), "heads", "truth")


# Segments


def test_segments_are_read_only():
    one = Segments([0], [0], [0.0], [1.0], [0.5])
    with pytest.raises(ValueError, match="read-only"):
        one.start[0] = 3.0
    with pytest.raises(FrozenInstanceError):
        one.start = np.zeros(1)  # type: ignore[misc]


def test_freezing_leaves_the_callers_array_writable():
    mine = np.zeros(1)
    Segments(np.zeros(1, np.int32), np.zeros(1, np.int32), mine, np.ones(1), np.ones(1))
    mine[0] = 2.0
    assert mine.flags.writeable


def test_the_first_bad_row_is_named():
    with pytest.raises(InputError, match="row 2 has label id -1"):
        Segments([0, 0, 0], [0, 1, -1], [0, 0, 0], [1, 1, 1], [1, 1, 1])
    with pytest.raises(InputError, match="equally long"):
        Segments([0], [0, 1], [0], [1], [1])
    with pytest.raises(InputError, match="one-dimensional"):
        Segments(*[np.zeros((1, 1))] * 5)


def test_taking_and_joining():
    three = Segments([0, 1, 2], [0, 0, 0], [0, 1, 2], [1, 2, 3], [0.1, 0.2, 0.3])
    assert three.take([]).video.tolist() == []
    assert three.take(three.score > 0.15).video.tolist() == [1, 2]
    assert Segments.concatenate([three, Segments.empty(), three]).score.tolist() == [0.1, 0.2, 0.3] * 2
    assert len(Segments.concatenate([])) == 0


# Annotations


def test_selecting_a_subset_renumbers_videos_and_keeps_names():
    testing = truth().select_subset("testing")
    assert testing.video_ids == ("b",)
    assert testing.segments.video.tolist() == [0, 0]
    assert testing.vocabulary == WALK_RUN
    assert testing.scene.tolist() == [-1]
    assert truth().subsets() == ("training", "testing")


def test_selecting_videos_follows_the_order_given():
    swapped = truth().select_videos([1, 0])
    assert swapped.video_ids == ("b", "a")
    assert swapped.segments.video.tolist() == [1, 0, 0]
    assert swapped.segments.start.tolist() == [0.0, 1.0, 2.0]


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"video_ids": ("a", "a")}, "'a' occurs twice"),
        ({"subset": ("training",)}, "subset has 1 entries for 2 videos"),
        ({"scene": np.array([1, 0])}, "scene"),
        ({"vocabulary": Vocabulary(("walk",))}, "row 1 has label id 1"),
        ({"video_ids": ("a",), "subset": ("",), "scene": [0], "duration_seconds": [1.0]}, "row 1 has video id 1"),
    ],
)
def test_annotations_check_themselves(changes, found):
    with pytest.raises(InputError, match=found):
        truth(**changes)


# Predictions and interval scores


def test_predictions_without_scenes_have_empty_scene_scores():
    assert Predictions(("a",), WALK_RUN, Segments.empty()).scenes().shape == (1, 0)


def test_predictions_check_scene_shape_and_ids():
    with pytest.raises(InputError, match=r"expected \(1, 2\)"):
        Predictions(("a",), WALK_RUN, Segments.empty(), Vocabulary(("k", "g")), np.zeros((2, 2)))
    with pytest.raises(InputError, match="row 0 has label id 2"):
        Predictions(("a",), WALK_RUN, Segments([0], [2], [0], [1], [1]))


@pytest.mark.parametrize(
    ("offsets", "rows", "found"),
    [([0, 3], 2, "shape"), ([1, 2], 2, "offsets"), ([0, 2, 2], 2, "offsets"), ([], 0, "offsets")],
)
def test_interval_scores_check_their_offsets(offsets, rows, found):
    with pytest.raises(InputError, match=found):
        IntervalScores(("a",), WALK_RUN, np.array(offsets, np.int64), np.zeros((rows, 3)), 0.5, np.array([1.0]))


# Features


def test_specs_round_trip_and_name_their_differences():
    other = replace(SPEC, step_seconds=1.0, checkpoint_digest="1" * 64)
    assert FeatureSpec.from_dict(SPEC.to_dict()) == SPEC
    assert SPEC.digest() != other.digest()
    with pytest.raises(
        SpecMismatchError, match=r"checkpoint_digest: 000000000000… / 111111111111…; step_seconds: 0.5 / 1.0"
    ):
        require_same_spec(SPEC, other, "heads", "store")


def test_whole_seconds_have_one_identity():
    assert (
        replace(SPEC, step_seconds=1, clip_seconds=1).digest()
        == replace(SPEC, step_seconds=1.0, clip_seconds=1.0).digest()
    )


def test_a_spec_of_another_version_is_refused():
    with pytest.raises(SpecMismatchError, match="'colour'"):
        FeatureSpec.from_dict({**SPEC.to_dict(), "colour": 1})


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_features_are_finite(bad):
    rows = np.zeros((3, 4), np.float16)
    rows[1, 2] = bad
    with pytest.raises(InputError, match="interval 1 has a NaN"):
        VideoFeatures("a", rows, 1.5, np.ones(3, np.uint8))


def test_the_largest_float16_is_finite():
    features = VideoFeatures("a", np.full((1, 4), 65504, np.float16), 0.5, np.ones(1, np.uint8))
    assert features.embeddings.max() == 65504


@pytest.mark.parametrize("video_id", ["", "a\0b", "a\nb", "\udcff", "\x7f", "ü" * 513])
def test_ids_a_store_cannot_hold_are_refused(video_id):
    with pytest.raises(InputError, match="video id"):
        VideoFeatures(video_id, np.zeros((0, 4), np.float16), 0.0, np.zeros(0, np.uint8))


@pytest.mark.parametrize("video_id", ["a/b", "../x", "..", " ", "ü" * 512, "日本"])
def test_ids_are_data_not_names(video_id):
    features = VideoFeatures(video_id, np.zeros((0, 4), np.float16), 0.0, np.zeros(0, np.uint8))
    assert features.video_id == video_id


def test_features_check_dtype_and_length():
    with pytest.raises(InputError, match="expected float16"):
        VideoFeatures("a", np.zeros((1, 4), np.float32), 0.5, np.ones(1, np.uint8))
    with pytest.raises(InputError, match="distinct_frames"):
        VideoFeatures("a", np.zeros((1, 4), np.float16), 0.5, np.ones(2, np.uint8))


# Errors


def test_errors_survive_the_way_between_processes():
    error = pickle.loads(pickle.dumps(errors.VideoError("found", "remedy")))
    assert (type(error), error.message, error.hint, str(error)) == (
        errors.VideoError,
        "found",
        "remedy",
        "found (hint: remedy)",
    )


def test_exit_codes_are_those_of_the_contract():
    codes = {kind.__name__: kind.exit_code for kind in vars(errors).values() if hasattr(kind, "exit_code")}
    assert codes == {
        "TsmfeatError": 1,
        "ConfigurationError": 2,
        "IncompleteError": 3,
        "InputError": 4,
        "VideoError": 4,
        "StoreError": 4,
        "CheckpointError": 4,
        "EnvironmentLackError": 5,
        "SpecMismatchError": 6,
        "OutputError": 7,
    }
