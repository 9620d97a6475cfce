"""A disk that is really full, and folders that cannot be written to."""

import ctypes
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from faults.findings import Findings
from faults.material import (
    LAYOUTS,
    Layout,
    Setting,
    judge_complete,
    judge_stopped,
    make_truth,
    new_place,
    order_of,
)

DISK_BYTES = 20 << 20
NUM_FULL_DISKS = 24
NUM_READ_ONLY = 4
_KIB = 1024
# A whole run writes at least 150 KiB.
_MOST_KIB_FREE = 140
_CAPABILITY_VERSION = 0x20080522


def fill_a_disk(setting: Setting, findings: Findings) -> None:
    """Extract onto a small disk that becomes full at some point, then make room and resume."""
    disk = new_place(setting)
    if not _mount(disk):
        findings.skipped.append("no right to mount a small disk (root only): a really full one is not tried")
        return
    try:
        for trial in range(setting.share(NUM_FULL_DISKS)):
            _fill(setting, disk, LAYOUTS[trial % len(LAYOUTS)], findings)
    finally:
        subprocess.run(["umount", disk], check=True)


def _mount(disk: Path) -> bool:
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(disk)]
    return os.geteuid() == 0 and subprocess.run(command, capture_output=True, check=False).returncode == 0


def _fill(setting: Setting, disk: Path, layout: Layout, findings: Findings) -> None:
    truth, free = make_truth(setting, layout), setting.chance.randrange(0, _MOST_KIB_FREE) * _KIB
    place, ballast = disk / "place", disk / "ballast"
    place.mkdir()
    with ballast.open("wb") as stream:
        stream.truncate(0)
        stream.write(bytes(max(0, shutil.disk_usage(disk).free - free)))
    order = order_of(setting, place, layout)
    ended = setting.nursery.run(replace(order, to_the_end=True))
    where = (layout.out, free, ended)
    findings.require(ended.signal == 0, "no signal ends the process", where)
    findings.require(ended.code == 7, "a full disk is exit code 7", where)
    findings.require(not list(place.rglob("*.tmp")), "a full disk leaves no temporary file", where)
    findings.counts["full disks"] += 1
    before = judge_stopped(place, layout, truth, findings, where)
    ballast.unlink()
    judge_complete(place, layout, truth, findings, (where, setting.nursery.run(order), before))
    shutil.rmtree(place)


def write_where_nothing_may(setting: Setting, findings: Findings) -> None:
    """Extract into a folder that is read-only from the start, or becomes so."""
    for layout in LAYOUTS:
        truth = make_truth(setting, layout)
        for _ in range(setting.share(NUM_READ_ONLY)):
            place = new_place(setting)
            order = order_of(setting, place, layout)
            with _read_only(place):
                ended = setting.nursery.run(replace(order, prepare=drop_rights))
            findings.require(ended.code == 7, "a read-only folder is exit code 7", ended)
            findings.require("cannot be written" in ended.said, "the folder is named", ended)
            findings.require(list(place.iterdir()) == [], "nothing is written", list(place.iterdir()))
            findings.counts["read-only folders"] += 1
            judge_complete(place, layout, truth, findings, ("now writable", setting.nursery.run(order), {}))


@contextmanager
def _read_only(folder: Path) -> Iterator[None]:
    folder.chmod(0o555)
    try:
        yield
    finally:
        folder.chmod(0o755)


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Rights(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


def drop_rights() -> None:
    """Give up root's right to write everywhere; without effect for anybody else."""
    header, none = _Header(_CAPABILITY_VERSION, 0), (_Rights * 2)()
    if ctypes.CDLL(None, use_errno=True).capset(ctypes.byref(header), none):
        raise OSError(ctypes.get_errno(), "capset")
