"""One run of an extraction: what reader processes say becomes stored videos and listed failures."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from tsmfeat.errors import EnvironmentLackError, InputError, OutputError
from tsmfeat.store.writer import PartWriter
from tsmfeat.trunk.device import default_batch_size
from tsmfeat.trunk.embedding import Embedder
from tsmfeat.trunk.tsm import TemporalShiftTrunk
from tsmfeat.values.features import FeatureSpec, VideoFeatures
from tsmfeat.values.progress import Progress
from tsmfeat.video.geometry import parse_geometry
from tsmfeat.video.options import resolve_workers
from tsmfeat.video.quality import ReadQuality
from tsmfeat.video.reading import ReaderLimits, ReaderPool, required_slot_bytes
from tsmfeat.video.tasks import (
    ClipRecipe,
    ClipsReady,
    ReadEvent,
    ReadTask,
    VideoFailed,
    VideoOpened,
    VideoRead,
    VideoRetried,
)
from tsmfeat.workflows.batching import ClipBatcher
from tsmfeat.workflows.failures import Failure, save_failures
from tsmfeat.workflows.options import ExtractOptions
from tsmfeat.workflows.sources import VideoSource

# How soon a stop is noticed while every reader is silent.
_IDLE_SECONDS = 1.0


@dataclass
class ExtractionRun:
    """What a run is about to do, and what became of it so far.

    Parameters
    ----------
    todo
        Videos to extract; a video's key is its place here.
    spec
        Identity of the features.
    failures_file
        Where failures are listed.
    failures
        Failures of the videos asked for, those of earlier runs too, by video id.
    asked_for
        Ids of all videos asked for.
    progress
        Told of every video.
    """

    todo: list[VideoSource]
    spec: FeatureSpec
    failures_file: Path
    failures: dict[str, Failure]
    asked_for: frozenset[str]
    progress: Progress
    opened: dict[int, VideoOpened] = field(default_factory=dict)
    read: dict[int, ReadQuality] = field(default_factory=dict)
    num_done: int = 0
    num_intervals: int = 0
    frames_decoded: int = 0
    video_seconds: float = 0.0
    num_repeating: int = 0
    stopped: bool = False
    failed_keys: set[int] = field(default_factory=set)

    def fail(self, key: int, stage: str, reason: str) -> None:
        """List a video as failed, and say so; a second failure of one run is not counted again."""
        if key in self.failed_keys:
            return
        self.failed_keys.add(key)
        source = self.todo[key]
        self.opened.pop(key, None)
        self.read.pop(key, None)
        # One line, which does not begin with what stands beside it in the list.
        line = " ".join(reason.split())
        for beginning in (str(source.path), source.video_id):
            line = line.removeprefix(f"{beginning}: ")
        earlier = self.failures.get(source.video_id)
        attempts = 1 if earlier is None else earlier.attempts + 1
        self.failures[source.video_id] = Failure(source.video_id, str(source.path), stage, line, attempts)
        self.progress.warn(f"{source.path}: {line}")
        self.progress.advance(1, source.video_id)

    def retry(self, event: VideoRetried) -> None:
        """Begin a video anew with another decoder."""
        self.opened.pop(event.key, None)
        self.progress.warn(f"{event.reason}; tried again with {event.decoder}")

    def finish(self, video: VideoFeatures, path: Path) -> None:
        """Count a video that was taken into the store, and say what is odd about it."""
        self.failures.pop(video.video_id, None)
        self.num_done += 1
        self.num_intervals += len(video.embeddings)
        self.frames_decoded += video.num_frames_decoded
        self.video_seconds += video.duration_seconds
        if not len(video.embeddings):
            self.progress.warn(f"{path}: {video.duration_seconds:.3f} s, shorter than one interval")
        elif np.median(video.distinct_frames) < self.spec.num_frames / 2:
            self.num_repeating += 1
        self.progress.advance(1, video.video_id)

    def save_failures(self) -> None:
        """Write the list of failures."""
        save_failures(self.failures_file, self.failures, self.asked_for)

    def features(self, key: int, embeddings: npt.NDArray[np.float16]) -> VideoFeatures:
        """Return the features of a video that was read to its end."""
        opened, quality = self.opened.pop(key), self.read.pop(key)
        return VideoFeatures(
            self.todo[key].video_id,
            embeddings,
            opened.duration_seconds,
            opened.distinct_frames[0],
            start_seconds=opened.start_seconds,
            num_frames_decoded=quality.num_frames_decoded,
            num_bad_packets=quality.num_bad_packets,
            num_repeated_frames=quality.num_repeated_frames,
            status=quality.status,
            decoder=opened.decoder,
            source_size=opened.source_size,
        )


def extract_videos(
    run: ExtractionRun,
    trunk: TemporalShiftTrunk,
    device: str,
    writer: PartWriter,
    options: ExtractOptions,
    should_stop: Callable[[], bool],
) -> None:
    """Read, embed and store the videos of a run; what is complete is published whatever ends it.

    Parameters
    ----------
    run
        Filled on the way.
    trunk, device
        What embeds, and where.
    writer
        Takes the features; it stays the caller's.
    options
        Of reading and batching.
    should_stop
        Asked between events.

    Raises
    ------
    OutputError
        The disk is full or cannot be written.
    EnvironmentLackError
        The device has no memory for a batch.
    """
    spec = run.spec
    geometry = parse_geometry(spec.geometry)
    size = options.trunk.batch_size or default_batch_size(device, spec.num_frames, geometry.height, geometry.width)
    recipe = ClipRecipe(spec.step_seconds, spec.num_frames, spec.clip_seconds, spec.geometry, spec.resize_filter)
    limits = ReaderLimits(options.video.reader_memory_gb, options.video.reader_timeout_seconds)
    num_readers = min(resolve_workers(options.video.workers), len(run.todo))
    run.progress.begin("extract", len(run.todo), "videos")
    with ExitStack() as stack:
        embed = stack.enter_context(Embedder(trunk, device, spec.precision, size))
        batcher = ClipBatcher(embed, geometry.height, geometry.width)
        pool = stack.enter_context(ReaderPool(num_readers, slot_bytes=required_slot_bytes([recipe]), limits=limits))
        try:
            events = pool.read(_tasks(run.todo, recipe, options), idle_seconds=_IDLE_SECONDS)
            _take_events(run, events, batcher, writer, should_stop)
        except OutputError:
            raise
        except BaseException as error:
            # Above all Ctrl-C in a notebook. A second signal, while a stop is under way, ends the run at once.
            if not run.stopped:
                _publish(run, writer)
            if _lacks_memory(error):
                raise EnvironmentLackError(
                    f"{device} has no memory for a batch of {size} clips", f"use --batch-size {max(1, size // 2)}"
                ) from error
            raise
    run.progress.end()


def _lacks_memory(error: BaseException) -> bool:
    # The CPU's allocator has no error class of its own.
    return isinstance(error, torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and "DefaultCPUAllocator" in str(error)
    )


def _tasks(todo: list[VideoSource], recipe: ClipRecipe, options: ExtractOptions) -> Iterator[ReadTask]:
    for key, source in enumerate(todo):
        yield ReadTask(
            key, str(source.path), (recipe,), options.video.allow_partial, options.video.max_bad, options.video.decoder
        )


def _take_events(
    run: ExtractionRun,
    events: Iterator[ReadEvent],
    batcher: ClipBatcher,
    writer: PartWriter,
    should_stop: Callable[[], bool],
) -> None:
    for event in events:
        _take_event(event, run, batcher)
        _store_complete(run, batcher, writer)
        if writer.publish_due:
            _publish(run, writer)
        if should_stop():
            run.stopped = True
            break
    batcher.flush()
    _store_complete(run, batcher, writer)
    _publish(run, writer)


def _take_event(event: ReadEvent, run: ExtractionRun, batcher: ClipBatcher) -> None:
    match event:
        case VideoOpened():
            _open_video(event, run, batcher)
        case ClipsReady():
            batcher.add(event.key, event.first_interval, event.clips)
            event.release()
        case VideoRead():
            # A video that failed here is still read to its end by its reader.
            if event.key in run.opened:
                run.read[event.key] = event.quality
        case VideoRetried():
            batcher.drop(event.key)
            run.retry(event)
        case VideoFailed():
            batcher.drop(event.key)
            run.fail(event.key, event.stage, event.reason)


def _open_video(event: VideoOpened, run: ExtractionRun, batcher: ClipBatcher) -> None:
    try:
        batcher.open(event.key, event.num_intervals[0])
    except MemoryError:
        run.fail(event.key, "embed", f"no memory for the embeddings of {event.num_intervals[0]:,} intervals")
    else:
        run.opened[event.key] = event


def _store_complete(run: ExtractionRun, batcher: ClipBatcher, writer: PartWriter) -> None:
    for key in [key for key in run.read if batcher.is_complete(key)]:
        try:
            video = run.features(key, batcher.take(key))
            writer.append(video)
        except InputError as error:
            run.fail(key, "embed", error.message)
        else:
            run.finish(video, run.todo[key].path)


def _publish(run: ExtractionRun, writer: PartWriter) -> None:
    """Publish what is buffered, then the failures: a list must not tell of a video that is stored."""
    writer.publish()
    run.save_failures()
