"""What an extraction finds where it writes: finished videos, known failures, and what is left to do."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tsmfeat.errors import InputError
from tsmfeat.values.progress import Progress
from tsmfeat.workflows.extraction_engine import LoadedTrunk
from tsmfeat.workflows.extraction_plan import SpecOutput, VideoJob, choose_jobs, leave_failed
from tsmfeat.workflows.extraction_run import ExtractionRun
from tsmfeat.workflows.failures import Failure, failures_path, load_failures
from tsmfeat.workflows.options import ExtractOptions
from tsmfeat.workflows.outputs import clear_outputs, remove_left_overs, stored_videos, tell_packing
from tsmfeat.workflows.shards import parse_shard, shard_name
from tsmfeat.workflows.sources import VideoSource


@dataclass(frozen=True)
class ExtractPlan:
    """What a run makes, of what, and with what.

    Parameters
    ----------
    out
        What the user named: failures are listed at it.
    sources
        Videos asked for.
    outputs
        One a kind of features; all files in one folder.
    trunks
        Those that the outputs name by place.
    """

    out: Path
    sources: tuple[VideoSource, ...]
    outputs: tuple[SpecOutput, ...]
    trunks: tuple[LoadedTrunk, ...]


def worker_name(options: ExtractOptions) -> str:
    """Return what the parts of a run are called after: its share of the videos; empty: the machine."""
    shard = shard_name(parse_shard(options.shard))
    return f"shard-{shard}" if shard else ""


def begin_run(plan: ExtractPlan, options: ExtractOptions, progress: Progress) -> tuple[ExtractionRun, int]:
    """Return the run that is left to do, and how many videos were finished before."""
    sources, outputs = plan.sources, plan.outputs
    shard = shard_name(parse_shard(options.shard))
    failures_file = failures_path(plan.out, shard)
    if options.overwrite:
        clear_outputs([output.out for output in outputs], failures_file, worker_name(options))
    for output in outputs:
        remove_left_overs(output.out, failures_file)
    _introduce(plan, progress)
    stored = [
        stored_videos(output.out, output.spec, [s for s in sources if s.view == output.spec.view], progress)
        for output in outputs
    ]
    jobs = choose_jobs(sources, outputs, stored)
    missing = frozenset(job.source.key for job in jobs)
    names = {output.out.stem for output in outputs}
    failures = _known_failures(failures_file, frozenset(source.key for source in sources), progress)
    # What an output of another run refused stays listed; of the rest, what is stored by now is none.
    failures = {k: f for k, f in failures.items() if k in missing or not f.concerns(names)}
    skipped = {} if options.retry_failed else {k: f for k, f in failures.items() if f.concerns(names)}
    _tell_skipped(sources, jobs, outputs, skipped, progress)
    run = ExtractionRun(
        leave_failed(jobs, outputs, skipped),
        outputs,
        failures_file,
        failures,
        frozenset(source.key for source in sources),
        progress,
    )
    needed = sorted({place for job in run.jobs for place in job.outputs})
    tell_packing([outputs[place].out for place in needed], progress)
    return run, len(sources) - len(jobs)


def _introduce(plan: ExtractPlan, progress: Progress) -> None:
    for place in dict.fromkeys(output.trunk for output in plan.outputs):
        spec = next(output.spec for output in plan.outputs if output.trunk == place)
        shift = "on" if spec.shift else "off"
        progress.note(f"{spec.trunk} on {plan.trunks[place].device} in {spec.precision}, shift {shift}")


def _known_failures(failures_file: Path, wanted: frozenset[str], progress: Progress) -> dict[str, Failure]:
    """Return what earlier runs listed of some videos; a list that cannot be read costs only its attempts."""
    try:
        known = load_failures(failures_file)
    except InputError as error:
        progress.warn(f"{error.message}; it is written anew, and its videos are tried again")
        return {}
    return {key: failure for key, failure in known.items() if key in wanted}


def _tell_skipped(
    sources: Sequence[VideoSource],
    jobs: Sequence[VideoJob],
    outputs: Sequence[SpecOutput],
    skipped: dict[str, Failure],
    progress: Progress,
) -> None:
    if len(jobs) < len(sources):
        progress.note(f"{len(sources) - len(jobs)} of {len(sources)} videos are finished already")
    wanted = {view: sum(output.spec.view == view for output in outputs) for view in {s.view for s in sources}}
    if partly := sum(len(job.outputs) < wanted[job.source.view] for job in jobs):
        progress.note(f"{partly} videos are finished in some of the outputs, and go on in the others")
    if skipped:
        count = "1 video" if len(skipped) == 1 else f"{len(skipped)} videos"
        progress.warn(f"{count} failed before, skipped now; --retry-failed tries again")
