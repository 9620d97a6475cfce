"""Options of fitting that were given and have no say: nobody should believe that they changed the heads."""

from collections.abc import Sequence

from tsmfeat.heads.options import SEGMENT_HEADS, HeadOptions
from tsmfeat.workflows.fit_options import FitOptions

# Which kinds of heads an option is about.
_KINDS: dict[str, tuple[str, ...]] = {
    "hidden_size": ("mlp", "tcn", *SEGMENT_HEADS),
    "num_layers": ("tcn",),
    "smoothing_loss": ("tcn",),
    "rank": ("conditioned",),
    "num_levels": SEGMENT_HEADS,
    "nms_sigma": SEGMENT_HEADS,
    "dropout_unit": ("linear", *SEGMENT_HEADS),
}
# What L-BFGS, which sees all rows at once, has no use for.
_OF_DESCENT = ("lr", "momentum", "schedule", "batch_size", "dropout", "dropout_unit")


def list_vain_fitting(options: FitOptions) -> list[str]:
    """Return a sentence for each option of fitting that differs from its default, or is swept, in vain.

    Examples
    --------
    >>> list_vain_fitting(FitOptions(HeadOptions(rank=8), pseudo_min_score=0.9))
    ['--rank has no say without --head conditioned', '--pseudo-min-score has no say without --pseudo']
    """
    found = list_vain_heads(options.runs())
    if not options.pseudo and options.pseudo_min_score != FitOptions.pseudo_min_score:
        found.append("--pseudo-min-score has no say without --pseudo")
    return found


def list_vain_heads(runs: Sequence[HeadOptions]) -> list[str]:
    """Return a sentence for each option of heads that differs from its default in vain.

    Parameters
    ----------
    runs
        All that are fitted together: an option has a say where it has one in any of them.

    Examples
    --------
    >>> list_vain_heads([HeadOptions(hidden_size=8), HeadOptions("mlp", hidden_size=8)])
    []
    """
    given = {name for run in runs for name in HeadOptions.__dataclass_fields__ if _differs(run, name)}
    found = [
        f"--{name.replace('_', '-')} has no say without --head {' or '.join(kinds)}"
        for name, kinds in _KINDS.items()
        if name in given and not any(run.head in kinds for run in runs)
    ]
    if all(run.solver == "lbfgs" for run in runs):
        found += [f"--{name.replace('_', '-')} has no say with --solver lbfgs" for name in _OF_DESCENT if name in given]
    if "scene_weight" in given and not any("scene" in run.tasks for run in runs):
        found.append("--scene-weight has no say with --tasks action")
    return found


def _differs(run: HeadOptions, name: str) -> bool:
    return bool(getattr(run, name) != getattr(HeadOptions, name))
