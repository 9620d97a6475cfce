"""Standard output: data only, and nothing else ever goes there."""

import os
import sys

from tsmfeat.errors import OutputError


def write_data(text: str) -> None:
    """Write data to stdout.

    Raises
    ------
    OutputError
        It cannot be written, such as to a full disk.
    BrokenPipeError
        The reader is gone.
    """
    try:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        close_stdout()
        raise OutputError(
            f"standard output cannot be written ({error.strerror})", "free some space; files named with -o are written"
        ) from error


def close_stdout() -> None:
    """Send what is still to come nowhere, so that Python's own flush at the end does not fail once more."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
