"""The bins of BinEgo-360 the slow way: tables as lists of rows, one bin after the other."""

import ast
import math


def cut_solution(rows):
    """From (id, text of [[class, start, end], ...], usage) to the same in bins of ten seconds, by first appearance."""
    bins = {}
    for video, text, usage in rows:
        for class_id, start, end in ast.literal_eval(text):
            at = math.floor(start / 10) * 10
            while at < math.ceil(end / 10) * 10:
                left = start if start >= at else at
                right = end if end <= at + 10 else at + 10
                if right > left and right - left >= 0.5:
                    entry = bins.setdefault(f"{video}_{at}_{at + 10}", ([], usage))
                    entry[0].append([class_id, round(left, 1), round(right, 1)])
                at += 10
    return [(name, str(pieces), usage) for name, (pieces, usage) in bins.items()]


def cut_submission(rows, sample=None):
    """From (id, [(class, start, end, score), ...]) to (bin id, text); rows of a sample where one is given."""
    bins = {}
    for video, segments in rows:
        for class_id, start, end, score in segments:
            for at in range(-1000, 100_000, 10):
                if at + 10 <= start or at >= end:
                    continue
                left, right = round(max(start, at), 1), round(min(end, at + 10), 1)
                if left < right:
                    bins.setdefault(f"{video}_{at}_{at + 10}", []).append([class_id, left, right, score])
    if sample is None:
        return {name: pieces for name, pieces in bins.items()}
    return {name: bins.get(name, []) for name in sample}
