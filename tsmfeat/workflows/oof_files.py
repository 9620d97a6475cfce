"""Files of out-of-fold scores: what `tune`, weights and stacking feed on."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tsmfeat.errors import ConfigurationError
from tsmfeat.files import make_folder, write_text
from tsmfeat.formats.interval_scores import write_interval_scores
from tsmfeat.values.features import FeatureSpec
from tsmfeat.values.predictions import IntervalScores
from tsmfeat.workflows.kinds import require_own_table, require_replaceable

_FOLDS_NAME, _FOLDS_HEADER = "folds.csv", ("video_id", "fold")


def plan_oof_files(folder: str, specs: Sequence[FeatureSpec], seeds: Sequence[int]) -> list[Path]:
    """Return the file of each seed, before anything is fitted.

    Parameters
    ----------
    folder
        Where they go.
    specs
        Identity of the features; one a view.
    seeds
        Of the runs.

    Raises
    ------
    ConfigurationError
        The folder is a file, or a file of another kind has one of the names.

    Examples
    --------
    >>> spec = FeatureSpec("resnet18", "0" * 64, 8, 0.5, 0.5, "square256", "pil", True, 8, "fp32", 512)
    >>> [path.name for path in plan_oof_files("oof", [spec], [3, 4])]
    ['resnet18_t0.5_seed3.scores', 'resnet18_t0.5_seed4.scores']
    """
    place = Path(folder)
    if place.exists() and not place.is_dir():
        raise ConfigurationError(f"--save-oof {folder}: a file; out-of-fold scores go into a folder", "name a folder")
    name = f"{specs[0].trunk.replace('/', '-').replace(':', '-')}_t{specs[0].step_seconds:g}"
    views = [spec.view for spec in specs if spec.view]
    name += f"_{'+'.join(views)}" if views else ""
    endings = [""] if len(seeds) == 1 else [f"_seed{seed}" for seed in seeds]
    paths = [place / f"{name}{ending}.scores" for ending in endings]
    for path in paths:
        require_replaceable(path, "interval-scores")
    require_own_table(place / _FOLDS_NAME, ",".join(_FOLDS_HEADER) + "\n")
    return paths


def save_oof_files(
    paths: Sequence[Path],
    scores: Sequence[IntervalScores],
    specs: Sequence[FeatureSpec],
    records: Sequence[Mapping[str, Any]],
    fold_of: Mapping[str, int],
) -> None:
    """Write interval scores, a file a seed, and beside them ``folds.csv``: the fold of each video.

    Parameters
    ----------
    paths
        As of `plan_oof_files`.
    scores, records
        Of each seed.
    specs
        Identity of the features; one a view.
    fold_of
        The fold of each video, from 0.

    Raises
    ------
    OutputError
        A file cannot be written.
    """
    make_folder(paths[0].parent)
    for path, one, record in zip(paths, scores, records, strict=True):
        write_interval_scores(one, path, specs, record)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerows([_FOLDS_HEADER, *fold_of.items()])
    write_text(paths[0].with_name(_FOLDS_NAME), out.getvalue())
