"""`tsmfeat runs`: the leaderboard of one's own runs, and what differs between two of them."""

import json
from pathlib import Path
from typing import Annotated

import typer

from tsmfeat.workflows.run_options import SORTS, RunsOptions
from tsmfeat_cli.common import Config, Debug, Json, Quiet, Verbose
from tsmfeat_cli.run_tables import describe_comparison, describe_runs
from tsmfeat_cli.stdout import write_data
from tsmfeat_cli.terminal import TerminalProgress


def command(
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Files of records, or folders to search. Default: ./runs.jsonl.")
    ] = None,
    sort: Annotated[str, typer.Option("--sort", help=", ".join(SORTS))] = RunsOptions.sort,
    of_command: Annotated[
        str, typer.Option("--command", help="Runs of this command only, such as score.")
    ] = RunsOptions.command,
    top: Annotated[int, typer.Option("--top", help="The first so many; 0: all.")] = RunsOptions.top,
    compare: Annotated[
        tuple[str, str] | None,
        typer.Option("--compare", help="Two runs by number or id: show what differs.", metavar="A B"),
    ] = None,
    csv: Annotated[
        Path | None, typer.Option("--csv", help="Also write the table here, a column for every option.")
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
    config: Config = None,
) -> None:
    """List the runs of fit-heads, score, tune and ablate that were recorded, the best first; or compare two of them.

    Example: tsmfeat runs --sort final-score --top 10
    """
    options = RunsOptions(sort, of_command, top, compare or ())
    from tsmfeat.workflows.run_files import RUNS_NAME
    from tsmfeat.workflows.run_listing import runs, write_run_table

    listing = runs(paths or RUNS_NAME, options)
    if csv is not None:
        write_run_table(listing, csv)
    text = describe_runs(listing) if listing.comparison is None else describe_comparison(listing.comparison, verbose)
    write_data(json.dumps(listing.to_dict()) if as_json else text)
    with TerminalProgress(quiet) as progress:
        if csv is not None:
            progress.note(f"{csv}: {len(listing.runs):,} runs")
        if listing.bad_lines:
            first = listing.bad_lines[0]
            progress.warn(
                f"lines passed over because they hold no record: {len(listing.bad_lines):,}, first {first.file} line "
                f"{first.line} ({first.reason})"
            )
