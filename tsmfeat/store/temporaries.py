"""Cleaning up the temporary files and folders that killed runs left."""

import errno
import os
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from tsmfeat import files

STALE_SECONDS = 24 * 3600.0


def remove_stale_temporaries(folder: Path, is_mine: Callable[[str], bool]) -> None:
    """Remove my own temporary files whose process on this machine is gone, and anybody's older than 24 hours.

    Parameters
    ----------
    folder
        Where `tsmfeat.files.write_atomically` wrote, or a folder of such a name was made; not searched below.
    is_mine
        Called with the final name a temporary file was meant for.
    """
    for path in list(folder.iterdir()):
        match = files.TEMPORARY_NAME.fullmatch(path.name)
        if match is None:
            continue
        here = match["machine"] == files.MACHINE_MARK and is_mine(match["name"])
        gone = here and _process_is_gone(int(match["pid"]), match["run"])
        # Cleaning up is a courtesy: what is gone already, or is not ours to remove, stops no run.
        with suppress(OSError):
            if gone or time.time() - path.stat().st_mtime > STALE_SECONDS:
                _remove(path)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        files.remove_file(path)


def _process_is_gone(pid: int, run: str) -> bool:
    if pid == os.getpid():
        return run != files.RUN_MARK
    try:
        os.kill(pid, 0)
    except OSError as error:
        return error.errno == errno.ESRCH
    return False
