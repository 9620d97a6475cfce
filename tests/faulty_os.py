"""A stand-in for the module `os` inside `tsmfeat.files` that dies, or finds the disk full, at the N-th call."""

import os
from collections.abc import Callable
from typing import Any

WATCHED = ("open", "write", "fsync", "link", "replace", "rename", "unlink", "makedirs")


class KilledError(BaseException):
    """The process is dead: no handler of the library may stop this, and no cleaning up happens after it."""


class FaultyOs:
    """Counts the calls that change the disk and fails from the `fail_at`-th on (0: never).

    Parameters
    ----------
    fail_at
        Number of the first call that fails, from 1.
    half
        Whether half of a write that fails reaches the disk first.
    full
        A full disk instead of death: everything but removing raises ENOSPC.
    """

    def __init__(self, fail_at: int = 0, *, half: bool = False, full: bool = False) -> None:
        self.calls: list[str] = []
        self.failed = False
        self._fail_at, self._half, self._full = fail_at, half, full

    def __getattr__(self, name: str) -> Any:
        real = getattr(os, name)
        return self._watch(name, real) if name in WATCHED else real

    def _watch(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            if self._full and name == "unlink":
                return real(*args, **options)
            self.calls.append(name)
            if self.failed or len(self.calls) == self._fail_at:
                self._fail(name, args)
            # Flushing is counted but spared: it is slow, and these tests end no power supply.
            return None if name == "fsync" else real(*args, **options)

        return call

    def _fail(self, name: str, args: tuple[Any, ...]) -> None:
        if self._half and not self.failed and name == "write":
            os.write(args[0], args[1][: len(args[1]) // 2])
        self.failed = True
        raise OSError(28, "No space left on device") if self._full else KilledError(name)
