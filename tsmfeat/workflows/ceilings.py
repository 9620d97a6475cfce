"""The best that any classifier of intervals can reach: perfect labels on a grid, localised and scored."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tsmfeat.errors import InputError
from tsmfeat.formats.reading import read_annotations
from tsmfeat.heads.options import HeadOptions
from tsmfeat.heads.targets import TOLERANCE_SECONDS, Overlaps, interval_overlaps, interval_targets
from tsmfeat.localization.localizing import localize
from tsmfeat.localization.options import LocalizationOptions
from tsmfeat.metrics.average_precision import evaluate
from tsmfeat.values.annotations import Annotations
from tsmfeat.values.predictions import IntervalScores, Predictions
from tsmfeat.values.segments import Segments
from tsmfeat.values.vocabulary import Vocabulary
from tsmfeat.workflows.grids import annotated_offsets
from tsmfeat.workflows.score_options import CeilingOptions
from tsmfeat.workflows.splits import choose_subset

Floats = npt.NDArray[np.float64]
Scores = npt.NDArray[np.float32]

# Numbers of interval scores held at once.
_MOST_CELLS = 20_000_000

# Shares that add up to more than 1 by this are of actions that go on at once, and not one after the other.
_AT_ONCE = 1e-5

# Ceilings that differ by less count as one: a coarser step is cheaper.
NEAR = 0.02


@dataclass(frozen=True)
class Ceiling:
    """The score of perfect labels.

    Parameters
    ----------
    step_seconds
        The grid's step t.
    localize
        ``"argmax"``: one action an interval; ``"threshold"``: every action that takes its share of the interval.
    extra
        ``"none"``, ``"tail"`` (the last segment ends with the video), or ``"refine"``: the scores are the share that
        each action takes of the interval, and boundaries move to where they cross.
    map
        mAP at each threshold.
    final_score
        Their mean.
    """

    step_seconds: float
    localize: str
    extra: str
    map: tuple[float, ...]
    final_score: float


@dataclass(frozen=True)
class CeilingsReport:
    """What `measure_ceilings` found.

    Parameters
    ----------
    path
        The annotations.
    rows
        A ceiling for each step, way of localising and extra.
    tied_shares
        Of each step: the share of the intervals with an action in which several actions take equally long, so that
        ``argmax`` must choose one.
    tiou_thresholds
        Of the columns of `Ceiling.map`.
    num_videos, num_segments
        Evaluated.
    num_known_durations
        Videos of known duration; the others are taken to end with their last segment.
    options
        As resolved.
    """

    path: str
    rows: tuple[Ceiling, ...]
    tied_shares: tuple[float, ...]
    tiou_thresholds: tuple[float, ...]
    num_videos: int
    num_segments: int
    num_known_durations: int
    options: CeilingOptions

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object of ``tsmfeat inspect --ceilings --json``."""
        return {
            "kind": "ceilings",
            "path": self.path,
            "protocol": self.options.protocol,
            "subset": self.options.subset,
            "tiou_thresholds": list(self.tiou_thresholds),
            "num_videos": self.num_videos,
            "num_segments": self.num_segments,
            "num_known_durations": self.num_known_durations,
            "steps": list(self.options.steps),
            "tied_shares": list(self.tied_shares),
            "ceilings": [{**vars(row), "map": list(row.map)} for row in self.rows],
            "recommended_step": self.recommended_step,
        }

    @property
    def recommended_step(self) -> float:
        """The largest step whose ``argmax`` ceiling, without extras, is within 0.02 of the best."""
        plain = [row for row in self.rows if (row.localize, row.extra) == ("argmax", "none")]
        best = max(row.final_score for row in plain)
        return max(row.step_seconds for row in plain if row.final_score >= best - NEAR)


def measure_ceilings(path: str | Path, options: CeilingOptions | None = None) -> CeilingsReport:
    """Score perfect labels of intervals: what no classifier on that grid can exceed.

    An interval is labelled as heads are trained (`tsmfeat.heads.targets.interval_targets`). Where actions take equally
    long, ``argmax`` takes the one whose name comes first, so that the order of the file plays no part. All perfect
    scores are 1. Smoothing, bridged gaps, least durations and paths mend errors, of which there are none; they are left
    out.

    Parameters
    ----------
    path
        Annotations of any known format.
    options
        `CeilingOptions`; its defaults where None.

    Returns
    -------
    CeilingsReport

    Raises
    ------
    ConfigurationError
        Several subsets and none named, or an unknown protocol.
    InputError
        The annotations cannot be read, or hold no segment.
    """
    options = options or CeilingOptions()
    truth = _sort_names(choose_subset(read_annotations(path), options.subset))
    if not len(truth.segments):
        raise InputError(f"{path}: no segment to label by", "name another subset, or check the file")
    rows: list[Ceiling] = []
    tied: list[float] = []
    thresholds: tuple[float, ...] = ()
    for step in options.steps:
        offsets = annotated_offsets(truth, step)
        overlaps = interval_overlaps(truth, truth.video_ids, offsets, step)
        tied.append(_tied_share(overlaps, step))
        for (way, extra), found in _localize_perfectly(truth, offsets, overlaps, step).items():
            judged = evaluate(found, truth, options.protocol, options.tiou_thresholds)
            thresholds = judged.tiou_thresholds
            rows.append(Ceiling(step, way, extra, tuple(judged.map.tolist()), judged.final_score))
    num_known = int(np.isfinite(truth.duration_seconds).sum())
    counts = (len(truth.video_ids), len(truth.segments), num_known)
    return CeilingsReport(str(path), tuple(rows), tuple(tied), tuple(thresholds), *counts, options)


def _sort_names(truth: Annotations) -> Annotations:
    names = truth.vocabulary.names
    order = sorted(range(len(names)), key=names.__getitem__)
    place = np.empty(len(names), np.int32)
    place[order] = np.arange(len(names), dtype=np.int32)
    rows = truth.segments
    segments = Segments(rows.video, place[rows.label], rows.start, rows.end, rows.score)
    return replace(truth, vocabulary=Vocabulary(tuple(names[index] for index in order)), segments=segments)


def _tied_share(overlaps: Overlaps, step: float) -> float:
    if not len(overlaps.row):
        return 0.0
    begins = np.flatnonzero(np.concatenate([[True], np.diff(overlaps.row) != 0]))
    largest = np.maximum.reduceat(overlaps.seconds, begins)
    per_pair = np.repeat(largest, np.diff(np.append(begins, len(overlaps.row))))
    num_largest = np.add.reduceat((overlaps.seconds >= per_pair - TOLERANCE_SECONDS).astype(np.int64), begins)
    acts = largest >= HeadOptions.min_overlap * step - TOLERANCE_SECONDS
    return float((num_largest[acts] > 1).mean()) if acts.any() else 0.0


def _localize_perfectly(
    truth: Annotations, offsets: npt.NDArray[np.int64], overlaps: Overlaps, step: float
) -> dict[tuple[str, str], Predictions]:
    parts: dict[tuple[str, str], list[Segments]] = {}
    targets = interval_targets(truth, truth.video_ids, offsets, step, HeadOptions.min_overlap)
    for first, last in _chunks(offsets, len(truth.vocabulary) + 1):
        low, high = np.searchsorted(overlaps.row, (offsets[first], offsets[last]))
        here = Overlaps(
            overlaps.row[low:high] - offsets[first], overlaps.label[low:high], overlaps.seconds[low:high] / step
        )
        shares = _spread(here, offsets[last] - offsets[first], len(truth.vocabulary))
        for name, scores, options in _settings(shares, targets[offsets[first] : offsets[last]], truth.duration_seconds):
            one = IntervalScores(
                truth.video_ids[first:last],
                truth.vocabulary,
                offsets[first : last + 1] - offsets[first],
                scores,
                step,
                truth.duration_seconds[first:last],
            )
            rows = localize(one, options).segments
            parts.setdefault(name, []).append(
                Segments(rows.video + first, rows.label, rows.start, rows.end, rows.score)
            )
    return {
        name: Predictions(truth.video_ids, truth.vocabulary, Segments.concatenate(found))
        for name, found in parts.items()
    }


def _chunks(offsets: npt.NDArray[np.int64], num_columns: int) -> Iterator[tuple[int, int]]:
    first, most = 0, max(1, _MOST_CELLS // num_columns)
    while first < len(offsets) - 1:
        last = int(np.searchsorted(offsets, offsets[first] + most, "right")) - 1
        last = max(first + 1, last)
        yield first, last
        first = last


def _spread(overlaps: Overlaps, num_rows: int, num_classes: int) -> Scores:
    """Return the share that each action takes of each interval; what the largest leaves is background's."""
    shares = np.zeros((num_rows, num_classes + 1), np.float32)
    # Half an interval is to be one half, whatever the sum of its pieces came to.
    shares[overlaps.row, overlaps.label] = np.minimum(overlaps.seconds, 1.0).round(6)
    shares[:, -1] = 1 - shares[:, :-1].max(axis=1, initial=0)
    return shares


def _settings(
    shares: Scores, targets: npt.NDArray[np.int32], durations: Floats
) -> Iterator[tuple[tuple[str, str], Scores, LocalizationOptions]]:
    one = np.zeros_like(shares)
    one[np.arange(len(targets)), targets] = 1
    several = (shares >= HeadOptions.min_overlap).astype(np.float32)
    argmax = LocalizationOptions()
    threshold = LocalizationOptions("threshold", HeadOptions.min_overlap)
    alone = _without_rivals(shares)
    for options, labels, soft in ((argmax, one, alone), (threshold, several, shares)):
        yield (options.localize, "none"), labels, options
        if not np.isnan(durations).any():
            yield (options.localize, "tail"), labels, replace(options, tail="extend")
        yield (options.localize, "refine"), soft, replace(options, refine=True)


def _without_rivals(shares: Scores) -> Scores:
    """Return shares in which of actions that go on at once only the largest has any: their scores would not cross."""
    alone = shares.copy()
    at_once = np.flatnonzero(shares[:, :-1].sum(axis=1) > 1 + _AT_ONCE)
    winner = shares[at_once, :-1].argmax(axis=1)
    alone[at_once, :-1] = 0
    alone[at_once, winner] = shares[at_once, winner]
    return alone
