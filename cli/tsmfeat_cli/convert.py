"""`tsmfeat convert`: checkpoints into clean ones, annotations and predictions into other formats, stores and arrays."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tsmfeat.formats.options import FORMATS, PIECES_CHOICES
from tsmfeat.trunk.names import TRUNKS
from tsmfeat.workflows.array_options import DTYPES, ArrayOptions
from tsmfeat.workflows.options import ID_RULES, ConvertOptions
from tsmfeat_cli.common import Config, Debug, Json, Quiet, Verbose, command_line
from tsmfeat_cli.stdout import write_data
from tsmfeat_cli.terminal import TerminalProgress

if TYPE_CHECKING:
    from tsmfeat.workflows.array_import import ArrayReport
    from tsmfeat.workflows.checkpoint_conversion import CheckpointReport
    from tsmfeat.workflows.format_conversion import ConversionReport


ARRAYS_PANEL = "Arrays and stores"


def command(
    source: Annotated[
        Path,
        typer.Argument(
            help="A trunk's checkpoint; annotations or predictions; a folder of .npy arrays, one a video; or a feature "
            "store."
        ),
    ],
    out: Annotated[
        Path,
        typer.Argument(
            help="X.safetensors for a checkpoint, X.h5 for arrays, a folder for a store; otherwise see --to."
        ),
    ],
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
    name: Annotated[
        str, typer.Option("--name", help="What made them, such as vggish.", rich_help_panel=ARRAYS_PANEL)
    ] = ArrayOptions.name,
    step: Annotated[
        float | None, typer.Option("--step", "-t", help="Seconds between rows.", rich_help_panel=ARRAYS_PANEL)
    ] = ArrayOptions.step_seconds,
    num_frames: Annotated[
        int, typer.Option("--num-frames", help="Inputs that a row sums up.", rich_help_panel=ARRAYS_PANEL)
    ] = ArrayOptions.num_frames,
    clip_seconds: Annotated[
        float | None,
        typer.Option("--clip-seconds", help="Span a row sums up. Default: the step.", rich_help_panel=ARRAYS_PANEL),
    ] = ArrayOptions.clip_seconds,
    view: Annotated[
        str, typer.Option("--view", help="Name of the view, such as audio.", rich_help_panel=ARRAYS_PANEL)
    ] = ArrayOptions.view,
    origin: Annotated[
        str,
        typer.Option(
            "--origin",
            help="Weights, version and settings in your words; other words make other features.",
            rich_help_panel=ARRAYS_PANEL,
        ),
    ] = ArrayOptions.origin,
    id_rule: Annotated[
        str,
        typer.Option(
            "--id", help=f"{' or '.join(ID_RULES)}: what a file of a folder is called.", rich_help_panel=ARRAYS_PANEL
        ),
    ] = ArrayOptions.id_rule,
    against: Annotated[
        str,
        typer.Option(
            "--against",
            help="Feature store or annotations that know the durations: arrays must be as long, but for one row.",
            rich_help_panel=ARRAYS_PANEL,
        ),
    ] = ArrayOptions.against,
    dtype: Annotated[
        str, typer.Option("--dtype", help=f"{' or '.join(DTYPES)}, of a store's arrays.", rich_help_panel=ARRAYS_PANEL)
    ] = ArrayOptions.dtype,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
    config: Config = None,
) -> None:
    """Write a checkpoint anew, running none of it; labels in another format; arrays as a feature store, and back.

    Example: tsmfeat convert ckpt.best.pth.tar trunk.safetensors
    """
    arrays = ArrayOptions(name, step, num_frames, clip_seconds, view, origin, id_rule, against, dtype)
    options = ConvertOptions(trunk, from_format, to_format, classes, sample, pieces, strict, arrays)
    from tsmfeat.workflows.array_import import ArrayReport
    from tsmfeat.workflows.conversion import convert
    from tsmfeat.workflows.format_conversion import ConversionReport

    with TerminalProgress(quiet) as progress:
        report = convert(source, out, options, progress)
    if as_json:
        write_data(json.dumps(asdict(report)))
    if isinstance(report, ConversionReport):
        _summarize_format(report, progress)
    elif isinstance(report, ArrayReport):
        _summarize_arrays(report, progress)
    else:
        _summarize_checkpoint(report, progress)


def _summarize_checkpoint(report: "CheckpointReport", progress: TerminalProgress) -> None:
    kind = "cannot be told" if report.placement is None else report.placement["kind"]
    progress.note(
        f"{report.out}: a checkpoint of {report.trunk}, read in the layout of {report.layout}; temporal shift: {kind}"
    )
    extract = ("extract", "videos/", "-o", "features.h5", "--trunk", report.trunk, "--checkpoint", report.out)
    progress.note("next: " + command_line(*extract))


def _summarize_arrays(report: "ArrayReport", progress: TerminalProgress) -> None:
    spec = report.spec
    progress.note(
        f"{report.out}: {report.num_videos:,} videos, {report.num_intervals:,} rows of {spec['embedding_size']} values "
        f"at every {spec['step_seconds']:g} s, of {spec['trunk']}; {report.seconds:.1f} s"
    )
    if report.kind == "features":
        words = ("fit-heads", report.out, "--annotations", "gt.json", "-o", "heads.safetensors")
        progress.note("next: " + command_line(*words))


def _summarize_format(report: "ConversionReport", progress: TerminalProgress) -> None:
    progress.note(
        f"{report.out}: {report.kind} of {report.num_videos:,} videos, {report.num_segments:,} segments of "
        f"{report.num_classes} classes; {report.seconds:.1f} s"
    )
