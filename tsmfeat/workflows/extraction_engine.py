"""The engine of an extraction on this machine: reader processes, a batcher a trunk, a writer an output."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from tsmfeat.errors import InputError, OutputError, TsmfeatError
from tsmfeat.store.writer import PartWriter
from tsmfeat.trunk.device import default_batch_size
from tsmfeat.trunk.embedding import Embedder
from tsmfeat.trunk.protocol import Trunk
from tsmfeat.values.features import VideoFeatures
from tsmfeat.video.geometry import parse_geometry
from tsmfeat.video.options import resolve_workers
from tsmfeat.video.reading import ReaderLimits, ReaderPool, required_slot_bytes
from tsmfeat.video.tasks import (
    ClipsReady,
    ReadEvent,
    ReadTask,
    VideoFailed,
    VideoOpened,
    VideoRead,
    VideoRetried,
)
from tsmfeat.workflows.batching import ClipBatcher
from tsmfeat.workflows.extraction_plan import SpecOutput, plan_recipes
from tsmfeat.workflows.extraction_run import ExtractionRun
from tsmfeat.workflows.options import ExtractOptions
from tsmfeat.workflows.timing import timed

# How soon a stop is noticed while every reader is silent.
_IDLE_SECONDS = 1.0


@dataclass(frozen=True)
class LoadedTrunk:
    """A trunk, and the device it works on."""

    trunk: Trunk
    device: str


# A batcher a trunk, by the trunk's place; a writer an output, by the output's.
Batchers = Mapping[int, ClipBatcher]
Writers = Mapping[int, PartWriter]


def extract_videos(
    run: ExtractionRun,
    trunks: Sequence[LoadedTrunk],
    writers: Writers,
    options: ExtractOptions,
    should_stop: Callable[[], bool],
) -> None:
    """Read, embed and store the videos of a run; what is complete is published whatever ends it.

    Parameters
    ----------
    run
        Filled on the way.
    trunks
        What embeds, and where.
    writers
        Take the features of each output; they stay the caller's.
    options
        Of reading and batching.
    should_stop
        Asked between events.

    Raises
    ------
    OutputError
        The disk is full or cannot be written.
    EnvironmentLackError
        A device has no memory for a single clip.
    """
    began = time.monotonic()
    run.progress.begin("extract", len(run.jobs), "videos")
    with ExitStack() as stack:
        embedders = open_embedders(run, trunks, options, stack)
        batchers = {place: open_batcher(run, embedder, place) for place, embedder in embedders.items()}
        pool = stack.enter_context(open_pool(run, options))
        try:
            events = pool.read(make_tasks(run, options), idle_seconds=_IDLE_SECONDS)
            _take_events(run, _waited_for(events, run), batchers, writers, should_stop)
        except OutputError:
            raise
        except BaseException:
            # Above all Ctrl-C in a notebook. A second signal, while a stop is under way, ends the run at once.
            if not run.stopped:
                _publish(run, list(writers.values()))
            raise
        devices = {trunks[place].device for place in embedders}
        run.effort.device_seconds = sum(embedder.busy_seconds for embedder in embedders.values()) / len(devices)
    run.effort.seconds = time.monotonic() - began
    run.progress.end()


def open_embedders(
    run: ExtractionRun, trunks: Sequence[LoadedTrunk], options: ExtractOptions, stack: ExitStack
) -> dict[int, Embedder]:
    """Return an embedder for every trunk that a job needs, by the trunk's place."""
    needed = {place for job in run.jobs for place in job.outputs}
    embedders: dict[int, Embedder] = {}
    for output in (run.outputs[place] for place in sorted(needed)):
        if output.trunk not in embedders:
            loaded, asked = trunks[output.trunk], options.trunks[output.trunk]
            size = asked.batch_size or _batch_size(loaded.device, output)
            rolls = parse_geometry(output.spec.geometry).num_rolls
            embedder = Embedder(loaded.trunk, loaded.device, output.spec.precision, size, num_rolls=rolls)
            embedders[output.trunk] = stack.enter_context(embedder)
            if asked.compile:
                embedder.compile()
    return embedders


def _batch_size(device: str, output: SpecOutput) -> int:
    geometry = parse_geometry(output.spec.geometry)
    return default_batch_size(device, output.spec.num_frames, geometry.height, geometry.width)


def open_batcher(run: ExtractionRun, embedder: Embedder, place: int) -> ClipBatcher:
    """Return what gathers the batches of a trunk."""
    spec = next(output.spec for output in run.outputs if output.trunk == place)
    geometry = parse_geometry(spec.geometry)

    def say(size: int) -> None:
        run.progress.warn(f"the device has no memory for a batch of {spec.trunk}: batches of {size} clips from now on")

    return ClipBatcher(embedder, geometry.height, geometry.width, say)


def open_pool(run: ExtractionRun, options: ExtractOptions) -> ReaderPool:
    """Return the reader processes of a run; none is started yet."""
    limits = ReaderLimits(options.video.reader_memory_gb, options.video.reader_timeout_seconds)
    run.effort.num_readers = min(resolve_workers(options.video.workers), len(run.jobs))
    slot_bytes = required_slot_bytes([output.recipe for output in run.outputs])
    return ReaderPool(run.effort.num_readers, slot_bytes=slot_bytes, limits=limits)


def make_tasks(run: ExtractionRun, options: ExtractOptions, only_open: bool = False) -> Iterator[ReadTask]:
    """Yield what readers are given, a task a job; `only_open` leaves the frames out."""
    video = options.video
    for key, job in enumerate(run.jobs):
        recipes = tuple(plan_recipes(job, run.outputs))
        path = str(job.source.path)
        yield ReadTask(key, path, recipes, video.allow_partial, video.max_bad, video.decoder, only_open)


def _waited_for(events: Iterator[ReadEvent], run: ExtractionRun) -> Iterator[ReadEvent]:
    """Pass events on, and count the time until each comes."""
    while True:
        with timed(run.effort.parts, "wait"):
            event = next(events, None)
        if event is None:
            return
        yield event


def _take_events(
    run: ExtractionRun,
    events: Iterator[ReadEvent],
    batchers: Batchers,
    writers: Writers,
    should_stop: Callable[[], bool],
) -> None:
    for event in events:
        take_event(event, run, batchers)
        _store_complete(run, batchers, writers)
        if due := [writer for writer in writers.values() if writer.publish_due]:
            _publish(run, due)
        if should_stop():
            run.stopped = True
            break
    for batcher in batchers.values():
        with timed(run.effort.parts, "embed"):
            batcher.flush()
    _store_complete(run, batchers, writers)
    _publish(run, list(writers.values()))


def take_event(event: ReadEvent, run: ExtractionRun, batchers: Batchers) -> None:
    """Take down what a reader says, and hand its clips to the batchers they are for."""
    match event:
        case VideoOpened():
            _open_video(event, run, batchers)
        case ClipsReady():
            _embed_clips(event, run, batchers)
            event.release()
        case VideoRead():
            run.end(event)
        case VideoRetried():
            _drop(event.key, run, batchers)
            run.retry(event)
        case VideoFailed():
            _drop(event.key, run, batchers)
            run.fail(event.key, event.stage, event.reason)


def _open_video(event: VideoOpened, run: ExtractionRun, batchers: Batchers) -> None:
    run.open(event)
    try:
        for count, places in zip(event.num_intervals, run.feeds[event.key], strict=True):
            for place in places:
                batchers[run.outputs[place].trunk].open((event.key, place), count)
    except MemoryError:
        _drop(event.key, run, batchers)
        run.fail(event.key, "embed", f"no memory for the embeddings of {sum(event.num_intervals):,} intervals")


def _embed_clips(event: ClipsReady, run: ExtractionRun, batchers: Batchers) -> None:
    with timed(run.effort.parts, "embed"):
        # A video that failed here is still read to its end by its reader: its clips feed nothing.
        for place in run.feeds[event.key][event.recipe_index] if event.key in run.feeds else ():
            batchers[run.outputs[place].trunk].add((event.key, place), event.first_interval, event.clips)


def _drop(key: int, run: ExtractionRun, batchers: Batchers) -> None:
    for place in run.jobs[key].outputs:
        batchers[run.outputs[place].trunk].drop((key, place))


def _store_complete(run: ExtractionRun, batchers: Batchers, writers: Writers) -> None:
    for key in [key for key in run.read if _is_complete(key, run, batchers)]:
        features: dict[int, VideoFeatures] = {}
        refusals: dict[int, str] = {}
        for place in run.jobs[key].outputs:
            rows = batchers[run.outputs[place].trunk].take((key, place))
            try:
                features[place] = run.features(key, place, rows)
                writers[place].append(features[place])
            except InputError as error:
                # What other outputs take of the video is good and stays there.
                kind = f" ({run.outputs[place].out.stem})" if len(run.outputs) > 1 else ""
                refusals[place] = error.message + kind
        if refusals:
            run.fail(key, "embed", "; ".join(refusals.values()), tuple(refusals))
        else:
            run.finish(key, features)


def _is_complete(key: int, run: ExtractionRun, batchers: Batchers) -> bool:
    return all(batchers[run.outputs[place].trunk].is_complete((key, place)) for place in run.jobs[key].outputs)


def _publish(run: ExtractionRun, writers: Sequence[PartWriter]) -> None:
    """Publish what is buffered, then the failures: a list must not tell of a video that is stored."""
    errors: list[TsmfeatError] = []
    with timed(run.effort.parts, "store"):
        for writer in writers:
            try:
                writer.publish()
            except TsmfeatError as error:
                # What ends the run is trouble of this output: the others keep what is complete.
                errors.append(error)
        run.save_failures()
    if errors:
        raise errors[0]
