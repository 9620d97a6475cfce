"""The preloaded library that lets a process die, or find its disk full, at the N-th call that changes a folder."""

import ctypes
import mmap
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).with_name("faulty_calls.c")
PRELOAD = "LD_PRELOAD"
NEVER, KILL, HALF, FULL = range(4)
# By their letters in the log of the library.
CALLS = {
    "o": "open",
    "w": "write",
    "p": "pwrite",
    "t": "ftruncate",
    "f": "fsync",
    "l": "link",
    "r": "rename",
    "u": "unlink",
    "d": "mkdir",
    "D": "rmdir",
}
_MAX_CALLS = 1 << 16


@dataclass(frozen=True)
class Fault:
    """What befalls a process.

    Parameters
    ----------
    what
        ``NEVER``: its calls are only counted. ``KILL``: it dies before the call. ``HALF``: it dies after half of
        that write. ``FULL``: the disk is full from that call on, for all but removing.
    at
        Number of the call, from 1.
    """

    what: int = NEVER
    at: int = 0


def compile_library(folder: Path) -> Path | None:
    """Compile the library; None where there is no C compiler or no Linux."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None or not Path("/proc/self/fd").exists():
        return None
    library = folder / "faulty_calls.so"
    subprocess.run([compiler, "-O1", "-shared", "-fPIC", "-o", library, SOURCE, "-ldl"], check=True)
    return library


def is_preloaded() -> bool:
    """Return whether this process can be armed."""
    return hasattr(ctypes.CDLL(None), "arm_faults")


class CallLog:
    """The calls that a forked child makes, in memory it shares with its parent."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, _MAX_CALLS)

    def arm(self, folder: Path, fault: Fault) -> None:
        """Begin to count this process's calls below a folder, and to fail as a fault says."""
        start = ctypes.addressof(ctypes.c_char.from_buffer(self._memory))
        arm = ctypes.CDLL(None).arm_faults
        arm.argtypes = (ctypes.c_char_p, ctypes.c_long, ctypes.c_int, ctypes.c_void_p, ctypes.c_long)
        arm(os.fsencode(folder.resolve()), fault.at, fault.what, start, _MAX_CALLS)

    def take(self) -> list[str]:
        """Return the calls made since the last time, by name."""
        letters = self._memory[:].rstrip(b"\0").decode()
        self._memory[:] = bytes(_MAX_CALLS)
        return [CALLS[letter] for letter in letters]
