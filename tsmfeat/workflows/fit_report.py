"""What a fit did, and what its checkpoint remembers."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tsmfeat.files import canonical_json, sha256_file, sha256_text
from tsmfeat.workflows.fit_choice import ChosenHeads
from tsmfeat.workflows.fit_data import FitData
from tsmfeat.workflows.fit_options import FitOptions
from tsmfeat.workflows.sweeps import SettingScore


@dataclass(frozen=True)
class FitReport:
    """What `fit_heads` did.

    Parameters
    ----------
    out
        The heads checkpoint.
    num_training_videos, num_validation_videos, num_intervals
        Sizes; intervals are those trained on.
    best_epoch
        Counted from 1.
    validation
        ``final_score``, ``map``, ``tiou_thresholds`` and ``scene_accuracy`` on the validation videos, or out of fold;
        None without any.
    held_out_subset
        Subset of the annotations to score on next; empty where they have only one.
    seconds
        Wall time.
    num_runs
        Runs that were fitted and compared.
    ranking
        Settings, the best first.
    sweep_out
        CSV file of all runs; empty where there was one.
    folds
        Score of each fold and seed, with mean and deviation; empty without folds.
    oof
        Files of out-of-fold scores.
    pseudo
        Final scores ``without`` and ``with`` pseudo-labels, on videos untouched by them; empty where there are none.
    scene_prior
        As `tsmfeat.workflows.scene_priors.choose_scene_prior` returns it; None where none is wanted or possible.
    calibration
        The temperature and, before and after it, calibration error, log-loss and final score, on the intervals that
        chose it; empty without calibration.
    subset
        Subset of the annotations that was trained on; empty for all.
    """

    out: str
    num_training_videos: int
    num_validation_videos: int
    num_intervals: int
    best_epoch: int
    validation: dict[str, Any] | None
    held_out_subset: str
    seconds: float
    num_runs: int = 1
    ranking: tuple[SettingScore, ...] = ()
    sweep_out: str = ""
    folds: Mapping[str, Any] = field(default_factory=dict)
    oof: tuple[str, ...] = ()
    pseudo: Mapping[str, Any] = field(default_factory=dict)
    scene_prior: Mapping[str, Any] | None = None
    calibration: Mapping[str, Any] = field(default_factory=dict)
    subset: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object of ``tsmfeat fit-heads --json``."""
        ranking = [
            {"setting": dict(found.setting), "mean": _known(found.mean), "deviation": _known(found.deviation)}
            for found in self.ranking
        ]
        return {**asdict(self), "ranking": ranking, "oof": list(self.oof)}


def _known(value: float) -> float | None:
    return None if value != value else value


def make_record(
    data: FitData, chosen: ChosenHeads, options: FitOptions, annotations: Path, pseudo: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what a checkpoint remembers of how its heads came to be, JSON-able.

    Parameters
    ----------
    data, chosen, options
        Of the fit.
    annotations
        Their file or folder.
    pseudo
        As in `FitReport`.
    """
    record: dict[str, Any] = {
        "tsmfeat": version("tsmfeat"),
        "annotations": {"name": annotations.name, "sha256": _digest_source(annotations)},
        "classes": options.classes,
        "split": data.split.described,
        "views": sorted(options.views),
        "subset": options.subset,
        "validation_subset": options.validation_subset,
        "num_training_videos": len(data.training.video_ids),
        "num_validation_videos": len(data.split.validation),
        "training": chosen.fitted.record,
        "validation": None if chosen.judged is None else chosen.judged.to_dict(),
    }
    if len(chosen.runs) > 1:
        runs = [run.to_dict() for run in chosen.runs]
        record["sweep"] = {"sweep": options.sweep, "num_seeds": options.num_seeds, "runs": runs}
    if chosen.folds:
        record["folds"] = dict(chosen.folds)
    if chosen.calibration:
        record["calibration"] = dict(chosen.calibration)
    if pseudo:
        record["pseudo"] = {"name": Path(options.pseudo).name, "min_score": options.pseudo_min_score, **pseudo}
    return record


def _digest_source(path: Path) -> str:
    """Return the SHA-256 of a file, or of the names and digests of a folder's files."""
    if not path.is_dir():
        return sha256_file(path)
    return sha256_text(canonical_json({file.name: sha256_file(file) for file in path.iterdir() if file.is_file()}))
