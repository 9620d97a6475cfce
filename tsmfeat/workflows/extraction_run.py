"""What became of the videos of an extraction so far: opened, read, finished, failed."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tsmfeat.values.features import VideoFeatures
from tsmfeat.values.progress import Progress
from tsmfeat.video.quality import ReadQuality
from tsmfeat.video.tasks import VideoOpened, VideoRead, VideoRetried
from tsmfeat.workflows.extraction_effort import RunEffort
from tsmfeat.workflows.extraction_plan import SpecOutput, VideoJob, plan_recipes, repeats_frames
from tsmfeat.workflows.failures import Failure, save_failures
from tsmfeat.workflows.sources import VideoSource


@dataclass
class RunCounts:
    """Numbers of what a run has made.

    Parameters
    ----------
    num_done
        Videos of which every output that lacked them has the features now.
    num_intervals
        Over all outputs.
    frames_decoded, video_seconds
        Of the videos done; each counts once, however many outputs it feeds.
    num_repeating
        Videos whose clips repeat frames in some output.
    """

    num_done: int = 0
    num_intervals: int = 0
    frames_decoded: int = 0
    video_seconds: float = 0.0
    num_repeating: int = 0


@dataclass
class ExtractionRun:
    """What a run is about to do, and what became of it so far.

    Parameters
    ----------
    jobs
        Videos to extract; a video's key is its place here.
    outputs
        Where their features go.
    failures_file
        Where failures are listed; None: whoever has these videos extracted lists them.
    failures
        Failures of the videos asked for, those of earlier runs too, by their keys.
    asked_for
        Keys of all videos asked for.
    progress
        Told of every video.
    """

    jobs: list[VideoJob]
    outputs: tuple[SpecOutput, ...]
    failures_file: Path | None
    failures: dict[str, Failure]
    asked_for: frozenset[str]
    progress: Progress
    opened: dict[int, VideoOpened] = field(default_factory=dict)
    read: dict[int, ReadQuality] = field(default_factory=dict)
    feeds: dict[int, tuple[list[int], ...]] = field(default_factory=dict)
    counts: RunCounts = field(default_factory=RunCounts)
    effort: RunEffort = field(default_factory=RunEffort)
    stopped: bool = False
    failed_keys: set[int] = field(default_factory=set)

    def source(self, key: int) -> VideoSource:
        """Return the video of a key."""
        return self.jobs[key].source

    def open(self, event: VideoOpened) -> None:
        """Begin a video: which recipe feeds which outputs is known until it ends."""
        self.opened[event.key] = event
        self.feeds[event.key] = tuple(plan_recipes(self.jobs[event.key], self.outputs).values())

    def end(self, event: VideoRead) -> None:
        """Take down how a video was read; one that failed here is still read to its end by its reader."""
        self.effort.add(event.effort)
        if event.key in self.opened:
            self.read[event.key] = event.quality

    def retry(self, event: VideoRetried) -> None:
        """Begin a video anew with another decoder."""
        self.forget(event.key)
        self.progress.warn(f"{event.reason}; tried again with {event.decoder}")

    def forget(self, key: int) -> None:
        """Drop what is known of a video under way."""
        for known in (self.opened, self.read, self.feeds):
            known.pop(key, None)

    def fail(self, key: int, stage: str, reason: str, refused: Sequence[int] = ()) -> None:
        """List a video as failed, and say so; a second failure of one run is not counted again.

        Parameters
        ----------
        key
            Of the video.
        stage, reason
            As in `Failure`.
        refused
            Places of the outputs that did not take it, where others did; none: it failed for all.
        """
        if key in self.failed_keys:
            return
        self.failed_keys.add(key)
        source = self.source(key)
        self.forget(key)
        # One line, which does not begin with what stands beside it in the list.
        line = " ".join(reason.split())
        for beginning in (str(source.path), source.video_id):
            line = line.removeprefix(f"{beginning}: ")
        earlier = self.failures.get(source.key)
        attempts = 1 if earlier is None else earlier.attempts + 1
        names = "/".join(self.outputs[place].out.stem for place in refused)
        self.failures[source.key] = Failure(
            source.video_id, str(source.path), stage, line, attempts, source.view, names
        )
        self.progress.warn(f"{source.path}: {line}")
        self.progress.advance(1, source.video_id)

    def features(self, key: int, place: int, embeddings: npt.NDArray[np.float16]) -> VideoFeatures:
        """Return what an output gets of a video that was read to its end."""
        opened, quality = self.opened[key], self.read[key]
        recipe = next(index for index, places in enumerate(self.feeds[key]) if place in places)
        return VideoFeatures(
            self.source(key).video_id,
            embeddings,
            opened.duration_seconds,
            opened.distinct_frames[recipe],
            start_seconds=opened.start_seconds,
            num_frames_decoded=quality.num_frames_decoded,
            num_bad_packets=quality.num_bad_packets,
            num_repeated_frames=quality.num_repeated_frames,
            status=quality.status,
            decoder=opened.decoder,
            source_size=opened.source_size,
        )

    def finish(self, key: int, features: dict[int, VideoFeatures]) -> None:
        """Count a video that all its outputs took, and say what is odd about it.

        Parameters
        ----------
        key
            Of the video.
        features
            By place of the output; one at least.
        """
        source, opened, quality = self.source(key), self.opened[key], self.read[key]
        self.forget(key)
        self._forget_failure(source.key, features)
        self.counts.num_done += 1
        self.counts.num_intervals += sum(len(video.embeddings) for video in features.values())
        self.counts.frames_decoded += quality.num_frames_decoded
        self.counts.video_seconds += opened.duration_seconds
        if empty := [place for place, video in features.items() if not len(video.embeddings)]:
            step = min(self.outputs[place].spec.step_seconds for place in empty)
            which = "" if len(empty) == len(features) else f" of {step:g} s"
            self.progress.warn(f"{source.path}: {opened.duration_seconds:.3f} s, shorter than one interval{which}")
        self.counts.num_repeating += any(
            repeats_frames(self.outputs[place].spec, video.distinct_frames) for place, video in features.items()
        )
        self.progress.advance(1, source.video_id)

    def _forget_failure(self, key: str, places: Collection[int]) -> None:
        """Take a video off the list, unless an output that refused it in an earlier run was not tried now."""
        earlier = self.failures.get(key)
        if earlier is not None and earlier.names <= {self.outputs[place].out.stem for place in places}:
            del self.failures[key]

    def save_failures(self) -> None:
        """Write the list of failures."""
        if self.failures_file is not None:
            save_failures(self.failures_file, self.failures, self.asked_for)
