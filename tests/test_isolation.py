"""Readers that crash, hang or want too much memory: each costs one video, which another decoder may still read."""

import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import av
import numpy as np
import pytest
from factories_reading import CLIP_BYTES, HALF, children, tasks_of
from factories_video import make_video, painted_number

from tsmfeat.values.features import Decoder
from tsmfeat.video.opening import PacketFeed, open_video
from tsmfeat.video.options import VideoOptions
from tsmfeat.video.probing import probe_video
from tsmfeat.video.process import ReaderProcess
from tsmfeat.video.reading import ReaderLimits, ReaderPool
from tsmfeat.video.slots import Pulse
from tsmfeat.video.tasks import (
    ClipRecipe,
    ClipsReady,
    NothingYet,
    ReadTask,
    VideoFailed,
    VideoOpened,
    VideoRead,
    VideoRetried,
)

SCALED = ClipRecipe(0.5, 4, None, "square32", "reader")
IMPATIENT = ReaderLimits(timeout_seconds=1.0)


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("videos")
    return [make_video(folder / f"{index}.mp4", range(60)) for index in range(3)]


def read_with_accident(tasks, accident, limits=IMPATIENT, times=1):
    """Read; at the first openings of task 1 something happens to its reader. Return events by key, and clips."""
    before, events, clips = children(), {}, {}
    with ReaderPool(1, num_slots=1, slot_bytes=CLIP_BYTES, limits=limits) as pool:
        for event in pool.read(tasks):
            if isinstance(event, ClipsReady):
                clips.setdefault(event.key, []).extend(np.array(clip) for clip in event.clips)
                event.release()
                continue
            events.setdefault(event.key, []).append(event)
            if isinstance(event, VideoOpened):
                clips[event.key] = []
                if event.key == 1 and times > 0:
                    times -= 1
                    (pid,) = children() - before
                    os.kill(pid, accident)
    assert children() == before
    return events, clips


@pytest.mark.parametrize(
    ("accident", "words"),
    [
        (signal.SIGSEGV, "reader process ended by signal 11"),
        (signal.SIGKILL, "reader process ended by signal 9"),
        (signal.SIGSTOP, "no sign of life from its reader for 1 s"),
    ],
)
def test_another_decoder_takes_the_video_up(videos, accident, words):
    events, clips = read_with_accident(tasks_of(videos, HALF), accident)
    first, retried, second, read = events[1]
    assert first.decoder is Decoder.PYAV
    assert isinstance(retried, VideoRetried)
    assert retried.reason == f"{videos[1]}: {words}"
    assert retried.decoder == "decord"
    assert second.decoder is Decoder.DECORD
    assert isinstance(read, VideoRead)
    assert np.array_equal(clips[1], clips[0])
    assert [painted_number(clip[0]) for clip in clips[1]] == [1, 16, 31, 46]
    assert [type(event) for event in events[2]] == [VideoOpened, VideoRead]


@pytest.mark.parametrize("accident", [signal.SIGSEGV, signal.SIGSTOP])
def test_a_second_accident_fails_the_video_with_both_reasons(videos, accident):
    events, _ = read_with_accident(tasks_of(videos, HALF), accident, times=2)
    words = "reader process ended by signal 11" if accident == signal.SIGSEGV else "no sign of life from its reader"
    failed = events[1][-1]
    assert isinstance(failed, VideoFailed)
    assert failed.stage == "reader"
    assert failed.reason.count(words) == 2
    assert "; then with decord: " in failed.reason
    assert failed.hint
    assert all(isinstance(events[key][-1], VideoRead) for key in (0, 2))


@pytest.mark.parametrize(("recipe", "decoder"), [(HALF, "pyav"), (HALF, "decord"), (SCALED, "auto")])
def test_a_decoder_that_was_chosen_or_is_identity_is_not_changed(videos, recipe, decoder):
    events, _ = read_with_accident(tasks_of(videos, recipe, decoder=decoder), signal.SIGKILL)
    assert [type(event) for event in events[1]] == [VideoOpened, VideoFailed]
    assert events[1][-1].reason == f"{videos[1]}: reader process ended by signal 9"
    assert isinstance(events[2][-1], VideoRead)


def test_where_decord_would_be_wrong_it_is_no_second_chance(videos, tmp_path):
    stream = make_video(tmp_path / "a.ts", range(60))
    events, _ = read_with_accident(tasks_of([videos[0], stream, videos[2]], HALF), signal.SIGKILL)
    why = "decord must not read it: its container is mpegts"
    assert events[1][-1].reason == f"{stream}: reader process ended by signal 9; then with decord: {why}"
    assert events[1][-1].stage == "reader"


def test_a_reader_that_waits_for_its_slots_is_not_stuck(videos):
    with ReaderPool(1, num_slots=1, slot_bytes=CLIP_BYTES, limits=IMPATIENT) as pool:
        reading = pool.read(tasks_of(videos[:1], HALF), idle_seconds=0.5)
        held = next(event for event in reading if isinstance(event, ClipsReady))
        # The reader has made the next clip and waits: longer than it may be silent.
        assert [type(next(reading)) for _ in range(4)] == [NothingYet] * 4
        held.release()
        kinds = []
        for event in reading:
            kinds.append(type(event))
            if isinstance(event, ClipsReady):
                event.release()
    assert kinds[-1] is VideoRead
    assert VideoRetried not in kinds


def test_a_reader_that_does_not_take_the_slot_it_waited_for_is_stuck(videos):
    before = set(children())  # other tests may have left helpers of multiprocessing
    with ReaderPool(1, num_slots=1, slot_bytes=CLIP_BYTES, limits=IMPATIENT) as pool:
        reading = pool.read(tasks_of(videos[:1], HALF), idle_seconds=0.5)
        held = next(event for event in reading if isinstance(event, ClipsReady))
        assert isinstance(next(reading), NothingYet)
        # It stands still while it waits, as in a frozen control group.
        (reader,) = set(children()) - before
        os.kill(int(reader), signal.SIGSTOP)
        held.release()
        began = time.monotonic()
        for event in reading:
            if isinstance(event, ClipsReady):
                event.release()
            elif isinstance(event, VideoRetried):
                break
            assert time.monotonic() - began < 20
    assert "no sign of life" in event.reason


def test_silence_must_be_seen_twice():
    # After a pause of the whole process group every sign of life is old, and nobody is stuck.
    reader = ReaderProcess(1, CLIP_BYTES, 1 << 30)
    try:
        reader.give(ReadTask(0, "/dev/null", (HALF,)))
        next(iter_until(reader))
        reader.task = ReadTask(1, "x.mp4", (HALF,))
        reader._given = time.monotonic() - 100
        reader._pulse._place[0] = time.monotonic() - 100
        assert not reader.is_stuck(10.0)
        assert not reader.is_stuck(10.0)
        reader._pulse.beat()
        assert not reader.is_stuck(10.0)
        reader._pulse._place[0] = time.monotonic() - 100
        assert not reader.is_stuck(0.4)
        time.sleep(0.15)
        assert reader.is_stuck(0.4)
    finally:
        reader.stop()


def iter_until(reader):
    while True:
        yield from reader.receive()
        time.sleep(0.01)


def test_a_reader_that_has_not_begun_yet_is_given_time(monkeypatch):
    reader = ReaderProcess(1, CLIP_BYTES, 1 << 30)
    try:
        reader.task, reader._given = ReadTask(1, "x.mp4", (HALF,)), time.monotonic() - 30
        monkeypatch.setattr(reader, "_pulse", Pulse(np.zeros(2)))
        assert not reader.is_stuck(0.01)
        time.sleep(0.02)
        assert not reader.is_stuck(0.01)
        reader._given -= 60
        reader.is_stuck(0.01)
        time.sleep(0.02)
        assert reader.is_stuck(0.01)
        assert "no sign of life from its reader for 60 s" in reader.end_stuck(0.01).reason
    finally:
        reader.stop()


def test_a_pulse():
    pulse = Pulse(np.zeros(2))
    since = time.monotonic()
    time.sleep(0.02)
    assert pulse.silent_seconds(since) >= 0.02
    assert pulse.silent_seconds(since=0.0) > pulse.silent_seconds(since)
    pulse.beat()
    assert pulse.silent_seconds(since) < 0.02
    with pulse.waiting():
        assert pulse.is_waiting
    assert not pulse.is_waiting


@pytest.mark.skipif(sys.platform != "linux", reason="memory of a process is limited on Linux")
def test_a_video_that_takes_too_much_memory_costs_itself(videos, tmp_path):
    huge = tmp_path / "huge.mp4"
    with av.open(str(huge), "w") as container:
        stream = container.add_stream("mjpeg", rate=30)
        stream.width, stream.height, stream.pix_fmt = 11_000, 11_000, "yuvj420p"
        frame = av.VideoFrame(11_000, 11_000, "yuvj420p")
        frame.pts = 0
        container.mux([*stream.encode(frame), *stream.encode()])
    recipe = ClipRecipe(0.01, 4, None, "square32")
    tight = ReaderLimits(memory_gb=0.5)
    with ReaderPool(1, limits=tight) as pool:
        events = [event for event in pool.read(tasks_of([videos[0], huge, videos[1]], recipe))]
        for event in events:
            if isinstance(event, ClipsReady):
                event.release()
    failed = [event for event in events if isinstance(event, VideoFailed)]
    assert [event.key for event in failed] == [1]
    assert "reading it takes more memory than a reader may use" in failed[0].reason
    assert "--reader-memory" in failed[0].hint
    assert sum(isinstance(event, VideoRead) for event in events) == 2
    with ReaderPool(1, limits=ReaderLimits(memory_gb=4)) as pool:
        assert isinstance(list(pool.read(tasks_of([huge], ClipRecipe(1.0, 4, None, "square32"))))[-1], VideoRead)


def refused(*args, **keywords):
    raise av.error.MemoryError(12, "Cannot allocate memory")


def test_refused_memory_is_no_fault_of_the_file(videos, monkeypatch):
    with open_video(videos[0]) as (_, stream):
        feed = PacketFeed(SimpleNamespace(demux=lambda *streams: iter(refused, None)), [stream])
        with pytest.raises(MemoryError):
            list(feed)
        assert feed.damage == ""
    monkeypatch.setattr("tsmfeat.video.scanning.display_angle", refused)
    with pytest.raises(MemoryError):
        probe_video(videos[0])
    monkeypatch.setattr("tsmfeat.video.opening.av.open", refused)
    with pytest.raises(MemoryError), open_video(videos[0]):
        pass


def test_the_limit_counts_own_memory_only():
    code = (
        "import numpy as np, mmap; from tsmfeat.video.serving import limit_memory; limit_memory(400 << 20)\n"
        "shared = mmap.mmap(-1, 600 << 20); shared[::4096] = b'x' * len(shared[::4096])\n"
        "kept = [np.ones(64 << 20, np.uint8)]\n"
        "try: kept += [np.ones(64 << 20, np.uint8) for _ in range(9)]\n"
        "except MemoryError: print('refused')\n"
    )
    if sys.platform != "linux":
        pytest.skip("memory of a process is limited on Linux")
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "refused\n"


@pytest.mark.skipif(sys.platform != "linux", reason="memory of a process is limited on Linux")
def test_a_tighter_limit_of_the_system_stays():
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_DATA, (1 << 30, 2 << 30))\n"
        "from tsmfeat.video.serving import limit_memory; limit_memory(4 << 30)\n"
        "print(resource.getrlimit(resource.RLIMIT_DATA))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == f"({1 << 30}, {1 << 30})\n"


def test_limits_are_those_of_the_options():
    options = VideoOptions()
    assert ReaderLimits() == ReaderLimits(options.reader_memory_gb, options.reader_timeout_seconds)
