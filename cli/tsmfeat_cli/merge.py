"""`tsmfeat merge`: shards and other stores → one file."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tsmfeat.errors import StoreError
from tsmfeat.workflows.merge_options import MergeOptions
from tsmfeat_cli.common import Config, Debug, Json, Quiet, Verbose, command_line
from tsmfeat_cli.signals import StopSignals
from tsmfeat_cli.stdout import write_data
from tsmfeat_cli.terminal import TerminalProgress

if TYPE_CHECKING:
    from tsmfeat.workflows.merge_report import MergedStore, MergeReport


def command(
    stores: Annotated[list[str], typer.Argument(help="Folders of parts, .h5 files, folders of both.")],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Y.h5; or a folder, which gets one file a spec. It may be a store too.")
    ],
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an output that is not among the stores.")
    ] = MergeOptions.overwrite,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Read and verify everything, write nothing.")
    ] = MergeOptions.dry_run,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
    config: Config = None,
) -> None:
    """Pack shards and other stores into one file, each video once; every checksum is verified, the stores stay.

    Example: tsmfeat merge parts/ -o merged.h5
    """
    options = MergeOptions(overwrite, dry_run)
    with StopSignals() as stop, TerminalProgress(quiet) as progress:
        from tsmfeat.workflows.merging import merge

        report = merge(stores, out, options, progress, should_stop=lambda: stop.caught is not None)
    if as_json:
        write_data(json.dumps(report.to_dict()))
    _summarize(report, progress, verbose)
    if stop.caught is not None and report.stopped:
        progress.warn("stopped; the stores are as they were: run the same command again")
        raise typer.Exit(128 + stop.caught)
    if report.num_damaged:
        raise typer.Exit(StoreError.exit_code)


def _summarize(report: "MergeReport", progress: TerminalProgress, verbose: bool) -> None:
    for output in report.outputs:
        progress.note(f"{output.out}: {_describe(output, report.options.dry_run)}; {report.seconds:.1f} s")
        for video_id in output.differing if verbose else ():
            progress.note(f"copies differ: {video_id}")
    _tell_of_damage(report, progress)
    if report.num_failed:
        progress.warn(f"{report.num_failed:,} videos failed in the shards; they are listed in {report.failures}")
    if report.outputs and not (report.stopped or report.options.dry_run):
        files = [output.out for output in report.outputs]
        progress.note(
            "next: " + command_line("validate", "--deep", *files) + "; what was merged is left as it is, and may be "
            "removed after that"
        )


def _describe(output: "MergedStore", dry_run: bool) -> str:
    content = (
        f"{output.num_videos:,} videos, {output.num_intervals:,} intervals, {output.num_bytes / 1e6:,.1f} MB of "
        f"{output.num_files:,} files"
    )
    doubled = f" ({output.num_duplicates:,} videos are there more than once)" if output.num_duplicates else ""
    if output.unchanged:
        return f"holds all of it already: {content}{doubled}"
    return f"would hold {content}{doubled}" if dry_run else content + doubled


def _tell_of_damage(report: "MergeReport", progress: TerminalProgress) -> None:
    most = 20
    reasons = [file.reason for file in report.unreadable]
    reasons += [video.reason for output in report.outputs for video in output.damaged]
    for reason in reasons[:most]:
        progress.warn(reason)
    if len(reasons) > most:
        progress.warn(f"and {len(reasons) - most:,} more; --json lists all")
    if reasons:
        progress.warn("a merge would be refused: run the same `tsmfeat extract` of these shards again first")
