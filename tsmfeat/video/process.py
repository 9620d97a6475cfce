"""One reader process as its parent sees it: started anew, never forked, and stopped for certain."""

import itertools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from multiprocessing.connection import Connection, Pipe
from typing import Any

import numpy as np

from tsmfeat.video.slots import STOP_SIGNALS, create_memory, map_slots
from tsmfeat.video.tasks import ClipsReady, ReadEvent, ReadTask, SlotFilled, VideoFailed, VideoOpened, VideoRead

_STOP_SECONDS = 5.0
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

    Attributes
    ----------
    inbox : Connection
        Readable where the reader has something to say.
    task : ReadTask or None
        What it is reading.
    """

    def __init__(self, num_slots: int, slot_bytes: int) -> None:
        self.task: ReadTask | None = None
        self.inbox: Connection[Any, Any]
        memory = create_memory(num_slots * slot_bytes)
        self._slots = map_slots(memory, slot_bytes)
        child_inbox, self._outbox = Pipe(duplex=False)
        self.inbox, child_outbox = Pipe(duplex=False)
        # Clips in the caller's hands: a ticket serves once, so that releasing twice frees nothing of a later clip.
        self._tickets = itertools.count()
        self._lent: dict[int, int] = {}
        try:
            self._process = _start(child_inbox.fileno(), child_outbox.fileno(), memory, slot_bytes)
        finally:
            child_inbox.close()
            child_outbox.close()
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
        if slot is not None and not self._outbox.closed:
            with suppress(BrokenPipeError):
                self._outbox.send(slot)

    def _death(self) -> VideoFailed:
        key = -1 if self.task is None else self.task.key
        path = "" if self.task is None else f"{self.task.path}: "
        self.task = None
        self.stop()
        code = self._process.returncode
        how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
        hint = "the file may be damaged: play it to check, or encode it again"
        return VideoFailed(key, "reader", f"{path}reader process ended {how}", hint)


def _start(inbox: int, outbox: int, memory: int, slot_bytes: int) -> subprocess.Popen[bytes]:
    setting = {"inbox": inbox, "outbox": outbox, "memory": memory, "slot_bytes": slot_bytes, "path": sys.path}
    command = [sys.executable, "-c", _START, json.dumps(setting)]
    with _stop_signals_held():
        return subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, pass_fds=(inbox, outbox, memory)
        )


@contextmanager
def _stop_signals_held() -> Iterator[None]:
    """Let a child begin life with the stop signals held back, until it ignores them by itself."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
