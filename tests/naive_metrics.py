"""A slow average precision in plain Python, written from the protocols' words alone; imports nothing of ours."""

import math
import struct


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
    """Average precision per class under the paper's or ActivityNet's rules: {label: [one per threshold]}.

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


# --- any protocol, by the words of its record -------------------------------------------------------------------------


def naive_protocol_evaluation(protocol, predictions, truths, ambiguous, vocabulary, videos):
    """Average precision per class, in the protocol's order of classes.

    predictions: (video, label, start, end, score); truths: (video, label, start, end); ambiguous: (video, start, end);
    vocabulary: names in the order of their numbers; videos: those evaluated.
    """
    truths = naive_truth_filter(truths, protocol.gt_filter)
    classes = list(dict.fromkeys(row[1] for row in truths))
    if protocol.class_order == "vocabulary":
        classes.sort(key=vocabulary.index)
    if protocol.outside_video == "drop":
        predictions = [row for row in predictions if row[0] in videos]
    result = {}
    for label in classes:
        own = [row for row in predictions if naive_class(row[1], classes, vocabulary, protocol) == label]
        targets = [row for row in truths if row[1] == label]
        result[label] = [
            naive_protocol_ap(protocol, naive_protocol_rank(own, protocol), targets, ambiguous, threshold)
            for threshold in protocol.tiou_thresholds
        ]
    return result


def naive_truth_filter(truths, rule):
    if rule == "none":
        return truths
    kept = []
    for video, label, start, end in truths:
        if end - start <= 0 if rule == "repeats" else end - start < 1e-3:
            continue
        if not any(
            row[:2] == (video, label) and abs(start - row[2]) <= 1e-3 and abs(end - row[3]) <= 1e-3 for row in kept
        ):
            kept.append((video, label, start, end))
    return kept


def naive_class(label, classes, vocabulary, protocol):
    """The class a predicted label counts for; None for none."""
    if label in classes:
        return label
    if protocol.unknown == "collide" and label in vocabulary and vocabulary.index(label) < len(classes):
        return classes[vocabulary.index(label)]
    return None


def naive_protocol_rank(rows, protocol):
    """Rows by decreasing score."""
    if protocol.tie == "revstable":
        rows = rows[::-1]
    elif protocol.tie == "video":
        rows = sorted(rows, key=lambda row: row[0])
    return sorted(rows, key=lambda row: naive_key(row[4], protocol))


def naive_key(score, protocol):
    """What rows are sorted by, smallest first."""
    if math.isnan(score):
        return (-1 if protocol.nan_score == "first" else 1), 0.0
    return 0, -score


def naive_protocol_tiou(one, other, protocol):
    if protocol.iou == "hull":
        (s, e), (ts, te) = sorted(one), sorted(other)
        inner = min(e, te) - max(s, ts)
        if inner <= 0:
            return 0.0
        union = max(e, te) - min(s, ts)
    else:
        (s, e), (ts, te) = one, other
        inner = max(0.0, min(e, te) - max(s, ts))
        union = (te - ts) + (e - s) - inner
    if protocol.eps > 0:
        union = max(union, protocol.eps)
    if union == 0:
        return math.inf if protocol.undefined_tiou == "match" else 0.0
    tiou = max(0.0, inner / union)
    return struct.unpack("f", struct.pack("f", tiou))[0] if protocol.tiou_type == "float32" else tiou


def naive_protocol_hits(protocol, ranked, targets, threshold):
    def passes(row, target):
        tiou = naive_protocol_tiou(row[2:4], target[2:4], protocol)
        return tiou > threshold if protocol.compare == "gt" else tiou >= threshold

    if protocol.match == "gt-best":
        return naive_hits_by_truth(protocol, ranked, targets, passes)
    later = 1 if protocol.gt_tie == "later" else -1
    hits, taken = [], set()
    for row in ranked:
        own = [k for k, target in enumerate(targets) if target[0] == row[0]]
        own.sort(key=lambda k: (naive_protocol_tiou(row[2:4], targets[k][2:4], protocol), later * k), reverse=True)
        free = [k for k in own if passes(row, targets[k]) and k not in taken]
        taken |= set(free[:1])
        hits.append(bool(free))
    return hits


def naive_hits_by_truth(protocol, ranked, targets, passes):
    hits = [False] * len(ranked)
    for target in targets:
        free = [k for k, row in enumerate(ranked) if row[0] == target[0] and not hits[k]]
        tious = [naive_protocol_tiou(ranked[k][2:4], target[2:4], protocol) for k in free]
        if free:
            best = free[tious.index(max(tious))]
            hits[best] = passes(ranked[best], target)
    return hits


def naive_protocol_ap(protocol, ranked, targets, ambiguous, threshold):
    hits = naive_protocol_hits(protocol, ranked, targets, threshold)
    counted = []
    for row, hit in zip(ranked, hits, strict=True):
        touches = any(
            video == row[0] and min(max(row[2:4]), max(ends)) - max(min(row[2:4]), min(ends)) > 0
            for video, *ends in ambiguous
        )
        if hit or not (touches and protocol.ambiguous == "forgive"):
            counted.append((naive_key(row[4], protocol), hit))
    if protocol.tie == "hits-first":
        counted.sort(key=lambda entry: (entry[0], not entry[1]))
    flags = [hit for _, hit in counted]
    if protocol.ap == "voc-all":
        return naive_average_precision(flags, len(targets))
    found = precision_sum = 0
    curve = []
    for count, hit in enumerate(flags, start=1):
        found += hit
        curve.append((found / len(targets), found / count))
        precision_sum += hit * found / count
    if protocol.ap == "mean-at-tp":
        return precision_sum / len(targets)
    points = [k * 0.1 for k in range(11)]
    return sum(max((p for recall, p in curve if recall >= point), default=0.0) for point in points) / 11


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
