"""What is tuned, read: interval scores and predictions with their annotations and what is known of whole videos."""

from collections.abc import Sequence
from pathlib import Path

from tsmfeat.errors import ConfigurationError
from tsmfeat.formats.classes import as_class_list
from tsmfeat.formats.interval_scores import holds_interval_scores
from tsmfeat.formats.reading import read_annotations
from tsmfeat.metrics.protocols import protocol_named
from tsmfeat.values.annotations import Annotations
from tsmfeat.values.predictions import Predictions
from tsmfeat.values.progress import Progress
from tsmfeat.workflows.agreement import warn_of_seen_videos, warn_of_videos
from tsmfeat.workflows.ensembles import Checkpoints, load_checkpoints, recorded_split
from tsmfeat.workflows.score_options import ScoreOptions
from tsmfeat.workflows.scored_sources import match_priors, read_sources, reader_rule
from tsmfeat.workflows.splits import choose_subset
from tsmfeat.workflows.tune_options import TuneOptions
from tsmfeat.workflows.tuning_bench import Material
from tsmfeat.workflows.video_priors import read_prior


def expand_sources(paths: Sequence[str]) -> list[str]:
    """Return paths, a folder of interval scores replaced by its files of them in the order of their names."""
    found: list[str] = []
    for path in paths:
        files = sorted(Path(path).iterdir()) if Path(path).is_dir() else []
        found += [str(file) for file in files if file.is_file() and holds_interval_scores(file)] or [path]
    return found


def read_material(
    paths: Sequence[str],
    annotations: str | Path,
    features: Sequence[str],
    options: TuneOptions,
    progress: Progress,
) -> tuple[Annotations, Material]:
    """Read the annotations and what is tuned on them.

    Parameters
    ----------
    paths
        Interval scores, prediction files and heads.
    annotations
        Of any known format.
    features
        Stores of the heads.
    options
        Subset, protocol, prior, classes and strictness.
    progress
        Warned of heads, since only who fitted them knows whether these videos were held out, and of predictions in
        videos that are not evaluated.

    Raises
    ------
    ConfigurationError
        No source.
    TsmfeatError
        Files that are missing, damaged or do not fit each other.
    """
    if not paths:
        raise ConfigurationError(
            "nothing to tune", "name interval scores or predictions: --scores oof.safetensors, --predictions oof.json"
        )
    reading = ScoreOptions(
        protocol=options.protocol,
        subset=options.subset,
        strict=options.strict,
        classes=options.classes,
        prior=options.prior,
        outside=options.outside,
    )
    rule, classes = reader_rule(reading), as_class_list(options.classes or None)
    everything = read_annotations(annotations, rule, classes)
    truth = choose_subset(everything, options.subset, protocol_named(options.protocol).subset)
    given, checkpoints = read_prior(options.prior, progress), load_checkpoints(paths)
    for path in paths:
        _warn_of_split(path, checkpoints, options.subset, progress)
    sources = read_sources(paths, checkpoints, features, truth, reading, progress)
    for path, source in zip(paths, sources, strict=True):
        if isinstance(source, Predictions):
            warn_of_videos(source, truth, everything.video_ids, progress, path)
    if given is not None:
        warn_of_seen_videos(given.counted_ids, truth, options.prior.prior_annotations, progress)
    priors = [] if given is None else match_priors(given, paths, sources, checkpoints, progress)
    return truth, Material(tuple(sources), tuple(priors))


def _warn_of_split(path: str, checkpoints: Checkpoints, subset: str, progress: Progress) -> None:
    split = recorded_split(path, checkpoints)
    if subset and f"of subset {subset!r}" in split:
        progress.warn(
            f"{path}: its heads know these videos ({split}): what they say of them is not out of fold, and the gain no "
            "honest one; tune on a subset that fit-heads did not see"
        )
    elif path in checkpoints:
        progress.warn(f"{path}: heads; on videos they were fitted on or selected by, what they say is not out of fold")
