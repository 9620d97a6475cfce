"""Which extra of localisation pays: each with its setting chosen on other videos than those it is judged on.

    python benchmarks/study_localization.py --segmentation A --sound-events B --rendered C --evaluation D

`--segmentation` holds frame scores of published models as ``<set>.<model>.npz``; `--sound-events` truth.csv and
predictions.csv.gz; `--rendered` is what ``tsmfeat demo -o FOLDER`` leaves; `--evaluation` holds annotation files whose
ceilings are wanted. Writes ``results/study_localization.json``.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt
from localization_settings import OFF, Setting, Settings, families
from localization_streams import Stream, describe, read_rendered, read_segmentation, read_sound_events, select
from machine import describe_machine
from reporting import RESULTS

from tsmfeat.formats.activitynet import write_annotations
from tsmfeat.fusion.fusing import fuse
from tsmfeat.localization.localizing import localize
from tsmfeat.localization.transitions import learn_transition_costs
from tsmfeat.metrics.average_precision import Evaluation, evaluate
from tsmfeat.metrics.segmentation import segmentation_scores
from tsmfeat.values.predictions import Predictions
from tsmfeat.values.segments import Segments
from tsmfeat.workflows.ceilings import measure_ceilings
from tsmfeat.workflows.score_options import CeilingOptions

# A known table: F1@50 of the mean filter on the SVM of 50 Salads, on all videos.
KNOWN_WIDTHS = (5, 9, 15, 21)
CEILING_FILES = ("gt_thumos14_test.json", "gt_binego_like.json", "gt_activitynet13_validation.json.gz")


def study(stream: Stream) -> dict[str, Any]:
    """Return what every extra reaches on held-out videos, its setting chosen by AP, and by F1@50, on the others."""
    rows = {}
    folds = [np.flatnonzero(stream.fold == value).tolist() for value in np.unique(stream.fold)]
    everyone = sorted(index for fold in folds for index in fold)
    for name, settings in families(stream).items():
        goals = ("final", "f1") if stream.labels is not None and not name.startswith(("thr", "nes")) else ("final",)
        rows[name] = {goal: _cross_validate(stream, name, settings, folds, everyone, goal) for goal in goals}
    return {**describe(stream), "group": stream.group, "model": stream.name, "extras": rows}


def _cross_validate(
    stream: Stream, name: str, settings: Settings, folds: list[list[int]], everyone: list[int], goal: str
) -> dict[str, Any]:
    chosen, parts = [], []
    shared = None if "learned" in name else [_carry_out(stream, setting) for setting in settings]
    for fold in folds:
        others = [index for index in everyone if index not in fold]
        found = shared or [_localize_learned(stream, setting, others) for setting in settings]
        if name == "threshold by class":
            setting = _threshold_by_class(stream, settings, found, others)
            own = _carry_out(stream, setting)
        else:
            values = [_judge(stream, predicted, others, goal) for predicted in found]
            setting, own = settings[int(np.argmax(values))], found[int(np.argmax(values))]
        chosen.append(setting.name)
        parts.append(_within(own, fold))
    segments = Segments.concatenate(parts)
    order = np.argsort(segments.video, kind="stable")
    held_out = replace(shared[0] if shared else _no_extras(stream), segments=segments.take(order))
    return {"chosen": chosen, **_measure(stream, held_out, everyone, goal)}


def _no_extras(stream: Stream) -> Predictions:
    return localize(stream.scores, OFF)


def _carry_out(
    stream: Stream, setting: Setting, transition_costs: npt.NDArray[np.float64] | None = None
) -> Predictions:
    found = localize(stream.scores, setting.options, transition_costs)
    return found if setting.thinning is None else fuse([found], [1.0], setting.thinning)


def _localize_learned(stream: Stream, setting: Setting, others: list[int]) -> Predictions:
    if setting.options.smoothing[0] != "viterbi" or stream.labels is None:
        return _carry_out(stream, setting)
    rows = select(stream, others)[1]
    offset = np.concatenate([[0], np.cumsum(np.diff(stream.scores.row_offset)[others])])
    costs = learn_transition_costs(offset, stream.labels[rows], stream.scores.scores.shape[1])
    return _carry_out(stream, setting, costs)


def _threshold_by_class(stream: Stream, settings: Settings, found: Sequence[Predictions], others: list[int]) -> Setting:
    judged = [_evaluate(stream, predicted, others) for predicted in found]
    table = np.array([one.ap.mean(axis=1) for one in judged])
    best = table.argmax(axis=0)
    pairs = tuple((name, settings[best[k]].options.thresholds[0]) for k, name in enumerate(judged[0].classes))
    overall = settings[int(np.argmax([one.final_score for one in judged]))]
    return Setting(replace(overall.options, class_thresholds=pairs))


def _within(predicted: Predictions, keep: list[int]) -> Segments:
    return predicted.segments.take(np.isin(predicted.segments.video, keep))


def _evaluate(stream: Stream, predicted: Predictions, keep: list[int]) -> Evaluation:
    truth = stream.truth.select_videos(keep)
    return evaluate(replace(predicted, segments=_within(predicted, keep)), truth)


def _judge(stream: Stream, predicted: Predictions, keep: list[int], goal: str) -> float:
    if goal == "final":
        return _evaluate(stream, predicted, keep).final_score
    return float(_segmentation(stream, predicted, keep)["f1"][2])


def _measure(stream: Stream, predicted: Predictions, keep: list[int], goal: str) -> dict[str, Any]:
    if goal == "final":
        found = _evaluate(stream, predicted, keep)
        return {"map": found.map.tolist(), "final": found.final_score, "num_segments": len(predicted.segments)}
    scores = _segmentation(stream, predicted, keep)
    return {name: scores[name] for name in ("f1", "edit", "accuracy")}


def _segmentation(stream: Stream, predicted: Predictions, keep: list[int]) -> dict[str, Any]:
    rows = select(stream, keep)[1]
    offset = np.concatenate([[0], np.cumsum(np.diff(stream.scores.row_offset)[keep])])
    background = stream.scores.vocabulary.background
    truth = np.zeros(0) if stream.labels is None else stream.labels[rows]
    return segmentation_scores(truth, _label_rows(stream, predicted)[rows], offset, background).to_dict()


def _label_rows(stream: Stream, predicted: Predictions) -> npt.NDArray[np.int32]:
    """Return the label of the segment that holds the middle of each row; background where none does."""
    offset, step = stream.scores.row_offset, stream.scores.step_seconds
    labels = np.full(offset[-1], stream.scores.vocabulary.background, np.int32)
    found = predicted.segments
    first = offset[found.video] + np.ceil(found.start / step - 0.5).astype(np.int64)
    last = offset[found.video] + np.ceil(found.end / step - 0.5).astype(np.int64)
    last = np.minimum(last, offset[found.video + 1])
    for label, low, high in zip(found.label.tolist(), first.tolist(), last.tolist(), strict=True):
        labels[low:high] = label
    return labels


def known_table(stream: Stream) -> dict[str, dict[str, float]]:
    """Return F1@50 of mean filters on all videos, nothing chosen: ours, and one that repeats the first and last row."""
    everyone = list(range(len(stream.scores.video_ids)))
    found = {}
    for width in KNOWN_WIDTHS:
        ours = localize(stream.scores, replace(OFF, smooth=f"mean:{width}"))
        theirs = localize(replace(stream.scores, scores=_repeat_ends(stream, width)), OFF)
        found[f"mean:{width}"] = {
            name: _segmentation(stream, predicted, everyone)["f1"][2]
            for name, predicted in (("window shrinks at the ends", ours), ("ends repeated", theirs))
        }
    return found


def _repeat_ends(stream: Stream, width: int) -> npt.NDArray[np.float64]:
    offset, rows = stream.scores.row_offset, stream.scores.scores.astype(np.float64)
    window, reach = np.ones(width) / width, width // 2
    parts = []
    for first, last in pairwise(offset.tolist()):
        padded = np.pad(rows[first:last], ((reach, reach), (0, 0)), mode="edge")
        parts.append(np.stack([np.convolve(column, window, "valid") for column in padded.T], axis=1))
    return np.concatenate(parts)


def study_ceilings(streams: Sequence[Stream], evaluation: Path | None) -> dict[str, Any]:
    """Return the ceilings of annotation files at steps in seconds, and of the finest grid of a set at steps in rows."""
    found = {}
    finest: dict[str, Stream] = {}
    for stream in streams:
        if stream.labels is not None and stream.group != "rendered":
            best = finest.setdefault(stream.group, stream)
            finest[stream.group] = max(best, stream, key=lambda one: len(one.scores.scores))
    with TemporaryDirectory() as folder:
        for name, stream in finest.items():
            path = Path(folder) / f"{name}.json"
            write_annotations(stream.truth, path)
            found[f"{name}, steps in rows"] = measure_ceilings(path, CeilingOptions((2.0, 4.0, 8.0)))
    for name in CEILING_FILES if evaluation else ():
        found[name] = measure_ceilings(Path(str(evaluation)) / name)
    return {name: {key: value for key, value in one.to_dict().items() if key != "path"} for name, one in found.items()}


def main() -> int:
    """Make the study, print it and write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--segmentation", type=Path)
    parser.add_argument("--sound-events", type=Path)
    parser.add_argument("--rendered", type=Path)
    parser.add_argument("--evaluation", type=Path)
    parser.add_argument("--out", type=Path, default=RESULTS / "study_localization.json")
    words = parser.parse_args()
    began = time.process_time()
    streams = read_segmentation(words.segmentation) if words.segmentation else []
    streams += [read_sound_events(words.sound_events)] if words.sound_events else []
    streams += read_rendered(words.rendered) if words.rendered else []
    studies = {}
    for stream in streams:
        name = f"{stream.group}, {stream.name}"
        studies[name] = study(stream)
        sys.stdout.write(f"\n{name}\n")
        for extra, found in studies[name]["extras"].items():
            values = [*found["final"]["map"], found["final"]["final"]]
            values += [found["f1"]["f1"][2], found["f1"]["edit"], found["f1"]["accuracy"]] if "f1" in found else []
            sys.stdout.write(f"{extra:<40}{''.join(f'{100 * value:7.1f}' for value in values)}\n")
    known = {one.name: known_table(one) for one in streams if (one.group, one.name) == ("50salads_mid", "SVM")}
    ceilings = study_ceilings(streams, words.evaluation)
    found = {
        "machine": describe_machine(),
        "cpu_seconds": time.process_time() - began,
        "mean_filters": known,
        "ceilings": ceilings,
    }
    for name, one in ceilings.items():
        for row in one["ceilings"]:
            listed = "".join(f"{value:7.3f}" for value in (*row["map"], row["final_score"]))
            sys.stdout.write(f"{name} {row['step_seconds']:g} {row['localize']} {row['extra']}{listed}\n")
    words.out.write_text(json.dumps(found | {"studies": studies}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
