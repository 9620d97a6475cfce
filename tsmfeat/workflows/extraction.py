"""Videos become stored features: find them, check the output, read and embed what is missing, pack."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from tsmfeat.errors import ConfigurationError, InputError
from tsmfeat.store.folders import parts_folder
from tsmfeat.store.writer import PartWriter
from tsmfeat.trunk.device import resolve_device, resolve_precision
from tsmfeat.trunk.tsm import TemporalShiftTrunk, load_trunk
from tsmfeat.values.features import FeatureSpec
from tsmfeat.values.intervals import IntervalGrid
from tsmfeat.values.progress import Progress, Silence
from tsmfeat.video.clips import plan_clips_ticks
from tsmfeat.video.options import reader_identity
from tsmfeat.workflows.extraction_run import ExtractionRun, extract_videos
from tsmfeat.workflows.failures import Failure, failures_path, load_failures
from tsmfeat.workflows.options import ExtractOptions
from tsmfeat.workflows.outputs import (
    clear_output,
    hold_output,
    pack_output,
    require_usable_output,
    stored_precision,
    stored_videos,
)
from tsmfeat.workflows.sources import VideoSource, find_videos

_SILENCE = Silence()
# Finer than any camera; it also bounds what a long video can ask for.
_SHORTEST_STEP_SECONDS = 0.001


@dataclass(frozen=True)
class ExtractReport:
    """What `extract` did.

    Parameters
    ----------
    out
        Outputs.
    num_videos, num_done, num_skipped, num_failed
        Videos asked for; extracted now; finished before; without features because they failed, now or in an earlier
        run and not retried. A stopped run leaves others.
    failed
        ``{"path", "reason"}`` of each failed video.
    num_intervals, frames_decoded, video_seconds
        Of the videos extracted now.
    num_repeating
        Videos extracted now whose clips repeat frames: the median clip has fewer than num_frames / 2 distinct ones.
    video_ids
        Videos asked for.
    spec
        Identity of the features.
    stopped
        Whether the run was asked to stop before its end.
    seconds
        Wall time.
    """

    out: tuple[str, ...]
    num_videos: int
    num_done: int
    num_skipped: int
    num_failed: int
    failed: tuple[dict[str, str], ...]
    num_intervals: int
    frames_decoded: int
    video_seconds: float
    num_repeating: int
    video_ids: tuple[str, ...]
    spec: FeatureSpec
    stopped: bool
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object of ``tsmfeat extract --json``."""
        names = ("num_videos", "num_done", "num_skipped", "num_failed", "num_intervals", "seconds", "frames_decoded")
        return {
            "out": list(self.out),
            "failed": list(self.failed),
            **{name: getattr(self, name) for name in names},
            "video_seconds": self.video_seconds,
            "stopped": self.stopped,
            "spec": self.spec.to_dict(),
        }


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
        Files, folders, glob patterns, list files, ``"-"`` (`tsmfeat.workflows.sources.find_videos`).
    out
        ``X.h5`` (parts beside it while the run lasts, packed at its end) or a folder (stays parts).
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
    _require_plannable(options)
    require_usable_output(out)
    sources = find_videos(videos, options.id_rule)
    device = resolve_device(options.trunk.device)
    trunk = _load_trunk(options, progress)
    with hold_output(out, progress):
        if options.overwrite:
            clear_output(out)
        spec = _specify(trunk, options, resolve_precision(options.trunk.precision, device, stored_precision(out)))
        progress.note(f"{spec.trunk} on {device} in {spec.precision}, shift {'on' if spec.shift else 'off'}")
        stored = stored_videos(out, spec, sources, progress)
        asked_for = frozenset(source.video_id for source in sources)
        failures = _known_failures(out, asked_for - stored, progress)
        todo = _choose_videos(sources, stored, {} if options.retry_failed else failures, progress)
        run = ExtractionRun(todo, spec, failures_path(out), failures, asked_for, progress)
        writer = PartWriter(parts_folder(out), spec, options=options.store) if todo else None
    if writer is not None:
        if should_stop():
            run.stopped = True
        else:
            extract_videos(run, trunk, device, writer, options, should_stop)
    run.save_failures()
    if not run.stopped:
        pack_output(out, progress)
    return _report(run, out, sources, stored, time.monotonic() - began)


def _require_plannable(options: ExtractOptions) -> None:
    """Refuse times and counts of which no clip can be made, before they fail every video alike."""
    grid = IntervalGrid(0.0, options.step_seconds)
    if options.step_seconds < _SHORTEST_STEP_SECONDS:
        raise ConfigurationError(
            f"step {options.step_seconds!r} s: an interval has at least {_SHORTEST_STEP_SECONDS} s", "use --step 0.5"
        )
    nothing = np.zeros(0, np.int64)
    plan_clips_ticks(nothing, Fraction(1), grid, options.trunk.num_frames, options.clip_seconds)


def _load_trunk(options: ExtractOptions, progress: Progress) -> TemporalShiftTrunk:
    trunk = load_trunk(options.trunk)
    for note in trunk.checkpoint_notes:
        progress.note(note)
    return trunk


def _specify(trunk: TemporalShiftTrunk, options: ExtractOptions, precision: str) -> FeatureSpec:
    return FeatureSpec(
        trunk=options.trunk.trunk,
        checkpoint_digest=trunk.checkpoint_digest,
        num_frames=options.trunk.num_frames,
        step_seconds=options.step_seconds,
        clip_seconds=options.span_seconds,
        geometry=options.video.resize,
        resize_filter=options.video.resize_filter,
        shift=bool(trunk.shifted_blocks),
        shift_div=options.trunk.shift_div,
        precision=precision,
        embedding_size=trunk.embedding_size,
        view=options.view,
        reader=reader_identity(options.video),
    )


def _known_failures(out: Path, wanted: frozenset[str], progress: Progress) -> dict[str, Failure]:
    """Return what earlier runs listed of some videos; a list that cannot be read costs only its attempts."""
    try:
        known = load_failures(failures_path(out))
    except InputError as error:
        progress.warn(f"{error.message}; it is written anew, and its videos are tried again")
        return {}
    return {video_id: failure for video_id, failure in known.items() if video_id in wanted}


def _choose_videos(
    sources: list[VideoSource], stored: set[str], skipped: dict[str, Failure], progress: Progress
) -> list[VideoSource]:
    todo = [source for source in sources if source.video_id not in stored and source.video_id not in skipped]
    num_stored = sum(source.video_id in stored for source in sources)
    num_skipped = len(sources) - len(todo) - num_stored
    if num_stored:
        progress.note(f"{num_stored} of {len(sources)} videos are finished already")
    if num_skipped:
        progress.warn(f"{num_skipped} videos failed before and are skipped; --retry-failed tries them again")
    return todo


def _report(
    run: ExtractionRun, out: Path, sources: list[VideoSource], stored: set[str], seconds: float
) -> ExtractReport:
    failed = [run.failures[source.video_id] for source in sources if source.video_id in run.failures]
    return ExtractReport(
        out=(str(out),),
        num_videos=len(sources),
        num_done=run.num_done,
        num_skipped=sum(source.video_id in stored for source in sources),
        num_failed=len(failed),
        failed=tuple({"path": failure.path, "reason": failure.reason} for failure in failed),
        num_intervals=run.num_intervals,
        frames_decoded=run.frames_decoded,
        video_seconds=run.video_seconds,
        num_repeating=run.num_repeating,
        video_ids=tuple(source.video_id for source in sources),
        spec=run.spec,
        stopped=run.stopped,
        seconds=seconds,
    )
