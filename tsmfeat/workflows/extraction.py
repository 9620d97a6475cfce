"""Videos become stored features: read, embed in common batches, publish parts, pack."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tsmfeat.errors import StoreError
from tsmfeat.store.folders import finished_videos, is_packed_output, output_files, parts_folder, remove_parts, set_aside
from tsmfeat.store.packing import pack
from tsmfeat.store.reader import open_features
from tsmfeat.store.writer import PartWriter
from tsmfeat.trunk.device import default_batch_size, resolve_device, resolve_precision
from tsmfeat.trunk.embedding import Embedder
from tsmfeat.trunk.tsm import TemporalShiftTrunk, build_trunk
from tsmfeat.values.features import FeatureSpec, VideoFeatures
from tsmfeat.values.progress import Progress, Silence
from tsmfeat.video.geometry import parse_geometry
from tsmfeat.video.options import resolve_workers
from tsmfeat.video.quality import ReadQuality
from tsmfeat.video.reading import ReaderPool, required_slot_bytes
from tsmfeat.video.tasks import ClipRecipe, ClipsReady, ReadTask, VideoFailed, VideoOpened, VideoRead
from tsmfeat.workflows.batching import ClipBatcher
from tsmfeat.workflows.failures import Failure, failures_path, load_failures, save_failures
from tsmfeat.workflows.options import ExtractOptions
from tsmfeat.workflows.sources import VideoSource, find_videos

_SILENCE = Silence()


@dataclass(frozen=True)
class ExtractReport:
    """What `extract` did.

    Parameters
    ----------
    out
        Outputs.
    num_videos, num_done, num_skipped, num_failed
        Videos asked for; extracted now; finished before, or failed before and not retried; failed now.
    failed
        ``{"path", "reason"}`` of each failure of this run.
    num_intervals, frames_decoded
        Of the videos extracted now.
    num_repeating
        Videos extracted now whose clips repeat frames: fewer than half are distinct in the median clip.
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
    num_repeating: int
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
    TsmfeatError
        A checkpoint, device or option that cannot be used. A video that cannot be read raises nothing: it is listed.
    """
    began = time.monotonic()
    out = Path(out)
    sources = find_videos(videos, options.id_rule)
    trunk = build_trunk(
        options.trunk.trunk,
        options.trunk.num_frames,
        options.trunk.checkpoint,
        shift=options.trunk.shift != "off",
        shift_div=options.trunk.shift_div,
    )
    for note in trunk.checkpoint_notes:
        progress.note(note)
    if options.overwrite:
        _remove_output(out)
    device = resolve_device(options.trunk.device)
    spec = _specify(trunk, options, resolve_precision(options.trunk.precision, device, _stored_precision(out)))
    progress.note(f"{spec.trunk} on {device} in {spec.precision}, shift {'on' if spec.shift else 'off'}")
    todo, known = _choose_videos(sources, out, spec, options, progress)
    run = _Run(out, sources, todo, known, progress)
    if todo:
        _run_readers(run, trunk, spec, device, options, should_stop)
    save_failures(failures_path(out), run.listed_failures())
    if is_packed_output(out) and not run.stopped:
        _pack_parts(out, progress)
    return run.report(spec, time.monotonic() - began)


@dataclass
class _Run:
    """What happened so far."""

    out: Path
    sources: list[VideoSource]
    todo: list[VideoSource]
    known_failures: dict[str, Failure]
    progress: Progress
    opened: dict[int, VideoOpened] = field(default_factory=dict)
    read: dict[int, ReadQuality] = field(default_factory=dict)
    failures: dict[str, Failure] = field(default_factory=dict)
    num_done: int = 0
    num_intervals: int = 0
    frames_decoded: int = 0
    num_repeating: int = 0
    stopped: bool = False

    def fail(self, key: int, stage: str, reason: str) -> None:
        source = self.todo[key]
        reason = reason.removeprefix(f"{source.path}: ")
        attempts = self.known_failures[source.video_id].attempts + 1 if source.video_id in self.known_failures else 1
        self.failures[source.video_id] = Failure(source.video_id, str(source.path), stage, reason, attempts)
        self.opened.pop(key, None)
        self.progress.warn(f"{source.path}: {reason}")
        self.progress.advance(1, source.video_id)

    def finish(self, key: int, embeddings: Any, num_frames: int) -> VideoFeatures:  # noqa: ANN401 - float16 (N, D)
        opened, quality = self.opened.pop(key), self.read.pop(key)
        distinct = opened.distinct_frames[0]
        self.num_done += 1
        self.num_intervals += len(embeddings)
        self.frames_decoded += quality.num_frames_decoded
        video_id = self.todo[key].video_id
        if not len(embeddings):
            self.progress.warn(f"{self.todo[key].path}: {opened.duration_seconds:.3f} s, shorter than one interval")
        elif sorted(distinct.tolist())[len(distinct) // 2] * 2 < num_frames:
            self.num_repeating += 1
        self.progress.advance(1, video_id)
        return VideoFeatures(
            video_id,
            embeddings,
            opened.duration_seconds,
            distinct,
            start_seconds=opened.start_seconds,
            num_frames_decoded=quality.num_frames_decoded,
            num_bad_packets=quality.num_bad_packets,
            num_repeated_frames=quality.num_repeated_frames,
            status=quality.status,
            source_size=opened.source_size,
        )

    def listed_failures(self) -> dict[str, Failure]:
        """Failures of this run, and earlier ones of videos that this run did not finish."""
        retried = {source.video_id for key, source in enumerate(self.todo)} if not self.stopped else set(self.failures)
        return {video_id: f for video_id, f in self.known_failures.items() if video_id not in retried} | self.failures

    def report(self, spec: FeatureSpec, seconds: float) -> ExtractReport:
        return ExtractReport(
            (str(self.out),),
            len(self.sources),
            self.num_done,
            len(self.sources) - len(self.todo),
            len(self.failures),
            tuple({"path": failure.path, "reason": failure.reason} for failure in self.failures.values()),
            self.num_intervals,
            self.frames_decoded,
            self.num_repeating,
            spec,
            self.stopped,
            seconds,
        )


def _specify(trunk: TemporalShiftTrunk, options: ExtractOptions, precision: str) -> FeatureSpec:
    return FeatureSpec(
        trunk=options.trunk.trunk,
        checkpoint_digest=trunk.checkpoint_digest,
        num_frames=options.trunk.num_frames,
        step_seconds=options.step_seconds,
        clip_seconds=options.span_seconds,
        geometry=options.video.resize,
        resize_filter="pil",
        shift=bool(trunk.shifted_blocks),
        shift_div=options.trunk.shift_div,
        precision=precision,
        embedding_size=trunk.embedding_size,
        view=options.view,
    )


def _stored_precision(out: Path) -> str | None:
    """Return the precision of what the output already holds, if anything there can be read."""
    for path in output_files(out):
        try:
            with open_features(path) as store:
                return store.spec.precision
        except StoreError:
            continue
    return None


def _remove_output(out: Path) -> None:
    for path in [*output_files(out), failures_path(out)]:
        path.unlink(missing_ok=True)


def _choose_videos(
    sources: list[VideoSource], out: Path, spec: FeatureSpec, options: ExtractOptions, progress: Progress
) -> tuple[list[VideoSource], dict[str, Failure]]:
    """Return the videos to extract now, and the failures that earlier runs listed."""
    finished = finished_videos(out, spec, skip_damaged=True)
    for damaged in finished.damaged:
        progress.warn(f"{damaged.reason}; set aside as {set_aside(damaged.path).name}, its videos are extracted again")
    known = load_failures(failures_path(out))
    skipped = {} if options.retry_failed else known
    todo = [s for s in sources if s.video_id not in finished.num_intervals and s.video_id not in skipped]
    num_finished = sum(source.video_id in finished.num_intervals for source in sources)
    num_failed = len(sources) - len(todo) - num_finished
    if num_finished:
        progress.note(f"{num_finished} of {len(sources)} videos are finished already")
    if num_failed:
        progress.warn(f"{num_failed} videos failed before and are skipped; --retry-failed tries them again")
    return todo, known


def _run_readers(
    run: _Run,
    trunk: TemporalShiftTrunk,
    spec: FeatureSpec,
    device: str,
    options: ExtractOptions,
    should_stop: Callable[[], bool],
) -> None:
    geometry = parse_geometry(spec.geometry)
    size = options.trunk.batch_size or default_batch_size(device, spec.num_frames, geometry.height, geometry.width)
    run.progress.begin("extract", len(run.todo), "videos")
    with ExitStack() as stack:
        # Left in reverse order: readers first, the last part published before the trunk is let go.
        embed = stack.enter_context(Embedder(trunk, device, spec.precision, size))
        writer = stack.enter_context(PartWriter(parts_folder(run.out), spec, options=options.store))
        batcher = ClipBatcher(embed, geometry.height, geometry.width)
        recipe = ClipRecipe(spec.step_seconds, spec.num_frames, spec.clip_seconds, spec.geometry)
        num_readers = min(resolve_workers(options.video.workers), len(run.todo))
        pool = stack.enter_context(ReaderPool(num_readers, slot_bytes=required_slot_bytes([recipe])))
        for event in pool.read(_tasks(run.todo, recipe, options)):
            _handle(event, run, batcher)
            _store_complete(run, batcher, writer, spec.num_frames)
            if should_stop():
                run.stopped = True
                break
        batcher.flush()
        _store_complete(run, batcher, writer, spec.num_frames)
        writer.publish()
    run.progress.end()


def _tasks(todo: list[VideoSource], recipe: ClipRecipe, options: ExtractOptions) -> Iterator[ReadTask]:
    for key, source in enumerate(todo):
        yield ReadTask(key, str(source.path), (recipe,), options.video.allow_partial, options.video.max_bad)


def _handle(event: object, run: _Run, batcher: ClipBatcher) -> None:
    match event:
        case VideoOpened():
            run.opened[event.key] = event
            batcher.open(event.key, event.num_intervals[0])
        case ClipsReady():
            batcher.add(event.key, event.first_interval, event.clips)
            event.release()
        case VideoRead():
            run.read[event.key] = event.quality
        case VideoFailed():
            batcher.drop(event.key)
            run.fail(event.key, event.stage, event.reason)


def _store_complete(run: _Run, batcher: ClipBatcher, writer: PartWriter, num_frames: int) -> None:
    for key in [key for key in run.read if batcher.is_complete(key)]:
        writer.append(run.finish(key, batcher.take(key), num_frames))
    if writer.publish_due:
        writer.publish()


def _pack_parts(out: Path, progress: Progress) -> None:
    """Join parts, and what was packed before, into the output file."""
    if output_files(out) in ([], [out]):
        return
    progress.note(f"packing {len(output_files(out))} parts into {out}")
    with open_features(output_files(out)) as store:
        pack(store, out)
        files = store.files
    remove_parts(files, out)
