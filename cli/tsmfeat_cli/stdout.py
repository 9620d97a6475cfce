"""Standard output: data only, and nothing else ever goes there."""

import sys

from tsmfeat.errors import OutputError


def write_data(text: str) -> None:
    """Write data to stdout.

    Raises
    ------
    OutputError
        It is closed, or cannot be written, such as to a full disk.
    BrokenPipeError
        The reader is gone.
    """
    if sys.stdout is None:
        raise OutputError("standard output is closed; the data would be lost", "send it to a file, or to /dev/null")
    try:
        sys.stdout.write(_writable(text) + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(
            f"standard output cannot be written ({error.strerror})", "free some space; files named with -o are written"
        ) from error


def _writable(text: str) -> str:
    """Return a text with what this stream's encoding lacks, such as bytes of a file name, written as escapes."""
    encoding = sys.stdout.encoding or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)
