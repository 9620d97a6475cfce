"""Clips of many videos fill common batches; each video gets its rows back when all are there."""

from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from tsmfeat.errors import ConfigurationError, EnvironmentLackError
from tsmfeat.trunk.embedding import Embedder

# One batch is on the device while the next is being filled.
_NUM_IN_FLIGHT = 2
# Only CUDA's own allocator of torch has an error class: not the CPU's, nor that of page-locked memory, nor cuBLAS.
_NO_MEMORY = ("DefaultCPUAllocator", "CUDA error: out of memory", "CUBLAS_STATUS_ALLOC_FAILED")


@dataclass
class _Table:
    """The rows of one video, and how many are still to come."""

    rows: npt.NDArray[np.float16]
    num_missing: int


# A table and a row of it, for every clip of a batch. A video that was dropped and opened anew has another table.
_Places = list[tuple[_Table, int]]


class ClipBatcher:
    """Embeds clips in full batches, whatever videos they come from.

    Parameters
    ----------
    embed
        A trunk on a device.
    height, width
        Pixels of a frame.
    on_smaller
        Told the new size of a batch, where the device had no memory for the old one.

    Attributes
    ----------
    num_embedded
        Clips embedded so far.

    Raises
    ------
    ConfigurationError
        A batch that does not fit into memory.

    Examples
    --------
    >>> from tsmfeat.trunk.tsm import build_trunk
    >>> with Embedder(build_trunk("resnet18", num_frames=1), "cpu", "fp32", batch_size=4) as embed:
    ...     batcher = ClipBatcher(embed, 32, 32)
    ...     batcher.open(7, num_intervals=2)
    ...     batcher.add(7, 0, np.zeros((2, 1, 32, 32, 3), np.uint8))
    ...     batcher.flush()
    ...     batcher.is_complete(7), batcher.take(7).shape
    (True, (2, 512))
    """

    def __init__(
        self, embed: Embedder, height: int, width: int, on_smaller: Callable[[int], None] = lambda _: None
    ) -> None:
        self.num_embedded = 0
        self._embed = embed
        self._on_smaller = on_smaller
        self._clips = _allocate_batch((embed.batch_size, embed.num_frames, height, width, 3))
        self._places: _Places = []
        self._in_flight: deque[tuple[_Places, Callable[[], npt.NDArray[np.float32]]]] = deque()
        self._tables: dict[Hashable, _Table] = {}

    def open(self, key: Hashable, num_intervals: int) -> None:
        """Expect a video of so many intervals.

        Raises
        ------
        MemoryError
            There is no room for its embeddings; the video is not open then.
        """
        self._tables[key] = _Table(np.empty((num_intervals, self._embed.embedding_size), np.float16), num_intervals)

    def drop(self, key: Hashable) -> None:
        """Forget a video; its clips already in a batch are embedded and thrown away."""
        self._tables.pop(key, None)

    def add(self, key: Hashable, first_interval: int, clips: npt.NDArray[np.uint8]) -> None:
        """Copy clips of consecutive intervals into batches, starting each batch that is full.

        Parameters
        ----------
        key
            A video; clips of one that is not open are passed over.
        first_interval
            Interval of the first clip.
        clips
            uint8 (k, num_frames, height, width, 3).
        """
        table = self._tables.get(key)
        if table is None:
            return
        taken = 0
        while taken < len(clips):
            used = len(self._places)
            count = min(len(clips) - taken, len(self._clips) - used)
            self._clips[used : used + count] = clips[taken : taken + count]
            self._places += [(table, first_interval + taken + place) for place in range(count)]
            taken += count
            if len(self._places) == len(self._clips):
                self._start()
                if self._embed.batch_size < len(self._clips):
                    self._clips = self._clips[: self._embed.batch_size]

    def flush(self) -> None:
        """Embed what is waiting, full batch or not, and fetch everything."""
        if self._places:
            self._start()
        while self._in_flight:
            self._fetch()

    def is_complete(self, key: Hashable) -> bool:
        """Tell whether every interval of an open video is embedded."""
        return key in self._tables and self._tables[key].num_missing == 0

    def take(self, key: Hashable) -> npt.NDArray[np.float16]:
        """Return a complete video's embeddings, float16 (N, D), and forget it.

        A value that float16 cannot hold is infinite in it: so it spoils its own video only.
        """
        return self._tables.pop(key).rows

    def _start(self) -> None:
        places, self._places = self._places, []
        first = 0
        while first < len(places):
            # A batch may have become smaller since these clips were gathered, or become so at the next of them.
            last = min(first + self._embed.batch_size, len(places))
            if self._submit(places[first:last], self._clips[first:last]):
                first = last

    def _submit(self, places: _Places, clips: npt.NDArray[np.uint8]) -> bool:
        """Begin to embed clips; where the device has no memory for them, halve the batch and return False."""
        try:
            self._in_flight.append((places, self._embed.start(clips)))
        except RuntimeError as error:
            if not _lacks_memory(error):
                raise
            self._halve(error)
            return False
        if len(self._in_flight) == _NUM_IN_FLIGHT:
            self._fetch()
        return True

    def _halve(self, error: RuntimeError) -> None:
        # What is in flight holds memory, too.
        while self._in_flight:
            self._fetch()
        size = self._embed.batch_size // 2
        if not size:
            raise EnvironmentLackError(
                "the device has no memory for a single clip", "use a smaller trunk or --resize, or --device cpu"
            ) from error
        self._embed.reduce_batch(size)
        self._on_smaller(size)

    def _fetch(self) -> None:
        places, fetch = self._in_flight.popleft()
        with np.errstate(over="ignore"):
            rows = fetch().astype(np.float16)
        for (table, interval), row in zip(places, rows, strict=True):
            table.rows[interval] = row
            table.num_missing -= 1
        self.num_embedded += len(places)


def _lacks_memory(error: RuntimeError) -> bool:
    return isinstance(error, torch.OutOfMemoryError) or any(words in str(error) for words in _NO_MEMORY)


def _allocate_batch(shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    try:
        return np.empty(shape, np.uint8)
    except (MemoryError, ValueError) as error:
        raise ConfigurationError(
            f"a batch of {shape[0]:,} clips of {shape[1]} frames {shape[2]}×{shape[3]} does not fit into memory",
            "use a smaller --batch-size, or --batch-size auto",
        ) from error
