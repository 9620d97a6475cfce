"""Which extra of localisation pays: each with its setting chosen on other videos than those it is judged on.

    python benchmarks/study_localization.py --segmentation FOLDER --sound-events FOLDER --rendered FOLDER

`--segmentation` holds frame scores of published models as ``<set>.<model>.npz``; `--sound-events` truth.csv and
predictions.csv.gz; `--rendered` is what ``tsmfeat demo -o FOLDER`` leaves. Writes ``results/study_localization.json``.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from localization_streams import Stream, describe, read_rendered, read_segmentation, read_sound_events, select
from machine import describe_machine
from reporting import RESULTS

from tsmfeat.fusion.fusing import fuse
from tsmfeat.fusion.options import FusionOptions
from tsmfeat.localization.localizing import localize
from tsmfeat.localization.options import LocalizationOptions
from tsmfeat.localization.transitions import learn_transition_costs
from tsmfeat.metrics.average_precision import Evaluation, evaluate
from tsmfeat.metrics.segmentation import segmentation_scores
from tsmfeat.values.predictions import Predictions
from tsmfeat.values.segments import Segments

OFF = LocalizationOptions()
WIDTHS, SIGMAS = (3, 5, 9, 15, 21, 31), (0.5, 1.0, 2.0, 4.0, 8.0)
COSTS = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
GAPS, LENGTHS = (1, 2, 4, 8), (2, 4, 8, 16, 32)
LEVELS = {False: (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9), True: (-1.0, -0.75, -0.5, -0.25, 0.0, 0.25, 0.5, 1.0)}
# A known table: F1@50 of the mean filter on the SVM of 50 Salads, on all videos.
KNOWN_WIDTHS = (5, 9, 15, 21)

SOFT_NMS = tuple(FusionOptions("soft-nms", sigma=sigma) for sigma in (0.3, 0.7))


@dataclass(frozen=True)
class Setting:
    """How scores become segments, and how these are thinned afterwards; None: not at all."""

    options: LocalizationOptions
    thinning: FusionOptions | None = None

    @property
    def name(self) -> str:
        """What differs from the defaults."""
        words = [f"{name}={value}" for name, value in vars(self.options).items() if value != getattr(OFF, name)]
        words += [f"soft-nms {self.thinning.sigma}"] if self.thinning else []
        return ", ".join(words) or "off"


Settings = list[Setting]
Options = list[LocalizationOptions]


def families(stream: Stream) -> dict[str, Settings]:
    """Return the settings to choose among for each extra."""
    labelled = {} if stream.labels is None else _label_families(stream.scores.step_seconds)
    found = {name: [Setting(one) for one in options] for name, options in labelled.items()}
    levels = LEVELS[stream.has_margins]
    for name, options in _threshold_families(levels, stream.scores.step_seconds).items():
        found[name] = [Setting(one) for one in options]
    for name in ("threshold", "nested"):
        contrast = [replace(one.options, segment_score="contrast") for one in found[name]]
        found[f"{name} + contrast"] = [Setting(one) for one in contrast]
        found[f"{name} + contrast + soft-nms"] = [Setting(one, thinning) for one in contrast for thinning in SOFT_NMS]
    gaussian = [replace(one, smooth=f"gaussian:{sigma}") for one in contrast for sigma in (1.0, 2.0)]
    found["nested + contrast + soft-nms + gaussian"] = [Setting(one, SOFT_NMS[1]) for one in [*contrast, *gaussian]]
    return found


def _label_families(step: float) -> dict[str, Options]:
    """Return the options of extras of one label an interval, each with the choice of leaving it out."""
    mean = [OFF, *(replace(OFF, smooth=f"mean:{width}") for width in WIDTHS)]
    gaussian = [OFF, *(replace(OFF, smooth=f"gaussian:{sigma}") for sigma in SIGMAS)]
    paths = [OFF, *(replace(OFF, smooth=f"viterbi:{cost}") for cost in COSTS)]
    lengths = [0.0, *(rows * step for rows in LENGTHS)]
    return {
        "none": [OFF],
        "mean": mean,
        "gaussian": gaussian,
        "viterbi": paths,
        "viterbi, learned": paths,
        "max gap": [OFF, *(replace(OFF, max_gap=gap) for gap in GAPS)],
        "min duration": [replace(OFF, min_duration=seconds) for seconds in lengths],
        "tail": [OFF, replace(OFF, tail="extend")],
        "refine": [replace(OFF, refine=True)],
        "mean score": [replace(OFF, segment_score="mean")],
        "contrast": [replace(OFF, segment_score="contrast")],
        "gaussian + min duration": [replace(one, min_duration=seconds) for one in gaussian for seconds in lengths],
        "gaussian + refine": [replace(one, refine=True) for one in gaussian],
        "gaussian + mean score": [replace(one, segment_score="mean") for one in gaussian],
        "gaussian + contrast": [replace(one, segment_score="contrast") for one in gaussian],
        "viterbi, learned + refine": [replace(one, refine=True) for one in paths],
        "viterbi, learned + contrast": [replace(one, segment_score="contrast") for one in paths],
    }


def _threshold_families(levels: tuple[float, ...], step: float) -> dict[str, Options]:
    single = [LocalizationOptions("threshold", level) for level in levels]
    # All levels, every second, every third, and the lower ones: which are nested is chosen as well.
    nested = [LocalizationOptions("threshold", chosen) for chosen in (levels, levels[::2], levels[::3], levels[:5])]
    return {
        "threshold": single,
        "threshold by class": single,
        "threshold + refine": [replace(one, refine=True) for one in single],
        "threshold + max gap": [replace(one, max_gap=gap) for one in single for gap in (0, *GAPS)],
        "threshold + min duration": [replace(s, min_duration=n * step) for s in single for n in (0, *LENGTHS)],
        "threshold + gaussian": [*single, *(replace(s, smooth=f"gaussian:{w}") for s in single for w in SIGMAS)],
        "threshold + mean score": [replace(one, segment_score="mean") for one in single],
        "nested": nested,
        "nested + mean score": [replace(one, segment_score="mean") for one in nested],
    }


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


def known_table(stream: Stream) -> dict[str, float]:
    """Return F1@50 of mean filters on all videos, nothing chosen."""
    everyone = list(range(len(stream.scores.video_ids)))
    options = {"none": OFF} | {f"mean:{width}": replace(OFF, smooth=f"mean:{width}") for width in KNOWN_WIDTHS}
    return {
        name: _segmentation(stream, localize(stream.scores, one), everyone)["f1"][2] for name, one in options.items()
    }


def main() -> int:
    """Make the study, print it and write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--segmentation", type=Path)
    parser.add_argument("--sound-events", type=Path)
    parser.add_argument("--rendered", type=Path)
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
    found = {"machine": describe_machine(), "cpu_seconds": time.process_time() - began, "mean_filters": known}
    words.out.write_text(json.dumps(found | {"studies": studies}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
