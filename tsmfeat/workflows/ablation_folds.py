"""Predictions of every video by heads that did not see it: the cells of a grid that share a store."""

from collections.abc import Mapping, Sequence

from tsmfeat.heads.options import HeadOptions
from tsmfeat.values.annotations import Annotations
from tsmfeat.values.features import FeatureSpec
from tsmfeat.values.predictions import Predictions
from tsmfeat.values.progress import Progress
from tsmfeat.workflows.fit_data import FitData
from tsmfeat.workflows.fitting_folds import cross_fit, predict_held_out
from tsmfeat.workflows.inference import GatheredFeatures, select_gathered
from tsmfeat.workflows.splits import Split


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
