"""Predictions of every video by heads that did not see it: the cells of a grid that share a store."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from tsmfeat.formats.video_columns import read_video_column
from tsmfeat.heads.options import HeadOptions
from tsmfeat.values.annotations import Annotations
from tsmfeat.values.features import FeatureSpec
from tsmfeat.values.predictions import Predictions
from tsmfeat.values.progress import Progress
from tsmfeat.workflows.fit_data import FitData
from tsmfeat.workflows.fitting_folds import cross_fit, predict_held_out
from tsmfeat.workflows.folds import assign_folds, assign_group_folds
from tsmfeat.workflows.inference import GatheredFeatures, select_gathered
from tsmfeat.workflows.splits import Split


def deal_videos(video_ids: Sequence[str], annotations: str | Path, num_folds: int, group: str) -> dict[str, int]:
    """Return the fold of each video, those of one group in one.

    Parameters
    ----------
    video_ids
        Dealt out.
    annotations
        Where a column of groups is looked up, unless `group` names another file.
    num_folds
        At most one a video, or group.
    group
        A column, or ``COLUMN@FILE.csv``; empty: every video by itself.

    Raises
    ------
    ConfigurationError
        More folds than videos or groups.
    InputError
        A column that is not there.
    """
    if not group:
        return assign_folds(video_ids, num_folds)
    column, _, file = group.partition("@")
    return assign_group_folds(video_ids, read_video_column(file or annotations, column), num_folds)


def predict_out_of_fold(
    features: GatheredFeatures,
    truth: Annotations,
    spec: FeatureSpec,
    fold_of: Mapping[str, int],
    runs: Sequence[HeadOptions],
    progress: Progress,
) -> list[Predictions]:
    """Fit heads without each fold of the videos, to the last epoch, and predict it with them.

    Parameters
    ----------
    features
        Of all annotated videos, in their order.
    truth
        Their annotations.
    spec
        Identity of the features.
    fold_of
        The fold of each video, from 0.
    runs
        Options of the heads; those of equal shape are fitted together.
    progress
        Told of every epoch.

    Returns
    -------
    list of Predictions
        Of each run, for all videos in the order of the annotations.
    """
    split = Split(truth.video_ids, (), "", "")
    data = FitData(truth, (spec,), split, features, select_gathered(features, []))
    fitted = cross_fit(data, runs, fold_of, progress)
    return [predict_held_out(data, fitted, run) for run in range(len(runs))]
