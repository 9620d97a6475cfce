"""The main comparison of the study of heads on the splits that had no part in settling how a tcn is fitted.

    python benchmarks/study_heads_untouched.py --segmentation FOLDER

After ``study_heads.py``: the heads of 50 Salads, SVM, are fitted again as it chose, for all splits but the second, and
compared video by video. Adds ``untouched`` to ``results/study_heads.json``.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from heads_figures import tell_pair
from heads_material import Floats, Material, judge_videos, material_of
from heads_methods import GOAL, TCN, Smoother, best_paths, fit_scores, mean_filter
from localization_streams import read_segmentation
from reporting import RESULTS

from tsmfeat.localization.transitions import learn_transition_costs
from tsmfeat.metrics.intervals import percentile_interval

SET, SETTLED_ON, NUM_RESAMPLES = "50salads_mid", 1, 10_000
PAIRS = (("SVM, tcn", "SVM as published, mean filter"), ("SVM, tcn, paths", "SVM as published, paths"))


def judge_fold(found: Material, rows: dict[str, Any], seeds: Sequence[int], place: int) -> dict[str, Floats]:
    """Return F1@50 of each video of a fold, seeds averaged, by the choices of the study."""
    value = np.unique(found.fold)[place]
    videos, others = np.flatnonzero(found.fold == value), np.flatnonzero(found.fold != value)
    dropout = float(rows["SVM, tcn"]["chosen"][place].partition(":")[2])
    fitted = fit_scores(found, others, [replace(TCN, dropout=dropout, seed=seed) for seed in seeds], videos)
    plain = [found.features[found.rows_of(videos)]]
    labels = found.labels[found.rows_of(others)]
    costs = learn_transition_costs(found.offset_of(others), labels, found.num_labels)

    def judge(scores: Sequence[Floats], smooth: Smoother) -> Floats:
        offset = found.offset_of(videos)
        tables = [judge_videos(found, videos, smooth(offset, one))[:, GOAL] for one in scores]
        return np.asarray(100 * np.mean(tables, axis=0))

    def amount(name: str) -> float:
        return float(rows[name]["chosen"][place].partition(":")[2])

    return {
        "SVM, tcn": judge(fitted, mean_filter(1)),
        "SVM, tcn, paths": judge(fitted, best_paths(amount("SVM, tcn, paths") * costs)),
        "SVM as published, mean filter": judge(plain, mean_filter(int(amount("SVM as published, mean filter")))),
        "SVM as published, paths": judge(plain, best_paths(amount("SVM as published, paths") * costs)),
    }


def main() -> int:
    """Make the comparison, print it and add it to the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--segmentation", type=Path, required=True)
    parser.add_argument("--num-workers", type=int, default=2, help="Folds that are fitted at once.")
    parser.add_argument("--result", type=Path, default=RESULTS / "study_heads.json")
    words = parser.parse_args()
    result = json.loads(words.result.read_text())
    streams = {(stream.group, stream.name): stream for stream in read_segmentation(words.segmentation)}
    found = material_of(streams[SET, "SVM"])
    places = [place for place in range(len(np.unique(found.fold))) if place != SETTLED_ON]
    work = partial(judge_fold, found, result["sets"][SET]["rows"], result["seeds"])
    with ProcessPoolExecutor(words.num_workers, get_context("spawn")) as pool:
        folds = list(pool.map(work, places))
    told = []
    for one, other in PAIRS:
        a, b = (np.concatenate([fold[name] for fold in folds]) for name in (one, other))
        drawn = np.random.default_rng(0).integers(0, len(a), (NUM_RESAMPLES, len(a)))
        interval = percentile_interval((a - b)[drawn].mean(axis=1)).tolist()
        values = [float(a.mean()), float(b.mean())]
        told.append(
            {"one": one, "other": other, "values": values, "f1@50": values[0] - values[1], "interval": interval}
        )
        sys.stdout.write(f"{one} {values[0]:.1f} against {other} {values[1]:.1f}: {tell_pair(told[-1])}\n")
    words.result.write_text(json.dumps(result | {"untouched": {"set": SET, "comparisons": told}}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
