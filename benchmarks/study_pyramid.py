"""Are bounds regressed better than those of runs on the grid? Heads with and without context against a pyramid.

    python benchmarks/study_pyramid.py --features NAME=annotations.json,features.h5 [--features ...] [--num-seeds 3]

Every kind is fitted on the training videos with each of its learning rates; epoch, rate and, of kinds that score
intervals, smoothing are chosen on the validation videos; all numbers are of the testing videos. Beside what is named,
embeddings are made up that tell the share each action takes of an interval (`make_shares`). Writes
``results/study_pyramid.json``.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from machine import describe_machine
from reporting import RESULTS

from tsmfeat.formats.reading import read_annotations
from tsmfeat.heads.model import HeadParameters
from tsmfeat.heads.options import HeadOptions
from tsmfeat.heads.targets import interval_targets
from tsmfeat.localization.localizing import localize
from tsmfeat.localization.options import LocalizationOptions
from tsmfeat.metrics.average_precision import evaluate
from tsmfeat.metrics.intervals import percentile_interval
from tsmfeat.metrics.matching import match_predictions
from tsmfeat.metrics.protocols import PAPER
from tsmfeat.metrics.resampling import Population, draw_videos, keep_judgeable, resample_scores
from tsmfeat.store.reader import open_features
from tsmfeat.values.annotations import Annotations
from tsmfeat.values.features import FeatureSpec
from tsmfeat.values.predictions import IntervalScores, Predictions
from tsmfeat.values.progress import Silence
from tsmfeat.values.segments import Segments
from tsmfeat.values.vocabulary import Vocabulary
from tsmfeat.workflows.fit_data import FitData, make_judge, train_runs
from tsmfeat.workflows.inference import GatheredFeatures, gather_features, run_heads
from tsmfeat.workflows.splits import Split, select_videos, split_videos

TCN = {"epochs": 25, "hidden_size": 64, "num_layers": 5}
PYRAMID = {"epochs": 25, "hidden_size": 96, "num_levels": 5, "batch_size": 128, "lr": 0.004}
KINDS: dict[str, list[dict[str, Any]]] = {
    "linear": [{"lr": lr, "epochs": 25} for lr in (0.01, 0.05)],
    "mlp": [{"lr": lr, "epochs": 25, "hidden_size": 128} for lr in (0.01, 0.05)],
    "tcn": [{**TCN, "lr": lr, "dropout": dropout} for lr, dropout in ((0.001, 0.5), (0.003, 0.2))],
    "pyramid": [{**PYRAMID, "dropout": dropout} for dropout in (0.0, 0.5)],
}
SMOOTHINGS = ("none", "mean:3", "mean:5", "gaussian:1")
THRESHOLDS = PAPER.tiou_thresholds
RESAMPLES = 1000
STEP = 0.5

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Task:
    """What is learned from, chosen by and judged on."""

    data: FitData
    testing: GatheredFeatures

    @property
    def truth(self) -> Annotations:
        """The testing videos' annotations."""
        return select_videos(self.data.truth, self.testing.video_ids)


@dataclass(frozen=True, eq=False)
class Entry:
    """One kind on the testing videos, a prediction a seed."""

    chosen: dict[str, Any]
    validation: float
    predictions: list[Predictions]


def read_task(annotations: Path, store: Path) -> Task:
    """Read features and annotations; validation videos are those of the annotations."""
    truth = read_annotations(annotations)
    with open_features(store) as opened:
        split = split_videos(truth, frozenset(opened.video_ids), "", "", Silence())
        testing = [name for name in truth.select_subset("testing").video_ids if name in opened]
        parts = [gather_features(opened, names) for names in (split.training, split.validation, testing)]
        return Task(FitData(truth, (opened.spec,), split, parts[0], parts[1]), parts[2])


def make_shares(num_videos: tuple[int, int, int] = (60, 20, 40), num_intervals: int = 60, seed: int = 0) -> Task:
    """Make up videos whose embeddings tell, with noise, which share of an interval each of five actions takes.

    Segments last 1 to 6 s at any time; the grid's bounds are off by an eighth of a second on average.
    """
    rng = np.random.default_rng(seed)
    names = [f"{part}{k}" for part, count in zip("abc", num_videos, strict=True) for k in range(count)]
    rows, features = [], []
    for video in range(len(names)):
        at, shares = rng.uniform(0.5, 3.0), np.zeros((num_intervals, 6))
        while (end := at + rng.uniform(2.0, 12.0)) < num_intervals - 0.5:
            label, edges = int(rng.integers(5)), np.arange(num_intervals + 1)
            rows.append((video, label, at * STEP, end * STEP))
            shares[:, label] += np.clip(np.minimum(edges[1:], end) - np.maximum(edges[:-1], at), 0, None)
            at = end + rng.uniform(0.5, 4.0)
        shares[:, 5] = 1 - shares[:, :5].sum(axis=1)
        features.append(shares + rng.normal(0, 0.1, shares.shape))
    columns = [np.array(column) for column in zip(*rows, strict=True)]
    truth = Annotations(
        tuple(names),
        Vocabulary(tuple(f"action{k}" for k in range(5))),
        Segments(columns[0], columns[1], columns[2], columns[3], np.ones(len(rows))),
        np.full(len(names), num_intervals * STEP),
        tuple({"a": "training", "b": "validation", "c": "testing"}[name[0]] for name in names),
        np.full(len(names), -1),
        Vocabulary(()),
    )
    spec = FeatureSpec("npy:shares", "0" * 64, 8, STEP, STEP, "none", "none", False, 8, "fp32", 6, view="")
    bounds = np.cumsum([0, *num_videos])
    parts = [
        GatheredFeatures(
            tuple(names[first:last]),
            np.concatenate(features[first:last]).astype(np.float16),
            np.arange(last - first + 1) * num_intervals,
            STEP,
            np.full(last - first, num_intervals * STEP),
        )
        for first, last in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True)
    ]
    split = Split(parts[0].video_ids, parts[1].video_ids, "training", "made up")
    return Task(FitData(truth, (spec,), split, parts[0], parts[1]), parts[2])


def fit_kind(task: Task, kind: str, seeds: Sequence[int]) -> Entry:
    """Fit every setting with every seed, and keep the setting and smoothing of the best mean validation score."""
    judge = make_judge(task.data.truth, task.data.validation, Silence())
    found = []
    for setting in KINDS[kind]:
        runs = [HeadOptions(kind, ("action",), seed=seed, device="cpu", **setting) for seed in seeds]
        weights = [one.weights for one in train_runs(task.data, runs, None, judge, Silence())]
        for smooth in SMOOTHINGS if kind != "pyramid" else ("none",):
            scores = [_final(predict(one, task.data, task.data.validation, smooth), task) for one in weights]
            found.append((float(np.mean(scores)), {**setting, "smooth": smooth}, weights))
    best = max(found, key=lambda one: one[0])
    predictions = [predict(one, task.data, task.testing, best[1]["smooth"]) for one in best[2]]
    return Entry(best[1], best[0], predictions)


def _final(predictions: Predictions, task: Task) -> float:
    return evaluate(predictions, select_videos(task.data.truth, task.data.validation.video_ids)).final_score


def predict(weights: HeadParameters, data: FitData, features: GatheredFeatures, smooth: str) -> Predictions:
    """Return what heads find: runs of what they score highest, or the segments that they say themselves."""
    said = run_heads(weights, features, data.truth.vocabulary, data.truth.scene_vocabulary)
    return localize(said, LocalizationOptions(smooth=smooth)) if isinstance(said, IntervalScores) else said


def score_grid(task: Task) -> list[float]:
    """Return mAP of runs of the right names of all intervals: the ceiling of the grid."""
    features, truth = task.testing, task.truth
    targets = interval_targets(truth, features.video_ids, features.row_offset, features.step_seconds, 0.5)
    scores = np.eye(len(truth.vocabulary) + 1, dtype=np.float32)[targets]
    grid = (features.row_offset, scores, features.step_seconds, features.duration_seconds)
    found = evaluate(localize(IntervalScores(features.video_ids, truth.vocabulary, *grid)), truth)
    return [float(value) for value in found.map]


def compare(one: Entry, other: Entry, truth: Annotations) -> list[dict[str, Any]]:
    """Return the difference of mAP at each threshold, mean over seeds, and its interval over resampled videos."""
    population = Population.of(truth)
    found = []
    for threshold in THRESHOLDS:
        sides = []
        for entry in (one, other):
            samples, measured = [], []
            for predictions in entry.predictions:
                matching = match_predictions(predictions, truth, PAPER, [threshold])
                drawn = draw_videos(population, population.num_units, RESAMPLES, np.random.default_rng(0))
                resampled = resample_scores(matching, population, keep_judgeable(drawn, matching, population))
                samples.append(resampled.final_score)
                measured.append(resampled.measured_score)
            sides.append((np.mean(samples, axis=0), float(np.mean(measured))))
        interval = percentile_interval(sides[0][0] - sides[1][0]).tolist()
        found.append({"tiou": threshold, "difference": sides[0][1] - sides[1][1], "interval": interval})
    return found


def study(task: Task, seeds: Sequence[int]) -> dict[str, Any]:
    """Return what every kind reaches on the testing videos, and how the pyramid compares with each."""
    entries: dict[str, Entry] = {}
    kinds: dict[str, Any] = {}
    for kind in KINDS:
        began = time.process_time()
        entries[kind] = entry = fit_kind(task, kind, seeds)
        maps = [evaluate(one, task.truth).map.tolist() for one in entry.predictions]
        kinds[kind] = {
            "chosen": entry.chosen,
            "validation": entry.validation,
            "map": np.mean(maps, axis=0).tolist(),
            "map_of_seed": maps,
            "cpu_seconds": time.process_time() - began,
        }
        sys.stderr.write(f"{kind}: {kinds[kind]}\n")
    against = {kind: compare(entries["pyramid"], entries[kind], task.truth) for kind in KINDS if kind != "pyramid"}
    lengths = task.truth.segments.end - task.truth.segments.start
    return {
        "num_videos": [len(part.video_ids) for part in (task.data.training, task.data.validation, task.testing)],
        "step_seconds": task.testing.step_seconds,
        "num_segments": len(task.truth.segments),
        "seconds_of_segments": np.quantile(lengths, [0.1, 0.5, 0.9]).tolist(),
        "grid": score_grid(task),
        "kinds": kinds,
        "pyramid_minus": against,
    }


def main() -> int:
    """Make the study and write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--features", action="append", default=[], help="NAME=annotations.json,features.h5")
    parser.add_argument("--num-seeds", type=int, default=3)
    parser.add_argument("--only", help="one of the names; what else the result holds stays")
    parser.add_argument("--out", type=Path, default=RESULTS / "study_pyramid.json")
    words = parser.parse_args()
    named = dict(word.split("=", 1) for word in words.features)
    done = json.loads(words.out.read_text())["sets"] if words.only and words.out.exists() else {}
    for name in ("shares", *named):
        if words.only in (None, name):
            task = make_shares() if name == "shares" else read_task(*map(Path, named[name].split(",")))
            done[name] = study(task, range(words.num_seeds))
            settings = {kind: KINDS[kind] for kind in KINDS}
            found = {"sets": done, "num_seeds": words.num_seeds, "settings": settings, "resamples": RESAMPLES}
            words.out.write_text(json.dumps({**found, "machine": describe_machine()}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
