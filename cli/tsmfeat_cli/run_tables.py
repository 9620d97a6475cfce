"""Recorded runs as people read them, as wide as the terminal is."""

import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tsmfeat_cli.statistics_tables import wrap_lines

if TYPE_CHECKING:
    from tsmfeat.workflows.run_comparison import Difference, RunComparison
    from tsmfeat.workflows.run_listing import NumberedRun, RunListing

_LEAST_WIDTH, _MOST_WIDTH = 72, 200
_LEAST_OUTPUT = 14
_NAME_WIDTH = 30
_MOST_THRESHOLDS = 4


@dataclass(frozen=True)
class _Column:
    """A column: what stands over it, the text of a run, and how early it is left out where there is no room."""

    head: str
    cell: Callable[["NumberedRun"], str]
    rank: int = 0
    is_text: bool = False


def terminal_width() -> int:
    """Return how many characters a line of a table may have."""
    return min(max(shutil.get_terminal_size().columns, _LEAST_WIDTH), _MOST_WIDTH)


def describe_runs(listing: "RunListing", width: int | None = None) -> str:
    """Return the leaderboard.

    Parameters
    ----------
    listing
        What `tsmfeat.workflows.runs` returned.
    width
        Characters a line; None: as many as the terminal has. What does not fit is in the JSON and CSV.
    """
    if not listing.runs:
        return f"no run is recorded in {', '.join(listing.files)}"
    width = width or terminal_width()
    columns = _fit(_columns(listing.runs), listing.runs, width)
    cells = [[column.head for column in columns], *([column.cell(run) for column in columns] for run in listing.runs)]
    widths = [max(len(row[place]) for row in cells) for place in range(len(columns))]
    # The last column, of names, takes what is left.
    widths[-1] = max(_LEAST_OUTPUT, width - sum(widths[:-1]) - 2 * (len(columns) - 1))
    lines = [_line(row, widths, columns) for row in cells]
    more = listing.num_runs - len(listing.runs)
    notes = [f"{more:,} more runs are recorded"] if more else []
    if listing.num_tasks > 1 and listing.options.sort != "time":
        notes.append(
            f"{listing.num_tasks} kinds of scores are listed together: of other videos, annotations, protocols or "
            "thresholds. They compare within a kind only (column on; --json tells all)"
        )
    return "\n".join([*lines, *(part for note in notes for part in wrap_lines(note))])


def _line(row: Sequence[str], widths: Sequence[int], columns: Sequence[_Column]) -> str:
    cells = [
        f"{_cut(text, width):<{width}}" if column.is_text else f"{text:>{width}}"
        for text, width, column in zip(row, widths, columns, strict=True)
    ]
    return "  ".join(cells).rstrip()


def _columns(runs: Sequence["NumberedRun"]) -> list[_Column]:
    counts = Counter(tuple(run.scores.get("tiou_thresholds") or ()) for run in runs)
    thresholds = max((key for key in counts if key), key=counts.__getitem__, default=())
    return [
        _Column("#", lambda run: str(run.number)),
        _Column("id", lambda run: run.run.id, 5, is_text=True),
        _Column("command", lambda run: str(run.record["command"]), is_text=True),
        _Column("final", lambda run: _number(run.scores.get("final_score"))),
        _Column("± sd", lambda run: _number(run.scores.get("final_score_sd")), 3),
        _Column("valid.", lambda run: _number(run.scores.get("validation_score")), 6),
        *(_threshold_column(t, thresholds) for t in thresholds[:_MOST_THRESHOLDS]),
        _Column("scenes", lambda run: _number(run.scores.get("scene_accuracy"), 3), 4),
        _Column("on", lambda run: str(run.scores.get("judged_on") or "-")[:12], 1, is_text=True),
        _Column("seconds", lambda run: _number(run.record.get("seconds"), 1), 7),
        _Column("UTC", lambda run: str(run.record["time"])[5:16].replace("T", " "), 8, is_text=True),
        _Column("output", lambda run: str(run.record.get("output") or "-"), is_text=True),
    ]


def _threshold_column(threshold: float, thresholds: Sequence[float]) -> _Column:
    def cell(run: "NumberedRun") -> str:
        if tuple(run.scores.get("tiou_thresholds") or ()) != thresholds:
            return "-"
        return _number(run.scores["map"][thresholds.index(threshold)], 3)

    return _Column(f"@{threshold:g}", cell, 2)


def _fit(columns: Sequence[_Column], runs: Sequence["NumberedRun"], width: int) -> list[_Column]:
    """Leave out columns that say nothing, then those that are missed least until the names have room."""
    kept = [column for column in columns if not column.rank or any(column.cell(run) != "-" for run in runs)]
    while len(kept) > 1:
        used = sum(2 + max(len(text) for text in (one.head, *map(one.cell, runs))) for one in kept[:-1])
        least = max(column.rank for column in kept)
        if used + _LEAST_OUTPUT <= width or not least:
            return kept
        kept = [column for column in kept if column.rank != least]
    return kept


def _number(value: object, decimals: int = 4) -> str:
    return f"{value:.{decimals}f}" if isinstance(value, int | float) else "-"


def _cut(text: str, width: int) -> str:
    """Return a text that fits; of a path the end tells more than the beginning."""
    return text if len(text) <= width else "…" + text[1 - width :]


def describe_comparison(found: "RunComparison", in_full: bool, width: int | None = None) -> str:
    """Return what differs between two runs, part by part.

    Parameters
    ----------
    found
        What `tsmfeat.workflows.run_comparison.compare_records` returned.
    in_full
        Whether digests are shown too.
    width
        Characters a line; None: as many as the terminal has.
    """
    width = width or terminal_width()
    half = (width - _NAME_WIDTH) // 3
    lines = []
    for run in (found.one, found.other):
        lines += wrap_lines(
            f"{run['number']}: {run['id']}, {run['time'][:16].replace('T', ' ')}, {run['command_line']}"
        )
    heads = [f"{run['number']} {run['command']}" for run in (found.one, found.other)]
    lines += ["", f"{'':<{_NAME_WIDTH}}{heads[0]:>{half}}{heads[1]:>{half}}{'change':>{half}}"]
    if found.obstacles:
        lines += wrap_lines(f"the final scores do not compare: {'; '.join(found.obstacles)}")
    for part, differences in found.differences.items():
        shown = [each for each in differences if in_full or not _is_bulky(each)]
        lines += [part, *(line for each in shown for line in _difference_lines(each, half))] if shown else []
    same = [part for part, differences in found.differences.items() if not differences]
    return "\n".join([*lines, *([f"the same: {', '.join(same)}"] if same else [])])


def _is_bulky(each: "Difference") -> bool:
    return each.name.endswith(("sha256", "checkpoint_digest"))


def _difference_lines(each: "Difference", half: int) -> list[str]:
    values = [_word(value) for value in (each.one, each.other)]
    name = f"  {each.name}"
    if len(name) >= _NAME_WIDTH or any(len(value) >= half for value in values):
        # What is too long for its column stands on lines of its own, and can be copied.
        return [name, *(f"    {value}" for value in values)]
    change = "" if each.change is None else f"{each.change:+.6g}"
    return [f"{name:<{_NAME_WIDTH}}{values[0]:>{half}}{values[1]:>{half}}{change:>{half}}".rstrip()]


def _word(value: Any) -> str:  # noqa: ANN401 - whatever a record holds
    if value in (None, ""):
        return "-" if value is None else '""'
    return f"{value:.6g}" if isinstance(value, float) else str(value)
