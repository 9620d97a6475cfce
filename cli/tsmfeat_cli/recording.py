"""`--record`: a line of what was run and reached, in a file that `tsmfeat runs` lists."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from tsmfeat.errors import ConfigurationError, TsmfeatError
from tsmfeat_cli.common import command_line
from tsmfeat_cli.lazy import WORDS
from tsmfeat_cli.terminal import TerminalProgress

AUTO, OFF = "auto", "off"
_SUFFIX = ".jsonl"


def _require_place(where: str) -> str:
    """Refuse what is no file of records before any work is done: a line at the end of another file would damage it."""
    if where in (AUTO, OFF) or where.endswith(_SUFFIX):
        return where
    raise ConfigurationError(
        f"--record {where!r}: neither {AUTO}, {OFF} nor a file of records ({_SUFFIX})", "use for example runs.jsonl"
    )


Record = Annotated[
    str,
    typer.Option(
        "--record",
        callback=_require_place,
        help=f"File that a record of this run is appended to, {AUTO}: runs.jsonl beside the output, or {OFF}.",
    ),
]


def record_run(
    ctx: typer.Context, where: str, out: Path | None, parts: Callable[[], dict[str, Any]], progress: TerminalProgress
) -> None:
    """Append the record of a run that is done; what goes wrong is warned of, for the result is there.

    Parameters
    ----------
    ctx
        Of the command.
    where
        `AUTO`, `OFF` or a file.
    out
        What the run wrote; None: nothing, so that `AUTO` has no place.
    parts
        Describes the run, as in `tsmfeat.workflows.run_records`.
    progress
        Warned.
    """
    if where == OFF or (where == AUTO and out is None):
        return
    from tsmfeat.workflows.run_files import RUNS_NAME, append_run
    from tsmfeat.workflows.run_records import describe_run

    path = Path(where) if where != AUTO or out is None else out.parent / RUNS_NAME
    try:
        line = command_line(*ctx.find_root().meta.get(WORDS, ()))
        append_run(path, describe_run(str(ctx.info_name), line, out, parts()))
    except (TsmfeatError, OSError, ValueError) as error:
        progress.warn(f"this run is not recorded: {error}")
