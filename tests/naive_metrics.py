"""A slow average precision in plain Python, written from the protocol's words alone; imports nothing of ours."""

import math


def naive_tiou(one, other):
    (s, e), (ts, te) = one, other
    inner = max(0.0, min(e, te) - max(s, ts))
    union = (te - ts) + (e - s) - inner
    if union == 0.0 or math.isnan(union):
        return math.nan
    return inner / union


def naive_rank(scores):
    """Row numbers by decreasing score; of equal scores the earlier row first, NaN before all."""
    return sorted(range(len(scores)), key=lambda row: (0, 0.0) if math.isnan(scores[row]) else (1, -scores[row]))


def naive_hits(detections, truths, threshold, undefined_matches):
    """For each detection (video, start, end) in rank order: whether it is a true positive."""
    taken = set()
    hits = []
    for video, start, end in detections:
        candidates = []
        for index, (truth_video, truth_start, truth_end) in enumerate(truths):
            if truth_video == video:
                tiou = naive_tiou((start, end), (truth_start, truth_end))
                if not undefined_matches and math.isnan(tiou):
                    tiou = 0.0
                candidates.append((math.inf if math.isnan(tiou) else tiou, index))
        hit = False
        for tiou, index in sorted(candidates, reverse=True):
            if tiou < threshold:
                break
            if index not in taken:
                taken.add(index)
                hit = True
                break
        hits.append(hit)
    return hits


def naive_average_precision(hits, num_truths):
    """Area under precision over recall, precision padded with 0 and made monotone from the right."""
    recall, precision = [0.0], [0.0]
    positives = 0
    for count, hit in enumerate(hits, start=1):
        positives += hit
        recall.append(positives / num_truths)
        precision.append(positives / count)
    recall.append(1.0)
    precision.append(0.0)
    for place in range(len(precision) - 2, -1, -1):
        precision[place] = max(precision[place], precision[place + 1])
    return sum((recall[k] - recall[k - 1]) * precision[k] for k in range(1, len(recall)))


def naive_evaluation(predictions, truths, thresholds, undefined_matches):
    """Average precision per class: {label: [one per threshold]}.

    predictions: (video, label, start, end, score) in file order; truths: (video, label, start, end) in file order.
    """
    result = {}
    for label in dict.fromkeys(row[1] for row in truths):
        own = [row for row in predictions if row[1] == label]
        ranked = [own[row] for row in naive_rank([row[4] for row in own])]
        detections = [(row[0], row[2], row[3]) for row in ranked]
        targets = [(row[0], row[2], row[3]) for row in truths if row[1] == label]
        result[label] = [
            naive_average_precision(naive_hits(detections, targets, threshold, undefined_matches), len(targets))
            for threshold in thresholds
        ]
    return result


def naive_num_tied(predictions, truths):
    known = [row for row in predictions if row[1] in {truth[1] for truth in truths}]
    same = [
        sum(
            other[1] == row[1] and (other[4] == row[4] or (math.isnan(other[4]) and math.isnan(row[4])))
            for other in known
        )
        for row in known
    ]
    return sum(count > 1 for count in same)


def naive_num_at_threshold(predictions, truths, thresholds):
    return sum(
        any(abs(naive_tiou(row[2:4], truth[2:4]) - threshold) <= 1e-9 for threshold in thresholds)
        for row in predictions
        for truth in truths
        if row[:2] == truth[:2]
    )
