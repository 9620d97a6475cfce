"""What the demo says at its end."""

import shlex
from dataclasses import dataclass
from pathlib import Path

from tsmfeat.workflows.options import DemoOptions


@dataclass(frozen=True)
class ChainResult:
    """What one chain of commands reached on the held-out videos.

    Parameters
    ----------
    final_score
        Mean mAP at tIoU .5, .75, .95.
    direction
        Share of rightly named directions where the pair is right; None where no pair is.
    scene_accuracy
        Share of the videos whose scene is right; None without scene heads.
    precision
        Of the trunk.
    """

    final_score: float
    direction: float | None
    scene_accuracy: float | None
    precision: str


def describe_demo(
    out: Path, options: DemoOptions, with_shift: ChainResult, without: ChainResult, ceiling: float, seconds: float
) -> str:
    """Return the table of results, what it shows, and where everything lies.

    Parameters
    ----------
    out
        The demo's folder.
    options
        What was run.
    with_shift, without
        Results of the two chains.
    ceiling
        Final score of a head that names every interval rightly.
    seconds
        Wall time.
    """
    best, grid = f"{ceiling:.3f}", f"{options.step_seconds:g} s grid"
    rows = [
        (f"{options.num_testing} held-out videos", "shift on", "shift off", "what it is"),
        ("final score", *_pair(with_shift, without, "final_score"), "mean of the mAP at tIoU .5, .75, .95"),
        (
            "its ceiling",
            best,
            best,
            f"were every interval labelled rightly; bounds lie on a {grid}",
        ),
        (
            "direction",
            *_pair(with_shift, without, "direction"),
            "right one of a pair, if the pair is right (chance .5)",
        ),
        ("scene", *_pair(with_shift, without, "scene_accuracy"), "videos whose scene is named rightly (chance .25)"),
    ]
    table = "\n".join(f"{name:<20}{on:>9}{off:>11}   {meaning}" for name, on, off, meaning in rows)
    inspected = shlex.quote(f"{out}/features-shift-on.h5")
    return f"""
{table}

Each pair of actions (such as move left, move right) shows the same frames in opposite order. Without the shift, the
features are a mean over frames: they cannot know the direction. With it, frames see their neighbours, and time is
seen. Scenes need no time: both know them. The trunk is random:{options.seed}; nobody trained it. That is enough here,
with calm scenes and one bright object; for real videos the same commands take trained weights: --checkpoint FILE.

{seconds:.0f} s, trunk in {with_shift.precision}. In {out}/, to play with:
  annotations.json, videos/        the data
  features-shift-{{on,off}}.h5       look inside: tsmfeat inspect {inspected}
  heads-shift-{{on,off}}.safetensors
  scores-shift-{{on,off}}/           scores.json, predictions.json, per_class.csv"""


def _pair(with_shift: ChainResult, without: ChainResult, field: str) -> tuple[str, str]:
    return _number(getattr(with_shift, field)), _number(getattr(without, field))


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def missed_bounds(with_shift: ChainResult, without: ChainResult) -> list[str]:
    """Return what the demo promises at its full size and did not reach.

    Examples
    --------
    >>> missed_bounds(ChainResult(0.4, 0.95, 1.0, "fp32"), ChainResult(0.2, 0.5, 1.0, "fp32"))
    ['final score without shift 0.200 > 0.05']
    """
    least, most, direction, near_chance = 0.25, 0.05, 0.9, 0.1
    seen, unseen = with_shift.direction or 0.0, without.direction or 0.0
    checks = (
        (with_shift.final_score >= least, f"final score with shift {with_shift.final_score:.3f} < {least}"),
        (without.final_score <= most, f"final score without shift {without.final_score:.3f} > {most}"),
        (seen >= direction, f"direction with shift {seen:.3f} < {direction}"),
        (abs(unseen - 0.5) <= near_chance, f"direction without shift {unseen:.3f}, not within {near_chance} of .5"),
    )
    return [text for reached, text in checks if not reached]
