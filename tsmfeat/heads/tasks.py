"""The tasks of a linear head: parameters, targets and loss of each, in torch."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from tsmfeat.heads.optimization import descend, weighted_cross_entropy
from tsmfeat.heads.options import HeadOptions
from tsmfeat.heads.randomness import random_bits
from tsmfeat.heads.rows import TrainingRows, class_weights
from tsmfeat.values.annotations import NO_SCENE
from tsmfeat.values.progress import Progress

_INITIAL_DEVIATION = 0.001  # official TSM's new_fc


@dataclass(frozen=True, eq=False)
class HeadTask:
    """One task of a linear head while it is fitted; its tensors change in place.

    Parameters
    ----------
    name
        ``"action"`` or ``"scene"``.
    weight, bias
        float32 (K, D) and (K,): the parameters, on standardised inputs.
    velocities
        One for each parameter.
    targets
        int64 (N,): class of each training row; 0 where unknown.
    row_weights
        float32 (N,): weight of each training row in the loss; 0 where the class is unknown.
    factor
        Of this task in the sum of losses.
    """

    name: str
    weight: Tensor
    bias: Tensor
    velocities: tuple[Tensor, Tensor]
    targets: Tensor
    row_weights: Tensor
    factor: float


def build_tasks(data: TrainingRows, options: HeadOptions, progress: Progress) -> tuple[HeadTask, ...]:
    """Return the tasks to fit: action, and scene where it is asked for and some training row has one.

    Each draws its initial weights (normal, deviation 0.001; biases 0) from a stream of its own.

    Parameters
    ----------
    data
        The training rows.
    options
        Their `tasks`, `background_weight`, `scene_weight` and `seed`.
    progress
        Warned where there is no action, told where there is no scene to fit.
    """
    actions = data.action_targets()
    if (actions == data.num_actions).all():
        progress.warn("no training interval has an action: the heads will call everything background")
    weights = class_weights(actions, data.num_actions, options.background_weight)
    size = data.features.shape[1]
    action = _build_task("action", (data.num_actions + 1, size), actions, weights[actions], 1.0, options.seed)
    if "scene" not in options.tasks:
        return (action,)
    if not data.knows_scenes():
        progress.note("no training video has a scene: only the action head is fitted")
        return (action,)
    scenes = data.scene_targets()
    known = (scenes != NO_SCENE).astype(np.float64)
    shape = (data.num_scenes, size)
    return action, _build_task("scene", shape, np.maximum(scenes, 0), known, options.scene_weight, options.seed)


def _build_task(
    name: str,
    shape: tuple[int, int],
    targets: npt.NDArray[np.int64],
    row_weights: npt.NDArray[np.float64],
    factor: float,
    seed: int,
) -> HeadTask:
    drawn = np.random.Generator(random_bits(seed, name)).standard_normal(shape, np.float32)
    return HeadTask(
        name,
        torch.tensor(drawn * np.float32(_INITIAL_DEVIATION), requires_grad=True),
        torch.zeros(shape[0], requires_grad=True),
        (torch.zeros(shape), torch.zeros(shape[0])),
        torch.from_numpy(targets),
        torch.from_numpy(row_weights.astype(np.float32)),
        factor,
    )


def task_loss(task: HeadTask, inputs: Tensor, places: Tensor) -> Tensor:
    """Return a task's loss on one batch, its factor not applied.

    One matmul a task, never one for both: joined ones could round differently, and the action head would then depend
    on whether there are scenes.

    Parameters
    ----------
    task
        Parameters and targets.
    inputs
        float32 (B, D), standardised.
    places
        int64 (B,): which training rows they are.
    """
    scores = torch.addmm(task.bias, inputs, task.weight.t())
    return weighted_cross_entropy(scores, task.targets[places], task.row_weights[places])


def descend_tasks(
    tasks: tuple[HeadTask, ...], losses: Sequence[Tensor], lr: float, momentum: float, weight_decay: float
) -> None:
    """Take one step down the weighted sum of the tasks' losses; biases do not decay.

    Parameters
    ----------
    tasks, losses
        Pair by pair.
    lr, momentum, weight_decay
        As in `descend`.
    """
    total = torch.stack([task.factor * loss for task, loss in zip(tasks, losses, strict=True)]).sum()
    parameters = [parameter for task in tasks for parameter in (task.weight, task.bias)]
    velocities = [velocity for task in tasks for velocity in task.velocities]
    decays = [weight_decay, 0.0] * len(tasks)
    descend(parameters, torch.autograd.grad(total, parameters), velocities, decays, lr, momentum)
