"""Fitting heads: epochs against a torch DataLoader loop and the bare matmuls; and `tsmfeat fit-heads` as a whole."""

import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from commands import PYTHON, tsmfeat
from harness import Case, call, command, compete, growth, require_equal, spread
from inputs import make_features, make_truth, write_store
from peers.loader_fitting import fit_with_loader
from reporting import Goal, Report, Setting, judge, run_benchmark

from tsmfeat.formats.activitynet import write_annotations
from tsmfeat.heads.options import HeadOptions
from tsmfeat.heads.rows import TrainingRows
from tsmfeat.heads.training import train_head

SIZE, ACTIONS, SCENES, BATCH = 2048, 38, 28, 1024
SIZES, QUICK_SIZES = (5_120, 10_240, 20_480), (64, 128, 256)
# Several, so that what comes before the first (measuring the standardisation, copying the table) weighs little.
EPOCHS = 4
OURS, LOADER, GEMM = "tsmfeat", "DataLoader loop", "bare matmuls"


def measure(setting: Setting) -> Report:
    """Time fitting at three sizes, and the command."""
    torch.set_num_threads(1)
    cases = [_measure_fit(size, setting) for size in (QUICK_SIZES if setting.quick else SIZES)]
    fitted = _measure_command(setting)
    goals = [judge(Goal("epochs of fitting", LOADER, OURS, 1.4, 2.5), case) for case in cases]
    goals.append(judge(Goal("epochs near their matmuls", OURS, GEMM, 1.5, 1.3, at_most=True), cases[-1]))
    facts = {"fit-heads peak MB": round(spread([cost.peak_bytes for cost in fitted.costs[OURS]])["median"] / 1e6)}
    return Report([*cases, fitted], goals, {who: growth(cases, who, "rows") for who in (OURS, LOADER, GEMM)}, facts)


def _measure_fit(count: int, setting: Setting) -> Case:
    rng = np.random.default_rng(setting.seed)
    size, batch = (16, 32) if setting.quick else (SIZE, BATCH)
    table = rng.standard_normal((count, size), np.float32).astype(np.float16)
    action, scene = rng.integers(0, ACTIONS + 1, count), rng.integers(0, SCENES, count)
    data = TrainingRows(table, np.arange(count), action.astype(np.int32), scene.astype(np.int32), ACTIONS, SCENES)
    _require_same_fit(setting.seed)
    options = HeadOptions(epochs=EPOCHS, batch_size=batch)
    contestants = {
        OURS: call(lambda: train_head(data, options, num_frames=8)),
        LOADER: call(lambda: fit_with_loader(data, options, dropout=options.dropout)),
        GEMM: call(_bare_matmuls(table, batch)),
    }
    sizes = {
        "rows": count,
        "embedding_size": size,
        "outputs": ACTIONS + 1 + SCENES,
        "batch_size": batch,
        "epochs": EPOCHS,
    }
    return compete(f"{EPOCHS} epochs of {count:,} rows", sizes, contestants, setting.pace(12))


def _require_same_fit(seed: int) -> None:
    """Both learn what is there to be learnt: actions that stand out of the noise."""
    rng = np.random.default_rng(seed)
    action = rng.integers(0, 6, 600)
    table = rng.standard_normal((600, 16), np.float32)
    table[np.arange(600), action] += 8.0
    features = table.astype(np.float16)
    data = TrainingRows(features, np.arange(600), action.astype(np.int32), np.full(600, -1, np.int32), 5, 0)
    options = HeadOptions(tasks=("action",), epochs=30, batch_size=60, lr=0.1)
    weights = train_head(data, options, num_frames=8).weights
    ours = (features @ weights.action_weight.T + weights.action_bias).argmax(axis=1)
    require_equal("actions, ours", ours, action)
    require_equal("actions, DataLoader loop", fit_with_loader(data, options, 0.1), action)


def _bare_matmuls(table: np.ndarray, batch: int) -> Callable[[], object]:
    """Cast, scores, and gradients of both heads' weights: what no fitting can do without."""
    source = torch.from_numpy(table)
    weight = torch.zeros(ACTIONS + 1 + SCENES, table.shape[1])

    def run() -> None:
        for first in [*range(0, len(source), batch)] * EPOCHS:
            inputs = source[first : first + batch].to(torch.float32)
            scores = inputs @ weight.T
            scores.T @ inputs

    return run


def _measure_command(setting: Setting) -> Case:
    num_videos, rows, size, epochs = (10, 8, 16, 1) if setting.quick else (100, 200, SIZE, 5)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = write_store(folder / "features.h5", make_features(num_videos, rows, size, setting.seed))
        truth = make_truth(num_videos, 5 if setting.quick else ACTIONS, 10, setting.seed)
        subsets = ["training"] * (num_videos * 4 // 5) + ["validation"] * (num_videos // 5)
        truth = replace(truth, subset=tuple(subsets))
        write_annotations(truth, folder / "truth.json")
        words = [*tsmfeat("fit-heads"), str(store), "--annotations", str(folder / "truth.json")]
        words += ["-o", str(folder / "heads.safetensors"), "--epochs", str(epochs), "-q"]
        contestants = {OURS: command(words), "import torch": command([PYTHON, "-c", "import torch"])}
        sizes = {"rows": num_videos * rows, "embedding_size": size, "epochs": epochs}
        return compete("tsmfeat fit-heads, whole process", sizes, contestants, setting.pace(15))


if __name__ == "__main__":
    sys.exit(run_benchmark("heads", measure))
