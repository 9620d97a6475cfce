"""The leaderboard of one's own runs, and what differs between two of them."""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tsmfeat.errors import ConfigurationError, did_you_mean
from tsmfeat.files import write_text
from tsmfeat.workflows.run_comparison import TASK_FIELDS, RunComparison, compare_records, flatten
from tsmfeat.workflows.run_files import RUNS_NAME, BadLine, Run, find_run_files, read_runs
from tsmfeat.workflows.run_options import RunsOptions

_SCORE_OF = {"final-score": "final_score", "validation": "validation_score"}
_LEAST_ID = 4
# Of the table; options follow, a column each.
_COLUMNS = ("number", "id", "command", "time", "output", "seconds", "tsmfeat", "git_commit", "command_line")


@dataclass(frozen=True)
class NumberedRun:
    """A run, and its number by age: the same for ever in a file that is only appended to."""

    number: int
    run: Run

    @property
    def record(self) -> dict[str, Any]:
        """What was recorded."""
        return self.run.record

    @property
    def scores(self) -> dict[str, Any]:
        """What it reached."""
        scores: dict[str, Any] = self.record["scores"]
        return scores

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON object: the record, and what it is called."""
        place = {"number": self.number, "id": self.run.id, "file": self.run.file, "line": self.run.line}
        return {**self.record, **place}


@dataclass(frozen=True)
class RunListing:
    """What `tsmfeat.workflows.runs` found.

    Parameters
    ----------
    files
        Read.
    num_runs
        Records in them.
    runs
        Those asked for, in the order asked for.
    bad_lines
        Lines that hold no record.
    comparison
        Of two runs; None where none was asked for.
    options
        As asked.
    """

    files: tuple[str, ...]
    num_runs: int
    runs: tuple[NumberedRun, ...]
    bad_lines: tuple[BadLine, ...]
    comparison: RunComparison | None
    options: RunsOptions

    @property
    def num_tasks(self) -> int:
        """How many kinds of scores are ranked together: by annotations, videos judged on, protocol and thresholds."""
        return len({task_of(run.record) for run in self.runs if run.scores.get("final_score") is not None})

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object of ``tsmfeat runs --json``."""
        found: dict[str, Any] = {
            "files": list(self.files),
            "num_runs": self.num_runs,
            "num_bad_lines": len(self.bad_lines),
            "bad_lines": [vars(line) for line in self.bad_lines],
        }
        if self.comparison is not None:
            return found | self.comparison.to_dict()
        return found | {"sort": self.options.sort, "runs": [run.to_dict() for run in self.runs]}


def task_of(record: dict[str, Any]) -> str:
    """Return a text that is equal for runs whose scores compare."""
    scores = record["scores"]
    annotations = record.get("annotations") or {}
    return json.dumps([annotations.get("sha256"), *(scores.get(name) for name in TASK_FIELDS)])


def runs(paths: str | Path | Sequence[str | Path] = RUNS_NAME, options: RunsOptions | None = None) -> RunListing:
    """List the records of runs, or compare two of them.

    Parameters
    ----------
    paths
        Files of records, and folders that are searched for them.
    options
        `RunsOptions`; its defaults where None.

    Returns
    -------
    RunListing

    Raises
    ------
    InputError
        No file of records.
    ConfigurationError
        A command of which there is no record, or a run to compare that does not exist.
    """
    options = options or RunsOptions()
    files = find_run_files([paths] if isinstance(paths, str | Path) else paths)
    found, bad = read_runs(files)
    # Sorting is stable: of one second, the earlier line stays before.
    by_age = sorted(found, key=lambda run: str(run.record["time"]))
    numbered = [NumberedRun(number, run) for number, run in enumerate(by_age, 1)]
    comparison = None
    shown = _sorted(_select(numbered, options.command), options.sort)
    if options.compare:
        shown = [_find(name, numbered) for name in options.compare]
        comparison = compare_records(*(run.to_dict() for run in shown))
    elif options.top:
        shown = shown[: options.top]
    return RunListing(tuple(map(str, files)), len(found), tuple(shown), tuple(bad), comparison, options)


def _select(runs: Sequence[NumberedRun], command: str) -> list[NumberedRun]:
    known = sorted({run.record["command"] for run in runs})
    if command and command not in known:
        hint = did_you_mean(command, known) or f"there are runs of {', '.join(known) or 'none'}"
        raise ConfigurationError(f"no run of command {command!r} is recorded", hint)
    return [run for run in runs if command in ("", run.record["command"])]


def _sorted(runs: Sequence[NumberedRun], sort: str) -> list[NumberedRun]:
    if sort == "time":
        return list(reversed(runs))
    if sort == "seconds":
        return sorted(runs, key=lambda run: _or_last(run.record.get("seconds")))
    return sorted(runs, key=lambda run: _or_last(run.scores.get(_SCORE_OF[sort]), -1.0))


def _or_last(value: object, factor: float = 1.0) -> tuple[bool, float]:
    is_number = isinstance(value, int | float)
    return not is_number, factor * float(value) if isinstance(value, int | float) else 0.0


def _find(name: str, runs: Sequence[NumberedRun]) -> NumberedRun:
    """Return the run of a number, or of the beginning of an id."""
    for run in runs:
        if name == str(run.number):
            return run
    found = [run for run in runs if len(name) >= _LEAST_ID and run.run.id.startswith(name.lower())]
    if len(found) == 1:
        return found[0]
    if found:
        listed = ", ".join(str(run.number) for run in found)
        raise ConfigurationError(f"run {name!r}: {len(found)} runs have such an id", f"use their numbers: {listed}")
    hint = did_you_mean(name, [run.run.id for run in runs]) or f"runs are numbered from 1 to {len(runs)}"
    raise ConfigurationError(f"there is no run {name!r}", hint)


def write_run_table(listing: RunListing, path: str | Path) -> None:
    """Write the listed runs as CSV: a row each, a column for every score and option.

    Parameters
    ----------
    listing
        The runs.
    path
        Replaced if it is such a table.

    Raises
    ------
    ConfigurationError
        Another file has that name.
    OutputError
        It cannot be written.
    """
    path = Path(path)
    if path.exists() and not _is_table(path):
        raise ConfigurationError(f"{path}: exists and is no table of runs; only those are replaced", "name another")
    rows = [_row(run) for run in listing.runs]
    columns = dict.fromkeys(_COLUMNS) | dict.fromkeys(name for row in rows for name in row)
    text = io.StringIO()
    writer = csv.DictWriter(text, list(columns), restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    # Names of files may hold bytes that no encoding has.
    write_text(path, text.getvalue().encode("utf-8", "backslashreplace").decode())


def _is_table(path: Path) -> bool:
    head = (",".join(_COLUMNS) + ",").encode()
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        return stream.read(len(head)) == head


def _row(run: NumberedRun) -> dict[str, Any]:
    described = run.to_dict()
    row = {name: described.get(name) for name in _COLUMNS}
    row |= {name: value for name, value in run.scores.items() if not isinstance(value, list | dict)}
    thresholds = run.scores.get("tiou_thresholds") or []
    row |= {f"map@{t:g}": value for t, value in zip(thresholds, run.scores.get("map") or [], strict=False)}
    row["spec"] = "; ".join(str(spec.get("short")) for spec in run.record.get("specs") or [])
    return row | {f"options.{name}": value for name, value in flatten(run.record["options"]).items()}
