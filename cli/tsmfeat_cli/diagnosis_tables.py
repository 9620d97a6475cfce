"""The diagnosis as people read it: errors by kind and what they cost, and which truths are hard, in 80 columns."""

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

from tsmfeat_cli.statistics_tables import wrap_lines

if TYPE_CHECKING:
    from tsmfeat.metrics.diagnosis import Diagnosis
    from tsmfeat.metrics.diagnosis_sensitivity import Sensitivity

_UNITS = {"length": "length in seconds", "coverage": "share of the video", "num-instances": "truths in the video"}
_EDGES = {
    "quantiles": "fifths of these truths",
    "activitynet": "DETAD's edges for ActivityNet",
    "thumos14": "DETAD's edges for THUMOS14",
}


def describe_diagnosis(found: "Diagnosis") -> list[str]:
    """Return the profile of errors with their costs, and a table a characteristic."""
    lines = ["", *_profile_lines(found)]
    for one in found.sensitivities:
        lines += ["", *_bucket_lines(one)]
    lines += ["", *wrap_lines(_summary(found))]
    if not any(one.name == "coverage" for one in found.sensitivities):
        lines += wrap_lines("share of the video: left out, durations of videos are unknown")
    return lines


def _profile_lines(found: "Diagnosis") -> list[str]:
    from tsmfeat.metrics.diagnosis_errors import OUTCOMES

    lines = wrap_lines(
        "outcomes of the first G detections of every class (G: its truths), the second G, ..., "
        "and the mAP gained without each kind of error"
    )
    lines.append(f"{'':<17}" + "".join(f"{f'{place + 1}G':>5}" for place in range(len(found.profile))) + f"{'gain':>9}")
    for place, name in enumerate(OUTCOMES):
        gain = f"{found.cost[place - 1]:+9.4f}" if place else ""
        lines.append(f"{name:<17}" + "".join(_percent(share, 5) for share in found.profile[:, place]) + gain)
    return lines


def _bucket_lines(one: "Sensitivity") -> list[str]:
    def row(name: str, cells: Iterable[str]) -> str:
        return f"{name:<22}" + "".join(f"{cell:>10}" for cell in cells)

    return [
        row(_UNITS[one.name], one.buckets),
        row("  up to", (_edge(edge) for edge in one.edges[1:])),
        row("  truths", (f"{count:,}" for count in one.num_truths)),
        row("  normalised mAP", ("-" if math.isnan(value) else f"{value:.4f}" for value in one.map_n)),
        row("  missed", (_percent(share, 0) for share in one.missed)),
    ]


def _summary(found: "Diagnosis") -> str:
    left_out = f", {found.num_left_out:,} left out" if found.num_left_out else ""
    return (
        f"{found.num_truths:,} truths{left_out}; matched by ActivityNet's rules; buckets: {_EDGES[found.buckets]}; "
        f"mAP of the first 10G {found.map_first:.4f}; normalised mAP of all {found.map_n:.4f}; "
        f"missed {_percent(found.missed, 0)}"
    )


def _edge(edge: float) -> str:
    return "-" if math.isinf(edge) else f"{edge:.4g}"


def _percent(share: float, width: int) -> str:
    return f"{'-':>{width}}" if math.isnan(share) else f"{share:>{width}.0%}"
