"""What the driver of a cluster and its workers tell each other."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from tsmfeat.workflows.extraction_effort import RunEffort
from tsmfeat.workflows.extraction_run import RunCounts
from tsmfeat.workflows.failures import Failure


@dataclass(frozen=True)
class TaskResult:
    """What a worker made of a task.

    Parameters
    ----------
    counts, effort
        As of a run of these videos alone.
    failures
        By the place of the job: of videos that failed now, or in an earlier run and were not tried again.
    is_complete
        Whether it came to the end, rather than being asked to stop.
    seconds
        Wall time.
    messages
        What it has not said yet (`WorkerSaid`).
    """

    counts: RunCounts
    effort: RunEffort
    failures: dict[int, Failure]
    is_complete: bool
    seconds: float
    messages: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class WorkerReady:
    """A worker has loaded the trunk; where it is, for people."""

    worker: int
    place: str


@dataclass(frozen=True)
class WorkerLost:
    """A worker is gone, and with it the tasks in flight. The pool replaces it."""

    worker: int
    reason: str


@dataclass(frozen=True)
class TaskDone:
    """A worker came to the end of its oldest task."""

    worker: int
    result: TaskResult


@dataclass(frozen=True)
class TaskFailed:
    """A worker's oldest task raised an error; the worker lives."""

    worker: int
    error: Exception


@dataclass(frozen=True)
class WorkerSaid:
    """What a worker's run told its progress: ``("advance" | "warn", text)`` in order."""

    worker: int
    messages: tuple[tuple[str, str], ...]


# Given a worker and jobs by their places: which of them it had published whole, with their intervals.
FindPublished = Callable[[int, Sequence[int]], dict[int, int]]
PoolEvent = WorkerReady | WorkerLost | TaskDone | TaskFailed | WorkerSaid


class WorkerPool(Protocol):
    """Workers by number; each does its tasks one after another in the order given."""

    @property
    def num_workers(self) -> int:
        """How many there are or will be."""

    def submit(self, worker: int, keys: Sequence[int]) -> None:
        """Give a task to a worker that is ready."""

    def wait(self, seconds: float) -> list[PoolEvent]:
        """Return what happened, after some seconds at most."""

    def stop(self) -> None:
        """Ask all workers to publish what is complete and to end their tasks."""
