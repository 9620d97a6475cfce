"""How certain scores are, as people read it: intervals, tests, and simulated test sets, in 80 columns."""

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tsmfeat.metrics.average_precision import Evaluation
    from tsmfeat.metrics.bootstrap import Bootstrap
    from tsmfeat.metrics.paired import Comparison
    from tsmfeat.metrics.shakeup import SplitBootstrap
    from tsmfeat.workflows.score_report import ScoreReport
    from tsmfeat.workflows.uncertainty import Rivalry

_WIDTH = 80
_NAME_WIDTH = 28
_NUM_CLASSES_SHOWN = 5
_MOST_VIDEOS = 1e6


def describe_uncertainty(report: "ScoreReport") -> list[str]:
    """Return the lines of whatever was asked beside the score; none where nothing was."""
    found = report.uncertainty
    lines: list[str] = []
    if found.bootstrap is not None:
        lines += ["", *_interval_lines(report.evaluation, found.bootstrap)]
    if found.rivalry is not None:
        lines += ["", *_rivalry_lines(report.evaluation, found.rivalry)]
    if found.splits is not None:
        lines += ["", *_split_lines(found.splits, found.split_names)]
    return lines


def _interval_lines(evaluation: "Evaluation", found: "Bootstrap") -> list[str]:
    rows = [("mAP", *evaluation.map, evaluation.final_score)]
    rows += [
        (name, *found.map[end], found.final_score[end]) for end, name in enumerate(("lowest 2.5 %", "highest 2.5 %"))
    ]
    heads = [*(f"{threshold:g}" for threshold in evaluation.tiou_thresholds), "mean"]
    lines = [f"{found.num_resamples:,} resamples of {found.num_videos:,} videos, seed {found.seed}:"]
    lines += [f"{'tIoU':<14}" + "".join(f"{head:>8}" for head in heads)]
    lines += [f"{name:<14}" + "".join(f"{value:8.4f}" for value in values) for name, *values in rows]
    if found.num_empty:
        lines.append(f"{found.num_empty:,} resamples held no truth and were left out")
    return lines


def _rivalry_lines(evaluation: "Evaluation", found: "Rivalry") -> list[str]:
    lines = [f"{found.num_resamples:,} resamples of the same videos for all, seed {found.seed}:"]
    order = sorted(range(len(found.names)), key=lambda place: -found.final_score[place])
    lines += [
        f"{shorten(found.names[place]):<{_NAME_WIDTH}}{found.final_score[place]:10.4f}"
        f"    95 % from {found.interval[0, place]:.4f} to {found.interval[1, place]:.4f}"
        for place in order
    ]
    tests = zip(found.names[1:], found.comparisons, found.adjusted_p_values, found.are_distinguishable, strict=True)
    for name, test, adjusted, is_apart in tests:
        several = f" (of {len(found.comparisons)} tests: {adjusted:.4f})" if len(found.comparisons) > 1 else ""
        verdict = f"{several}: {'distinguishable' if is_apart else 'not distinguishable on these videos'}"
        lines += ["", *_test_lines(f"{shorten(found.names[0])} against {shorten(name)}", test, verdict)]
        lines += _class_lines(evaluation.classes, test)
    return lines


def _test_lines(title: str, test: "Comparison", verdict: str) -> list[str]:
    low, high = test.interval
    return [
        f"{title}:",
        f"  difference {test.difference:+.4f}, 95 % from {low:+.4f} to {high:+.4f}",
        f"  p = {test.p_value:.4f}{verdict}",
    ]


def _class_lines(classes: Sequence[str], test: "Comparison") -> list[str]:
    ranked = sorted(zip(test.class_difference.tolist(), classes, strict=True))
    gains = [(value, name) for value, name in reversed(ranked) if value > 0]
    losses = [(value, name) for value, name in ranked if value < 0]
    return [*_list_classes("better at", gains), *_list_classes("worse at", losses)]


def _list_classes(title: str, changes: Sequence[tuple[float, str]]) -> list[str]:
    if not changes:
        return []
    named = [f"{name} {value:+.3f}" for value, name in changes[:_NUM_CLASSES_SHOWN]]
    rest = len(changes) - len(named)
    return wrap_lines(f"  {title} {len(changes)} classes: " + ", ".join(named) + (f" and {rest} more" if rest else ""))


def _split_lines(found: "SplitBootstrap", names: Sequence[str]) -> list[str]:
    letters = [_letter(place) for place in range(len(names))]
    lines = [f"test sets of {found.num_videos:,} videos each, {found.num_splits:,} pairs of them:"]
    lines.append(f"{'':<{_NAME_WIDTH + 2}}{'all videos':>10}  {'95 % on one set':<19}{'first':>7}{'rank':>8}")
    for place, (letter, name) in enumerate(zip(letters, names, strict=True)):
        low, high = found.interval[:, place]
        best, worst = found.rank_interval[:, place]
        lines.append(
            f"{letter} {shorten(name):<{_NAME_WIDTH}}{found.final_score[place]:10.4f}  {low:.4f} to {high:.4f}   "
            f"{found.first_share[place]:6.1%}{f'{best:.0f}-{worst:.0f}':>8}"
        )
    if len(names) > 1:
        lines += [*_flip_lines(found, letters), *_verdict_lines(found, letters)]
    return lines


def _flip_lines(found: "SplitBootstrap", letters: Sequence[str]) -> list[str]:
    lines = ["the order of two is reversed between the two sets of a pair in"]
    lines.append("   " + "".join(f"{letter:>7}" for letter in letters))
    for place, letter in enumerate(letters):
        row = ["-" if other == place else f"{share:.1%}" for other, share in enumerate(found.flips[place])]
        lines.append(f"{letter:<3}" + "".join(f"{cell:>7}" for cell in row))
    return lines


def _verdict_lines(found: "SplitBootstrap", letters: Sequence[str]) -> list[str]:
    alike = [
        f"{one} and {letters[later]}{_describe_need(found.videos_needed[place, later])}"
        for place, one in enumerate(letters)
        for later in range(place + 1, len(letters))
        if not found.is_distinguishable[place, later]
    ]
    verdict = f"not distinguishable on {found.num_videos:,} videos: {', '.join(alike)}" if alike else ""
    every = f"every two are distinguishable on {found.num_videos:,} videos"
    kept = f"the first of one set is the first of the other in {found.winner_kept:.1%} of the pairs"
    return [*wrap_lines(verdict or every), *wrap_lines(kept)]


def _describe_need(num_videos: float) -> str:
    if num_videos > _MOST_VIDEOS:
        return ""
    # Two digits say what an estimate can.
    return f" (about {float(f'{num_videos:.2g}'):,.0f} videos would do)"


def _letter(place: int) -> str:
    return chr(ord("A") + place) if place < 26 else str(place + 1)


def shorten(name: str) -> str:
    """Return a name that fits its column: of a longer one, the end."""
    return name if len(name) <= _NAME_WIDTH else "..." + name[3 - _NAME_WIDTH :]


def wrap_lines(text: str) -> list[str]:
    """Return the lines of a sentence, each but the first indented."""
    return textwrap.wrap(text, _WIDTH, subsequent_indent="    ", break_long_words=False)
