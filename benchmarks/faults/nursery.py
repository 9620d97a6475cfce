"""A process that has loaded everything forks one whole `tsmfeat` command after another: each takes half a second."""

import ctypes
import gc
import json
import os
import signal
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

import torch

import tsmfeat_cli.extract  # noqa: F401 - loaded once, for all children
from faults.injection import PRELOAD, CallLog, Fault
from tsmfeat import files
from tsmfeat.store.options import StoreOptions
from tsmfeat.trunk.loading import load_trunk
from tsmfeat.trunk.options import TrunkOptions
from tsmfeat.workflows import extraction
from tsmfeat_cli.main import app

# A part for every two or three of the small videos: the command has no option for it, nobody else needs one.
PART_BYTES = 6000
_LOOK_SECONDS = 0.002
_PATIENCE_SECONDS = 120.0


@dataclass(frozen=True)
class Ended:
    """How a command ended.

    Parameters
    ----------
    code
        Its exit code; -1 where a signal ended it.
    signal
        That signal; 0 where none did.
    report
        The JSON object it printed; empty where it printed none.
    said
        Its standard error.
    """

    code: int
    signal: int
    report: dict[str, Any]
    said: str


@dataclass(frozen=True)
class Order:
    """A command to run, and what befalls it.

    Parameters
    ----------
    words
        As on the command line, without ``tsmfeat``.
    fault, folder
        What befalls it, and below which folder its calls count; None: they are not counted.
    prepare
        Called in the new process first.
    part_bytes
        When a part is due.
    to_the_end
        Whether the interpreter ends in order, as that of the command does; half a second more.
    """

    words: Sequence[object]
    fault: Fault | None = None
    folder: Path = Path()
    prepare: Callable[[], object] = lambda: None
    part_bytes: int = PART_BYTES
    to_the_end: bool = False


@dataclass(frozen=True)
class Running:
    """A command that was started, and its two streams."""

    pid: int
    out: Path
    err: Path

    def send(self, number: int) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    def wait(self, seconds: float = _PATIENCE_SECONDS) -> Ended:
        """Wait for its end; one that does not come is an error of the programme."""
        limit = time.monotonic() + seconds
        while (ended := self.poll()) is None:
            if time.monotonic() > limit:
                self.send(signal.SIGKILL)
                os.waitpid(self.pid, 0)
                raise TimeoutError(f"a command did not end within {seconds:g} s; it said {self.err.read_text()!r}")
            time.sleep(_LOOK_SECONDS)
        return ended

    def poll(self) -> Ended | None:
        """Return how it ended, or None while it runs."""
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        if not pid:
            return None
        text, said = self.out.read_text(), self.err.read_text()
        self.out.unlink()
        self.err.unlink()
        report = json.loads(text) if text.endswith("}\n") else {}
        code, number = (-1, os.WTERMSIG(status)) if os.WIFSIGNALED(status) else (os.WEXITSTATUS(status), 0)
        return Ended(code, number, report, said)


class Nursery:
    """Starts commands by forking: nothing is loaded twice.

    Parameters
    ----------
    folder
        For the streams of the commands.

    Attributes
    ----------
    library : str
        The preloaded library; empty where there is none. Commands do not inherit it by themselves.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._log = CallLog()
        self.library = os.environ.pop(PRELOAD, "")
        torch.set_num_threads(1)
        # The trunk too: all commands have the same one, made of a seed.
        kept = cache(load_trunk)
        vars(extraction).update(load_trunk=kept)
        kept(TrunkOptions("resnet18", "random:0", num_frames=2, device="cpu", batch_size=4))
        # What is loaded now stays loaded: no child needs to look for garbage in it.
        gc.collect()
        gc.freeze()

    def start(self, order: Order) -> Running:
        """Start a command."""
        mark = uuid.uuid4().hex
        out, err = (self._folder / f"{mark}.{suffix}" for suffix in ("out", "err"))
        sys.stdout.flush()
        for path in (out, err):
            path.touch()
        if pid := os.fork():
            return Running(pid, out, err)
        try:
            self._become(order, mark[:8], out, err)
            code = _run(order.words)
        except BaseException as error:  # noqa: BLE001 - nothing may come back from a forked child
            os.write(2, f"the child broke: {error!r}\n".encode())
            code = 99
        _leave(code, order.to_the_end)

    def run(self, order: Order) -> Ended:
        """Run a command to its end."""
        return self.start(order).wait()

    def take_calls(self) -> list[str]:
        """Return the calls that commands counted since the last time, up to their ends."""
        return self._log.take()

    def _become(self, order: Order, mark: str, out: Path, err: Path) -> None:
        for path, descriptor in ((out, 1), (err, 2)):
            opened = os.open(path, os.O_WRONLY)
            os.dup2(opened, descriptor)
            os.close(opened)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        files.RUN_MARK = mark
        StoreOptions.__init__.__defaults__ = (order.part_bytes, StoreOptions.part_seconds)
        order.prepare()
        if order.fault is not None:
            self._log.arm(order.folder, order.fault)


def _run(words: Sequence[object]) -> int:
    try:
        app([str(word) for word in words], prog_name="tsmfeat")
    except SystemExit as exited:
        return exited.code if isinstance(exited.code, int) else int(exited.code is not None)
    return 0


def _leave(code: int, to_the_end: bool) -> NoReturn:
    sys.stdout.flush()
    sys.stderr.flush()
    if to_the_end:
        ctypes.pythonapi.Py_Exit(code)
    os._exit(code)
