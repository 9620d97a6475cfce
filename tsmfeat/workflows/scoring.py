"""Heads and prediction files become fused segments and scores."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import repeat
from pathlib import Path
from typing import Any

from tsmfeat.errors import ConfigurationError
from tsmfeat.formats.classes import as_class_list
from tsmfeat.formats.reading import read_annotations
from tsmfeat.metrics.average_precision import Evaluation, evaluate
from tsmfeat.metrics.protocols import protocol_named
from tsmfeat.metrics.scenes import SceneAccuracy, scene_accuracy
from tsmfeat.values.annotations import Annotations
from tsmfeat.values.predictions import IntervalScores, Predictions
from tsmfeat.values.progress import Progress, Silence
from tsmfeat.workflows.agreement import warn_of_rows, warn_of_videos
from tsmfeat.workflows.ensembles import (
    fuse_sources,
    load_checkpoints,
    weigh_sources,
)
from tsmfeat.workflows.fusion_comparison import FusionScore, compare_fusions
from tsmfeat.workflows.gamma_choice import PriorReport, require_one_choice, weigh_by_prior
from tsmfeat.workflows.grading import Judge
from tsmfeat.workflows.learning import LearnedWeights, learn_weights, warn_of_weights
from tsmfeat.workflows.measures import Measured, take_measures
from tsmfeat.workflows.options_in_vain import changes_localization, list_vain
from tsmfeat.workflows.protocol_comparison import Evaluations, evaluate_others, tied_map_range, warn_of_preset
from tsmfeat.workflows.score_options import ScoreOptions
from tsmfeat.workflows.scored_sources import list_paths, match_priors, read_sources, reader_rule
from tsmfeat.workflows.splits import choose_subset
from tsmfeat.workflows.timing import timed
from tsmfeat.workflows.transitions import localize_with_transitions
from tsmfeat.workflows.uncertainty import Entrant, Uncertainty, judge_uncertainty
from tsmfeat.workflows.units import View, join_sources, require_unit, require_whole_videos, view_predictions, view_truth
from tsmfeat.workflows.video_priors import Source, read_prior, tilt

_SILENCE = Silence()
FUSED = "fused"
"""What the union of several sources is called where single files have their names."""
SCORE_PARTS = ("annotations", "predictions", "localize", "fuse", "evaluate")
"""The parts of scoring whose time is told; what else was asked for is the rest."""


@dataclass(frozen=True, eq=False)
class ScoreReport:
    """What `score` found.

    Parameters
    ----------
    evaluation
        AP per class and threshold, and what to know about it.
    scenes
        Accuracy of predicted scenes.
    predictions
        The fused segments that were evaluated.
    sources, weights
        What was fused, and the weight of each (their sum is 1).
    options
        As resolved.
    seconds
        Wall time.
    uncertainty
        Intervals, tests against other files and simulated test sets, where they were asked for.
    prior
        How much what is known of whole videos counts, and what it is worth; None without a prior.
    learned
        How the weights were learned on the very annotations that are scored on; None where they were given.
    fusions
        Every fusion of the sources, where that was asked for.
    measures
        What was measured beside AP, by name.
    seconds_by_part
        Wall time of each of `SCORE_PARTS`: reading annotations; reading prediction files and interval scores and
        running heads; laying a prior on and making segments; fusing; AP and scene accuracy.
    num_outside
        Predicted pieces in bins of annotated videos that hold no true piece: left out by the unit ``bin10``, false by
        ``bin10-all``.
    protocols
        The evaluations under ``options.protocols``, by name.
    tied_map_range
        Average mAP with equal scores in the order of the file and in its reverse; None where few are equal.
    """

    evaluation: Evaluation
    scenes: SceneAccuracy
    predictions: Predictions
    sources: tuple[str, ...]
    weights: tuple[float, ...]
    options: ScoreOptions
    seconds: float
    uncertainty: Uncertainty = field(default_factory=Uncertainty)
    prior: PriorReport | None = None
    learned: LearnedWeights | None = None
    fusions: tuple[FusionScore, ...] = ()
    measures: dict[str, Measured] = field(default_factory=dict)
    seconds_by_part: dict[str, float] = field(default_factory=dict)
    num_outside: int = 0
    protocols: Evaluations = field(default_factory=dict)
    tied_map_range: tuple[float, float] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object of ``tsmfeat score --json``."""
        return {
            **self.evaluation.to_dict(),
            "unit": self.options.unit,
            "num_outside": self.num_outside,
            "tied_map_range": None if self.tied_map_range is None else list(self.tied_map_range),
            "protocols": {name: found.to_dict() for name, found in self.protocols.items()},
            "sources": list(self.sources),
            "weights": list(self.weights),
            "scene_accuracy": self.scenes.top1,
            "scene_top5": self.scenes.top5,
            "scene_mean_class_accuracy": self.scenes.mean_class,
            "scene_class_accuracy": dict(zip(self.scenes.classes, self.scenes.class_accuracy, strict=True)),
            "num_scene_videos": self.scenes.num_videos,
            "video_prior": None if self.prior is None else self.prior.to_dict(),
            "learned": None if self.learned is None else self.learned.to_dict(),
            "fusions": [found.to_dict() for found in self.fusions],
            "measures": {name: measured.to_dict() for name, measured in self.measures.items()},
            "options": asdict(self.options),
            "seconds": self.seconds,
            "seconds_by_part": self.seconds_by_part,
            **self.uncertainty.to_dict(),
        }


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
    options = options or ScoreOptions()
    paths = list_paths(sources)
    _require_combinable(paths, options)
    record = protocol_named(options.protocol)
    warn_of_preset(options, progress)
    for note in list_vain(options, len(paths)):
        progress.note(note)
    clock = dict.fromkeys(SCORE_PARTS, 0.0)
    with timed(clock, "annotations"):
        classes = as_class_list(options.classes or None)
        are_pieces = require_unit(annotations, options.unit)
        everything = read_annotations(annotations, reader_rule(options), classes)
        truth = choose_subset(everything, options.subset, record.subset)
        view = view_truth(truth, options.unit, are_pieces)
    require_one_choice(options.weights, options.prior)
    require_whole_videos(options)
    given = read_prior(options.prior, progress)
    everyone = [*paths, *options.statistics.compare]
    checkpoints = load_checkpoints(everyone)
    named = weigh_sources(paths, checkpoints, "equal" if options.weights == "learned" else options.weights)
    with timed(clock, "predictions"):
        listed = read_sources(everyone, checkpoints, list_paths(features), truth, options, progress)
    if not any(isinstance(source, IntervalScores) for source in listed) and changes_localization(options):
        progress.note("options of localisation have no say on prediction files: their segments are made already")
    own, rivals = listed[: len(paths)], listed[len(paths) :]
    if view.bins is not None and len(paths) > 1:
        own = join_sources(paths, own)
    priors = [] if given is None else match_priors(given, paths, own, checkpoints, progress)

    def members_at(gamma: float) -> list[Predictions]:
        with timed(clock, "localize"):
            return _localize_all(list(map(tilt, own, priors, repeat(gamma))) if priors else own, options)

    learned = _learn(members_at, truth, options, progress)
    weights = named if learned is None else learned.weights

    def predictions_at(gamma: float) -> Predictions:
        members = members_at(gamma)
        with timed(clock, "fuse"):
            return fuse_sources(members, weights, options.fusion)

    def final_score(found: Predictions, judged: Annotations) -> float:
        with timed(clock, "evaluate"):
            seen = view_predictions(found, view).predictions
            return judge.final_score(seen, judged if view.bins is None else view.annotations)

    def score_again(other: ScoreOptions) -> Evaluations:
        report = score(sources, annotations, features, replace(other, weights=weights))
        return {report.evaluation.protocol: report.evaluation, **report.protocols}

    judge = Judge(options.protocol, options.tiou_thresholds)
    predictions, prior = weigh_by_prior(predictions_at, truth, options.prior, final_score)
    warn_of_rows(predictions, truth, progress, forgives=record.ambiguous == "forgive")
    warn_of_videos(predictions, truth, everything.video_ids, progress)
    with timed(clock, "evaluate"):
        seen = view_predictions(predictions, view)
        evaluation = evaluate(seen.predictions, view.annotations, record, options.tiou_thresholds)
        protocols = evaluate_others(seen.predictions, view.annotations, options, score_again)
        tied_range = tied_map_range(seen.predictions, view.annotations, evaluation, progress)
        scenes = scene_accuracy(predictions, truth)
    measures = take_measures(seen.predictions, view.annotations, options)
    scored = Entrant(paths[0] if len(paths) == 1 else FUSED, seen.predictions)
    members = members_at(0.0 if prior is None else prior.gamma)
    others = _enter(options.statistics.compare, _localize_all(rivals, options), view)
    entered = _enter(paths, members, view) if len(paths) > 1 else []
    uncertainty = judge_uncertainty(scored, entered, others, view.population, options)
    compared = compare_fusions(members, paths, weights, truth, judge, progress) if options.compare_fusions else ()
    return ScoreReport(
        evaluation,
        scenes,
        predictions,
        tuple(paths),
        weights,
        options,
        time.monotonic() - began,
        uncertainty,
        prior,
        learned,
        compared,
        measures,
        clock,
        seen.num_outside,
        protocols,
        tied_range,
    )


def _enter(names: Sequence[str], listed: Sequence[Predictions], view: View) -> list[Entrant]:
    return [Entrant(name, view_predictions(found, view).predictions) for name, found in zip(names, listed, strict=True)]


def _learn(
    members_at: Callable[[float], list[Predictions]], truth: Annotations, options: ScoreOptions, progress: Progress
) -> LearnedWeights | None:
    if options.weights != "learned":
        return None
    models = members_at(options.prior.fixed_gamma)
    if len(models) == 1:
        return None
    judge = Judge(options.protocol, options.tiou_thresholds)
    learned = learn_weights(models, truth, options.fusion, judge, options.search)
    progress.warn(
        f"the weights were learned on the very videos they are scored on: {learned.seen_score:.4f} is optimistic; "
        f"on held-out videos {learned.held_out_score:.4f}"
    )
    warn_of_weights(learned, progress)
    return learned


def _localize_all(sources: Sequence[Source], options: ScoreOptions) -> list[Predictions]:
    return [
        localize_with_transitions(source, options.localization, options.transitions)
        if isinstance(source, IntervalScores)
        else source
        for source in sources
    ]


def _require_combinable(paths: Sequence[str], options: ScoreOptions) -> None:
    if not paths:
        raise ConfigurationError("no source to score", "name heads checkpoints, interval scores or prediction files")
    if len(paths) > 1 and options.fusion.fusion == "none":
        raise ConfigurationError(
            f"{len(paths)} sources and --fusion none; only one can be scored as it is",
            "score them one by one, or use --fusion paper",
        )
