"""Extractions that are stopped, killed, out of room or damaged afterwards: nothing finished is lost."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from factories_videos import (
    EAGER,
    Listener,
    built_once,
    leave_parts,
    stored_checksums,
    stored_counts,
    tiny_options,
    write_tiny_video,
    write_tiny_videos,
)
from faulty_os import FaultyOs, KilledError

from tsmfeat import files
from tsmfeat.errors import (
    EnvironmentLackError,
    OutputError,
    StoreError,
)
from tsmfeat.store.folders import output_files
from tsmfeat.store.reader import open_features
from tsmfeat.trunk.embedding import Embedder
from tsmfeat.workflows import extract

__all__ = ["built_once"]


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("videos")
    write_tiny_videos(folder, 4)
    return folder


@pytest.fixture(scope="module")
def truth(videos, tmp_path_factory):
    """Checksums of an uninterrupted run: the same device and batch size, so equal to the last bit."""
    out = tmp_path_factory.mktemp("truth") / "x.h5"
    extract([str(videos)], out, tiny_options(batch_size=1))
    return stored_checksums(out)


def children():
    listing = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children")
    return set(listing.read_text().split())


class StopAfter:
    """A `should_stop` that says yes from the n-th question on."""

    def __init__(self, number):
        self.left = number

    def __call__(self):
        self.left -= 1
        return self.left < 0


@pytest.mark.parametrize("number", [0, 3, 9])
def test_a_stopped_run_publishes_what_is_complete_and_is_completed_by_the_next(tmp_path, videos, truth, number):
    out = tmp_path / "x.h5"
    stopped = extract([str(videos)], out, tiny_options(batch_size=1), should_stop=StopAfter(number))
    assert stopped.stopped
    assert not out.exists()
    done = stored_checksums(out) if output_files(out) else {}
    assert len(done) == stopped.num_done < 4
    assert done.items() <= truth.items()
    report = extract([str(videos)], out, tiny_options(batch_size=1))
    assert (report.num_skipped, report.num_done, report.stopped) == (stopped.num_done, 4 - stopped.num_done, False)
    assert list(tmp_path.iterdir()) == [out]
    assert stored_checksums(out) == truth


def test_ctrl_c_without_a_handler_publishes_the_buffered_videos(tmp_path, videos, truth):
    class Interrupting(Listener):
        def advance(self, amount=1.0, detail=""):
            super().advance(amount, detail)
            if len(self.done) == 2:
                raise KeyboardInterrupt

    before, out = children(), tmp_path / "x.h5"
    with pytest.raises(KeyboardInterrupt):
        extract([str(videos)], out, tiny_options(batch_size=1), Interrupting())
    assert set(stored_counts(out)) == {"clip0", "clip1"}
    assert children() == before
    report = extract([str(videos)], out, tiny_options(batch_size=1))
    assert (report.num_skipped, report.num_done) == (2, 2)
    assert stored_checksums(out) == truth


def test_a_second_interruption_does_not_wait_for_publishing(tmp_path, videos):
    class Interrupting(Listener):
        def advance(self, amount=1.0, detail=""):
            raise KeyboardInterrupt

    # Asked to stop when two videos are read; interrupted again while their clips are embedded.
    with pytest.raises(KeyboardInterrupt):
        extract([str(videos)], tmp_path / "x.h5", tiny_options(batch_size=14), Interrupting(), StopAfter(6))
    assert output_files(tmp_path / "x.h5") == []


def test_an_unexpected_error_publishes_too(tmp_path, videos):
    class Breaking(Listener):
        def advance(self, amount=1.0, detail=""):
            super().advance(amount, detail)
            if len(self.done) == 2:
                raise RuntimeError("the notebook's widget is gone")

    with pytest.raises(RuntimeError, match="widget"):
        extract([str(videos)], tmp_path / "x.h5", tiny_options(batch_size=1), Breaking())
    assert set(stored_counts(tmp_path / "x.h5")) == {"clip0", "clip1"}


def test_a_device_without_memory_for_one_clip_ends_the_run(tmp_path, videos, monkeypatch):
    def exhausted(self, clips):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(Embedder, "start", exhausted)
    with pytest.raises(EnvironmentLackError, match="no memory for a single clip"):
        extract([str(videos)], tmp_path / "x.h5", tiny_options(batch_size=6))


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("DefaultCPUAllocator"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("CUDA error: out of memory"),
    ],
)
def test_a_device_with_little_memory_gets_smaller_batches(tmp_path, videos, truth, monkeypatch, error):
    real, sizes = Embedder.start, []

    def narrow(self, clips):
        sizes.append(len(clips))
        if len(clips) > 2:
            raise error
        return real(self, clips)

    monkeypatch.setattr(Embedder, "start", narrow)
    listener = Listener()
    report = extract([str(videos)], tmp_path / "x.h5", tiny_options(batch_size=9), listener)
    assert (report.num_done, report.num_failed) == (4, 0)
    # 14 clips: the first nine fail, then four of them; what comes later is never tried in larger batches again.
    assert sizes == [9, 4, 2, 2, 2, 2, 1, 2, 2, 1]
    assert [warning.rpartition(": ")[2] for warning in listener.warnings] == [
        "batches of 4 clips from now on",
        "batches of 2 clips from now on",
    ]
    with open_features(tmp_path / "x.h5") as store:
        monkeypatch.undo()
        extract([str(videos)], tmp_path / "one.h5", tiny_options(batch_size=1))
        with open_features(tmp_path / "one.h5") as other:
            for video_id in store.video_ids:
                one, two = (s.embeddings(video_id).astype(np.float32) for s in (store, other))
                assert np.linalg.norm(one - two) <= 1e-3 * np.linalg.norm(two)


def test_another_error_of_the_device_is_not_taken_for_a_lack_of_memory(tmp_path, videos, monkeypatch):
    def broken(self, clips):
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    monkeypatch.setattr(Embedder, "start", broken)
    with pytest.raises(RuntimeError, match="illegal memory access"):
        extract([str(videos)], tmp_path / "x.h5", tiny_options(batch_size=6))


@pytest.mark.parametrize("half", [False, True])
def test_death_at_calls_that_change_the_disk_loses_nothing(tmp_path, videos, truth, monkeypatch, half):
    options = tiny_options(store=EAGER, batch_size=1)
    counting = FaultyOs()
    monkeypatch.setattr(files, "os", counting)
    extract([str(videos)], tmp_path / "whole" / "x.h5", options)
    assert stored_checksums(tmp_path / "whole" / "x.h5") == truth
    assert len(counting.calls) > 40
    # Every call is tried with the store alone (test_store_crash); here some, over the whole run.
    writes = [number for number, name in enumerate(counting.calls, 1) if name == "write"]
    for number in (writes[1], writes[-2]) if half else range(3, len(counting.calls), len(counting.calls) // 4):
        out = tmp_path / str(number) / "x.h5"
        monkeypatch.setattr(files, "os", FaultyOs(number, half=half))
        monkeypatch.setattr(files, "RUN_MARK", f"{number:08x}")
        with pytest.raises(KilledError):
            extract([str(videos)], out, options)
        monkeypatch.setattr(files, "os", FaultyOs())
        monkeypatch.setattr(files, "RUN_MARK", f"{number:07x}f")
        finished = stored_checksums(out) if output_files(out) else {}
        assert finished.items() <= truth.items()
        report = extract([str(videos)], out, options)
        assert report.num_skipped == len(finished)
        assert stored_checksums(out) == truth
        assert list(out.parent.iterdir()) == [out]


@pytest.mark.parametrize("fail_at", [6, 18])
def test_a_full_disk_is_an_output_error_that_keeps_finished_work(tmp_path, videos, monkeypatch, fail_at):
    out, options = tmp_path / "x.h5", tiny_options(store=EAGER, batch_size=1)
    monkeypatch.setattr(files, "os", FaultyOs(fail_at, full=True))
    with pytest.raises(OutputError, match="No space left") as caught:
        extract([str(videos)], out, options)
    assert caught.value.exit_code == 7
    assert "run the same command again" in caught.value.hint
    monkeypatch.undo()
    assert list(tmp_path.rglob("*.tmp")) == []
    finished = stored_counts(out) if output_files(out) else {}
    report = extract([str(videos)], out, options)
    assert report.num_skipped == len(finished)
    assert len(stored_counts(out)) == 4


def test_a_damaged_part_is_set_aside_and_its_videos_are_made_again(tmp_path, videos, truth):
    out = tmp_path / "x.h5"
    parts = leave_parts([videos], out)
    parts[1].write_bytes(parts[1].read_bytes()[:-7])
    listener = Listener()
    report = extract([str(videos)], out, tiny_options(store=EAGER, batch_size=1), listener)
    assert (report.num_done, report.num_skipped) == (1, 3)
    assert any(f"set aside as {parts[1].name}.damaged" in warning for warning in listener.warnings)
    assert stored_checksums(out) == truth
    assert [path.name for path in (tmp_path / "x.parts").iterdir()] == [f"{parts[1].name}.damaged"]


def test_a_flipped_bit_in_a_part_costs_its_video_only(tmp_path, videos, truth):
    out = tmp_path / "x.h5"
    part = leave_parts([videos], out)[2]
    content = bytearray(part.read_bytes())
    content[-1] ^= 1
    part.write_bytes(content)
    listener = Listener()
    report = extract([str(videos)], out, tiny_options(batch_size=1), listener)
    assert (report.num_done, report.num_skipped) == (1, 3)
    assert any("damaged" in warning and "extracted again" in warning for warning in listener.warnings)
    assert stored_checksums(out) == truth
    assert list(tmp_path.iterdir()) == [out]


def test_a_flipped_bit_in_the_packed_file_is_mended_when_it_is_packed_anew(tmp_path, videos, truth):
    out = tmp_path / "x.h5"
    extract([str(videos)], out, tiny_options(batch_size=1))
    content = bytearray(out.read_bytes())
    content[-1] ^= 1
    out.write_bytes(content)
    new = write_tiny_video(tmp_path / "new.mp4", 1.0, seed=40)
    before = out.read_bytes()
    with pytest.raises(StoreError, match="clip3") as caught:
        extract([str(new)], out, tiny_options(batch_size=1))
    assert "name the file of video 'clip3' too" in caught.value.hint
    assert out.read_bytes() == before
    report = extract([str(new), str(videos)], out, tiny_options(batch_size=1))
    assert (report.num_done, report.num_skipped) == (2, 3)
    assert stored_checksums(out).items() >= truth.items()


def test_a_packed_file_cut_short_is_set_aside_and_made_anew(tmp_path, videos, truth):
    out = tmp_path / "x.h5"
    extract([str(videos)], out, tiny_options(batch_size=1))
    whole = out.read_bytes()
    out.write_bytes(whole[: len(whole) // 2])
    report = extract([str(videos)], out, tiny_options(batch_size=1))
    assert (report.num_done, report.num_skipped) == (4, 0)
    assert stored_checksums(out) == truth
    assert (tmp_path / "x.h5.damaged").read_bytes() == whole[: len(whole) // 2]
