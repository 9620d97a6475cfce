"""How the grid of an ablation is filled."""

from dataclasses import dataclass, field

from tsmfeat.errors import ConfigurationError
from tsmfeat.fusion.options import FusionOptions
from tsmfeat.heads.options import HeadOptions
from tsmfeat.metrics.options import require_resamples


@dataclass(frozen=True)
class AblateOptions:
    """How heads are fitted, judged and fused in every cell of the grid.

    Parameters
    ----------
    heads
        Of every cell; the tasks are what is compared, and `seed` is the first of the seeds.
    num_folds
        Parts of the videos, by the hash of their ids: each is predicted by heads that saw the others, at their last
        epoch.
    num_seeds
        Fits of each cell, from seeds that follow each other.
    subset
        Subsets whose videos are dealt into folds, as a comma list; empty: the only one there is.
    classes
        File of class names; empty: those of the annotations.
    num_resamples
        Of the videos, for intervals.
    fusion
        Of the ensembles.
    group
        A column of the annotations, or ``COLUMN@FILE.csv``: videos of equal value share a fold. Empty: each its own.

    Raises
    ------
    ConfigurationError
        A number out of range, patience (no epoch is chosen), or a fusion that fuses nothing.
    """

    heads: HeadOptions = field(default_factory=HeadOptions)
    num_folds: int = 5
    num_seeds: int = 3
    subset: str = ""
    classes: str = ""
    num_resamples: int = 1000
    fusion: FusionOptions = field(default_factory=FusionOptions)
    group: str = ""

    def __post_init__(self) -> None:
        """Check what belongs to no stage."""
        if self.num_folds < 2:
            raise ConfigurationError(f"{self.num_folds} folds; one is held out while others train", "use --folds 5")
        if self.num_seeds < 1:
            raise ConfigurationError(f"{self.num_seeds} seeds; each cell is fitted once at least", "use --num-seeds 3")
        if self.heads.patience:
            raise ConfigurationError("patience; every cell is fitted to its last epoch", "leave it out")
        require_resamples(self.num_resamples)
        if self.fusion.fusion == "none":
            raise ConfigurationError("fusion 'none' makes no ensemble", "use --fusion paper, or another")

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds of each cell."""
        return tuple(range(self.heads.seed, self.heads.seed + self.num_seeds))
