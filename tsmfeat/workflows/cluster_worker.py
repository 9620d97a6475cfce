"""A worker of a cluster: loads the trunks once, then extracts the videos of one task after another."""

import os
import platform
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tsmfeat.errors import CheckpointError
from tsmfeat.store.folders import parts_folder
from tsmfeat.store.writer import PartWriter
from tsmfeat.trunk.device import resolve_device
from tsmfeat.trunk.loading import load_trunk
from tsmfeat.workflows.cluster_events import TaskResult
from tsmfeat.workflows.extraction_engine import LoadedTrunk, extract_videos
from tsmfeat.workflows.extraction_plan import SpecOutput, VideoJob
from tsmfeat.workflows.extraction_run import ExtractionRun
from tsmfeat.workflows.failures import Failure
from tsmfeat.workflows.options import ExtractOptions


@dataclass(frozen=True)
class WorkerOrder:
    """What every worker of a run is told once.

    Parameters
    ----------
    options
        Of the run; all paths are absolute.
    outputs
        Where features go: folders that every worker can reach.
    device
        ``"cpu"``, or ``"cuda"`` for the one device that the worker sees.
    num_readers
        Reader processes of a worker.
    """

    options: ExtractOptions
    outputs: tuple[SpecOutput, ...]
    device: str
    num_readers: int


class _Messages:
    """A `Progress` that keeps what it is told until somebody asks; both happen in threads of their own."""

    def __init__(self) -> None:
        self._kept: deque[tuple[str, str]] = deque()

    def begin(self, task: str, total: float, unit: str) -> None:
        """Ignore: the driver knows the whole."""

    def advance(self, amount: float = 1.0, detail: str = "") -> None:
        """Keep the id of a video that came to its end."""
        self._kept.append(("advance", detail))

    def show(self, lines: Sequence[str]) -> None:
        """Ignore."""

    def end(self) -> None:
        """Ignore."""

    def note(self, message: str) -> None:
        """Ignore: what is worth a note is the same on every worker."""

    def warn(self, message: str) -> None:
        """Keep a warning."""
        self._kept.append(("warn", message))

    def take(self) -> tuple[tuple[str, str], ...]:
        """Return what was kept since."""
        return tuple(self._kept.popleft() for _ in range(len(self._kept)))


class ClusterWorker:
    """Holds the trunks for the time of a run.

    Parameters
    ----------
    order
        `WorkerOrder`.
    name
        Of its parts; no other worker of the run, nor of another run, has it.
    """

    def __init__(self, order: WorkerOrder, name: str) -> None:
        self._order = order
        self._name = name
        self._trunks: list[LoadedTrunk] = []
        self._messages = _Messages()
        self._stop = threading.Event()

    def prepare(self) -> str:
        """Load the trunks, and return where this is.

        Raises
        ------
        CheckpointError
            The checkpoint here holds other weights than that of the driver.
        """
        device = resolve_device(self._order.device)
        for place, asked in enumerate(self._order.options.trunks):
            trunk = load_trunk(asked)
            wanted = next(output.spec for output in self._order.outputs if output.trunk == place)
            if trunk.checkpoint_digest != wanted.checkpoint_digest:
                raise CheckpointError(
                    f"{asked.checkpoint}: holds other weights on {platform.node()} than where the run was started",
                    "put the same checkpoint in the same place on every machine",
                )
            self._trunks.append(LoadedTrunk(trunk, device))
        return f"{platform.node()}, process {os.getpid()}, {device}"

    def work(self, jobs: Mapping[int, VideoJob], failures: Mapping[str, Failure]) -> TaskResult:
        """Extract some videos; all that is complete is published when this returns.

        Parameters
        ----------
        jobs
            By their places in the whole run.
        failures
            Of these videos in earlier runs, by `Failure.key`.
        """
        began = time.monotonic()
        run = ExtractionRun(list(jobs.values()), self._order.outputs, None, dict(failures), frozenset(), self._messages)
        if self._stop.is_set():
            run.stopped = True
        else:
            extract_videos(run, self._trunks, self._open_writers(run), self._options(), self._stop.is_set)
        # Of a run that was stopped also those it did not come to, which failed before.
        failed = {key: run.failures[job.source.key] for key, job in jobs.items() if job.source.key in run.failures}
        seconds = time.monotonic() - began
        return TaskResult(run.counts, run.effort, failed, not run.stopped, seconds, self._messages.take())

    def talk(self) -> tuple[tuple[str, str], ...]:
        """Return what there is to say since the last time."""
        return self._messages.take()

    def stop(self) -> None:
        """Have the task under way, and all to come, end as soon as what is complete is published."""
        self._stop.set()

    def _options(self) -> ExtractOptions:
        options = self._order.options
        return replace(options, video=replace(options.video, workers=self._order.num_readers))

    def _open_writers(self, run: ExtractionRun) -> dict[int, PartWriter]:
        places = sorted({place for job in run.jobs for place in job.outputs})
        outputs = [(place, run.outputs[place]) for place in places]
        store = self._order.options.store
        return {
            place: PartWriter(parts_folder(Path(output.out)), output.spec, worker=self._name, options=store)
            for place, output in outputs
        }
