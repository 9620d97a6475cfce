"""Scene accuracy by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsmfeat.metrics.scenes import SceneAccuracy, scene_accuracy
from tsmfeat.values.annotations import Annotations
from tsmfeat.values.predictions import Predictions
from tsmfeat.values.segments import Segments
from tsmfeat.values.vocabulary import Vocabulary

NONE = Vocabulary(())
SCENES = tuple("abcdefg")


def truth_of(scenes):
    """scenes: {video: name or None}; the vocabulary in alphabetical order."""
    names = tuple(sorted({name for name in scenes.values() if name}))
    return Annotations(
        tuple(scenes),
        NONE,
        Segments.empty(),
        np.full(len(scenes), np.nan),
        ("",) * len(scenes),
        [names.index(name) if name else -1 for name in scenes.values()],
        Vocabulary(names),
    )


def guess_of(scores, names=SCENES):
    """scores: {video: one score per name}."""
    table = np.array(list(scores.values()), np.float64).reshape(len(scores), len(names))
    return Predictions(tuple(scores), NONE, Segments.empty(), Vocabulary(names), table)


def numbers(found):
    return found.top1, found.top5, found.num_videos


def test_the_highest_score_is_the_scene_and_the_five_highest_the_top_five():
    descending = [7, 6, 5, 4, 3, 2, 1]
    guess = guess_of({"v1": descending, "v2": descending, "v3": descending, "v4": descending})
    # First place, second, fifth, sixth.
    found = scene_accuracy(guess, truth_of({"v1": "a", "v2": "b", "v3": "e", "v4": "f"}))
    assert numbers(found) == (0.25, 0.75, 4)


def test_scenes_and_videos_are_matched_by_name():
    guess = guess_of({"v2": [0.1, 0.9], "v1": [0.8, 0.2]}, names=("shop", "park"))
    assert scene_accuracy(guess, truth_of({"v1": "shop", "v2": "park"})).top1 == 1.0
    assert scene_accuracy(guess, truth_of({"v1": "park", "v2": "shop"})).top1 == 0.0


def test_of_equal_scores_the_first_name_wins():
    guess = guess_of({"v": [0.5, 0.5]}, names=("shop", "park"))
    assert scene_accuracy(guess, truth_of({"v": "shop"})).top1 == 1.0
    assert scene_accuracy(guess, truth_of({"v": "park"})).top1 == 0.0


def test_videos_without_an_annotated_scene_do_not_count():
    guess = guess_of({"v": [1, 0], "w": [1, 0]}, names=("shop", "park"))
    assert numbers(scene_accuracy(guess, truth_of({"v": "shop", "w": None}))) == (1.0, 1.0, 1)


def test_annotated_videos_without_a_predicted_scene_are_wrong():
    guess = guess_of({"v": [1, 0], "w": [np.nan, np.nan]}, names=("shop", "park"))
    found = scene_accuracy(guess, truth_of({"v": "shop", "w": "shop", "x": "shop", "y": "beach"}))
    assert numbers(found) == (0.25, 0.25, 4)


def test_a_scene_without_a_score_is_no_guess():
    guess = guess_of({"v": [np.nan, 0.1]}, names=("shop", "park"))
    assert scene_accuracy(guess, truth_of({"v": "shop"})).top5 == 0.0
    assert scene_accuracy(guess, truth_of({"v": "park"})).top1 == 1.0


@pytest.mark.parametrize(
    ("scores", "scenes"),
    [({"v": [1, 0]}, {"v": None}), ({"v": [np.nan, np.nan]}, {"v": "shop"}), ({}, {"v": "shop"})],
)
def test_nothing_to_compare_is_none(scores, scenes):
    guess = guess_of(scores, names=("shop", "park"))
    found = scene_accuracy(guess, truth_of(scenes))
    assert found == SceneAccuracy(None, None, 0)
    assert found.mean_class is None


def test_every_scene_counts_alike_in_the_mean_over_scenes():
    guess = guess_of({"v": [1, 0], "w": [1, 0], "x": [1, 0], "y": [1, 0]}, names=("shop", "park"))
    found = scene_accuracy(guess, truth_of({"v": "shop", "w": "shop", "x": "park", "y": "shop", "z": "beach"}))
    assert found.classes == ("beach", "park", "shop")
    assert found.class_accuracy == (0.0, 0.0, 1.0)
    assert found.num_class_videos == (1, 1, 3)
    assert found.top1 == 0.6
    assert found.mean_class == pytest.approx(1 / 3)


@given(st.lists(st.tuples(st.sampled_from(SCENES), st.lists(st.integers(0, 3), min_size=7, max_size=7)), min_size=1))
def test_the_shares_are_those_of_a_plain_count(rows):
    names = [f"v{index}" for index in range(len(rows))]
    found = scene_accuracy(
        guess_of(dict(zip(names, [scores for _, scores in rows], strict=True))),
        truth_of(dict(zip(names, [scene for scene, _ in rows], strict=True))),
    )
    guessed = [SCENES[scores.index(max(scores))] for _, scores in rows]
    shares = []
    for scene in sorted({scene for scene, _ in rows}):
        own = [guess == scene for guess, (true, _) in zip(guessed, rows, strict=True) if true == scene]
        shares.append(sum(own) / len(own))
    assert found.mean_class == pytest.approx(sum(shares) / len(shares))
    assert list(found.class_accuracy) == shares
    assert found.top1 == sum(guess == scene for guess, (scene, _) in zip(guessed, rows, strict=True)) / len(rows)
