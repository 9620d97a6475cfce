"""Videos become stored features: find them, check the outputs, read and embed what is missing, pack."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tsmfeat.errors import ConfigurationError, SpecMismatchError
from tsmfeat.store.folders import parts_folder
from tsmfeat.store.writer import PartWriter
from tsmfeat.trunk.device import resolve_device, resolve_precision
from tsmfeat.trunk.frame_sizes import require_fitting
from tsmfeat.trunk.loading import load_trunk
from tsmfeat.values.intervals import IntervalGrid
from tsmfeat.values.progress import Progress, Silence
from tsmfeat.video.clips import plan_clips_ticks
from tsmfeat.video.geometry import parse_geometry
from tsmfeat.workflows.extraction_engine import LoadedTrunk, extract_videos
from tsmfeat.workflows.extraction_plan import SpecOutput, plan_outputs, require_own_folder, specify
from tsmfeat.workflows.extraction_report import ExtractReport, report_run
from tsmfeat.workflows.extraction_resuming import ExtractPlan, begin_run, worker_name
from tsmfeat.workflows.extraction_run import ExtractionRun
from tsmfeat.workflows.manifests import read_manifest, select_view
from tsmfeat.workflows.options import ExtractOptions
from tsmfeat.workflows.outputs import hold_output, pack_output, require_usable_output, stored_precision
from tsmfeat.workflows.shards import parse_shard, select_shard
from tsmfeat.workflows.sources import VideoSource, find_videos

if TYPE_CHECKING:
    from tsmfeat.workflows.ray_engine import Fleet

_SILENCE = Silence()
# Finer than any camera; it also bounds what a long video can ask for.
_SHORTEST_STEP_SECONDS = 0.001


def extract(
    videos: Sequence[str],
    out: str | Path,
    options: ExtractOptions,
    progress: Progress = _SILENCE,
    should_stop: Callable[[], bool] = lambda: False,
) -> ExtractReport:
    """Embed every interval of every video and store the embeddings; run again to resume.

    Parameters
    ----------
    videos
        Files, folders, glob patterns, list files, ``"-"`` (`tsmfeat.workflows.sources.find_videos`); none with a
        manifest.
    out
        ``X.h5`` (parts beside it while the run lasts, packed at its end) or a folder (stays parts). With several
        trunks, steps or views: a folder, in which each gets ``<trunk>_t<step>[_<view>].h5``.
    options
        `ExtractOptions`.
    progress
        Told of every video.
    should_stop
        Asked between events; once true, what is complete is published and the run ends.

    Returns
    -------
    ExtractReport

    Raises
    ------
    SpecMismatchError
        The output holds features of another spec; each differing field is named.
    OutputError
        The disk is full or cannot be written; finished videos are kept.
    KeyboardInterrupt
        Ctrl-C in a notebook; what was complete is published before.
    TsmfeatError
        A checkpoint, device, option or output that cannot be used. A video that cannot be read raises nothing: it is
        listed.
    """
    began = time.monotonic()
    out = Path(out)
    require_plannable(options)
    require_usable_output(out)
    sources, views = find_share(videos, options)
    with _open_engine(options, progress) as fleet:
        trunks = load_trunks(options, progress, fleet)
        outputs = plan_run_outputs(out, trunks, views, options)
        require_own_folder(out, outputs)
        plan = ExtractPlan(out, tuple(sources), tuple(outputs), tuple(trunks))
        report = run_plan(plan, options, progress, should_stop, fleet)
    return replace(report, seconds=time.monotonic() - began)


def run_plan(
    plan: ExtractPlan,
    options: ExtractOptions,
    progress: Progress,
    should_stop: Callable[[], bool],
    fleet: "Fleet | None" = None,
) -> ExtractReport:
    """Make what is missing of some outputs; the second half of `extract`.

    Parameters
    ----------
    plan
        Outputs, sources and trunks.
    options
        Of reading, batching and resuming; steps, geometries and views are those of the outputs.
    progress, should_stop
        As in `extract`.
    fleet
        Other machines that do the work; None: this one does.
    """
    began = time.monotonic()
    for output in plan.outputs:
        require_usable_output(output.out)
    with hold_output(plan.outputs[0].out, progress):
        run, num_skipped = begin_run(plan, options, progress)
        writers = {} if fleet is not None else _open_writers(run, options)
    if run.jobs and should_stop():
        run.stopped = True
    elif run.jobs and fleet is not None:
        fleet.extract(run, options, worker_name(options), should_stop)
    elif run.jobs:
        extract_videos(run, plan.trunks, writers, options, should_stop)
    run.save_failures()
    if not run.stopped:
        for output in run.outputs:
            pack_output(output.out, progress)
    return report_run(run, plan.sources, num_skipped, time.monotonic() - began)


@contextmanager
def _open_engine(options: ExtractOptions, progress: Progress) -> Iterator["Fleet | None"]:
    """Give the fleet that does the work; None: this machine does."""
    if options.engine == "local":
        yield None
        return
    from tsmfeat.workflows.ray_engine import open_fleet

    with open_fleet(options, progress) as fleet:
        yield fleet


def _open_writers(run: ExtractionRun, options: ExtractOptions) -> dict[int, PartWriter]:
    places = sorted({place for job in run.jobs for place in job.outputs})
    name = worker_name(options)
    return {
        place: PartWriter(
            parts_folder(run.outputs[place].out), run.outputs[place].spec, worker=name, options=options.store
        )
        for place in places
    }


def find_sources(videos: Sequence[str], options: ExtractOptions) -> list[VideoSource]:
    """Return the videos of all shards: those named, or those of the manifest.

    Raises
    ------
    ConfigurationError
        Both or neither are given, no video is found, or two have one id.
    InputError
        A file, pattern, list or manifest cannot be used.
    """
    if bool(videos) == bool(options.manifest):
        found = "videos and a manifest are named" if videos else "no videos named, and no manifest"
        raise ConfigurationError(
            f"{found}; a run takes one of the two", "name files, folders or .txt lists, or give --manifest FILE.csv"
        )
    if options.manifest:
        return select_view(read_manifest(Path(options.manifest)), options.view)
    return [replace(source, view=options.view) for source in find_videos(videos, options.id_rule)]


def find_share(videos: Sequence[str], options: ExtractOptions) -> tuple[list[VideoSource], tuple[str, ...]]:
    """Return the videos of the share that was asked for, and the views of all shares: they decide on the outputs.

    The videos of other shares are forgotten: of ten million they would fill gigabytes as long as the run lasts.
    """
    every = find_sources(videos, options)
    views = tuple(dict.fromkeys(source.view for source in every))
    return select_shard(every, parse_shard(options.shard)), views


def load_trunks(options: ExtractOptions, progress: Progress, fleet: "Fleet | None" = None) -> list[LoadedTrunk]:
    """Load every trunk, and say what is odd about its checkpoint; refuse frames that one cannot take.

    The device is this machine's, or that of a fleet's workers.
    """
    loaded = []
    for asked, geometry in zip(options.trunks, map(parse_geometry, options.geometries), strict=True):
        device = resolve_device(asked.device) if fleet is None else fleet.device
        trunk = load_trunk(asked)
        require_fitting(trunk, asked.trunk, geometry.height, geometry.width)
        for note in trunk.checkpoint_notes:
            progress.note(note)
        loaded.append(LoadedTrunk(trunk, device))
    return loaded


def require_plannable(options: ExtractOptions) -> None:
    """Refuse times and counts of which no clip can be made, before they fail every video alike."""
    nothing = np.zeros(0, np.int64)
    for step in options.steps:
        grid = IntervalGrid(0.0, step)
        if step < _SHORTEST_STEP_SECONDS:
            raise ConfigurationError(
                f"step {step!r} s: an interval has at least {_SHORTEST_STEP_SECONDS} s", "use --step 0.5"
            )
        for trunk in options.trunks:
            plan_clips_ticks(nothing, Fraction(1), grid, trunk.num_frames, options.clip_seconds)


def plan_run_outputs(
    out: Path, trunks: Sequence[LoadedTrunk], views: Sequence[str], options: ExtractOptions
) -> list[SpecOutput]:
    """Return the outputs, each in the precision that it already holds where that is left open."""
    specs = [
        specify(loaded.trunk, asked, resolve_precision(asked.precision, loaded.device), options, geometry)
        for loaded, asked, geometry in zip(trunks, options.trunks, options.geometries, strict=True)
    ]
    outputs = plan_outputs(out, specs, options.steps, views, bool(options.shard))
    if options.overwrite:
        return outputs
    precisions = [
        _precision([output for output in outputs if output.trunk == place], asked.precision, loaded.device)
        for place, (loaded, asked) in enumerate(zip(trunks, options.trunks, strict=True))
    ]
    return [replace(output, spec=replace(output.spec, precision=precisions[output.trunk])) for output in outputs]


def _precision(outputs: Sequence[SpecOutput], asked: str, device: str) -> str:
    existing = {stored_precision(output.out): output.out for output in outputs}
    existing.pop(None, None)
    if asked == "auto" and len(existing) > 1:
        found = ", ".join(f"{path} in {precision}" for precision, path in existing.items())
        raise SpecMismatchError(
            f"outputs of one trunk hold features of different precisions: {found}; one run computes in one",
            "name one with --precision, and extract the others apart",
        )
    return resolve_precision(asked, device, next(iter(existing), None))
