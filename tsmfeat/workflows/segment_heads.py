"""Heads that say segments themselves: what asks for scores of intervals is refused by name."""

from tsmfeat.errors import ConfigurationError
from tsmfeat.heads.options import SEGMENT_HEADS
from tsmfeat.workflows.ensembles import Checkpoints


def name_segment_heads(checkpoints: Checkpoints) -> list[str]:
    """Return the paths of those checkpoints that say segments, and have no scores of intervals."""
    return [path for path, checkpoint in checkpoints.items() if checkpoint.weights.kind in SEGMENT_HEADS]


def require_localization_to_matter(checkpoints: Checkpoints, has_others: bool) -> None:
    """Refuse options of localisation where nothing but heads that say segments would obey them.

    Parameters
    ----------
    checkpoints
        Of the sources.
    has_others
        Whether there are other sources.

    Raises
    ------
    ConfigurationError
        Names the heads.
    """
    named = name_segment_heads(checkpoints)
    if named and len(named) == len(checkpoints) and not has_others:
        kind = checkpoints[named[0]].weights.kind
        raise ConfigurationError(
            f"{named[0]}: a {kind} head says segments itself; options of localisation act on scores of intervals, "
            "which it has none of",
            "leave them out (--smooth none), or use heads of another kind",
        )
