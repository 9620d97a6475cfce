"""Post-processing is chosen on out-of-fold predictions, and judged on videos that had no part in the choice."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tsmfeat.errors import ConfigurationError
from tsmfeat.files import sha256_file
from tsmfeat.values.annotations import Annotations
from tsmfeat.values.predictions import IntervalScores
from tsmfeat.values.progress import Progress, Silence
from tsmfeat.workflows.grading import Judge
from tsmfeat.workflows.held_out import pool_folds
from tsmfeat.workflows.scored_sources import list_paths
from tsmfeat.workflows.tune_options import TuneOptions
from tsmfeat.workflows.tuning_bench import (
    Exam,
    Material,
    Predict,
    grade_folds,
    make_exam,
    make_predictor,
)
from tsmfeat.workflows.tuning_defaults import base_setting, default_values
from tsmfeat.workflows.tuning_gain import measure_gain
from tsmfeat.workflows.tuning_material import expand_sources, read_material
from tsmfeat.workflows.tuning_report import OptionReport, TuneReport
from tsmfeat.workflows.tuning_search import Found, Limits, search_best
from tsmfeat.workflows.tuning_settings import LOCALIZATION_NAMES, Setting, idle_options
from tsmfeat.workflows.tuning_space import Point, Space, make_space
from tsmfeat.workflows.tuning_tables import list_tables, require_tables_output, write_tables
from tsmfeat.workflows.tuning_words import parse_search

Floats = npt.NDArray[np.float64]

_SILENCE = Silence()
# Of a fold: resamples of one or two videos hardly differ.
_LEAST_VIDEOS = 4


@dataclass(frozen=True, eq=False)
class _Searches:
    """A search on all videos, and one without each fold."""

    overall: Found
    of_folds: tuple[Found, ...]
    num_settings: int
    seconds: float


def tune(
    sources: str | Path | Sequence[str | Path],
    annotations: str | Path,
    out: str | Path | None = None,
    features: str | Path | Sequence[str | Path] = (),
    options: TuneOptions | None = None,
    progress: Progress = _SILENCE,
) -> TuneReport:
    """Choose the post-processing of the highest final score, and say what such a choice gains on held-out videos.

    The same search is made without each fold of the videos; each fold is then predicted with the setting that the
    others chose. What that gains in the folds, each judged by itself, is honest; the score of the setting chosen on all
    videos is not. All folds ranked together are reported too: different settings may give scores of different scales,
    and ranking them together costs what no single setting would lose.

    Parameters
    ----------
    sources
        Out-of-fold interval scores or predictions, or heads that were not fitted on these videos.
    annotations
        A file or folder of any known format.
    out
        TOML file of the setting, for ``--config``; None: none is written. It holds the default where the honest gain
        is not above 0.
    features
        Stores of the heads.
    options
        `TuneOptions`; its defaults where None.
    progress
        Told of what does not fit, and of how far the search is.

    Returns
    -------
    TuneReport

    Raises
    ------
    ConfigurationError
        No source, options that cannot be searched, or fewer videos than folds.
    TsmfeatError
        Files that are missing, damaged or do not fit each other.
    """
    began = time.monotonic()
    options, paths = options or TuneOptions(), expand_sources(list_paths(sources))
    if out is not None:
        require_tables_output(Path(out), paths)
    truth, material = read_material(paths, annotations, list_paths(features), options, progress)
    space, predict = _make_space(material, options), make_predictor(material)
    exam = make_exam(truth, material.sources, options.num_folds, options.protocol, options.tiou_thresholds)
    if len(truth.video_ids) < _LEAST_VIDEOS * exam.num_folds:
        progress.warn(
            f"{len(truth.video_ids)} videos in {exam.num_folds} folds: with fewer than {_LEAST_VIDEOS} a fold the "
            "interval of the gain is too narrow to go by; take fewer --folds, or more videos"
        )
    searches = _search_all(space, predict, exam, options, progress)
    report = replace(
        _judge_searches(searches, space, predict, exam, truth, options),
        sources=tuple(paths),
        seconds=time.monotonic() - began,
        out="" if out is None else str(out),
    )
    if out is not None:
        written = report.setting if report.is_kept else space.base
        write_tables(list_tables(written, material.sources, options), _list_origins(report, annotations), Path(out))
    return report


def _make_space(material: Material, options: TuneOptions) -> Space:
    values = parse_search(options.search) if options.search else default_values(material.sources, options.prior)
    if "gamma" in values and not options.prior.asked:
        raise ConfigurationError(
            "--search gamma and no --video-prior; gamma is the strength of one", "add --video-prior FILE"
        )
    named = [name for name in values if name in LOCALIZATION_NAMES]
    if named and not any(isinstance(source, IntervalScores) for source in material.sources):
        raise ConfigurationError(
            f"--search {named[0]} and no scores of intervals; predictions and pyramid heads are segments already",
            "search options of fusion, such as --search fusion=none,soft-nms, or name interval scores: --scores",
        )
    return make_space(base_setting(material.sources), values)


def _search_all(space: Space, predict: Predict, exam: Exam, options: TuneOptions, progress: Progress) -> _Searches:
    """Search on all videos and without each fold; what one search has graded, the others need not grade again.

    Each goes its own way by its own scores alone: where another looked tells it nothing.
    """
    began = time.monotonic()
    known: dict[Point, Floats] = {}

    def grade(row: int, point: Point) -> float:
        if point not in known:
            known[point] = grade_folds(predict(_setting_of(space, point)), exam)
            progress.advance()
        return float(known[point][row])

    num_searches = exam.num_folds + 1
    progress.begin("tuning", 0, "settings")
    found = []
    for row in range(num_searches):
        deadline = began + (options.seconds or math.inf) * (row + 1) / num_searches
        random = np.random.default_rng([options.seed, row])
        found.append(search_best(space, partial(grade, row), Limits(options.budget, deadline), random))
    progress.end()
    return _Searches(found[0], tuple(found[1:]), len(known), time.monotonic() - began)


def _judge_searches(
    searches: _Searches, space: Space, predict: Predict, exam: Exam, truth: Annotations, options: TuneOptions
) -> TuneReport:
    """Return the report but for what only the caller knows: the sources, the time of all, and the file."""
    settings = [_setting_of(space, found.best) for found in (searches.overall, *searches.of_folds)]
    before, after = predict(space.base), predict(settings[0])
    held_out = pool_folds([predict(setting) for setting in settings[1:]], exam.fold_of)
    held = measure_gain(before, held_out, exam, options.num_resamples, options.seed)
    judge = Judge(options.protocol, options.tiou_thresholds)
    return TuneReport(
        sources=(),
        setting=settings[0],
        default_score=judge.final_score(before, truth),
        optimistic_score=judge.final_score(after, truth),
        pooled_score=judge.final_score(held_out, truth),
        held_out=held,
        searched=_describe_options(space, searches),
        num_settings=searches.num_settings,
        num_possible=space.size,
        is_exhaustive=searches.overall.is_exhaustive,
        num_videos=len(truth.video_ids),
        num_folds=exam.num_folds,
        search_seconds=searches.seconds,
        seconds=0.0,
        out="",
        is_kept=options.force or held.gain > 0,
        options=options,
    )


def _setting_of(space: Space, point: Point) -> Setting:
    setting = space.setting_at(point)
    if setting is None:
        raise ConfigurationError(f"options {space.values_at(point)} exclude each other", "search other values")
    return setting


def _describe_options(space: Space, searches: _Searches) -> tuple[OptionReport, ...]:
    best, scores = searches.overall.best, searches.overall.scores
    idle = idle_options(_setting_of(space, best))
    described = []
    for place, axis in enumerate(space.axes):
        profile = [
            (value, max((score for point, score in scores.items() if point[place] == k), default=math.nan))
            for k, value in enumerate(axis.values)
        ]
        of_folds = tuple(axis.values[found.best[place]] for found in searches.of_folds)
        described.append(
            OptionReport(
                axis.name, axis.values[0], axis.values[best[place]], of_folds, tuple(profile), axis.name in idle
            )
        )
    return tuple(described)


def _list_origins(report: TuneReport, annotations: str | Path) -> list[str]:
    """Return where a setting comes from, line by line."""
    sources = [f"{path} (sha256 {sha256_file(Path(path))[:12]})" for path in report.sources if Path(path).is_file()]
    held = report.held_out
    low, high = held.interval
    verdict = "" if held.gain > 0 else "; no gain that would hold"
    if not report.is_kept:
        verdict += ", so the defaults stand here"
    return [
        f"sources: {', '.join(sources or report.sources)}",
        f"annotations: {annotations}{f', subset {report.options.subset}' if report.options.subset else ''}: "
        f"{report.num_videos} videos in {report.num_folds} folds",
        f"final score {report.options.protocol}: default {report.default_score:.4f}, tuned "
        f"{report.optimistic_score:.4f} on the videos that chose it",
        f"held-out folds: default {held.default_score:.4f}, tuned {held.tuned_score:.4f}: "
        f"honest gain {held.gain:+.4f}, 95 % from {low:+.4f} to {high:+.4f}{verdict}",
        f"{report.num_settings} settings of {report.num_possible} tried, seed {report.options.seed}",
    ]
