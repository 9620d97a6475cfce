"""Heads fitted in folds of videos: every video is predicted by heads that did not see it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np

from tsmfeat.errors import ConfigurationError
from tsmfeat.heads.options import HeadOptions
from tsmfeat.heads.temperature import divide_by_temperature
from tsmfeat.heads.training import FittedHeads
from tsmfeat.values.annotations import Annotations
from tsmfeat.values.predictions import IntervalScores, Predictions
from tsmfeat.values.progress import Progress, Silence
from tsmfeat.values.segments import Segments
from tsmfeat.workflows.calibrating import calibrate_heads
from tsmfeat.workflows.fit_choice import ChosenHeads, describe_calibration, describe_runs
from tsmfeat.workflows.fit_data import FitData, Judged, judge_predictions, train_runs
from tsmfeat.workflows.fit_options import FitOptions
from tsmfeat.workflows.folds import deal_videos
from tsmfeat.workflows.inference import predict_segments, score_intervals, select_gathered
from tsmfeat.workflows.oof_files import plan_oof_files, save_oof_files
from tsmfeat.workflows.splits import select_videos
from tsmfeat.workflows.sweeps import SettingScore, rank_settings, require_scored

_SILENCE = Silence()


@dataclass(frozen=True, eq=False)
class CrossFit:
    """Heads of every run without each fold.

    Parameters
    ----------
    fold_of
        The fold of each annotated training video, from 0.
    heads
        For each run, the heads fitted without each fold.
    """

    fold_of: Mapping[str, int]
    heads: tuple[tuple[FittedHeads, ...], ...]

    @property
    def num_folds(self) -> int:
        """Number of folds."""
        return max(self.fold_of.values()) + 1


def deal_folds(data: FitData, annotations: Path, options: FitOptions, progress: Progress = _SILENCE) -> dict[str, int]:
    """Return the fold of each annotated training video, and of pseudo-labelled ones whose group a fold holds.

    Parameters
    ----------
    data
        Its training videos are dealt out.
    annotations
        Where a column of groups is looked up, unless `FitOptions.group` names another file.
    options
        Their `num_folds` and `group`.
    progress
        Warned of videos without a group.

    Raises
    ------
    ConfigurationError, InputError
        As `tsmfeat.workflows.folds.deal_videos`.
    """
    known = set(data.annotated)
    others = [name for name in data.training.video_ids if name not in known]
    return deal_videos(data.annotated, annotations, options.num_folds, options.group, progress, others)


def cross_fit(data: FitData, runs: Sequence[HeadOptions], fold_of: Mapping[str, int], progress: Progress) -> CrossFit:
    """Fit every run once without each fold, to its last epoch; videos that are in no fold always train.

    Pseudo-labelled videos that are in a fold do not train without it, and are not held out otherwise.

    Parameters
    ----------
    data
        Features and annotations.
    runs
        Options of each.
    fold_of
        As of `deal_folds`.
    progress
        Told of every epoch.
    """
    folds = []
    for fold in range(max(fold_of.values()) + 1):
        keep = [place for place, name in enumerate(data.training.video_ids) if fold_of.get(name) != fold]
        folds.append(train_runs(data, runs, keep, None, progress))
    held = {name: fold_of[name] for name in data.annotated}
    return CrossFit(held, tuple(zip(*folds, strict=True)))


@np.errstate(over="ignore", invalid="ignore")  # a run that diverges is told of by its loss
def predict_held_out(data: FitData, fitted: CrossFit, run: int) -> Predictions:
    """Return what each annotated training video is predicted with by the heads that did not see it."""
    found = []
    for fold, one in enumerate(fitted.heads[run]):
        features = select_gathered(data.training, _places_of(data, fitted, fold))
        found.append(predict_segments(one.weights, features, data.truth.vocabulary, data.truth.scene_vocabulary))
    return _join_folds(found, data.annotated)


def _join_folds(found: Sequence[Predictions], video_ids: Sequence[str]) -> Predictions:
    """Return predictions of different videos as one, videos in the order given."""
    position = {name: place for place, name in enumerate(video_ids)}
    places = [np.array([position[name] for name in each.video_ids], np.int32) for each in found]
    segments = Segments.concatenate(
        replace(each.segments, video=place[each.segments.video]) for each, place in zip(found, places, strict=True)
    )
    scenes = np.full((len(video_ids), len(found[0].scene_vocabulary)), np.nan)
    for each, place in zip(found, places, strict=True):
        scenes[place] = each.scenes()
    order = np.argsort(segments.video, kind="stable")
    return Predictions(tuple(video_ids), found[0].vocabulary, segments.take(order), found[0].scene_vocabulary, scenes)


def score_held_out(data: FitData, fitted: CrossFit, run: int) -> IntervalScores:
    """Return the interval scores of every annotated training video by the heads that did not see it."""
    parts = []
    for fold, one in enumerate(fitted.heads[run]):
        features = select_gathered(data.training, _places_of(data, fitted, fold))
        parts.append(score_intervals(one.weights, features, data.truth.vocabulary, data.truth.scene_vocabulary))
    pooled = IntervalScores(
        tuple(name for part in parts for name in part.video_ids),
        parts[0].vocabulary,
        np.concatenate([[0], np.cumsum(np.concatenate([np.diff(part.row_offset) for part in parts]))]),
        np.concatenate([part.scores for part in parts]),
        parts[0].step_seconds,
        np.concatenate([part.duration_seconds for part in parts]),
        parts[0].scene_vocabulary,
        np.concatenate([part.scene_scores for part in parts if part.scene_scores is not None])
        if parts[0].scene_scores is not None
        else None,
    )
    position = {name: place for place, name in enumerate(pooled.video_ids)}
    return pooled.select_videos([position[name] for name in data.annotated])


def _places_of(data: FitData, fitted: CrossFit, fold: int) -> list[int]:
    return [place for place, name in enumerate(data.training.video_ids) if fitted.fold_of.get(name) == fold]


def choose_by_folds(
    data: FitData, runs: Sequence[HeadOptions], fold_of: Mapping[str, int], options: FitOptions, progress: Progress
) -> ChosenHeads:
    """Compare settings by their out-of-fold score, and fit the best one on all videos with its first seed.

    Nothing is chosen by a held-out fold within a run: every fit goes to its last epoch. With several settings the
    score of the best one is that of a winner, and so a little too high; how little, the deviation over seeds tells.

    Raises
    ------
    ConfigurationError
        The videos hold no annotated segment.
    """
    truth = select_videos(data.truth, data.annotated)
    if not len(truth.segments):
        raise ConfigurationError("the folds hold no annotated segment; there is nothing to score", "check --subset")
    seeds = list(dict.fromkeys(run.seed for run in runs))
    paths = plan_oof_files(options.save_oof, data.specs, seeds) if options.save_oof else []
    fitted = cross_fit(data, runs, fold_of, progress)
    found = [predict_held_out(data, fitted, run) for run in range(len(runs))]
    judged = [judge_predictions(one, truth) for one in found]
    swept = describe_runs(runs, [_first_of(heads) for heads in fitted.heads], judged)
    ranking = rank_settings(swept)
    require_scored(ranking)
    ranking, final = _fit_best(data, runs, ranking, progress)
    best = min(ranking[0].places)
    record = {
        "num_folds": fitted.num_folds,
        "group": options.group,
        "scores": _score_folds(found[best], truth, fitted),
        "seeds": [swept[place].final_score for place in sorted(ranking[0].places)],
    }
    chosen = ChosenHeads(final, runs[best], judged[best], tuple(swept), tuple(ranking), _with_spread(record))
    if options.calibrate != "off":
        fitted, chosen = _calibrate(data, fitted, chosen, runs, truth)
    if paths:
        _save(data, fitted, paths, {run: runs[run] for run in sorted(ranking[0].places)}, options)
    held_out = score_held_out(data, fitted, best) if options.scene_prior else None
    saved = tuple(str(path) for path in paths)
    return replace(chosen, oof=saved, held_out=held_out, fold_of=fitted.fold_of)


def _fit_best(
    data: FitData, runs: Sequence[HeadOptions], ranking: Sequence[SettingScore], progress: Progress
) -> tuple[list[SettingScore], FittedHeads]:
    """Fit the best setting on all videos; one that diverges there, though in no fold, makes room for the next."""
    scored = [found for found in ranking if not math.isnan(found.mean)]
    for place, found in enumerate(scored):
        try:
            final = train_runs(data, [runs[min(found.places)]], None, None, progress)[0]
        except ConfigurationError as error:
            if place == len(scored) - 1:
                raise
            progress.warn(f"the best setting diverges on all videos together, and the next is taken: {error.message}")
            continue
        return [*scored[place:], *scored[:place], *ranking[len(scored) :]], final
    raise ConfigurationError("no setting has a score", "sweep smaller learning rates")


def _first_of(heads: Sequence[FittedHeads]) -> FittedHeads:
    """Return the heads without the first fold, as diverged where those without any fold are."""
    diverged = any(one.record["diverged"] for one in heads)
    return replace(heads[0], record={**heads[0].record, "diverged": diverged})


def _save(
    data: FitData, fitted: CrossFit, paths: Sequence[Path], runs: Mapping[int, HeadOptions], options: FitOptions
) -> None:
    """Write the out-of-fold scores of every seed of the best setting."""
    records = [
        {
            "out_of_fold": {"num_folds": fitted.num_folds, "group": options.group},
            "options": run.to_dict(),
            "split": data.split.described,
        }
        for run in runs.values()
    ]
    scores = [score_held_out(data, fitted, run) for run in runs]
    folds = {name: fitted.fold_of[name] for name in data.annotated}
    save_oof_files(paths, scores, data.specs, records, folds)


def _calibrate(
    data: FitData, fitted: CrossFit, chosen: ChosenHeads, runs: Sequence[HeadOptions], truth: Annotations
) -> tuple[CrossFit, ChosenHeads]:
    """Divide the scores of every seed of the best setting by its own temperature, and those of the final heads."""
    heads, found = list(fitted.heads), {}
    for run in chosen.ranking[0].places:
        own = [select_gathered(data.training, _places_of(data, fitted, fold)) for fold in range(fitted.num_folds)]
        held_out = [(one.weights, features) for one, features in zip(heads[run], own, strict=True)]
        found[run] = calibrate_heads(data.truth, held_out, runs[run].min_overlap)
        heads[run] = tuple(_divide(one, found[run].temperature) for one in heads[run])
    calibrated, best = replace(fitted, heads=tuple(heads)), min(found)
    judged = judge_predictions(predict_held_out(data, calibrated, best), truth)
    return calibrated, replace(
        chosen,
        fitted=_divide(chosen.fitted, found[best].temperature),
        judged=judged,
        calibration=describe_calibration(found[best], chosen.judged, judged),
    )


def _divide(fitted: FittedHeads, temperature: float) -> FittedHeads:
    return replace(fitted, weights=divide_by_temperature(fitted.weights, temperature))


def _score_folds(found: Predictions, truth: Annotations, fitted: CrossFit) -> list[float | None]:
    """Return the final score of each fold by itself; None where it holds no segment."""
    scores: list[float | None] = []
    for fold in range(fitted.num_folds):
        own = select_videos(truth, [name for name, its in fitted.fold_of.items() if its == fold])
        scores.append(_judge_own(found, own).evaluation.final_score if len(own.segments) else None)
    return scores


def _judge_own(found: Predictions, own: Annotations) -> Judged:
    known = set(own.video_ids)
    is_own = np.array([name in known for name in found.video_ids], np.bool_)
    return judge_predictions(replace(found, segments=found.segments.take(is_own[found.segments.video])), own)


def _with_spread(record: dict[str, Any]) -> dict[str, Any]:
    for name in ("scores", "seeds"):
        known = [score for score in record[name] if score is not None and not math.isnan(score)]
        record |= {f"{name}_mean": mean(known) if known else None}
        record |= {f"{name}_deviation": stdev(known) if len(known) > 1 else None}
    return record
