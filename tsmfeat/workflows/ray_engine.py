"""The engine of an extraction on a Ray cluster: one actor a device, each a `ClusterWorker`; the only user of Ray."""

import importlib.util
import os
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tsmfeat.errors import ConfigurationError, EnvironmentLackError
from tsmfeat.trunk.names import HF, split_trunk
from tsmfeat.values.progress import Progress
from tsmfeat.workflows.cluster_driver import drive
from tsmfeat.workflows.cluster_worker import WorkerOrder
from tsmfeat.workflows.extraction_run import ExtractionRun
from tsmfeat.workflows.options import ExtractOptions
from tsmfeat.workflows.ray_pool import FleetSize, RayPool, absolute, first_line
from tsmfeat.workflows.sources import file_bytes


@dataclass(frozen=True)
class Fleet:
    """A running Ray cluster, as far as an extraction uses it.

    Parameters
    ----------
    ray
        The module.
    device
        Of every actor: ``"cuda"`` or ``"cpu"``.
    size
        `plan_fleet`.
    """

    ray: Any
    device: str
    size: FleetSize

    def extract(
        self, run: ExtractionRun, options: ExtractOptions, worker: str, should_stop: Callable[[], bool]
    ) -> None:
        """Have the fleet do the jobs of a run; its outputs must lie where every machine can write.

        Parameters
        ----------
        run
            Filled by what the workers report.
        options
            Of the run.
        worker
            How the names of parts begin, such as ``"shard-0-of-4"``; empty: with ``"ray"``.
        should_stop
            Asked every second at least.

        Raises
        ------
        EnvironmentLackError
            The workers die while they load the trunk.
        TsmfeatError
            What a worker raised that concerns all videos.
        """
        outputs = tuple(replace(output, out=absolute(output.out)) for output in run.outputs)
        num_readers = options.video.workers or self.size.num_cpus
        order = WorkerOrder(with_absolute_paths(options), outputs, self.device, num_readers)
        prefix = f"{worker}-ray-{uuid.uuid4().hex[:8]}".removeprefix("-")
        run.progress.begin("extract", len(run.jobs), "videos")
        pool = RayPool(self.ray, self.size, order, run, prefix)
        try:
            drive(run, [file_bytes(job.source.path) for job in run.jobs], pool, pool.find_published, should_stop)
        finally:
            pool.close()
        run.progress.end()


@contextmanager
def open_fleet(options: ExtractOptions, progress: Progress) -> Iterator[Fleet]:
    """Join the Ray cluster of ``RAY_ADDRESS`` or of this machine, or start one here for the time of the run.

    Raises
    ------
    EnvironmentLackError
        Ray is not installed, cannot be reached, or has no device of the kind that was asked for.
    ConfigurationError
        A device with a number: Ray gives every actor its own.
    """
    if importlib.util.find_spec("ray") is None:
        raise EnvironmentLackError("Ray is not installed; --engine ray needs it", 'pip install "tsmfeat[ray]"')
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    import ray

    joined = ray.is_initialized()
    # Ray prints what befalls its workers to stdout, where data goes; the driver tells it in its own words.
    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere):
        if not joined:
            _start(ray)
        try:
            yield _size_up(ray, options, progress)
        finally:
            if not joined:
                ray.shutdown()


def _start(ray: Any) -> None:  # noqa: ANN401 - Ray's module is loaded only here
    try:
        ray.init(log_to_driver=False, logging_level="ERROR", include_dashboard=False)
    except (ConnectionError, OSError, RuntimeError, ValueError) as error:
        address = os.environ.get("RAY_ADDRESS", "")
        raise EnvironmentLackError(
            f"Ray cannot be {f'reached at RAY_ADDRESS={address}' if address else 'started'} ({first_line(error)})",
            "check `ray status`, and that both sides have the same token or RAY_AUTH_MODE=disabled; or unset "
            "RAY_ADDRESS to start Ray on this machine alone",
        ) from error


def _size_up(ray: Any, options: ExtractOptions, progress: Progress) -> Fleet:  # noqa: ANN401
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    machines = [(int(node.get("CPU", 0)), int(node.get("GPU", 0))) for node in nodes]
    num_gpus = sum(gpus for _, gpus in machines)
    device = _choose_device({trunk.device for trunk in options.trunks}, num_gpus)
    size = plan_fleet(machines, device, options.num_actors)
    progress.note(
        f"Ray: {len(machines)} machines, {sum(cpus for cpus, _ in machines)} cores, {num_gpus} GPUs; {size.num_actors} "
        f"workers on {device}, {size.num_cpus} cores each"
    )
    return Fleet(ray, device, size)


def plan_fleet(machines: Sequence[tuple[int, int]], device: str, num_actors: int | None) -> FleetSize:
    """Return how many actors a cluster gets and what each takes, so that they fit on its machines.

    A GPU has one actor; of CPUs the smallest machine is one actor, and a larger one several. If more actors are asked
    for than there is room for, they wait until other machines join.

    Parameters
    ----------
    machines
        Cores and GPUs of each.
    device
        ``"cuda"`` or ``"cpu"``.
    num_actors
        As asked for; None: as many as there are devices.

    Examples
    --------
    >>> plan_fleet([(64, 0), (32, 8), (16, 2)], "cuda", None)
    FleetSize(num_actors=10, num_cpus=4, num_gpus=1)
    >>> plan_fleet([(8, 0), (16, 0)], "cpu", None), plan_fleet([(2, 0)], "cpu", 2)
    (FleetSize(num_actors=3, num_cpus=8, num_gpus=0), FleetSize(num_actors=2, num_cpus=1, num_gpus=0))
    """
    if device == "cuda":
        with_gpus = [(cpus, gpus) for cpus, gpus in machines if gpus]
        share = min(cpus // gpus for cpus, gpus in with_gpus)
        return FleetSize(num_actors or sum(gpus for _, gpus in with_gpus), max(1, share), 1)
    cores = [cpus for cpus, _ in machines if cpus] or [1]
    share = min(cores) if num_actors is None else max(1, sum(cores) // num_actors)
    while num_actors is not None and share > 1 and sum(cpus // share for cpus in cores) < num_actors:
        share -= 1
    return FleetSize(num_actors or sum(cpus // share for cpus in cores), share, 0)


def _choose_device(asked: set[str], num_gpus: int) -> str:
    device = asked.pop()
    if asked or device not in ("auto", "cpu", "cuda"):
        raise ConfigurationError(
            f"--device {device}: Ray gives every worker a device of its own", "use --device auto, cpu or cuda"
        )
    if device == "cuda" and not num_gpus:
        raise EnvironmentLackError("the Ray cluster has no GPU", "use --device cpu, or start Ray with --num-gpus")
    return "cpu" if device == "cpu" or not num_gpus else "cuda"


def with_absolute_paths(options: ExtractOptions) -> ExtractOptions:
    """Return options whose files are named such that a worker in another folder finds them."""
    trunks = tuple(
        replace(trunk, trunk=_with_absolute_folder(trunk.trunk), checkpoint=_absolute_if_there(trunk.checkpoint))
        for trunk in options.trunks
    )
    return replace(options, trunk=trunks)


def _with_absolute_folder(trunk: str) -> str:
    prefix, name = split_trunk(trunk)
    return f"{HF}:{_absolute_if_there(str(Path(name).expanduser()))}" if prefix == HF else trunk


def _absolute_if_there(path: str) -> str:
    return str(absolute(path)) if Path(path).exists() else path
