"""How heads are fitted: the options, their choices and their defaults."""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from tsmfeat.errors import ConfigurationError, did_you_mean
from tsmfeat.heads.loss_options import EVERY_ROW, LOSSES, TARGETS, LossRule, read_loss, require_loss_choices

HEADS = ("linear", "mlp", "tcn", "conditioned", "pyramid")
CONTEXT_HEADS: tuple[str, ...] = ("tcn", "conditioned")
"""Kinds that look at other intervals of a video: their batches are whole videos."""
SEGMENT_HEADS = ("pyramid",)
"""Kinds that say where segments begin and end, and give no scores of intervals."""

DEEP_HEADS = ("tcn",)
"""Kinds of many layers: descended by AdamW, where plain descent takes ten times the epochs."""

TASKS = ("action", "scene")
SCHEDULES = ("cosine", "step", "none")
DROPOUT_UNITS = ("frame", "embedding")
SOLVERS = ("sgd", "lbfgs")
DEVICES = ("auto", "cpu", "cuda")
BALANCED = "balanced"
CALIBRATIONS = ("off", "temperature")
VALIDATION_SHARE = 0.1

_NUMBERS: dict[str, tuple[str, Callable[[float], bool]]] = {
    "lr": ("above 0", lambda value: value > 0),
    "momentum": ("in [0, 1)", lambda value: 0 <= value < 1),
    "weight_decay": ("of 0 or more", lambda value: value >= 0),
    "dropout": ("in [0, 1)", lambda value: 0 <= value < 1),
    "scene_weight": ("of 0 or more", lambda value: value >= 0),
    "view_dropout": ("in [0, 1)", lambda value: 0 <= value < 1),
    "min_overlap": ("in [0, 1]", lambda value: 0 <= value <= 1),
    "smoothing_loss": ("of 0 or more", lambda value: value >= 0),
    "label_smoothing": ("in [0, 1)", lambda value: 0 <= value < 1),
    "nms_sigma": ("above 0", lambda value: value > 0),
}

_COUNTS = {
    **dict.fromkeys(("epochs", "batch_size", "hidden_size", "num_layers", "rank", "num_levels"), 1),
    **dict.fromkeys(("seed", "patience"), 0),
}


@dataclass(frozen=True)
class HeadOptions:
    """Everything that decides how a head is fitted, besides the data.

    Parameters
    ----------
    head
        One of `HEADS`. ``"linear"``: two matrices on the embedding, which share nothing; ``"mlp"``: two matrices on a
        hidden layer that both tasks share, ``GELU(LayerNorm(A e))``; ``"tcn"``: on dilated residual convolutions over
        the intervals of a video; ``"conditioned"``: on the embedding and its products with the mean of its video;
        ``"pyramid"``: segments whose bounds are regressed, between those of the grid too (`tsmfeat.heads.pyramid`).
    tasks
        ``("action",)`` (the paper's *Single*) or ``("action", "scene")``. The action task cannot be left out:
        segments and the final score come from it.
    epochs, batch_size
        Passes over the training rows, and rows in one step of descent.
    lr, momentum, weight_decay
        Stochastic gradient descent; the decay acts on weights, not on biases. Of a ``"tcn"`` and a
        ``"pyramid"``: AdamW, with the momentum as beta 1.
    schedule
        ``"cosine"``: from `lr` to 0, step by step; ``"step"``: a tenth after 50 % and again after 80 % of the epochs;
        ``"none"``: constant.
    dropout, dropout_unit
        Probability in [0, 1); of the inputs of a linear head and a pyramid, of the hidden units of every other kind
        (which take it as it is). Unit ``"frame"``: per frame, as TSM draws it, converted to the probability that makes
        the same noise on a mean of frames (`tsmfeat.heads.model.equivalent_dropout`); ``"embedding"``: taken as it is.
    standardize
        Whether inputs are centred and scaled by the training rows' mean and deviation.
    scene_weight
        The factor λ of the scene loss, 0 or more.
    background_weight
        The weight of background's rows in the action loss, where every action's rows weigh 1; or ``"balanced"``:
        every class that occurs, background among them, weighs the inverse of its number of training rows, scaled so
        that these weights have mean 1. A batch's loss is its weighted mean, so only the ratios matter.
    min_overlap
        Share of an interval, in [0, 1], that an action must cover to be its target.
    seed
        0 or more.
    hidden_size
        Units H of the hidden layer, where the kind has one.
    solver
        ``"sgd"``, or ``"lbfgs"`` for linear heads: each of the `epochs` is an iteration over all rows at once, without
        dropout; learning rate, momentum, schedule and batch size play no part.
    patience
        Epochs without a better validation score after which a fit ends; 0: never.
    device
        One of `DEVICES`; ``"auto"``: CUDA where there is one. The order of the rows is the same everywhere, the
        dropout of another device is drawn there.
    view_dropout
        Probability, in [0, 1), that a view of a row is masked in training, where several are joined: of a whole video
        for kinds that look at neighbours. Never are all of them.
    num_layers
        Layers L of a ``"tcn"``: an interval sees ``2**L - 1`` others on either side.
    smoothing_loss
        Factor of what a ``"tcn"`` pays for changes between neighbours (`tsmfeat.heads.smoothness`), 0 or more.
    rank
        Products r of a ``"conditioned"`` head, beside the embedding itself.
    loss
        Of the actions, one of `LOSSES`: ``"cross-entropy"``; ``"class-balanced:BETA"``: rows weigh by the effective
        number of their class's rows; ``"focal:GAMMA"``: rows that are sure weigh less; ``"sigmoid"``: every action, and
        background, is a question of its own, so that several actions can happen at once. Scenes keep the cross-entropy.
    label_smoothing
        In [0, 1): the share of every action target that is spread evenly over the classes.
    targets
        ``"hard"``: the action with the largest overlap, with a sigmoid all that reach `min_overlap`, else background;
        ``"overlap"``: actions and background by the share of the interval they cover.
    background_ratio
        At most so many background rows for each row with an action are drawn for an epoch, each epoch anew;
        ``"all"``: all of them, every epoch.
    num_levels
        Of a pyramid: levels, each with half the places of the one below. Segments longer than ``2 ** (num_levels + 2)``
        intervals are left to the last.
    nms_sigma
        Of a pyramid: a segment that overlaps a better one of its action by tIoU o keeps ``exp(-o² / nms_sigma)`` of its
        score; above 0.

    Raises
    ------
    ConfigurationError
        An unknown choice, or a number outside its range.

    Examples
    --------
    >>> HeadOptions().lr
    0.001
    >>> HeadOptions(schedule="cosin")
    Traceback (most recent call last):
    ...
    tsmfeat.errors.ConfigurationError: schedule 'cosin': known are cosine, step, none (hint: did you mean 'cosine'?)
    """

    head: str = "linear"
    tasks: tuple[str, ...] = TASKS
    epochs: int = 50
    batch_size: int = 256
    lr: float = 0.001
    momentum: float = 0.9
    weight_decay: float = 5e-4
    schedule: str = "cosine"
    dropout: float = 0.5
    dropout_unit: str = "frame"
    standardize: bool = True
    scene_weight: float = 1.0
    background_weight: float | str = 1.0
    min_overlap: float = 0.5
    seed: int = 0
    hidden_size: int = 256
    solver: str = "sgd"
    patience: int = 0
    device: str = "auto"
    view_dropout: float = 0.0
    num_layers: int = 6
    smoothing_loss: float = 0.15
    rank: int = 64
    loss: str = LOSSES[0]
    label_smoothing: float = 0.0
    targets: str = TARGETS[0]
    background_ratio: float | str = EVERY_ROW
    num_levels: int = 6
    nms_sigma: float = 0.5

    def __post_init__(self) -> None:
        """Check the choices, the tasks and the numbers."""
        _require_choice("head", self.head, HEADS)
        for name, known in (
            ("schedule", SCHEDULES),
            ("dropout_unit", DROPOUT_UNITS),
            ("solver", SOLVERS),
            ("device", DEVICES),
            ("targets", TARGETS),
        ):
            _require_choice(name, getattr(self, name), known)
        object.__setattr__(self, "tasks", _checked_tasks(self.tasks))
        for name, least in _COUNTS.items():
            _require_whole(name, getattr(self, name), least)
        for name, (rule, allows) in _NUMBERS.items():
            _require_number(name, getattr(self, name), rule, allows)
        _require_background_weight(self.background_weight)
        require_loss_choices(self.loss, self.background_ratio, self.background_weight, self.solver)
        if self.solver == "lbfgs" and self.view_dropout:
            raise ConfigurationError(
                f"view_dropout {self.view_dropout:g} and solver lbfgs: its iterations mask nothing",
                "use --solver sgd, or leave --view-dropout out",
            )
        if self.solver == "lbfgs" and self.head != "linear":
            raise ConfigurationError(
                f"solver lbfgs and head {self.head!r}: it is for linear heads, whose loss has one minimum",
                "use --solver sgd",
            )

    @property
    def rule(self) -> LossRule:
        """The loss of the actions, read."""
        return read_loss(self.loss, self.label_smoothing)

    def to_dict(self) -> dict[str, Any]:
        """Return the options as JSON-able values."""
        return {**asdict(self), "tasks": list(self.tasks)}


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _require_choice(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        hint = did_you_mean(str(value), known) or f"use for example {_flag(name)} {known[0]}"
        raise ConfigurationError(f"{name} {value!r}: known are {', '.join(known)}", hint)


def _checked_tasks(tasks: tuple[str, ...]) -> tuple[str, ...]:
    for task in tasks:
        _require_choice("tasks", task, TASKS)
    if "action" not in tasks or len(set(tasks)) != len(tasks):
        raise ConfigurationError(
            f"tasks {','.join(tasks) or 'none'}: action once, and scene at most once",
            "use --tasks action or --tasks action,scene; a linear scene head is the same with and without actions",
        )
    return tuple(task for task in TASKS if task in tasks)


def _require_whole(name: str, value: int, least: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ConfigurationError(
            f"{name} {value!r}: it is a whole number, {least} or more", f"use for example {_flag(name)} {least}"
        )


def _require_number(name: str, value: float, rule: str, allows: Callable[[float], bool]) -> None:
    if not _is_number(value) or not allows(value):
        default = getattr(HeadOptions, name)
        raise ConfigurationError(f"{name} {value!r}: it is a number {rule}", f"the default is {_flag(name)} {default}")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _require_background_weight(value: float | str) -> None:
    if value != BALANCED and not (_is_number(value) and float(value) > 0):
        raise ConfigurationError(
            f"background_weight {value!r}: it is a number above 0, or {BALANCED!r}",
            "use for example --background-weight 0.2",
        )
