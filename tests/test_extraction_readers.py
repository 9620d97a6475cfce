"""Extraction with either decoder and filter, and what becomes of a run whose readers break down."""

import os
import signal
from pathlib import Path

import numpy as np
import pytest
from factories_reading import children
from factories_video import make_video
from factories_videos import Listener, built_once, stored_checksums, tiny_options, write_tiny_videos
from typer.testing import CliRunner

from tsmfeat.errors import SpecMismatchError
from tsmfeat.store.folders import output_files
from tsmfeat.store.reader import open_features
from tsmfeat.values.features import Decoder
from tsmfeat.workflows import extract
from tsmfeat.workflows.failures import failures_path, load_failures
from tsmfeat_cli.main import app

__all__ = ["built_once"]


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("videos")
    write_tiny_videos(folder, 3)
    return folder


@pytest.fixture(scope="module")
def truth(videos, tmp_path_factory):
    out = tmp_path_factory.mktemp("truth") / "x.h5"
    extract([str(videos)], out, tiny_options(batch_size=1))
    return stored_checksums(out)


class Accidents:
    """A `should_stop` that never stops, but sends a signal to the first readers it meets."""

    def __init__(self, number, times):
        self.number, self.left, self.met = number, times, children()

    def __call__(self):
        for pid in children() - self.met:
            if self.left:
                self.left -= 1
                self.met.add(pid)
                os.kill(pid, self.number)
        return False


def decoders(out):
    with open_features(output_files(out)) as store:
        return dict(zip(store.video_ids, map(Decoder, store.column("decoder").tolist()), strict=True))


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGSTOP])
def test_a_reader_that_breaks_down_changes_no_embedding(videos, truth, tmp_path, number):
    out, listener = tmp_path / "x.h5", Listener()
    options = tiny_options(batch_size=1, video={"reader_timeout_seconds": 1.0})
    report = extract([str(videos)], out, options, listener, Accidents(number, times=1))
    assert (report.num_done, report.num_failed) == (3, 0)
    assert stored_checksums(out) == truth
    assert sorted(decoders(out).values()) == [Decoder.PYAV, Decoder.PYAV, Decoder.DECORD]
    (warning,) = listener.warnings
    assert warning.endswith("; tried again with decord")


def test_a_reader_that_always_breaks_down_costs_its_video(videos, truth, tmp_path):
    out = tmp_path / "x.h5"
    report = extract([str(videos)], out, tiny_options(batch_size=1), Listener(), Accidents(signal.SIGKILL, times=2))
    assert (report.num_done, report.num_failed) == (2, 1)
    stored = stored_checksums(out)
    assert stored.items() <= truth.items()
    (failure,) = load_failures(failures_path(out)).values()
    assert failure.stage == "reader"
    assert failure.reason == "reader process ended by signal 9; then with decord: reader process ended by signal 9"
    again = extract([str(videos)], out, tiny_options(batch_size=1, retry_failed=True))
    assert (again.num_done, again.num_failed) == (1, 0)
    assert stored_checksums(out) == truth
    assert not failures_path(out).exists()


def test_decord_gives_equal_embeddings_and_is_recorded(videos, truth, tmp_path):
    stream = make_video(tmp_path / "a.ts", range(30))
    out = tmp_path / "x.h5"
    report = extract([str(videos), str(stream)], out, tiny_options(batch_size=1, video={"decoder": "decord"}))
    assert report.failed == ({"path": str(stream), "reason": "decord must not read it: its container is mpegts"},)
    assert stored_checksums(out) == truth
    assert set(decoders(out).values()) == {Decoder.DECORD}
    # The decoder is no part of the identity: the run goes on with another.
    assert extract([str(videos), str(stream)], out, tiny_options(retry_failed=True)).num_failed == 0


def test_the_readers_own_scaler_is_another_identity(videos, truth, tmp_path):
    out = tmp_path / "x.h5"
    fast = extract([str(videos)], out, tiny_options(video={"resize_filter": "reader"})).spec
    assert (fast.resize_filter, fast.reader) == ("reader", "pyav")
    with open_features(out) as store:
        scaled = {video_id: np.array(store.embeddings(video_id), np.float32) for video_id in store.video_ids}
    with pytest.raises(SpecMismatchError, match="resize_filter"):
        extract([str(videos)], out, tiny_options())
    with pytest.raises(SpecMismatchError, match="reader: pyav / decord"):
        extract([str(videos)], out, tiny_options(video={"resize_filter": "reader", "decoder": "decord"}))
    other = tmp_path / "y.h5"
    extract([str(videos)], other, tiny_options(video={"resize_filter": "reader", "decoder": "decord"}))
    with open_features(other) as store:
        for video_id, rows in scaled.items():
            theirs = np.array(store.embeddings(video_id), np.float32)
            # Two versions of FFmpeg's scaler, on tiny frames: real ones agree far better.
            assert np.abs(rows - theirs).max() < 0.1 * np.abs(rows).max()


@pytest.mark.golden
def test_the_readers_own_scalers_agree_on_a_real_video(shared_data, tmp_path):
    rows = []
    for resize_filter, decoder in (("pil", "pyav"), ("reader", "pyav"), ("reader", "decord")):
        out = tmp_path / f"{resize_filter}-{decoder}.h5"
        video = {"resize_filter": resize_filter, "decoder": decoder}
        options = tiny_options(num_frames=1, step_seconds=1.0, resize="square256", video=video)
        extract([str(shared_data("videos/v_ZNVhz7ctTq0.mp4"))], out, options)
        with open_features(out) as store:
            rows.append(np.array(store.embeddings("v_ZNVhz7ctTq0"), np.float32))
    exact, ours, theirs = rows
    assert np.linalg.norm(ours - theirs) < 2e-3 * np.linalg.norm(ours)
    assert np.linalg.norm(ours - exact) < 5e-2 * np.linalg.norm(exact)


def test_filter_and_decoder_on_the_command_line(videos, tmp_path):
    words = ["extract", str(videos), "-o", str(tmp_path / "x.h5"), "--checkpoint", "random:0", "--trunk", "resnet18"]
    small = ["--num-frames", "2", "--resize", "square32", "--workers", "1", "--device", "cpu"]
    done = CliRunner().invoke(app, [*words, *small, "--filter", "reader", "--decoder", "decord"])
    assert done.exit_code == 0
    assert set(decoders(tmp_path / "x.h5").values()) == {Decoder.DECORD}
    for option, value, words_said in (
        ("--decoder", "ffmpeg", "decoder 'ffmpeg' is not known"),
        ("--filter", "lanczos", "resize filter 'lanczos' is not known"),
        ("--reader-memory", "0", "reader_memory_gb = 0.0"),
        ("--reader-timeout", "-1", "reader_timeout_seconds = -1.0"),
    ):
        refused = CliRunner().invoke(app, [*words, option, value])
        assert refused.exit_code == 2
        assert words_said in refused.stderr


def test_a_stop_is_noticed_while_every_reader_is_silent(videos, tmp_path):
    class StopWhenFrozen(Accidents):
        def __call__(self):
            frozen = not self.left
            super().__call__()
            return frozen

    report = extract([str(videos)], tmp_path / "x.h5", tiny_options(), Listener(), StopWhenFrozen(signal.SIGSTOP, 1))
    assert report.stopped
    assert not {Path(f"/proc/{pid}").exists() for pid in children()} - {True}
