"""Heads and prediction files become fused segments and scores."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from tsmfeat.errors import ConfigurationError
from tsmfeat.formats.classes import as_class_list
from tsmfeat.formats.reading import read_annotations
from tsmfeat.metrics.average_precision import Evaluation, evaluate
from tsmfeat.metrics.protocols import protocol_named
from tsmfeat.metrics.scenes import SceneAccuracy, scene_accuracy
from tsmfeat.values.annotations import Annotations
from tsmfeat.values.predictions import Predictions
from tsmfeat.values.progress import Progress, Silence
from tsmfeat.workflows.agreement import warn_of_rows, warn_of_videos
from tsmfeat.workflows.blocked_videos import leave_out_annotated
from tsmfeat.workflows.ensembles import fuse_sources
from tsmfeat.workflows.fusion_comparison import FusionScore, compare_fusions
from tsmfeat.workflows.gamma_choice import PriorReport, require_one_choice, weigh_by_prior
from tsmfeat.workflows.grading import Judge
from tsmfeat.workflows.learning import LearnedWeights, learn_weights, warn_of_weights
from tsmfeat.workflows.measures import take_measures
from tsmfeat.workflows.options_in_vain import list_vain
from tsmfeat.workflows.protocol_comparison import Evaluations, evaluate_others, tied_map_range, warn_of_preset
from tsmfeat.workflows.score_entries import Entries, MembersAt, localize_sources, prepare_members, read_entries
from tsmfeat.workflows.score_options import ScoreOptions
from tsmfeat.workflows.score_report import SCORE_PARTS, ScoreReport
from tsmfeat.workflows.scored_sources import list_paths, reader_rule
from tsmfeat.workflows.splits import choose_subset
from tsmfeat.workflows.timing import timed
from tsmfeat.workflows.uncertainty import Entrant, Uncertainty, judge_uncertainty
from tsmfeat.workflows.units import View, require_unit, require_whole_videos, view_predictions, view_truth

_SILENCE = Silence()
FUSED = "fused"
"""What the union of several sources is called where single files have their names."""


@dataclass(frozen=True, eq=False)
class _Job:
    """What every step of a scoring looks at.

    Whole videos and their view in the unit, the ids of the videos of all subsets, and the clock of the parts.
    """

    truth: Annotations
    annotated_ids: tuple[str, ...]
    view: View
    options: ScoreOptions
    progress: Progress
    clock: dict[str, float]

    @property
    def judge(self) -> Judge:
        return Judge(self.options.protocol, self.options.tiou_thresholds)


class _Chosen(NamedTuple):
    predictions: Predictions
    weights: tuple[float, ...]
    learned: LearnedWeights | None
    prior: PriorReport | None


class _Judged(NamedTuple):
    seen: Predictions
    num_outside: int
    evaluation: Evaluation
    protocols: Evaluations
    tied_map_range: tuple[float, float] | None
    scenes: SceneAccuracy


def score(
    sources: str | Path | Sequence[str | Path],
    annotations: str | Path,
    features: str | Path | Sequence[str | Path] = (),
    options: ScoreOptions | None = None,
    progress: Progress = _SILENCE,
) -> ScoreReport:
    """Score heads checkpoints, interval scores and prediction files, fused where there are several.

    Parameters
    ----------
    sources
        Heads checkpoints, files of interval scores (`predict` with ``scores_out``), and prediction files of any known
        format. Heads and interval scores are localised.
    annotations
        A file or folder of any known format.
    features
        Stores; each heads checkpoint takes the one of its own spec.
    options
        `ScoreOptions`; its defaults where None.
    progress
        Told of dropped rows, unknown classes, and videos without features.

    Returns
    -------
    ScoreReport

    Raises
    ------
    ConfigurationError
        No source, several subsets and none named, or weights that do not fit the sources.
    SpecMismatchError
        A heads checkpoint finds no store of its spec, or two.
    TsmfeatError
        Files that are missing, damaged or do not fit each other.
    """
    began = time.monotonic()
    options, paths = options or ScoreOptions(), list_paths(sources)
    _require_answerable(paths, options)
    warn_of_preset(options, progress)
    for note in list_vain(options, len(paths)):
        progress.note(note)
    job = _read_truth(annotations, options, progress)
    with timed(job.clock, "predictions"):
        entries = read_entries(paths, list_paths(features), job.truth, options, progress)
    members_at = prepare_members(entries, options, job.clock)
    chosen = _choose(job, entries, members_at)

    def score_again(other: ScoreOptions) -> Evaluations:
        report = score(sources, annotations, features, replace(other, weights=chosen.weights))
        return {report.evaluation.protocol: report.evaluation, **report.protocols}

    judged = _evaluate(job, chosen.predictions, score_again)
    return _complete(job, entries, members_at, chosen, judged, began)


def _require_answerable(paths: Sequence[str], options: ScoreOptions) -> None:
    if not paths:
        raise ConfigurationError("no source to score", "name heads checkpoints, interval scores or prediction files")
    if len(paths) > 1 and options.fusion.fusion == "none":
        raise ConfigurationError(
            f"{len(paths)} sources and --fusion none; only one can be scored as it is",
            "score them one by one, or use --fusion paper",
        )
    require_one_choice(options.weights, options.prior)
    require_whole_videos(options)


def _read_truth(annotations: str | Path, options: ScoreOptions, progress: Progress) -> _Job:
    clock = dict.fromkeys(SCORE_PARTS, 0.0)
    with timed(clock, "annotations"):
        classes = as_class_list(options.classes or None)
        are_pieces = require_unit(annotations, options.unit)
        everything = read_annotations(annotations, reader_rule(options), classes)
        truth = choose_subset(everything, options.subset, protocol_named(options.protocol).subset)
        if options.blocked:
            truth = leave_out_annotated(truth, options.blocked, progress)
        return _Job(truth, everything.video_ids, view_truth(truth, options.unit, are_pieces), options, progress, clock)


def _choose(job: _Job, entries: Entries, members_at: MembersAt) -> _Chosen:
    """Fuse the sources; choose weights, or the strength of the prior, where they are to be chosen."""
    learned = _learn(job, members_at)
    weights = entries.weights if learned is None else learned.weights

    def predictions_at(gamma: float) -> Predictions:
        members = members_at(gamma)
        with timed(job.clock, "fuse"):
            return fuse_sources(members, weights, job.options.fusion)

    def final_score(found: Predictions, judged: Annotations) -> float:
        with timed(job.clock, "evaluate"):
            seen = view_predictions(found, job.view).predictions
            return job.judge.final_score(seen, judged if job.view.bins is None else job.view.annotations)

    predictions, prior = weigh_by_prior(predictions_at, job.truth, job.options.prior, final_score)
    return _Chosen(predictions, weights, learned, prior)


def _learn(job: _Job, members_at: MembersAt) -> LearnedWeights | None:
    if job.options.weights != "learned":
        return None
    models = members_at(job.options.prior.fixed_gamma)
    if len(models) == 1:
        return None
    learned = learn_weights(models, job.truth, job.options.fusion, job.judge, job.options.search)
    job.progress.warn(
        f"the weights were learned on the very videos they are scored on: {learned.seen_score:.4f} is optimistic; "
        f"on held-out videos {learned.held_out_score:.4f}"
    )
    warn_of_weights(learned, job.progress)
    asked = job.options.statistics
    if asked.bootstrap or asked.compare or asked.split_bootstrap or job.options.compare_fusions:
        job.progress.warn(
            "intervals, tests and comparisons flatter learned weights in the same way: learn them on other videos, and "
            "give them as numbers"
        )
    return learned


def _evaluate(job: _Job, predictions: Predictions, score_again: Callable[[ScoreOptions], Evaluations]) -> _Judged:
    record, truth = protocol_named(job.options.protocol), job.view.annotations
    warn_of_rows(predictions, job.truth, job.progress, forgives=record.ambiguous == "forgive")
    warn_of_videos(predictions, job.truth, job.annotated_ids, job.progress)
    with timed(job.clock, "evaluate"):
        seen, num_outside = view_predictions(predictions, job.view)
        evaluation = evaluate(seen, truth, record, job.options.tiou_thresholds)
        return _Judged(
            seen,
            num_outside,
            evaluation,
            evaluate_others(seen, truth, job.options, score_again),
            tied_map_range(seen, truth, evaluation, job.progress),
            scene_accuracy(predictions, job.truth),
        )


def _complete(
    job: _Job, entries: Entries, members_at: MembersAt, chosen: _Chosen, judged: _Judged, began: float
) -> ScoreReport:
    """Answer what else was asked for, and report."""
    measures = take_measures(judged.seen, job.view.annotations, job.options)
    are_wanted = job.options.compare_fusions or job.options.statistics.split_bootstrap
    members = members_at(0.0 if chosen.prior is None else chosen.prior.gamma) if are_wanted else []
    uncertainty = _judge_uncertainty(job, entries, members, judged.seen)
    fusions = _compare_fusions(job, entries, members, chosen.weights)
    return ScoreReport(
        evaluation=judged.evaluation,
        scenes=judged.scenes,
        predictions=chosen.predictions,
        sources=entries.paths,
        weights=chosen.weights,
        options=job.options,
        seconds=time.monotonic() - began,
        uncertainty=uncertainty,
        prior=chosen.prior,
        learned=chosen.learned,
        fusions=fusions,
        measures=measures,
        seconds_by_part=job.clock,
        num_outside=judged.num_outside,
        protocols=judged.protocols,
        tied_map_range=judged.tied_map_range,
    )


def _judge_uncertainty(job: _Job, entries: Entries, members: Sequence[Predictions], seen: Predictions) -> Uncertainty:
    def enter(names: Sequence[str], listed: Sequence[Predictions]) -> list[Entrant]:
        cut = [view_predictions(found, job.view).predictions for found in listed]
        return [Entrant(*pair) for pair in zip(names, cut, strict=True)]

    paths, options = entries.paths, job.options
    against = localize_sources(entries.rivals, entries, options)
    for path, rival in zip(options.statistics.compare, against, strict=True):
        warn_of_videos(rival, job.truth, job.annotated_ids, job.progress, path)
    rivals = enter(options.statistics.compare, against)
    parts = enter(paths, members) if len(members) > 1 else []
    scored = Entrant(paths[0] if len(paths) == 1 else FUSED, seen)
    return judge_uncertainty(scored, parts, rivals, job.view.population, options)


def _compare_fusions(
    job: _Job, entries: Entries, members: Sequence[Predictions], weights: tuple[float, ...]
) -> tuple[FusionScore, ...]:
    if not job.options.compare_fusions:
        return ()
    return compare_fusions(members, entries.paths, weights, job.truth, job.judge, job.progress)
