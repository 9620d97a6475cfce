"""Which of the runs of a sweep is kept."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tsmfeat.errors import ConfigurationError
from tsmfeat.heads.grouping import varied_options
from tsmfeat.heads.options import HeadOptions
from tsmfeat.heads.training import FittedHeads
from tsmfeat.values.predictions import IntervalScores
from tsmfeat.values.progress import Progress
from tsmfeat.workflows.fit_data import FitData, Judged, make_judge, train_runs
from tsmfeat.workflows.sweeps import SettingScore, SweptRun, rank_settings


@dataclass(frozen=True, eq=False)
class ChosenHeads:
    """The heads that are kept, and what the choice rests on.

    Parameters
    ----------
    fitted, options
        Of the run that is kept.
    judged
        On the validation videos or out of fold; None where nothing could be judged.
    runs
        All runs.
    ranking
        The settings, the best first.
    folds
        How the folds were made and what each scored; empty without folds.
    oof
        Files of out-of-fold scores.
    held_out, fold_of
        With folds, where a scene prior is to be chosen: the out-of-fold interval scores of the run that is kept, and
        the fold of each video.
    """

    fitted: FittedHeads
    options: HeadOptions
    judged: Judged | None
    runs: tuple[SweptRun, ...]
    ranking: tuple[SettingScore, ...]
    folds: Mapping[str, Any] = field(default_factory=dict)
    oof: tuple[str, ...] = ()
    held_out: IntervalScores | None = None
    fold_of: Mapping[str, int] = field(default_factory=dict)


def choose_by_validation(data: FitData, runs: Sequence[HeadOptions], progress: Progress) -> ChosenHeads:
    """Fit every run, keep its best epoch by the validation videos, and keep the best run of the best setting.

    A setting is as good as the mean of its seeds: the best of many seeds would flatter it.

    Raises
    ------
    ConfigurationError
        Several runs, and no annotated validation video to choose by.
    """
    judge = make_judge(data.truth, data.validation, progress)
    if judge is None and len(runs) > 1:
        raise ConfigurationError(
            f"{len(runs)} runs and no annotated validation video to choose by",
            "name a --validation-subset, or use --folds 5",
        )
    fitted = train_runs(data, runs, None, judge, progress)
    judged = [None if judge is None else judge(one.weights) for one in fitted]
    swept = describe_runs(runs, fitted, judged)
    ranking = rank_settings(swept)
    best = ranking[0].places[0]
    return ChosenHeads(fitted[best], runs[best], judged[best], tuple(swept), tuple(ranking))


def describe_runs(
    runs: Sequence[HeadOptions], fitted: Sequence[FittedHeads], judged: Sequence[Judged | None]
) -> list[SweptRun]:
    """Return what is remembered of every run."""
    names = varied_options(runs)
    found = []
    for run, one, scores in zip(runs, fitted, judged, strict=True):
        setting = {name: getattr(run, name) for name in names}
        final = math.nan if scores is None else scores.evaluation.final_score
        maps = () if scores is None else tuple(scores.evaluation.map.tolist())
        top1 = None if scores is None else scores.scenes.top1
        epoch, history = one.record["best_epoch"], one.record["epochs"]
        found.append(SweptRun(setting, run.seed, final, maps, top1, epoch, history))
    return found
