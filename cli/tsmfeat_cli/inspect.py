"""`tsmfeat inspect`: what a file of any kind holds."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from tsmfeat.errors import ConfigurationError
from tsmfeat.workflows.score_options import CeilingOptions
from tsmfeat_cli.ceiling_tables import describe_ceilings
from tsmfeat_cli.common import Config, Debug, Json, Quiet, Verbose, parse_numbers
from tsmfeat_cli.inspect_texts import describe
from tsmfeat_cli.stdout import write_data
from tsmfeat_cli.terminal import TerminalProgress

_STEPS = ",".join(f"{value:g}" for value in CeilingOptions.steps)


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
    ceilings: Annotated[
        bool, typer.Option("--ceilings", help="Of annotations: the score that perfect labels reach on each grid.")
    ] = False,
    step: Annotated[str, typer.Option("--step", help="Of --ceilings: the grids' steps in seconds.")] = _STEPS,
    subset: Annotated[str, typer.Option("--subset", help="Of --ceilings: videos to evaluate on.")] = (
        CeilingOptions.subset
    ),
    protocol: Annotated[str, typer.Option("--protocol", help="Of --ceilings, as in tsmfeat score.")] = (
        CeilingOptions.protocol
    ),
    tiou: Annotated[str, typer.Option("--tiou", help="Of --ceilings: thresholds in place of the protocol's.")] = "",
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
    config: Config = None,
) -> None:
    """Show what a file holds, whatever its kind: it is told by the content.

    With --ceilings, what is shown of annotations is the best score that a classifier of intervals can reach.

    Example: tsmfeat inspect features.h5 --json
    """
    options = CeilingOptions(
        parse_numbers(step, "--step"), protocol, parse_numbers(tiou, "--tiou") if tiou else None, subset
    )
    if ceilings:
        _show_ceilings(path, options, as_json, asked_for_more=bool(video or durations))
        return
    if options != CeilingOptions():
        raise ConfigurationError("--step, --subset, --protocol and --tiou are those of --ceilings", "add --ceilings")
    from tsmfeat.workflows.inspection import inspect

    found = inspect(path, video, durations)
    write_data(json.dumps(found) if as_json else describe(found, verbose))
    with TerminalProgress(quiet) as progress:
        for message in _warnings_of(found):
            progress.warn(message)


def _show_ceilings(path: Path, options: CeilingOptions, as_json: bool, *, asked_for_more: bool) -> None:
    if asked_for_more:
        raise ConfigurationError("--ceilings speaks of all videos; --video and --durations do not go with it", "")
    from tsmfeat.workflows.ceilings import measure_ceilings

    report = measure_ceilings(path, options)
    write_data(json.dumps(report.to_dict()) if as_json else describe_ceilings(report))


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
