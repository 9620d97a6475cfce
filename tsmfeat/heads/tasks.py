"""The tasks of runs that are trained together: output layers, targets and loss of each, in torch."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from tsmfeat.heads.mlp_torch import project
from tsmfeat.heads.optimization import weighted_cross_entropy
from tsmfeat.heads.options import HeadOptions
from tsmfeat.heads.randomness import random_bits
from tsmfeat.heads.rows import TrainingRows, class_weights
from tsmfeat.values.annotations import NO_SCENE
from tsmfeat.values.progress import Progress

_INITIAL_DEVIATION = 0.001  # official TSM's new_fc


@dataclass(frozen=True, eq=False)
class HeadTask:
    """One task of R runs while they are fitted; its tensors change in place.

    Parameters
    ----------
    name
        ``"action"`` or ``"scene"``.
    weight, bias
        float32 (R, K, H) and (R, K): the output layers, on standardised inputs or on a body's hidden units.
    targets
        int64 (N,): class of each training row; 0 where unknown.
    row_weights
        float32 (N,): weight of each training row in the loss; 0 where the class is unknown.
    factors
        float32 (R,): of this task in the sum of losses.
    """

    name: str
    weight: Tensor
    bias: Tensor
    targets: Tensor
    row_weights: Tensor
    factors: Tensor


def build_tasks(
    data: TrainingRows, options: Sequence[HeadOptions], size: int, progress: Progress
) -> tuple[HeadTask, ...]:
    """Return the tasks to fit: action, and scene where it is asked for and some training row has one.

    Each draws its initial weights from a stream of its own (normal; deviation 0.001 on embeddings, as much as keeps
    the scale on hidden units; biases 0).

    Parameters
    ----------
    data
        The training rows.
    options
        Of R runs of one group.
    size
        Numbers H that the output layers see.
    progress
        Warned where there is no action, told where there is no scene to fit.
    """
    one = options[0]
    actions = data.action_targets()
    if (actions == data.num_actions).all():
        progress.warn("no training interval has an action: the heads will call everything background")
    weights = class_weights(actions, data.num_actions, one.background_weight)
    action = _build_task("action", (data.num_actions + 1, size), actions, weights[actions], options)
    if "scene" not in one.tasks:
        return (action,)
    if not data.knows_scenes():
        progress.note("no training video has a scene: only the action head is fitted")
        return (action,)
    scenes = data.scene_targets()
    known = (scenes != NO_SCENE).astype(np.float64)
    return action, _build_task("scene", (data.num_scenes, size), np.maximum(scenes, 0), known, options)


def _build_task(
    name: str,
    shape: tuple[int, int],
    targets: npt.NDArray[np.int64],
    row_weights: npt.NDArray[np.float64],
    options: Sequence[HeadOptions],
) -> HeadTask:
    drawn = np.random.Generator(random_bits(options[0].seed, name)).standard_normal(shape, np.float32)
    deviation = _INITIAL_DEVIATION if options[0].head == "linear" else shape[1] ** -0.5
    runs = len(options)
    factors = [one.scene_weight if name == "scene" else 1.0 for one in options]
    return HeadTask(
        name,
        torch.from_numpy(np.repeat(drawn[None] * np.float32(deviation), runs, axis=0)),
        torch.zeros(runs, shape[0]),
        torch.from_numpy(targets),
        torch.from_numpy(row_weights.astype(np.float32)),
        torch.tensor(factors, dtype=torch.float32),
    )


def task_losses(task: HeadTask, representation: Tensor, places: Tensor) -> Tensor:
    """Return a task's loss on one batch in every run, float32 (R,), its factor not applied.

    One matmul a task, never one for both: joined ones could round differently, and the action head would then depend
    on whether there are scenes.

    Parameters
    ----------
    task
        Output layers and targets.
    representation
        float32 (B, H), the same for all runs, or (R, B, H).
    places
        int64 (B,): which training rows they are.
    """
    scores = task_scores(task, representation)
    return weighted_cross_entropy(scores, task.targets[places], task.row_weights[places])


def task_scores(task: HeadTask, representation: Tensor) -> Tensor:
    """Return a task's scores of one batch in every run, float32 (R, B, K), before the softmax."""
    return project(task.weight, task.bias, representation)
