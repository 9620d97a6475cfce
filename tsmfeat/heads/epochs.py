"""The epochs of runs that are trained as one computation."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from tsmfeat.heads.batches import Batches, draw_batches, draw_inputs, draw_presence, make_batches, mask_views
from tsmfeat.heads.bodies import BatchVideos
from tsmfeat.heads.class_balance import BackgroundDraws, draw_background
from tsmfeat.heads.device_batches import DeviceTable, draw_device_inputs, load_table
from tsmfeat.heads.devices import resolve_device
from tsmfeat.heads.loss_options import EVERY_ROW
from tsmfeat.heads.model import equivalent_dropout
from tsmfeat.heads.options import CONTEXT_HEADS, HeadOptions
from tsmfeat.heads.randomness import random_bits
from tsmfeat.heads.rows import TrainingRows
from tsmfeat.heads.stack import RunStack, build_stack, descend_stack
from tsmfeat.heads.standardization import Standardization
from tsmfeat.values.progress import Progress

Losses = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class RunningFit:
    """Runs of one group with their batches.

    Parameters
    ----------
    stack
        The runs.
    batches
        What they see.
    table
        The features on the device; None on the CPU.
    standardization
        Of the inputs.
    device
        Where they are fitted.
    row_weights
        float32 (K,): those of the actions, of all rows.
    """

    stack: RunStack
    batches: Batches
    table: DeviceTable | None
    standardization: Standardization
    device: torch.device
    row_weights: Tensor

    @property
    def num_epoch_rows(self) -> int:
        """How many rows count in an epoch."""
        source = self.batches.background
        return len(self.batches.rows) if source is None else source.num_drawn

    @property
    def options(self) -> HeadOptions:
        """Those that all runs share."""
        return self.stack.options[0]


def used_dropout(options: HeadOptions, num_frames: int) -> float:
    """Return the probability that an input (of linear heads) or a hidden unit (of others) is dropped.

    Examples
    --------
    >>> used_dropout(HeadOptions("mlp"), 8), round(used_dropout(HeadOptions("linear"), 8), 3)
    (0.5, 0.111)
    """
    if options.head == "linear" and options.dropout_unit == "frame":
        return equivalent_dropout(options.dropout, num_frames)
    return options.dropout


def prepare_fit(
    data: TrainingRows,
    runs: Sequence[HeadOptions],
    standardization: Standardization,
    num_frames: int,
    progress: Progress,
) -> RunningFit:
    """Return runs of one group before their first epoch.

    Parameters
    ----------
    data
        The training rows.
    runs
        Options of each.
    standardization
        Of the inputs.
    num_frames
        Frames T of a clip.
    progress
        As in `tsmfeat.heads.tasks.build_tasks`.

    Raises
    ------
    EnvironmentLackError
        A device that is not there.
    """
    one = runs[0]
    device = resolve_device(one.device)
    # Hidden units are dropped instead where there are any; L-BFGS drops nothing.
    dropped = used_dropout(one, num_frames) if one.head == "linear" and one.solver == "sgd" else 0.0
    pieces = data.pieces() if one.head in CONTEXT_HEADS else None
    batches = make_batches(data.features, data.rows, standardization, dropped, one.seed, pieces)
    if data.views is not None:
        batches = mask_views(batches, data.views, one.view_dropout, one.seed)
    batches = replace(batches, background=_background_draws(data, one), in_blocks=data.in_blocks)
    table = load_table(batches, one.seed, device) if device.type != "cpu" else None
    stack = build_stack(data, runs, device, progress)
    return RunningFit(stack, batches, table, standardization, device, stack.tasks[0].row_weights.clone())


def _background_draws(data: TrainingRows, options: HeadOptions) -> BackgroundDraws | None:
    if options.background_ratio == EVERY_ROW:
        return None
    draw = np.random.Generator(random_bits(options.seed, "background"))
    return BackgroundDraws(data.action_targets() == data.num_actions, options.background_ratio, draw)


def _weigh_drawn(fit: RunningFit) -> None:
    """Let background rows that are not drawn weigh nothing: where rows stay together they are still neighbours."""
    if fit.batches.background is not None and fit.batches.pieces is not None:
        weights = torch.zeros_like(fit.row_weights)
        drawn = torch.from_numpy(draw_background(fit.batches.background)).to(fit.device)
        weights[drawn] = fit.row_weights[drawn]
        fit.stack.tasks[0].row_weights.copy_(weights)


def iterate_epochs(fit: RunningFit) -> Iterator[Losses]:
    """Yield the losses, float64 (tasks, R), of one epoch after another."""
    if fit.options.solver == "lbfgs":
        # Its import loads torch's compiler, which takes a second.
        from tsmfeat.heads.full_batch import iterate_solvers

        for found in iterate_solvers(fit.stack, fit.batches):
            yield np.array(found, np.float64)[:, None]
    for epoch in range(fit.options.epochs):
        yield _run_epoch(fit, epoch)


def _run_epoch(fit: RunningFit, epoch: int) -> Losses:
    sums = np.zeros((len(fit.stack.tasks), len(fit.stack.options)))
    _weigh_drawn(fit)
    drawn = list(draw_batches(fit.batches, fit.options.batch_size))
    for number, (places, begins) in enumerate(drawn):
        chosen = torch.from_numpy(places).to(fit.device)
        if fit.table is None:
            inputs = draw_inputs(fit.batches, places, begins)
        else:
            views = fit.batches.views
            presence = None if views is None else draw_presence(fit.batches, views, places, begins)
            inputs = draw_device_inputs(fit.table, fit.batches, chosen, presence)
        videos = None if begins is None else _batch_videos(begins, fit.device)
        sums += descend_stack(fit.stack, inputs, chosen, videos, (epoch, number / len(drawn))) * len(places)
    return sums / sum(len(places) for places, _ in drawn)


def _batch_videos(begins: npt.NDArray[np.int64], device: torch.device) -> BatchVideos:
    length = np.diff(begins)
    first, last = np.repeat(begins[:-1], length), np.repeat(begins[1:] - 1, length)
    return BatchVideos(torch.from_numpy(first).to(device), torch.from_numpy(last).to(device))
