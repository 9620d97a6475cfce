"""The best runs of a sweep so far, as lines for people who wait."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from tsmfeat.heads.grouping import varied_options
from tsmfeat.heads.options import HeadOptions
from tsmfeat.heads.selection import Selection

_NUM_LINES = 5


@dataclass(frozen=True, eq=False)
class LeaderBoard:
    """Scores of the runs that have been validated.

    Parameters
    ----------
    options
        Of all runs.
    group
        The places of the runs that are being fitted.
    scores
        Best score and its epoch of each run, by its place.
    """

    options: Sequence[HeadOptions]
    group: tuple[int, ...] = ()
    scores: dict[int, tuple[float, int]] = field(default_factory=dict)

    def of(self, group: Sequence[int]) -> "LeaderBoard":
        """Return the same board for the next group of runs."""
        return replace(self, group=tuple(group))

    def update(self, selections: Sequence[Selection]) -> list[str]:
        """Take note of where the runs of the group are; return the best runs of all, the best first.

        Nothing is returned of a single run, or where nothing is validated.
        """
        for place, selection in zip(self.group, selections, strict=True):
            if math.isfinite(selection.best_score):
                self.scores[place] = selection.best_score, selection.best + 1
        if len(self.options) < 2:
            return []
        names = varied_options(self.options)
        best = sorted(self.scores, key=lambda place: -self.scores[place][0])[:_NUM_LINES]
        return [self._describe(place, names) for place in best]

    def _describe(self, place: int, names: Sequence[str]) -> str:
        score, epoch = self.scores[place]
        run = self.options[place]
        values = [f"{name.replace('_', '-')} {getattr(run, name)}" for name in names]
        return f"{score:.4f}  epoch {epoch:<4}  " + ", ".join([*values, f"seed {run.seed}"])
