"""Extractions with trunks of other libraries, and of panoramas, on whole videos."""

import json
import sys
import types
from dataclasses import replace

import numpy as np
import pytest
from factories_videos import built_once, tiny_options, write_tiny_videos  # noqa: F401 - a fixture

from tsmfeat.errors import ConfigurationError, SpecMismatchError
from tsmfeat.store.reader import open_features
from tsmfeat.trunk.embedding import Embedder
from tsmfeat.trunk.loading import load_trunk
from tsmfeat.trunk.options import TrunkOptions
from tsmfeat.trunk.tsm import build_trunk
from tsmfeat.values.features import FeatureSpec
from tsmfeat.workflows import extract
from tsmfeat.workflows.extraction_plan import SpecOutput, VideoJob, plan_recipes
from tsmfeat.workflows.trunk_matching import match_trunks


def rows_of(path):
    with open_features(path) as store:
        return store.spec, {name: store.embeddings(name).astype(np.float32) for name in store.video_ids}


def test_timm_beside_tsm_in_one_pass_resumes_and_keeps_its_identity(tmp_path):
    pytest.importorskip("timm")
    videos = [str(path) for path in write_tiny_videos(tmp_path / "in", 2)]
    trunks = tuple(TrunkOptions(name, "random:0", 2, device="cpu") for name in ("resnet18", "timm:test_resnet"))
    options = tiny_options(video={})
    both = type(options)(trunks, options.video, step_seconds=0.5)
    report = extract(videos, tmp_path / "out", both)
    assert report.num_done == 2
    spec, rows = rows_of(tmp_path / "out" / "timm-test_resnet_t0.5.h5")
    assert (spec.trunk, spec.shift, spec.shift_div) == ("timm:test_resnet", False, 8)
    assert spec.checkpoint_digest == load_trunk(trunks[1]).checkpoint_digest
    assert {name: len(table) for name, table in rows.items()} == {"clip0": 2, "clip1": 3}
    assert extract(videos, tmp_path / "out", both).num_skipped == 2
    other = tiny_options(trunk="timm:test_resnet", checkpoint="random:1")
    with pytest.raises(SpecMismatchError, match="checkpoint_digest"):
        extract(videos, tmp_path / "out" / "timm-test_resnet_t0.5.h5", other)


def test_a_folder_of_hf_is_recorded_by_its_name(tmp_path):
    pytest.importorskip("transformers")
    config = {"model_type": "videomae", "image_size": 32, "num_frames": 2, "hidden_size": 24, "num_hidden_layers": 1}
    config |= {"num_attention_heads": 2, "intermediate_size": 48}
    (tmp_path / "tiny-mae").mkdir()
    (tmp_path / "tiny-mae" / "config.json").write_text(json.dumps(config))
    videos = [str(path) for path in write_tiny_videos(tmp_path / "in", 1)]
    extract(videos, tmp_path / "a.h5", tiny_options(trunk=f"hf:{tmp_path}/tiny-mae", resize="square32"))
    spec, rows = rows_of(tmp_path / "a.h5")
    assert (spec.trunk, spec.embedding_size) == ("hf:tiny-mae", 24)
    assert np.isfinite(rows["clip0"]).all()
    with pytest.raises(ConfigurationError, match=r"32×32 pixels only; they would have 48×48.*--resize square32"):
        extract(videos, tmp_path / "b.h5", tiny_options(trunk=f"hf:{tmp_path}/tiny-mae", resize="square48"))
    assert not (tmp_path / "b.h5").exists()
    assert not list(tmp_path.glob("b.h5*"))


def test_a_users_function_extracts_without_a_checkpoint(tmp_path, monkeypatch):
    module = types.ModuleType("own_trunks")

    def build(num_frames):
        trunk = build_trunk("resnet18", num_frames, "random:9", shift=False)
        trunk.embedding_size = 512
        return trunk

    module.build = build
    monkeypatch.setitem(sys.modules, "own_trunks", module)
    videos = [str(path) for path in write_tiny_videos(tmp_path / "in", 1)]
    extract(videos, tmp_path / "own.h5", tiny_options(trunk="python:own_trunks:build", checkpoint=""))
    extract(videos, tmp_path / "tsm.h5", tiny_options(checkpoint="random:9", shift="off"))
    (own, rows), (_, expected) = rows_of(tmp_path / "own.h5"), rows_of(tmp_path / "tsm.h5")
    assert own.trunk == "python:own_trunks:build"
    # Ours folds norms, the user's own network is left as it is.
    assert np.allclose(rows["clip0"], expected["clip0"], rtol=2e-3, atol=1e-4)


def test_raw_videos_find_the_trunk_that_heads_demand(tmp_path, monkeypatch):
    pytest.importorskip("timm")
    options = TrunkOptions("timm:test_resnet", "random:3", 2)
    like = FeatureSpec("resnet18", "0" * 64, 2, 0.5, 0.5, "square32", "pil", False, 8, "fp32", 512)
    spec = replace(like, trunk=options.trunk, checkpoint_digest=load_trunk(options).checkpoint_digest)
    assert match_trunks([spec], ["random:1", "random:3"]) == {spec: "random:3"}
    with pytest.raises(SpecMismatchError, match="random:1 has"):
        match_trunks([spec], ["random:1"])
    module = types.ModuleType("own_trunks")
    module.build = lambda num_frames: build_trunk("resnet18", num_frames, "random:9", shift=False)
    monkeypatch.setitem(sys.modules, "own_trunks", module)
    digest = load_trunk(TrunkOptions("python:own_trunks:build", "", 2)).checkpoint_digest
    own = replace(like, trunk="python:own_trunks:build", checkpoint_digest=digest)
    # A user's function needs no checkpoint.
    assert match_trunks([own], []) == {own: ""}


def test_panoramas_are_rolled_and_say_so_in_their_identity(tmp_path):
    videos = [str(path) for path in write_tiny_videos(tmp_path / "in", 1)]
    extract(videos, tmp_path / "plain.h5", tiny_options())
    extract(videos, tmp_path / "rolled.h5", tiny_options(resize="square32-roll4"))
    (plain, rows), (rolled, averaged) = rows_of(tmp_path / "plain.h5"), rows_of(tmp_path / "rolled.h5")
    assert (plain.geometry, rolled.geometry) == ("square32", "square32-roll4")
    assert np.abs(averaged["clip0"] - rows["clip0"]).max() > 1e-3
    trunk = build_trunk("resnet18", 2, "random:0")
    seen = []
    with pytest.MonkeyPatch.context() as patch:
        start = Embedder.start
        patch.setattr(Embedder, "start", lambda self, clips: (seen.append(clips.copy()), start(self, clips))[1])
        extract(videos, tmp_path / "again.h5", tiny_options(resize="square32-roll4"))
    plainly = Embedder(trunk, "cpu", "fp32", 8)
    clips = np.concatenate(seen)
    expected = np.mean([plainly(np.roll(clips, 8 * k, axis=3)).astype(np.float32) for k in range(4)], axis=0)
    assert np.allclose(averaged["clip0"], expected, rtol=2e-3, atol=1e-3)
    with pytest.raises(SpecMismatchError, match="geometry"):
        extract(videos, tmp_path / "rolled.h5", tiny_options())
    # Rolled or not, the clips are decoded, resized and sent once.
    outputs = [SpecOutput(spec, tmp_path, place) for place, spec in enumerate((plain, rolled))]
    assert len(plan_recipes(VideoJob(None, (0, 1)), outputs)) == 1
