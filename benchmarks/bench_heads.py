"""Fitting heads: epochs, sweeps and L-BFGS against peers and bare matmuls; and `tsmfeat fit-heads` as a whole."""

import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from commands import PYTHON, tsmfeat
from harness import Case, call, command, compete, growth, require_equal, spread
from inputs import make_features, make_truth, write_store
from peers.loader_fitting import fit_with_loader
from peers.sklearn_fitting import make_sklearn_fit
from reporting import Goal, Report, Setting, judge, run_benchmark

from tsmfeat.formats.activitynet import write_annotations
from tsmfeat.heads.options import HeadOptions
from tsmfeat.heads.rows import TrainingRows
from tsmfeat.heads.training import train_head, train_heads
from tsmfeat.workflows.mapped_rows import MappedRows

SIZE, ACTIONS, SCENES, BATCH = 2048, 38, 28, 1024
SIZES, QUICK_SIZES = (5_120, 10_240, 20_480), (64, 128, 256)
# Several, so that what comes before the first (measuring the standardisation, copying the table) weighs little.
EPOCHS = 4
OURS, LOADER, GEMM = "tsmfeat", "DataLoader loop", "bare matmuls"
ONE_BY_ONE, SKLEARN, MAPPED = "one by one", "scikit-learn", "rows in files"
SWEEP_ROWS, SWEEP_EPOCHS = 10_240, 2
# An iteration of L-BFGS is a pass over all rows, or a few where its line search asks again.
ITERATIONS, DECAY = 20, 1e-3


def measure(setting: Setting) -> Report:
    """Time fitting at three sizes, and the command."""
    torch.set_num_threads(1)
    cases = [_measure_fit(size, setting) for size in (QUICK_SIZES if setting.quick else SIZES)]
    sweeps = [
        _measure_sweep(names, setting) for names in (("lr", "weight_decay", "scene_weight"), ("lr", "weight_decay"))
    ]
    solvers = _measure_solver(setting)
    mapped = _measure_mapped(setting)
    fitted = _measure_command(setting)
    goals = [judge(Goal("epochs of fitting", LOADER, OURS, 1.4, 2.5), case) for case in cases]
    goals.append(judge(Goal("epochs near their matmuls", OURS, GEMM, 1.5, 1.3, at_most=True), cases[-1]))
    goals += [judge(Goal("a sweep of 32 against 32 runs", ONE_BY_ONE, OURS, 1.5, 2.5), case) for case in sweeps]
    goals += [judge(Goal("iterations of L-BFGS", SKLEARN, OURS, 1.0, 1.5), case) for case in solvers]
    facts = {"fit-heads peak MB": round(spread([cost.peak_bytes for cost in fitted.costs[OURS]])["median"] / 1e6)}
    return Report(
        [*cases, *sweeps, *solvers, mapped, fitted],
        goals,
        {who: growth(cases, who, "rows") for who in (OURS, LOADER, GEMM)},
        facts,
    )


def _measure_fit(count: int, setting: Setting) -> Case:
    size, batch = (16, 32) if setting.quick else (SIZE, BATCH)
    data = _make_rows(count, size, setting.seed)
    _require_same_fit(setting.seed)
    options = HeadOptions(epochs=EPOCHS, batch_size=batch)
    contestants = {
        OURS: call(lambda: train_head(data, options, num_frames=8)),
        LOADER: call(lambda: fit_with_loader(data, options, dropout=options.dropout)),
        GEMM: call(_bare_matmuls(data.features, batch)),
    }
    sizes = {
        "rows": count,
        "embedding_size": size,
        "outputs": ACTIONS + 1 + SCENES,
        "batch_size": batch,
        "epochs": EPOCHS,
    }
    return compete(f"{EPOCHS} epochs of {count:,} rows", sizes, contestants, setting.pace(12))


def _make_rows(count: int, size: int, seed: int) -> TrainingRows:
    rng = np.random.default_rng(seed)
    table = rng.standard_normal((count, size), np.float32).astype(np.float16)
    action, scene = rng.integers(0, ACTIONS + 1, count), rng.integers(0, SCENES, count)
    return TrainingRows(table, np.arange(count), action.astype(np.int32), scene.astype(np.int32), ACTIONS, SCENES)


def _measure_sweep(names: tuple[str, ...], setting: Setting) -> Case:
    """32 settings together and one by one; the scene weight among them or not."""
    count, size, batch = (128, 16, 32) if setting.quick else (SWEEP_ROWS, SIZE, BATCH)
    data = _make_rows(count, size, setting.seed)
    base = HeadOptions(epochs=SWEEP_EPOCHS, batch_size=batch)
    values = {
        "lr": tuple(10.0**-power for power in np.linspace(1.5, 3.5, 4 if len(names) == 3 else 8)),
        "weight_decay": (0.0, 1e-4, 5e-4, 1e-3),
        "scene_weight": (0.3, 1.0),
    }
    runs = [replace(base, **dict(zip(names, chosen, strict=True))) for chosen in product(*(values[n] for n in names))]
    together = train_heads(data, runs[:9:4], 8)
    for fitted, run in zip(together, runs[:9:4], strict=True):
        alone = train_head(data, run, 8).weights.action_weight
        require_equal("action weights to 1e-5", np.abs(fitted.weights.action_weight - alone).max() < 1e-5, True)
    contestants = {
        OURS: call(lambda: train_heads(data, runs, 8)),
        ONE_BY_ONE: call(lambda: [train_head(data, run, 8) for run in runs]),
        GEMM: call(lambda: [work() for work in [_bare_matmuls(data.features, batch, SWEEP_EPOCHS)] * len(runs)]),
    }
    sizes = {"rows": count, "embedding_size": size, "runs": len(runs), "epochs": SWEEP_EPOCHS}
    return compete(f"32 settings of {', '.join(names)}", sizes, contestants, setting.pace(30))


def _measure_solver(setting: Setting) -> list[Case]:
    count, size = (200, 16) if setting.quick else (SWEEP_ROWS, SIZE)
    data = _make_rows(count, size, setting.seed)
    peer = make_sklearn_fit(data, ITERATIONS, DECAY)
    if peer is None:
        return []
    options = HeadOptions(epochs=ITERATIONS, solver="lbfgs", weight_decay=DECAY)
    ours, theirs = train_head(data, options, 8).record["epochs"][-1]["action_loss"], peer()
    require_equal("losses within a hundredth", abs(ours - theirs) < 0.01 * theirs, True)
    contestants = {OURS: call(lambda: train_head(data, options, 8)), SKLEARN: call(peer)}
    sizes = {"rows": count, "embedding_size": size, "iterations": ITERATIONS}
    return [compete(f"{ITERATIONS} iterations of L-BFGS", sizes, contestants, setting.pace(20))]


def _measure_mapped(setting: Setting) -> Case:
    """Time rows that stay in files, here in the page cache: a disk adds its own time."""
    count, size, batch = (256, 16, 32) if setting.quick else (SIZES[-1], SIZE, BATCH)
    data = _make_rows(count, size, setting.seed)
    options = HeadOptions(epochs=EPOCHS, batch_size=batch)
    with tempfile.TemporaryDirectory() as name:
        path = Path(name, "rows.npy")
        np.save(path, data.features)
        parts = np.array_split(np.load(path, mmap_mode="r"), 100)
        rows: Any = MappedRows(parts, size)
        in_files = replace(data, features=rows, in_blocks=True)
        contestants = {
            OURS: call(lambda: train_head(data, options, 8)),
            MAPPED: call(lambda: train_head(in_files, options, 8)),
        }
        sizes = {"rows": count, "embedding_size": size, "videos": 100, "epochs": EPOCHS}
        return compete("rows in memory and in files", sizes, contestants, setting.pace(10))


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


def _bare_matmuls(table: np.ndarray, batch: int, epochs: int = EPOCHS) -> Callable[[], object]:
    """Cast, scores, and gradients of both heads' weights: what no fitting can do without."""
    source = torch.from_numpy(table)
    weight = torch.zeros(ACTIONS + 1 + SCENES, table.shape[1])

    def run() -> None:
        for first in [*range(0, len(source), batch)] * epochs:
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
