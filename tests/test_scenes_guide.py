"""The study of scenes: its dial is exact, its controls are what they say, and its guide tells what was measured."""

import json
import math
import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from tsmfeat.heads.options import HeadOptions

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "benchmarks"))
GUIDE, RESULT = ROOT / "docs" / "studies-scenes.md", ROOT / "benchmarks" / "results" / "study_scenes.json"

data, methods, study, tables = (
    import_module(name) for name in ("scene_embeddings", "scene_methods", "study_scenes", "scene_tables")
)


def naive_information(joint):
    return sum(
        p * math.log2(p / (sum(joint[s]) * sum(row[a] for row in joint)))
        for s in range(len(joint))
        for a, p in enumerate(joint[s])
        if p > 0
    )


@pytest.mark.parametrize("bits", study.BITS)
def test_the_dial_is_exact_and_moves_nothing_else(bits):
    joint = data.joint_distribution(data.NUM_ACTIONS, data.NUM_SCENES, bits)
    assert naive_information(joint.tolist()) == pytest.approx(bits, abs=1e-9)
    np.testing.assert_allclose(joint.sum(axis=0), 1 / data.NUM_ACTIONS, rtol=1e-9)
    np.testing.assert_allclose(joint.sum(axis=1), 1 / data.NUM_SCENES, rtol=1e-9)


def test_what_is_drawn_follows_the_dial():
    for bits in study.BITS:
        videos = data.make_videos(bits, 800, 3)
        counts = np.zeros((data.NUM_SCENES, data.NUM_ACTIONS))
        np.add.at(counts, (videos.truth.scene[videos.truth.segments.video], videos.truth.segments.label), 1)
        assert naive_information((counts / counts.sum()).tolist()) == pytest.approx(bits, abs=0.06)
    assert videos.row_offset[-1] == len(videos.embeddings)
    np.testing.assert_array_equal(np.diff(videos.row_offset), videos.truth.duration_seconds)


def test_permuted_scenes_tell_nothing_of_the_true_ones():
    truth = data.make_videos(2.0, 40, 0).truth
    other = methods.permute_scenes(truth, 1)
    np.testing.assert_array_equal(np.bincount(other.scene), np.bincount(truth.scene))
    pairs = np.zeros((data.NUM_SCENES, data.NUM_SCENES))
    np.add.at(pairs, (truth.scene, other.scene), 1)
    assert pairs.max() - pairs.min() <= 1
    assert other.segments is truth.segments
    assert (methods.permute_scenes(truth, 2).scene != other.scene).any()


def test_folds_part_the_videos_and_a_share_only_takes_from_the_training_ones():
    videos = data.make_videos(1.0, 23, 0)
    for share, least in ((1.0, 18), (0.5, 9)):
        folds = study.draw_folds(videos, 5, 7, share)
        assert sorted(np.concatenate([fold.held_out for fold in folds]).tolist()) == list(range(23))
        for fold in folds:
            assert not set(fold.training) & set(fold.held_out)
            assert len(fold.training) in (least, least + 1)
            assert len(set(fold.training)) == len(fold.training)


@pytest.mark.golden
def test_a_small_study_tells_of_every_method(capsys):
    videos = data.make_videos(2.0, 20, 5)
    extent = study.Extent(epochs=6, seeds=2, folds=2, resamples=20)
    plain = HeadOptions(epochs=6, lr=0.01, dropout=0.0, **study.COMMON)
    settings = {kind: replace(plain, head=kind, rank=4) for kind in study.GRIDS}
    found = study.study(videos, settings, extent)
    assert found["linear_equal_for_every_scene_weight"] is True
    assert list(found["methods"]) == [method.name for method in methods.list_methods(settings)]
    for row in found["methods"].values():
        assert 0 <= row["final"]["mean"] <= 1
    for name, other in study.DIFFERENCES:
        gain = found["methods"][name]["gains"][other]
        assert gain["mean"] == pytest.approx(
            found["methods"][name]["final"]["mean"] - found["methods"][other]["final"]["mean"], abs=1e-12
        )
    given, linear = (found["methods"][name]["final"]["mean"] for name in ("linear, true scene as input", "linear"))
    assert given != linear
    study.show("small", found)
    assert "over linear" in capsys.readouterr().out
    text = tables.make_table([("small", {**found, "bits": 2.0})])
    assert text.count("\n") == 6 + len(tables.GAINS)
    assert tables.EQUAL in text


@pytest.fixture(scope="module")
def result():
    if not RESULT.exists():
        pytest.skip("the results are not installed")
    return json.loads(RESULT.read_text())


def test_the_guide_holds_the_tables_of_the_result(result):
    guide = GUIDE.read_text()
    found = tables.list_tables(result)
    assert {"dial", "budget"} <= set(found)
    for name, table in found.items():
        assert table in guide, name


def test_the_result_is_of_a_whole_run(result):
    for part in result.values():
        assert part["extent"]["seeds"] >= 5
        assert part["extent"]["folds"] >= 5
        assert part["cpu_seconds"] < 600
        for found in part["studies"].values():
            assert found["linear_equal_for_every_scene_weight"] is True
