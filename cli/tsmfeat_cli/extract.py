"""`tsmfeat extract`: videos → stored features."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tsmfeat.errors import ConfigurationError, IncompleteError
from tsmfeat.store.options import StoreOptions
from tsmfeat.trunk.options import PRECISIONS, SHIFTS, TRUNKS, TrunkOptions
from tsmfeat.video.options import RESIZE_FILTERS, RESIZES, VideoOptions
from tsmfeat.workflows.options import ExtractOptions
from tsmfeat_cli.common import Config, Debug, Json, Quiet, Verbose, command_line, parse_whole_or_auto
from tsmfeat_cli.shared_options import (
    AllowPartial,
    BatchSize,
    Decoder,
    Device,
    IdRule,
    MaxBad,
    ReaderMemory,
    ReaderTimeout,
    Workers,
)
from tsmfeat_cli.signals import StopSignals
from tsmfeat_cli.stdout import write_data
from tsmfeat_cli.terminal import TerminalProgress

if TYPE_CHECKING:
    from tsmfeat.workflows.extraction import ExtractReport


def command(
    videos: Annotated[list[str], typer.Argument(help="Files, folders, glob patterns, .txt lists, or - for stdin.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="X.h5, or a folder that stays a folder of parts.")],
    checkpoint: Annotated[
        str,
        typer.Option(
            "--checkpoint",
            help="FILE (torchvision, official TSM, mmaction2, or of tsmfeat), imagenet (torchvision's file in torch's "
            "folder of downloads) or random:SEED; there is no default.",
        ),
    ] = "",
    step: Annotated[float, typer.Option("--step", "-t", help="Seconds an interval.")] = ExtractOptions.step_seconds,
    trunk: Annotated[str, typer.Option("--trunk", help=f"One of {', '.join(TRUNKS)}.")] = TrunkOptions.trunk,
    num_frames: Annotated[int, typer.Option("--num-frames", help="Frames a clip.")] = TrunkOptions.num_frames,
    shift: Annotated[
        str, typer.Option("--shift", help=f"{', '.join(SHIFTS)}; auto: on, unless the checkpoint is a plain TSN.")
    ] = TrunkOptions.shift,
    resize: Annotated[
        str, typer.Option("--resize", help=f"{', '.join(RESIZES)}, or other sizes by this pattern.")
    ] = VideoOptions.resize,
    resize_filter: Annotated[
        str,
        typer.Option("--filter", help=f"{', '.join(RESIZE_FILTERS)}: exact as in TSM, or the reader's own, faster."),
    ] = VideoOptions.resize_filter,
    clip_seconds: Annotated[
        float | None, typer.Option("--clip-seconds", help="Span of a clip, centred on its interval. Default: the step.")
    ] = ExtractOptions.clip_seconds,
    precision: Annotated[
        str, typer.Option("--precision", help=f"{', '.join(PRECISIONS)}; auto: bf16 on CUDA, fp32 on CPU.")
    ] = TrunkOptions.precision,
    device: Device = TrunkOptions.device,
    batch_size: BatchSize = "auto",
    workers: Workers = "auto",
    allow_partial: AllowPartial = VideoOptions.allow_partial,
    max_bad: MaxBad = VideoOptions.max_bad,
    decoder: Decoder = VideoOptions.decoder,
    reader_memory: ReaderMemory = VideoOptions.reader_memory_gb,
    reader_timeout: ReaderTimeout = VideoOptions.reader_timeout_seconds,
    view: Annotated[str, typer.Option("--view", help="Name of the view, part of the features' identity.")] = "",
    id_rule: IdRule = ExtractOptions.id_rule,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Try videos again that failed before.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Start anew instead of resuming.")] = False,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
    config: Config = None,
) -> None:
    """Run a trunk once per interval of every video; the embeddings go to HDF5. Run again to resume.

    Example: tsmfeat extract videos/ -o features.h5 -t 0.5 --trunk resnet50 --checkpoint resnet50.pth
    """
    options = ExtractOptions(
        TrunkOptions(
            trunk,
            checkpoint,
            num_frames,
            shift,
            precision=precision,
            device=device,
            batch_size=parse_whole_or_auto(batch_size, "--batch-size"),
        ),
        VideoOptions(
            resize,
            allow_partial,
            max_bad,
            parse_whole_or_auto(workers, "--workers"),
            resize_filter,
            decoder,
            reader_memory,
            reader_timeout,
        ),
        StoreOptions(),
        step,
        clip_seconds,
        view,
        id_rule,
        overwrite,
        retry_failed,
    )
    if not videos:
        raise ConfigurationError("no videos named", "name files, a folder, or a .txt list")
    with StopSignals() as stop, TerminalProgress(quiet) as progress:
        # Loading torch takes seconds: a signal that comes meanwhile counts too.
        from tsmfeat.workflows.extraction import extract

        report = extract(videos, out, options, progress, should_stop=lambda: stop.caught is not None)
    if as_json:
        write_data(json.dumps(report.to_dict()))
    _summarize(report, out, progress, verbose)
    if stop.caught is not None and report.stopped:
        again = "the same command without --overwrite" if overwrite else "the same command again"
        progress.warn(f"stopped; finished videos are kept: run {again} to go on")
        raise typer.Exit(128 + stop.caught)
    if report.num_failed:
        raise typer.Exit(IncompleteError.exit_code)


def _summarize(report: "ExtractReport", out: Path, progress: TerminalProgress, verbose: bool) -> None:
    seconds = max(report.seconds, 1e-3)
    progress.note(
        f"{out}: {report.num_done} videos extracted, {report.num_skipped} skipped, {report.num_failed} failed; "
        f"{report.num_intervals:,} intervals in {report.seconds:.1f} s ({report.num_intervals / seconds:,.0f}/s, "
        f"{report.frames_decoded / seconds:,.0f} frames/s, {report.video_seconds / seconds:,.1f} × real time)"
    )
    if report.num_repeating:
        progress.warn(
            f"in {report.num_repeating} videos the median clip repeats more than half of its frames: "
            "the step is short for their frame rate; a larger --step or fewer --num-frames see more motion"
        )
    for failure in report.failed if verbose else ():
        progress.note(f"failed: {failure['path']}: {failure['reason']}")
    if report.num_failed:
        from tsmfeat.workflows.failures import failures_path

        progress.warn(f"the failed videos are listed in {failures_path(out)}")
    if report.num_intervals and not report.stopped:
        progress.note("next: " + command_line("fit-heads", out, "--annotations", "gt.json", "-o", "heads.safetensors"))
