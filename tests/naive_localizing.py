"""Slow and obvious twins of the extras of localisation; they import nothing of ours."""

import math
from itertools import pairwise, product


def naive_gaussian(rows, sigma):
    """Average of the rows around each one of a single video by a normal curve cut off after four deviations."""
    whole = [not any(math.isnan(value) for value in row) for row in rows]
    reach = int(4 * sigma + 0.5)
    smooth = []
    for i, row in enumerate(rows):
        if not whole[i]:
            smooth.append(list(row))
            continue
        around = [j for j in range(len(rows)) if whole[j] and abs(j - i) <= reach]
        weights = [math.exp(-((i - j) ** 2) / (2 * sigma**2)) for j in around]
        smooth.append(
            [sum(w * rows[j][c] for w, j in zip(weights, around, strict=True)) / sum(weights) for c in range(len(row))]
        )
    return smooth


def path_total(rows, labels, cost):
    """Scores of a path of labels less the costs of its steps; rows with NaN say nothing."""
    total = 0.0
    for i, (row, label) in enumerate(zip(rows, labels, strict=True)):
        if not any(math.isnan(value) for value in row):
            total += row[label]
        if i:
            total -= cost(labels[i - 1], label)
    return total


def naive_best_total(rows, cost):
    """The largest total of all paths of one video."""
    return max(path_total(rows, labels, cost) for labels in product(range(len(rows[0])), repeat=len(rows)))


def naive_transition_costs(videos, num_labels, smoothing):
    """log p(i | i) - log p(j | i), at least 0, of lists of labels."""
    counts = [[smoothing] * num_labels for _ in range(num_labels)]
    for labels in videos:
        for first, second in pairwise(labels):
            if first >= 0 and second >= 0:
                counts[first][second] += 1
    return [
        [max(math.log(row[i] / sum(row)) - math.log(v / sum(row)), 0.0) for v in row] for i, row in enumerate(counts)
    ]


def naive_crossing(times, differences):
    """Where a difference that is <= 0 at the first time and >= 0 at the second is 0, on a straight line; else None."""
    (left, right), (before, after) = times, differences
    if math.isnan(before) or math.isnan(after) or before > 0 or after < 0 or before == after:
        return None
    return left + (right - left) * -before / (after - before)


def naive_refined(rows, run, other_label, step, level=None):
    """Start and end of a run (label, first, beyond) of one video; rows outside it are called by `other_label(row)`.

    With a level, its crossing is what counts instead of another label's score.
    """
    label, first, beyond = run[:3]

    def difference(row, outside):
        other = level if level is not None else rows[row][other_label(outside)]
        return rows[row][label] - other

    def bound(outside, inside, edge):
        if not 0 <= outside < len(rows):
            return edge * step
        middles = ((outside + 0.5), (inside + 0.5))
        found = naive_crossing(middles, (difference(outside, outside), difference(inside, outside)))
        return (edge if found is None else min(max(found, edge - 0.49), edge + 0.49)) * step

    return bound(first - 1, first, first), bound(beyond, beyond - 1, beyond)


def naive_contrast(rows, run):
    """Mean score inside a run (label, first, beyond) of one video less that of a quarter of its length on each side."""
    label, first, beyond = run[:3]
    flank = max(1, math.floor((beyond - first) / 4 + 0.5))
    inside = [row[label] for row in rows[first:beyond] if not math.isnan(row[label])]
    sides = rows[max(first - flank, 0) : first] + rows[beyond : beyond + flank]
    beside = [row[label] for row in sides if not math.isnan(row[label])]
    return max(sum(inside) / len(inside) - (sum(beside) / len(beside) if beside else 0.0), 0.0)
