"""Features and targets become fitted heads, many runs at once."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from tsmfeat.errors import ConfigurationError
from tsmfeat.heads.class_balance import weigh_classes
from tsmfeat.heads.epochs import RunningFit, iterate_epochs, prepare_fit, used_dropout
from tsmfeat.heads.grouping import group_runs
from tsmfeat.heads.leaders import LeaderBoard
from tsmfeat.heads.model import HeadParameters
from tsmfeat.heads.optimization import learning_rate
from tsmfeat.heads.options import SEGMENT_HEADS, HeadOptions
from tsmfeat.heads.rows import TrainingRows
from tsmfeat.heads.selection import Selection, require_one_finite
from tsmfeat.heads.stack import fold_stack
from tsmfeat.heads.standardization import Standardization, measure_joined, no_standardization
from tsmfeat.values.progress import Progress, Silence

_SILENCE = Silence()

Judge = Callable[[HeadParameters], float]
Losses = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class FittedHeads:
    """Heads, and how they came to be.

    Parameters
    ----------
    weights
        Those of the best epoch, for raw embeddings.
    record
        JSON-able: rows, dropout given and used, class weights, losses and validation score of every epoch, and the
        epoch chosen.
    """

    weights: HeadParameters
    record: dict[str, Any]


def train_head(
    data: TrainingRows,
    options: HeadOptions,
    num_frames: int,
    validate: Judge | None = None,
    progress: Progress = _SILENCE,
) -> FittedHeads:
    """Fit an action head and, where asked for and known, a scene head: `train_heads` of one run.

    Examples
    --------
    >>> table = np.float16([[1, 0], [0, 1]] * 20)
    >>> data = TrainingRows(table, np.arange(40), np.arange(40) % 2, np.full(40, -1), num_actions=1, num_scenes=0)
    >>> fitted = train_head(data, HeadOptions(tasks=("action",), epochs=5, batch_size=8, lr=0.1), num_frames=8)
    >>> (table @ fitted.weights.action_weight.T + fitted.weights.action_bias).argmax(axis=1)[:4].tolist()
    [0, 1, 0, 1]
    """
    return train_heads(data, [options], num_frames, validate, progress)[0]


def train_heads(
    data: TrainingRows,
    options: Sequence[HeadOptions],
    num_frames: int,
    validate: Judge | None = None,
    progress: Progress = _SILENCE,
) -> list[FittedHeads]:
    """Fit heads of several runs on the same rows.

    The inputs are standardised by the training rows; the loss is the actions' weighted cross-entropy plus
    `scene_weight` times the scenes'. Linear heads share nothing but the inputs, so their action head is the same, bit
    for bit, for every `scene_weight` and without the scene task (as long as `validate` looks at actions only). Runs
    that see the same inputs in the same order are one computation (`tsmfeat.heads.grouping.group_runs`); each ends
    within rounding where it would end alone. Equal arguments give equal bits on one machine and number of threads.

    Parameters
    ----------
    data
        The training rows.
    options
        How to fit each run.
    num_frames
        Frames T of a clip (of the features' spec): dropout per frame depends on it.
    validate
        Called with each run's weights after each epoch; its first epoch with the highest score is kept. Without it,
        or where no score is above 0, the last epoch is.
    progress
        Told of every epoch.

    Returns
    -------
    list of FittedHeads
        One a run, in their order.

    Raises
    ------
    ConfigurationError
        No loss stays finite. Where one does, the record of a run that diverged says so, and its heads say nothing.
    InputError
        A training row is not finite.
    EnvironmentLackError
        A device that is not there.
    """
    if any(one.head in SEGMENT_HEADS for one in options):
        raise ConfigurationError(
            f"head {options[0].head!r}: it learns from segments, not from rows", "fit it on annotated videos"
        )
    groups = group_runs(options)
    scales = {wanted: _standardize(data, wanted) for wanted in {one.standardize for one in options}}
    fitted: dict[int, FittedHeads] = {}
    board = LeaderBoard(options)
    progress.begin("fit heads", sum(options[group[0]].epochs for group in groups), "epochs")
    try:
        shown: list[Selection] = []
        for number, group in enumerate(groups):
            runs = [options[place] for place in group]
            # What is said of the data once holds for every group.
            listener = _SILENCE if number else progress
            fit = prepare_fit(data, runs, scales[runs[0].standardize], num_frames, listener)
            selections = _run(fit, validate, progress, board.of(group))
            shown += selections
            for place, one, selection in zip(group, runs, selections, strict=True):
                fitted[place] = _finish(data, one, num_frames, fit, selection, progress)
        require_one_finite(shown)
    finally:
        progress.end()
    return [fitted[place] for place in range(len(options))]


def _standardize(data: TrainingRows, wanted: bool) -> Standardization:
    if wanted:
        return measure_joined(data.features, data.rows, data.views)
    return no_standardization(data.features.shape[1])


def _run(fit: RunningFit, validate: Judge | None, progress: Progress, board: LeaderBoard) -> list[Selection]:
    selections = [Selection(validate is not None, one.patience) for one in fit.stack.options]
    epochs = iterate_epochs(fit)
    for epoch in range(fit.options.epochs):
        losses = next(epochs)
        heads = [_with_filling(fit, weights) for weights in fold_stack(fit.stack, fit.standardization)]
        for run, (weights, selection) in enumerate(zip(heads, selections, strict=True)):
            if not selection.ended:
                if not selection.is_finite(weights, losses[:, run], fit.stack.options[run].lr):
                    continue
                record = _epoch_record(fit, epoch, run, losses[:, run])
                selection.show(weights, record, None if validate is None else float(validate(weights)))
        progress.advance(1, _describe(fit, losses, selections))
        progress.show(board.update(selections))
        if all(selection.ended for selection in selections):
            progress.advance(fit.options.epochs - epoch - 1)
            break
    return selections


def _with_filling(fit: RunningFit, weights: HeadParameters) -> HeadParameters:
    """Add what is 0 after standardisation, which is what a missing view was in training."""
    if fit.batches.views is None:
        return weights
    return replace(weights, missing=fit.standardization.mean.astype(np.float32))


def _describe(fit: RunningFit, losses: Losses, selections: Sequence[Selection]) -> str:
    if len(selections) == 1:
        named = zip(fit.stack.tasks, losses[:, 0], strict=True)
        return ", ".join(f"{task.name} loss {loss:.4f}" for task, loss in named)
    best = max(selection.best_score for selection in selections)
    return f"{len(selections)} runs" + (f", best {best:.4f}" if math.isfinite(best) else "")


def _epoch_record(fit: RunningFit, epoch: int, run: int, losses: Losses) -> dict[str, Any]:
    options = fit.stack.options[run]
    return {
        "epoch": epoch + 1,
        "lr": learning_rate(options, epoch) if options.solver == "sgd" else None,
        **{f"{task.name}_loss": float(loss) for task, loss in zip(fit.stack.tasks, losses, strict=True)},
    }


def _finish(
    data: TrainingRows, options: HeadOptions, num_frames: int, fit: RunningFit, selection: Selection, progress: Progress
) -> FittedHeads:
    weights, epochs = selection.settle(progress)
    record = {
        "num_rows": len(data.rows),
        "num_epoch_rows": fit.num_epoch_rows,
        "num_frames": num_frames,
        "tasks": [task.name for task in fit.stack.tasks],
        "num_parameters": sum(values.size for values in weights.tensors().values()),
        "dropout": options.dropout,
        "dropout_unit": options.dropout_unit,
        "dropout_used": 0.0 if options.solver == "lbfgs" else used_dropout(options, num_frames),
        "class_weights": weigh_classes(data.action_targets(), data.num_actions, options).tolist(),
        "view_dropout": options.view_dropout,
        **epochs,
    }
    return FittedHeads(weights, record)
