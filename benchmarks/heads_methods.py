"""Filters, paths and heads on frame scores, each choice made on other videos than those that are judged."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context
from typing import Any

import numpy as np
import numpy.typing as npt
from heads_material import MEASURES, Floats, Indexes, Labels, Material, judge_videos

from tsmfeat.heads.options import HeadOptions
from tsmfeat.heads.prediction import predict_probabilities
from tsmfeat.heads.training import train_heads
from tsmfeat.kernels.paths import find_best_paths
from tsmfeat.kernels.smoothing import filter_mean
from tsmfeat.localization.transitions import learn_transition_costs

WIDTHS = (1, 3, 5, 9, 15, 21, 31)
COSTS = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
GOAL = MEASURES.index("f1@50")

# Kind of descent, size, rate, epochs and where dropout falls were settled on the second split of each set, by heads
# that were fitted on others: the figures of that split, one of five and one of three, are a little too good.
TCN = HeadOptions(head="tcn", tasks=("action",), epochs=40, batch_size=300, lr=0.002, hidden_size=64)
DROPOUTS = (0.5, 0.7)
LINEAR = HeadOptions(tasks=("action",), solver="lbfgs", epochs=50, dropout=0.0)
DECAYS = (1e-4, 1e-3, 1e-2)

Table = npt.NDArray[np.float64]
Smoother = Callable[[Indexes, Floats], Labels]


@dataclass(frozen=True, eq=False)
class Fold:
    """What is known before and after a choice.

    Parameters
    ----------
    known
        Videos that the choice is made on, with `known_scores` of their rows.
    videos
        Those it is judged on, with `scores`, one a seed.
    others
        All but `videos`: what costs of paths are learned from.
    """

    known: Indexes
    known_scores: Floats
    videos: Indexes
    scores: tuple[Floats, ...]
    others: Indexes


def fold_scores(found: Material, scores: Floats) -> list[Fold]:
    """Return the folds of scores that need no training: a choice is made on all other folds."""
    folds = []
    for value in np.unique(found.fold):
        others, videos = np.flatnonzero(found.fold != value), np.flatnonzero(found.fold == value)
        own = scores[found.rows_of(videos)]
        folds.append(Fold(others, scores[found.rows_of(others)], videos, (own,), others))
    return folds


@dataclass(frozen=True)
class Plan:
    """What is fitted in every fold.

    Parameters
    ----------
    options
        The candidates.
    seeds
        With each of them the chosen candidate is fitted again,
    changes
        and with each of these options changed.
    """

    options: tuple[HeadOptions, ...]
    seeds: tuple[int, ...]
    changes: tuple[Mapping[str, Any], ...] = ({},)


def fold_heads(found: Material, plan: Plan, num_workers: int) -> tuple[list[list[Fold]], list[HeadOptions]]:
    """Fit heads, folds side by side; return their scores, change by change, and what was chosen for each fold."""
    places = range(len(np.unique(found.fold)))
    with ProcessPoolExecutor(num_workers, get_context("spawn")) as pool:
        fitted = list(pool.map(partial(fit_fold, found, plan), places))
    return [list(parts) for parts in zip(*(parts for parts, _ in fitted), strict=True)], [one for _, one in fitted]


def fit_fold(found: Material, plan: Plan, place: int) -> tuple[list[Fold], HeadOptions]:
    """Fit the heads of one fold.

    The next fold is the validation split: the options that are best there, fitted on all folds but these two, are
    fitted again on all folds but the judged one, with every seed and every change.
    """
    values = np.unique(found.fold)
    videos, others = np.flatnonzero(found.fold == values[place]), np.flatnonzero(found.fold != values[place])
    known = np.flatnonzero(found.fold == values[(place + 1) % len(values)])
    tried = fit_scores(found, np.setdiff1d(others, known), plan.options, known)
    goals = [judge_videos(found, known, one.argmax(axis=1).astype(np.int32))[:, GOAL].mean() for one in tried]
    best = int(np.argmax(goals))
    chosen = plan.options[best]
    final = [replace(chosen, seed=seed, **change) for change in plan.changes for seed in plan.seeds]
    scores = fit_scores(found, others, final, videos)
    size = len(plan.seeds)
    parts = [tuple(scores[first : first + size]) for first in range(0, len(scores), size)]
    return [Fold(known, tried[best], videos, own, others) for own in parts], chosen


def fit_scores(
    found: Material, training: Indexes, options: Sequence[HeadOptions], videos: Indexes
) -> list[npt.NDArray[np.float32]]:
    """Fit heads on some videos; return what each says of the rows of others."""
    rows, offset = found.rows_of(videos), found.offset_of(videos)
    fitted = train_heads(found.training(training), options, num_frames=1)
    return [predict_probabilities(one.weights, found.features[rows], offset)[0] for one in fitted]


def mean_filter(width: int) -> Smoother:
    """Return the labels that are largest after a mean over `width` rows."""

    def smooth(offset: Indexes, scores: Floats) -> Labels:
        labels: Labels = filter_mean(offset, scores, width).argmax(axis=1).astype(np.int32)
        return labels

    return smooth


def best_paths(costs: npt.NDArray[np.float64]) -> Smoother:
    """Return the labels of the best path, given what its changes cost."""

    def smooth(offset: Indexes, scores: Floats) -> Labels:
        labels: Labels = find_best_paths(offset, np.ascontiguousarray(scores), scores.shape[1] - 1, costs)
        return labels

    return smooth


def all_widths(found: Material, folds: Sequence[Fold]) -> dict[str, Any]:
    """Return what every width reaches on the judged videos: nothing chosen."""
    return {
        f"mean:{width}": summarize(found, judge_all(found, folds, as_it_is(mean_filter(width)))) for width in WIDTHS
    }


def as_it_is(smoother: Smoother) -> Callable[[Fold], Smoother]:
    """Return what gives every fold the same smoother."""
    return lambda _: smoother


def chosen_width(found: Material, folds: Sequence[Fold]) -> tuple[Table, list[str]]:
    """Return what the mean filter reaches, its width chosen fold by fold."""
    names: list[str] = []

    def choose(fold: Fold) -> Smoother:
        best = _best(found, fold, [mean_filter(width) for width in WIDTHS])
        names.append(f"mean:{WIDTHS[best]}")
        return mean_filter(WIDTHS[best])

    return judge_all(found, folds, choose), names


def chosen_paths(found: Material, folds: Sequence[Fold]) -> tuple[Table, list[str]]:
    """Return what paths reach, their changes' costs learned and their factor chosen fold by fold."""
    names: list[str] = []

    def choose(fold: Fold) -> Smoother:
        labels = found.labels[found.rows_of(fold.others)]
        costs = learn_transition_costs(found.offset_of(fold.others), labels, found.num_labels)
        best = _best(found, fold, [best_paths(cost * costs) for cost in COSTS])
        names.append(f"viterbi:{COSTS[best]:g}")
        return best_paths(COSTS[best] * costs)

    return judge_all(found, folds, choose), names


def _best(found: Material, fold: Fold, smoothers: Sequence[Smoother]) -> int:
    offset = found.offset_of(fold.known)
    goals = [judge_videos(found, fold.known, smooth(offset, fold.known_scores))[:, GOAL].mean() for smooth in smoothers]
    return int(np.argmax(goals))


def judge_all(found: Material, folds: Sequence[Fold], choose: Callable[[Fold], Smoother]) -> Table:
    """Return `MEASURES` of every seed and video, float64 (S, V, 5), each fold by the smoother chosen for it."""
    table = np.zeros((len(folds[0].scores), len(found.fold), len(MEASURES)))
    for fold in folds:
        smooth, offset = choose(fold), found.offset_of(fold.videos)
        for seed, scores in enumerate(fold.scores):
            table[seed, fold.videos] = judge_videos(found, fold.videos, smooth(offset, scores))
    return table


def average_seeds(folds: Sequence[Fold]) -> list[Fold]:
    """Return the folds of the heads of all seeds together: the mean of their probabilities."""
    return [replace(fold, scores=(np.mean(fold.scores, axis=0),)) for fold in folds]


def summarize(found: Material, table: Table) -> dict[str, Any]:
    """Return the means over videos and seeds, and each seed's, in percent."""
    seeds = 100 * table.mean(axis=1)
    summary: dict[str, Any] = dict(zip(MEASURES, seeds.mean(axis=0).tolist(), strict=True))
    if len(seeds) > 1:
        summary["seeds"] = {name: values.tolist() for name, values in zip(MEASURES, seeds.T, strict=True)}
    return summary | {"num_videos": len(found.fold)}
