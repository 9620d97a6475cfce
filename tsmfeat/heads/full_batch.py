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
_KEPT_BYTES = 1 << 30


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
    inputs = _Inputs(batches, stack.tasks[0].weight.device)
    decay = stack.options[0].weight_decay
    problems = [_Problem(task, inputs, decay) for task in stack.tasks]
    solvers = [_make_solver(task) for task in stack.tasks]
    while True:
        for problem, solver in zip(problems, solvers, strict=True):
            solver.step(problem)  # type: ignore[no-untyped-call]
        yield [problem.loss for problem in problems]


class _Inputs:
    """The standardised rows, block by block; kept where they are few, made anew for every pass where they are many."""

    def __init__(self, batches: Batches, device: torch.device) -> None:
        self._batches, self._device = batches, device
        self.count = len(batches.rows)
        is_small = 4 * self.count * batches.features.shape[1] <= _KEPT_BYTES
        self._kept = [self._make(first) for first in range(0, self.count, _BLOCK_ROWS)] if is_small else None

    def block(self, first: int) -> Tensor:
        """Return the rows from a place on, a multiple of the block."""
        return self._kept[first // _BLOCK_ROWS] if self._kept is not None else self._make(first)

    def _make(self, first: int) -> Tensor:
        places = np.arange(first, min(first + _BLOCK_ROWS, self.count))
        return _standardized(self._batches, places, self._device)


class _Problem:
    """The loss of one task over all rows, with its gradients; what was asked last is remembered.

    Each step of the solver begins where the search of the one before ended, and asks for that place again.
    """

    def __init__(self, task: HeadTask, inputs: _Inputs, decay: float) -> None:
        self._task, self._inputs, self._decay = task, inputs, decay
        self._asked: tuple[Tensor, Tensor] | None = None
        self._gradients: tuple[Tensor, Tensor] | None = None
        self.loss = 0.0

    def __call__(self) -> float:
        """Set the gradients at the parameters; return the loss with its penalty."""
        task = self._task
        here = task.weight.detach(), task.bias.detach()
        if self._asked is None or not all(torch.equal(*pair) for pair in zip(self._asked, here, strict=True)):
            self._asked = here[0].clone(), here[1].clone()
            self.loss, self._gradients = _accumulate(task, self._inputs)
            self._gradients[0].add_(here[0], alpha=self._decay)
        if self._gradients is not None:
            task.weight.grad, task.bias.grad = (gradient.clone() for gradient in self._gradients)
        return self.loss + 0.5 * self._decay * here[0].square().sum().item()


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


def _accumulate(task: HeadTask, inputs: _Inputs) -> tuple[float, tuple[Tensor, Tensor]]:
    """Return the loss over all rows, and its gradients."""
    total = float(task.row_weights.sum())
    sums = 0.0
    gradients = torch.zeros_like(task.weight, requires_grad=False), torch.zeros_like(task.bias, requires_grad=False)
    for first in range(0, inputs.count, _BLOCK_ROWS):
        rows = inputs.block(first)
        chosen = torch.arange(first, first + len(rows), device=rows.device)
        share = float(task.row_weights[chosen].sum()) / total if total else 0.0
        loss = task_losses(task, rows, chosen)[0] * share
        for gradient, part in zip(gradients, torch.autograd.grad(loss, (task.weight, task.bias)), strict=True):
            gradient.add_(part)
        sums += loss.item()
    return sums, gradients


def _standardized(batches: Batches, places: npt.NDArray[np.int64], device: torch.device) -> Tensor:
    rows = torch.from_numpy(np.ascontiguousarray(batches.features[batches.rows[places]])).to(device)
    mean, scale = (torch.from_numpy(values).to(device) for values in (batches.mean, batches.scale))
    inputs = rows.to(torch.float32).sub_(mean).mul_(scale)
    if batches.views is not None:
        present = batches.views.present[batches.rows[places]]
        inputs *= torch.from_numpy(np.repeat(present, batches.views.sizes, axis=1)).to(device)
    return inputs
