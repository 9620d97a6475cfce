"""How many rows an array should have: what a store or annotations know of the same videos."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tsmfeat.errors import InputError
from tsmfeat.store.reader import open_features
from tsmfeat.values.intervals import IntervalGrid
from tsmfeat.values.progress import Progress
from tsmfeat.workflows.array_options import ArrayOptions
from tsmfeat.workflows.kinds import holds_store


@dataclass(frozen=True)
class KnownVideos:
    """What the source of durations says of some arrays; all empty where there is none.

    Parameters
    ----------
    durations, counts
        Seconds and intervals by video id, of the source's videos.
    taken
        Rows to take of each array.
    changes
        Arrays that have one row more than intervals (-1: the last is left out) or one less (1).
    problems
        Arrays that differ by more, and arrays of unknown videos.
    """

    durations: Mapping[str, float] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    taken: Mapping[str, int] = field(default_factory=dict)
    changes: Mapping[str, int] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


def known_videos(num_rows: Mapping[str, int], options: ArrayOptions, progress: Progress) -> KnownVideos:
    """Compare the numbers of rows with the intervals of the same videos.

    One row more or less at the end comes of another rounding of the last interval, and is said. Anything else means
    that row i is not interval i, and is a problem.

    Parameters
    ----------
    num_rows
        Rows of each array, by video id.
    options
        Step, and the source of durations.
    progress
        Told of rows left out, rows missing, and videos without an array.

    Raises
    ------
    TsmfeatError
        The source cannot be read, or knows no durations.
    """
    if not options.against or options.step_seconds is None:
        return KnownVideos()
    durations, counts = _read_counts(Path(options.against), options.step_seconds)
    problems = [f"video {v!r}: {options.against} does not know it" for v in num_rows if v not in counts]
    gaps = {video_id: counts[video_id] - n for video_id, n in num_rows.items() if video_id in counts}
    problems += [
        f"video {v!r}: {num_rows[v]:,} rows; {durations[v]:.3f} s in steps of {options.step_seconds:g} s are "
        f"{counts[v]:,} intervals"
        for v, gap in gaps.items()
        if abs(gap) > 1
    ]
    changes = {video_id: gap for video_id, gap in gaps.items() if abs(gap) == 1}
    taken = {video_id: min(num_rows[video_id], counts[video_id]) for video_id in gaps}
    _say(changes, counts.keys() - num_rows.keys(), options.against, progress)
    return KnownVideos(durations, counts, taken, changes, tuple(problems))


def _read_counts(source: Path, step_seconds: float) -> tuple[dict[str, float], dict[str, int]]:
    if holds_store(source):
        with open_features(source) as store:
            durations = dict(zip(store.video_ids, store.duration_seconds.tolist(), strict=True))
            if store.spec.step_seconds == step_seconds:
                # The stored count is the truth: a stream's rounded stamps may have given it one more.
                return durations, dict(zip(store.video_ids, store.column("num_intervals").tolist(), strict=True))
    else:
        # It loads the decoders, which no other conversion needs.
        from tsmfeat.workflows.inspection import durations_of

        durations = durations_of(source)
        if not durations:
            raise InputError(f"{source}: knows no durations", "name a feature store, or annotations with durations")
    return durations, {v: IntervalGrid(length, step_seconds).count for v, length in durations.items()}


def _say(changes: Mapping[str, int], without: set[str], source: str, progress: Progress) -> None:
    cut = [video_id for video_id, change in changes.items() if change < 0]
    short = [video_id for video_id, change in changes.items() if change > 0]
    if cut:
        progress.warn(f"{len(cut):,} arrays have one row more than intervals, such as {cut[0]!r}: it is left out")
    if short:
        progress.warn(f"{len(short):,} arrays lack the row of their last interval, such as {short[0]!r}")
    if without:
        progress.warn(f"{len(without):,} videos of {source} have no array, such as {min(without)!r}")
