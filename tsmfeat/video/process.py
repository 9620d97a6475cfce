"""One reader process as its parent sees it: started anew, never forked, and stopped for certain."""

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from multiprocessing.connection import Connection, Pipe
from typing import Any

import numpy as np

from tsmfeat.video.slots import STOP_SIGNALS, create_memory, map_memory
from tsmfeat.video.tasks import ClipsReady, ReadEvent, ReadTask, SlotFilled, VideoFailed, VideoOpened, VideoRead

_STOP_SECONDS = 5.0
_SECOND_LOOK_SECONDS = 5.0
_START_SECONDS = 60.0
_START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1])['path']; "
    "from tsmfeat.video.serving import run_reader; run_reader()"
)


class ReaderProcess:
    """A reader process with its slots; call `stop` when it is no longer needed.

    A new interpreter is started, so that nothing of the parent (CUDA, threads, its main script) reaches the reader.

    Parameters
    ----------
    num_slots, slot_bytes
        Shared memory for finished clips.
    memory_bytes
        Memory it may use for itself.

    Attributes
    ----------
    inbox : Connection
        Readable where the reader has something to say.
    task : ReadTask or None
        What it is reading.
    """

    def __init__(self, num_slots: int, slot_bytes: int, memory_bytes: int) -> None:
        self.task: ReadTask | None = None
        # When it last got a video or a slot.
        self._given = 0.0
        # A sign of life that looked too old, and when.
        self._suspected = (0.0, 0.0)
        self.inbox: Connection[Any, Any]
        memory = create_memory(num_slots, slot_bytes)
        # Clips in the caller's hands: a ticket serves once, so that releasing twice frees nothing of a later clip.
        self._tickets = itertools.count()
        self._lent: dict[int, int] = {}
        try:
            self._slots, self._pulse = map_memory(memory, slot_bytes)
            child_inbox, self._outbox = Pipe(duplex=False)
            self.inbox, child_outbox = Pipe(duplex=False)
            with child_inbox, child_outbox:
                setting = {"inbox": child_inbox.fileno(), "outbox": child_outbox.fileno(), "memory": memory}
                self._process = _start(setting, {"slot_bytes": slot_bytes, "memory_bytes": memory_bytes})
        finally:
            os.close(memory)

    @property
    def pid(self) -> int:
        """The process number."""
        return self._process.pid

    def is_alive(self) -> bool:
        """Return whether the process runs."""
        return self._process.poll() is None

    def give(self, task: ReadTask) -> None:
        """Hand over the next video."""
        self.task = task
        self._given = time.monotonic()
        # A reader that has just died shows when it is listened to.
        with suppress(BrokenPipeError):
            self._outbox.send(task)

    def receive(self) -> Iterator[ReadEvent]:
        """Yield what the reader has said so far, without waiting; a dead reader fails its video."""
        try:
            while self.task is not None and self.inbox.poll():
                yield self._event(self.inbox.recv())
        except (EOFError, OSError):
            yield self._death()

    def is_stuck(self, timeout_seconds: float) -> bool:
        """Return whether its video has shown no sign of life for so long.

        It must look so twice, a while apart: after the whole machine or process group stood still, every sign is old.
        """
        # One that waits has a reason only while clips are in the caller's hands.
        excused = self.task is None or (self._pulse.is_waiting and self._lent)
        now, last = time.monotonic(), max(self._pulse.last, self._given)
        if excused or self._pulse.silent_seconds(self._given) < self._patience(timeout_seconds):
            return False
        if self._suspected[0] != last:
            self._suspected = (last, now)
        return now - self._suspected[1] >= min(_SECOND_LOOK_SECONDS, timeout_seconds / 4)

    def end_stuck(self, timeout_seconds: float) -> VideoFailed:
        """Kill the process and fail its video."""
        self._process.kill()
        return self._fail(
            f"no sign of life from its reader for {self._patience(timeout_seconds):g} s",
            "if it is only slow, give it longer: --reader-timeout 600",
        )

    def stop(self) -> None:
        """End the process and give its memory back; views of clips stay valid until they are dropped."""
        self._outbox.close()
        self.inbox.close()
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _patience(self, timeout_seconds: float) -> float:
        # A new interpreter has to find its libraries first, on a busy machine or a slow disk.
        return timeout_seconds if self._pulse.last else max(timeout_seconds, _START_SECONDS)

    def _event(self, message: VideoOpened | SlotFilled | VideoRead | VideoFailed) -> ReadEvent:
        if isinstance(message, SlotFilled):
            ticket = next(self._tickets)
            self._lent[ticket] = message.slot
            clips = self._slots[message.slot, : int(np.prod(message.shape))].reshape(message.shape)
            release = partial(self._release, ticket)
            return ClipsReady(message.key, message.recipe_index, message.first_interval, clips, release)
        if not isinstance(message, VideoOpened):
            self.task = None
        return message

    def _release(self, ticket: int) -> None:
        slot = self._lent.pop(ticket, None)
        self._given = time.monotonic()
        if slot is not None and not self._outbox.closed:
            with suppress(BrokenPipeError):
                self._outbox.send(slot)

    def _death(self) -> VideoFailed:
        self.stop()
        code = self._process.returncode
        how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
        return self._fail(
            f"reader process ended {how}", "the file may be damaged: play it to check, or encode it again"
        )

    def _fail(self, found: str, hint: str) -> VideoFailed:
        task, self.task = self.task, None
        key, place = (-1, "") if task is None else (task.key, f"{task.path}: ")
        self.stop()
        return VideoFailed(key, "reader", f"{place}{found}", hint, broke_down=True)


def _start(descriptors: dict[str, int], sizes: dict[str, int]) -> subprocess.Popen[bytes]:
    setting = {**descriptors, **sizes, "path": sys.path}
    command = [sys.executable, "-c", _START, json.dumps(setting)]
    with _stop_signals_held():
        return subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, pass_fds=tuple(descriptors.values())
        )


@contextmanager
def _stop_signals_held() -> Iterator[None]:
    """Let a child begin life with the stop signals held back, until it ignores them by itself."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
