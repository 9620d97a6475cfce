"""`tsmfeat inspect`: what a file of any kind holds."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from tsmfeat_cli.common import Config, Debug, Json, Quiet, Verbose
from tsmfeat_cli.inspect_texts import describe
from tsmfeat_cli.stdout import write_data
from tsmfeat_cli.terminal import TerminalProgress


def command(
    path: Annotated[
        Path,
        typer.Argument(
            help="Store or parts of one, checkpoint, interval scores, annotations, predictions, video, failures."
        ),
    ],
    video: Annotated[str, typer.Option("--video", help="Show this video of it only.")] = "",
    durations: Annotated[
        str, typer.Option("--durations", help="A store or annotations that know how long predicted videos are.")
    ] = "",
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
    config: Config = None,
) -> None:
    """Show what a file holds, whatever its kind: it is told by the content.

    Example: tsmfeat inspect features.h5 --json
    """
    from tsmfeat.workflows.inspection import inspect

    found = inspect(path, video, durations)
    write_data(json.dumps(found) if as_json else describe(found, verbose))
    with TerminalProgress(quiet) as progress:
        for message in _warnings_of(found):
            progress.warn(message)


def _warnings_of(found: dict[str, Any]) -> list[str]:
    messages = []
    if found.get("num_dropped"):
        messages.append(
            f"{found['num_dropped']:,} segments are left out: zero-length, reversed or not finite "
            "(tsmfeat validate lists them)"
        )
    if early := found.get("num_ending_early"):
        messages.append(
            f"in {early:,} of {found['num_known_durations']:,} videos the last prediction ends in the first half: "
            "check the step, the frame rate and the unit of time they were made with"
        )
    if found.get("whole_file") is False:
        messages.append("the file ends before its video does (tsmfeat validate says how)")
    return messages
