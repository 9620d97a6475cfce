"""Options of merging stores."""

from dataclasses import dataclass


@dataclass(frozen=True)
class MergeOptions:
    """How stores become one.

    Parameters
    ----------
    overwrite
        Whether an output that is there, and is not among the stores, is replaced.
    dry_run
        Whether everything is read and verified but nothing written.
    """

    overwrite: bool = False
    dry_run: bool = False
