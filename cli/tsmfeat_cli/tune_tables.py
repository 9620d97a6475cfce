"""What tuning found, as people read it: three scores, the choice of each fold, and what each value is worth."""

import textwrap
from collections import Counter
from typing import TYPE_CHECKING

from tsmfeat.workflows.tuning_settings import value_text

if TYPE_CHECKING:
    from tsmfeat.workflows.tuning_report import OptionReport, TuneReport

_WIDTH = 80


def describe_tuning(report: "TuneReport", in_full: bool) -> str:
    """Return the scores, the verdict and a line an option; in full also the best score of every value tried.

    Parameters
    ----------
    report
        What `tsmfeat.workflows.tune` returned.
    in_full
        Whether each option has the profile of its values.
    """
    how = "all" if report.is_exhaustive else f"of {report.num_possible:,}"
    held = report.held_out
    low, high = held.interval
    lines = [
        f"final score {report.options.protocol}, {report.num_videos} videos, {report.num_settings:,} settings ({how})",
        f"{'':<30}{'default':>10}{'tuned':>10}{'gain':>10}",
        _score_line("all videos, which chose", report.default_score, report.optimistic_score, "optimistic"),
        _score_line(f"{report.num_folds} held-out folds, mean", held.default_score, held.tuned_score, "honest"),
        _score_line("held-out folds, pooled", report.default_score, report.pooled_score, ""),
        f"honest gain {held.gain:+.4f}, 95 % from {low:+.4f} to {high:+.4f}: {_verdict(report)}",
        "",
        f"{'option':<22}{'default':>14}{'tuned':>14}   chosen by the folds",
    ]
    for each in report.searched:
        lines += _option_lines(each, in_full)
    return "\n".join(lines)


def _score_line(name: str, default: float, tuned: float, note: str) -> str:
    return f"  {name:<28}{default:10.4f}{tuned:10.4f}{tuned - default:+10.4f}   {note}".rstrip()


def _verdict(report: "TuneReport") -> str:
    if report.honest_gain <= 0:
        return "no gain that would hold"
    return "a gain" if report.held_out.is_distinguishable else "not distinguishable from none on these videos"


def _option_lines(each: "OptionReport", in_full: bool) -> list[str]:
    tuned = "-" if each.is_idle else value_text(each.chosen)
    lines = _wrapped(
        f"{each.name:<22}{value_text(each.default):>14} {tuned:>13}   ", "" if each.is_idle else _count_choices(each)
    )
    if in_full:
        tried = [f"{value_text(value)} {score:.4f}" for value, score in each.best_scores if score == score]
        lines += _wrapped("    best with ", ", ".join(tried))
    return lines


def _count_choices(each: "OptionReport") -> str:
    counts = Counter(map(value_text, each.of_folds)).most_common()
    if len(counts) == 1:
        return "the same"
    return ", ".join(f"{text} x {count}" if count > 1 else text for text, count in counts)


def _wrapped(head: str, text: str) -> list[str]:
    # A choice and its count stay together, and so does the name of a choice.
    parts = textwrap.wrap(
        text.replace(" x ", "\N{NO-BREAK SPACE}x\N{NO-BREAK SPACE}"),
        _WIDTH,
        initial_indent=head,
        subsequent_indent=" " * min(len(head), 14),
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [part.replace("\N{NO-BREAK SPACE}", " ") for part in parts] or [head.rstrip()]
