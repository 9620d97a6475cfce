"""Death, and a full disk, at every call of an extraction that changes the disk."""

import shutil
from dataclasses import replace
from pathlib import Path

from faults.findings import Findings
from faults.injection import FULL, HALF, KILL, NEVER, Fault, is_preloaded
from faults.material import (
    LAYOUTS,
    MANY,
    Layout,
    Setting,
    Stored,
    judge_complete,
    judge_stopped,
    make_truth,
    new_place,
    order_of,
)

_NO_LIBRARY = "no C compiler: nothing is injected into calls"
# On a full disk files can still be removed.
_NEED_NO_ROOM = ("unlink", "rmdir")
_WRITES = ("write", "pwrite")
# Of the calls of a run with two outputs, which are the same twice, every fourth.
_SAMPLED = 4


def kill_at_every_call(setting: Setting, findings: Findings) -> None:
    """Kill a run before each call, and after half of each write; then resume it."""
    _at_every_call(setting, findings, KILL)
    _at_every_call(setting, findings, HALF)


def fill_at_every_call(setting: Setting, findings: Findings) -> None:
    """Let the disk be full from each call on; then resume with room."""
    _at_every_call(setting, findings, FULL)


def _at_every_call(setting: Setting, findings: Findings, what: int) -> None:
    if not is_preloaded():
        findings.skipped.append(_NO_LIBRARY)
        return
    for layout in (*LAYOUTS, MANY):
        calls = _calls_of_a_whole_run(setting, layout)
        points = [n for n, name in enumerate(calls, 1) if _matters(name, what)]
        points = points[::_SAMPLED] if layout is MANY else points
        truth = make_truth(setting, layout)
        for point in setting.mine(points):
            place = new_place(setting)
            _try_point(setting, (place, layout), Fault(what, point), truth, findings)
            shutil.rmtree(place)


def _matters(name: str, what: int) -> bool:
    return name in _WRITES if what == HALF else what == KILL or name not in _NEED_NO_ROOM


def _calls_of_a_whole_run(setting: Setting, layout: Layout) -> list[str]:
    place = new_place(setting)
    setting.nursery.take_calls()
    setting.nursery.run(replace(order_of(setting, place, layout), fault=Fault(NEVER), folder=place))
    return setting.nursery.take_calls()


def _try_point(setting: Setting, at: tuple[Path, Layout], fault: Fault, truth: Stored, findings: Findings) -> None:
    place, layout = at
    order = order_of(setting, place, layout)
    full = fault.what == FULL
    ended = setting.nursery.run(replace(order, fault=fault, folder=place, to_the_end=full))
    name = f"call {fault.at} of {layout.out}"
    if full:
        findings.require(ended.signal == 0, "no signal ends the process", (name, ended))
        findings.require(ended.code == 7, "a full disk is exit code 7", (name, ended))
        temporary = [path.name for path in place.rglob("*.tmp")]
        findings.require(not temporary, "a full disk leaves no temporary file", (name, temporary))
    else:
        findings.require(ended.signal == 9, "the process dies at the call", (name, ended))
    findings.counts["points"] += 1
    findings.counts[f"points, {layout.out}"] += 1
    before = judge_stopped(place, layout, truth, findings, (name, ended))
    judge_complete(place, layout, truth, findings, (name, setting.nursery.run(order), before))
