"""Two runs on one output, runs of another recipe, and parts that somebody takes away or replaces."""

import shutil
import time
from dataclasses import replace
from pathlib import Path

from faults.findings import Findings
from faults.injection import NEVER, Fault, is_preloaded
from faults.material import (
    COMPLETE,
    FOLDER,
    LAYOUTS,
    NUM_VIDEOS,
    Setting,
    Stored,
    judge_complete,
    make_truth,
    new_place,
    order_of,
    stored,
)
from faults.nursery import Order
from tsmfeat.store.folders import files_in, output_files
from tsmfeat.store.reader import open_features

NUM_PAIRS = 16
NUM_OTHERS = 12
NUM_TAKEN = 16
_OTHER_SPEC = 6
_LATEST_SECONDS = 0.6


def run_two_at_once(setting: Setting, findings: Findings) -> None:
    """Start the same extraction twice, the second a moment later."""
    for layout in LAYOUTS:
        truth = make_truth(setting, layout)
        for _ in range(setting.share(NUM_PAIRS // len(LAYOUTS))):
            place = new_place(setting)
            order = order_of(setting, place, layout)
            first = setting.nursery.start(order)
            time.sleep(setting.chance.uniform(0, _LATEST_SECONDS))
            second = setting.nursery.start(order)
            ends = [process.wait() for process in (first, second)]
            findings.counts["pairs"] += 1
            findings.require(all(e.code == COMPLETE for e in ends), "both of two runs complete", ends)
            judge_complete(place, layout, truth, findings, ("two at once", ends[1], {}))
            shutil.rmtree(place)


def run_another_recipe(setting: Setting, findings: Findings) -> None:
    """Start a run of another step where a run is under way, and where one is complete."""
    for layout in LAYOUTS:
        truth = make_truth(setting, layout)
        for trial in range(setting.share(NUM_OTHERS // len(LAYOUTS))):
            place = new_place(setting)
            order = order_of(setting, place, layout)
            first = setting.nursery.start(order)
            while trial % 2 and not output_files(place / layout.stores[0]):
                time.sleep(0.01)
            ended = None if trial % 2 else first.wait()
            _refuse_other(setting, place, order, findings)
            ended = ended or first.wait()
            judge_complete(place, layout, truth, findings, ("beside another recipe", ended, {}))
            shutil.rmtree(place)


def _refuse_other(setting: Setting, place: Path, order: Order, findings: Findings) -> None:
    words = ["0.25" if word == "0.5" else word for word in [*order.words, "--step", "0.5"]]
    setting.nursery.take_calls()
    fault = Fault(NEVER) if is_preloaded() else None
    ended = setting.nursery.run(replace(order, words=words, fault=fault, folder=place))
    findings.counts["other recipes"] += 1
    findings.require(ended.code == _OTHER_SPEC, "another recipe is exit code 6", ended)
    findings.require("step_seconds" in ended.said, "the differing field is named", ended.said)
    findings.require(not setting.nursery.take_calls(), "a refused run changes nothing", ended.said)


def take_parts_away(setting: Setting, findings: Findings) -> None:
    """Remove a part of a complete folder, or put another file in its place, while a reader has it open."""
    truth = make_truth(setting, FOLDER)
    for trial in range(setting.share(NUM_TAKEN)):
        place = new_place(setting)
        setting.nursery.run(order_of(setting, place, FOLDER))
        parts = files_in(place / FOLDER.out)
        part = setting.chance.choice(parts)
        with open_features(parts) as store:
            if trial % 2:
                part.with_suffix(".new").write_bytes(b"something else")
                part.with_suffix(".new").replace(part)
            else:
                part.unlink()
            read = {video_id: len(store.embeddings(video_id)) for video_id in store.video_ids}
        whole = {video_id: count for (_, video_id), (count, _) in truth.items()}
        findings.counts["parts replaced" if trial % 2 else "parts removed"] += 1
        findings.require(read == whole, "an open reader keeps what it opened", (trial, part.name))
        _judge_remade(setting, place, truth, findings)
        shutil.rmtree(place)


def _judge_remade(setting: Setting, place: Path, truth: Stored, findings: Findings) -> None:
    ended = setting.nursery.run(order_of(setting, place, FOLDER))
    report = ended.report
    findings.require(report.get("num_done", 0) > 0, "what is missing is made again", ended)
    findings.require(report.get("num_done", 0) + report.get("num_skipped", 0) == NUM_VIDEOS, "nothing else is", ended)
    findings.require(stored(place, FOLDER) == truth, "ids, counts and checksums equal an uninterrupted run", ended)
