import numpy as np
import pytest
from factories_heads import make_weights
from factories_store import make_features, make_spec, write_parts

from tsmfeat.errors import InputError
from tsmfeat.heads.model import HeadParameters
from tsmfeat.store.reader import open_features
from tsmfeat.values.vocabulary import Vocabulary
from tsmfeat.workflows.inference import gather_features, score_intervals

ACTIONS, SCENES = Vocabulary(("run", "eat")), Vocabulary(("kitchen", "garden", "street"))


@pytest.fixture
def videos(rng):
    return [make_features(rng, video_id, count, 4) for video_id, count in (("a", 3), ("b", 0), ("c", 5))]


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def store(tmp_path, videos):
    write_parts(tmp_path / "store", videos, 2, make_spec(4, step_seconds=0.25))
    with open_features(tmp_path / "store") as opened:
        yield opened


def test_features_are_gathered_in_the_order_asked_for(store, videos):
    gathered = gather_features(store, ["c", "a"])
    assert gathered.video_ids == ("c", "a")
    assert gathered.row_offset.tolist() == [0, 5, 8]
    assert np.array_equal(gathered.embeddings, np.concatenate([videos[2].embeddings, videos[0].embeddings]))
    assert gathered.step_seconds == 0.25
    assert gathered.duration_seconds.tolist() == [videos[2].duration_seconds, videos[0].duration_seconds]


def test_no_video_is_gathered_as_no_rows(store):
    gathered = gather_features(store, [])
    assert gathered.embeddings.shape == (0, 4)
    assert gathered.row_offset.tolist() == [0]


def test_an_unknown_video_is_refused(store):
    with pytest.raises(InputError, match="'nobody'"):
        gather_features(store, ["a", "nobody"])


def softmax(scores):
    shifted = np.exp(scores - scores.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)


def test_scores_are_softmax_of_the_heads_and_scenes_the_mean_of_log_probabilities(store, videos):
    weights = make_weights(2, 3, 4)
    scores = score_intervals(weights, gather_features(store, ["a", "b", "c"]), ACTIONS, SCENES)
    rows = np.concatenate([video.embeddings for video in videos]).astype(np.float64)
    assert np.allclose(scores.scores, softmax(rows @ weights.action_weight.T + weights.action_bias), atol=1e-5)
    assert scores.row_offset.tolist() == [0, 3, 3, 8]
    logs = np.log(softmax(rows @ weights.scene_weight.T + weights.scene_bias))
    for video, (first, last) in {0: (0, 3), 2: (3, 8)}.items():
        expected = np.exp(logs[first:last].mean(axis=0))
        assert np.allclose(scores.scene_scores[video] / scores.scene_scores[video].sum(), expected / expected.sum())
    assert np.isnan(scores.scene_scores[1]).all()  # a video without intervals has no scene


def test_heads_without_scenes_give_none(store):
    with_scenes = make_weights(2, 3, 4)
    weights = HeadParameters(with_scenes.action_weight, with_scenes.action_bias)
    scores = score_intervals(weights, gather_features(store, ["a"]), ACTIONS, SCENES)
    assert len(scores.scene_vocabulary) == 0
    assert scores.scene_scores is None
