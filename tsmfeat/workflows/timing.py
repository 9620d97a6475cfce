"""How long each part of a job takes."""

import time
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def timed(seconds: dict[str, float], part: str) -> Iterator[None]:
    """Add the wall time of a block to a part's; parts do not lie in each other.

    Parameters
    ----------
    seconds
        By part; changed.
    part
        Its name; it counts from 0 where it is new.

    Examples
    --------
    >>> seconds = {"read": 1.0}
    >>> with timed(seconds, "read"), timed(seconds, "fuse"):
    ...     pass
    >>> sorted(seconds), seconds["read"] >= 1.0
    (['fuse', 'read'], True)
    """
    began = time.perf_counter()
    try:
        yield
    finally:
        seconds[part] = seconds.get(part, 0.0) + time.perf_counter() - began
