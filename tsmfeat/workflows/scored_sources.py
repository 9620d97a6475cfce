"""What is scored, read: heads on their stores, files of interval scores, and prediction files."""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tsmfeat.formats.classes import as_class_list
from tsmfeat.formats.interval_scores import holds_interval_scores
from tsmfeat.formats.options import Invalid
from tsmfeat.formats.reading import read_predictions
from tsmfeat.heads.checkpoint import HeadsCheckpoint
from tsmfeat.metrics.protocols import protocol_named
from tsmfeat.values.annotations import Annotations
from tsmfeat.values.predictions import IntervalScores
from tsmfeat.values.progress import Progress
from tsmfeat.workflows.agreement import check_classes
from tsmfeat.workflows.blocked_videos import keep_evaluated, leave_out_predicted
from tsmfeat.workflows.ensembles import Checkpoints, match_stores, recorded_counts, score_stored_videos
from tsmfeat.workflows.interval_files import read_wanted_scores
from tsmfeat.workflows.recorded_priors import lay_recorded_prior
from tsmfeat.workflows.score_options import ScoreOptions
from tsmfeat.workflows.units import require_unit
from tsmfeat.workflows.video_priors import GivenPrior, Source, match_prior

if TYPE_CHECKING:
    from tsmfeat.store.reader import FeatureStore


def list_paths(paths: str | Path | Sequence[str | Path]) -> list[str]:
    """Return one path or several as a list of texts.

    Examples
    --------
    >>> list_paths("a.json"), list_paths(["a.json", Path("b.json")])
    (['a.json'], ['a.json', 'b.json'])
    """
    return [str(paths)] if isinstance(paths, str | Path) else [str(path) for path in paths]


def reader_rule(options: ScoreOptions) -> Invalid:
    """Return what readers do with invalid rows."""
    return "error" if options.strict else protocol_named(options.protocol).invalid


def read_sources(
    paths: Sequence[str],
    checkpoints: Checkpoints,
    features: Sequence[str],
    truth: Annotations,
    options: ScoreOptions,
    progress: Progress,
) -> list[Source]:
    """Read what is to be scored, of the annotated videos where videos can be chosen.

    Interval scores are under the prior that their heads recorded, unless the options name another.

    Parameters
    ----------
    paths
        Heads checkpoints, files of interval scores and prediction files.
    checkpoints
        Those of them that are heads.
    features
        Stores; each heads checkpoint takes the one of its own spec, or those of the views that it joins.
    truth
        The videos.
    options
        Protocol, class list, strictness and prior.
    progress
        Told of unknown classes, and videos without features.

    Raises
    ------
    SpecMismatchError
        A heads checkpoint finds no store of a spec of its own, or two.
    TsmfeatError
        Files that are missing, damaged or do not fit each other.
    """
    with ExitStack() as stack:
        stores_of = match_stores(checkpoints, _open_stores(features, stack) if checkpoints else [])
        listed = [
            _read_source(path, checkpoints.get(path), stores_of.get(path), truth.video_ids, options, progress)
            for path in paths
        ]
    listed = [
        lay_recorded_prior(source, path, checkpoints, options.prior, progress)
        if isinstance(source, IntervalScores)
        else source
        for path, source in zip(paths, listed, strict=True)
    ]
    for path, predicted in zip(paths, listed, strict=True):
        check_classes(predicted, truth, path, must_share=path in checkpoints, strict=options.strict, progress=progress)
    return listed


def _open_stores(features: Sequence[str], stack: ExitStack) -> "list[FeatureStore]":
    # For heads only: prediction files need no HDF5, which takes a while to load.
    from tsmfeat.store.folders import expand_paths
    from tsmfeat.workflows.view_stores import open_by_spec

    # A folder may hold a file for each of several kinds of features.
    return [store for path in dict.fromkeys(features) for store in open_by_spec(expand_paths(path), stack)]


def _read_source(
    path: str,
    checkpoint: HeadsCheckpoint | None,
    stores: "tuple[FeatureStore, ...] | None",
    video_ids: Sequence[str],
    options: ScoreOptions,
    progress: Progress,
) -> Source:
    if checkpoint is not None and stores is not None:
        return score_stored_videos(checkpoint, stores, video_ids, progress)
    if holds_interval_scores(Path(path)):
        return read_wanted_scores(path, video_ids, progress)
    require_unit(path, options.unit)
    found = read_predictions(path, reader_rule(options), as_class_list(options.classes or None))
    found = leave_out_predicted(found, options.blocked) if options.blocked else found
    return keep_evaluated(found, video_ids, path, progress) if options.outside == "drop" else found


def match_priors(
    given: GivenPrior, paths: Sequence[str], sources: Sequence[Source], checkpoints: Checkpoints, progress: Progress
) -> list[npt.NDArray[np.float64]]:
    """Return what a prior knows of the videos and actions of each source."""
    return [
        match_prior(given, source, recorded_counts(path, checkpoints), path, progress)
        for path, source in zip(paths, sources, strict=True)
    ]
