"""SIGINT and SIGTERM, once and twice, at random moments."""

import shutil
import signal
import time
from dataclasses import replace

from faults.findings import Findings
from faults.material import (
    COMPLETE,
    LAYOUTS,
    NUM_VIDEOS,
    Layout,
    Setting,
    Stored,
    judge_complete,
    judge_stopped,
    make_truth,
    new_place,
    order_of,
)
from faults.nursery import Ended, Running

NUM_STOPS = 72
# Nothing is due before the end: what is stored after a stop was published by it.
_NEVER_DUE = 1 << 30
_FIRST_SECONDS = 0.1
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def stop_by_signals(setting: Setting, findings: Findings) -> None:
    """Send a signal, or two, to a run whose finished videos all wait to be published; then resume it."""
    truths = {layout: make_truth(setting, layout) for layout in LAYOUTS}
    began = time.monotonic()
    setting.nursery.run(order_of(setting, new_place(setting), LAYOUTS[0]))
    seconds = time.monotonic() - began
    for trial in range(setting.share(NUM_STOPS)):
        layout = LAYOUTS[trial % len(LAYOUTS)]
        twice = trial % 3 == 0
        _stop(setting, (layout, _SIGNALS[trial // 2 % 2], twice), (truths[layout], seconds), findings)


def _stop(setting: Setting, what: tuple[Layout, int, bool], known: tuple[Stored, float], findings: Findings) -> None:
    (layout, number, twice), (truth, seconds) = what, known
    place = new_place(setting)
    order = replace(order_of(setting, place, layout), part_bytes=_NEVER_DUE)
    running = setting.nursery.start(replace(order, to_the_end=True))
    time.sleep(setting.chance.uniform(_FIRST_SECONDS, seconds))
    running.send(number)
    if twice:
        _send_again(setting, running, number)
    ended = running.wait()
    before = judge_stopped(place, layout, truth, findings, ended)
    _judge_end(ended, number, twice, findings)
    if not twice and ended.code == 128 + number:
        # The report is of a run that was stopped; its number of videos is what is stored.
        told = ended.report.get("num_done", 0)
        findings.require(told == len(before), "what was complete is published", (told, len(before), ended.said))
        findings.counts["stopped amid the run"] += 0 < len(before) < NUM_VIDEOS
    judge_complete(place, layout, truth, findings, ("stopped", setting.nursery.run(order), before))
    shutil.rmtree(place)


def _send_again(setting: Setting, running: Running, number: int) -> None:
    time.sleep(setting.chance.uniform(0, 0.05))
    running.send(number)


def _judge_end(ended: Ended, number: int, twice: bool, findings: Findings) -> None:
    name = signal.Signals(number).name
    findings.counts[f"{name}{', twice' if twice else ''}"] += 1
    # A signal may come when all is done already. A second one, and one that comes before the command listens or after
    # it has said what it did, does at once what it does by default: a shell shows the same numbers.
    holds = ended.code in {128 + number, COMPLETE} or ended.signal == number
    findings.require(holds, "a stopped run ends with 130 or 143", (name, twice, ended))
