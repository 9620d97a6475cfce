"""Protocols and presets as people read them, and one file's scores under several."""

from textwrap import wrap
from typing import TYPE_CHECKING

from tsmfeat.metrics.presets import PRESETS
from tsmfeat.metrics.protocols import PROTOCOLS, Protocol

if TYPE_CHECKING:
    from tsmfeat.metrics.average_precision import Evaluation
    from tsmfeat.workflows.score_report import ScoreReport

_WIDTH = 79
_NAME = 15
_MATCHES = {"det-greedy": "det", "gt-best": "truth"}
_SIGNS = {"ge": ">=", "gt": ">"}
_WIDTHS = (_NAME, 14, 9, 12, 11, 12, 7)
_HEADS = ["protocol", "tIoU", "match", "AP", "ties", "truth out", "unknown"]


def describe_protocols() -> str:
    """Return the rules in which protocols differ, what each one is, and the presets of thresholds."""
    lines = [_row(_HEADS), *(_row(_rules(record)) for record in PROTOCOLS), ""]
    for record in PROTOCOLS:
        lines += _hanging(record.name, record.summary)
    lines += ["", *_hanging("match", "det: each detection takes its best free truth; truth: each truth its best one")]
    lines += _hanging("ties", "equal scores: file order, its reverse, by video name, or hits before misses")
    lines += _hanging("truth out", "left out: repeats and empty ones, or those below a millisecond too")
    lines += _hanging("unknown", "predicted labels without truth: ignored, or colliding with known classes")
    lines += ["", f"{'preset':<{_NAME}}{'tIoU':<14}mostly scored with"]
    for preset in PRESETS:
        tious = _span(preset.first / 100, preset.last / 100, preset.count)
        lines.append(f"{preset.name:<{_NAME}}{tious:<14}{preset.protocol}")
    return "\n".join(lines)


def describe_comparison(report: "ScoreReport") -> list[str]:
    """Return the mAP of the same predictions under each protocol; no lines for a single one."""
    if not report.protocols:
        return []
    found = [report.evaluation, *report.protocols.values()]
    heads = sorted({f"{value:g}" for one in found for value in one.tiou_thresholds}, key=float)
    lines = ["", f"{'protocol':<{_NAME}}" + "".join(f"{head:>7}" for head in [*heads, "mean"])]
    return [*lines, *(_map_row(one, heads) for one in found)]


def _map_row(found: "Evaluation", heads: list[str]) -> str:
    value_of = {f"{key:g}": f"{value:7.4f}" for key, value in zip(found.tiou_thresholds, found.map, strict=True)}
    cells = [value_of.get(head, f"{'-':>7}") for head in heads]
    return f"{found.protocol:<{_NAME}}" + "".join(cells) + f"{found.average_map:7.4f}"


def _rules(record: Protocol) -> list[str]:
    thresholds = record.tiou_thresholds
    even = len(thresholds) > 3
    tious = _span(thresholds[0], thresholds[-1], len(thresholds)) if even else ",".join(map(str, thresholds))
    match = f"{_MATCHES[record.match]} {_SIGNS[record.compare]}"
    return [record.name, tious, match, record.ap, record.tie, record.gt_filter, record.unknown]


def _span(first: float, last: float, count: int) -> str:
    return f"{first:g}-{last:g} ({count})"


def _row(cells: list[str]) -> str:
    return "".join(f"{cell:<{width}}" for cell, width in zip(cells, _WIDTHS, strict=True)).rstrip()


def _hanging(name: str, text: str) -> list[str]:
    first, *others = wrap(text, _WIDTH - _NAME)
    return [f"{name:<{_NAME}}{first}", *(" " * _NAME + line for line in others)]
