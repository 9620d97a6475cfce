"""`tsmfeat inspect`: what a feature store, or a running extract, holds."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from tsmfeat_cli.common import Config, Debug, Json, Quiet, Verbose
from tsmfeat_cli.stdout import write_data

_MOST_VIDEOS = 20


def command(
    path: Annotated[Path, typer.Argument(help="A store file, a folder of parts, or the output of a running extract.")],
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
    config: Config = None,
) -> None:
    """Show what a feature store holds: its spec, and every video with its intervals.

    Example: tsmfeat inspect features.h5 --json
    """
    from tsmfeat.workflows.inspection import inspect

    found = inspect(path)
    write_data(json.dumps(found) if as_json else _describe(found, verbose))


def _describe(found: dict[str, Any], verbose: bool) -> str:
    lines = [
        f"features, format version {found['version']}: {found['num_videos']:,} videos, "
        f"{found['num_intervals']:,} intervals, {found['embedding_size']} numbers each"
    ]
    lines += [f"  {name:<18}{value}" for name, value in found["spec"].items()]
    videos = found["videos"] if verbose else found["videos"][:_MOST_VIDEOS]
    lines += [
        f"{video['video_id']:<32}{video['num_intervals']:>8} intervals"
        f"{video['duration_seconds']:>12.3f} s  {video['status']}"
        for video in videos
    ]
    if len(videos) < found["num_videos"]:
        lines.append(f"... and {found['num_videos'] - len(videos):,} more (--verbose shows all)")
    return "\n".join(lines)
