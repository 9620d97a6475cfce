"""What a reader process and its parent agree on: shared slots for clips, and the signals a reader ignores."""

import mmap
import os
import signal
import tempfile

import numpy as np
import numpy.typing as npt

NUM_SLOTS = 4
SLOT_BYTES = 8 << 20
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def create_memory(num_bytes: int) -> int:
    """Return the descriptor of new shared memory without a name: it vanishes with the last process that holds it."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("tsmfeat-clips")
    else:
        with tempfile.TemporaryFile() as stream:
            descriptor = os.dup(stream.fileno())
    os.ftruncate(descriptor, num_bytes)
    return descriptor


def map_slots(descriptor: int, slot_bytes: int) -> npt.NDArray[np.uint8]:
    """Map shared memory of `create_memory` as slots, uint8 (num_slots, slot_bytes); pages exist once written to."""
    size = os.fstat(descriptor).st_size
    return np.frombuffer(mmap.mmap(descriptor, size), np.uint8).reshape(-1, slot_bytes)
