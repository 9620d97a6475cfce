"""Heads and prediction files become fused segments and scores."""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tsmfeat.errors import ConfigurationError
from tsmfeat.formats.classes import as_class_list
from tsmfeat.formats.interval_scores import holds_interval_scores
from tsmfeat.formats.options import Invalid
from tsmfeat.formats.reading import read_annotations, read_predictions
from tsmfeat.heads.checkpoint import HeadsCheckpoint
from tsmfeat.metrics.average_precision import Evaluation, evaluate
from tsmfeat.metrics.protocols import protocol_named
from tsmfeat.metrics.scenes import SceneAccuracy, scene_accuracy
from tsmfeat.values.annotations import Annotations
from tsmfeat.values.predictions import IntervalScores, Predictions
from tsmfeat.values.progress import Progress, Silence
from tsmfeat.workflows.agreement import check_classes, warn_of_rows
from tsmfeat.workflows.ensembles import (
    Checkpoints,
    fuse_sources,
    load_checkpoints,
    match_stores,
    recorded_counts,
    score_stored_videos,
    weigh_sources,
)
from tsmfeat.workflows.fusion_comparison import FusionScore, compare_fusions
from tsmfeat.workflows.gamma_choice import PriorReport, require_one_choice, weigh_by_prior
from tsmfeat.workflows.grading import Judge
from tsmfeat.workflows.interval_files import read_wanted_scores
from tsmfeat.workflows.learning import LearnedWeights, learn_weights, warn_of_weights
from tsmfeat.workflows.measures import Measured, take_measures
from tsmfeat.workflows.options import ScoreOptions
from tsmfeat.workflows.splits import choose_subset
from tsmfeat.workflows.transitions import localize_with_transitions
from tsmfeat.workflows.uncertainty import Entrant, Uncertainty, judge_uncertainty
from tsmfeat.workflows.video_priors import GivenPrior, Source, match_prior, read_prior, tilt

if TYPE_CHECKING:
    from tsmfeat.store.reader import FeatureStore

_SILENCE = Silence()
FUSED = "fused"
"""What the union of several sources is called where single files have their names."""


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

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object of ``tsmfeat score --json``."""
        found = self.evaluation
        return {
            "protocol": found.protocol,
            "tiou_thresholds": list(found.tiou_thresholds),
            "map": found.map.tolist(),
            "average_map": found.average_map,
            "final_score": found.final_score,
            "classes": list(found.classes),
            "ap": found.ap.tolist(),
            "num_annotations": found.num_annotations,
            "num_predictions": found.num_predictions,
            "num_ignored": found.num_ignored,
            "tied_share": found.tied_share,
            "num_at_threshold": found.num_at_threshold,
            "num_dropped_annotations": found.num_dropped_annotations,
            "num_dropped_predictions": found.num_dropped_predictions,
            "sources": list(self.sources),
            "weights": list(self.weights),
            "scene_accuracy": self.scenes.top1,
            "scene_top5": self.scenes.top5,
            "num_scene_videos": self.scenes.num_videos,
            "video_prior": None if self.prior is None else self.prior.to_dict(),
            "learned": None if self.learned is None else self.learned.to_dict(),
            "fusions": [found.to_dict() for found in self.fusions],
            "measures": {name: measured.to_dict() for name, measured in self.measures.items()},
            "options": asdict(self.options),
            "seconds": self.seconds,
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
    paths = _list_paths(sources)
    _require_combinable(paths, options)
    classes = as_class_list(options.classes or None)
    truth = choose_subset(read_annotations(annotations, _reader_rule(options), classes), options.subset)
    require_one_choice(options.weights, options.prior)
    given = read_prior(options.prior, progress)
    everyone = [*paths, *options.statistics.compare]
    checkpoints = load_checkpoints(everyone)
    named = weigh_sources(paths, checkpoints, "equal" if options.weights == "learned" else options.weights)
    listed = _read_sources(everyone, checkpoints, _list_paths(features), truth, options, progress)
    own, rivals = listed[: len(paths)], listed[len(paths) :]
    priors = [] if given is None else _match_priors(given, paths, own, checkpoints, progress)

    def members_at(gamma: float) -> list[Predictions]:
        return _localize_all(list(map(tilt, own, priors, repeat(gamma))) if priors else own, options)

    learned = _learn(members_at, truth, options, progress)
    weights = named if learned is None else learned.weights

    def predictions_at(gamma: float) -> Predictions:
        return fuse_sources(members_at(gamma), weights, options.fusion)

    judge = Judge(options.protocol, options.tiou_thresholds)
    predictions, prior = weigh_by_prior(predictions_at, truth, options.prior, judge.final_score)
    warn_of_rows(predictions, truth, progress)
    evaluation = evaluate(predictions, truth, options.protocol, options.tiou_thresholds)
    scenes = scene_accuracy(predictions, truth)
    measures = take_measures(predictions, truth, options)
    scored = Entrant(paths[0] if len(paths) == 1 else FUSED, predictions)
    members = members_at(0.0 if prior is None else prior.gamma)
    others = list(map(Entrant, options.statistics.compare, _localize_all(rivals, options)))
    entered = list(map(Entrant, paths, members)) if len(paths) > 1 else []
    uncertainty = judge_uncertainty(scored, entered, others, truth, options)
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
    )


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
    warn_of_weights(learned, progress)
    return learned


def _reader_rule(options: ScoreOptions) -> Invalid:
    return "error" if options.strict else protocol_named(options.protocol).invalid


def _match_priors(
    given: GivenPrior, paths: Sequence[str], sources: Sequence[Source], checkpoints: Checkpoints, progress: Progress
) -> list[npt.NDArray[np.float64]]:
    return [
        match_prior(given, source, recorded_counts(path, checkpoints), path, progress)
        for path, source in zip(paths, sources, strict=True)
    ]


def _localize_all(sources: Sequence[Source], options: ScoreOptions) -> list[Predictions]:
    return [
        localize_with_transitions(source, options.localization, options.transitions)
        if isinstance(source, IntervalScores)
        else source
        for source in sources
    ]


def _read_sources(
    paths: Sequence[str],
    checkpoints: Checkpoints,
    features: Sequence[str],
    truth: Annotations,
    options: ScoreOptions,
    progress: Progress,
) -> list[Source]:
    with ExitStack() as stack:
        store_of = match_stores(checkpoints, _open_stores(features, stack) if checkpoints else [])
        listed = [
            _read_source(path, checkpoints.get(path), store_of.get(path), truth.video_ids, options, progress)
            for path in paths
        ]
    for path, predicted in zip(paths, listed, strict=True):
        check_classes(predicted, truth, path, must_share=path in checkpoints, strict=options.strict, progress=progress)
    return listed


def _open_stores(features: Sequence[str], stack: ExitStack) -> "list[FeatureStore]":
    # For heads only: prediction files need no HDF5, which takes a while to load.
    from tsmfeat.store.reader import open_features

    return [stack.enter_context(open_features(path)) for path in dict.fromkeys(features)]


def _read_source(
    path: str,
    checkpoint: HeadsCheckpoint | None,
    store: "FeatureStore | None",
    video_ids: Sequence[str],
    options: ScoreOptions,
    progress: Progress,
) -> Source:
    if checkpoint is not None and store is not None:
        return score_stored_videos(checkpoint, store, video_ids, progress)
    if holds_interval_scores(Path(path)):
        return read_wanted_scores(path, video_ids, progress)
    return read_predictions(path, _reader_rule(options), as_class_list(options.classes or None))


def _list_paths(paths: str | Path | Sequence[str | Path]) -> list[str]:
    return [str(paths)] if isinstance(paths, str | Path) else [str(path) for path in paths]


def _require_combinable(paths: Sequence[str], options: ScoreOptions) -> None:
    if not paths:
        raise ConfigurationError("no source to score", "name heads checkpoints, interval scores or prediction files")
    if len(paths) > 1 and options.fusion.fusion == "none":
        raise ConfigurationError(
            f"{len(paths)} sources and --fusion none; only one can be scored as it is",
            "score them one by one, or use --fusion paper",
        )
