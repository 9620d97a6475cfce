"""How opening, resuming and merging grow with parts and videos: tiny rows, real indexes.

    python benchmarks/study_scale.py --folder FOLDER [--sizes 1000x100,10000x100]

Each measurement is a process of its own; synthetic parts go to `--folder`, and what is there already is used again.
Writes ``results/study_scale.json``.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from machine import describe_machine
from reporting import RESULTS

from tsmfeat.store.folders import finished_videos, output_files
from tsmfeat.store.image import build_image, collect_columns, rows_as_bytes
from tsmfeat.store.reader import open_features
from tsmfeat.store.validation import read_index
from tsmfeat.values.features import FeatureSpec, VideoFeatures
from tsmfeat.workflows import merge
from tsmfeat.workflows.merge_options import MergeOptions

EMBEDDING_SIZE = 8
NUM_INTERVALS = 4
SPEC = FeatureSpec("resnet18", "0" * 64, 8, 0.5, 0.5, "square256", "pil", True, 8, "fp32", EMBEDDING_SIZE)


def write_parts(folder: Path, num_parts: int, num_videos: int) -> None:
    """Write parts as shards leave them: ids spread at random over the parts. Nothing is flushed to the disk."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((NUM_INTERVALS, EMBEDDING_SIZE)).astype(np.float16)
    distinct = np.full(NUM_INTERVALS, 8, np.uint8)
    for part, numbers in enumerate(np.split(rng.permutation(num_parts * num_videos), num_parts)):
        videos = [VideoFeatures(f"video-{number:09d}", rows, 2.0, distinct) for number in sorted(numbers.tolist())]
        head = build_image(SPEC, collect_columns(videos), "2026-01-31T12:00:00+00:00").head
        content = head + b"".join(bytes(rows_as_bytes(video.embeddings)) for video in videos)
        (folder / f"part-{part:016x}.h5").write_bytes(content)


def open_parts(folder: Path) -> int:
    """Open a folder as a store."""
    with open_features(folder) as store:
        return store.num_videos


def scan_parts(folder: Path) -> int:
    """List the finished videos of an output, as each start of a run does."""
    return len(finished_videos(folder, read_index(output_files(folder)[0]).spec).num_intervals)


def merge_parts(folder: Path) -> int:
    """Merge a folder into one file."""
    return merge([folder], folder.with_suffix(".h5"), MergeOptions(overwrite=True)).outputs[0].num_videos


def open_packed(folder: Path) -> int:
    """Open what was merged."""
    return open_parts(folder.with_suffix(".h5"))


STEPS: dict[str, Callable[[Path], int]] = {
    "open": open_parts,
    "scan": scan_parts,
    "merge": merge_parts,
    "open packed": open_packed,
}


def peak_bytes() -> int:
    """Return the largest resident memory of this program; `getrusage` would tell that of whoever started it, too."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmHWM"))) * 1024


def measure(step: str, folder: Path) -> dict[str, Any]:
    """Run a step in this process, and return its CPU time and by how much it raised the peak of memory."""
    # Of merging, its modules alone take as much memory as a small store.
    __import__("tsmfeat.workflows.merging")
    before = peak_bytes()
    began, clock = time.process_time(), time.monotonic()
    num_videos = STEPS[step](folder)
    return {
        "cpu_seconds": time.process_time() - began,
        "wall_seconds": time.monotonic() - clock,
        "peak_bytes": peak_bytes() - before,
        "num_videos": num_videos,
    }


def study(folder: Path, num_parts: int, num_videos: int) -> dict[str, Any]:
    """Measure all steps on one store, each in a fresh process."""
    parts = folder / f"{num_parts}x{num_videos}"
    if not parts.is_dir():
        write_parts(parts, num_parts, num_videos)
    result: dict[str, Any] = {"num_parts": num_parts, "num_videos": num_parts * num_videos}
    for step in STEPS:
        words = [sys.executable, __file__, "--folder", str(parts), "--step", step]
        done = subprocess.run(words, capture_output=True, text=True, check=True)
        result[step] = json.loads(done.stdout)
        sys.stderr.write(f"{parts.name} {step}: {result[step]}\n")
    return result


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--sizes", default="1000x100,10000x10,10000x100,10000x400", help="parts x videos in each")
    parser.add_argument("--step", choices=list(STEPS), help="measure this in the folder, and print it")
    parser.add_argument("--out", type=Path, default=RESULTS / "study_scale.json")
    words = parser.parse_args()
    if words.step:
        sys.stdout.write(json.dumps(measure(words.step, words.folder)))
        return
    sizes = [tuple(int(number) for number in size.split("x")) for size in words.sizes.split(",")]
    report: dict[str, Any] = {
        "study": "scale",
        "machine": describe_machine(),
        "num_intervals_per_video": NUM_INTERVALS,
        "embedding_size": EMBEDDING_SIZE,
        "stores": [],
    }
    for num_parts, num_videos in sizes:
        report["stores"].append(study(words.folder, num_parts, num_videos))
        words.out.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
