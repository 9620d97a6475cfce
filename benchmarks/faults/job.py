"""Run as a child: does one process's share of the programme and prints its findings, one JSON object a part.

Usage: python -m faults.job FOLDER INDEX NUM SCALE SEED PARTS
"""

import json
import os
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path

from faults.calls import fill_at_every_call, kill_at_every_call
from faults.damage import damage_files
from faults.findings import Findings
from faults.material import Setting
from faults.neighbours import run_another_recipe, run_two_at_once, take_parts_away
from faults.nursery import Nursery
from faults.random_kills import kill_at_random
from faults.readers import break_readers
from faults.room import fill_a_disk, write_where_nothing_may
from faults.stops import stop_by_signals
from faults.writers import share_a_folder, share_by_shards

PARTS: dict[str, Callable[[Setting, Findings], None]] = {
    "kill at every call": kill_at_every_call,
    "kill at random": kill_at_random,
    "16 writers": share_a_folder,
    "16 shards": share_by_shards,
    "disk full at every call": fill_at_every_call,
    "small disk": fill_a_disk,
    "read-only folder": write_where_nothing_may,
    "signals": stop_by_signals,
    "damaged files": damage_files,
    "parts taken away": take_parts_away,
    "two runs at once": run_two_at_once,
    "another recipe": run_another_recipe,
    "broken readers": break_readers,
}


def main(arguments: list[str]) -> None:
    """Do the parts named."""
    folder, index, num, scale, seed, parts = arguments
    work = Path(folder) / f"work{index}"
    work.mkdir()
    (work / "streams").mkdir()
    nursery = Nursery(work / "streams")
    chance = random.Random(f"{seed} {index}")
    broken = work / "broken.mp4"
    broken.write_text("no video")
    setting = Setting(nursery, Path(folder) / "videos", broken, work, int(index), int(num), float(scale), chance)
    for name in json.loads(parts):
        findings, began = Findings(), time.monotonic()
        PARTS[name](setting, findings)
        findings.seconds = time.monotonic() - began
        sys.stdout.write(json.dumps({name: findings.to_dict()}) + "\n")
        sys.stdout.flush()
    # Without the end of an interpreter that has loaded so much.
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
