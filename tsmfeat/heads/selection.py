"""The epoch of a run that is kept."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from tsmfeat.errors import ConfigurationError
from tsmfeat.heads.model import HeadParameters
from tsmfeat.values.progress import Progress

_OPTION = "body.nms_sigma"


@dataclass(eq=False)
class Selection:
    """The best epoch of one run so far; without any validation, the last.

    Parameters
    ----------
    judged
        Whether epochs have a validation score.
    patience
        Epochs without a better score after which the run has ended; 0: never.
    """

    judged: bool
    patience: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)
    best: int = 0
    best_score: float = -math.inf
    chosen: HeadParameters | None = None
    latest: HeadParameters | None = None
    failure: ConfigurationError | None = None

    def show(self, weights: HeadParameters, record: dict[str, Any], score: float | None) -> None:
        """Take note of an epoch.

        Parameters
        ----------
        weights
            After it.
        record
            What is remembered of it.
        score
            On the validation videos; None or NaN: none.
        """
        # JSON knows no NaN: a score that is none is null.
        known = None if score is None or not math.isfinite(score) else score
        self.history.append({**record, "validation_score": known})
        self.latest = weights
        comparable = -math.inf if score is None or math.isnan(score) else score
        if self.chosen is None or not self.judged or comparable > self.best_score:
            self.best, self.best_score, self.chosen = len(self.history) - 1, comparable, weights

    @property
    def ended(self) -> bool:
        """Whether patience is at its end, or the run has diverged."""
        return self.failure is not None or (self.judged and 0 < self.patience <= len(self.history) - 1 - self.best)

    @property
    def is_idle(self) -> bool:
        """Whether there were scores, and none above 0: they say nothing."""
        return self.judged and self.best_score <= 0 and self.failure is None

    def is_finite(self, weights: HeadParameters, losses: npt.NDArray[np.float64], lr: float) -> bool:
        """Tell whether an epoch may be shown; otherwise the run ends here, and `failure` says why.

        A run that diverged keeps heads that say nothing: what it was before is on the same way.

        Parameters
        ----------
        weights, losses
            After the epoch, and on the way.
        lr
            The learning rate.
        """
        finite = all(np.isfinite(values).all() for values in weights.tensors().values())
        if finite and np.isfinite(losses).all():
            return True
        epoch = len(self.history) + 1
        self.failure = ConfigurationError(
            f"epoch {epoch}: the loss is no longer finite with lr {lr:g}; it must stay so",
            f"use a smaller one, such as --lr {lr / 10:g}, and leave --standardize on",
        )
        # What a body holds of its options is no parameter: a suppression without width would divide by zero.
        silent = {
            name: values if name == _OPTION else np.zeros_like(values) for name, values in weights.tensors().items()
        }
        self.history.append({"epoch": epoch, "validation_score": None})
        self.best, self.chosen = epoch - 1, HeadParameters.from_tensors(weights.kind, silent, weights.activation)
        return False

    def settle(self, progress: Progress) -> tuple[HeadParameters, dict[str, Any]]:
        """Return the heads that are kept, and what a record holds of the epochs.

        Where no epoch scored above 0 the last is kept: among equals that say nothing the longest trained is the
        better guess.

        Parameters
        ----------
        progress
            Warned where the last epoch is kept.

        Raises
        ------
        ConfigurationError
            No epoch was shown.
        """
        if self.is_idle:
            progress.warn(f"no epoch scored above 0 on the validation videos: the last of {len(self.history)} is kept")
            self.best, self.chosen = len(self.history) - 1, self.latest
        if self.chosen is None:
            raise ConfigurationError("no epoch; a fit has one at least", "use --epochs 50")
        return self.chosen, {
            "epochs": self.history,
            "best_epoch": self.best + 1,
            "best_validation_score": self.history[self.best]["validation_score"],
            "diverged": self.failure is not None,
        }


def require_one_finite(selections: Sequence[Selection]) -> None:
    """Refuse runs that have all diverged; where one has not, the others count as the worst.

    Raises
    ------
    ConfigurationError
        Every run diverged: when, at which learning rate, and what to do.
    """
    failures = [selection.failure for selection in selections if selection.failure is not None]
    if selections and len(failures) == len(selections):
        raise failures[0]
