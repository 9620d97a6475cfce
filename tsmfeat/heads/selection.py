"""The epoch of a run that is kept."""

import math
from dataclasses import dataclass, field
from typing import Any

from tsmfeat.heads.model import HeadParameters


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
        """Whether patience is at its end."""
        return self.judged and 0 < self.patience <= len(self.history) - 1 - self.best

    @property
    def is_idle(self) -> bool:
        """Whether there were scores, and none above 0: they say nothing."""
        return self.judged and self.best_score <= 0

    def keep_last(self) -> None:
        """Choose the last epoch: among equals that say nothing the longest trained is the better guess."""
        self.best, self.chosen = len(self.history) - 1, self.latest
