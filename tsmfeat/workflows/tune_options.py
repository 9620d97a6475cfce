"""The options of choosing the post-processing."""

from dataclasses import dataclass, field

from tsmfeat.errors import ConfigurationError
from tsmfeat.metrics.options import StatisticsOptions, require_resamples
from tsmfeat.priors.options import PriorOptions
from tsmfeat.workflows.score_options import ScoreOptions


@dataclass(frozen=True)
class TuneOptions:
    """How the post-processing is chosen.

    Parameters
    ----------
    search
        What to try, as `tsmfeat.workflows.tuning_words.parse_search` reads it; empty: what usually matters.
    budget
        Settings graded by each search: one on all videos, and one without each fold.
    seconds
        Wall time after which all searches end; None: none. With it, results hang on the speed of the machine.
    num_folds
        Into how many folds the videos are dealt, by the hash of their ids.
    seed
        Of new starts of the search, and of resamples.
    protocol, tiou_thresholds, subset, strict, classes, outside
        As in `ScoreOptions`.
    prior
        What is known of whole videos; its strength is searched.
    num_resamples
        Of the videos, for the interval of the gain.
    force
        Whether the setting found is written even where it gains nothing on held-out videos.

    Raises
    ------
    ConfigurationError
        A number out of range.
    """

    search: str = ""
    budget: int = 1000
    seconds: float | None = None
    num_folds: int = 5
    seed: int = 0
    protocol: str = ScoreOptions.protocol
    tiou_thresholds: tuple[float, ...] | None = None
    subset: str = ""
    strict: bool = False
    classes: str = ""
    prior: PriorOptions = field(default_factory=PriorOptions)
    num_resamples: int = StatisticsOptions.default_resamples
    force: bool = False
    outside: str = ScoreOptions.outside

    def __post_init__(self) -> None:
        """Check what belongs to no stage."""
        if self.budget < 1:
            raise ConfigurationError(f"a budget of {self.budget} settings; at least one is graded", "use --budget 1000")
        if self.seconds is not None and not self.seconds > 0:
            raise ConfigurationError(f"{self.seconds:g} seconds to search; more than 0 are needed", "use --seconds 60")
        if self.seed < 0:
            raise ConfigurationError(f"seed {self.seed}; seeds are >= 0", "use --seed 0")
        require_resamples(self.num_resamples)
        if self.num_folds < 2:
            raise ConfigurationError(
                f"{self.num_folds} folds: a choice is made on some and judged on others", "use --folds 5"
            )
