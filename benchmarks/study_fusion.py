"""Which fusion pays: every rule on real models of different grids, and on heads fitted to rendered videos.

    python benchmarks/study_fusion.py --segmentation FOLDER --rendered FOLDER [--num-videos 60]

`--segmentation` holds frame scores of published models as ``<set>.<model>.npz`` (scores, truth, offsets); `--rendered`
gets videos, features and heads, and what is there already is used again. Writes ``results/study_fusion.json``.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from machine import describe_machine
from reporting import RESULTS

from tsmfeat.formats.reading import read_annotations
from tsmfeat.fusion.options import FusionOptions
from tsmfeat.heads.options import HeadOptions
from tsmfeat.localization.localizing import localize
from tsmfeat.localization.options import LocalizationOptions
from tsmfeat.store.reader import open_features
from tsmfeat.trunk.options import TrunkOptions
from tsmfeat.values.annotations import Annotations
from tsmfeat.values.predictions import IntervalScores, Predictions
from tsmfeat.values.progress import Silence
from tsmfeat.values.segments import Segments
from tsmfeat.values.vocabulary import Vocabulary
from tsmfeat.video.options import VideoOptions
from tsmfeat.workflows import extract, fit_heads
from tsmfeat.workflows.demonstration import render_dataset
from tsmfeat.workflows.ensembles import load_checkpoints, score_stored_videos
from tsmfeat.workflows.fit_options import FitOptions
from tsmfeat.workflows.fusion_comparison import compare_fusions
from tsmfeat.workflows.grading import Judge
from tsmfeat.workflows.learning import learn_weights
from tsmfeat.workflows.options import DemoOptions, ExtractOptions
from tsmfeat.workflows.score_options import SearchOptions

SETS = ("50salads_mid", "50salads_eval", "gtea")
# A video of a set lasts so long here: its grids span it evenly, and no tIoU depends on the unit.
VIDEO_SECONDS = 1000.0
# Step and the seed of the random trunk, model by model.
RENDERED = ((0.25, 0), (0.5, 0), (0.5, 1), (1.0, 0), (0.5, 2))
JUDGE = Judge("paper")
LEARNED = {"paper 0.5, zero": FusionOptions(), "wbf 0.5": FusionOptions("wbf")}


def study_segmentation(folder: Path) -> dict[str, Any]:
    """Compare fusions of the published models of every set, as they are and with smoothed scores."""
    studies = {}
    for name in SETS:
        paths = sorted(folder.glob(f"{name}.*.npz"))
        if not paths:
            raise SystemExit(f"{folder}: holds no {name}.*.npz")
        loaded = [np.load(path) for path in paths]
        finest = max(loaded, key=lambda found: len(found["truth"]))
        truth = _list_truth(finest)
        for smooth in ("none", "mean:15"):
            models = [_localize(found, smooth) for found in loaded]
            names = [path.stem.removeprefix(f"{name}.") for path in paths]
            studies[f"{name}, smoothing {smooth}"] = study(models, names, truth)
    return studies


def _list_truth(found: Any) -> Annotations:  # noqa: ANN401 - an npz file
    """Return runs of equal labels of the finest grid; label 0 is background."""
    known = np.eye(int(found["truth"].max()) + 1, dtype=np.float32)[found["truth"]]
    segments = _stretch(localize(_as_scores(known, found)), found["offsets"])
    names = _video_names(found)
    nothing = np.full(len(names), -1)
    actions, durations = _actions(known.shape[1] - 1), np.full(len(names), VIDEO_SECONDS)
    return Annotations(names, actions, segments, durations, ("",) * len(names), nothing, Vocabulary(()))


def _localize(found: Any, smooth: str) -> Predictions:  # noqa: ANN401
    scores = found["scores"].astype(np.float64)
    if scores.min() < 0:  # margins of the SVM: as probabilities, so that every fusion can weigh them
        scores = np.exp(scores - scores.max(axis=1, keepdims=True))
        scores /= scores.sum(axis=1, keepdims=True)
    localized = localize(_as_scores(scores, found), LocalizationOptions(smooth=smooth))
    return replace(localized, segments=_stretch(localized, found["offsets"]))


def _as_scores(scores: npt.NDArray[Any], found: Any) -> IntervalScores:  # noqa: ANN401
    """Return scores with background last, in rows; segments are stretched to the videos' duration afterwards."""
    with_last = np.concatenate([scores[:, 1:], scores[:, :1]], axis=1)
    names, offsets = _video_names(found), found["offsets"]
    return IntervalScores(
        names, _actions(scores.shape[1] - 1), offsets, with_last, 1.0, np.diff(offsets).astype(np.float64)
    )


def _stretch(found: Predictions, offsets: npt.NDArray[np.int64]) -> Segments:
    segments = found.segments
    factor = (VIDEO_SECONDS / np.diff(offsets))[segments.video]
    return Segments(segments.video, segments.label, segments.start * factor, segments.end * factor, segments.score)


def _video_names(found: Any) -> tuple[str, ...]:  # noqa: ANN401
    """Name videos by split and place in it: a model may lack whole splits."""
    seen: Counter[int] = Counter()
    names = []
    for split in found["split"].tolist():
        names.append(f"split {split}, video {seen[split]}")
        seen[split] += 1
    return tuple(names)


def _actions(count: int) -> Vocabulary:
    return Vocabulary(tuple(f"action {index:02}" for index in range(count)))


def study_rendered(folder: Path, num_videos: int) -> dict[str, Any]:
    """Fit a head on each step and random trunk, and compare fusions on the testing videos and on all not trained on."""
    demo = DemoOptions(num_videos)
    files = render_dataset(folder, demo)
    annotations = read_annotations(files.annotations)
    stores, heads = [], []
    for step, seed in RENDERED:
        stores.append(folder / f"t{step:g}-seed{seed}.h5")
        heads.append(folder / f"t{step:g}-seed{seed}.safetensors")
        _make_heads(files.videos, files.annotations, (stores[-1], heads[-1]), (step, seed), demo)
    names = [path.stem for path in heads]
    loaded = load_checkpoints([str(path) for path in heads])
    studies = {}
    for subset in ("testing", "validation"):
        truth = annotations.select_subset(subset)
        models = []
        for store, path in zip(stores, heads, strict=True):
            with open_features(store) as opened:
                scores = score_stored_videos(loaded[str(path)], opened, truth.video_ids, Silence())
            models.append(localize(scores) if isinstance(scores, IntervalScores) else scores)
        studies[f"rendered, {len(truth.video_ids)} {subset} videos"] = study(models, names, truth)
    return studies


def _make_heads(
    videos: Path, annotations: Path, made: tuple[Path, Path], grid: tuple[float, int], demo: DemoOptions
) -> None:
    store, heads = made
    step, seed = grid
    if not store.exists():
        trunk = TrunkOptions(demo.trunk, f"random:{seed}", demo.num_frames)
        options = ExtractOptions(trunk, VideoOptions(demo.resize), step_seconds=step)
        extract([str(videos)], store, options)
    if not heads.exists():
        fitting = HeadOptions(epochs=demo.epochs, lr=demo.lr, dropout=demo.dropout, seed=seed)
        fit_heads([store], annotations, heads, FitOptions(fitting))


def study(models: Sequence[Predictions], names: Sequence[str], truth: Annotations) -> dict[str, Any]:
    """Return the table of all fusions with equal weights, each model alone, and what learned weights are worth."""
    compared = compare_fusions(models, names, [1.0] * len(models), truth, JUDGE, Silence())
    learned = {}
    for name, options in LEARNED.items():
        found = learn_weights(models, truth, options, JUDGE, SearchOptions()).to_dict()
        learned[name] = {key: value for key, value in found.items() if key != "seconds"}
    return {
        "num_videos": len(truth.video_ids),
        "num_annotations": len(truth.segments),
        "num_segments": {name: len(model.segments) for name, model in zip(names, models, strict=True)},
        "singles": {name: JUDGE.final_score(model, truth) for name, model in zip(names, models, strict=True)},
        "fusions": [row.to_dict() for row in compared],
        "learned": learned,
    }


def main() -> int:
    """Make the studies, print their tables and write them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--segmentation", type=Path)
    parser.add_argument("--rendered", type=Path)
    parser.add_argument("--num-videos", type=int, default=60)
    parser.add_argument("--out", type=Path, default=RESULTS / "study_fusion.json")
    words = parser.parse_args()
    studies: dict[str, Any] = {}
    if words.segmentation:
        studies |= study_segmentation(words.segmentation)
    if words.rendered:
        studies |= study_rendered(words.rendered, words.num_videos)
    for name, found in studies.items():
        sys.stdout.write(f"\n{name}: {found['num_annotations']} annotations\n")
        for row in found["fusions"]:
            values = "".join(f"{value:8.4f}" for value in [*row["map"], row["final_score"]])
            sys.stdout.write(f"{row['name']:<36}{values}{row['num_segments']:8}\n")
        for rule, learned in found["learned"].items():
            sys.stdout.write(
                f"learned, {rule:<27}{learned['equal_score']:8.4f} equal {learned['seen_score']:8.4f} seen "
                f"{learned['held_out_score']:8.4f} held out\n"
            )
    words.out.write_text(json.dumps({"machine": describe_machine(), "studies": studies}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
