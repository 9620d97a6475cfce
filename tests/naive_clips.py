"""Slow and obvious sampling: imports nothing of the package."""

from fractions import Fraction


def naive_plan(stamps, count, step, num_frames, clip=None, duration=None):
    """Walk over all frames for every place of every interval, in fractions."""
    plan = []
    for i in range(count):
        start, end = i * step, (i + 1) * step
        if clip is not None and clip != step:
            middle = (start + end) / 2
            start, end = max(middle - clip / 2, Fraction(0)), min(middle + clip / 2, duration)
        row = []
        for x in range(num_frames):
            centre = start + (end - start) * Fraction(2 * x + 1, 2 * num_frames)
            shown = 0
            for k, stamp in enumerate(stamps):
                if stamp <= centre + Fraction(1, 100_000):
                    shown = k
            row.append(shown)
        plan.append(row)
    return plan
