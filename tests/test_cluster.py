"""Tasks of a cluster and the driver's bookkeeping, with a pool of pretended workers that die as they please."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from factories_store import make_spec, make_videos, write_parts
from factories_videos import Listener, tiny_options
from hypothesis import given, settings
from hypothesis import strategies as st

from tsmfeat.errors import OutputError
from tsmfeat.workflows import cluster_driver
from tsmfeat.workflows.cluster_driver import MAX_IN_FLIGHT, drive
from tsmfeat.workflows.cluster_events import TaskDone, TaskFailed, TaskResult, WorkerLost, WorkerReady, WorkerSaid
from tsmfeat.workflows.cluster_tasks import (
    FIRST_TASK_BYTES,
    MAX_ATTEMPTS,
    MAX_TASK_VIDEOS,
    SMALLEST_VIDEO_BYTES,
    TASK_SECONDS,
    TaskList,
    count_bytes,
    end_of_task,
)
from tsmfeat.workflows.cluster_worker import ClusterWorker, WorkerOrder
from tsmfeat.workflows.extraction_effort import RunEffort
from tsmfeat.workflows.extraction_plan import SpecOutput, VideoJob
from tsmfeat.workflows.extraction_run import ExtractionRun, RunCounts
from tsmfeat.workflows.failures import Failure, load_failures
from tsmfeat.workflows.ray_pool import stored_by
from tsmfeat.workflows.sources import VideoSource

# ---------------------------------------------------------------- tasks


def take_all(sizes, rate, num_workers):
    tasks = TaskList(count_bytes(sizes), bytes_per_second=rate)
    taken = []
    while tasks:
        taken.append(tasks.take(num_workers).keys)
    return taken


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.integers(0, 10**9), min_size=1, max_size=300),
    st.one_of(st.none(), st.floats(1.0, 1e9)),
    st.integers(1, 64),
)
def test_tasks_are_all_videos_once_in_order_and_none_is_too_large(sizes, rate, num_workers):
    taken = take_all(sizes, rate, num_workers)
    assert [key for keys in taken for key in keys] == list(range(len(sizes)))
    counted = [max(size, SMALLEST_VIDEO_BYTES) for size in sizes]
    for keys in taken:
        of_task, left = sum(counted[key] for key in keys), sum(counted[keys[0] :])
        wanted = min(FIRST_TASK_BYTES if rate is None else rate * TASK_SECONDS, left / (2 * num_workers))
        # One video is the least; a task of several stays within what is wanted.
        assert len(keys) == 1 or of_task <= wanted + 1
        assert len(keys) <= MAX_TASK_VIDEOS


def test_a_task_is_about_three_minutes_and_shrinks_towards_the_end():
    sizes = [1_000_000] * 10_000
    lengths = [len(keys) for keys in take_all(sizes, 1e6, 4)]
    assert lengths[0] == TASK_SECONDS
    assert lengths[-1] == 1
    assert lengths == sorted(lengths, reverse=True)
    assert len(lengths) < 150


def test_ten_million_videos_are_cut_in_no_time():
    totals = count_bytes(np.full(10_000_000, 1_000_000))
    ends = [end_of_task(totals, start, 1e6, 8) for start in range(0, 9_000_000, 90_000)]
    assert all(end - start == TASK_SECONDS for start, end in zip(range(0, 9_000_000, 90_000), ends, strict=True))


def test_the_rate_is_learned():
    tasks = TaskList(count_bytes([1_000_000] * 10_000))
    first = tasks.take(2)
    assert len(first.keys) == FIRST_TASK_BYTES / 1_000_000
    tasks.learn(first, seconds=4.0)
    assert tasks.bytes_per_second == 2e6
    assert len(tasks.take(2).keys) == 2 * TASK_SECONDS


# ---------------------------------------------------------------- the driver


def make_run(tmp_path, num_jobs, listener=None, num_outputs=1):
    outputs = tuple(
        SpecOutput(make_spec(step_seconds=1.0 + place, clip_seconds=1.0 + place), tmp_path / str(place), 0)
        for place in range(num_outputs)
    )
    jobs = [VideoJob(VideoSource(f"v{key}", Path(f"v{key}.mp4")), tuple(range(num_outputs))) for key in range(num_jobs)]
    keys = frozenset(job.source.key for job in jobs)
    return ExtractionRun(jobs, outputs, tmp_path / "failures.csv", {}, keys, listener or Listener())


class PretendedPool:
    """Workers that do a task a turn, unless they die: at a poisoned video always, by chance a few times."""

    def __init__(self, num_workers, seed=0, num_deaths=0, poisoned=(), bad=(), error=None):
        self.num_workers = num_workers
        self.rng = np.random.default_rng(seed)
        self.deaths_left, self.poisoned, self.bad, self.error = num_deaths, set(poisoned), set(bad), error
        self.tasks = {worker: [] for worker in range(num_workers)}
        self.alive = set()
        self.published = {}
        self.stopped = False
        self.largest_queue = 0
        self.num_turns = self.num_lost = 0

    def submit(self, worker, keys):
        assert worker in self.alive
        assert not self.stopped
        self.tasks[worker].append(list(keys))
        self.largest_queue = max(self.largest_queue, len(self.tasks[worker]))

    def stop(self):
        self.stopped = True

    def find_published(self, worker, keys):
        return {key: 10 for key in keys if key in self.published}

    def wait(self, seconds):
        self.num_turns += 1
        assert self.num_turns < 10_000
        events = []
        for worker, tasks in self.tasks.items():
            if worker not in self.alive:
                self.alive.add(worker)
                events.append(WorkerReady(worker, f"machine {worker}"))
            elif tasks and self.rng.random() < 0.7:
                events += self._turn(worker, tasks)
        return events

    def _turn(self, worker, tasks):
        keys = tasks[0]
        if self.error is not None:
            tasks.pop(0)
            return [TaskFailed(worker, self.error)]
        if self.stopped:
            tasks.pop(0)
            return [TaskDone(worker, TaskResult(RunCounts(), RunEffort(), {}, False, 0.1))]
        dies = self.deaths_left > 0 and self.rng.random() < 0.5
        self.deaths_left -= dies
        until = int(self.rng.integers(0, len(keys) + 1)) if dies else len(keys)
        until = min([until, *[at for at, key in enumerate(keys) if key in self.poisoned]])
        done = [key for key in keys[:until] if key not in self.bad]
        for key in done:
            self.published[key] = self.published.get(key, 0) + 1
        said = WorkerSaid(worker, tuple(("advance", f"v{key}") for key in keys[:until]))
        if until < len(keys) or dies:
            self.num_lost += 1
            self.alive.remove(worker)
            tasks.clear()
            return [said, WorkerLost(worker, "killed")]
        tasks.pop(0)
        failures = {key: Failure(f"v{key}", f"v{key}.mp4", "decode", "cut") for key in keys if key in self.bad}
        counts = RunCounts(len(done), 10 * len(done))
        result = TaskResult(counts, RunEffort(1, seconds=1.0), failures, True, 1.0, said.messages)
        return [TaskDone(worker, result)]


def drive_all(run, pool, should_stop=lambda: False, size=3_000_000):
    drive(run, [size] * len(run.jobs), pool, pool.find_published, should_stop)
    run.save_failures()


@settings(max_examples=100, deadline=None)
@given(
    st.integers(0, 120),
    st.integers(1, 6),
    st.integers(0, MAX_ATTEMPTS - 1),
    st.integers(0, 2**32 - 1),
    st.sets(st.integers(0, 119), max_size=3),
)
def test_whoever_dies_every_video_is_done_once_and_counted_once(
    tmp_path_factory, num_jobs, num_workers, deaths, seed, bad
):
    tmp_path = tmp_path_factory.mktemp("run")
    listener = Listener()
    run = make_run(tmp_path, num_jobs, listener)
    bad = {key for key in bad if key < num_jobs}
    pool = PretendedPool(num_workers, seed, deaths, bad=bad)
    drive_all(run, pool)
    good = set(range(num_jobs)) - bad
    assert set(pool.published) == good
    assert set(pool.published.values()) <= {1}
    assert (run.counts.num_done, run.counts.num_intervals) == (len(good), 10 * len(good))
    assert set(load_failures(tmp_path / "failures.csv")) == {f"v{key}" for key in bad}
    assert sorted(listener.done) == sorted(f"v{key}" for key in range(num_jobs))
    assert pool.largest_queue <= MAX_IN_FLIGHT


@pytest.mark.parametrize("seed", range(5))
def test_a_video_that_ends_its_worker_costs_only_itself(tmp_path, seed):
    run = make_run(tmp_path, 100)
    pool = PretendedPool(3, seed, poisoned={7, 60})
    drive_all(run, pool)
    assert set(pool.published) == set(range(100)) - {7, 60}
    assert run.counts.num_done == 98
    failures = load_failures(tmp_path / "failures.csv")
    assert set(failures) == {"v7", "v60"}
    assert all(failure.reason.startswith("3 workers were lost while") for failure in failures.values())
    assert pool.num_lost == 2 * MAX_ATTEMPTS


def test_what_waited_behind_a_lost_task_is_not_blamed(tmp_path):
    # Every worker dies at its first task for ever, but the second in flight must never count an attempt for it.
    run = make_run(tmp_path, 4)
    pool = PretendedPool(1, poisoned={0})
    drive_all(run, pool)
    assert set(pool.published) == {1, 2, 3}


def test_a_full_disk_ends_the_run_after_what_is_complete_is_published(tmp_path):
    run = make_run(tmp_path, 50)
    pool = PretendedPool(2, error=OutputError("no room", "free some"))
    with pytest.raises(OutputError, match="no room"):
        drive_all(run, pool)
    assert pool.stopped
    assert not run.stopped


def test_an_unexpected_error_costs_only_its_video(tmp_path):
    run = make_run(tmp_path, 3)
    pool = PretendedPool(2, error=ZeroDivisionError("a bug"))
    drive_all(run, pool)
    failures = load_failures(tmp_path / "failures.csv")
    assert set(failures) == {"v0", "v1", "v2"}
    assert all("ZeroDivisionError: a bug" in failure.reason for failure in failures.values())


def test_a_stop_lets_workers_publish_and_hands_out_nothing_more(tmp_path):
    run = make_run(tmp_path, 1000)
    pool = PretendedPool(2)
    drive_all(run, pool, should_stop=lambda: pool.num_turns > 5)
    assert run.stopped
    assert pool.stopped
    assert 0 < len(pool.published) < 1000
    assert run.counts.num_done == len(pool.published)


def test_a_stopped_worker_tells_of_earlier_failures_that_it_did_not_come_to(tmp_path):
    run = make_run(tmp_path, 2)
    earlier = {"v1": Failure("v1", "v1.mp4", "decode", "cut", attempts=2)}
    worker = ClusterWorker(WorkerOrder(tiny_options(), run.outputs, "cpu", 1), "w")
    worker.stop()
    result = worker.work({8: run.jobs[0], 9: run.jobs[1]}, earlier)
    assert (result.is_complete, result.failures) == (False, {9: earlier["v1"]})


def test_a_part_that_cannot_be_read_has_published_nothing(tmp_path):
    parts = write_parts(tmp_path, make_videos(6), videos_per_part=3)
    output = SpecOutput(make_spec(), tmp_path, 0)
    assert len(stored_by(["test"], output)) == 6
    parts[0].write_bytes(b"")
    assert len(stored_by(["test"], output)) == 3


def test_a_worker_that_does_not_answer_cannot_hold_a_stop_up_for_ever(tmp_path, monkeypatch):
    monkeypatch.setattr(cluster_driver, "_STOP_SECONDS", 0.05)

    class Silent(PretendedPool):
        def _turn(self, worker, tasks):
            return []

        def wait(self, seconds):
            self.num_turns = 0
            return super().wait(seconds)

    pool = Silent(1)
    ready = []
    drive_all(make_run(tmp_path, 5), pool, should_stop=lambda: ready.append(1) or len(ready) > 3)
    assert pool.stopped


def test_the_list_of_failures_is_not_rewritten_for_every_task(tmp_path, monkeypatch):
    run = make_run(tmp_path, 200)
    written = []
    monkeypatch.setattr(ExtractionRun, "save_failures", lambda run: written.append(1))
    drive(run, [3_000_000] * 200, PretendedPool(2), lambda *_: {}, lambda: False)
    assert len(written) == 1


def test_several_views_of_one_id_are_counted_each(tmp_path):
    listener = Listener()
    run = make_run(tmp_path, 2, listener)
    front, side = (replace(run.outputs[0], spec=replace(run.outputs[0].spec, view=view)) for view in ("a", "b"))
    run.outputs = (front, side)
    run.jobs = [VideoJob(VideoSource("v0", Path("v0.mp4"), view), (place,)) for place, view in enumerate("ab")]

    class Views(PretendedPool):
        def _turn(self, worker, tasks):
            keys = tasks.pop(0)
            said = tuple(("advance", "v0") for _ in keys)
            return [TaskDone(worker, TaskResult(RunCounts(len(keys)), RunEffort(), {}, True, 1.0, said))]

    drive_all(run, Views(2))
    assert listener.done == ["v0", "v0"]
