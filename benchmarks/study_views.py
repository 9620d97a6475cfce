"""What a second view is worth: one alone, both joined interval by interval, and the heads of both fused afterwards.

    python benchmarks/study_views.py PANORAMIC.h5 FRONT_VIEW.h5 --annotations annotations.json [--num-seeds 3]

Every set-up is fitted on the training videos with each learning rate, epoch and rate are chosen on the validation
videos, and all numbers are of the testing videos. Then the same heads see the testing videos without one view. Writes
``results/study_views.json``.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from machine import describe_machine
from reporting import RESULTS

from tsmfeat.formats.reading import read_annotations
from tsmfeat.fusion.fusing import fuse
from tsmfeat.fusion.options import FusionOptions
from tsmfeat.heads.model import HeadParameters
from tsmfeat.heads.options import HeadOptions
from tsmfeat.heads.training import train_heads
from tsmfeat.heads.views import JoinedViews
from tsmfeat.localization.localizing import localize
from tsmfeat.metrics.average_precision import evaluate
from tsmfeat.metrics.intervals import percentile_interval
from tsmfeat.metrics.matching import match_predictions
from tsmfeat.metrics.protocols import PAPER
from tsmfeat.metrics.resampling import Population, draw_videos, keep_judgeable, resample_scores
from tsmfeat.store.reader import FeatureStore
from tsmfeat.values.annotations import Annotations
from tsmfeat.values.predictions import IntervalScores, Predictions
from tsmfeat.values.progress import Silence
from tsmfeat.workflows.fit_data import make_training_rows
from tsmfeat.workflows.inference import GatheredFeatures, score_intervals
from tsmfeat.workflows.joining import gather_joined
from tsmfeat.workflows.splits import select_videos, split_videos
from tsmfeat.workflows.view_stores import open_by_spec

# Each kind of heads with the learning rates tried; tcn descends by AdamW.
KINDS = {
    "linear": (HeadOptions("linear", epochs=30), (0.01, 0.03, 0.1)),
    "mlp": (HeadOptions("mlp", epochs=30, hidden_size=128), (0.01, 0.03, 0.1)),
    "tcn": (HeadOptions("tcn", epochs=15, hidden_size=64), (0.0003, 0.001, 0.003)),
}
NUM_WORKERS = 2
DROPOUT = 0.3
RESAMPLES = 1000
JOINED, DROPPED = "joined", f"joined, view dropout {DROPOUT:g}"
AVERAGE = "late: mean of interval scores"
FUSIONS = {"late: fusion paper": FusionOptions(), "late: fusion wbf 0.7": FusionOptions("wbf", 0.7)}

Conditions = dict[str, dict[str, Predictions]]
"""What every set-up says of the testing videos, by what was recorded of them."""


@dataclass(frozen=True, eq=False)
class Task:
    """Annotations of all videos, and the ids of each part."""

    truth: Annotations
    training: tuple[str, ...]
    validation: tuple[str, ...]
    testing: tuple[str, ...]


def read_task(annotations: Path, stores: Sequence[FeatureStore]) -> Task:
    """Read who trains, who selects and who judges, among the videos of any view."""
    truth = read_annotations(annotations)
    stored = frozenset(video_id for store in stores for video_id in store.video_ids)
    split = split_videos(truth, stored, "", "", Silence())
    testing = tuple(name for name in truth.select_subset("testing").video_ids if name in stored)
    return Task(truth, split.training, split.validation, testing)


def fit(task: Task, stores: Sequence[FeatureStore], runs: Sequence[HeadOptions]) -> HeadParameters:
    """Fit runs; return the heads of the best validation score."""
    training, validation = (_gather(stores, names) for names in (task.training, task.validation))
    judged = select_videos(task.truth, validation.video_ids)

    def validate(weights: HeadParameters) -> float:
        return evaluate(localize(_score(weights, validation, task)), judged).final_score

    rows = make_training_rows(task.truth, training, runs[0].min_overlap)
    fitted = train_heads(rows, runs, stores[0].spec.num_frames, validate)
    best = int(np.argmax([one.record["best_validation_score"] or 0.0 for one in fitted]))
    return fitted[best].weights


def _gather(stores: Sequence[FeatureStore], names: Sequence[str]) -> GatheredFeatures:
    return gather_joined(stores, [name for name in names if any(name in store for store in stores)])


def _score(weights: HeadParameters, features: GatheredFeatures, task: Task) -> IntervalScores:
    scenes = task.truth.scene_vocabulary
    return score_intervals(weights, features, task.truth.vocabulary, scenes)


def without_view(features: GatheredFeatures, view: int) -> GatheredFeatures:
    """Return joined features as if one view had not been recorded."""
    if features.views is None:
        raise SystemExit("one view alone has none to leave out")
    present = features.views.present.copy()
    present[:, view] = False
    return replace(features, views=JoinedViews(features.views.sizes, present))


def study_seed(
    annotations: Path, paths: Sequence[Path], base: HeadOptions, rates: Sequence[float]
) -> tuple[Conditions, float]:
    """Return what every set-up says of the testing videos, by condition, and the seconds of CPU it took."""
    began = time.process_time()
    with ExitStack() as stack:
        stores = open_pair(paths, stack)
        runs = [replace(base, lr=rate) for rate in rates]
        found = _study_stores(read_task(annotations, stores), stores, runs)
    return found, time.process_time() - began


def open_pair(paths: Sequence[Path], stack: ExitStack) -> list[FeatureStore]:
    """Open the stores of both views, in the order of their names."""
    return sorted(open_by_spec(paths, stack), key=lambda store: store.spec.view)


def _study_stores(task: Task, stores: Sequence[FeatureStore], runs: Sequence[HeadOptions]) -> Conditions:
    names = [store.spec.view for store in stores]
    joined = {
        JOINED: fit(task, stores, runs),
        DROPPED: fit(task, stores, [replace(one, view_dropout=DROPOUT) for one in runs]),
    }
    alone = {name: fit(task, [store], runs) for name, store in zip(names, stores, strict=True)}
    both = _gather(stores, task.testing)
    single = {
        name: _score(alone[name], _gather([store], task.testing), task)
        for name, store in zip(names, stores, strict=True)
    }
    models = [localize(scores) for scores in single.values()]
    found = {"as recorded": {f"{name} alone": model for name, model in zip(names, models, strict=True)}}
    for name, options in FUSIONS.items():
        found["as recorded"][name] = fuse(models, None, options)
        found["as recorded"][f"{name}, of who saw it"] = count_who_saw(fuse(models, None, options), models)
    found["as recorded"][AVERAGE] = localize(average_scores(list(single.values()), both))
    for setup, weights in joined.items():
        found["as recorded"][setup] = localize(_score(weights, both, task))
        for place, name in enumerate(names):
            told = found.setdefault(f"without {name}", {})
            told[setup] = localize(_score(weights, without_view(both, place), task))
    for place, name in enumerate(names):
        other = names[1 - place]
        found[f"without {name}"][f"{other} alone"] = models[1 - place]
    return found


def count_who_saw(fused: Predictions, models: Sequence[Predictions]) -> Predictions:
    """Return fused segments whose scores are means over the models that saw the video: others do not vote against."""
    seen = np.array([sum(name in model.video_ids for model in models) for name in fused.video_ids])
    segments = fused.segments
    factor = len(models) / np.maximum(seen, 1)[segments.video]
    raised = replace(segments, score=segments.score * factor)
    return replace(fused, segments=raised)


def average_scores(scores: Sequence[IntervalScores], both: GatheredFeatures) -> IntervalScores:
    """Return the mean of what single-view heads say of an interval, of those that saw it."""
    if both.views is None:
        raise SystemExit("one view alone has no mean")
    total = np.zeros((len(both.embeddings), scores[0].scores.shape[1]))
    for view, one in enumerate(scores):
        # Rows of a view that are there come in the order of the videos asked for, in both tables.
        total[both.views.present[:, view]] += one.scores
    total /= both.views.present.sum(axis=1, keepdims=True)
    return IntervalScores(
        both.video_ids,
        scores[0].vocabulary,
        both.row_offset,
        total.astype(np.float32),
        both.step_seconds,
        both.duration_seconds,
    )


def judge(by_seed: Sequence[Mapping[str, Predictions]], truth: Annotations) -> dict[str, Any]:
    """Return the mean over seeds of every set-up, and of its difference to each other one, with 95 % intervals.

    A resample draws the same videos for all set-ups and seeds.
    """
    population = Population.of(truth)
    drawn = draw_videos(population, population.num_units, RESAMPLES, np.random.default_rng(0))
    rows, samples = {}, {}
    for setup in by_seed[0]:
        matchings = [match_predictions(found[setup], truth, PAPER) for found in by_seed]
        counts = keep_judgeable(drawn, matchings[0], population)
        kept = [resample_scores(matching, population, counts) for matching in matchings]
        measured = np.array([one.measured_score for one in kept])
        samples[setup] = np.mean([one.final_score for one in kept], axis=0)
        rows[setup] = {
            "final_score": float(measured.mean()),
            "seeds": measured.tolist(),
            "deviation": float(measured.std(ddof=1)) if len(measured) > 1 else None,
            "map": np.mean([one.measured.mean(axis=0) for one in kept], axis=0).tolist(),
        }
    pairs = [(one, other) for one in rows for other in rows if one.startswith("joined") and one != other]
    differences = {
        f"{one} - {other}": {
            "difference": rows[one]["final_score"] - rows[other]["final_score"],
            "interval": percentile_interval(samples[one] - samples[other]).tolist(),
            "by_seed": (np.array(rows[one]["seeds"]) - np.array(rows[other]["seeds"])).tolist(),
        }
        for one, other in pairs
    }
    return {"num_videos": len(truth.video_ids), "setups": rows, "differences": differences}


def study(annotations: Path, paths: Sequence[Path], num_seeds: int) -> dict[str, Any]:
    """Make the study of one pair of stores."""
    with ExitStack() as stack:
        stores = open_pair(paths, stack)
        task = read_task(annotations, stores)
        found: dict[str, Any] = {}
        for kind, by_seed, seconds in _fit_all(annotations, paths, num_seeds):
            options, rates = KINDS[kind]
            found[kind] = {"options": options.to_dict(), "rates": list(rates), "cpu_seconds": seconds}
            for condition in by_seed[0]:
                seen = task.testing
                if condition != "as recorded":
                    left = [store for store in stores if condition != f"without {store.spec.view}"]
                    seen = tuple(name for name in task.testing if name in left[0])
                told = [_of_videos(one[condition], seen) for one in by_seed]
                found[kind][condition] = judge(told, select_videos(task.truth, seen))
                sys.stdout.write(f"{kind}, {describe(condition, found[kind][condition])}\n")
                sys.stdout.flush()
        return {
            "views": [store.spec.view for store in stores],
            "step_seconds": stores[0].spec.step_seconds,
            "embedding_size": [store.spec.embedding_size for store in stores],
            "num_videos": {
                part: {
                    "all": len(names),
                    **{store.spec.view: sum(name in store for name in names) for store in stores},
                }
                for part, names in (
                    ("training", task.training),
                    ("validation", task.validation),
                    ("testing", task.testing),
                )
            },
            "num_seeds": num_seeds,
            "kinds": found,
        }


def _fit_all(annotations: Path, paths: Sequence[Path], num_seeds: int) -> Iterator[tuple[str, list[Conditions], float]]:
    """Yield each kind with what its seeds say and the CPU time; seeds and kinds are fitted side by side."""
    with ProcessPoolExecutor(NUM_WORKERS, mp_context=get_context("spawn")) as pool:
        running = {
            kind: [
                pool.submit(study_seed, annotations, paths, replace(options, seed=seed, device="cpu"), rates)
                for seed in range(num_seeds)
            ]
            for kind, (options, rates) in KINDS.items()
        }
        for kind, jobs in running.items():
            done = [job.result() for job in jobs]
            yield kind, [found for found, _ in done], sum(seconds for _, seconds in done)


def _of_videos(found: Mapping[str, Predictions], video_ids: Sequence[str]) -> dict[str, Predictions]:
    wanted = set(video_ids)
    kept = {}
    for name, one in found.items():
        place = np.array([video_id in wanted for video_id in one.video_ids], np.bool_)
        rows = np.flatnonzero(place[one.segments.video]) if len(one.segments) else np.zeros(0, np.int64)
        kept[name] = replace(one, segments=one.segments.take(rows))
    return kept


def main() -> int:
    """Make the study and write it; its tables are printed as they come."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stores", type=Path, nargs=2)
    parser.add_argument("--annotations", type=Path, required=True)
    parser.add_argument("--num-seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=RESULTS / "study_views.json")
    words = parser.parse_args()
    found = study(words.annotations, words.stores, words.num_seeds)
    words.out.write_text(json.dumps({"machine": describe_machine(), **found}, indent=1) + "\n")
    return 0


def describe(condition: str, judged: Mapping[str, Any]) -> str:
    """Return a condition's table as text."""
    lines = [f"{condition}, {judged['num_videos']} videos"]
    for name, row in judged["setups"].items():
        values = " / ".join(f"{100 * value:.1f}" for value in row["map"])
        spread = "" if row["deviation"] is None else f" (sd {100 * row['deviation']:.1f})"
        lines.append(f"    {name:<42}{values} -> {100 * row['final_score']:.1f}{spread}")
    for name, row in judged["differences"].items():
        low, high = row["interval"]
        lines.append(f"      {name}: {100 * row['difference']:+.1f} [{100 * low:+.1f}, {100 * high:+.1f}]")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
