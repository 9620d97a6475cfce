"""What merging stores did, or would do."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tsmfeat.store.folders import DamagedFile
from tsmfeat.store.packing import DamagedVideo
from tsmfeat.values.features import FeatureSpec
from tsmfeat.workflows.merge_options import MergeOptions


@dataclass(frozen=True)
class MergedStore:
    """One file of one spec, and what it was made of.

    Parameters
    ----------
    out
        The file.
    spec
        Identity of its features.
    num_files
        Store files read.
    num_videos, num_intervals, num_bytes
        Of the result.
    num_duplicates
        Videos that several files hold; the copy in the first file by name counts.
    differing
        Those of them whose copies differ by more than rounding.
    mended
        Videos that are damaged in one file and were taken from another.
    damaged
        Videos of which no intact copy is left; there are none in a file that was written.
    unchanged
        Whether the file held all of it before, so that nothing was written.
    """

    out: Path
    spec: FeatureSpec
    num_files: int
    num_videos: int
    num_intervals: int
    num_bytes: int
    num_duplicates: int
    differing: tuple[str, ...] = ()
    mended: tuple[str, ...] = ()
    damaged: tuple[DamagedVideo, ...] = ()
    unchanged: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return one entry of ``outputs`` of ``tsmfeat merge --json``."""
        names = ("num_files", "num_videos", "num_intervals", "num_bytes", "num_duplicates", "unchanged")
        return {
            "out": str(self.out),
            **{name: getattr(self, name) for name in names},
            "differing": list(self.differing),
            "mended": list(self.mended),
            "damaged": [video._asdict() for video in self.damaged],
            "spec": self.spec.to_dict(),
        }


@dataclass(frozen=True)
class MergeReport:
    """What `merge` did, or with ``dry_run`` would do.

    Parameters
    ----------
    outputs
        One a spec.
    options
        `MergeOptions`.
    unreadable
        Files that cannot be opened; a merge with such files is refused.
    failures
        Where the videos are listed that failed in the shards; None where there are none.
    num_failed
        Their number.
    missing_shards
        Such as ``"2/4"``: no part of this shard is there.
    stopped
        Whether it was asked to stop before its end; each output is there whole or not at all.
    seconds
        Wall time.
    """

    outputs: tuple[MergedStore, ...]
    options: MergeOptions
    unreadable: tuple[DamagedFile, ...] = ()
    failures: Path | None = None
    num_failed: int = 0
    missing_shards: tuple[str, ...] = ()
    stopped: bool = False
    seconds: float = 0.0

    @property
    def num_damaged(self) -> int:
        """Files and videos that stand in the way of a merge."""
        return len(self.unreadable) + sum(len(output.damaged) for output in self.outputs)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object of ``tsmfeat merge --json``."""
        totals = ("num_files", "num_videos", "num_intervals", "num_bytes", "num_duplicates")
        return {
            "out": [str(output.out) for output in self.outputs],
            "dry_run": self.options.dry_run,
            **{name: sum(getattr(output, name) for output in self.outputs) for name in totals},
            "num_failed": self.num_failed,
            "failures": None if self.failures is None else str(self.failures),
            "unreadable": [{"path": str(file.path), "reason": file.reason} for file in self.unreadable],
            "missing_shards": list(self.missing_shards),
            "outputs": [output.to_dict() for output in self.outputs],
            "stopped": self.stopped,
            "seconds": self.seconds,
        }
