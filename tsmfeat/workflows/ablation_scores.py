"""Scores of a cell over its seeds, with intervals over the same resamples of the videos for all cells."""

from collections.abc import Sequence

import numpy as np

from tsmfeat.errors import InputError
from tsmfeat.metrics.intervals import percentile_interval, shifted_interval
from tsmfeat.metrics.matching import match_predictions
from tsmfeat.metrics.protocols import PAPER
from tsmfeat.metrics.resampling import Counts, Population, draw_videos, resample_scores
from tsmfeat.metrics.scenes import scene_accuracy
from tsmfeat.values.annotations import Annotations
from tsmfeat.values.predictions import Predictions
from tsmfeat.workflows.ablation_report import Cell, CellDifference


def draw_resamples(population: Population, count: int, seed: int) -> Counts:
    """Draw test sets from the videos, those of one unit together; sets without any truth are left out.

    Raises
    ------
    InputError
        None has truth.
    """
    truth = population.annotations
    drawn = draw_videos(population, population.num_units, count, np.random.default_rng(seed))
    has_truth = np.bincount(truth.segments.video, minlength=len(truth.video_ids)) > 0
    kept = drawn[(drawn[:, :-1][:, has_truth] > 0).any(axis=1)]
    if not len(kept):
        raise InputError("no resample of the videos holds any annotated segment", "name other videos with --subset")
    return kept


def judge_cell(
    found: Sequence[Predictions], truth: Annotations, counts: Counts, names: Sequence[str], tasks: str, weighting: str
) -> Cell:
    """Return a cell's scores.

    Parameters
    ----------
    found
        Predictions, one a seed.
    truth
        The videos.
    counts
        Of `draw_resamples`.
    names, tasks, weighting
        As in `Cell`.
    """
    population = Population.of(truth)
    samples = [resample_scores(match_predictions(one, truth, PAPER), population, counts) for one in found]
    finals = tuple(one.measured_score for one in samples)
    mean = np.mean([one.final_score for one in samples], axis=0)
    low, high = shifted_interval(mean, np.mean(finals)).tolist()
    scenes = [scene_accuracy(one, truth).top1 for one in found]
    known = [value for value in scenes if value is not None]
    return Cell(
        features=tuple(names),
        tasks=tasks,
        weighting=weighting,
        final_scores=finals,
        map=np.mean([one.measured.mean(axis=0) for one in samples], axis=0),
        samples=mean,
        interval=(low, high),
        scene_accuracy=float(np.mean(known)) if known else None,
    )


def compare_cells(one: Cell, other: Cell) -> CellDifference:
    """Return the difference of two cells; videos that are hard for both cancel out."""
    low, high = percentile_interval(one.samples - other.samples).tolist()
    return CellDifference(one.name, other.name, one.final_score - other.final_score, (low, high))
