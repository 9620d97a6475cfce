"""SIGKILL at random moments, and resumes until the output is complete."""

import shutil
import signal
import time

from faults.findings import Findings
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

NUM_KILLS = 880
# A machine that has become slower: later kills let the run come further.
_MORE = 1.3


def kill_at_random(setting: Setting, findings: Findings) -> None:
    """Kill runs at random moments; each is resumed, and killed again, until it is complete."""
    wanted = setting.share(NUM_KILLS)
    truths = {layout: make_truth(setting, layout) for layout in (*LAYOUTS, MANY)}
    seconds = _seconds_of_a_whole_run(setting)
    while findings.counts["kills"] < wanted:
        for layout, truth in truths.items():
            _kill_until_complete(setting, layout, truth, seconds, findings)


def _seconds_of_a_whole_run(setting: Setting) -> float:
    began = time.monotonic()
    setting.nursery.run(order_of(setting, new_place(setting), LAYOUTS[0]))
    return time.monotonic() - began


def _kill_until_complete(setting: Setting, layout: Layout, truth: Stored, seconds: float, findings: Findings) -> None:
    place, before, chance = new_place(setting), Stored(), setting.chance
    while True:
        running = setting.nursery.start(order_of(setting, place, layout))
        time.sleep(chance.uniform(0, seconds))
        running.send(signal.SIGKILL)
        ended = running.wait()
        if not ended.signal:
            break
        findings.counts["kills"] += 1
        found = judge_stopped(place, layout, truth, findings, ended)
        findings.require(found.keys() >= before.keys(), "no finished video is lost", (before, found))
        seconds *= 1 if len(found) > len(before) else _MORE
        before = found
    findings.counts["outputs"] += 1
    judge_complete(place, layout, truth, findings, ("random kills", ended, before))
    shutil.rmtree(place)
