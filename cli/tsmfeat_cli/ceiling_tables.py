"""Ceilings as people read them."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tsmfeat.workflows.ceilings import CeilingsReport

_WAYS = {"argmax": "one action an interval", "threshold": "several actions an interval"}
_EXTRAS = {"none": "", "tail": " + --tail extend", "refine": " + --refine on"}


def describe_ceilings(report: "CeilingsReport") -> str:
    """Return the table of ceilings, and which step it speaks for.

    Parameters
    ----------
    report
        What `tsmfeat.workflows.ceilings.measure_ceilings` returned.
    """
    head = "".join(f"{f'@{value:g}':>8}" for value in report.tiou_thresholds)
    lines = [
        f"ceilings of {report.num_segments:,} segments in {report.num_videos:,} videos, protocol "
        f"{report.options.protocol}: perfect labels of intervals, localised and scored",
        f"{'step':<8}{'':<46}{head}{'final':>8}",
    ]
    for row in report.rows:
        scores = "".join(f"{value:8.3f}" for value in (*row.map, row.final_score))
        lines.append(f"{f'{row.step_seconds:g} s':<8}{_WAYS[row.localize] + _EXTRAS[row.extra]:<46}{scores}")
    return "\n".join([*lines, "", *_notes(report)])


def _notes(report: "CeilingsReport") -> list[str]:
    plain = {
        row.step_seconds: row.final_score for row in report.rows if (row.localize, row.extra) == ("argmax", "none")
    }
    best = max(plain, key=lambda step: (plain[step], step))
    chosen = report.recommended_step
    reason = "the best of these ceilings" if chosen == best else f"within .02 of the best ceiling, {plain[best]:.3f}"
    notes = [f"choose --step {chosen:g}: {plain[chosen]:.3f} with one action an interval, {reason}"]
    if (tied := max(report.tied_shares)) > 0:
        notes.append(
            f"in up to {tied:.1%} of the intervals with an action several take equally long; one of them must be chosen"
        )
    if unknown := report.num_videos - report.num_known_durations:
        notes.append(f"{unknown:,} videos of unknown duration are taken to end with their last segment")
    return notes
