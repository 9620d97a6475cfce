"""The reader pool: order of events, back-pressure, lost readers, and nothing left behind."""

import gc
import os
import resource
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time
from multiprocessing.connection import Pipe
from pathlib import Path

import numpy as np
import pytest
from factories_reading import CLIP_BYTES, HALF, children, tasks_of
from factories_video import cut, make_video, painted_number

from tsmfeat.errors import ConfigurationError, EnvironmentLackError
from tsmfeat.values.features import VideoStatus
from tsmfeat.video.assembling import assemble_clips, wanted_frames
from tsmfeat.video.clips import distinct_frames, plan_clips_ticks
from tsmfeat.video.decoding import decode_frames
from tsmfeat.video.geometry import parse_geometry
from tsmfeat.video.pictures import Resizing
from tsmfeat.video.probing import probe_video
from tsmfeat.video.reading import ReaderPool, required_slot_bytes
from tsmfeat.video.serving import serve_tasks
from tsmfeat.video.slots import Pulse
from tsmfeat.video.tasks import ClipRecipe, ClipsReady, ReadTask, VideoFailed, VideoOpened, VideoRead

QUARTER = ClipRecipe(0.25, 8, None, "short32-crop24")
LONG = ClipRecipe(0.5, 4, 1.0, "square32")


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("videos")
    return [make_video(folder / f"{index}.mp4", range(90 + 15 * index)) for index in range(4)]


def read_all(pool, tasks):
    """Read, release at once, and return the clips by task and recipe, and the other events by task."""
    clips, others = {}, {}
    for event in pool.read(tasks):
        if isinstance(event, ClipsReady):
            rows = clips.setdefault((event.key, event.recipe_index), [])
            assert event.first_interval == len(rows)
            rows.extend(np.array(clip) for clip in event.clips)
            event.release()
        else:
            others.setdefault(event.key, []).append(event)
    return clips, others


def expected_clips(path, recipe):
    """Decode for one recipe alone, here, without assembling on the way."""
    probe = probe_video(path)
    plan = plan_clips_ticks(
        probe.ticks, probe.tick_seconds, probe.grid(recipe.step_seconds), recipe.num_frames, recipe.clip_seconds
    )
    frames = dict(decode_frames(probe, np.unique(plan), recipe.resizing.geometry))
    return [np.stack([frames[index] for index in row]) for row in plan.tolist()], distinct_frames(plan)


def test_one_pass_for_several_recipes_equals_a_pass_for_each(videos):
    recipes = (HALF, QUARTER, LONG)
    with ReaderPool(2) as pool:
        clips, others = read_all(pool, tasks_of(videos, *recipes))
    for key, path in enumerate(videos):
        opened, read = others[key]
        assert isinstance(opened, VideoOpened)
        assert read.quality.status is VideoStatus.COMPLETE
        assert read.quality.num_frames_decoded == 90 + 15 * key
        assert opened.duration_seconds == pytest.approx(3 + 0.5 * key)
        assert opened.source_size == path.stat().st_size
        for index, recipe in enumerate(recipes):
            expected, distinct = expected_clips(path, recipe)
            assert opened.num_intervals[index] == len(expected) == len(clips[key, index])
            assert opened.distinct_frames[index].tolist() == distinct.tolist()
            assert opened.distinct_frames[index].dtype == np.uint8
            assert np.array_equal(clips[key, index], expected)


def test_clips_hold_the_planned_frames(videos):
    with ReaderPool(1) as pool:
        clips, _ = read_all(pool, tasks_of(videos[:1], HALF))
    numbers = [[painted_number(frame) for frame in clip] for clip in clips[0, 0]]
    # 15 frames an interval, 4 places: 1.875, 5.625, 9.375 and 13.125 frames after its start.
    assert numbers == [[15 * i + 1, 15 * i + 5, 15 * i + 9, 15 * i + 13] for i in range(6)]


def test_many_small_slots_and_few_give_the_same_clips(videos):
    recipes = (HALF, QUARTER, LONG)
    with ReaderPool(1, num_slots=1, slot_bytes=2 * QUARTER.clip_bytes) as pool:
        few, _ = read_all(pool, tasks_of(videos[:2], *recipes))
    with ReaderPool(1, num_slots=7) as pool:
        many, _ = read_all(pool, tasks_of(videos[:2], *recipes))
    assert few.keys() == many.keys()
    assert all(np.array_equal(few[key], many[key]) for key in few)


def test_failures_do_not_stop_the_reading(videos, tmp_path):
    (tmp_path / "text.mp4").write_text("no video")
    faststart = make_video(tmp_path / "whole.mp4", range(90), container_options={"movflags": "faststart"})
    paths = [videos[0], tmp_path / "missing.mp4", tmp_path / "text.mp4", cut(faststart, 0.6), tmp_path, videos[1]]
    with ReaderPool(2) as pool:
        clips, others = read_all(pool, tasks_of(paths, HALF))
        assert len(clips[0, 0]) == 6
        assert len(clips[5, 0]) == 7
        for key, words in {1: "no such file", 2: "not a readable video", 3: "truncated", 4: "a folder"}.items():
            (failed,) = others[key]
            assert isinstance(failed, VideoFailed)
            assert failed.stage == "probe"
            assert words in failed.reason
            assert failed.hint
        clips, others = read_all(pool, tasks_of(paths[3:4], HALF, allow_partial=True))
    assert others[0][-1].quality.status is VideoStatus.TRUNCATED
    assert len(clips[0, 0]) == others[0][0].num_intervals[0] > 0


def test_a_video_shorter_than_the_step_has_no_clips(tmp_path):
    path = make_video(tmp_path / "short.mp4", range(5))
    with ReaderPool(1) as pool:
        opened, read = pool.read(tasks_of([path], HALF))
    assert opened.num_intervals == (0,)
    assert opened.distinct_frames[0].shape == (0,)
    assert isinstance(read, VideoRead)
    assert read.quality.num_frames_decoded == 5


def test_no_tasks_start_no_process():
    before = children()
    with ReaderPool(3) as pool:
        assert list(pool.read([])) == []
        assert children() == before


def test_tasks_are_taken_one_by_one(videos):
    taken = []

    def tasks():
        for task in tasks_of([*videos, *videos], HALF):
            taken.append(task.key)
            yield task

    with ReaderPool(2) as pool:
        reading = pool.read(tasks())
        next(reading)
        assert len(taken) <= 3
        for event in reading:
            if isinstance(event, ClipsReady):
                event.release()
    assert taken == list(range(8))


def test_a_reader_waits_while_its_slots_are_in_use(videos):
    with ReaderPool(1, num_slots=2, slot_bytes=CLIP_BYTES) as pool:
        reading = pool.read(tasks_of(videos[:1], HALF))
        assert isinstance(next(reading), VideoOpened)
        first, second = next(reading), next(reading)
        before = first.clips.copy(), second.clips.copy()
        box = []
        # Nothing comes while both slots are held; the third clip comes when one is released.
        waiter = threading.Thread(target=lambda: box.append(next(reading)))
        waiter.start()
        waiter.join(0.3)
        assert waiter.is_alive()
        assert np.array_equal(first.clips, before[0])
        assert np.array_equal(second.clips, before[1])
        first.release()
        waiter.join(10)
        assert box[0].first_interval == 2
        assert np.array_equal(second.clips, before[1])
        assert np.shares_memory(box[0].clips, first.clips)


def test_releasing_twice_frees_nothing_of_a_later_clip(videos):
    with ReaderPool(1, num_slots=1, slot_bytes=CLIP_BYTES) as pool:
        reading = pool.read(tasks_of(videos[:1], HALF))
        next(reading)
        first = next(reading)
        first.release()
        second = next(reading)
        kept = second.clips.copy()
        first.release()
        time.sleep(0.2)
        assert np.array_equal(second.clips, kept)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_a_killed_reader_costs_its_one_video(videos, number):
    before = children()
    failed, done = [], []
    with ReaderPool(1, num_slots=1, slot_bytes=CLIP_BYTES) as pool:
        for event in pool.read(tasks_of(videos, HALF)):
            if isinstance(event, VideoOpened) and event.key == 1:
                (pid,) = children() - before
                os.kill(pid, number)
            elif isinstance(event, ClipsReady):
                event.release()
            elif isinstance(event, VideoFailed):
                failed.append(event)
            elif isinstance(event, VideoRead):
                done.append(event.key)
    assert [(event.key, event.stage) for event in failed] == [(1, "reader")]
    assert failed[0].reason.endswith(f"reader process ended by signal {int(number)}")
    assert done == [0, 2, 3]
    assert children() == before


@pytest.mark.parametrize("change", ["grows", "is replaced", "is touched", "vanishes"])
def test_a_file_that_changes_while_it_is_read_fails(videos, tmp_path, change):
    # A transport stream says nowhere how long it is: half of one reads as a whole.
    path = make_video(tmp_path / "a.ts", range(300), container_format="mpegts")
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2 // 188 * 188])
    (reason,) = [
        event.reason for event in events_of_a_change(path, content, change, videos) if isinstance(event, VideoFailed)
    ]
    assert ("no such file" if change == "vanishes" else "changed while it was read") in reason


def events_of_a_change(path, content, change, videos):
    """Read a video and change its file after the first clips."""
    with ReaderPool(1, num_slots=1, slot_bytes=HALF.clip_bytes) as pool:
        waiting = True
        for event in pool.read(tasks_of([path], HALF)):
            yield event
            if not isinstance(event, ClipsReady):
                continue
            if waiting:
                waiting = False
                if change == "grows":
                    path.write_bytes(content)
                elif change == "is replaced":
                    shutil.copy(videos[0], path.with_name("other"))
                    path.with_name("other").replace(path)
                elif change == "is touched":
                    os.utime(path, ns=(0, 1))
                else:
                    path.unlink()
            event.release()


def test_a_reader_killed_while_idle_is_replaced(videos):
    before = children()
    with ReaderPool(1) as pool:
        read_all(pool, tasks_of(videos[:1], HALF))
        (pid,) = children() - before
        os.kill(pid, signal.SIGKILL)
        time.sleep(0.2)
        clips, _ = read_all(pool, tasks_of(videos[:1], HALF))
    assert len(clips[0, 0]) == 6


def test_readers_ignore_stop_signals_and_import_no_torch(videos):
    before = children()
    with ReaderPool(1) as pool:
        reading = pool.read(tasks_of(videos[:1], HALF))
        next(reading)
        (pid,) = children() - before
        assert "torch" not in Path(f"/proc/{pid}/maps").read_text()
        os.kill(pid, signal.SIGINT)
        os.kill(pid, signal.SIGTERM)
        names = [type(event).__name__ for event in reading if not (isinstance(event, ClipsReady) and event.release())]
    assert names[-1] == "VideoRead"
    code = "import sys, tsmfeat.video.serving; print(sorted({'torch', 'h5py', 'numba', 'decord'} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


@pytest.mark.parametrize(("limit", "room"), [("RLIMIT_NOFILE", 3), ("RLIMIT_NOFILE", 5), ("RLIMIT_FSIZE", 4096)])
def test_a_reader_that_cannot_be_started_is_a_lack_of_this_machine(videos, limit, room):
    kind = getattr(resource, limit)
    before, opened = resource.getrlimit(kind), len(list(Path("/dev/fd").iterdir()))
    soft = room if limit == "RLIMIT_FSIZE" else opened - 1 + room
    with ReaderPool(1) as pool:
        resource.setrlimit(kind, (soft, before[1]))
        try:
            with pytest.raises(EnvironmentLackError, match="reader process 1 cannot be started") as caught:
                list(pool.read(tasks_of(videos, HALF)))
        finally:
            resource.setrlimit(kind, before)
    assert "--workers 1" in caught.value.hint
    del caught
    gc.collect()
    assert len(list(Path("/dev/fd").iterdir())) == opened


def test_a_reading_left_early_ends_its_readers(videos):
    before = children()
    with ReaderPool(2) as pool:
        for event in pool.read(tasks_of(videos, HALF)):
            if isinstance(event, ClipsReady):
                break
        del event
        # The generator is closed by the loop's end of life; the pool serves on.
        clips, _ = read_all(pool, tasks_of(videos[:1], HALF))
        assert len(clips[0, 0]) == 6
    assert children() == before


def test_an_error_of_the_tasks_comes_through(videos):
    def tasks():
        yield from tasks_of(videos[:1], HALF)
        raise RuntimeError("the list broke")

    before = children()
    with pytest.raises(RuntimeError, match="the list broke"), ReaderPool(2) as pool:
        read_all(pool, tasks())
    assert children() == before


def test_clips_outlive_the_pool(videos):
    with ReaderPool(1) as pool:
        events = [event for event in pool.read(tasks_of(videos[:1], HALF)) if isinstance(event, ClipsReady)]
    assert painted_number(events[0].clips[0, 0]) == 1
    events[0].release()


def test_a_clip_larger_than_a_slot_is_refused(videos):
    with ReaderPool(1, slot_bytes=CLIP_BYTES - 1) as pool, pytest.raises(ConfigurationError, match="fits into a slot"):
        list(pool.read(tasks_of(videos[:1], HALF)))
    large = ClipRecipe(0.5, 64, None, "square512")
    assert required_slot_bytes([HALF, large]) == 64 * 512 * 512 * 3


@pytest.mark.parametrize("arguments", [(0,), (1, 0)])
def test_pools_have_at_least_one_of_each(arguments):
    with pytest.raises(ConfigurationError):
        ReaderPool(*arguments)
    with pytest.raises(ConfigurationError):
        ReadTask(0, "a.mp4", ())


SCRIPT = """
import sys
from tsmfeat.video.reading import ReaderPool
from tsmfeat.video.tasks import ClipRecipe, ClipsReady, ReadTask

pool = ReaderPool(2, num_slots=1, slot_bytes=4 * 32 * 32 * 3)
with pool:
    tasks = [ReadTask(k, path, (ClipRecipe(0.5, 4, None, "square32"),)) for k, path in enumerate(sys.argv[2:])]
    for event in pool.read(tasks):
        print(type(event).__name__, *(reader.pid for reader in pool._readers), flush=True)
        if isinstance(event, ClipsReady):
            {action}
            event.release()
"""


def run_script(tmp_path, videos, action):
    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent(SCRIPT).replace("{action}", action))
    command = [sys.executable, "-X", "dev", "-W", "error", str(script), "x", *map(str, videos)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    out, error = process.communicate(timeout=60)
    return process.returncode, out.splitlines(), error


def assert_gone(lines):
    pids = {int(word) for line in lines for word in line.split()[1:]}
    assert pids
    deadline = time.monotonic() + 5
    while any(Path(f"/proc/{pid}").exists() for pid in pids):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_an_unguarded_script_runs_cleanly(videos, tmp_path):
    code, lines, error = run_script(tmp_path, videos, "pass")
    assert (code, error) == (0, "")
    assert sum(line.startswith("VideoRead") for line in lines) == 4
    assert_gone(lines)


@pytest.mark.parametrize(
    ("action", "code", "words"),
    [
        ("raise KeyboardInterrupt", -2, "KeyboardInterrupt"),
        ("raise RuntimeError('consumer')", 1, "RuntimeError: consumer"),
        ("import os; os.kill(os.getpid(), 9)", -9, ""),
    ],
)
def test_readers_end_with_their_parent(videos, tmp_path, action, code, words):
    returned, lines, error = run_script(tmp_path, videos, action)
    assert returned == code
    assert words in error
    assert "Warning" not in error
    assert_gone(lines)


def test_serving_in_this_process(videos):
    # The reader's own loop, seen from inside: what the process test sees only from outside.
    child_inbox, ours_out = Pipe(duplex=False)
    ours_in, child_outbox = Pipe(duplex=False)
    slots, pulse = np.zeros((2, 2 * CLIP_BYTES), np.uint8), Pulse(np.zeros(2))
    server = threading.Thread(target=serve_tasks, args=(child_inbox, child_outbox, slots, pulse))
    server.start()
    ours_out.send(ReadTask(7, str(videos[0]), (HALF,)))
    opened = ours_in.recv()
    assert (opened.key, opened.num_intervals) == (7, (6,))
    seen = []
    while not isinstance(message := ours_in.recv(), VideoRead):
        clips = slots[message.slot, : np.prod(message.shape)].reshape(message.shape)
        seen += [painted_number(clip[0]) for clip in clips]
        ours_out.send(message.slot)
    assert seen == [1, 16, 31, 46, 61, 76]
    ours_out.send(ReadTask(8, "missing.mp4", (HALF,)))
    assert ours_in.recv().stage == "probe"
    ours_out.close()
    server.join(10)
    assert not server.is_alive()
    for connection in (child_inbox, child_outbox, ours_in):
        connection.close()


def test_assembling_resizes_each_frame_once_a_way():
    calls = []

    class CountingPicture:
        def __init__(self, index):
            self.index = index

        def resized(self, resizing):
            calls.append((self.index, resizing.geometry.name))
            return np.full((1, 2, 3), self.index, np.uint8)

    plans = [np.array([[0, 1], [2, 2]]), np.array([[0, 2]]), np.array([[1, 2]])]
    resizings = [Resizing(parse_geometry(name)) for name in ("square8", "square8", "square16")]
    pictures = [(index, CountingPicture(index)) for index in wanted_frames(plans).tolist()]
    clips = [(p, i, [int(f[0, 0, 0]) for f in clip]) for p, i, clip in assemble_clips(pictures, plans, resizings)]
    assert sorted(calls) == [(0, "square8"), (1, "square16"), (1, "square8"), (2, "square16"), (2, "square8")]
    assert clips == [(0, 0, [0, 1]), (0, 1, [2, 2]), (1, 0, [0, 2]), (2, 0, [1, 2])]
