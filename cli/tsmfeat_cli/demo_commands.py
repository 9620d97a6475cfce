"""Running one of our commands from another: printed first, in a process of its own."""

import json
import signal
import subprocess
import sys
from typing import Any

import typer

from tsmfeat_cli.common import command_line
from tsmfeat_cli.failures import show_failure
from tsmfeat_cli.signals import StopSignals

_SECONDS_BETWEEN_LOOKS = 0.2


def run_command(flags: list[str], *words: object) -> dict[str, Any]:
    """Run one of our commands in a process of its own, after printing it; its notes are shown, its JSON returned.

    Raises
    ------
    typer.Exit
        It failed; the exit code is its own.
    """
    line = [str(word) for word in words]
    if "--quiet" not in flags:
        sys.stderr.write(f"\n$ {command_line(*line)}\n")
    returncode, output = _wait_for([sys.executable, "-m", "tsmfeat_cli", *line, "--json", *flags])
    if returncode:
        code = returncode if returncode > 0 else 128 - returncode
        show_failure(f"{command_line(*line)}: ended with exit code {code}", "see what it printed above")
        raise typer.Exit(code)
    result: dict[str, Any] = json.loads(output)
    return result


def _wait_for(words: list[str]) -> tuple[int, bytes]:
    """Run a process to its end; SIGTERM is handed on (terminals hand on SIGINT), so that it is never left behind."""
    with StopSignals() as stop, subprocess.Popen(words, stdout=subprocess.PIPE) as child:
        while True:
            try:
                output, _ = child.communicate(timeout=_SECONDS_BETWEEN_LOOKS)
            except subprocess.TimeoutExpired:
                if stop.caught == signal.SIGTERM:
                    child.terminate()
                continue
            return child.returncode, output
