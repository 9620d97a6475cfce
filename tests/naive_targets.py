"""What an interval should be called, the slow and obvious way, in exact fractions. Imports nothing of ours."""

from fractions import Fraction


def naive_interval_target(
    segments: list[tuple[int, Fraction, Fraction]],
    interval: int,
    step: Fraction,
    min_overlap: Fraction,
    background: int,
) -> int:
    begin, end = interval * step, (interval + 1) * step
    totals: dict[int, Fraction] = {}
    for label, start, stop in segments:
        if stop <= start:
            continue
        overlap = min(end, stop) - max(begin, start)
        if overlap > 0:
            totals[label] = totals.get(label, Fraction(0)) + overlap
    if not totals:
        return background
    largest = max(totals.values())
    winner = min(label for label, total in totals.items() if total == largest)
    return winner if largest >= min_overlap * step else background


def naive_targets(
    videos: list[tuple[int, list[tuple[int, Fraction, Fraction]]]],
    step: Fraction,
    min_overlap: Fraction,
    background: int,
) -> list[int]:
    """Targets of videos given as (number of intervals, segments), one after another."""
    return [
        naive_interval_target(segments, interval, step, min_overlap, background)
        for count, segments in videos
        for interval in range(count)
    ]
