"""Prediction files become one."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import repeat
from pathlib import Path
from typing import Any

from tsmfeat.errors import ConfigurationError, InputError
from tsmfeat.formats.classes import as_class_list
from tsmfeat.formats.options import Invalid
from tsmfeat.formats.reading import read_annotations, read_predictions
from tsmfeat.fusion.fusing import fuse as fuse_models
from tsmfeat.metrics.protocols import protocol_named
from tsmfeat.priors.options import AUTO
from tsmfeat.priors.tilting import tilt_segments
from tsmfeat.values.annotations import Annotations
from tsmfeat.values.predictions import Predictions
from tsmfeat.values.progress import Progress, Silence
from tsmfeat.workflows.agreement import check_classes, warn_of_dropped, warn_of_seen_videos
from tsmfeat.workflows.ensembles import weigh_sources
from tsmfeat.workflows.gamma_choice import PriorReport, require_one_choice, weigh_by_prior
from tsmfeat.workflows.grading import Judge, leave_out
from tsmfeat.workflows.kinds import KIND_NAMES, recognize
from tsmfeat.workflows.learning import LearnedWeights, learn_weights, warn_of_weights
from tsmfeat.workflows.prediction_files import require_prediction_output, write_prediction_file
from tsmfeat.workflows.score_options import FuseOptions
from tsmfeat.workflows.scored_sources import list_paths
from tsmfeat.workflows.splits import choose_subset
from tsmfeat.workflows.video_priors import match_prior, read_prior

_SILENCE = Silence()


@dataclass(frozen=True, eq=False)
class FuseReport:
    """What `fuse` did.

    Parameters
    ----------
    out
        The prediction file.
    predictions
        What it holds.
    sources, weights
        What was fused, and the weight of each (their sum is 1).
    learned
        How the weights were learned; None where they were given.
    options
        As resolved.
    seconds
        Wall time.
    prior
        How much what is known of whole videos counts; None without a prior.
    """

    out: str
    predictions: Predictions
    sources: tuple[str, ...]
    weights: tuple[float, ...]
    learned: LearnedWeights | None
    options: FuseOptions
    seconds: float
    prior: PriorReport | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object of ``tsmfeat fuse --json``."""
        return {
            "out": self.out,
            "num_videos": len(self.predictions.video_ids),
            "num_segments": len(self.predictions.segments),
            "num_dropped": self.predictions.num_dropped,
            "sources": list(self.sources),
            "weights": list(self.weights),
            "learned": None if self.learned is None else self.learned.to_dict(),
            "video_prior": None if self.prior is None else self.prior.to_dict(),
            "options": asdict(self.options),
            "seconds": self.seconds,
        }


def fuse(
    sources: str | Path | Sequence[str | Path],
    out: str | Path,
    options: FuseOptions | None = None,
    annotations: str | Path | None = None,
    progress: Progress = _SILENCE,
) -> FuseReport:
    """Fuse prediction files into one; a single file is treated by the same rule.

    Parameters
    ----------
    sources
        Prediction files of any known format.
    out
        The prediction file, written whole at the end or not at all.
    options
        `FuseOptions`; its defaults where None.
    annotations
        What weights are learned and a prior's strength is chosen on, of any known format; only the predictions of its
        videos count there.
    progress
        Told of dropped rows, of what the written form cannot hold, and where weights are not worth it.

    Returns
    -------
    FuseReport

    Raises
    ------
    ConfigurationError
        No source, an output that is one of them, or weights that do not fit or cannot be learned.
    InputError
        A source that holds no predictions, or scores that the fusion cannot weigh.
    OutputError
        The file cannot be written.
    TsmfeatError
        Files that are missing or damaged.
    """
    began = time.monotonic()
    options, out = options or FuseOptions(), Path(out)
    paths = list_paths(sources)
    _require_sources(paths, out)
    require_prediction_output(out)
    _require_truth(options, annotations)
    classes = as_class_list(options.classes or None)
    rule: Invalid = "error" if options.strict else "drop"
    models = [read_predictions(path, rule, classes) for path in paths]
    truth = _read_truth(annotations, options) if annotations is not None and _chooses(options) else None
    if truth is not None:
        for path, model in zip(paths, models, strict=True):
            check_classes(model, truth, path, must_share=True, strict=options.strict, progress=progress)
    models_at = _prepare_prior(models, paths, truth, options, progress)
    learned = _learn(models_at, truth, options, progress)
    given = "equal" if options.weights == "learned" else options.weights
    weights = learned.weights if learned else weigh_sources(paths, {}, given)
    prior = _settle_prior(models_at, weights, truth, options)
    found = fuse_models(models_at(0.0 if prior is None else prior.gamma), weights, options.fusion)
    warn_of_dropped("predicted", found.num_dropped, progress)
    write_prediction_file(found, out, options, progress)
    return FuseReport(str(out), found, tuple(paths), weights, learned, options, time.monotonic() - began, prior)


def _require_sources(paths: Sequence[str], out: Path) -> None:
    if not paths:
        raise ConfigurationError("no prediction file to fuse", "name one or several")
    for path in paths:
        if (kind := recognize(Path(path))) != "predictions":
            raise InputError(
                f"{path}: {KIND_NAMES.get(kind, kind)}; what is fused are prediction files",
                "tsmfeat predict makes them, and tsmfeat score fuses heads as they are",
            )
        if Path(path).resolve() == out.resolve():
            raise ConfigurationError(f"{out}: is to be read and written", "choose another name with -o")


def _chooses(options: FuseOptions) -> bool:
    return options.weights == "learned" or (options.prior.asked and options.prior.gamma == AUTO)


def _require_truth(options: FuseOptions, annotations: str | Path | None) -> None:
    require_one_choice(options.weights, options.prior)
    if _chooses(options) and annotations is None:
        what = "weights are learned" if options.weights == "learned" else "gamma 'auto' is chosen"
        raise ConfigurationError(f"{what} on annotations and none are given", "add --annotations gt.json")


def _read_truth(annotations: str | Path, options: FuseOptions) -> Annotations:
    rule: Invalid = "error" if options.strict else protocol_named(options.protocol).invalid
    truth = read_annotations(annotations, rule, as_class_list(options.classes or None))
    return choose_subset(truth, options.subset, protocol_named(options.protocol).subset)


def _prepare_prior(
    models: Sequence[Predictions],
    paths: Sequence[str],
    truth: Annotations | None,
    options: FuseOptions,
    progress: Progress,
) -> Callable[[float], list[Predictions]]:
    """Return what gives the models with a prior of some strength laid on them."""
    given = read_prior(options.prior, progress)
    if given is None:
        return lambda _: list(models)
    if truth is not None:
        warn_of_seen_videos(given.counted_ids, truth, options.prior.prior_annotations, progress)
    priors = [match_prior(given, model, None, path, progress) for path, model in zip(paths, models, strict=True)]
    return lambda gamma: list(map(tilt_segments, models, priors, repeat(gamma)))


def _settle_prior(
    models_at: Callable[[float], list[Predictions]],
    weights: Sequence[float],
    truth: Annotations | None,
    options: FuseOptions,
) -> PriorReport | None:
    """Return the strength of the prior, chosen on the annotated videos where it is to be."""
    prior = options.prior
    if not prior.asked:
        return None
    if truth is None or prior.gamma != AUTO:
        return PriorReport(prior.video_prior, prior.fixed_gamma, None, None)
    known = set(truth.video_ids)

    def predictions_at(gamma: float) -> Predictions:
        inside = [leave_out(model, set(model.video_ids) - known) for model in models_at(gamma)]
        return fuse_models(inside, weights, options.fusion)

    judge = Judge(options.protocol, options.tiou_thresholds)
    return weigh_by_prior(predictions_at, truth, prior, judge.final_score)[1]


def _learn(
    models_at: Callable[[float], list[Predictions]],
    truth: Annotations | None,
    options: FuseOptions,
    progress: Progress,
) -> LearnedWeights | None:
    if options.weights != "learned" or truth is None:
        return None
    models = models_at(options.prior.fixed_gamma)
    if len(models) == 1:
        return None
    known = set(truth.video_ids)
    inside = [leave_out(model, set(model.video_ids) - known) for model in models]
    judge = Judge(options.protocol, options.tiou_thresholds)
    learned = learn_weights(inside, truth, options.fusion, judge, options.search)
    warn_of_weights(learned, progress)
    return learned
