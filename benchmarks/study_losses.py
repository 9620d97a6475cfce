"""Which loss and which targets pay, what simultaneous actions need, and what a temperature does to confidence.

    python benchmarks/study_losses.py --task NAME=STORE,ANNOTATIONS [--task ...] [--sound-events FOLDER] [--seeds 3]

A task is a feature store of rendered videos with their annotations, as ``tsmfeat demo`` leaves them; `--sound-events`
holds truth.csv and predictions.csv.gz. Every setting and learning rate is chosen on validation videos, by the mean over
seeds, and reported on testing videos. Writes ``results/study_losses.json``.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from loss_tasks import Task, are_simultaneous, read_demo, read_sounds, share_found
from machine import describe_machine
from reporting import RESULTS

from tsmfeat.heads.loss_options import target_kind
from tsmfeat.heads.model import HeadParameters
from tsmfeat.heads.options import HeadOptions
from tsmfeat.heads.prediction import score_actions
from tsmfeat.heads.temperature import apply_activation, log_loss
from tsmfeat.heads.training import train_heads
from tsmfeat.localization.localizing import localize
from tsmfeat.localization.options import LocalizationOptions
from tsmfeat.metrics.average_precision import evaluate
from tsmfeat.metrics.intervals import percentile_interval
from tsmfeat.metrics.matching import match_predictions
from tsmfeat.metrics.protocols import PAPER
from tsmfeat.metrics.resampling import Counts, Population, draw_videos, keep_judgeable, resample_scores
from tsmfeat.values.annotations import Annotations
from tsmfeat.values.predictions import Predictions
from tsmfeat.values.progress import Silence
from tsmfeat.workflows.calibrating import answer_targets, calibrate_heads, calibration_error
from tsmfeat.workflows.fit_data import make_judge, make_training_rows
from tsmfeat.workflows.inference import GatheredFeatures, score_intervals
from tsmfeat.workflows.splits import select_videos

PAPERS = "paper: cross-entropy"
# Name -> settings among which the validation videos choose.
VARIANTS: dict[str, list[dict[str, Any]]] = {
    PAPERS: [{}],
    "class-balanced": [{"loss": f"class-balanced:{beta}"} for beta in (0.9, 0.99, 0.999)],
    "balanced weights": [{"background_weight": "balanced"}],
    "focal": [{"loss": f"focal:{gamma}"} for gamma in (1, 2)],
    "label smoothing": [{"label_smoothing": share} for share in (0.05, 0.1, 0.2)],
    "overlap targets": [{"targets": "overlap"}],
    "background ratio": [{"background_ratio": ratio} for ratio in (0.1, 0.3, 1)],
    "sigmoid": [{"loss": "sigmoid"}],
    "sigmoid, overlap targets": [{"loss": "sigmoid", "targets": "overlap"}],
}
LOCALIZED = (PAPERS, "overlap targets", "sigmoid", "sigmoid, overlap targets")
RATES = (0.01, 0.03, 0.1)
THRESHOLDS = (0.02, 0.03, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
ARGMAX = LocalizationOptions()
NUM_RESAMPLES = 2000
Samples = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Chosen:
    """The heads of one variant, a seed each, with the setting that the validation videos chose."""

    options: HeadOptions
    setting: dict[str, Any]
    validation_score: float
    heads: tuple[HeadParameters, ...]


def choose(task: Task, settings: Sequence[dict[str, Any]], seeds: int) -> Chosen:
    """Fit every setting, rate and seed; return those of the best mean on the validation videos."""
    base = HeadOptions(tasks=("action",), epochs=task.epochs, batch_size=task.batch_size, dropout=0.0, device="cpu")
    pairs = [(setting, lr) for setting, lr in product(settings, RATES)]
    runs = [replace(base, lr=lr, seed=seed, **setting) for setting, lr in pairs for seed in range(seeds)]
    kinds = {target_kind(run.loss, run.targets) for run in runs}
    rows = make_training_rows(task.truth, task.training, base.min_overlap, None, kinds)
    judge = make_judge(task.truth, task.validation, Silence())
    if judge is None:
        raise SystemExit("the validation videos hold no segment")
    # To the last epoch of all: no epoch is chosen, so that every loss is chosen for by as much.
    heads = [one.weights for one in train_heads(rows, runs, task.num_frames)]
    finals = np.array([judge(one).evaluation.final_score for one in heads])
    scores = finals.reshape(len(pairs), seeds).mean(axis=1)
    best = int(scores.argmax())
    setting, lr = pairs[best]
    chosen = tuple(heads[best * seeds : (best + 1) * seeds])
    return Chosen(runs[best * seeds], {**setting, "lr": lr}, float(scores[best]), chosen)


def predict(
    heads: HeadParameters, features: GatheredFeatures, truth: Annotations, how: LocalizationOptions
) -> Predictions:
    """Return the segments of some videos."""
    return localize(score_intervals(heads, features, truth.vocabulary, truth.scene_vocabulary), how)


class Judge:
    """Scores on the testing videos, and on the same resamples of them."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.truth = select_videos(task.truth, task.testing.video_ids)
        self.population = Population.of(self.truth)
        counts = draw_videos(self.population, self.population.num_units, NUM_RESAMPLES, np.random.default_rng(0))
        nothing = predict_nothing(self.truth)
        self.counts: Counts = keep_judgeable(counts, match_predictions(nothing, self.truth, PAPER), self.population)
        trained = select_videos(task.truth, task.training.video_ids).segments.label
        frequency = np.bincount(trained, minlength=len(self.truth.vocabulary))
        self.is_rare = frequency <= np.median(frequency)
        self.simultaneous = self.truth.segments.take(are_simultaneous(self.truth.segments))

    def judge(self, found: Sequence[Predictions], against: dict[str, Samples]) -> tuple[dict[str, Any], Samples]:
        """Return the means over seeds, and the final score of every resample, averaged over the seeds.

        `against` names other such scores: the interval of the difference to each is told.
        """
        evaluations = [evaluate(one, self.truth) for one in found]
        matchings = [match_predictions(one, self.truth, PAPER) for one in found]
        samples: Samples = np.mean(
            [resample_scores(one, self.population, self.counts).final_score for one in matchings], axis=0
        )
        finals = np.array([one.final_score for one in evaluations])
        result = {
            "final": finals.mean(),
            "deviation": finals.std(ddof=1) if len(finals) > 1 else None,
            "seeds": finals.tolist(),
            "map": np.mean([one.map for one in evaluations], axis=0).tolist(),
            "rare": np.mean([one.ap[self._rows(one.classes)].mean() for one in evaluations]),
        }
        if len(self.simultaneous):
            result["simultaneous"] = np.mean([share_found(one.segments, self.simultaneous) for one in found])
        for name, other in against.items():
            result[name] = percentile_interval(samples - other).tolist()
        return result, samples

    def _rows(self, classes: Sequence[str]) -> npt.NDArray[np.bool_]:
        rare = {name for name, is_rare in zip(self.truth.vocabulary.names, self.is_rare, strict=True) if is_rare}
        return np.array([name in rare for name in classes])


def predict_nothing(truth: Annotations) -> Predictions:
    """Return predictions without any segment."""
    return Predictions(truth.video_ids, truth.vocabulary, truth.segments.take(np.zeros(len(truth.segments), np.bool_)))


def measure_confidence(task: Task, chosen: Chosen) -> dict[str, Any]:
    """Return calibration error and log-loss on the testing videos, without and with a temperature; means over seeds."""
    rows = []
    for heads in chosen.heads:
        found = calibrate_heads(task.truth, [(heads, task.validation)], chosen.options.min_overlap)
        targets = answer_targets(task.truth, task.testing, heads.activation, chosen.options.min_overlap)
        scores = score_actions(heads, task.testing.embeddings, task.testing.row_offset).astype(np.float64)
        pair = scores, scores / found.temperature
        errors = [calibration_error(apply_activation(one, heads.activation), targets, heads.activation) for one in pair]
        losses = [log_loss(one, targets, heads.activation) for one in pair]
        rows.append([found.temperature, *errors, *losses])
    mean = np.mean(rows, axis=0).tolist()
    return {"temperature": mean[0], "calibration_error": mean[1:3], "log_loss": mean[3:]}


def choose_threshold(task: Task, chosen: Chosen) -> float:
    """Return the threshold that serves the validation videos best, by the mean over seeds."""
    truth = select_videos(task.truth, task.validation.video_ids)
    scores = []
    for threshold in THRESHOLDS:
        how = LocalizationOptions("threshold", threshold)
        found = [predict(heads, task.validation, task.truth, how) for heads in chosen.heads]
        scores.append(np.mean([evaluate(one, truth).final_score for one in found]))
    return THRESHOLDS[int(np.argmax(scores))]


def study(task: Task, seeds: int) -> dict[str, Any]:
    """Return what every variant reaches on the testing videos, against the paper's."""
    judge = Judge(task)
    against: dict[str, Samples] = {}
    variants: dict[str, Any] = {}
    localized: dict[str, Any] = {}
    for name, settings in VARIANTS.items():
        began = time.process_time()
        chosen = choose(task, settings, seeds)
        found = [predict(heads, task.testing, task.truth, ARGMAX) for heads in chosen.heads]
        result, samples = judge.judge(found, {name: against[name] for name in ("against_paper",) if name in against})
        against.setdefault("against_paper", samples)
        variants[name] = {"setting": chosen.setting, "validation": chosen.validation_score, **result}
        variants[name] |= {"confidence": measure_confidence(task, chosen)}
        if name in LOCALIZED:
            threshold = choose_threshold(task, chosen)
            how = LocalizationOptions("threshold", threshold)
            found = [predict(heads, task.testing, task.truth, how) for heads in chosen.heads]
            result, samples = judge.judge(found, against)
            against.setdefault("against_softmax", samples)
            localized[name] = {"threshold": threshold, **result}
        variants[name] |= {"cpu_seconds": time.process_time() - began}
        sys.stderr.write(f"{name}: {json.dumps(variants[name])}\n{json.dumps(localized.get(name))}\n")
    segments = judge.truth.segments
    return {
        "num_videos": [len(one.video_ids) for one in (task.training, task.validation, task.testing)],
        "num_training_intervals": len(task.training.embeddings),
        "num_actions": len(task.truth.vocabulary),
        "num_test_segments": len(segments),
        "simultaneous_share": len(judge.simultaneous) / len(segments),
        "num_seeds": seeds,
        "variants": variants,
        "threshold": localized,
    }


def main() -> int:
    """Make the studies and write them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", action="append", default=[], metavar="NAME=STORE,ANNOTATIONS")
    parser.add_argument("--sound-events", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--out", type=Path, default=RESULTS / "study_losses.json")
    words = parser.parse_args()
    # What is there already of other tasks stays: they can be studied one by one.
    tasks: dict[str, Any] = json.loads(words.out.read_text())["tasks"] if words.out.exists() else {}
    for named in words.task:
        name, _, paths = named.partition("=")
        store, _, annotations = paths.partition(",")
        tasks[name] = study(read_demo(Path(store), Path(annotations), words.epochs), words.seeds)
    if words.sound_events:
        tasks["sound events"] = study(read_sounds(words.sound_events), words.seeds)
    words.out.write_text(json.dumps({"machine": describe_machine(), "tasks": tasks}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
