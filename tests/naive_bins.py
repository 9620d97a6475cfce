"""Cutting into bins of ten seconds in plain Python, from the words of the challenge's rule; imports nothing of ours."""

import math


def naive_pieces(start, end):
    """Yield (first second of the bin, start, end) of the pieces of a segment, not rounded."""
    for begin in range(math.floor(start / 10) * 10, math.ceil(end / 10) * 10, 10):
        left, right = max(start, begin), min(end, begin + 10)
        if left < right:
            yield begin, left, right


def naive_truth_bins(truths):
    """Return {bin id: [(label, start, end)]}; truths: (video, label, start, end)."""
    bins = {}
    for video, label, start, end in truths:
        for begin, left, right in naive_pieces(start, end):
            if right - left >= 0.5:
                bins.setdefault(f"{video}_{begin}_{begin + 10}", []).append((label, round(left, 1), round(right, 1)))
    return bins


def naive_prediction_pieces(predictions):
    """Return (bin id, label, start, end, score) in order; predictions: (video, label, start, end, score)."""
    return [
        (f"{video}_{begin}_{begin + 10}", label, round(left, 1), round(right, 1), score)
        for video, label, start, end, score in predictions
        for begin, left, right in naive_pieces(start, end)
        if round(left, 1) < round(right, 1)
    ]
