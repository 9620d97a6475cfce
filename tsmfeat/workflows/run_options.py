"""How one's own runs are listed."""

from dataclasses import dataclass

from tsmfeat.errors import ConfigurationError, require_choice

SORTS = ("final-score", "validation", "time", "seconds")


@dataclass(frozen=True)
class RunsOptions:
    """Which records are listed, and in what order.

    Parameters
    ----------
    sort
        One of `SORTS`: by falling final score or validation score, latest first, or fastest first. Runs that lack the
        number come last.
    command
        Runs of this command only; empty: all.
    top
        The first so many; 0: all.
    compare
        Two runs by number or id, to be compared; empty: the list is wanted.

    Raises
    ------
    ConfigurationError
        An unknown order, or a negative number.
    """

    sort: str = SORTS[0]
    command: str = ""
    top: int = 0
    compare: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check the order and the number; scores are called as in JSON, too."""
        object.__setattr__(self, "sort", self.sort.replace("_", "-"))
        require_choice("sort", self.sort, SORTS)
        if self.top < 0:
            raise ConfigurationError(f"top {self.top}: it is a number of runs, 0 for all", "use for example --top 10")
        if len(self.compare) not in (0, 2):
            raise ConfigurationError(f"compare {self.compare}: it takes two runs", "use for example --compare 1 2")
