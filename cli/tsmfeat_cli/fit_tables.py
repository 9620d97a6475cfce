"""What a sweep or folds found, as people read it."""

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tsmfeat.workflows.fit_report import FitReport

_NUM_SETTINGS = 10


def describe_runs(report: "FitReport", in_full: bool) -> str:
    """Return the best settings, a line each, and what folds and pseudo-labels say; in full all settings.

    Parameters
    ----------
    report
        What `tsmfeat.workflows.fit_heads` returned.
    in_full
        Whether all settings are listed.
    """
    lines = _setting_lines(report, in_full) if report.num_runs > 1 else []
    if report.folds:
        lines += _fold_lines(report)
    if report.pseudo:
        without, with_labels = report.pseudo["without"], report.pseudo["with"]
        gain = "" if without is None else f" ({with_labels - without:+.4f} against {without:.4f} without)"
        lines.append(f"pseudo-labels of {report.pseudo['num_videos']} videos: {with_labels:.4f}{gain}")
    return "\n".join(lines)


def _setting_lines(report: "FitReport", in_full: bool) -> list[str]:
    shown = report.ranking if in_full else report.ranking[:_NUM_SETTINGS]
    names = list(report.ranking[0].setting)
    header = ["final score", "sd", *(name.replace("_", "-") for name in names)]
    rows = [
        [f"{found.mean:.4f}", _spread(found.deviation), *(f"{found.setting[name]}" for name in names)]
        for found in shown
    ]
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]
    lines = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in [header, *rows]]
    if len(shown) < len(report.ranking):
        lines.append(f"... and {len(report.ranking) - len(shown)} more: --verbose, or {report.sweep_out}")
    return lines


def _fold_lines(report: "FitReport") -> list[str]:
    folds = report.folds
    scores = ", ".join("-" if score is None else f"{score:.4f}" for score in folds["scores"])
    lines = [f"folds: {scores}; {_mean_and_spread(folds, 'scores')}"]
    if len(folds["seeds"]) > 1:
        seeds = ", ".join(f"{score:.4f}" for score in folds["seeds"])
        lines.append(f"seeds: {seeds}; {_mean_and_spread(folds, 'seeds')}")
    return lines


def _mean_and_spread(folds: Any, name: str) -> str:  # noqa: ANN401 - JSON-able
    mean, deviation = folds[f"{name}_mean"], folds[f"{name}_deviation"]
    if mean is None:
        return "no score"
    return f"mean {mean:.4f}" + ("" if deviation is None else f", sd {deviation:.4f}")


def _spread(deviation: float) -> str:
    return "-" if math.isnan(deviation) else f"{deviation:.4f}"
