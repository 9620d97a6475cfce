"""Reading many videos at once: reader processes decode ahead, clips come back through shared memory."""

import math
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import wait
from types import TracebackType

from tsmfeat.errors import ConfigurationError, EnvironmentLackError
from tsmfeat.video.options import VideoOptions
from tsmfeat.video.process import ReaderProcess
from tsmfeat.video.retrying import SecondTries
from tsmfeat.video.slots import NUM_SLOTS, SLOT_BYTES
from tsmfeat.video.tasks import ClipRecipe, NothingYet, ReadEvent, ReadTask, VideoFailed

_GIB = 1 << 30
# How often the readers are looked at while nothing comes.
_LOOK_SECONDS = 0.5


@dataclass(frozen=True)
class ReaderLimits:
    """What a reader process may cost.

    Parameters
    ----------
    memory_gb, timeout_seconds
        As `reader_memory_gb` and `reader_timeout_seconds` of `VideoOptions`.
    """

    memory_gb: float = VideoOptions.reader_memory_gb
    timeout_seconds: float = VideoOptions.reader_timeout_seconds


_DEFAULT_LIMITS = ReaderLimits()


class ReaderPool:
    """A number of reader processes, started when there is work for them.

    Parameters
    ----------
    num_readers
        Processes; each reads one video at a time in one thread.
    num_slots, slot_bytes
        Shared memory of each reader: it waits while all its slots hold clips that were not released.
        `required_slot_bytes` gives a size that fits.
    limits
        Beyond them a reader is ended; its video fails.

    Examples
    --------
    >>> with ReaderPool(2) as pool:
    ...     events = [type(event).__name__ for event in pool.read([ReadTask(0, "missing.mp4", (ClipRecipe(0.5, 8),))])]
    >>> events
    ['VideoFailed']
    """

    def __init__(
        self,
        num_readers: int,
        num_slots: int = NUM_SLOTS,
        slot_bytes: int = SLOT_BYTES,
        limits: ReaderLimits = _DEFAULT_LIMITS,
    ) -> None:
        if num_readers < 1 or num_slots < 1:
            raise ConfigurationError(
                f"{num_readers} readers with {num_slots} slots: at least one of each is needed", "use --workers auto"
            )
        self._num_readers = num_readers
        self._num_slots = num_slots
        self._slot_bytes = slot_bytes
        self._limits = limits
        self._readers: list[ReaderProcess] = []

    def __enter__(self) -> "ReaderPool":
        """Return the pool; no process runs yet."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End all processes."""
        self._dismiss(self._readers)

    def read(self, tasks: Iterable[ReadTask], idle_seconds: float = math.inf) -> Iterator[ReadEvent]:
        """Read videos, as many at a time as there are readers.

        A video's events come in order: `VideoOpened`, its `ClipsReady` (intervals of a recipe ascending), `VideoRead`;
        `VideoFailed` may end it at any point, then its clips are void; so may `VideoRetried`, and the video begins
        anew with another decoder. Events of different videos are mixed. A reader that dies, hangs or wants too much
        memory costs its one video.

        Parameters
        ----------
        tasks
            Taken one by one, when a reader is free. Stop taking (end the iterable) to end early but in order; close
            the generator to end at once.
        idle_seconds
            Yield `NothingYet` whenever nothing has come for so long.

        Yields
        ------
        VideoOpened, ClipsReady, VideoRead, VideoFailed, VideoRetried or NothingYet
            Every `ClipsReady` must be released, or its reader will wait for ever.

        Raises
        ------
        ConfigurationError
            A clip larger than a slot.
        EnvironmentLackError
            The system has no descriptors, processes or memory left for a reader, or the decoder asked for is not there.
        """
        waiting, tries = iter(tasks), SecondTries()
        events: deque[ReadEvent] = deque()
        heard = time.monotonic()
        try:
            while True:
                self._hand_out(waiting, tries)
                busy = self._busy()
                events.extend(tries.judge(event) for event in self._collect(busy, block=not events))
                if not (events or busy or tries.waiting):
                    return
                if not events and time.monotonic() - heard >= idle_seconds:
                    events.append(NothingYet())
                if events:
                    _require_decoder(events[0])
                    yield events.popleft()
                    heard = time.monotonic()
        finally:
            self._dismiss(self._busy())

    def _busy(self) -> list[ReaderProcess]:
        return [reader for reader in self._readers if reader.task is not None]

    def _hand_out(self, waiting: Iterator[ReadTask], tries: SecondTries) -> None:
        """Give every free reader a video; start readers as long as there are videos for them."""
        while len(self._busy()) < self._num_readers:
            task = tries.waiting.popleft() if tries.waiting else next(waiting, None)
            if task is None:
                return
            self._require_room(task)
            tries.begin(task)
            self._free_reader().give(task)

    def _free_reader(self) -> ReaderProcess:
        self._dismiss([reader for reader in self._readers if not reader.is_alive() and reader.task is None])
        for reader in self._readers:
            if reader.task is None:
                return reader
        self._readers.append(self._start_reader())
        return self._readers[-1]

    def _start_reader(self) -> ReaderProcess:
        try:
            return ReaderProcess(self._num_slots, self._slot_bytes, int(self._limits.memory_gb * _GIB))
        except OSError as error:
            raise EnvironmentLackError(
                f"reader process {len(self._readers) + 1} cannot be started ({error.strerror or error})",
                f"use --workers {max(len(self._readers), 1)}, or raise this shell's limits (ulimit -n, -u, -f)",
            ) from error

    def _require_room(self, task: ReadTask) -> None:
        needed = max(recipe.clip_bytes for recipe in task.recipes)
        if needed > self._slot_bytes:
            raise ConfigurationError(
                f"{task.path}: a clip of {needed:,} bytes in slots of {self._slot_bytes:,}; a clip fits into a slot",
                "give the pool slot_bytes=required_slot_bytes(recipes)",
            )

    def _collect(self, busy: list[ReaderProcess], block: bool) -> Iterator[ReadEvent]:
        timeout = min(_LOOK_SECONDS, self._limits.timeout_seconds / 4) if block else 0
        ready = wait([reader.inbox for reader in busy], timeout) if busy else []
        for reader in busy:
            if reader.inbox in ready:
                yield from reader.receive()
            elif reader.is_stuck(self._limits.timeout_seconds):
                yield reader.end_stuck(self._limits.timeout_seconds)

    def _dismiss(self, readers: list[ReaderProcess]) -> None:
        for reader in list(readers):
            self._readers.remove(reader)
            reader.stop()


def _require_decoder(event: ReadEvent) -> None:
    # No video can be read then: a list of as many failures would say less.
    if isinstance(event, VideoFailed) and event.lacking:
        raise EnvironmentLackError(event.reason, event.hint)


def required_slot_bytes(recipes: Iterable[ClipRecipe]) -> int:
    """Return slots' bytes that hold at least one clip of every recipe, and several of usual ones.

    Examples
    --------
    >>> required_slot_bytes([ClipRecipe(0.5, 8)]) == SLOT_BYTES
    True
    >>> required_slot_bytes([ClipRecipe(0.5, 64)])
    12582912
    """
    return max(SLOT_BYTES, *(recipe.clip_bytes for recipe in recipes))
