"""What an ablation found, and its form in JSON."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tsmfeat.values.features import FeatureSpec
from tsmfeat.workflows.ablation_options import AblateOptions

Floats = npt.NDArray[np.float64]

PAPER = {"table": 3, "cell": "ensemble", "public_score": 0.44444, "public_score_in_table_2": 0.45238}
"""What is known here of the paper's own grid: its last cell."""

PAPER_WARNING = (
    "the paper's Table 3 has 0.44444 for its ensemble on the public leaderboard (0.45238 in its Table 2); its other "
    "cells are not at hand. Those numbers are of other videos, and ratios k/126 of counts rather than mAP: they do not "
    "compare with these"
)

SINGLE, MULTI = "single", "multi"


@dataclass(frozen=True, eq=False)
class Cell:
    """One cell of the grid, or one ensemble of its cells.

    Parameters
    ----------
    features
        Names of the features; several in an ensemble.
    tasks
        ``"single"`` (actions) or ``"multi"`` (actions and scenes).
    weighting
        Of an ensemble: ``"equal"``, ``"by score"`` or ``"learned"``; empty in a cell of the grid.
    final_scores
        One a seed, out of fold, all folds ranked together.
    map
        float64 (T,): mean over the seeds.
    samples
        float64 (B,): mean over the seeds of the final score on each resample of the videos, the same ones everywhere.
    interval
        95 % interval of the mean final score over videos.
    scene_accuracy
        Mean over the seeds; None without scenes.
    equal_to
        Tasks of the cell that this one equals by construction, so that it was not fitted; empty otherwise.
    weights
        Of an ensemble, one a member: chosen on all videos, mean over the seeds.
    fold_gain
        Of learned weights: what they gain over equal ones within a fold, mean over folds and seeds; None elsewhere.
    """

    features: tuple[str, ...]
    tasks: str
    weighting: str
    final_scores: tuple[float, ...]
    map: Floats
    samples: Floats
    interval: tuple[float, float]
    scene_accuracy: float | None = None
    equal_to: str = ""
    weights: tuple[float, ...] = ()
    fold_gain: float | None = None

    @property
    def name(self) -> str:
        """What it is called in sentences."""
        if self.weighting:
            return f"ensemble of {len(self.features)} ({self.tasks}, weights {self.weighting})"
        return f"{self.features[0]} ({self.tasks})"

    @property
    def final_score(self) -> float:
        """Mean over the seeds."""
        return float(np.mean(self.final_scores))

    @property
    def final_score_sd(self) -> float | None:
        """Deviation over the seeds; None of one."""
        return float(np.std(self.final_scores, ddof=1)) if len(self.final_scores) > 1 else None

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON object."""
        return {
            "features": list(self.features),
            "tasks": self.tasks,
            "weighting": self.weighting or None,
            "final_score": self.final_score,
            "final_score_sd": self.final_score_sd,
            "final_scores": list(self.final_scores),
            "interval": list(self.interval),
            "map": self.map.tolist(),
            "scene_accuracy": self.scene_accuracy,
            "equal_by_construction_to": self.equal_to or None,
            "weights": list(self.weights) or None,
            "gain_within_folds": self.fold_gain,
        }


def find_best(cells: Sequence[Cell]) -> Cell:
    """Return the cell of the highest score among those that were fitted; of equal ones the first."""
    return max((cell for cell in cells if not cell.equal_to), key=lambda cell: cell.final_score)


@dataclass(frozen=True)
class CellDifference:
    """One cell less another, on the same resamples of the same videos.

    Parameters
    ----------
    one, other
        Names of the cells.
    difference
        Of the mean final scores.
    interval
        95 % percentile interval.
    """

    one: str
    other: str
    difference: float
    interval: tuple[float, float]

    @property
    def is_distinguishable(self) -> bool:
        """Whether the interval leaves 0 out."""
        return not self.interval[0] <= 0 <= self.interval[1]

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON object."""
        return {**asdict(self), "interval": list(self.interval), "is_distinguishable": self.is_distinguishable}


@dataclass(frozen=True, eq=False)
class AblationReport:
    """What `ablate` found.

    Parameters
    ----------
    specs
        Of the features, by name.
    cells
        The grid, features by features; of each ``"single"`` before ``"multi"``.
    ensembles
        Of all features, by tasks and weighting; none of a single store.
    differences
        Multi less single where both were fitted, and each ensemble less the best cell.
    tiou_thresholds
        Of the columns.
    num_videos, num_segments, num_actions, num_scenes
        What was judged on.
    options
        As resolved.
    out
        Folder of the tables; empty: none.
    seconds
        Wall time.
    """

    specs: dict[str, FeatureSpec]
    cells: tuple[Cell, ...]
    ensembles: tuple[Cell, ...]
    differences: tuple[CellDifference, ...]
    tiou_thresholds: tuple[float, ...]
    num_videos: int
    num_segments: int
    num_actions: int
    num_scenes: int
    options: AblateOptions
    out: str
    seconds: float

    @property
    def best_cell(self) -> Cell:
        """The fitted cell of the highest score."""
        return find_best(self.cells)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object of ``tsmfeat ablate --json``."""
        return {
            "out": self.out,
            "specs": {name: spec.to_dict() for name, spec in self.specs.items()},
            "cells": [cell.to_dict() for cell in self.cells],
            "ensembles": [cell.to_dict() for cell in self.ensembles],
            "differences": [each.to_dict() for each in self.differences],
            "tiou_thresholds": list(self.tiou_thresholds),
            "num_videos": self.num_videos,
            "num_segments": self.num_segments,
            "num_actions": self.num_actions,
            "num_scenes": self.num_scenes,
            "paper": PAPER,
            "options": asdict(self.options),
            "seconds": self.seconds,
        }
