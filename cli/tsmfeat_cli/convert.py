"""`tsmfeat convert`: training checkpoints into clean ones, annotations and predictions into other formats."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tsmfeat.formats.options import FORMATS, PIECES_CHOICES
from tsmfeat.trunk.options import TRUNKS
from tsmfeat.workflows.options import ConvertOptions
from tsmfeat_cli.common import Config, Debug, Json, Quiet, Verbose, command_line
from tsmfeat_cli.stdout import write_data
from tsmfeat_cli.terminal import TerminalProgress

if TYPE_CHECKING:
    from tsmfeat.workflows.checkpoint_conversion import CheckpointReport
    from tsmfeat.workflows.format_conversion import ConversionReport


def command(
    source: Annotated[Path, typer.Argument(help="A trunk's checkpoint, or annotations or predictions.")],
    out: Annotated[Path, typer.Argument(help="X.safetensors for a checkpoint; otherwise see --to.")],
    trunk: Annotated[
        str, typer.Option("--trunk", help=f"Of a checkpoint: {', '.join(TRUNKS)}. Default: by the shapes.")
    ] = ConvertOptions.trunk,
    from_format: Annotated[
        str, typer.Option("--from", help=f"Of annotations and predictions: {', '.join(FORMATS)}. Default: by content.")
    ] = ConvertOptions.from_format,
    to_format: Annotated[
        str, typer.Option("--to", help="One of the same. Default: by the end of OUT.")
    ] = ConvertOptions.to_format,
    classes: Annotated[
        str, typer.Option("--classes", help="File of class names, for formats that have ids.")
    ] = ConvertOptions.classes,
    sample: Annotated[
        str, typer.Option("--sample", help="Sample submission of BinEgo-360: its ids are the rows written.")
    ] = ConvertOptions.sample,
    pieces: Annotated[
        str, typer.Option("--pieces", help=f"{' or '.join(PIECES_CHOICES)}: segments cut at the edges of bins.")
    ] = ConvertOptions.pieces,
    strict: Annotated[
        bool, typer.Option("--strict", help="Invalid rows, and what the target cannot hold, are errors.")
    ] = ConvertOptions.strict,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
    config: Config = None,
) -> None:
    """Write a trunk's checkpoint anew, running none of it; or annotations and predictions in another format.

    Example: tsmfeat convert ckpt.best.pth.tar trunk.safetensors
    """
    options = ConvertOptions(trunk, from_format, to_format, classes, sample, pieces, strict)
    from tsmfeat.workflows.conversion import convert
    from tsmfeat.workflows.format_conversion import ConversionReport

    with TerminalProgress(quiet) as progress:
        report = convert(source, out, options, progress)
    if as_json:
        write_data(json.dumps(asdict(report)))
    if isinstance(report, ConversionReport):
        _summarize_format(report, progress)
    else:
        _summarize_checkpoint(report, progress)


def _summarize_checkpoint(report: "CheckpointReport", progress: TerminalProgress) -> None:
    kind = "cannot be told" if report.placement is None else report.placement["kind"]
    progress.note(
        f"{report.out}: a checkpoint of {report.trunk}, read in the layout of {report.layout}; temporal shift: {kind}"
    )
    extract = ("extract", "videos/", "-o", "features.h5", "--trunk", report.trunk, "--checkpoint", report.out)
    progress.note("next: " + command_line(*extract))


def _summarize_format(report: "ConversionReport", progress: TerminalProgress) -> None:
    progress.note(
        f"{report.out}: {report.kind} of {report.num_videos:,} videos, {report.num_segments:,} segments of "
        f"{report.num_classes} classes; {report.seconds:.1f} s"
    )
