"""How errors look: what was found, then the remedy, in one red block; a traceback only with --debug."""

import sys
import traceback
from typing import Any

from tsmfeat.errors import TsmfeatError

DEBUG = "tsmfeat.debug"


def report_error(error: TsmfeatError, ctx: Any) -> int:  # noqa: ANN401 - the context's class is typer's private one
    """Print one of our errors to stderr and return its exit code."""
    _print_traceback(error, ctx)
    show_failure(error.message, error.hint)
    return error.exit_code


def report_bug(error: Exception, ctx: Any) -> int:  # noqa: ANN401
    """Print an unexpected error to stderr and return exit code 1."""
    _print_traceback(error, ctx)
    show_failure(
        f"unexpected {type(error).__name__}: {error}; this is a bug of tsmfeat's",
        "run the same command with --debug and report what it prints",
    )
    return 1


def is_usage_error(error: Exception) -> bool:
    """Tell whether an error is typer's about the words of a command; their base class is private to typer."""
    return any(base.__name__ == "UsageError" for base in type(error).__mro__)


def report_usage(error: Any) -> int:  # noqa: ANN401
    """Print a usage error to stderr in our own style and return its exit code; bare calls show the help."""
    if type(error).__name__ == "NoArgsIsHelpError":
        error.show()
        return int(error.exit_code)
    path = "tsmfeat" if error.ctx is None else error.ctx.command_path
    if type(error).__name__ == "NoSuchOption":
        nearest = f"did you mean {error.possibilities[0]!r}?" if error.possibilities else f"{path} --help lists them"
        show_failure(f"{path} has no option {error.option_name!r}", nearest)
    else:
        show_failure(_sentence(error), f"{path} --help shows how it is used")
    return int(error.exit_code)


def _sentence(error: Any) -> str:  # noqa: ANN401
    text = str(error.format_message()).rstrip(".")
    return text[:1].lower() + text[1:]


def show_failure(message: str, hint: str) -> None:
    """Print ``error:`` and ``hint:`` lines to stderr, red where the terminal has colour."""
    from rich.text import Text

    from tsmfeat_cli.notes import NotesConsole

    console = NotesConsole()
    console.say(Text.assemble(("error: ", "bold red"), (message, "red")))
    if hint:
        console.say(Text.assemble(("hint: ", "bold red"), (hint, "red")))


def _print_traceback(error: BaseException, ctx: Any) -> None:  # noqa: ANN401
    if ctx.meta.get(DEBUG):
        sys.stderr.write("".join(traceback.format_exception(error)))
