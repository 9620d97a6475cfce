"""Heads and prediction files become fused segments and scores."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tsmfeat.errors import ConfigurationError, InputError, SpecMismatchError, did_you_mean
from tsmfeat.files import is_safetensors
from tsmfeat.formats.activitynet import read_annotations, read_predictions
from tsmfeat.fusion.fusing import fuse
from tsmfeat.heads.checkpoint import HeadsCheckpoint, load_heads
from tsmfeat.localization.localizing import localize
from tsmfeat.metrics.average_precision import Evaluation, evaluate
from tsmfeat.metrics.protocols import protocol_named
from tsmfeat.metrics.scenes import SceneAccuracy, scene_accuracy
from tsmfeat.store.reader import FeatureStore, open_features
from tsmfeat.values.annotations import Annotations
from tsmfeat.values.predictions import Predictions
from tsmfeat.values.progress import Progress, Silence
from tsmfeat.workflows.inference import gather_features, score_intervals
from tsmfeat.workflows.options import WEIGHTINGS, ScoreOptions

_SILENCE = Silence()


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
    seconds
        Wall time.
    """

    evaluation: Evaluation
    scenes: SceneAccuracy
    predictions: Predictions
    sources: tuple[str, ...]
    weights: tuple[float, ...]
    seconds: float

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
            "seconds": self.seconds,
        }


def score(
    sources: Sequence[str | Path],
    annotations: str | Path,
    features: Sequence[str | Path] = (),
    options: ScoreOptions | None = None,
    progress: Progress = _SILENCE,
) -> ScoreReport:
    """Score heads checkpoints and prediction files, fused where there are several.

    Parameters
    ----------
    sources
        Heads checkpoints (safetensors) and ActivityNet JSON prediction files.
    annotations
        ActivityNet JSON.
    features
        Stores; each heads checkpoint takes the one of its own spec.
    options
        `ScoreOptions`; its defaults where None.
    progress
        Told of dropped rows and of videos without features.

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
    if not sources:
        raise ConfigurationError("no source to score", "name heads checkpoints or prediction files")
    invalid = "error" if options.strict else protocol_named(options.protocol).invalid
    truth = _choose_subset(read_annotations(Path(annotations), invalid=invalid), options.subset)
    heads = {path: load_heads(Path(path)) for path in sources if is_safetensors(Path(path))}
    weights = _weigh(sources, heads, options.weights)
    stores = _open_stores(features) if heads else []
    try:
        listed = [
            _predict(heads[path], _store_of(heads[path], str(path), stores), truth, options, progress)
            if path in heads
            else read_predictions(Path(path), invalid=invalid)
            for path in sources
        ]
    finally:
        for store in stores:
            store.close()
    predictions = _combine(listed, weights, options)
    _report_dropped(truth, predictions, progress)
    evaluation = evaluate(predictions, truth, options.protocol, options.tiou_thresholds)
    return ScoreReport(
        evaluation,
        scene_accuracy(predictions, truth),
        predictions,
        tuple(str(path) for path in sources),
        weights,
        time.monotonic() - began,
    )


def _choose_subset(truth: Annotations, name: str) -> Annotations:
    subsets = truth.subsets()
    listed = ", ".join(repr(subset) for subset in subsets)
    if not name and len(subsets) > 1:
        raise ConfigurationError(
            f"the annotations hold {len(subsets)} subsets ({listed}) and none is named; scores are of one subset",
            f"add --subset {subsets[-1] or subsets[0]}",
        )
    if name and name not in subsets:
        hint = did_you_mean(name, subsets) or f"subsets are {listed}"
        raise ConfigurationError(f"subset {name!r} does not occur in the annotations", hint)
    return truth.select_subset(name) if name else truth


def _weigh(
    sources: Sequence[str | Path], heads: dict[str | Path, HeadsCheckpoint], weights: str | tuple[float, ...]
) -> tuple[float, ...]:
    """Return a weight a source; their sum is 1."""
    if isinstance(weights, tuple):
        raw = weights
    elif weights == "equal":
        raw = (1.0,) * len(sources)
    elif weights == "validation":
        raw = tuple(_validation_score(path, heads) for path in sources)
    else:
        raise ConfigurationError(f"weights {weights!r} are unknown", f"give {', '.join(WEIGHTINGS)} or a comma list")
    if len(raw) != len(sources):
        raise ConfigurationError(f"{len(raw)} weights for {len(sources)} sources; one each", "give a number a source")
    total = sum(raw)
    if not (0 < total < float("inf")) or any(not value >= 0 for value in raw):
        raise ConfigurationError(f"weights {raw}: each is >= 0 and their sum is positive", "for example 0.6,0.4")
    return tuple(value / total for value in raw)


def _validation_score(path: str | Path, heads: dict[str | Path, HeadsCheckpoint]) -> float:
    judged = heads[path].record.get("validation") if path in heads else None
    if judged is None:
        raise ConfigurationError(
            f"{path}: holds no validation score to weigh it by", "give the weights as numbers: --weights 0.6,0.4"
        )
    return float(judged["final_score"])


def _open_stores(features: Sequence[str | Path]) -> list[FeatureStore]:
    if not features:
        raise ConfigurationError(
            "a heads checkpoint is scored on features and no store is named", "add --features FEATURES.h5"
        )
    return [open_features(path) for path in features]


def _store_of(checkpoint: HeadsCheckpoint, path: str, stores: Sequence[FeatureStore]) -> FeatureStore:
    matching = [store for store in stores if store.spec == checkpoint.spec]
    if len(matching) == 1:
        return matching[0]
    if matching:
        names = ", ".join(str(store.files[0]) for store in matching)
        raise SpecMismatchError(
            f"{path}: {len(matching)} stores have its spec ({names}); one is wanted", "name one of them"
        )
    found = "; ".join(f"{store.files[0]}: {', '.join(checkpoint.spec.differences(store.spec))}" for store in stores)
    raise SpecMismatchError(
        f"{path}: no store has the spec it was fitted on (heads / store: {found})",
        "add --features with the store these heads were fitted on",
    )


def _predict(
    checkpoint: HeadsCheckpoint, store: FeatureStore, truth: Annotations, options: ScoreOptions, progress: Progress
) -> Predictions:
    video_ids = [video_id for video_id in truth.video_ids if video_id in store]
    if missing := len(truth.video_ids) - len(video_ids):
        first = next(video_id for video_id in truth.video_ids if video_id not in store)
        progress.warn(
            f"{missing} of {len(truth.video_ids)} videos have no features, such as {first!r}: all is missed there"
        )
    if not video_ids:
        raise InputError(
            f"none of the {len(truth.video_ids)} evaluated videos has features in {store.files[0]}",
            "check that the ids of features and annotations agree: tsmfeat inspect FEATURES --json",
        )
    features = gather_features(store, video_ids)
    scores = score_intervals(checkpoint.weights, features, checkpoint.vocabulary, checkpoint.scene_vocabulary)
    return localize(scores, options.localization)


def _combine(listed: Sequence[Predictions], weights: tuple[float, ...], options: ScoreOptions) -> Predictions:
    if len(listed) == 1:
        return listed[0]
    if options.fusion.fusion == "none":
        raise ConfigurationError(
            f"{len(listed)} sources and --fusion none; only one can be scored as it is", "score one"
        )
    return fuse(listed, weights, options.fusion)


def _report_dropped(truth: Annotations, predictions: Predictions, progress: Progress) -> None:
    for what, count in (("annotated", truth.num_dropped), ("predicted", predictions.num_dropped)):
        if count:
            progress.warn(
                f"{count} {what} segments were dropped: zero-length, reversed or not finite (--strict lists them)"
            )
