"""Kinds are told by content; the name decides only where there is nothing to read."""

import gzip
import json
import os

import numpy as np
import pytest
import torch
from conftest import DATA
from factories_store import make_videos, write_parts
from factories_video import make_video

from tsmfeat.errors import InputError
from tsmfeat.files import save_tensors
from tsmfeat.workflows.failures import Failure, save_failures
from tsmfeat.workflows.kinds import KIND_NAMES, holds_store, recognize

GOLDEN = DATA / "evaluation"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A file of every kind; none has a name that gives it away."""
    folder = tmp_path_factory.mktemp("kinds")
    write_parts(folder / "parts", make_videos(3))
    next((folder / "parts").iterdir()).rename(folder / "features")
    write_parts(folder / "parts", make_videos(3))
    save_tensors(folder / "heads", {"w": np.zeros(2, np.float32)}, {"kind": "heads", "version": 1})
    save_tensors(folder / "trunk", {"w": np.zeros(2, np.float32)}, {"kind": "trunk", "version": 1})
    torch.save({"w": torch.zeros(2)}, folder / "torch")
    make_video(folder / "video.mp4", range(5)).rename(folder / "video")
    save_failures(folder / "failures", {"a": Failure("a", "a.mp4", "probe", "no video")}, ["a"])
    for kind, name in (("predictions", "pred_binego_like.json"), ("annotations", "gt_binego_like.json")):
        content = (GOLDEN / name).read_bytes()
        (folder / kind).write_bytes(content)
        (folder / f"{kind}.zipped").write_bytes(gzip.compress(content))
    (folder / "table").write_text("video_id,label,start,end\nv,run,0,1\n")
    (folder / "scored").write_text("video_id,label,start,end,score\nv,run,0,1,0.5\n")
    (folder / "submission").write_text('id,prediction\nv_0_10,"[[1, 0, 5, 0.5]]"\n')
    (folder / "solution").write_text('id,label,Usage\nv_0_10,"[[1, 0, 5]]",Public\n')
    (folder / "thumos").write_text("v 0.5 2.0 26 0.75\n")
    (folder / "thumos14").mkdir()
    (folder / "thumos14" / "Diving_test.txt").write_text("v 0.5 2.0\n")
    (folder / "x360").mkdir()
    key = {"duration": [0, 1], "action": {"1": "run"}}
    (folder / "x360" / "v.json").write_text(json.dumps({"metadata": {"1": key}}))
    (folder / "films" / "deep").mkdir(parents=True)
    (folder / "films" / "deep" / "a.mp4").write_bytes(b"x")
    (folder / "empty").mkdir()
    return folder


KINDS = {
    "features": "features",
    "parts": "features",
    "heads": "heads",
    "trunk": "trunk",
    "torch": "trunk",
    "video": "video",
    "failures": "failures",
    "predictions": "predictions",
    "predictions.zipped": "predictions",
    "annotations": "annotations",
    "annotations.zipped": "annotations",
    "table": "annotations",
    "scored": "predictions",
    "submission": "predictions",
    "solution": "annotations",
    "thumos": "predictions",
    "thumos14": "annotations",
    "x360": "annotations",
    "films": "videos",
    "empty": "features",
}


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_is_told_by_its_content(folder, name):
    assert recognize(folder / name) == KINDS[name]
    assert KINDS[name] in KIND_NAMES


def test_the_name_decides_where_the_content_tells_nothing(tmp_path):
    (tmp_path / "notes.mp4").write_text("no video")
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "notes.h5").write_text("no store")
    assert recognize(tmp_path / "notes.mp4") == recognize(tmp_path / "empty.mp4") == "video"
    assert recognize(tmp_path / "notes.h5") == recognize(tmp_path / "missing.h5") == "features"


@pytest.mark.parametrize("content", ["", "notes", '{"a": 1'])
def test_what_is_no_kind_is_refused(tmp_path, content):
    (tmp_path / "notes").write_text(content)
    with pytest.raises(InputError, match="notes"):
        recognize(tmp_path / "notes")


def test_what_is_not_there_is_refused(tmp_path):
    for name in ("missing", "missing/below", "nul\0"):
        with pytest.raises(InputError, match="cannot be reached"):
            recognize(tmp_path / name)


def test_a_pipe_is_refused_without_opening_it(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="a pipe, socket or device"):
        recognize(tmp_path / "pipe")


def test_a_file_that_may_not_be_read_is_refused(folder, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.open", refuse)
    with pytest.raises(InputError, match="cannot be read"):
        recognize(folder / "video")


def test_stores_are_there_before_they_are_packed(folder, tmp_path):
    (tmp_path / "x.parts").mkdir()
    assert holds_store(tmp_path / "x.h5")
    assert not holds_store(tmp_path / "y.h5")
    assert holds_store(folder / "features")
    assert not holds_store(folder / "video")
