"""A command group that imports a command's module only when that command runs or shows its own help.

``tsmfeat --help`` must cost no torch, so the list of commands is a table of texts.
"""

import sys
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from tsmfeat.errors import ConfigurationError, EnvironmentLackError, OutputError, TsmfeatError, did_you_mean
from tsmfeat_cli.failures import is_usage_error, report_bug, report_error, report_usage

HELP_SETTINGS = {"help_option_names": ["-h", "--help"]}
_ENVIRONMENT_PREFIX = "TSMFEAT_"
_EPILOG = "Every option can also be set as TSMFEAT_OPTION in the environment, or in a TOML file given with --config."
_LISTING = "tsmfeat.listing"
WORDS = "tsmfeat.words"
"""Where a context keeps the words of the command line."""

# Name -> (module that holds a function `command`, one line for the list).
COMMANDS = {
    "extract": ("tsmfeat_cli.extract", "Run a trunk once per interval of every video; embeddings go to HDF5."),
    "merge": ("tsmfeat_cli.merge", "Shards and other stores into one file, each video once, checksums verified."),
    "fit-heads": ("tsmfeat_cli.fit_heads", "Train multi-task heads on stored features, in seconds."),
    "score": ("tsmfeat_cli.score", "From heads or prediction files to segments, fusion, mAP and the final score."),
    "predict": ("tsmfeat_cli.predict", "Segments in features or raw videos, without annotations."),
    "fuse": ("tsmfeat_cli.fuse", "Prediction files into one: the paper's fusion, weighted boxes, suppression."),
    "tune": ("tsmfeat_cli.tune", "Choose smoothing, fusion and the like on out-of-fold scores; the honest gain."),
    "ablate": (
        "tsmfeat_cli.ablate",
        "Single and multi-task, trunks, steps and ensembles: the paper's grid on your data.",
    ),
    "runs": ("tsmfeat_cli.runs", "The leaderboard of one's own runs, and what differs between two of them."),
    "inspect": ("tsmfeat_cli.inspect", "Show what a store, heads, a checkpoint, labels or a video hold."),
    "validate": ("tsmfeat_cli.validate", "Check files of any kind, and list all problems at once."),
    "doctor": ("tsmfeat_cli.doctor", "Tell what this machine has and lacks, and compare the decoders on a video."),
    "convert": (
        "tsmfeat_cli.convert",
        "Training checkpoints into clean ones; labels into other formats; stores into arrays and back.",
    ),
    "demo": ("tsmfeat_cli.demo", "All of it on rendered videos, offline, printing each command it runs."),
}


class LazyGroup(TyperGroup):
    """A typer group over `COMMANDS`, and the one place where errors become messages and exit codes."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ANN401 - the context's class is typer's private one
        """Return the names in the order of the table."""
        return list(COMMANDS)

    def make_context(self, info_name: Any, args: list[str], *rest: Any, **extra: Any) -> Any:  # noqa: ANN401
        """Remember the words as they came: records of runs hold them."""
        words = tuple(args)
        ctx = super().make_context(info_name, args, *rest, **extra)
        ctx.meta[WORDS] = words
        return ctx

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ANN401
        """Return a stub while the list of commands is written, and the real command otherwise."""
        if cmd_name not in COMMANDS:
            return None if ctx.resilient_parsing else _refuse(cmd_name)
        module, summary = COMMANDS[cmd_name]
        if ctx.meta.get(_LISTING):
            return TyperCommand(cmd_name, help=summary)
        return _build_command(cmd_name, module)

    def format_help(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401
        """Write the help from the table alone."""
        ctx.meta[_LISTING] = True
        super().format_help(ctx, formatter)

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:  # noqa: ANN401
        """Complete a command's name from the table alone."""
        ctx.meta[_LISTING] = True
        return super().shell_complete(ctx, incomplete)

    def main(self, *args: Any, **extra: Any) -> Any:  # noqa: ANN401 - typer's own arguments, handed on
        """Run as a program; errors about the words of a command look like all others."""
        alone = extra.pop("standalone_mode", True)
        extra["standalone_mode"] = False
        try:
            outcome = super().main(*args, **extra)
        except Exception as error:
            if not (alone and is_usage_error(error)):
                raise
            outcome = report_usage(error)
        if alone:
            sys.exit(outcome if isinstance(outcome, int) else 0)
        return outcome

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401
        """Run a command; what it raises becomes a message and an exit code."""
        try:
            return super().invoke(ctx)
        except TsmfeatError as error:
            raise typer.Exit(report_error(error, ctx)) from None
        except (typer.Exit, typer.Abort, KeyboardInterrupt):
            raise
        except BrokenPipeError:  # whoever read our output has enough of it
            raise typer.Exit(OutputError.exit_code) from None
        except MemoryError as error:
            lack = EnvironmentLackError(
                f"memory ran out ({str(error) or 'while the input was read'}); the work does not fit",
                "end other programs, work on a part of the input at a time, or use a larger machine",
            )
            raise typer.Exit(report_error(lack, ctx)) from None
        except Exception as error:  # the last place before the user
            if is_usage_error(error):
                raise
            raise typer.Exit(report_bug(error, ctx)) from None


def _build_command(cmd_name: str, module: str) -> Any:  # noqa: ANN401
    app = typer.Typer(context_settings=HELP_SETTINGS, add_completion=False, pretty_exceptions_enable=False)
    app.command(cmd_name, epilog=_EPILOG)(import_module(module).command)
    command = typer.main.get_command(app)
    for param in command.params:
        longest = max(param.opts, key=len)
        param.envvar = _ENVIRONMENT_PREFIX + longest.lstrip("-").replace("-", "_").upper()
        # One line at the end says it for all; a line an option would bury the help.
        param.show_envvar = False  # type: ignore[attr-defined]
    return command


def _refuse(cmd_name: str) -> None:
    hint = did_you_mean(cmd_name, COMMANDS) or f"commands are {', '.join(COMMANDS)}"
    raise ConfigurationError(f"there is no command {cmd_name!r}", hint)
