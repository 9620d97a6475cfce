"""Runs that are trained as one computation: their parameters under one axis, and their steps."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from tsmfeat.heads.adaptive_descent import AdaptiveDescent, begin_descent, descend_adaptively
from tsmfeat.heads.bodies import BatchVideos, fold_body, initial_body, make_dropper, represent, representation_size
from tsmfeat.heads.losses import log_probabilities
from tsmfeat.heads.model import HeadParameters
from tsmfeat.heads.optimization import descend, learning_rate
from tsmfeat.heads.options import DEEP_HEADS, HeadOptions
from tsmfeat.heads.rows import TrainingRows
from tsmfeat.heads.smoothness import smoothing_loss
from tsmfeat.heads.standardization import Standardization, fold
from tsmfeat.heads.tasks import HeadTask, build_tasks, move_task, task_losses, task_scores
from tsmfeat.values.progress import Progress


@dataclass(frozen=True, eq=False)
class RunStack:
    """R runs of one group while they are fitted; the tensors change in place.

    Parameters
    ----------
    options
        Of each run.
    body
        The kind's arrays, with a leading axis of R runs; empty for linear heads.
    tasks
        The output layers.
    velocities
        One for each of `parameters`.
    decays
        A number a run, or an output layer, for each of `parameters`: biases and norms do not decay.
    drop
        Drops hidden units.
    descents
        Of each run of a deep kind; the others need no more than `velocities`.
    """

    options: tuple[HeadOptions, ...]
    body: dict[str, Tensor]
    tasks: tuple[HeadTask, ...]
    velocities: tuple[Tensor, ...]
    decays: tuple[Tensor, ...]
    drop: Callable[[Tensor], Tensor]
    descents: tuple[AdaptiveDescent, ...] = ()

    @property
    def parameters(self) -> list[Tensor]:
        """All tensors that are fitted."""
        return [*self.body.values(), *(tensor for task in self.tasks for tensor in (task.weight, task.bias))]

    @property
    def owners(self) -> list[list[int]]:
        """For each of `parameters`, the run by whose rates each of its parts is moved."""
        every = list(range(len(self.options)))
        return [every] * len(self.body) + [list(task.owners) for task in self.tasks for _ in ("weight", "bias")]


def build_stack(
    data: TrainingRows, options: Sequence[HeadOptions], device: torch.device, progress: Progress
) -> RunStack:
    """Return runs before their first step.

    Parameters
    ----------
    data
        The training rows.
    options
        Of one group (`tsmfeat.heads.grouping.group_runs`).
    device
        Where they are fitted.
    progress
        As in `build_tasks`.
    """
    size = data.features.shape[1]
    drawn = initial_body(options[0], size)
    body = {name: torch.from_numpy(np.stack([values] * len(options))).to(device) for name, values in drawn.items()}
    tasks = tuple(
        move_task(task, device) for task in build_tasks(data, options, representation_size(options[0], size), progress)
    )
    stack = RunStack(tuple(options), body, tasks, (), (), make_dropper(options))
    decays = _decays_of(stack, device)
    for parameter in stack.parameters:
        parameter.requires_grad_()
    velocities = tuple(torch.zeros_like(parameter, requires_grad=False) for parameter in stack.parameters)
    stack = replace(stack, velocities=velocities, decays=decays)
    return replace(stack, descents=_begin_descents(stack)) if options[0].head in DEEP_HEADS else stack


def _decays_of(stack: RunStack, device: torch.device) -> tuple[Tensor, ...]:
    decay = torch.tensor([one.weight_decay for one in stack.options], device=device)
    names = [*stack.body, *(name for _ in stack.tasks for name in ("weight", "bias"))]
    return tuple(
        decay[owners] if name.endswith("weight") else torch.zeros(len(owners), device=device)
        for name, owners in zip(names, stack.owners, strict=True)
    )


def _begin_descents(stack: RunStack) -> tuple[AdaptiveDescent, ...]:
    """Return the descent of each run, on its part of the shared tensors."""
    decays = [decay.tolist() for decay in stack.decays]
    return tuple(
        begin_descent([parameter.detach()[run] for parameter in stack.parameters], [decay[run] for decay in decays])
        for run in range(len(stack.options))
    )


def descend_stack(
    stack: RunStack, inputs: Tensor, places: Tensor, videos: BatchVideos | None, moment: tuple[int, float]
) -> npt.NDArray[np.float64]:
    """Take one step of every run; return the losses before it, float64 (tasks, R), factors not applied.

    Parameters
    ----------
    stack
        The runs.
    inputs
        float32 (B, D), standardised.
    places
        int64 (B,): which training rows they are.
    videos
        Of kinds with context.
    moment
        The epoch, and the share of its batches that are done.
    """
    representation = represent(stack.options[0].head, stack.body, inputs, videos, stack.drop)
    losses = [task_losses(task, representation, places) for task in stack.tasks]
    total = torch.cat([task.factors * loss for task, loss in zip(stack.tasks, losses, strict=True)]).sum()
    if videos is not None and stack.options[0].head in DEEP_HEADS:
        total = total + _roughness(stack, representation, videos)
    gradients = torch.autograd.grad(total, stack.parameters)
    rates = [(learning_rate(one, *moment), one.momentum) for one in stack.options]
    if stack.descents:
        for run, (descent, rate) in enumerate(zip(stack.descents, rates, strict=True)):
            descend_adaptively(descent, [gradient[run] for gradient in gradients], *rate)
    else:
        table = torch.tensor(rates, device=inputs.device)
        descend(stack.parameters, gradients, stack.velocities, stack.decays, [table[own] for own in stack.owners])
    known = [loss.detach().cpu().numpy() for loss in losses]
    pairs = zip(stack.tasks, known, strict=True)
    return np.array([loss[list(task.layer_of)] for task, loss in pairs], np.float64)


def _roughness(stack: RunStack, representation: Tensor, videos: BatchVideos) -> Tensor:
    """Return the sum over the runs of what their action scores pay for changing, factors applied."""
    factors = torch.tensor([one.smoothing_loss for one in stack.options], device=representation.device)
    if not factors.any():
        return factors.sum()
    logs = log_probabilities(task_scores(stack.tasks[0], representation), stack.options[0].rule)
    return (factors * smoothing_loss(logs, videos)).sum()


def fold_stack(stack: RunStack, standardization: Standardization) -> list[HeadParameters]:
    """Return the heads of every run, for raw embeddings."""
    return [_fold_run(stack, run, standardization) for run in range(len(stack.options))]


def _fold_run(stack: RunStack, run: int, standardization: Standardization) -> HeadParameters:
    kind = stack.options[run].head
    arrays: dict[str, npt.NDArray[np.float32]] = {}
    for task in stack.tasks:
        layer = task.layer_of[run]
        weight, bias = _numpy(task.weight, layer), _numpy(task.bias, layer)
        if kind == "linear":
            weight, bias = fold(weight, bias, standardization)
        arrays |= {f"{task.name}_weight": weight, f"{task.name}_bias": bias}
    body = {name: _numpy(values, run) for name, values in stack.body.items()}
    folded = fold_body(kind, body, standardization)
    scene = arrays.get("scene_weight"), arrays.get("scene_bias")
    activation = stack.options[run].rule.activation
    return HeadParameters(arrays["action_weight"], arrays["action_bias"], *scene, kind, folded, activation=activation)


def _numpy(tensor: Tensor, run: int) -> npt.NDArray[np.float32]:
    # A copy: later steps change the tensor in place.
    return np.array(tensor[run].detach().cpu().numpy(), np.float32)
