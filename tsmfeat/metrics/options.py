"""How certain scores are made, and how they are taken apart."""

from collections.abc import Iterable
from dataclasses import dataclass

from tsmfeat.errors import ConfigurationError, did_you_mean, require_choice

BUCKETS = ("quantiles", "activitynet", "thumos14")
MEASURES = ("ar", "ar-opentad", "ar-mmaction2", "top-kx", "frames")
"""What can be measured beside AP."""

UNITS = ("video", "bin10", "bin10-all")
"""What is scored as one: a whole video; a bin of ten seconds with truth in it, as on BinEgo-360's leaderboard; the
same, where what is predicted in other bins counts as false."""

MAX_VIDEOS_DRAWN = 65_535
"""A video's copies are counted in 16 bits."""

MAX_RESAMPLES = 100_000
"""All are held at once: two bytes a video, eight a class and threshold."""


@dataclass(frozen=True)
class StatisticsOptions:
    """What is asked beside the score: how certain it is, whom it beats, and what it is made of.

    Parameters
    ----------
    bootstrap
        Resamples of the videos for intervals of the score; 0: no intervals.
    compare
        Heads checkpoints and prediction files to test against, each by itself.
    split_bootstrap
        Videos on each of two simulated test sets, to see how far a ranking moves between them; 0: no simulation.
    seed
        Of the resamples.
    diagnosis
        One of `BUCKETS`: how truths are grouped where errors are diagnosed; empty: no diagnosis.
    default_resamples
        Resamples for `compare` and `split_bootstrap` where `bootstrap` is 0.

    Raises
    ------
    ConfigurationError
        A number out of range, or unknown buckets.

    Examples
    --------
    >>> StatisticsOptions(bootstrap=500).num_resamples, StatisticsOptions().num_resamples
    (500, 2000)
    """

    bootstrap: int = 0
    compare: tuple[str, ...] = ()
    split_bootstrap: int = 0
    seed: int = 0
    diagnosis: str = ""
    default_resamples: int = 2000

    def __post_init__(self) -> None:
        """Check ranges and names."""
        if self.bootstrap:
            require_resamples(self.bootstrap)
        if not 0 <= self.split_bootstrap <= MAX_VIDEOS_DRAWN:
            raise ConfigurationError(
                f"simulated test sets of {self.split_bootstrap} videos; 1 to {MAX_VIDEOS_DRAWN} can be drawn",
                "give the videos of the hidden test set: --split-bootstrap 16",
            )
        if self.seed < 0:
            raise ConfigurationError(f"seed {self.seed}; seeds are >= 0", "use --seed 0")
        if self.diagnosis:
            require_choice("diagnosis", self.diagnosis, BUCKETS)

    @property
    def num_resamples(self) -> int:
        """Resamples drawn wherever some are needed."""
        return self.bootstrap or self.default_resamples


def require_resamples(count: int) -> None:
    """Refuse a number of resamples that no interval can be made of, or that no memory holds.

    Raises
    ------
    ConfigurationError
        Names the limits.

    Examples
    --------
    >>> require_resamples(2000)
    """
    if not 2 <= count <= MAX_RESAMPLES:
        raise ConfigurationError(
            f"{count} resamples of the videos; an interval needs two at least, and at most {MAX_RESAMPLES:,} are drawn",
            "use --bootstrap 2000",
        )


def require_measures(names: Iterable[str]) -> None:
    """Refuse a measure that does not exist, or one named twice.

    Raises
    ------
    ConfigurationError
        Names the nearest measure.

    Examples
    --------
    >>> require_measures(("ar", "frames"))
    """
    listed = list(names)
    for name in listed:
        if name not in MEASURES:
            hint = did_you_mean(name, MEASURES) or f"choose among {', '.join(MEASURES)}"
            raise ConfigurationError(f"measure {name!r} is unknown", hint)
        if listed.count(name) > 1:
            raise ConfigurationError(f"measure {name!r} is named twice", "name it once")
