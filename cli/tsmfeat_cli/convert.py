"""`tsmfeat convert`: files into other files, first of all training checkpoints into clean ones."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tsmfeat.trunk.options import TRUNKS
from tsmfeat_cli.common import Config, Debug, Json, Quiet, Verbose, command_line
from tsmfeat_cli.stdout import write_data
from tsmfeat_cli.terminal import TerminalProgress

if TYPE_CHECKING:
    from tsmfeat.workflows.conversion import CheckpointReport


def command(
    source: Annotated[Path, typer.Argument(help="A checkpoint of torchvision, official TSM, mmaction2 or tsmfeat.")],
    out: Annotated[Path, typer.Argument(help="X.safetensors.")],
    trunk: Annotated[
        str, typer.Option("--trunk", help=f"{', '.join(TRUNKS)}. Default: recognised by the shapes.")
    ] = "",
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
    config: Config = None,
) -> None:
    """Write a trunk's checkpoint anew: safetensors, torchvision's names, no Python objects; nothing of it is run.

    Example: tsmfeat convert ckpt.best.pth.tar trunk.safetensors
    """
    from tsmfeat.workflows.conversion import convert_checkpoint

    with TerminalProgress(quiet) as progress:
        report = convert_checkpoint(source, out, trunk, progress)
    if as_json:
        write_data(json.dumps(asdict(report)))
    _summarize(report, progress)


def _summarize(report: "CheckpointReport", progress: TerminalProgress) -> None:
    kind = "cannot be told" if report.placement is None else report.placement["kind"]
    progress.note(
        f"{report.out}: a checkpoint of {report.trunk}, read in the layout of {report.layout}; temporal shift: {kind}"
    )
    extract = ("extract", "videos/", "-o", "features.h5", "--trunk", report.trunk, "--checkpoint", report.out)
    progress.note("next: " + command_line(*extract))
