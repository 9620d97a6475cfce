"""The tasks of runs that are trained together: output layers, targets and loss of each, in torch."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from tsmfeat.heads.class_balance import weigh_classes, weigh_rows
from tsmfeat.heads.loss_options import LossRule, target_kind
from tsmfeat.heads.losses import batch_loss
from tsmfeat.heads.mlp_torch import project
from tsmfeat.heads.options import HeadOptions
from tsmfeat.heads.randomness import random_bits
from tsmfeat.heads.rows import TrainingRows
from tsmfeat.values.annotations import NO_SCENE
from tsmfeat.values.progress import Progress

_PAPER = LossRule("cross-entropy")
_INITIAL_DEVIATION = 0.001  # official TSM's new_fc


@dataclass(frozen=True, eq=False)
class HeadTask:
    """One task of R runs while they are fitted, with Q output layers; its tensors change in place.

    Parameters
    ----------
    name
        ``"action"`` or ``"scene"``.
    weight, bias
        float32 (Q, K, H) and (Q, K): the output layers, on standardised inputs or on a body's hidden units.
    targets
        int64 (N,): class of each training row, 0 where unknown; or float32 (N, K): the shares of all classes.
    row_weights
        float32 (N,): weight of each training row in the loss; 0 where the class is unknown.
    factors
        float32 (Q,): of this task in the sum of losses.
    layer_of
        R numbers: the output layer of each run. Linear heads whose runs differ in the scene loss only have one action
        layer: it would come out the same.
    owners
        Q numbers: the run by whose rates each output layer is moved.
    rule
        The loss of a row.
    """

    name: str
    weight: Tensor
    bias: Tensor
    targets: Tensor
    row_weights: Tensor
    factors: Tensor
    layer_of: tuple[int, ...]
    owners: tuple[int, ...]
    rule: LossRule = _PAPER


def build_tasks(
    data: TrainingRows, options: Sequence[HeadOptions], size: int, progress: Progress
) -> tuple[HeadTask, ...]:
    """Return the tasks to fit: action, and scene where it is asked for and some training row has one.

    Each draws its initial weights from a stream of its own (normal; deviation 0.001 on embeddings, as much as keeps
    the scale on hidden units; biases 0, under a sigmoid the log-odds of each class's share of the rows: most answers
    are no).

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
    kind = target_kind(one.loss, one.targets)
    soft = None if kind == "hard" else data.soft_targets(kind)
    row_weights = weigh_rows(actions, soft, weigh_classes(actions, data.num_actions, one))
    targets = actions if soft is None else soft
    action = _build_task("action", (data.num_actions + 1, size), targets, row_weights, options)
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
    targets: npt.NDArray[np.int64] | npt.NDArray[np.float32],
    row_weights: npt.NDArray[np.float64],
    options: Sequence[HeadOptions],
) -> HeadTask:
    drawn = np.random.Generator(random_bits(options[0].seed, name)).standard_normal(shape, np.float32)
    deviation = _INITIAL_DEVIATION if options[0].head == "linear" else shape[1] ** -0.5
    rule = options[0].rule if name == "action" else _PAPER
    layer_of, owners = _share_layers(name, options)
    runs = len(owners)
    factors = [options[run].scene_weight if name == "scene" else 1.0 for run in owners]
    return HeadTask(
        name,
        torch.from_numpy(np.repeat(drawn[None] * np.float32(deviation), runs, axis=0)),
        torch.from_numpy(np.repeat(_initial_bias(rule, targets, shape[0])[None], runs, axis=0)),
        torch.from_numpy(targets),
        torch.from_numpy(row_weights.astype(np.float32)),
        torch.tensor(factors, dtype=torch.float32),
        layer_of,
        owners,
        rule,
    )


def _initial_bias(
    rule: LossRule, targets: npt.NDArray[np.int64] | npt.NDArray[np.float32], num_classes: int
) -> npt.NDArray[np.float32]:
    """Lin et al., Focal Loss for Dense Object Detection, ICCV 2017, section 4.1: begin with how rare a yes is."""
    if rule.kind != "sigmoid" or targets.ndim == 1:
        return np.zeros(num_classes, np.float32)
    # Half a yes more, and half a no: of a class without rows the logarithm is finite.
    yes = targets.sum(axis=0, dtype=np.float64) + 0.5
    return np.asarray(np.log(yes / (len(targets) + 1.0 - yes)), np.float32)


def move_task(task: HeadTask, device: torch.device) -> HeadTask:
    """Return a task whose tensors are on a device."""
    return replace(
        task,
        weight=task.weight.to(device),
        bias=task.bias.to(device),
        targets=task.targets.to(device),
        row_weights=task.row_weights.to(device),
        factors=task.factors.to(device),
    )


def _share_layers(name: str, options: Sequence[HeadOptions]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the output layer of each run, and the first run of each layer."""
    if name != "action" or options[0].head != "linear":
        runs = tuple(range(len(options)))
        return runs, runs
    first: dict[HeadOptions, int] = {}
    for run, one in enumerate(options):
        first.setdefault(replace(one, scene_weight=0.0), run)
    place = {key: layer for layer, key in enumerate(first)}
    return tuple(place[replace(one, scene_weight=0.0)] for one in options), tuple(first.values())


def task_losses(task: HeadTask, representation: Tensor, places: Tensor) -> Tensor:
    """Return the loss of a task's output layers on one batch, float32 (Q,), factors not applied.

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
    return batch_loss(scores, task.targets[places], task.row_weights[places], task.rule)


def task_scores(task: HeadTask, representation: Tensor) -> Tensor:
    """Return the scores of a task's output layers on one batch, float32 (Q, B, K), before the activation."""
    return project(task.weight, task.bias, representation)
