"""The standard streams as a command finds them: some may be closed."""

import os

_STANDARD_DESCRIPTORS = (0, 1, 2)


def fill_standard_descriptors() -> None:
    """Open the null device where a standard descriptor is closed.

    Whatever is opened next would get its number, and be taken for a standard stream: a feature file would get the
    warnings that a library writes to stderr, a reader process its standard input in place of shared memory.
    """
    for descriptor in _STANDARD_DESCRIPTORS:
        try:
            os.fstat(descriptor)
        except OSError:
            # The lowest free number is taken: this one.
            os.open(os.devnull, os.O_RDWR)
