"""How an interval is shared among actions, the slow and obvious way, in exact fractions. Imports nothing of ours."""

from fractions import Fraction
from itertools import pairwise

Pieces = list[tuple[Fraction, Fraction]]


def naive_length(pieces: Pieces) -> Fraction:
    """Length of what pieces cover together: every stretch between two of their bounds is looked at by itself."""
    bounds = sorted({bound for piece in pieces for bound in piece})
    total = Fraction(0)
    for begin, end in pairwise(bounds):
        if any(start <= begin and end <= stop for start, stop in pieces):
            total += end - begin
    return total


def naive_coverage(
    segments: list[tuple[int, Fraction, Fraction]], interval: int, step: Fraction, num_actions: int
) -> list[Fraction]:
    """Covered share of each action, and the share that none covers."""
    begin, end = interval * step, (interval + 1) * step
    pieces: list[Pieces] = [[] for _ in range(num_actions)]
    for label, start, stop in segments:
        if min(end, stop) > max(begin, start):
            pieces[label].append((max(begin, start), min(end, stop)))
    everything = [piece for own in pieces for piece in own]
    return [naive_length(own) / step for own in pieces] + [1 - naive_length(everything) / step]


def naive_shares(
    segments: list[tuple[int, Fraction, Fraction]], interval: int, step: Fraction, num_actions: int
) -> list[Fraction]:
    covered = naive_coverage(segments, interval, step, num_actions)
    return [share / sum(covered) for share in covered]


def naive_multi_hot(
    segments: list[tuple[int, Fraction, Fraction]],
    interval: int,
    step: Fraction,
    num_actions: int,
    min_overlap: Fraction,
) -> list[int]:
    covered = naive_coverage(segments, interval, step, num_actions)[:-1]
    hot = [int(share > 0 and share >= min_overlap) for share in covered]
    return [*hot, int(not any(hot))]
