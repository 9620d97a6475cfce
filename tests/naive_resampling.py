"""Videos really copied, row by row: what resampled scores must equal. Imports nothing of ours."""

import math


def naive_copies(rows, times, outside):
    """Return rows of (video, ...) with each video standing several times under names of its own, copies side by side.

    times: {video: how often}; a video that it lacks stands `outside` times.
    """
    return [(f"{row[0]}#{copy}", *row[1:]) for row in rows for copy in range(times.get(row[0], outside))]


def naive_interval(values):
    """2.5 and 97.5 % points of a list, by linear interpolation between its sorted values."""
    ordered = sorted(value for value in values if not math.isnan(value))
    points = []
    for share in (0.025, 0.975):
        place = share * (len(ordered) - 1)
        low = math.floor(place)
        high = min(low + 1, len(ordered) - 1)
        points.append(ordered[low] + (ordered[high] - ordered[low]) * (place - low))
    return points


def naive_flips(public, private):
    """Share of the pairs of test sets on which two sources change places: lists of (one's score, other's score)."""
    reversed_order = [
        (here[0] > here[1] and there[0] < there[1]) or (here[0] < here[1] and there[0] > there[1])
        for here, there in zip(public, private, strict=True)
    ]
    return sum(reversed_order) / len(reversed_order)


def naive_relative_ranks(rows):
    """Rows of (video, label, start, end, score) with minus the relative rank in their class in place of the score."""
    ranked = []
    for label in dict.fromkeys(row[1] for row in rows):
        own = sorted((row for row in rows if row[1] == label), key=lambda row: -row[4])
        ranked += [(*row[:4], -(place + 0.5) / len(own)) for place, row in enumerate(own)]
    return ranked


def naive_swap(one, other, swapped):
    """Exchange the rows of some videos between two files."""
    first = [row for row in one if row[0] not in swapped] + [row for row in other if row[0] in swapped]
    second = [row for row in one if row[0] in swapped] + [row for row in other if row[0] not in swapped]
    return first, second
