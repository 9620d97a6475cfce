"""Which of the runs of a sweep is kept."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tsmfeat.errors import ConfigurationError
from tsmfeat.heads.grouping import varied_options
from tsmfeat.heads.options import HeadOptions
from tsmfeat.heads.temperature import divide_by_temperature
from tsmfeat.heads.training import FittedHeads
from tsmfeat.values.predictions import IntervalScores
from tsmfeat.values.progress import Progress
from tsmfeat.workflows.calibrating import Calibration, calibrate_heads
from tsmfeat.workflows.fit_data import FitData, Judged, make_judge, train_runs
from tsmfeat.workflows.sweeps import SettingScore, SweptRun, rank_settings, require_scored


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
    calibration
        Of the run that is kept, as in `tsmfeat.workflows.calibrating.Calibration`; empty without any.
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
    calibration: Mapping[str, Any] = field(default_factory=dict)

    @property
    def fitted_score(self) -> float | None:
        """The final score of the heads as they were fitted, before any temperature; None where nothing was judged."""
        if self.judged is None:
            return None
        scores: Sequence[float] = self.calibration.get("final_score", [self.judged.evaluation.final_score])
        return scores[0]


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
    if judge is not None:
        require_scored(ranking)
    best = ranking[0].places[0]
    return ChosenHeads(fitted[best], runs[best], judged[best], tuple(swept), tuple(ranking))


def calibrate_chosen(data: FitData, chosen: ChosenHeads, progress: Progress) -> ChosenHeads:
    """Return the heads that are kept with a temperature chosen by the validation videos, and judged anew.

    Parameters
    ----------
    data, chosen
        As of `choose_by_validation`.
    progress
        Warned where nothing can be chosen by.
    """
    judge = None if chosen.judged is None else make_judge(data.truth, data.validation, progress)
    if judge is None or chosen.judged is None:
        progress.warn("no annotated validation video: the heads are not calibrated")
        return chosen
    weights = chosen.fitted.weights
    found = calibrate_heads(data.truth, [(weights, data.validation)], chosen.options.min_overlap)
    weights = divide_by_temperature(weights, found.temperature)
    judged = judge(weights)
    fitted = replace(chosen.fitted, weights=weights)
    described = describe_calibration(found, chosen.judged, judged)
    return replace(chosen, fitted=fitted, judged=judged, calibration=described)


def describe_calibration(found: Calibration, before: Judged | None, after: Judged) -> dict[str, Any]:
    """Return a calibration's record with the final scores before and after it."""
    scores = [None if each is None else each.evaluation.final_score for each in (before, after)]
    return {**found.record, "final_score": scores}


def describe_runs(
    runs: Sequence[HeadOptions], fitted: Sequence[FittedHeads], judged: Sequence[Judged | None]
) -> list[SweptRun]:
    """Return what is remembered of every run."""
    names = varied_options(runs)
    found = []
    for run, one, scores in zip(runs, fitted, judged, strict=True):
        setting = {name: getattr(run, name) for name in names}
        final = math.nan if scores is None or one.record["diverged"] else scores.evaluation.final_score
        maps = () if scores is None else tuple(scores.evaluation.map.tolist())
        top1 = None if scores is None else scores.scenes.top1
        epoch, history = one.record["best_epoch"], one.record["epochs"]
        found.append(SweptRun(setting, run.seed, final, maps, top1, epoch, history))
    return found
