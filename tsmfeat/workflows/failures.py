"""The list of videos that could not be extracted: written beside the output, rewritten whole by each run."""

import csv
import io
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from tsmfeat.errors import InputError, OutputError
from tsmfeat.files import remove_file, write_atomically
from tsmfeat.workflows.sources import video_key

COLUMNS = ("video_id", "path", "stage", "reason", "attempts")
# Further columns, written only where some video needs them.
_OPTIONAL = ("view", "outputs")
# Between the names of outputs: no name of a file holds it.
_BETWEEN = "/"
_MAX_ATTEMPTS = 10**9


@dataclass(frozen=True)
class Failure:
    """One video that failed, where and why.

    Parameters
    ----------
    video_id, path
        As in the run that failed.
    stage
        ``"probe"``, ``"decode"``, ``"reader"`` or ``"embed"``.
    reason
        One line.
    attempts
        How many runs tried it.
    view
        Which view of the video; empty where there is one.
    outputs
        Names (without suffix) of the outputs that refused it, joined by ``/``; empty: it failed for all alike.
    """

    video_id: str
    path: str
    stage: str
    reason: str
    attempts: int = 1
    view: str = ""
    outputs: str = ""

    def concerns(self, outputs: Collection[str]) -> bool:
        """Tell whether one of some outputs lacks the video because of it.

        Examples
        --------
        >>> Failure("a", "a.mp4", "embed", "too large", outputs="resnet18_t0.5/resnet18_t1").concerns(["resnet18_t1"])
        True
        """
        return not self.outputs or not self.names.isdisjoint(outputs)

    @property
    def names(self) -> frozenset[str]:
        """Names of the outputs that refused it."""
        return frozenset(self.outputs.split(_BETWEEN)) if self.outputs else frozenset()

    @property
    def key(self) -> str:
        """As `tsmfeat.workflows.sources.VideoSource.key`."""
        return video_key(self.video_id, self.view)


def failures_path(out: Path, shard: str = "") -> Path:
    """Return where the failures of an output are listed.

    Parameters
    ----------
    out
        A file or a folder.
    shard
        Name of the share of the videos, of a folder (`tsmfeat.workflows.shards.shard_name`); empty: all.

    Examples
    --------
    >>> failures_path(Path("run/features.h5")).as_posix(), failures_path(Path("run/parts")).as_posix()
    ('run/features.failures.csv', 'run/parts/failures.csv')
    >>> failures_path(Path("run/parts"), "0-of-4").as_posix()
    'run/parts/failures-0-of-4.csv'
    """
    if out.suffix == ".h5":
        return out.with_suffix(".failures.csv")
    return out / (f"failures-{shard}.csv" if shard else "failures.csv")


def load_failures(path: Path) -> dict[str, Failure]:
    """Return the failures listed in a file by `Failure.key`; none where there is no file.

    Raises
    ------
    InputError
        The file is not one that `save_failures` wrote: it cannot be read, or a column is missing.
    """
    try:
        # File names that are no UTF-8 lie in it as the bytes they are.
        text = path.read_bytes().decode("utf-8", "surrogateescape")
        reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
        missing = set(COLUMNS) - set(reader.fieldnames or ())
        rows = list(reader)
    except FileNotFoundError:
        return {}
    except (OSError, csv.Error) as error:
        raise InputError(f"{path}: not a readable list of failures ({error})", "remove it") from error
    if missing:
        raise InputError(f"{path}: a list of failures without column {', '.join(sorted(missing))}", "remove it")
    failures = [_failure_of(row) for row in rows if row["video_id"]]
    return {failure.key: failure for failure in failures}


def _failure_of(row: Mapping[str, str | None]) -> Failure:
    # A row cut short has None in its last columns.
    video_id, path, stage, reason, attempts = (row[column] or "" for column in COLUMNS)
    number = int(attempts) if attempts.isdecimal() and len(attempts) < len(str(_MAX_ATTEMPTS)) else 1
    view, outputs = (row.get(column) or "" for column in _OPTIONAL)
    return Failure(video_id, path, stage, reason, number, view, outputs)


def save_failures(path: Path, failures: Mapping[str, Failure], own: Collection[str]) -> None:
    """Write the list whole, sorted by id; an empty list removes the file.

    Parameters
    ----------
    path
        The list.
    failures
        What this run knows of its own videos.
    own
        Keys of this run's videos. Listed videos of other runs stay listed.

    Raises
    ------
    OutputError
        It cannot be written or removed.
    """
    try:
        others = {key: failure for key, failure in load_failures(path).items() if key not in own}
    except InputError:
        others = {}
    if not (listed := others | dict(failures)):
        _remove(path)
        return
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    columns = COLUMNS + tuple(
        column for column in _OPTIONAL if any(getattr(failure, column) for failure in listed.values())
    )
    writer.writerow(columns)
    for _, failure in sorted(listed.items()):
        writer.writerow([getattr(failure, column) for column in columns])
    write_atomically(path, [text.getvalue().encode("utf-8", "surrogateescape")])


def _remove(path: Path) -> None:
    try:
        remove_file(path)
    except OSError as error:
        raise OutputError(f"{path}: cannot be removed ({error.strerror})", "remove it yourself") from error
