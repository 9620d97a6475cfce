"""What an extraction did, as a value."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tsmfeat.values.features import FeatureSpec
from tsmfeat.workflows.extraction_effort import RunEffort
from tsmfeat.workflows.extraction_run import ExtractionRun
from tsmfeat.workflows.sources import VideoSource


@dataclass(frozen=True)
class ExtractReport:
    """What `extract` did.

    Parameters
    ----------
    out
        Outputs, one a kind of features.
    num_videos, num_done, num_skipped, num_failed
        Videos asked for; extracted now; finished before; without features because they failed, now or in an earlier
        run and not retried. A stopped run leaves others.
    failed
        ``{"path", "reason"}`` of each failed video.
    num_intervals, frames_decoded, video_seconds
        Of the videos extracted now; intervals over all outputs.
    num_repeating
        Videos extracted now whose clips repeat frames: the median clip has fewer than num_frames / 2 distinct ones.
    video_ids
        Videos asked for.
    specs
        Identity of the features of each output.
    stopped
        Whether the run was asked to stop before its end.
    seconds
        Wall time.
    failures_file
        Where failed videos are listed.
    effort
        What the time was spent on.
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
    specs: tuple[FeatureSpec, ...]
    stopped: bool
    seconds: float
    failures_file: str
    effort: RunEffort

    @property
    def spec(self) -> FeatureSpec:
        """Identity of the features of the first output."""
        return self.specs[0]

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
            "specs": [spec.to_dict() for spec in self.specs],
            "busy_shares": self.effort.busy_shares(),
            "limited_by": self.effort.limited_by(),
            "reader_peak_bytes": self.effort.reader_peak_bytes,
        }


def report_run(run: ExtractionRun, sources: Sequence[VideoSource], num_skipped: int, seconds: float) -> ExtractReport:
    """Return the report of a run that has ended.

    Parameters
    ----------
    run
        What became of the videos.
    sources
        Videos asked for.
    num_skipped
        Of these, those finished before.
    seconds
        Wall time.
    """
    names = {output.out.stem for output in run.outputs}
    listed = [run.failures[source.key] for source in sources if source.key in run.failures]
    failed = [failure for failure in listed if failure.concerns(names)]
    return ExtractReport(
        out=tuple(str(output.out) for output in run.outputs),
        num_videos=len(sources),
        num_done=run.counts.num_done,
        num_skipped=num_skipped,
        num_failed=len(failed),
        failed=tuple({"path": failure.path, "reason": failure.reason} for failure in failed),
        num_intervals=run.counts.num_intervals,
        frames_decoded=run.counts.frames_decoded,
        video_seconds=run.counts.video_seconds,
        num_repeating=run.counts.num_repeating,
        video_ids=tuple(dict.fromkeys(source.video_id for source in sources)),
        specs=tuple(output.spec for output in run.outputs),
        stopped=run.stopped,
        seconds=seconds,
        failures_file=str(run.failures_file),
        effort=run.effort,
    )
