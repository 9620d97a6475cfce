"""The installed `tsmfeat extract`, end to end, against the larger of decoding alone and the forward pass alone."""

import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from bench_decode import decode_only
from commands import run_json, tsmfeat
from harness import WALL, Case, Contestant, Cost, call, compete, launch, require_equal, spread
from reporting import Goal, Report, Setting, judge_value, run_benchmark
from videos import FPS, make_video

from tsmfeat.trunk.embedding import Embedder
from tsmfeat.trunk.tsm import build_trunk

TRUNK, NUM_FRAMES, STEP_SECONDS = "resnet18", 8, 0.5
OURS, DECODE, FORWARD = "tsmfeat extract", "decode only", "forward only"
BATCH_SIZE = 4


def measure(setting: Setting) -> Report:
    """Time the command as its report does (start-up left out) and as a whole."""
    num_videos, count, height, width, edge = (2, 30, 32, 48, 32) if setting.quick else (4, 300, 240, 320, 112)
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "videos").mkdir()
        videos = [
            make_video(Path(name) / "videos" / f"{index}.mp4", height, width, count, setting.seed + index)
            for index in range(num_videos)
        ]
        case = _measure(Path(name), videos, count, edge, setting)
    larger = max((DECODE, FORWARD), key=lambda who: spread([cost.wall_seconds for cost in case.costs[who]])["median"])
    rounds = zip(case.costs[f"{OURS}, run"], case.costs[DECODE], case.costs[FORWARD], strict=True)
    walls = [ours.wall_seconds / max(one.wall_seconds, other.wall_seconds) for ours, one, other in rounds]
    goal = Goal("extraction, run", f"{OURS}, run", f"larger of both ({larger})", 1.25, 1.10, at_most=True, clock=WALL)
    facts = {
        "peak MB of the command": round(max(cost.peak_bytes for cost in case.costs[OURS]) / 1e6),
        "wall of the run over the larger": spread(walls),
    }
    return Report([case], [judge_value(goal, case.name, spread(walls)["median"])], facts=facts)


def _measure(folder: Path, videos: list[Path], count: int, edge: int, setting: Setting) -> Case:
    out, resize = folder / "features.h5", f"square{edge}"
    words = [*tsmfeat("extract"), str(folder / "videos"), "-o", str(out), "--checkpoint", "random:0", "--overwrite"]
    words += ["--trunk", TRUNK, "--resize", resize, "--device", "cpu", "--batch-size", str(BATCH_SIZE)]
    num_clips = len(videos) * int(count / FPS / STEP_SECONDS)
    report = run_json(words)
    require_equal("intervals extracted", report["num_intervals"], num_clips)
    require_equal("frames decoded", report["frames_decoded"], len(videos) * count)
    clips = np.random.default_rng(setting.seed).integers(0, 256, (BATCH_SIZE, NUM_FRAMES, edge, edge, 3), np.uint8)
    trunk = build_trunk(TRUNK, NUM_FRAMES, "random:0")
    runs: list[Cost] = []
    with Embedder(trunk, "cpu", "fp32", BATCH_SIZE) as embed:
        contestants: dict[str, Contestant] = {
            OURS: _extraction(words, runs),
            f"{OURS}, run": lambda: runs[-1],
            DECODE: call(lambda: [decode_only(path) for path in videos], repeat_short=False),
            FORWARD: call(lambda: [embed(clips) for _ in range(-(-num_clips // BATCH_SIZE))], repeat_short=False),
        }
        sizes = {"videos": len(videos), "frames": len(videos) * count, "clips": num_clips, "edge": edge}
        sizes["threads"] = torch.get_num_threads()
        return compete(f"extract {num_clips} clips with {TRUNK}", sizes, contestants, setting.pace(60))


def _extraction(words: list[str], runs: list[Cost]) -> Contestant:
    """Return a contestant that runs the command, and notes what its report says the run itself took."""

    def run() -> Cost:
        cost, said = launch([*words, "--json", "-q"])
        runs.append(Cost(cost.cpu_seconds, json.loads(said)["seconds"], cost.peak_bytes))
        return cost

    return run


if __name__ == "__main__":
    sys.exit(run_benchmark("extract", measure, OURS))
