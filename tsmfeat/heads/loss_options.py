"""Which loss heads are fitted with, and on which targets: the choices and what they accept."""

import math
from typing import NamedTuple

from tsmfeat.errors import ConfigurationError, did_you_mean

LOSSES = ("cross-entropy", "class-balanced:BETA", "focal:GAMMA", "sigmoid")
"""Of the action head. The first is the paper's; every one but the last is on a softmax."""

TARGETS = ("hard", "overlap")
"""One action an interval (with a sigmoid: all that reach the least overlap), or each by its share of the interval."""

EVERY_ROW = "all"
"""Of the ratio of background rows: no row is left out."""

_HINT = "use for example --loss class-balanced:0.999 or --loss focal:2"


class LossRule(NamedTuple):
    """A loss that has been read.

    Attributes
    ----------
    kind
        ``"cross-entropy"``, ``"class-balanced"``, ``"focal"`` or ``"sigmoid"``.
    amount
        BETA or GAMMA; 0 where there is none.
    smoothing
        The share of every target that is spread evenly over all classes.
    """

    kind: str
    amount: float = 0.0
    smoothing: float = 0.0

    @property
    def activation(self) -> str:
        """What turns scores into probabilities under this loss."""
        return "sigmoid" if self.kind == "sigmoid" else "softmax"


def read_loss(text: str, smoothing: float = 0.0) -> LossRule:
    """Return the loss a text names.

    Parameters
    ----------
    text
        One of `LOSSES`, BETA in [0, 1) and GAMMA of 0 or more.
    smoothing
        Of the targets.

    Raises
    ------
    ConfigurationError
        An unknown name, or a number that is missing, out of range or too many.

    Examples
    --------
    >>> read_loss("focal:2")
    LossRule(kind='focal', amount=2.0, smoothing=0.0)
    >>> read_loss("focal")
    Traceback (most recent call last):
    ...
    tsmfeat.errors.ConfigurationError: loss 'focal': it is focal:GAMMA, GAMMA of 0 or more (hint: use for example --loss class-balanced:0.999 or --loss focal:2)
    """  # noqa: E501 - the message as it is
    kind, colon, word = str(text).partition(":")
    rules = {"class-balanced": ("BETA", "in [0, 1)", 1.0), "focal": ("GAMMA", "of 0 or more", math.inf)}
    if kind in rules:
        name, rule, limit = rules[kind]
        amount = _read_amount(word)
        if not 0 <= amount < limit:
            raise ConfigurationError(f"loss {text!r}: it is {kind}:{name}, {name} {rule}", _HINT)
        return LossRule(kind, amount, smoothing)
    if kind not in LOSSES or colon:
        known = [choice.partition(":")[0] for choice in LOSSES]
        hint = "" if kind in known else did_you_mean(kind, known)
        raise ConfigurationError(f"loss {text!r}: known are {', '.join(LOSSES)}", hint or _HINT)
    return LossRule(kind, 0.0, smoothing)


def _read_amount(word: str) -> float:
    try:
        return float(word)
    except ValueError:
        return math.nan


def target_kind(loss: str, targets: str) -> str:
    """Return which targets a loss is given.

    Parameters
    ----------
    loss, targets
        As in `tsmfeat.heads.options.HeadOptions`.

    Returns
    -------
    str
        ``"hard"``: one action or background; ``"several"``: every action that covers enough; ``"shares"``: shares that
        sum to 1; ``"coverage"``: the share that each covers. All but the first are arrays of
        `tsmfeat.heads.shares.soft_targets`.

    Examples
    --------
    >>> target_kind("focal:2", "hard"), target_kind("focal:2", "overlap"), target_kind("sigmoid", "overlap")
    ('hard', 'shares', 'coverage')
    """
    is_overlap = targets == "overlap"
    if read_loss(loss).activation == "sigmoid":
        return "coverage" if is_overlap else "several"
    return "shares" if is_overlap else "hard"


def require_loss_choices(loss: str, background_ratio: float | str, background_weight: float | str, solver: str) -> None:
    """Check what a user asked of the loss and of the rows it sees.

    Parameters
    ----------
    loss, background_ratio, background_weight, solver
        As in `tsmfeat.heads.options.HeadOptions`.

    Raises
    ------
    ConfigurationError
        An unknown loss, a number out of range, or two rules for one thing.
    """
    kind = read_loss(loss).kind
    if background_ratio != EVERY_ROW and not (_is_number(background_ratio) and float(background_ratio) > 0):
        raise ConfigurationError(
            f"background_ratio {background_ratio!r}: it is a number above 0, or {EVERY_ROW!r}",
            "use for example --background-ratio 3",
        )
    if background_ratio != EVERY_ROW and solver == "lbfgs":
        raise ConfigurationError(
            f"background_ratio {background_ratio!r} and solver lbfgs: its iterations all see the same rows",
            "use --solver sgd, or --background-weight",
        )
    if kind == "class-balanced" and background_weight != 1.0:
        raise ConfigurationError(
            f"loss {loss!r} and background_weight {background_weight!r}: both say what background weighs",
            "leave one of --loss and --background-weight as it is",
        )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
