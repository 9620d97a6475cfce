"""What an extraction survives: every fault is tried on the whole command, and what did not hold is counted.

Usage: python -m faults.programme [--quick] [--seed N] [--out FOLDER] [--parts NAME,...]
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from machine import current_date, describe_machine, list_versions

from faults.findings import Findings
from faults.injection import PRELOAD, compile_library
from faults.job import PARTS
from faults.material import NUM_VIDEOS, write_videos

RESULTS = Path(__file__).parents[1] / "results"
_QUICK_SCALE = 0.02


def run_programme(parts: Sequence[str], scale: float, seed: int, num: int) -> tuple[dict[str, Findings], float]:
    """Do some parts in a number of processes at once.

    Returns
    -------
    findings, seconds
        What each part found, and the wall time of all.
    """
    began = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="tsmfeat-faults-"))
    try:
        write_videos(folder / "videos")
        library = compile_library(folder)
        jobs = [_start_job(folder, library, [index, num, scale, seed, json.dumps(parts)]) for index in range(num)]
        found = [_collect(job) for job in jobs]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    together = {name: Findings() for name in parts}
    for name, findings in together.items():
        for share in found:
            findings.add(share[name])
    return together, time.monotonic() - began


def _start_job(folder: Path, library: Path | None, words: list[object]) -> "subprocess.Popen[str]":
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    if library is not None:
        environment[PRELOAD] = str(library)
    command = [sys.executable, "-m", "faults.job", folder, *words]
    return subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, text=True, env=environment)


def _collect(job: "subprocess.Popen[str]") -> dict[str, Findings]:
    text, _ = job.communicate()
    if job.returncode:
        raise RuntimeError(f"a process of the programme ended with {job.returncode}")
    found: dict[str, Any] = {}
    for line in text.splitlines():
        found |= json.loads(line)
    return {name: Findings.from_dict(values) for name, values in found.items()}


def describe(found: dict[str, Findings], seconds: float, scale: float, seed: int) -> dict[str, Any]:
    """Return the JSON object of a programme."""
    return {
        "programme": "faults",
        "date": current_date(),
        "quick": scale < 1,
        "seed": seed,
        "machine": describe_machine(),
        "versions": list_versions(),
        "num_videos": NUM_VIDEOS,
        "seconds": round(seconds, 1),
        "parts": {name: findings.to_dict() for name, findings in found.items()},
    }


def tell(found: dict[str, Findings]) -> str:
    """Return the table that is printed."""
    lines = []
    for name, findings in found.items():
        counts = ", ".join(f"{count:,} {what}" for what, count in sorted(findings.counts.items()))
        lines.append(f"{name}: {findings.seconds:.0f} s; {counts}")
        lines += [f"    skipped: {reason}" for reason in findings.skipped]
        lines += [
            f"    {findings.violations[rule]:>5} of {checked:>6,}  {rule}"
            for rule, checked in sorted(findings.checks.items())
        ]
        lines += [f"    ! {example}" for example in findings.examples]
    return "\n".join(lines)


def main() -> int:
    """Run what the command line asks for; 1 where a rule did not hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a sample of every part, in about a minute")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the result")
    parser.add_argument("--parts", default=",".join(PARTS), help="only these, by comma; others in the result stay")
    cores = len(os.sched_getaffinity(0))
    parser.add_argument("--processes", type=int, default=cores, help="that share the work; default: the cores")
    given = parser.parse_args()
    scale = _QUICK_SCALE if given.quick else 1.0
    found, seconds = run_programme(given.parts.split(","), scale, given.seed, given.processes)
    given.out.mkdir(parents=True, exist_ok=True)
    path = given.out / "faults.json"
    result = describe(found, seconds, scale, given.seed)
    if path.exists() and len(found) < len(PARTS):
        result["parts"] = json.loads(path.read_text())["parts"] | result["parts"]
        result["seconds"] = round(sum(part["seconds"] for part in result["parts"].values()), 1)
    path.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    num = sum(sum(findings.violations.values()) for findings in found.values())
    sys.stdout.write(f"{tell(found)}\n{num} rules broken, {seconds:.0f} s\n")
    return int(num > 0)


if __name__ == "__main__":
    sys.exit(main())
