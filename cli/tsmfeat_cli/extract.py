"""`tsmfeat extract`: videos → stored features."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple, TypeVar

import typer

from tsmfeat.errors import ConfigurationError, IncompleteError
from tsmfeat.store.options import StoreOptions
from tsmfeat.trunk.names import FORMS, TRUNKS
from tsmfeat.trunk.options import PRECISIONS, SHIFTS, TrunkOptions
from tsmfeat.video.options import RESIZE_FILTERS, RESIZES, VideoOptions
from tsmfeat.workflows.options import ENGINES, ExtractOptions
from tsmfeat_cli.common import (
    Config,
    Debug,
    Json,
    Quiet,
    Verbose,
    command_line,
    parse_numbers,
    parse_whole_or_auto,
    parse_wholes,
    parse_words,
)
from tsmfeat_cli.extract_estimate import estimate
from tsmfeat_cli.signals import StopSignals
from tsmfeat_cli.stdout import write_data
from tsmfeat_cli.terminal import TerminalProgress
from tsmfeat_cli.video_options import (
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

if TYPE_CHECKING:
    from tsmfeat.workflows.extraction_report import ExtractReport

_T = TypeVar("_T")


def command(
    out: Annotated[
        Path, typer.Option("--out", "-o", help="X.h5, or a folder (of parts; of one file each for several kinds).")
    ],
    videos: Annotated[
        list[str] | None, typer.Argument(help="Files, folders, glob patterns, .txt lists, or - for stdin.")
    ] = None,
    checkpoint: Annotated[
        str,
        typer.Option(
            "--checkpoint",
            help="FILE (torchvision, official TSM, mmaction2, or of tsmfeat), imagenet (torchvision's file in torch's "
            "folder of downloads), pretrained (of timm: and hf: trunks) or random:SEED; there is no default.",
        ),
    ] = "",
    step: Annotated[
        str, typer.Option("--step", "-t", help="Seconds an interval; several (0.25,0.5,1.0) in one decoding pass.")
    ] = f"{ExtractOptions.step_seconds:g}",
    trunk: Annotated[
        str,
        typer.Option(
            "--trunk",
            help=f"One or several of {', '.join((*TRUNKS, *FORMS))}; --checkpoint, --num-frames and --resize are then "
            "one for all, or one a trunk.",
        ),
    ] = TrunkOptions.trunk,
    num_frames: Annotated[str, typer.Option("--num-frames", help="Frames a clip.")] = str(TrunkOptions.num_frames),
    shift: Annotated[
        str, typer.Option("--shift", help=f"{', '.join(SHIFTS)}; auto: on, unless the checkpoint is a plain TSN.")
    ] = TrunkOptions.shift,
    resize: Annotated[
        str,
        typer.Option("--resize", help=f"{', '.join(RESIZES)}, or other sizes; of panoramas square256-roll4."),
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
    compile_trunk: Annotated[
        bool, typer.Option("--compile", help="Compile the trunk with torch: minutes at the start, faster from then on.")
    ] = TrunkOptions.compile,
    workers: Workers = "auto",
    allow_partial: AllowPartial = VideoOptions.allow_partial,
    max_bad: MaxBad = VideoOptions.max_bad,
    decoder: Decoder = VideoOptions.decoder,
    reader_memory: ReaderMemory = VideoOptions.reader_memory_gb,
    reader_timeout: ReaderTimeout = VideoOptions.reader_timeout_seconds,
    view: Annotated[
        str, typer.Option("--view", help="Name of the view, part of the features' identity; of a manifest: only it.")
    ] = ExtractOptions.view,
    manifest: Annotated[
        str, typer.Option("--manifest", help="CSV with video_id, view (where there are views) and path, for VIDEOS.")
    ] = ExtractOptions.manifest,
    shard: Annotated[
        str, typer.Option("--shard", help="i/n: only share i (from 0) of n, by the ids; -o is a common folder.")
    ] = ExtractOptions.shard,
    engine: Annotated[
        str, typer.Option("--engine", help=f"{' or '.join(ENGINES)}: this machine, or a Ray cluster (RAY_ADDRESS).")
    ] = ExtractOptions.engine,
    num_actors: Annotated[
        str, typer.Option("--num-actors", help="Workers on Ray; auto: one a GPU, or one a machine without GPUs.")
    ] = "auto",
    id_rule: IdRule = ExtractOptions.id_rule,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Try videos again that failed before.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Start anew instead of resuming.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Tell videos, hours, intervals, bytes and time; write nothing.")
    ] = False,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
    config: Config = None,
) -> None:
    """Run a trunk once per interval of every video; the embeddings go to HDF5. Run again to resume.

    Example: tsmfeat extract videos/ -o features.h5 -t 0.5 --trunk resnet50 --checkpoint resnet50.pth
    """
    resizes = parse_words(resize, "--resize")
    options = ExtractOptions(
        _parse_trunks(trunk, checkpoint, num_frames, _TrunkWords(shift, precision, device, batch_size, compile_trunk)),
        VideoOptions(
            resizes[0],
            allow_partial,
            max_bad,
            parse_whole_or_auto(workers, "--workers"),
            resize_filter,
            decoder,
            reader_memory,
            reader_timeout,
        ),
        StoreOptions(),
        _one_or_all(parse_numbers(step, "--step")),
        clip_seconds,
        view,
        id_rule,
        overwrite,
        retry_failed,
        resizes if len(resizes) > 1 else (),
        manifest,
        shard,
        engine=engine,
        num_actors=parse_whole_or_auto(num_actors, "--num-actors"),
    )
    if dry_run:
        estimate(videos or [], out, options, TerminalProgress(quiet), as_json)
        return
    with StopSignals() as stop, TerminalProgress(quiet) as progress:
        # Loading torch takes seconds: a signal that comes meanwhile counts too.
        from tsmfeat.workflows.extraction import extract

        report = extract(videos or [], out, options, progress, should_stop=lambda: stop.caught is not None)
    if as_json:
        write_data(json.dumps(report.to_dict()))
    _summarize(report, out, progress, verbose)
    if stop.caught is not None and report.stopped:
        again = "the same command without --overwrite" if overwrite else "the same command again"
        progress.warn(f"stopped; finished videos are kept: run {again} to go on")
        raise typer.Exit(128 + stop.caught)
    if report.num_failed:
        raise typer.Exit(IncompleteError.exit_code)


class _TrunkWords(NamedTuple):
    """What all trunks of a run share."""

    shift: str
    precision: str
    device: str
    batch_size: str
    compile: bool


def _parse_trunks(
    trunk: str, checkpoint: str, num_frames: str, shared: _TrunkWords
) -> TrunkOptions | tuple[TrunkOptions, ...]:
    """Return the options of one trunk or of several; what is given once is for all."""
    names = parse_words(trunk, "--trunk")
    # A file's name may hold a comma: only several trunks have several checkpoints.
    checkpoints = parse_words(checkpoint, "--checkpoint") if len(names) > 1 and checkpoint else (checkpoint,)
    columns = zip(
        names,
        _for_each(checkpoints, names, "--checkpoint"),
        _for_each(parse_wholes(num_frames, "--num-frames"), names, "--num-frames"),
        strict=True,
    )
    return _one_or_all(
        tuple(
            TrunkOptions(
                name,
                file,
                frames,
                shared.shift,
                precision=shared.precision,
                device=shared.device,
                batch_size=parse_whole_or_auto(shared.batch_size, "--batch-size"),
                compile=shared.compile,
            )
            for name, file, frames in columns
        )
    )


def _for_each(values: tuple[_T, ...], trunks: tuple[str, ...], option: str) -> tuple[_T, ...]:
    if len(values) == 1:
        return values * len(trunks)
    if len(values) != len(trunks):
        raise ConfigurationError(
            f"{option} has {len(values)} values and --trunk {len(trunks)}: one for all, or one a trunk",
            f"give {option} once, or {len(trunks)} of them",
        )
    return values


def _one_or_all(values: tuple[_T, ...]) -> _T | tuple[_T, ...]:
    return values[0] if len(values) == 1 else values


def _summarize(report: "ExtractReport", out: Path, progress: TerminalProgress, verbose: bool) -> None:
    seconds = max(report.seconds, 1e-3)
    progress.note(
        f"{out}: {report.num_done} videos extracted, {report.num_skipped} skipped, {report.num_failed} failed; "
        f"{report.num_intervals:,} intervals in {report.seconds:.1f} s ({report.num_intervals / seconds:,.0f}/s, "
        f"{report.frames_decoded / seconds:,.0f} frames/s, {report.video_seconds / seconds:,.1f} × real time)"
    )
    if limit := report.effort.limited_by():
        shares = ", ".join(f"{part} {share:.0%}" for part, share in report.effort.busy_shares().items())
        peak = report.effort.reader_peak_bytes / 2**20
        progress.note(f"limited by: {limit} (busy: {shares}; a reader held at most {peak:,.0f} MiB)")
    if report.num_repeating:
        progress.warn(
            f"in {report.num_repeating} videos the median clip repeats more than half of its frames: "
            "the step is short for their frame rate; a larger --step or fewer --num-frames see more motion"
        )
    for failure in report.failed if verbose else ():
        progress.note(f"failed: {failure['path']}: {failure['reason']}")
    if report.num_failed:
        progress.warn(f"the failed videos are listed in {report.failures_file}")
    if report.num_intervals and not report.stopped:
        progress.note("next: " + _next_command(report, out))


def _next_command(report: "ExtractReport", out: Path) -> str:
    if Path(report.failures_file).name.startswith("failures-"):
        merged = out.parent / (out.name if len(report.out) > 1 else f"{out.name}.h5")
        return "when all shards are done: " + command_line("merge", out, "-o", merged)
    features = report.out if len(report.out) > 1 else [str(out)]
    return command_line("fit-heads", features[0], "--annotations", "gt.json", "-o", "heads.safetensors")
