"""Features and targets become fitted heads."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from tsmfeat.errors import ConfigurationError
from tsmfeat.heads.batches import Batches, draw_inputs, draw_order, make_batches
from tsmfeat.heads.model import HeadParameters, equivalent_dropout
from tsmfeat.heads.optimization import learning_rate
from tsmfeat.heads.options import HeadOptions
from tsmfeat.heads.rows import TrainingRows, class_weights
from tsmfeat.heads.standardization import (
    Standardization,
    fold,
    measure_standardization,
    no_standardization,
)
from tsmfeat.heads.tasks import HeadTask, build_tasks, descend_tasks, task_loss
from tsmfeat.values.progress import Progress, Silence

_SILENCE = Silence()


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


@dataclass(frozen=True, eq=False)
class _Fit:
    tasks: tuple[HeadTask, ...]
    batches: Batches
    standardization: Standardization
    options: HeadOptions


def fit_linear_heads(
    data: TrainingRows,
    options: HeadOptions,
    num_frames: int,
    validate: Callable[[HeadParameters], float] | None = None,
    progress: Progress = _SILENCE,
) -> FittedHeads:
    """Fit an action head and, where asked for and known, a scene head.

    The inputs are standardised by the training rows and dropped; the loss is the actions' weighted cross-entropy plus
    `scene_weight` times the scenes'. Nothing is shared but the inputs, so the action head is the same, bit for bit,
    for every `scene_weight` and without the scene task (as long as `validate` looks at actions only).
    Equal arguments give equal bits on one machine and number of threads.

    Parameters
    ----------
    data
        The training rows.
    options
        How to fit.
    num_frames
        Frames T of a clip (of the features' spec): dropout per frame depends on it.
    validate
        Called with the weights after each epoch; the first epoch with the highest score is kept. Without it, or
        where no score is above 0, the last epoch is.
    progress
        Told of every epoch.

    Returns
    -------
    FittedHeads

    Raises
    ------
    ConfigurationError
        The loss does not stay finite.
    InputError
        A training row is not finite.

    Examples
    --------
    >>> table = np.float16([[1, 0], [0, 1]] * 20)
    >>> data = TrainingRows(table, np.arange(40), np.arange(40) % 2, np.full(40, -1), num_actions=1, num_scenes=0)
    >>> fitted = fit_linear_heads(data, HeadOptions(tasks=("action",), epochs=5, batch_size=8, lr=0.1), num_frames=8)
    >>> (table @ fitted.weights.action_weight.T + fitted.weights.action_bias).argmax(axis=1)[:4].tolist()
    [0, 1, 0, 1]
    """
    dropout = options.dropout
    if options.dropout_unit == "frame":
        dropout = equivalent_dropout(options.dropout, num_frames)
    fit = _prepare(data, options, dropout, progress)
    weights, epochs, best = _run(fit, validate, progress)
    record = {
        "num_rows": len(data.rows),
        "num_frames": num_frames,
        "tasks": [task.name for task in fit.tasks],
        "dropout": options.dropout,
        "dropout_unit": options.dropout_unit,
        "dropout_used": dropout,
        "class_weights": class_weights(data.action_targets(), data.num_actions, options.background_weight).tolist(),
        "epochs": epochs,
        "best_epoch": best + 1,
        "best_validation_score": epochs[best]["validation_score"],
    }
    return FittedHeads(weights, record)


def _prepare(data: TrainingRows, options: HeadOptions, dropout: float, progress: Progress) -> _Fit:
    if options.standardize:
        standardization = measure_standardization(data.features, data.rows)
    else:
        standardization = no_standardization(data.features.shape[1])
    batches = make_batches(data.features, data.rows, standardization, dropout, options.seed)
    return _Fit(build_tasks(data, options, progress), batches, standardization, options)


def _run(
    fit: _Fit, validate: Callable[[HeadParameters], float] | None, progress: Progress
) -> tuple[HeadParameters, list[dict[str, Any]], int]:
    history: list[dict[str, Any]] = []
    best, best_score = 0, -math.inf
    progress.begin("fit heads", fit.options.epochs, "epochs")
    try:
        for epoch in range(fit.options.epochs):
            losses = _run_epoch(fit, epoch)
            weights = _folded(fit)
            _require_finite(weights, losses, epoch, fit.options.lr)
            score = None if validate is None else float(validate(weights))
            history.append(_epoch_record(fit, epoch, losses, score))
            comparable = -math.inf if score is None or math.isnan(score) else score
            if epoch == 0 or validate is None or comparable > best_score:
                best, best_score, chosen = epoch, comparable, weights
            progress.advance(1, ", ".join(f"{name} loss {loss:.4f}" for name, loss in losses.items()))
    finally:
        progress.end()
    if validate is not None and best_score <= 0:
        # Among equals that say nothing the longest trained is the better guess.
        progress.warn(f"no epoch scored above 0 on the validation videos: the last of {len(history)} is kept")
        return weights, history, len(history) - 1
    return chosen, history, best


def _run_epoch(fit: _Fit, epoch: int) -> dict[str, float]:
    order = draw_order(fit.batches)
    size = fit.options.batch_size
    steps = _steps_per_epoch(fit)
    sums = np.zeros(len(fit.tasks))
    for number in range(steps):
        places = order[number * size : (number + 1) * size]
        lr = learning_rate(fit.options, epoch * steps + number, steps)
        sums += np.array(_step(fit, places, lr)) * len(places)
    return {task.name: float(total) / len(order) for task, total in zip(fit.tasks, sums, strict=True)}


def _steps_per_epoch(fit: _Fit) -> int:
    return -(-len(fit.batches.rows) // fit.options.batch_size)


def _step(fit: _Fit, places: npt.NDArray[np.int64], lr: float) -> list[float]:
    inputs = draw_inputs(fit.batches, places)
    chosen = torch.from_numpy(places)
    losses = [task_loss(task, inputs, chosen) for task in fit.tasks]
    descend_tasks(fit.tasks, losses, lr, fit.options.momentum, fit.options.weight_decay)
    return [loss.item() for loss in losses]


def _folded(fit: _Fit) -> HeadParameters:
    arrays: list[npt.NDArray[np.float32]] = []
    for task in fit.tasks:
        arrays += fold(task.weight.detach().numpy(), task.bias.detach().numpy(), fit.standardization)
    return HeadParameters(*arrays)


def _require_finite(weights: HeadParameters, losses: dict[str, float], epoch: int, lr: float) -> None:
    finite = all(np.isfinite(values).all() for values in weights.tensors().values())
    if not finite or not all(math.isfinite(loss) for loss in losses.values()):
        raise ConfigurationError(
            f"epoch {epoch + 1}: the loss is no longer finite with lr {lr:g}; it must stay so",
            f"use a smaller one, such as --lr {lr / 10:g}, and leave --standardize on",
        )


def _epoch_record(fit: _Fit, epoch: int, losses: dict[str, float], score: float | None) -> dict[str, Any]:
    steps = _steps_per_epoch(fit)
    # JSON knows no NaN: a score that is none is null.
    known = None if score is None or not math.isfinite(score) else score
    return {
        "epoch": epoch + 1,
        "lr": learning_rate(fit.options, epoch * steps, steps),
        **{f"{name}_loss": loss for name, loss in losses.items()},
        "validation_score": known,
    }
