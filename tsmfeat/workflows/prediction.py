"""Features or raw videos, and heads, become a prediction file: no annotations are needed."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tsmfeat.errors import ConfigurationError, InputError, SpecMismatchError, did_you_mean
from tsmfeat.heads.checkpoint import HeadsCheckpoint, load_heads
from tsmfeat.localization.options import LocalizationOptions
from tsmfeat.store.reader import FeatureStore
from tsmfeat.values.predictions import IntervalScores, Predictions
from tsmfeat.values.progress import Progress, Silence
from tsmfeat.workflows.ensembles import (
    fuse_sources,
    match_stores,
    recorded_counts,
    score_stored_videos,
    weigh_sources,
)
from tsmfeat.workflows.feature_sources import OpenedFeatures, open_sources
from tsmfeat.workflows.interval_outputs import require_scores_outputs, save_interval_scores
from tsmfeat.workflows.kinds import KIND_NAMES, recognize
from tsmfeat.workflows.predict_options import PredictOptions
from tsmfeat.workflows.prediction_files import (
    rehearse_writing,
    require_prediction_output,
    write_prediction_file,
)
from tsmfeat.workflows.recorded_priors import lay_recorded_prior
from tsmfeat.workflows.segment_heads import name_segment_heads, require_localization_to_matter
from tsmfeat.workflows.transitions import localize_with_transitions, read_transitions
from tsmfeat.workflows.video_priors import GivenPrior, Source, match_prior, read_prior, require_scene_prior, tilt

_SILENCE = Silence()


@dataclass(frozen=True, eq=False)
class _HeadsUsed:
    """Heads by their paths, the weight of each, and what is known of whole videos."""

    paths: tuple[str, ...]
    checkpoints: Mapping[str, HeadsCheckpoint]
    weights: tuple[float, ...]
    prior: GivenPrior | None


@dataclass(frozen=True, eq=False)
class PredictReport:
    """What `predict` did.

    Parameters
    ----------
    out
        The prediction file; not written by a stopped run.
    predictions
        What it holds; None after a stopped run.
    heads, weights
        The checkpoints, and the weight of each (their sum is 1).
    failed
        ``{"path", "reason"}`` of each raw video that could not be read; the others are predicted.
    options
        As resolved.
    seconds
        Wall time.
    """

    out: str
    predictions: Predictions | None
    heads: tuple[str, ...]
    weights: tuple[float, ...]
    failed: tuple[dict[str, str], ...]
    options: PredictOptions
    seconds: float

    @property
    def stopped(self) -> bool:
        """Whether the run was asked to stop before its end."""
        return self.predictions is None

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object of ``tsmfeat predict --json``."""
        found = self.predictions
        return {
            "out": self.out,
            "num_videos": 0 if found is None else len(found.video_ids),
            "num_segments": 0 if found is None else len(found.segments),
            "heads": list(self.heads),
            "weights": list(self.weights),
            "num_failed": len(self.failed),
            "failed": list(self.failed),
            "scores_out": list(self.options.scores_out),
            "stopped": self.stopped,
            "options": asdict(self.options),
            "seconds": self.seconds,
        }


def predict(
    sources: str | Path | Sequence[str | Path],
    heads: str | Path | Sequence[str | Path],
    out: str | Path,
    options: PredictOptions | None = None,
    progress: Progress = _SILENCE,
    should_stop: Callable[[], bool] = lambda: False,
) -> PredictReport:
    """Predict segments, and scenes where the heads know them, and write them to a file.

    Parameters
    ----------
    sources
        Feature stores (files, folders of parts, patterns; those of one spec are read as one), or raw videos (files,
        folders, patterns, lists, as `tsmfeat.workflows.extract` takes them). Raw videos are embedded on the fly with
        exactly the spec that the heads were fitted on. None where `options` names a manifest: heads that join views
        need one, since a raw video shows one view.
    heads
        Heads checkpoints, each run on the store of its own spec, or on those of the views that it joins; several are
        fused.
    out
        The prediction file, written whole at the end or not at all.
    options
        `PredictOptions`; its defaults where None.
    progress
        Told of every raw video, and of what is missing.
    should_stop
        Asked while raw videos are embedded; once true, the run ends and nothing is written.

    Returns
    -------
    PredictReport

    Raises
    ------
    ConfigurationError
        Nothing to predict on or with, stores beside raw videos, or options that do not fit them.
    SpecMismatchError
        Heads find no store of their spec, or no checkpoint of the trunk they were fitted with.
    OutputError
        The file cannot be written.
    TsmfeatError
        Files that are missing, damaged or no video.
    """
    began = time.monotonic()
    options, out, paths = options or PredictOptions(), Path(out), _list_paths(heads)
    require_prediction_output(out)
    require_scores_outputs(options.scores_out, len(paths), out)
    checkpoints = {path: _load_heads(path) for path in paths}
    _require_interval_scores(checkpoints, options)
    heads_used = _HeadsUsed(
        tuple(paths), checkpoints, _weigh_heads(paths, checkpoints, options), read_prior(options.prior, progress)
    )
    _require_scene_priors(heads_used)
    rehearse_writing(out, [checkpoint.vocabulary for checkpoint in checkpoints.values()], options)
    specs = list(dict.fromkeys(spec for checkpoint in checkpoints.values() for spec in checkpoint.specs))
    with ExitStack() as stack:
        opened = stack.enter_context(open_sources(_list_paths(sources), specs, options, progress, should_stop))
        found = None if opened.stopped else _run_heads(heads_used, opened, options, progress)
    if found is not None:
        write_prediction_file(found, out, options, progress)
    seconds = time.monotonic() - began
    return PredictReport(str(out), found, heads_used.paths, heads_used.weights, opened.failed, options, seconds)


def _list_paths(paths: str | Path | Sequence[str | Path]) -> list[str]:
    return [str(paths)] if isinstance(paths, str | Path) else [str(path) for path in paths]


def _load_heads(path: str) -> HeadsCheckpoint:
    if Path(path).exists() and (kind := recognize(Path(path))) != "heads":
        is_source = kind in ("features", "video", "videos")
        remedy = "name feature stores and videos without an option" if is_source else "check --heads"
        raise InputError(f"{path}: {KIND_NAMES[kind]}; heads are checkpoints that tsmfeat fit-heads wrote", remedy)
    return load_heads(Path(path))


def _require_interval_scores(checkpoints: Mapping[str, HeadsCheckpoint], options: PredictOptions) -> None:
    """Refuse what asks for scores of intervals where heads have none, before hours of work."""
    if options.localization != LocalizationOptions() or options.transitions:
        require_localization_to_matter(checkpoints, has_others=False)
    if options.scores_out and (named := name_segment_heads(checkpoints)):
        kind = checkpoints[named[0]].weights.kind
        raise ConfigurationError(
            f"{named[0]}: a {kind} head says segments itself; --save-scores writes scores of intervals, which it has "
            "none of",
            "leave --save-scores out: the predictions hold all that it says",
        )


def _weigh_heads(
    paths: Sequence[str], checkpoints: Mapping[str, HeadsCheckpoint], options: PredictOptions
) -> tuple[float, ...]:
    if not paths:
        raise ConfigurationError("no heads to predict with", "add --heads heads.safetensors")
    if len(paths) > 1 and options.fusion.fusion == "none":
        raise ConfigurationError(
            f"{len(paths)} heads and --fusion none; only one can be used as it is",
            "predict with them one by one, or use --fusion paper",
        )
    return weigh_sources(paths, checkpoints, options.weights)


def _require_scene_priors(heads: _HeadsUsed) -> None:
    """Refuse a prior from scenes that some heads cannot give, before hours of work."""
    if heads.prior is not None and heads.prior.scores is None:
        for path, checkpoint in heads.checkpoints.items():
            counts = heads.prior.counts or recorded_counts(path, heads.checkpoints)
            require_scene_prior(checkpoint.scene_vocabulary, counts, path)


def _run_heads(heads: _HeadsUsed, opened: OpenedFeatures, options: PredictOptions, progress: Progress) -> Predictions:
    try:
        stores_of = match_stores(heads.checkpoints, opened.stores)
    except SpecMismatchError as error:
        raise SpecMismatchError(error.message, "name the store these heads were fitted on") from error
    used = list(dict.fromkeys(store for stores in stores_of.values() for store in stores))
    for store in opened.stores:
        if store not in used:
            progress.warn(f"{store.files[0]}: no heads were fitted on its spec; it is left aside")
    stored = frozenset(video_id for store in used for video_id in store.video_ids)
    asked_for = tuple(video_id for video_id in opened.video_ids if video_id in stored)
    video_ids = _choose_videos(used, options.video_ids or asked_for)
    listed, transitions = [], read_transitions(options.transitions)
    for place, path in enumerate(heads.paths):
        said = score_stored_videos(heads.checkpoints[path], stores_of[path], video_ids, progress)
        if isinstance(said, IntervalScores):
            if options.scores_out:
                save_interval_scores(said, options.scores_out[place], heads.checkpoints[path], path)
            said = lay_recorded_prior(said, path, heads.checkpoints, options.prior, progress)
        said = _lay_given_prior(said, path, heads, options, progress)
        if isinstance(said, IntervalScores):
            said = localize_with_transitions(said, options.localization, transitions)
        listed.append(said)
    return fuse_sources(listed, heads.weights, options.fusion)


def _lay_given_prior(said: Source, path: str, heads: _HeadsUsed, options: PredictOptions, progress: Progress) -> Source:
    if heads.prior is None:
        return said
    prior = match_prior(heads.prior, said, recorded_counts(path, heads.checkpoints), path, progress)
    return tilt(said, prior, float(options.prior.gamma))


def _choose_videos(stores: Sequence[FeatureStore], wanted: Sequence[str]) -> tuple[str, ...]:
    stored = tuple(dict.fromkeys(video_id for store in stores for video_id in store.video_ids))
    known = frozenset(stored)
    for video_id in wanted:
        if video_id not in known:
            raise InputError(
                f"video {video_id!r} is not among the {len(stored):,} stored",
                did_you_mean(video_id, stored) or "tsmfeat inspect FEATURES shows the ids",
            )
    return tuple(dict.fromkeys(wanted)) or stored
