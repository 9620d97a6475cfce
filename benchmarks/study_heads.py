"""Heads with context on frame scores of published models, against a mean filter, on held-out splits.

    python benchmarks/study_heads.py --segmentation FOLDER

FOLDER holds frame scores of published models as ``<set>.<model>.npz``. Every setting is chosen on other splits than
the one it is judged on. Writes ``results/study_heads.json``; sets that are not studied anew stay in it.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from heads_material import MEASURES, Floats, Material, join_streams, material_of, resample
from heads_methods import (
    DECAYS,
    DROPOUTS,
    GOAL,
    LINEAR,
    TCN,
    Fold,
    Plan,
    Table,
    all_widths,
    as_it_is,
    average_seeds,
    chosen_paths,
    chosen_width,
    fold_heads,
    fold_scores,
    judge_all,
    mean_filter,
    summarize,
)
from localization_streams import Stream, read_segmentation
from machine import describe_machine
from reporting import RESULTS

from tsmfeat.heads.options import HeadOptions
from tsmfeat.metrics.intervals import percentile_interval

SETS = {"50salads_mid": ("SVM", "tCNN", "DilatedTCN", "ED-TCN"), "gtea": ("SVM", "DilatedTCN", "ED-TCN")}
SEEDS = (0, 1)
NUM_RESAMPLES = 10_000

LINEAR_RUNS = tuple(replace(LINEAR, weight_decay=decay) for decay in DECAYS)
TCN_RUNS = tuple(replace(TCN, dropout=dropout) for dropout in DROPOUTS)


class Study:
    """The rows of one set's table, with what each video got: pairs are compared video by video."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.rows: dict[str, Any] = {}
        self.tables: dict[str, Table] = {}

    def add(self, name: str, found: Material, table: Table, chosen: Sequence[str] = ()) -> None:
        """Note a row, and print it."""
        self.rows[name] = summarize(found, table) | ({"chosen": list(chosen)} if chosen else {})
        self.tables[name] = table
        listed = "".join(f"{self.rows[name][measure]:7.1f}" for measure in MEASURES)
        sys.stdout.write(f"{self.title:<14}{name:<44}{listed}  {' '.join(chosen)}\n")
        sys.stdout.flush()

    def add_smoothed(
        self, name: str, found: Material, folds: Sequence[Fold], options: Sequence[HeadOptions] = ()
    ) -> None:
        """Note a row as it is, after the chosen mean filter, and after the chosen paths."""
        chosen = [describe(one) for one in options]
        self.add(name, found, judge_all(found, folds, as_it_is(mean_filter(1))), chosen)
        self.add(f"{name}, mean filter", found, *chosen_width(found, folds))
        self.add(f"{name}, paths", found, *chosen_paths(found, folds))

    def compare(self, one: str, other: str) -> dict[str, Any]:
        """Return the difference of two rows' F1@50, seeds averaged, and its interval over resampled videos."""
        difference = 100 * (self.tables[one].mean(axis=0) - self.tables[other].mean(axis=0))[:, GOAL]
        drawn = np.random.default_rng(0).integers(0, len(difference), (NUM_RESAMPLES, len(difference)))
        interval = percentile_interval(difference[drawn].mean(axis=1))
        return {"one": one, "other": other, "f1@50": float(difference.mean()), "interval": interval.tolist()}


def study_set(title: str, streams: Sequence[Stream], num_workers: int) -> dict[str, Any]:
    """Return the table of one set: one model's scores, then those of all of them side by side."""
    study = Study(title)
    for stream in streams:
        found = material_of(stream)
        study.add_smoothed(f"{stream.name} as published", found, fold_scores(found, found.features))
    svm = material_of(streams[0])
    widths = all_widths(svm, fold_scores(svm, svm.features))
    add_heads(study, "SVM", svm, num_workers)
    together = join_streams(streams)
    study.add_smoothed("mean of models", together, fold_scores(together, average_models(streams, together)))
    add_heads(study, "all models", together, num_workers)
    return {
        "num_videos": len(svm.fold),
        "num_rows": len(svm.labels),
        "num_folds": len(np.unique(svm.fold)),
        "widths": widths,
        "rows": study.rows,
        "comparisons": [study.compare(*pair) for pair in PAIRS],
    }


PAIRS = (
    ("SVM, tcn", "SVM as published, mean filter"),
    ("SVM, tcn, mean filter", "SVM as published, mean filter"),
    ("SVM, tcn, paths", "SVM as published, mean filter"),
    ("SVM, tcn", "SVM as published, paths"),
    ("SVM, tcn, paths", "SVM as published, paths"),
    ("SVM, tcn of 2 seeds, paths", "SVM as published, paths"),
    ("SVM, tcn", "SVM, tcn without smoothing loss"),
    ("all models, tcn", "mean of models, mean filter"),
    ("all models, tcn, paths", "mean of models, paths"),
    ("all models, tcn", "ED-TCN as published"),
    ("all models, tcn, paths", "ED-TCN as published, paths"),
    ("all models, linear, paths", "mean of models, paths"),
    ("all models, tcn", "all models, tcn without smoothing loss"),
)


def add_heads(study: Study, name: str, found: Material, num_workers: int) -> None:
    """Note a linear head, a tcn of every seed and of all seeds together, and the tcn without its smoothing loss."""
    (linear,), options = fold_heads(found, Plan(LINEAR_RUNS, SEEDS[:1]), num_workers)
    study.add_smoothed(f"{name}, linear", found, linear, options)
    (tcn, rough), options = fold_heads(found, Plan(TCN_RUNS, SEEDS, ({}, {"smoothing_loss": 0.0})), num_workers)
    study.add_smoothed(f"{name}, tcn", found, tcn, options)
    study.add_smoothed(f"{name}, tcn of {len(SEEDS)} seeds", found, average_seeds(tcn))
    study.add(f"{name}, tcn without smoothing loss", found, judge_all(found, rough, as_it_is(mean_filter(1))))


def describe(options: HeadOptions) -> str:
    """Return what differed among the candidates."""
    return f"decay:{options.weight_decay:g}" if options.head == "linear" else f"dropout:{options.dropout:g}"


def average_models(streams: Sequence[Stream], together: Material) -> Floats:
    """Return the mean of the models' probabilities on one grid; margins become probabilities by a softmax."""
    parts = []
    for stream in streams:
        scores = resample(material_of(stream), together.offset)
        if stream.has_margins:
            scores = np.exp(scores - scores.max(axis=1, keepdims=True))
            scores /= scores.sum(axis=1, keepdims=True)
        parts.append(scores)
    return np.asarray(np.mean(parts, axis=0))


def used_seconds() -> float:
    """Return the CPU time of this process and of its workers that have ended."""
    return sum(os.times()[:4])


def main() -> int:
    """Make the study, print it and write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--segmentation", type=Path, required=True)
    parser.add_argument("--num-workers", type=int, default=2, help="Folds that are fitted at once.")
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--out", type=Path, default=RESULTS / "study_heads.json")
    words = parser.parse_args()
    streams = {(stream.group, stream.name): stream for stream in read_segmentation(words.segmentation)}
    known = json.loads(words.out.read_text())["sets"] if words.out.exists() else {}
    studies = {}
    for name in words.sets.split(","):
        began = used_seconds()
        studies[name] = study_set(name, [streams[name, model] for model in SETS[name]], words.num_workers)
        studies[name] |= {"cpu_seconds": used_seconds() - began, "machine": describe_machine()}
    for title, found in studies.items():
        for pair in found["comparisons"]:
            low, high = pair["interval"]
            words_of = f"{pair['one']} against {pair['other']}"
            sys.stdout.write(f"{title:<14}{words_of:<80}{pair['f1@50']:+6.1f} [{low:+.1f}, {high:+.1f}]\n")
    options = {"linear": LINEAR.to_dict(), "tcn": TCN.to_dict(), "dropouts": DROPOUTS, "decays": DECAYS}
    result = {"options": options, "seeds": SEEDS, "sets": known | studies}
    words.out.write_text(json.dumps(result, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
