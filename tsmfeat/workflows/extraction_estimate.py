"""What an extraction would take: videos, hours, intervals, bytes and time, with nothing written."""

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

from tsmfeat.errors import InputError
from tsmfeat.store.folders import finished_videos
from tsmfeat.values.progress import Progress, Silence
from tsmfeat.video.tasks import NothingYet, ReadEvent, VideoFailed, VideoOpened, VideoRead
from tsmfeat.workflows.extraction import find_share, load_trunks, plan_run_outputs, require_plannable
from tsmfeat.workflows.extraction_engine import (
    LoadedTrunk,
    make_tasks,
    open_batcher,
    open_embedders,
    open_pool,
    take_event,
)
from tsmfeat.workflows.extraction_plan import SpecOutput, VideoJob, choose_jobs, leave_failed, plan_recipes
from tsmfeat.workflows.extraction_run import ExtractionRun
from tsmfeat.workflows.failures import Failure, failures_path, load_failures
from tsmfeat.workflows.options import ExtractOptions
from tsmfeat.workflows.outputs import nearest_folder, require_usable_output
from tsmfeat.workflows.shards import parse_shard, shard_name
from tsmfeat.workflows.sources import VideoSource, file_bytes

_SILENCE = Silence()
_IDLE_SECONDS = 0.2
# Beside its embeddings a video takes an id and a row of numbers; an interval takes a count of distinct frames.
_VIDEO_BYTES = 150


@dataclass(frozen=True)
class OutputEstimate:
    """What one output would gain.

    Parameters
    ----------
    out
        The output.
    num_videos, num_intervals, num_bytes
        Still to come.
    """

    out: str
    num_videos: int
    num_intervals: int
    num_bytes: int


@dataclass(frozen=True)
class ExtractEstimate:
    """What `extract` would do.

    Parameters
    ----------
    outputs
        One a kind of features.
    num_videos, num_todo
        Videos asked for, and those that some output lacks.
    num_opened, num_unreadable
        Of these, those whose length was looked up, and those that turned out not to be readable.
    video_seconds
        Length of the videos to do.
    intervals_per_second
        Measured; None where no clip could be embedded.
    free_bytes
        Room where the outputs lie.
    seconds
        Wall time of the estimate itself.
    """

    outputs: tuple[OutputEstimate, ...]
    num_videos: int
    num_todo: int
    num_opened: int
    num_unreadable: int
    video_seconds: float
    intervals_per_second: float | None
    free_bytes: int
    seconds: float

    @property
    def num_intervals(self) -> int:
        """Over all outputs."""
        return sum(output.num_intervals for output in self.outputs)

    @property
    def num_bytes(self) -> int:
        """Over all outputs."""
        return sum(output.num_bytes for output in self.outputs)

    @property
    def run_seconds(self) -> float | None:
        """How long the run would take on this machine, if it goes on as measured."""
        return self.num_intervals / self.intervals_per_second if self.intervals_per_second else None

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object of ``tsmfeat extract --dry-run --json``."""
        names = ("num_videos", "num_todo", "num_opened", "num_unreadable", "num_intervals", "num_bytes", "free_bytes")
        return {
            "dry_run": True,
            "out": [output.out for output in self.outputs],
            **{name: getattr(self, name) for name in names},
            "hours": self.video_seconds / 3600,
            "intervals_per_second": self.intervals_per_second,
            "estimated_seconds": self.run_seconds,
            "outputs": [vars(output) for output in self.outputs],
            "seconds": self.seconds,
        }


def estimate_extraction(
    videos: Sequence[str],
    out: str | Path,
    options: ExtractOptions,
    progress: Progress = _SILENCE,
    should_stop: Callable[[], bool] = lambda: False,
) -> ExtractEstimate:
    """Tell what `tsmfeat.workflows.extract` would do with the same arguments; nothing is written.

    Lengths are looked up in the videos without decoding, for so many seconds as `ExtractOptions.probe_seconds` says
    and in an order that mixes them; the rest is extrapolated by the files' sizes. Then some are really decoded and
    embedded, for `ExtractOptions.measure_seconds`.

    Parameters
    ----------
    videos, out, options, progress, should_stop
        As in `extract`.

    Raises
    ------
    TsmfeatError
        What would end the run before its first video.
    """
    began = time.monotonic()
    out = Path(out)
    require_plannable(options)
    require_usable_output(out)
    sources, views = find_share(videos, options)
    trunks = load_trunks(options, progress)
    outputs = plan_run_outputs(out, trunks, views, options)
    run = ExtractionRun(
        _mixed(_jobs_left(out, sources, outputs, options)), tuple(outputs), out, {}, frozenset(), _SILENCE
    )
    lengths = _look_up(run, options, progress, should_stop) if run.jobs else _Lengths({}, {}, set())
    rate = _measure(run, trunks, options, progress, should_stop) if lengths.counts else None
    scale = _scale(run.jobs, lengths.counts.keys() | lengths.unreadable)
    return ExtractEstimate(
        outputs=tuple(_estimate(run, place, lengths.counts, scale) for place in range(len(outputs))),
        num_videos=len(sources),
        num_todo=len(run.jobs),
        num_opened=len(lengths.counts) + len(lengths.unreadable),
        num_unreadable=len(lengths.unreadable),
        video_seconds=sum(lengths.seconds.values()) * scale,
        intervals_per_second=rate,
        free_bytes=shutil.disk_usage(nearest_folder(out)).free,
        seconds=time.monotonic() - began,
    )


def _jobs_left(
    out: Path, sources: Sequence[VideoSource], outputs: Sequence[SpecOutput], options: ExtractOptions
) -> list[VideoJob]:
    stored: list[set[str]] = [set() for _ in outputs]
    failures: dict[str, Failure] = {}
    if not options.overwrite:
        stored = [set(finished_videos(o.out, o.spec, skip_damaged=True).num_intervals) for o in outputs]
        if not options.retry_failed:
            failures = _failed_before(failures_path(out, shard_name(parse_shard(options.shard))))
    return leave_failed(choose_jobs(sources, outputs, stored), outputs, failures)


def _failed_before(path: Path) -> dict[str, Failure]:
    try:
        return load_failures(path)
    except InputError:
        return {}


def _mixed(jobs: Sequence[VideoJob]) -> list[VideoJob]:
    """Return jobs in an order that has nothing to do with their names: videos of one folder are often alike."""
    return sorted(jobs, key=lambda job: blake2b(job.source.key.encode(), digest_size=8).digest())


@dataclass(frozen=True)
class _Lengths:
    """What was looked up, by the key of a video: intervals a recipe, seconds; and what could not be."""

    counts: dict[int, tuple[int, ...]]
    seconds: dict[int, float]
    unreadable: set[int]


def _look_up(
    run: ExtractionRun, options: ExtractOptions, progress: Progress, should_stop: Callable[[], bool]
) -> _Lengths:
    lengths = _Lengths({}, {}, set())
    progress.begin("look up lengths", len(run.jobs), "videos")
    with open_pool(run, options) as pool:
        events = pool.read(make_tasks(run, options, only_open=True), _IDLE_SECONDS)
        for event in _until(events, options.probe_seconds, should_stop):
            if isinstance(event, VideoOpened):
                lengths.counts[event.key] = event.num_intervals
                lengths.seconds[event.key] = event.duration_seconds
            elif isinstance(event, VideoFailed):
                lengths.unreadable.add(event.key)
            if isinstance(event, VideoRead | VideoFailed):
                progress.advance(1, run.source(event.key).video_id)
    progress.end()
    return lengths


def _until(events: Iterator[ReadEvent], seconds: float, should_stop: Callable[[], bool]) -> Iterator[ReadEvent]:
    """Pass events on until a time is over, counted from the first one: readers take a while to start."""
    first = None
    for event in events:
        if not isinstance(event, NothingYet):
            first = first or time.monotonic()
            yield event
        if should_stop() or (first and time.monotonic() - first >= seconds):
            return


def _measure(
    run: ExtractionRun,
    trunks: Sequence[LoadedTrunk],
    options: ExtractOptions,
    progress: Progress,
    should_stop: Callable[[], bool],
) -> float | None:
    """Return how many clips a second are read and embedded, start-up and first batches left out."""
    progress.begin("measure", 0, "")
    first = last = (0.0, 0)
    with ExitStack() as stack:
        embedders = open_embedders(run, trunks, options, stack)
        batchers = {place: open_batcher(run, embedder, place) for place, embedder in embedders.items()}
        pool = stack.enter_context(open_pool(run, options))
        started = time.monotonic()
        for event in pool.read(make_tasks(run, options), _IDLE_SECONDS):
            take_event(event, run, batchers)
            number = sum(batcher.num_embedded for batcher in batchers.values())
            last = (time.monotonic(), number)
            if number and not first[1]:
                first = last
            if should_stop() or (first[1] and last[0] - first[0] >= options.measure_seconds):
                break
        for batcher in batchers.values():
            batcher.flush()
        number = sum(batcher.num_embedded for batcher in batchers.values())
        ended = time.monotonic()
    progress.end()
    # A handful of short videos is over before the first batch is: then all of it counts.
    if number > first[1] and first[1]:
        return (number - first[1]) / (ended - first[0])
    return number / (ended - started) if number else None


def _scale(jobs: Sequence[VideoJob], looked_up: set[int]) -> float:
    """Return by what the sums over the videos looked up are multiplied to stand for all: the ratio of their bytes."""
    sizes = [file_bytes(job.source.path) for job in jobs]
    known = sum(sizes[key] for key in looked_up)
    return sum(sizes) / known if known else 1.0


def _estimate(run: ExtractionRun, place: int, counts: dict[int, tuple[int, ...]], scale: float) -> OutputEstimate:
    output = run.outputs[place]
    wanted = [key for key, job in enumerate(run.jobs) if place in job.outputs]
    looked_up = sum(
        count
        for key in wanted
        if key in counts
        for count, places in zip(counts[key], plan_recipes(run.jobs[key], run.outputs).values(), strict=True)
        if place in places
    )
    num_intervals = round(looked_up * scale)
    num_bytes = num_intervals * (2 * output.spec.embedding_size + 1) + len(wanted) * _VIDEO_BYTES
    return OutputEstimate(str(output.out), len(wanted), num_intervals, num_bytes)
