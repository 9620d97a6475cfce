"""Standard output: data only, and nothing else ever goes there."""

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
        raise OutputError(
            f"standard output cannot be written ({error.strerror})", "free some space; files named with -o are written"
        ) from error
