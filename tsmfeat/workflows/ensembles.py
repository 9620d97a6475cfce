"""What is scored or fused: heads on the stores of their own specs, and prediction files, each with its weight."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tsmfeat.errors import ConfigurationError, InputError, SpecMismatchError
from tsmfeat.files import is_safetensors
from tsmfeat.formats.interval_scores import holds_interval_scores, read_with_header
from tsmfeat.fusion.fusing import fuse
from tsmfeat.fusion.options import FusionOptions
from tsmfeat.heads.checkpoint import HeadsCheckpoint, load_heads
from tsmfeat.priors.counts import ActionCounts
from tsmfeat.values.features import FeatureSpec
from tsmfeat.values.predictions import IntervalScores, Predictions
from tsmfeat.values.progress import Progress
from tsmfeat.workflows.inference import run_heads
from tsmfeat.workflows.joining import gather_joined, warn_of_lacking_views
from tsmfeat.workflows.score_options import WEIGHTINGS

if TYPE_CHECKING:
    # Opening stores loads HDF5, which prediction files do not need.
    from tsmfeat.store.reader import FeatureStore

Checkpoints = Mapping[str, HeadsCheckpoint]

_HDF5_SIGNATURE = b"\x89HDF"


def load_checkpoints(sources: Sequence[str]) -> dict[str, HeadsCheckpoint]:
    """Load those of some sources that are heads checkpoints, by their path; interval scores and predictions are none.

    Raises
    ------
    InputError
        A source is a feature store, or a checkpoint of another kind.
    """
    for path in sources:
        if _is_hdf5(path):
            raise InputError(
                f"{path}: a feature store; what is scored are heads checkpoints, interval scores and prediction files",
                f"name stores with an option each: --features {path}",
            )
    checkpoints = [path for path in sources if is_safetensors(Path(path)) and not holds_interval_scores(Path(path))]
    return {path: load_heads(Path(path)) for path in checkpoints}


def _is_hdf5(path: str) -> bool:
    source = Path(path)
    if not source.is_file():
        return False
    try:
        with source.open("rb") as stream:
            return stream.read(4) == _HDF5_SIGNATURE
    except OSError:  # whoever reads it next says so
        return False


def weigh_sources(
    sources: Sequence[str], checkpoints: Checkpoints, weights: str | Sequence[float]
) -> tuple[float, ...]:
    """Return a weight a source; their sum is 1.

    Parameters
    ----------
    sources
        Paths.
    checkpoints
        Those of them that are heads.
    weights
        One of `WEIGHTINGS`, or a number a source.

    Raises
    ------
    ConfigurationError
        Unknown, not one a source, negative or without a positive sum; or a source holds no validation score.
    """
    if weights == "equal" or (weights == "validation" and len(sources) == 1):
        raw = (1.0,) * len(sources)
    elif weights == "validation":
        raw = tuple(_validation_score(path, checkpoints) for path in sources)
        if not any(raw):
            raise ConfigurationError("all validation scores are 0, which weighs nothing", "use --weights equal")
    elif weights == "learned":
        raise ConfigurationError(
            "weights can be learned only on annotations", "learn them with tsmfeat score or fuse and give the numbers"
        )
    elif isinstance(weights, str):
        raise ConfigurationError(f"weights {weights!r} are unknown", f"give {', '.join(WEIGHTINGS)} or a comma list")
    else:
        raw = tuple(float(value) for value in weights)
    if len(raw) != len(sources):
        raise ConfigurationError(f"{len(raw)} weights for {len(sources)} sources; one each", "give a number a source")
    total = sum(raw)
    if not 0 < total < float("inf") or any(not value >= 0 for value in raw):
        raise ConfigurationError(
            f"weights {', '.join(f'{value:g}' for value in raw)}: each is >= 0 and their sum is positive",
            "give them as numbers: --weights 0.6,0.4",
        )
    return tuple(value / total for value in raw)


def fuse_sources(predictions: Sequence[Predictions], weights: Sequence[float], options: FusionOptions) -> Predictions:
    """Fuse what sources say; the paper's fusion leaves a single one as it is.

    Raises
    ------
    ConfigurationError
        Weights that do not fit.
    InputError
        Scores that the fusion cannot weigh.
    """
    alone = len(predictions) == 1 and options.fusion == "paper"
    return fuse(predictions, weights, replace(options, fusion="none") if alone else options)


def _validation_score(path: str, checkpoints: Checkpoints) -> float:
    judged = _record_of(path, checkpoints).get("validation")
    if judged is None:
        raise ConfigurationError(
            f"{path}: holds no validation score to weigh it by", "give the weights as numbers: --weights 0.6,0.4"
        )
    return float(judged["final_score"])


def recorded_counts(path: str, checkpoints: Checkpoints) -> ActionCounts | None:
    """Return how often each action occurred where a source's heads were fitted; None where nothing tells.

    Raises
    ------
    InputError
        The record is damaged.
    """
    counts = _record_of(path, checkpoints).get("counts")
    try:
        return None if counts is None else ActionCounts.from_dict(counts)
    except InputError as error:
        raise InputError(
            f"{path}: {error.message}", "name annotations instead: --prior-annotations gt.json, or fit the heads again"
        ) from error


def recorded_gamma(path: str, checkpoints: Checkpoints) -> float:
    """Return the strength of the prior from scenes that was chosen when a source's heads were fitted; 0: none was.

    Raises
    ------
    InputError
        The record is damaged.
    """
    prior = _record_of(path, checkpoints).get("scene_prior")
    try:
        gamma = 0.0 if prior is None else float(prior["gamma"])
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: a scene prior without a strength ({error!r})", "fit the heads again") from error
    if not 0 <= gamma < math.inf:
        raise InputError(f"{path}: a scene prior of strength {gamma}; it is 0 or more", "fit the heads again")
    return gamma


def recorded_split(path: str, checkpoints: Checkpoints) -> str:
    """Return in words which videos a source's heads were fitted on and selected by; empty where nothing tells.

    Out-of-fold scores come from heads that did not see the video: of them there is nothing to tell.
    """
    record = _record_of(path, checkpoints)
    return "" if "out_of_fold" in record else str(record.get("split") or "")


def _record_of(path: str, checkpoints: Checkpoints) -> dict[str, Any]:
    if path in checkpoints:
        return checkpoints[path].record
    return read_with_header(path)[1]["record"] if holds_interval_scores(Path(path)) else {}


def match_stores(checkpoints: Checkpoints, stores: "Sequence[FeatureStore]") -> "dict[str, tuple[FeatureStore, ...]]":
    """Return the stores of each checkpoint: the one whose spec equals its own, or one for each view that it joins.

    Raises
    ------
    ConfigurationError
        There is no store at all.
    SpecMismatchError
        None or several have a spec; the differing fields, or the stores, are named.
    """
    if checkpoints and not stores:
        raise ConfigurationError(
            f"{next(iter(checkpoints))}: heads are scored on features and no store is named",
            "add --features FEATURES.h5",
        )
    return {
        path: tuple(_store_of(path, checkpoint, spec, stores) for spec in checkpoint.specs)
        for path, checkpoint in checkpoints.items()
    }


def _store_of(
    path: str, checkpoint: HeadsCheckpoint, spec: FeatureSpec, stores: "Sequence[FeatureStore]"
) -> "FeatureStore":
    matching = [store for store in stores if store.spec == spec]
    if len(matching) == 1:
        return matching[0]
    if matching:
        names = ", ".join(str(store.files[0]) for store in matching)
        raise SpecMismatchError(
            f"{path}: {len(matching)} stores have its spec ({names}); one is wanted", "name one of them"
        )
    found = "; ".join(f"{store.files[0]}: {', '.join(spec.differences(store.spec))}" for store in stores)
    which = f" for view {spec.view!r}" if checkpoint.joined else ""
    raise SpecMismatchError(
        f"{path}: no store has the spec it was fitted on{which} (heads / store: {found})",
        f"add --features with the store{' of this view that' if which else ''} these heads were fitted on",
    )


def score_stored_videos(
    checkpoint: HeadsCheckpoint,
    stores: "FeatureStore | tuple[FeatureStore, ...]",
    video_ids: Sequence[str],
    progress: Progress,
) -> IntervalScores | Predictions:
    """Return what heads say of the stored ones among some videos: scores of their intervals, or segments.

    Parameters
    ----------
    checkpoint, stores
        The store of its spec, or one a view for heads that join several (`match_stores`).
    video_ids
        Those wanted.
    progress
        Told of videos without features, and of those that lack a view.

    Raises
    ------
    InputError
        No wanted video is stored.
    """
    views = stores if isinstance(stores, tuple) else (stores,)
    stored = [video_id for video_id in video_ids if any(video_id in store for store in views)]
    missing = [video_id for video_id in video_ids if not any(video_id in store for store in views)]
    where = " and ".join(str(store.files[0]) for store in views)
    if not stored:
        raise InputError(
            f"{where}: holds none of the {len(missing)} evaluated videos ({', '.join(missing[:3])}, ...)",
            "check that the ids of features and annotations agree: tsmfeat inspect FEATURES --json",
        )
    if missing:
        progress.warn(
            f"{where}: {len(missing)} of {len(video_ids)} videos have no features, such as {missing[0]!r}: "
            "all is missed there"
        )
    advice = "" if checkpoint.options.get("view_dropout") else "heads fitted with --view-dropout bear that better"
    warn_of_lacking_views(views, stored, progress, advice)
    features = gather_joined(views, stored)
    return run_heads(checkpoint.weights, features, checkpoint.vocabulary, checkpoint.scene_vocabulary)
