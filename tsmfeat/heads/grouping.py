"""Which runs of a sweep are trained as one computation."""

from collections.abc import Sequence
from dataclasses import fields, replace

from tsmfeat.heads.options import HeadOptions


def group_runs(options: Sequence[HeadOptions]) -> list[list[int]]:
    """Return the places of the runs that see the same inputs, group by group.

    Runs of one group differ only in learning rate, momentum, weight decay, scene weight, smoothing loss and the dropout
    of hidden units. A linear head drops inputs, so each dropout is a group; L-BFGS takes steps of its own in every run.

    Examples
    --------
    >>> runs = [HeadOptions(lr=lr, dropout=dropout) for dropout in (0.0, 0.5) for lr in (0.1, 0.2)]
    >>> group_runs(runs)
    [[0, 1], [2, 3]]
    >>> group_runs([HeadOptions("mlp", dropout=dropout) for dropout in (0.0, 0.5)])
    [[0, 1]]
    """
    groups: dict[object, list[int]] = {}
    for place, one in enumerate(options):
        dropout = one.dropout if one.head == "linear" else 0.0
        # What may differ within a group: it changes no shape, no order of rows and no input.
        key = replace(one, lr=1.0, momentum=0.0, weight_decay=0.0, scene_weight=0.0, dropout=dropout)
        key = replace(key, smoothing_loss=0.0)
        groups.setdefault((key, place if one.solver == "lbfgs" else -1), []).append(place)
    return list(groups.values())


def varied_options(runs: Sequence[HeadOptions]) -> list[str]:
    """Return the names of the options in which some runs differ, the seed not among them.

    Examples
    --------
    >>> varied_options([HeadOptions(lr=0.1), HeadOptions(lr=0.2, seed=1)])
    ['lr']
    """
    names = [field.name for field in fields(HeadOptions) if field.name != "seed"]
    return [name for name in names if len({getattr(run, name) for run in runs}) > 1]
