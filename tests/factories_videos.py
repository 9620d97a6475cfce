"""Tiny MP4 files to extract, options that make an extraction take half a second, and what is stored of them."""

import zlib
from functools import cache

import numpy as np
import pytest

from tsmfeat.store.folders import output_files
from tsmfeat.store.options import StoreOptions
from tsmfeat.store.reader import open_features
from tsmfeat.trunk.loading import load_trunk
from tsmfeat.trunk.options import TrunkOptions
from tsmfeat.trunk.tsm import build_trunk
from tsmfeat.video.encoding import write_video
from tsmfeat.video.options import VideoOptions
from tsmfeat.workflows import extract
from tsmfeat.workflows.options import ExtractOptions

FPS = 10
STEP = 0.5
# A part for every video: the smallest unit a run can be stopped at.
EAGER = StoreOptions(part_bytes=1)
# Intervals of four tiny videos.
COUNTS = {"clip0": 2, "clip1": 3, "clip2": 4, "clip3": 5}


def write_tiny_video(path, seconds=2.0, seed=0, fps=FPS):
    """Write blobs that drift, 32 × 48 pixels; every seed and every frame looks different."""
    rng = np.random.default_rng(seed)
    phase, speed = rng.uniform(0, 6, (3, 1, 1)), rng.uniform(0.2, 0.6, (3, 1, 1))
    y, x = np.mgrid[:32, :48]
    frames = (
        np.sin(x / 6 + phase + speed * n) * np.cos(y / 5 - phase) * 100 + 128 for n in range(round(seconds * fps))
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    write_video(path, (np.moveaxis(frame, 0, 2).astype(np.uint8) for frame in frames), fps=fps)
    return path


def write_tiny_videos(folder, num_videos=3, first=0):
    """Write videos `clip0.mp4`, … of 1, 1.5, 2, 2.5, 1, … seconds."""
    return [
        write_tiny_video(folder / f"clip{index}.mp4", 1 + index % 4 / 2, seed=index)
        for index in range(first, first + num_videos)
    ]


def tiny_options(
    *,
    checkpoint="random:0",
    num_frames=2,
    resize="square32",
    precision="auto",
    shift="auto",
    device="cpu",
    batch_size=None,
    workers=1,
    allow_partial=False,
    trunk="resnet18",
    step_seconds=STEP,
    video=None,
    **options,
):
    """Return options of an extraction with small frames, few frames and one reader."""
    return ExtractOptions(
        TrunkOptions(trunk, checkpoint, num_frames, shift, precision=precision, device=device, batch_size=batch_size),
        VideoOptions(resize, allow_partial, workers=workers, **(video or {})),
        step_seconds=step_seconds,
        **options,
    )


@pytest.fixture(autouse=True)
def built_once(monkeypatch):
    """Build every random trunk once a session instead of once an extraction; an extraction does not change it."""
    monkeypatch.setattr("tsmfeat.workflows.extraction.load_trunk", _load_once)


_build_once = cache(build_trunk)


def _load_once(options):
    """Load as the options say; a file can change between two extractions, what a seed gives cannot."""
    if ":" in options.trunk or not options.checkpoint.startswith("random:"):
        return load_trunk(options)
    shift = options.shift != "off"
    return _build_once(options.trunk, options.num_frames, options.checkpoint, shift=shift, shift_div=options.shift_div)


def leave_parts(videos, out):
    """Leave an output as a killed run does, a part for every video and nothing packed; return the parts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tsmfeat.workflows.extraction.pack_output", lambda *_: None)
        # A part of equal content made in the same second would be the same part.
        patch.setattr("tsmfeat.store.writer.timestamp_now", lambda: "2026-01-31T12:00:00+00:00")
        extract([str(path) for path in videos], out, tiny_options(store=EAGER, batch_size=1))
    return output_files(out)


def stored_checksums(out):
    """Return the CRC-32 of every stored video's embeddings, all rows read and checked to be finite."""
    with open_features(output_files(out)) as store:
        assert all(np.isfinite(store.embeddings(video_id).astype(np.float32)).all() for video_id in store.video_ids)
        return {video_id: zlib.crc32(store.embeddings(video_id).tobytes()) for video_id in store.video_ids}


def stored_counts(out):
    """Return the number of intervals of every stored video."""
    with open_features(output_files(out)) as store:
        return {video_id: len(store.embeddings(video_id)) for video_id in store.video_ids}


class Listener:
    """A `Progress` that remembers what it was told."""

    def __init__(self):
        self.notes, self.warnings, self.done, self.begun = [], [], [], []

    def show(self, lines):
        self.lines = lines

    def begin(self, task, total, unit):
        self.begun.append((task, total, unit))

    def advance(self, amount=1.0, detail=""):
        self.done.append(detail)

    def end(self):
        pass

    def note(self, message):
        self.notes.append(message)

    def warn(self, message):
        self.warnings.append(message)
