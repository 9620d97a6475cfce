"""Slow and obvious twins of weighted boxes fusion and non-maximum suppression; they import nothing of ours."""

import math

from naive import naive_tiou


def _pool(models, weights, decimals):
    """{(video, label): [(start, end, weighted score, weight)]} in whole units, best first."""
    unit, pools = 10**decimals, {}
    for model, weight in zip(models, weights, strict=True):
        for video, segments in model.items():
            for label, start, end, score in segments:
                low, high = round(start * unit), round(end * unit)
                if weight > 0 and low < high:
                    pools.setdefault((video, label), []).append((low, high, score * weight, weight))
    return {key: sorted(rows, key=lambda row: (-row[2], row[0], row[1])) for key, rows in pools.items()}


def _collect(models, weights, decimals, rule):
    unit = 10**decimals
    fused = {video: [] for model, weight in zip(models, weights, strict=True) if weight > 0 for video in model}
    for (video, label), rows in _pool(models, weights, decimals).items():
        fused[video] += [(label, start / unit, end / unit, score) for start, end, score in rule(rows)]
    return {video: sorted(segments) for video, segments in fused.items()}


def naive_wbf(models, weights, threshold=0.5, missing="zero", decimals=3):
    """Weighted boxes fusion of models {video: [(label, start, end, score)]}, each cluster averaged anew every time."""
    total, count = math.fsum(weights), sum(weight > 0 for weight in weights)

    def average(cluster):
        mass = math.fsum(row[2] for row in cluster)
        if mass == 0 or len({row[:2] for row in cluster}) == 1:
            return cluster[0][:2]
        return tuple(math.fsum(row[2] * row[side] for row in cluster) / mass for side in (0, 1))

    def score(cluster):
        mass = math.fsum(row[2] for row in cluster)
        if missing == "present":
            return mass / math.fsum(row[3] for row in cluster)
        return mass / len(cluster) * min(count, len(cluster)) / total

    def rule(rows):
        clusters = []
        for row in rows:
            overlaps = [naive_tiou(average(cluster), row) for cluster in clusters]
            best = max(overlaps, default=-1)
            if threshold is not None and best > threshold:
                clusters[overlaps.index(best)].append(row)
            else:
                clusters.append([row])
        return [(*average(cluster), score(cluster)) for cluster in clusters]

    return _collect(models, weights, decimals, rule)


def naive_nms(models, weights, threshold=0.5, decimals=3):
    """Hard suppression of the pooled models: whoever overlaps a better kept one by the threshold or more goes."""
    largest = max(weights)

    def rule(rows):
        kept = []
        for row in rows:
            if threshold is None or all(naive_tiou(row, other) < (threshold or 1e-99) for other in kept):
                kept.append(row)
        return [row[:3] for row in kept]

    return _collect(models, [weight / largest for weight in weights], decimals, rule)


def naive_soft_nms(models, weights, sigma=0.5, decimals=3):
    """Gaussian suppression of the pooled models: the best is settled, the others lose by their overlap with it."""
    largest = max(weights)

    def rule(rows):
        waiting, settled = [row[:3] for row in rows], []
        while waiting:
            best = min(waiting, key=lambda row: (-row[2], row[0], row[1]))
            waiting.remove(best)
            settled.append(best)
            waiting = [
                (low, high, score * math.exp(-(naive_tiou((low, high), best) ** 2) / sigma))
                for low, high, score in waiting
            ]
        return settled

    return _collect(models, [weight / largest for weight in weights], decimals, rule)
