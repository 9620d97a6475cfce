"""Do scenes help actions on frozen features? Every way, its controls, and intervals over videos and seeds.

    python benchmarks/study_scenes.py
    tsmfeat demo --size benchmark -o A
    tsmfeat demo --size benchmark --num-videos 80 --scene-information 0 -o B
    tsmfeat demo --size benchmark --num-videos 80 --scene-information 2 -o C
    python benchmarks/study_scenes.py --rendered A B C

The first makes embeddings with I(action; scene) dialled exactly, and studies them; the last studies the rendered videos
of one folder or several. Every score is out of fold: heads are fitted on the other folds' videos. The settings of each
kind of head are chosen on pilot videos that are not scored, without scenes. Either writes its part of
``results/study_scenes.json`` and leaves the other as it is.
"""

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from machine import current_date, describe_machine, list_versions
from rendered_scenes import read_rendered
from reporting import RESULTS
from scene_embeddings import Videos, make_videos
from scene_methods import Fold, Method, fit_methods, list_methods, same_actions_whatever_scenes

from tsmfeat.heads.options import HeadOptions
from tsmfeat.localization.localizing import localize
from tsmfeat.metrics.intervals import percentile_interval
from tsmfeat.metrics.matching import match_predictions
from tsmfeat.metrics.protocols import PAPER
from tsmfeat.metrics.resampling import Population, draw_videos, keep_judgeable, resample_scores
from tsmfeat.priors.counts import count_actions
from tsmfeat.priors.information import scene_information
from tsmfeat.priors.options import AUTO, SCENES, PriorOptions
from tsmfeat.priors.tilting import tilt_intervals
from tsmfeat.values.predictions import IntervalScores, Predictions
from tsmfeat.workflows.gamma_choice import choose_gamma
from tsmfeat.workflows.grading import Judge

Floats = npt.NDArray[np.float64]

BITS = (0.0, 0.5, 1.0, 2.0)
BUDGETS = (0.1, 0.25, 0.5)
BUDGET_BITS = 1.0
NUM_VIDEOS, SEEDS, FOLDS, RESAMPLES = 120, 5, 5, 1000
PRIOR = PriorOptions(SCENES, AUTO)
JUDGE = Judge("paper")
# What is taken from what: the gain of the first over the second.
DIFFERENCES = (
    ("mlp, scene weight 0.3", "mlp"),
    ("mlp, scene weight 1", "mlp"),
    ("mlp, scene weight 1, permuted scenes", "mlp"),
    ("linear, scene prior", "linear"),
    ("linear, scene prior, permuted scenes", "linear"),
    ("linear, prior of the true scene", "linear"),
    ("linear, true scene as input", "linear"),
    ("conditioned", "linear"),
    ("conditioned, scene prior", "conditioned"),
    ("mlp", "linear"),
)
# What all kinds have in common: one set of hidden units, and where they are fitted.
COMMON: dict[str, Any] = {"batch_size": 512, "dropout_unit": "embedding", "hidden_size": 64, "device": "cpu"}
GRIDS: dict[str, dict[str, tuple[Any, ...]]] = {
    "linear": {"lr": (0.01, 0.03, 0.1, 0.3), "dropout": (0.0, 0.1)},
    "mlp": {"lr": (0.03, 0.1, 0.3, 1.0), "dropout": (0.0, 0.3)},
    # Products grow with the square of the rate: 0.1 diverges on larger sets.
    "conditioned": {"lr": (0.003, 0.01, 0.03), "dropout": (0.0, 0.1), "rank": (4, 8, 32)},
}


@dataclass(frozen=True)
class Extent:
    """How much is run: epochs of a fit, seeds, folds, resamples."""

    epochs: int = 20
    seeds: int = SEEDS
    folds: int = FOLDS
    resamples: int = RESAMPLES


def study(videos: Videos, settings: Mapping[str, HeadOptions], extent: Extent, share: float = 1.0) -> dict[str, Any]:
    """Return what every method reaches on held-out videos, and what it gains.

    Parameters
    ----------
    videos
        What is fitted and scored on.
    settings
        Options of each kind.
    extent
        Seeds, folds and resamples.
    share
        Of each fold's training videos, how many are used.
    """
    methods = list_methods(settings)
    found: dict[str, list[Predictions]] = {}
    gammas: dict[str, list[float]] = {}
    equal = True
    for seed in range(extent.seeds):
        folds = draw_folds(videos, extent.folds, seed, share)
        if seed == 0:
            equal = same_actions_whatever_scenes(videos, folds[0], settings["linear"])
        for name, (scores, ratios) in predict_out_of_fold(videos, methods, folds, seed).items():
            predictions, gamma = _localize(videos, scores, ratios)
            found.setdefault(name, []).append(predictions)
            gammas.setdefault(name, []).extend(gamma)
    return {
        **_describe(videos),
        "share": share,
        "num_training_videos": len(folds[0].training),
        "linear_equal_for_every_scene_weight": equal,
        "methods": _judge(videos, found, gammas, extent),
    }


def draw_folds(videos: Videos, count: int, seed: int, share: float) -> list[Fold]:
    """Split the videos at random; of those that are not held out, a share is fitted on."""
    order = np.random.default_rng((seed, 17)).permutation(len(videos.truth.video_ids))
    folds = []
    for fold in range(count):
        others = np.delete(order, slice(fold, None, count))
        folds.append(Fold(others[: round(share * len(others))], order[fold::count]))
    return folds


def predict_out_of_fold(
    videos: Videos, methods: Sequence[Method], folds: Sequence[Fold], seed: int
) -> dict[str, tuple[IntervalScores, Floats | None]]:
    """Return interval scores of all videos, each by heads that were fitted without it, and the ratios of a prior."""
    merged: dict[str, tuple[IntervalScores, Floats | None]] = {}
    for fold in folds:
        for name, (rows, ratios) in fit_methods(videos, methods, fold, seed).items():
            whole, prior = merged.setdefault(name, _no_scores(videos, ratios is not None))
            held_out = np.concatenate(
                [np.arange(videos.row_offset[v], videos.row_offset[v + 1]) for v in np.sort(fold.held_out)]
            )
            whole.scores[held_out] = rows
            if prior is not None and ratios is not None:
                prior[np.sort(fold.held_out)] = ratios
    return merged


def _no_scores(videos: Videos, has_prior: bool) -> tuple[IntervalScores, Floats | None]:
    truth, count = videos.truth, len(videos.truth.vocabulary)
    rows = np.full((int(videos.row_offset[-1]), count + 1), np.nan)
    scores = IntervalScores(
        truth.video_ids, truth.vocabulary, videos.row_offset, rows, videos.step_seconds, truth.duration_seconds
    )
    return scores, np.ones((len(truth.video_ids), count)) if has_prior else None


def _localize(videos: Videos, scores: IntervalScores, ratios: Floats | None) -> tuple[Predictions, tuple[float, ...]]:
    if ratios is None:
        return localize(scores), ()
    choice, predictions = choose_gamma(
        lambda gamma: localize(tilt_intervals(scores, ratios, gamma)),
        videos.truth,
        PRIOR.gammas,
        PRIOR.num_folds,
        JUDGE.final_score,
    )
    return predictions, choice.gamma_of_fold


def _describe(videos: Videos) -> dict[str, Any]:
    told = scene_information(count_actions(videos.truth))
    return {
        "num_videos": len(videos.truth.video_ids),
        "num_intervals": len(videos.embeddings),
        "num_instances": len(videos.truth.segments),
        "embedding_size": videos.embeddings.shape[1],
        "information": None if told is None else told.to_dict(),
    }


def _judge(
    videos: Videos, found: Mapping[str, Sequence[Predictions]], gammas: Mapping[str, Sequence[float]], extent: Extent
) -> dict[str, Any]:
    """Return the final score of each method over seeds, and its gain over another with the interval over videos."""
    population = Population.of(videos.truth)
    counts = draw_videos(population, population.num_units, extent.resamples, np.random.default_rng(0))
    samples, measured, maps = {}, {}, {}
    for name, listed in found.items():
        matchings = [match_predictions(one, videos.truth, PAPER) for one in listed]
        judgeable = keep_judgeable(counts, matchings[0], population)
        scored = [resample_scores(matching, population, judgeable) for matching in matchings]
        measured[name] = np.array([one.measured_score for one in scored])
        maps[name] = np.mean([one.measured.mean(axis=0) for one in scored], axis=0)
        # One resample of the videos is drawn for all seeds and methods: what is left is the videos' chance.
        samples[name] = np.mean([one.final_score for one in scored], axis=0)
    rows: dict[str, Any] = {}
    for name, values in measured.items():
        rows[name] = {"final": _mean_and_deviation(values), "map": maps[name].tolist()}
        if gammas[name]:
            rows[name]["gammas"] = {f"{value:g}": gammas[name].count(value) for value in sorted(set(gammas[name]))}
    for name, other in DIFFERENCES:
        low, high = percentile_interval(samples[name] - samples[other]).tolist()
        gain = _mean_and_deviation(measured[name] - measured[other])
        rows[name].setdefault("gains", {})[other] = {**gain, "interval": [low, high]}
    return rows


def _mean_and_deviation(values: Floats) -> dict[str, float]:
    return {"mean": float(values.mean()), "deviation": float(values.std(ddof=1)) if len(values) > 1 else 0.0}


def choose_settings(pilot: Videos, extent: Extent) -> dict[str, HeadOptions]:
    """Return the options of each kind that score best on a pilot set, out of fold, without scenes in the loss."""
    chosen = {}
    for kind, grid in GRIDS.items():
        plain = HeadOptions(kind, ("action",), extent.epochs, **COMMON)
        tried = [replace(plain, **dict(zip(grid, values, strict=True))) for values in product(*grid.values())]
        methods = [Method(str(place), options) for place, options in enumerate(tried)]
        folds = draw_folds(pilot, extent.folds, 99, 1.0)
        scored = predict_out_of_fold(pilot, methods, folds, 99)
        values = [JUDGE.final_score(localize(scored[str(place)][0]), pilot.truth) for place in range(len(tried))]
        chosen[kind] = tried[int(np.argmax(values))]
    return chosen


def show(name: str, found: Mapping[str, Any]) -> None:
    """Print a table."""
    sys.stdout.write(f"\n{name}: {found['num_videos']} videos, {found['num_training_videos']} fitted on\n")
    for method, row in found["methods"].items():
        words = [_describe_gain(other, gain) for other, gain in row.get("gains", {}).items()]
        words += [f"gamma {row['gammas']}"] if "gammas" in row else []
        final = row["final"]
        numbers = f"{100 * final['mean']:6.1f} ± {100 * final['deviation']:.1f}"
        sys.stdout.write(f"{method:<40}{numbers}  {'  '.join(words)}\n")
    sys.stdout.flush()


def _describe_gain(other: str, gain: Mapping[str, Any]) -> str:
    low, high = gain["interval"]
    return f"{100 * gain['mean']:+6.1f} over {other} [{100 * low:.1f}, {100 * high:.1f}]"


def study_embeddings(extent: Extent, num_videos: int) -> dict[str, Any]:
    """Study embeddings at every stand of the dial, and one of them with fewer training videos."""
    settings = choose_settings(make_videos(BUDGET_BITS, num_videos, 1000), extent)
    found: dict[str, Any] = {}
    for bits in BITS:
        videos = make_videos(bits, num_videos, round(10 * bits))
        for share in (*BUDGETS, 1.0) if bits == BUDGET_BITS else (1.0,):
            name = f"{bits:g} bits, {100 * share:g} %"
            found[name] = {"bits": bits, **study(videos, settings, extent, share)}
            show(name, found[name])
    return {"settings": {kind: options.to_dict() for kind, options in settings.items()}, "studies": found}


def study_rendered(folders: Sequence[Path], extent: Extent) -> dict[str, Any]:
    """Study rendered videos; settings are chosen on the pilot videos of the first folder."""
    read = [read_rendered(folder) for folder in folders]
    settings = choose_settings(read[0][1], extent)
    found: dict[str, Any] = {}
    for bits, _, videos in read:
        name = f"{bits:g} bits"
        found[name] = {"bits": bits, **study(videos, settings, extent)}
        show(name, found[name])
    return {"settings": {kind: options.to_dict() for kind, options in settings.items()}, "studies": found}


def main() -> int:
    """Make the study, print it and write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rendered", type=Path, nargs="+", help="what tsmfeat demo --size benchmark left")
    parser.add_argument("--out", type=Path, default=RESULTS / "study_scenes.json")
    words = parser.parse_args()
    torch.set_num_threads(1)
    # Rendered videos hold more intervals: fewer passes are as many steps.
    began, extent = time.process_time(), Extent(12 if words.rendered else 20)
    found = study_rendered(words.rendered, extent) if words.rendered else study_embeddings(extent, NUM_VIDEOS)
    told = {"date": current_date(), "machine": describe_machine(), "versions": list_versions()}
    part = {**told, "cpu_seconds": time.process_time() - began, "extent": vars(extent), **found}
    known = json.loads(words.out.read_text()) if words.out.exists() else {}
    words.out.write_text(json.dumps({**known, "rendered" if words.rendered else "embeddings": part}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
