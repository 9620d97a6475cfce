"""Heads with context against a mean filter on stored features of annotated videos.

    python benchmarks/study_context.py --features STORE --annotations FILE --name NAME

Fits linear heads and heads of kind tcn on the training videos with every seed, to be used as they are, or before a mean
filter. Rate, dropout, epoch and the filter's window are chosen together by the final score on the validation videos;
the testing videos are scored once.
Writes ``results/study_context.json``, or adds to it under NAME.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import count, product
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from machine import describe_machine
from reporting import RESULTS

from tsmfeat.formats.reading import read_annotations
from tsmfeat.heads.model import HeadParameters
from tsmfeat.heads.options import HeadOptions
from tsmfeat.heads.training import train_head
from tsmfeat.localization.localizing import localize
from tsmfeat.localization.options import LocalizationOptions
from tsmfeat.metrics.average_precision import evaluate
from tsmfeat.metrics.intervals import percentile_interval
from tsmfeat.metrics.matching import match_predictions
from tsmfeat.metrics.protocols import protocol_named
from tsmfeat.metrics.resampling import Population, draw_videos, resample_scores
from tsmfeat.store.reader import open_features
from tsmfeat.values.annotations import Annotations
from tsmfeat.values.predictions import IntervalScores, Predictions
from tsmfeat.workflows.fit_data import make_training_rows
from tsmfeat.workflows.inference import GatheredFeatures, gather_features, score_intervals
from tsmfeat.workflows.splits import select_videos

WIDTHS = (1, 3, 5, 7, 9, 11, 15, 21)
NUM_RESAMPLES = 2000
PROTOCOL = protocol_named("paper")
ACTION = HeadOptions(tasks=("action",), epochs=20)
RUNS = {
    "linear": [replace(ACTION, lr=lr, dropout=dropout) for lr in (0.01, 0.1) for dropout in (0.0, 0.5)],
    "tcn": [replace(ACTION, head="tcn", hidden_size=64, lr=0.002, dropout=dropout) for dropout in (0.3, 0.6)],
}
FILTERED = ", mean filter"
PAIRS = (
    ("tcn", "linear"),
    ("tcn", "linear, mean filter"),
    ("tcn, mean filter", "linear, mean filter"),
    ("tcn, mean filter", "tcn"),
)


@dataclass(frozen=True, eq=False)
class Part:
    """Some videos: their features and their truth."""

    features: GatheredFeatures
    truth: Annotations

    def scores_of(self, weights: HeadParameters) -> IntervalScores:
        """Return what heads say of every interval."""
        return score_intervals(weights, self.features, self.truth.vocabulary, self.truth.scene_vocabulary)

    def judge(self, found: Predictions) -> float:
        """Return the final score."""
        return float(evaluate(found, self.truth).final_score)


def filtered(scores: IntervalScores, width: int) -> Predictions:
    """Return segments after a mean over `width` intervals."""
    return localize(scores, LocalizationOptions(smooth=f"mean:{width}") if width > 1 else LocalizationOptions())


@dataclass(frozen=True, eq=False)
class Choice:
    """Heads, and the window of the filter after them."""

    score: float
    weights: HeadParameters
    width: int
    described: str


def fit_seed(kind: str, seed: int, parts: Sequence[Part], num_frames: int) -> dict[str, Choice]:
    """Return what is best on the validation videos among all rates, dropouts and epochs: as it is, and filtered."""
    training, validation = parts[:2]
    rows = make_training_rows(training.truth, training.features, ACTION.min_overlap)
    best: dict[str, Choice] = {}
    for one in RUNS[kind]:
        epochs = count(1)

        def judge(weights: HeadParameters, one: HeadOptions = one, epochs: "count[int]" = epochs) -> float:
            found = validation.scores_of(weights)
            scores = [validation.judge(filtered(found, width)) for width in WIDTHS]
            described = f"lr {one.lr:g}, dropout {one.dropout:g}, epoch {next(epochs)}"
            for name, place in ((kind, 0), (kind + FILTERED, int(np.argmax(scores)))):
                if name not in best or scores[place] > best[name].score:
                    best[name] = Choice(scores[place], weights, WIDTHS[place], f"{described}, mean:{WIDTHS[place]}")
            return scores[0]

        train_head(rows, replace(one, seed=seed), num_frames, judge)
    return best


def study(parts: Sequence[Part], num_frames: int, seeds: Sequence[int]) -> dict[str, Any]:
    """Return every row's final score on the testing videos by seed, and the pairs' differences."""
    testing = parts[2]
    rows: dict[str, dict[str, Any]] = {}
    found: dict[str, list[Predictions]] = {}
    for kind, seed in product(RUNS, seeds):
        for name, choice in fit_seed(kind, seed, parts, num_frames).items():
            predictions = filtered(testing.scores_of(choice.weights), choice.width)
            found.setdefault(name, []).append(predictions)
            evaluation = evaluate(predictions, testing.truth)
            row = rows.setdefault(name, {"final": [], "map": [], "validation": [], "chosen": []})
            row["final"].append(evaluation.final_score)
            row["map"].append(evaluation.map.tolist())
            row["validation"].append(choice.score)
            row["chosen"].append(choice.described)
            sys.stdout.write(f"{name:<24}seed {seed}  {evaluation.final_score:.4f}  {choice.described}\n")
            sys.stdout.flush()
    return {"rows": rows, "comparisons": compare_all(found, testing.truth)}


def compare_all(found: dict[str, list[Predictions]], truth: Annotations) -> list[dict[str, Any]]:
    """Return the differences of final scores, seeds averaged, and their intervals over the same resampled videos."""
    population = Population.of(truth)
    counts = draw_videos(population, population.num_units, NUM_RESAMPLES, np.random.default_rng(0))
    resample = resampler(population, counts, truth)
    samples = {name: [resample(one) for one in predictions] for name, predictions in found.items()}
    compared = []
    for one, other in PAIRS:
        measured = np.mean([a[0] - b[0] for a, b in zip(samples[one], samples[other], strict=True)])
        drawn = np.mean([a[1] - b[1] for a, b in zip(samples[one], samples[other], strict=True)], axis=0)
        interval = percentile_interval(drawn).tolist()
        compared.append({"one": one, "other": other, "final": float(measured), "interval": interval})
        sys.stdout.write(f"{one} against {other}: {measured:+.4f} [{interval[0]:+.4f}, {interval[1]:+.4f}]\n")
    return compared


def resampler(
    population: Population, counts: npt.NDArray[np.uint16], truth: Annotations
) -> Callable[[Predictions], tuple[float, npt.NDArray[np.float64]]]:
    """Return what gives the final score of predictions, and that on every resample."""

    def resample(predictions: Predictions) -> tuple[float, npt.NDArray[np.float64]]:
        samples = resample_scores(match_predictions(predictions, truth, PROTOCOL, None), population, counts, PROTOCOL)
        return samples.measured_score, samples.final_score

    return resample


def read_parts(features: Path, annotations: Path) -> tuple[list[Part], int, float]:
    """Return training, validation and testing videos, the frames of a clip, and the step."""
    truth = read_annotations(annotations)
    with open_features(features) as store:
        stored = set(store.video_ids)
        parts = []
        for subset in ("training", "validation", "testing"):
            pairs = zip(truth.video_ids, truth.subset, strict=True)
            ids = [video for video, own in pairs if own == subset and video in stored]
            parts.append(Part(gather_features(store, ids), select_videos(truth, ids)))
        return parts, store.spec.num_frames, store.spec.step_seconds


def main() -> int:
    """Make the study, print it and write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--features", type=Path, required=True)
    parser.add_argument("--annotations", type=Path, required=True)
    parser.add_argument("--name", required=True)
    parser.add_argument("--num-seeds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=RESULTS / "study_context.json")
    words = parser.parse_args()
    began = time.process_time()
    parts, num_frames, step = read_parts(words.features, words.annotations)
    found = study(parts, num_frames, range(words.num_seeds))
    sizes = {"num_videos": [len(part.features.video_ids) for part in parts], "step_seconds": step}
    sizes |= {"num_intervals": [len(part.features.embeddings) for part in parts]}
    result = json.loads(words.out.read_text()) if words.out.exists() else {}
    seconds = {"cpu_seconds": time.process_time() - began, "machine": describe_machine()}
    words.out.write_text(json.dumps(result | {words.name: sizes | found | seconds}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
