"""The list of videos that could not be extracted: written beside the output, rewritten whole by each run."""

import csv
import io
from dataclasses import dataclass
from pathlib import Path

from tsmfeat.files import write_text

COLUMNS = ("video_id", "path", "stage", "reason", "attempts")


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
    """

    video_id: str
    path: str
    stage: str
    reason: str
    attempts: int = 1


def failures_path(out: Path) -> Path:
    """Return where the failures of an output are listed.

    Examples
    --------
    >>> failures_path(Path("run/features.h5")).as_posix(), failures_path(Path("run/parts")).as_posix()
    ('run/features.failures.csv', 'run/parts/failures.csv')
    """
    return out.with_suffix(".failures.csv") if out.suffix == ".h5" else out / "failures.csv"


def load_failures(path: Path) -> dict[str, Failure]:
    """Return the failures listed in a file by video id; none where there is no file."""
    if not path.exists():
        return {}
    with path.open(newline="", encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row.get("video_id")]
    return {row["video_id"]: _failure_of(row) for row in rows}


def _failure_of(row: dict[str, str]) -> Failure:
    attempts = row.get("attempts") or "1"
    return Failure(
        row["video_id"],
        row.get("path") or "",
        row.get("stage") or "",
        row.get("reason") or "",
        int(attempts) if attempts.isdecimal() else 1,
    )


def save_failures(path: Path, failures: dict[str, Failure]) -> None:
    """Write the list whole, sorted by id; an empty list removes the file."""
    if not failures:
        path.unlink(missing_ok=True)
        return
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for _, failure in sorted(failures.items()):
        writer.writerow([getattr(failure, column) for column in COLUMNS])
    write_text(path, text.getvalue())
