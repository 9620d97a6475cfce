"""The app: its name, version and completion; the commands come from `lazy.COMMANDS`."""

from typing import Annotated

import typer

from tsmfeat_cli.lazy import HELP_SETTINGS, LazyGroup
from tsmfeat_cli.streams import fill_standard_descriptors

app = typer.Typer(
    name="tsmfeat",
    cls=LazyGroup,
    context_settings=HELP_SETTINGS,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        # Only asked for here, and slow to load for all other commands.
        from importlib.metadata import version

        typer.echo(f"tsmfeat {version('tsmfeat')}")
        raise typer.Exit


@app.callback()
def describe(
    show_version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """Run the big network once; then every experiment on temporal action localisation takes seconds.

    First: tsmfeat demo
    """


def run() -> None:
    """Start from the console script."""
    fill_standard_descriptors()
    app(prog_name="tsmfeat")
