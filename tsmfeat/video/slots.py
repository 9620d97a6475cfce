"""What a reader process and its parent agree on: shared slots for clips, signs of life, and the signals it ignores."""

import mmap
import os
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt

NUM_SLOTS = 4
SLOT_BYTES = 8 << 20
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_PULSE_BYTES = mmap.PAGESIZE


class Pulse:
    """A reader's signs of life in shared memory: when the last came, and whether it waits for its parent.

    Parameters
    ----------
    place
        float64 (2,), shared.

    Examples
    --------
    >>> pulse = Pulse(np.zeros(2))
    >>> pulse.beat()
    >>> pulse.silent_seconds(since=0.0) < 1, pulse.is_waiting
    (True, False)
    """

    def __init__(self, place: npt.NDArray[np.float64]) -> None:
        # Counted where the waiting is done; the other side does not see it.
        self.waited_seconds = 0.0
        self._place = place

    def beat(self) -> None:
        """Give a sign of life."""
        # This clock is one for all processes of a machine, and stands still while it sleeps.
        self._place[0] = time.monotonic()

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Be silent with a reason: the parent holds what is needed."""
        self._place[1] = 1.0
        began = time.monotonic()
        try:
            yield
        finally:
            self.waited_seconds += time.monotonic() - began
            self.beat()
            self._place[1] = 0.0

    @property
    def last(self) -> float:
        """When the last sign came, on the monotonic clock."""
        return float(self._place[0])

    @property
    def is_waiting(self) -> bool:
        """Whether the reader waits for its parent."""
        return bool(self._place[1])

    def silent_seconds(self, since: float) -> float:
        """Return for how long there has been no sign, counted from `since` at the earliest."""
        return time.monotonic() - max(self.last, since)


def create_memory(num_slots: int, slot_bytes: int) -> int:
    """Return the descriptor of new shared memory without a name: it vanishes with the last process that holds it."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("tsmfeat-clips")
    else:
        with tempfile.TemporaryFile() as stream:
            descriptor = os.dup(stream.fileno())
    try:
        os.ftruncate(descriptor, _PULSE_BYTES + num_slots * slot_bytes)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def map_memory(descriptor: int, slot_bytes: int) -> tuple[npt.NDArray[np.uint8], Pulse]:
    """Map shared memory of `create_memory`: slots, uint8 (num_slots, slot_bytes), and the signs of life.

    Pages exist once written to.
    """
    memory = mmap.mmap(descriptor, os.fstat(descriptor).st_size)
    pulse = Pulse(np.frombuffer(memory, np.float64, 2))
    return np.frombuffer(memory, np.uint8, offset=_PULSE_BYTES).reshape(-1, slot_bytes), pulse
