"""Ray actors as the workers of a cluster: `ClusterWorker`s that are replaced when they are lost."""

import os
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from tsmfeat.errors import EnvironmentLackError, StoreError, TsmfeatError
from tsmfeat.store import schema
from tsmfeat.store.folders import files_in, parts_folder
from tsmfeat.store.validation import read_index
from tsmfeat.workflows.cluster_events import PoolEvent, TaskDone, TaskFailed, WorkerLost, WorkerReady, WorkerSaid
from tsmfeat.workflows.cluster_worker import ClusterWorker, WorkerOrder
from tsmfeat.workflows.extraction_plan import SpecOutput, VideoJob
from tsmfeat.workflows.extraction_run import ExtractionRun

# An actor that dies this often before it is ready will die again.
_MAX_FALSE_STARTS = 3
_TALKING = "talk"


class FleetSize(NamedTuple):
    """How many actors, and what each takes of a cluster."""

    num_actors: int
    num_cpus: int
    num_gpus: int


def absolute(path: str | Path) -> Path:
    """Return a path that names the same on every machine; links stay as they are named."""
    return Path(os.path.abspath(path))  # noqa: PTH100 - `resolve` would follow links that differ between machines


def _with_absolute_path(job: VideoJob) -> VideoJob:
    return replace(job, source=replace(job.source, path=absolute(job.source.path)))


@dataclass
class _Actor:
    """One actor, and whether it has loaded the trunk."""

    handle: Any
    is_ready: bool = False


class RayPool:
    """Actors as the workers of `tsmfeat.workflows.cluster_driver`; a lost one is replaced at once.

    Parameters
    ----------
    ray
        The module, initialised.
    size
        How many actors, and what each takes.
    order
        What every actor is told.
    run
        Whose jobs they do.
    prefix
        How the names of all parts begin.
    """

    def __init__(self, ray: Any, size: FleetSize, order: WorkerOrder, run: ExtractionRun, prefix: str) -> None:  # noqa: ANN401
        self._ray, self._size, self._run, self._prefix = ray, size, run, prefix
        self._order = ray.put(order)
        self._actors: dict[int, _Actor] = {}
        # Of its parts, by worker: those of the actors that were lost, too.
        self._names: dict[int, list[str]] = defaultdict(list)
        self._false_starts = 0
        self._num_started = 0
        # What every pending call will tell: the worker and the verb.
        self._pending: dict[Any, tuple[int, str]] = {}
        for worker in range(size.num_actors):
            self._start(worker)

    @property
    def num_workers(self) -> int:
        """How many there are or will be."""
        return self._size.num_actors

    def submit(self, worker: int, keys: Sequence[int]) -> None:
        """Give a task to an actor."""
        jobs = {key: _with_absolute_path(self._run.jobs[key]) for key in keys}
        asked = [job.source.key for job in jobs.values()]
        known = {key: self._run.failures[key] for key in asked if key in self._run.failures}
        self._call(worker, "work", jobs, known)

    def wait(self, seconds: float) -> list[PoolEvent]:
        """Return what happened, after some seconds at most; every actor is asked for news meanwhile."""
        talking = {worker for worker, verb in self._pending.values() if verb == _TALKING}
        for worker, actor in self._actors.items():
            if actor.is_ready and worker not in talking:
                self._call(worker, _TALKING)
        # News come at once: only the others are worth waiting for.
        quiet = [call for call, (_, verb) in self._pending.items() if verb != _TALKING]
        if quiet:
            self._ray.wait(quiet, timeout=seconds)
        done, _ = self._ray.wait(list(self._pending), num_returns=len(self._pending), timeout=0)
        events = [self._outcome(call) for call in self._in_order(done)]
        return [event for event in events if event is not None]

    def stop(self) -> None:
        """Ask all actors to end their tasks."""
        for worker in self._actors:
            self._call(worker, "stop")

    def close(self) -> None:
        """End all actors."""
        for actor in self._actors.values():
            self._ray.kill(actor.handle)

    def find_published(self, worker: int, keys: Sequence[int]) -> dict[int, int]:
        """Return which jobs had their videos published in all their outputs by a worker, with their intervals."""
        stored = [stored_by(self._names[worker], output) for output in self._run.outputs]
        jobs = [(key, self._run.jobs[key].source.video_id, self._run.jobs[key].outputs) for key in keys]
        return {
            key: sum(stored[place][video_id] for place in places)
            for key, video_id, places in jobs
            if all(video_id in stored[place] for place in places)
        }

    def _start(self, worker: int) -> None:
        name = f"{self._prefix}-{self._num_started}"
        self._num_started += 1
        actor_class = self._ray.remote(
            num_cpus=self._size.num_cpus,
            num_gpus=self._size.num_gpus,
            max_restarts=0,
            concurrency_groups={_TALKING: 1},
        )(ClusterWorker)
        self._names[worker].append(name)
        self._actors[worker] = _Actor(actor_class.remote(self._order, name))
        self._call(worker, "prepare")

    def _call(self, worker: int, verb: str, *arguments: object) -> None:
        method = getattr(self._actors[worker].handle, verb)
        if verb in (_TALKING, "stop"):
            method = method.options(concurrency_group=_TALKING)
        call = method.remote(*arguments)
        self._pending[call] = (worker, verb)

    def _in_order(self, done: Sequence[Any]) -> list[Any]:
        """Return calls in the order in which they were made: a worker's tasks end in the order they were given."""
        ready = set(done)
        return [call for call in self._pending if call in ready]

    def _outcome(self, call: Any) -> PoolEvent | None:  # noqa: ANN401 - a reference of Ray's
        if call not in self._pending:
            # Of an actor found lost a moment ago.
            return None
        worker, verb = self._pending.pop(call)
        try:
            value = self._ray.get(call)
        except self._ray.exceptions.RayTaskError as error:
            return self._failed(worker, verb, error.cause)
        except self._ray.exceptions.RayError as error:
            return self._replace(worker, first_line(error))
        return self._told(worker, verb, value)

    def _told(self, worker: int, verb: str, value: Any) -> PoolEvent | None:  # noqa: ANN401
        match verb:
            case "prepare":
                self._actors[worker].is_ready = True
                self._false_starts = 0
                return WorkerReady(worker, value)
            case "work":
                return TaskDone(worker, value)
            case "talk":
                return WorkerSaid(worker, value) if value else None
        return None

    def _failed(self, worker: int, verb: str, error: Exception) -> PoolEvent | None:
        if verb == "work":
            return TaskFailed(worker, error)
        raise (
            error
            if isinstance(error, TsmfeatError)
            else EnvironmentLackError(
                f"a worker cannot start ({type(error).__name__}: {error})", "install the same tsmfeat on every machine"
            )
        )

    def _replace(self, worker: int, reason: str) -> PoolEvent | None:
        lost = self._actors[worker]
        self._pending = {call: told for call, told in self._pending.items() if told[0] != worker}
        self._ray.kill(lost.handle)
        if not lost.is_ready:
            self._false_starts += 1
            if self._false_starts >= _MAX_FALSE_STARTS:
                raise EnvironmentLackError(
                    f"workers die while they load the trunk ({reason})", "look at the memory and the logs of Ray"
                )
        self._start(worker)
        return WorkerLost(worker, reason)


def stored_by(names: Sequence[str], output: SpecOutput) -> dict[str, int]:
    """Return the intervals of the videos in the parts that some actors published."""
    stored: dict[str, int] = {}
    beginnings = tuple(f"{schema.PART_PREFIX}{name}-" for name in names)
    for path in files_in(parts_folder(output.out)):
        if path.name.startswith(beginnings):
            # One that has been damaged or packed meanwhile costs only that its videos are made again.
            with suppress(StoreError):
                index = read_index(path)
                stored |= dict(zip(index.video_ids, index.columns["num_intervals"].tolist(), strict=True))
    return stored


def first_line(error: Exception) -> str:
    """Return what an error of Ray's says first; the rest is advice of many lines."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
