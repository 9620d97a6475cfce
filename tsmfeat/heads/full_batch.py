"""L-BFGS on linear heads: every iteration sees all rows, and needs neither learning rate nor schedule."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from tsmfeat.heads.batches import Batches
from tsmfeat.heads.stack import RunStack
from tsmfeat.heads.tasks import HeadTask, task_losses

_BLOCK_ROWS = 4096
_HISTORY = 10
_EVALUATIONS = 25


def iterate_solvers(stack: RunStack, batches: Batches) -> Iterator[list[float]]:
    """Yield the losses of the tasks after each iteration of L-BFGS, for ever.

    The loss is the weighted mean over all rows, plus half the weight decay times the squared weights; the two tasks
    share nothing, so each has a solver, and the action head is the same with and without scenes.

    Parameters
    ----------
    stack
        Of one run of linear heads.
    batches
        The rows, standardised; their dropout is not used.

    Yields
    ------
    list of float
        A loss a task, weight decay not included.
    """
    solvers = [_make_solver(task) for task in stack.tasks]
    decay = stack.options[0].weight_decay
    while True:
        yield [_advance(task, solver, batches, decay) for task, solver in zip(stack.tasks, solvers, strict=True)]


def _make_solver(task: HeadTask) -> torch.optim.LBFGS:
    return torch.optim.LBFGS(
        [task.weight, task.bias],
        lr=1.0,
        max_iter=1,
        max_eval=_EVALUATIONS,
        history_size=_HISTORY,
        tolerance_grad=0.0,
        tolerance_change=0.0,
        line_search_fn="strong_wolfe",
    )


def _advance(task: HeadTask, solver: torch.optim.LBFGS, batches: Batches, decay: float) -> float:
    seen = [0.0]

    def closure() -> float:
        seen[0] = _accumulate(task, batches)
        penalty = 0.5 * decay * task.weight.detach().square().sum().item()
        if task.weight.grad is not None:
            task.weight.grad.add_(task.weight.detach(), alpha=decay)
        return seen[0] + penalty

    solver.step(closure)  # type: ignore[no-untyped-call]
    return seen[0]


def _accumulate(task: HeadTask, batches: Batches) -> float:
    """Set the gradients of the loss over all rows, block by block; return the loss."""
    total = float(task.row_weights.sum())
    sums = 0.0
    task.weight.grad, task.bias.grad = torch.zeros_like(task.weight), torch.zeros_like(task.bias)
    for first in range(0, len(batches.rows), _BLOCK_ROWS):
        places = np.arange(first, min(first + _BLOCK_ROWS, len(batches.rows)))
        chosen = torch.from_numpy(places).to(task.weight.device)
        share = float(task.row_weights[chosen].sum()) / total if total else 0.0
        loss = task_losses(task, _standardized(batches, places, task.weight.device), chosen)[0] * share
        for tensor, gradient in zip(
            (task.weight, task.bias), torch.autograd.grad(loss, (task.weight, task.bias)), strict=True
        ):
            _grad_of(tensor).add_(gradient)
        sums += loss.item()
    return sums


def _grad_of(tensor: Tensor) -> Tensor:
    if tensor.grad is None:
        tensor.grad = torch.zeros_like(tensor)
    return tensor.grad


def _standardized(batches: Batches, places: "npt.NDArray[np.int64]", device: torch.device) -> Tensor:
    rows = torch.from_numpy(np.ascontiguousarray(batches.features[batches.rows[places]])).to(device)
    mean, scale = (torch.from_numpy(values).to(device) for values in (batches.mean, batches.scale))
    inputs = rows.to(torch.float32).sub_(mean).mul_(scale)
    if batches.views is not None:
        present = batches.views.present[batches.rows[places]]
        inputs *= torch.from_numpy(np.repeat(present, batches.views.sizes, axis=1)).to(device)
    return inputs
