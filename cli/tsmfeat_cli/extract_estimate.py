"""`tsmfeat extract --dry-run`: what the run would take, in words."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from tsmfeat.workflows.options import ExtractOptions
from tsmfeat_cli.signals import StopSignals
from tsmfeat_cli.stdout import write_data
from tsmfeat_cli.terminal import TerminalProgress

if TYPE_CHECKING:
    from tsmfeat.workflows.extraction_estimate import ExtractEstimate


def estimate(videos: list[str], out: Path, options: ExtractOptions, terminal: TerminalProgress, as_json: bool) -> None:
    """Estimate an extraction and print it."""
    with StopSignals() as stop, terminal as progress:
        from tsmfeat.workflows.extraction_estimate import estimate_extraction

        found = estimate_extraction(videos, out, options, progress, lambda: stop.caught is not None)
    write_data(json.dumps(found.to_dict()) if as_json else "\n".join(describe_estimate(found)))
    if stop.caught is not None:
        progress.warn("stopped: told by what had been looked up until then")
        raise typer.Exit(128 + stop.caught)


def describe_estimate(found: "ExtractEstimate") -> list[str]:
    """Return the lines that are printed."""
    whole = found.num_opened >= found.num_todo
    based = "" if whole else f" (of {found.num_opened:,} looked up; the rest by file size)"
    lines = [
        f"videos      {found.num_todo:,} to do of {found.num_videos:,}{based}",
        f"length      {found.video_seconds / 3600:,.2f} h",
        f"intervals   {found.num_intervals:,}",
        f"bytes       {_size(found.num_bytes)} ({_size(found.free_bytes)} free)",
        f"time        {_time(found)}",
    ]
    if found.num_unreadable:
        lines.append(f"unreadable  {found.num_unreadable:,}: tsmfeat validate VIDEOS lists why")
    if len(found.outputs) > 1:
        lines += [
            f"  {entry.out}: {entry.num_intervals:,} intervals, {_size(entry.num_bytes)}" for entry in found.outputs
        ]
    if found.num_bytes > found.free_bytes:
        lines.append(f"no room: {_size(found.num_bytes - found.free_bytes)} are missing")
    lines.append("nothing was written; the same command without --dry-run begins")
    return lines


def _size(num_bytes: int) -> str:
    for unit, factor in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if num_bytes >= factor:
            return f"{num_bytes / factor:,.1f} {unit}"
    return f"{num_bytes / 1e3:,.1f} kB"


def _time(found: "ExtractEstimate") -> str:
    if not found.num_todo:
        return "none: all is done"
    if found.run_seconds is None:
        return "unknown: no clip could be embedded"
    seconds, rate = found.run_seconds, found.intervals_per_second or 0.0
    for unit, length in (("days", 86400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * length:
            return f"{seconds / length:,.1f} {unit} on this machine at {rate:,.1f} intervals a second"
    return f"{seconds:,.0f} s on this machine at {rate:,.1f} intervals a second"
