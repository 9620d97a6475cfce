"""Readers that crash or hang at one video, whatever decodes it."""

import os
import shutil
from dataclasses import replace
from functools import partial

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

NUM_CRASHES = 16
_ACTIONS = ("crash", "hang")


def break_readers(setting: Setting, findings: Findings) -> None:
    """Let every reader that opens one certain video die of SIGSEGV, or hang; then try that video again without."""
    if not setting.nursery.library:
        findings.skipped.append("no C compiler: no reader can be made to crash at its video")
        return
    for layout in LAYOUTS:
        truth = make_truth(setting, layout)
        for trial in range(setting.share(NUM_CRASHES // len(LAYOUTS))):
            _break(setting, layout, _ACTIONS[trial % 2], truth, findings)


def _break(setting: Setting, layout: Layout, action: str, truth: Stored, findings: Findings) -> None:
    place = new_place(setting)
    victim = f"clip{setting.chance.randrange(NUM_VIDEOS):02d}"
    order = order_of(setting, place, layout, workers=2)
    prepare = partial(_lay_trap, setting.nursery.library, f"/{victim}.mp4", action)
    words = [*order.words, "--reader-timeout", "4"]
    ended = setting.nursery.run(replace(order, words=words, prepare=prepare))
    findings.counts[f"{action}: runs"] += 1
    findings.require(ended.code == COMPLETE, "a broken reader is exit code 3", ended)
    failed = {os.path.basename(entry["path"]) for entry in ended.report.get("failed", ())}  # noqa: PTH119
    findings.require(failed == {"broken.mp4", f"{victim}.mp4"}, "it costs its one video", (failed, ended.said))
    others = judge_stopped(place, layout, truth, findings, ended)
    findings.require(len(others) == NUM_VIDEOS - 1, "all other videos are stored", len(others))
    again = setting.nursery.run(replace(order, words=[*order.words, "--retry-failed"]))
    judge_complete(place, layout, truth, findings, ("tried again", again, others))
    shutil.rmtree(place)


def _lay_trap(library: str, victim: str, action: str) -> None:
    os.environ |= {"LD_PRELOAD": library, "FAULTS_VICTIM": victim, "FAULTS_ACTION": action}
