"""Slow measures in plain Python, written from their definitions alone; imports nothing of ours."""

import math
from functools import cache
from itertools import groupby


def overlap(one, other):
    (s, e), (ts, te) = one, other
    inner = max(0.0, min(e, te) - max(s, ts))
    union = (te - ts) + (e - s) - inner
    return inner / union if union > 0 else 0.0


def best_first(rows):
    """Rows (..., score) by decreasing score; of equal scores the earlier first, NaN before all."""
    return sorted(rows, key=lambda row: (0, 0.0) if math.isnan(row[-1]) else (1, -row[-1]))


def naive_average_recall(proposals, truths, thresholds, max_average, num_points):
    """Return the proposals a video at each point, and the recall [threshold][point].

    proposals: (video, start, end, score) in file order; truths: (video, start, end).
    """
    videos = sorted({truth[0] for truth in truths})
    if max_average is None:
        max_average = len(proposals) / len(videos)
    ratio = max_average * len(videos) / len(proposals)
    kept = {}
    for video in videos:
        own = best_first([row for row in proposals if row[0] == video])
        kept[video] = own[: min(int(len(own) * ratio), len(own))]
    total = sum(map(len, kept.values()))
    if not total:
        return [j / num_points * max_average for j in range(1, num_points + 1)], [[0.0] * num_points] * len(thresholds)
    shares = [j / num_points * (max_average * len(videos) / total) for j in range(1, num_points + 1)]
    recall = []
    for threshold in thresholds:
        row = []
        for share in shares:
            found = 0
            for video, start, end in truths:
                number = min(int(len(kept[video]) * share), len(kept[video]))
                found += any(overlap(one[1:3], (start, end)) >= threshold for one in kept[video][:number])
            row.append(found / len(truths))
        recall.append(row)
    return [share * (total / len(videos)) for share in shares], recall


def naive_top_recall(predictions, truths, thresholds, multiples):
    """Return {label: [multiple][threshold]}.

    predictions: (video, label, start, end, score) in file order; truths: (video, label, start, end).
    """
    result = {}
    for label in dict.fromkeys(truth[1] for truth in truths):
        own = [truth for truth in truths if truth[1] == label]
        rows = []
        for k in multiples:
            row = []
            for threshold in thresholds:
                found = 0
                for video in {truth[0] for truth in own}:
                    here = [truth for truth in own if truth[0] == video]
                    best = best_first([one for one in predictions if one[:2] == (video, label)])[: k * len(here)]
                    found += sum(any(overlap(one[2:4], truth[2:4]) >= threshold for one in best) for truth in here)
                row.append(found / len(own))
            rows.append(row)
        result[label] = rows
    return result


def runs_of(labels, background):
    """Return (label, first row, last row) of the runs that are no background."""
    runs, at = [], 0
    for label, group in groupby(labels):
        length = len(list(group))
        if label != background:
            runs.append((label, at, at + length))
        at += length
    return runs


def levenshtein(one, other):
    @cache
    def distance(i, j):
        if not i or not j:
            return i + j
        if one[i - 1] == other[j - 1]:
            return distance(i - 1, j - 1)
        return 1 + min(distance(i - 1, j), distance(i, j - 1), distance(i - 1, j - 1))

    return distance(len(one), len(other))


def naive_accuracy(truth, predicted):
    return sum(a == b for a, b in zip(truth, predicted, strict=True)) / len(truth)


def naive_edit(truth, predicted, background):
    """Return None where neither holds a segment."""
    one, other = ([run[0] for run in runs_of(labels, background)] for labels in (truth, predicted))
    longest = max(len(one), len(other))
    return 1 - levenshtein(tuple(one), tuple(other)) / longest if longest else None


def naive_counts(truth, predicted, background, threshold):
    """Return true positives, false positives and false negatives of the runs of one video."""
    wanted, found = runs_of(truth, background), runs_of(predicted, background)
    used = set()
    for label, first, last in found:
        overlaps = [
            (min(last, b) - max(first, a)) / (max(last, b) - min(first, a)) if label == other else 0.0
            for other, a, b in wanted
        ]
        if overlaps and max(overlaps) >= threshold:
            best = overlaps.index(max(overlaps))
            used.add(best)  # one that is used already stays a single hit
    return len(used), len(found) - len(used), len(wanted) - len(used)


def naive_f1(true_positives, false_positives, false_negatives):
    """Return the harmonic mean of precision and recall; None where there is nothing at all."""
    if true_positives + false_positives + false_negatives == 0:
        return None
    precision = true_positives / max(1, true_positives + false_positives)
    recall = true_positives / max(1, true_positives + false_negatives)
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def naive_frames(rows, duration, step, background):
    """Return the label of every whole frame; rows: (label, start, end, score), dyadic times."""
    labels = []
    for frame in range(int(duration / step)):
        middle = (frame + 0.5) * step
        over = best_first([row for row in rows if row[1] <= middle < row[2]])
        labels.append(over[0][0] if over else background)
    return labels
