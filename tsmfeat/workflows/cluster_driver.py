"""The driver of a cluster: hands tasks to workers, takes what they say, and sees that no video is lost or done twice.

It knows workers by number and a pool by its few verbs, so that all of its bookkeeping is tried without a cluster.
"""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tsmfeat.errors import TsmfeatError
from tsmfeat.workflows.cluster_events import (
    FindPublished,
    PoolEvent,
    TaskDone,
    TaskFailed,
    TaskResult,
    WorkerLost,
    WorkerPool,
    WorkerReady,
    WorkerSaid,
)
from tsmfeat.workflows.cluster_tasks import TaskList, VideoTask, count_bytes, tasks_after_loss
from tsmfeat.workflows.extraction_effort import RunEffort
from tsmfeat.workflows.extraction_run import ExtractionRun, RunCounts

# The one at work, and the next: a worker never waits for the driver, and a lost one costs little.
MAX_IN_FLIGHT = 2
_IDLE_SECONDS = 1.0
_SECONDS_BETWEEN_LISTS = 30.0
# How long a stop waits for workers to publish what is complete.
_STOP_SECONDS = 120.0


@dataclass
class _Drive:
    """What the driver knows."""

    run: ExtractionRun
    pool: WorkerPool
    find_published: FindPublished
    tasks: TaskList
    in_flight: dict[int, list[VideoTask]] = field(default_factory=dict)
    advanced: Counter[str] = field(default_factory=Counter)
    error: TsmfeatError | None = None
    stop_by: float | None = None
    list_due: float = 0.0

    @property
    def num_in_flight(self) -> int:
        return sum(len(tasks) for tasks in self.in_flight.values())

    @property
    def is_over(self) -> bool:
        if self.stop_by is None:
            return not self.tasks and not self.num_in_flight
        return not self.num_in_flight or time.monotonic() > self.stop_by


def drive(
    run: ExtractionRun,
    sizes: Sequence[int],
    pool: WorkerPool,
    find_published: FindPublished,
    should_stop: Callable[[], bool],
) -> None:
    """Have a pool of workers do the jobs of a run.

    Parameters
    ----------
    run
        Filled with what the workers did.
    sizes
        Bytes of each job's file.
    pool
        The workers.
    find_published
        Asked when a worker was lost.
    should_stop
        Asked every second at least.

    Raises
    ------
    TsmfeatError
        What a worker raised that concerns all videos: a full disk, a lacking decoder. What is complete is published.
    """
    drive = _Drive(run, pool, find_published, TaskList(count_bytes(sizes)))
    while not drive.is_over:
        if drive.stop_by is None and should_stop():
            run.stopped = True
            _stop(drive)
        _hand_out(drive)
        for event in pool.wait(_IDLE_SECONDS):
            _take(event, drive)
        _save_failures(drive)
    if drive.error is not None:
        raise drive.error


def _stop(drive: _Drive) -> None:
    drive.pool.stop()
    drive.stop_by = time.monotonic() + _STOP_SECONDS


def _hand_out(drive: _Drive) -> None:
    """Give the workers that are ready tasks, first one to each and then a second."""
    if drive.stop_by is not None:
        return
    for depth in range(1, MAX_IN_FLIGHT + 1):
        for worker, tasks in drive.in_flight.items():
            if len(tasks) < depth and drive.tasks:
                task = drive.tasks.take(drive.pool.num_workers)
                tasks.append(task)
                drive.pool.submit(worker, task.keys)


def _take(event: PoolEvent, drive: _Drive) -> None:
    match event:
        case WorkerReady():
            drive.in_flight[event.worker] = []
            drive.run.progress.note(f"worker {event.worker + 1} of {drive.pool.num_workers}: {event.place}")
        case WorkerLost():
            _lose(event, drive)
        case TaskDone():
            _count(drive.in_flight[event.worker].pop(0), event.result, drive)
        case TaskFailed():
            task = drive.in_flight[event.worker].pop(0)
            if isinstance(event.error, TsmfeatError):
                # It concerns all videos; those of one are listed as failures by its run.
                drive.error = drive.error or event.error
                if drive.stop_by is None:
                    _stop(drive)
            else:
                _hand_in(task, event.worker, f"{type(event.error).__name__}: {event.error}", drive)
        case WorkerSaid():
            _repeat(event.messages, drive)


def _lose(event: WorkerLost, drive: _Drive) -> None:
    tasks = drive.in_flight.pop(event.worker, [])
    drive.run.progress.warn(f"worker {event.worker + 1} was lost ({event.reason}); another takes its place")
    # Only the first was begun; the others are nobody's fault.
    drive.tasks.again.extendleft(reversed(tasks[1:]))
    if tasks:
        _hand_in(tasks[0], event.worker, event.reason, drive)


def _hand_in(task: VideoTask, worker: int, reason: str, drive: _Drive) -> None:
    """Count what a task published before it broke, and hand out the rest again."""
    run = drive.run
    published = drive.find_published(worker, task.keys)
    for key in task.keys:
        if key in published:
            run.counts.num_done += 1
            run.counts.num_intervals += published[key]
            run.failures.pop(run.source(key).key, None)
            _advance(run.source(key).video_id, drive)
    again, lost = tasks_after_loss(task, published.__contains__)
    drive.tasks.again.extendleft(reversed(again))
    for key in lost:
        run.fail(key, "worker", f"{task.attempts + 1} workers were lost while they were at it: {reason}")
        drive.advanced[run.source(key).video_id] += 1


def _count(task: VideoTask, result: TaskResult, drive: _Drive) -> None:
    run = drive.run
    _repeat(result.messages, drive)
    if result.is_complete:
        drive.tasks.learn(task, result.seconds)
    for key in task.keys:
        failure = result.failures.get(key)
        if failure is None:
            run.failures.pop(run.source(key).key, None)
        else:
            run.failed_keys.add(key)
            run.failures[failure.key] = failure
    run.counts = add_counts(run.counts, result.counts)
    _add_effort(run.effort, result.effort)


def add_counts(one: RunCounts, other: RunCounts) -> RunCounts:
    """Return the counts of two runs of different videos together.

    Examples
    --------
    >>> add_counts(RunCounts(2, 10), RunCounts(1, 5)).num_intervals
    15
    """
    return RunCounts(**{name: getattr(one, name) + getattr(other, name) for name in vars(one)})


def _add_effort(effort: RunEffort, more: RunEffort) -> None:
    effort.reader_seconds += more.reader_seconds
    effort.reader_waiting_seconds += more.reader_waiting_seconds
    effort.reader_peak_bytes = max(effort.reader_peak_bytes, more.reader_peak_bytes)
    effort.device_seconds += more.device_seconds
    for part, seconds in more.parts.items():
        effort.parts[part] = effort.parts.get(part, 0.0) + seconds
    effort.num_readers = max(effort.num_readers, more.num_readers)
    effort.seconds += more.seconds


def _repeat(messages: Sequence[tuple[str, str]], drive: _Drive) -> None:
    for kind, text in messages:
        if kind == "advance":
            _advance(text, drive)
        else:
            drive.run.progress.warn(text)


def _advance(video_id: str, drive: _Drive) -> None:
    """Count a video once a view, also if its worker was lost before it was published and another did it again."""
    if drive.advanced[video_id] < len({output.spec.view for output in drive.run.outputs}):
        drive.advanced[video_id] += 1
        drive.run.progress.advance(1, video_id)


def _save_failures(drive: _Drive) -> None:
    # The list is rewritten whole, and a large fleet ends many tasks a second.
    if time.monotonic() >= drive.list_due:
        drive.list_due = time.monotonic() + _SECONDS_BETWEEN_LISTS
        drive.run.save_failures()
