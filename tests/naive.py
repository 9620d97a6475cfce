"""Slow and obvious twins of localisation and fusion, written from the protocols alone; they import nothing of ours."""

import math
from itertools import combinations


def naive_label(row, background):
    """Best column of a row of probabilities and its score; the lowest wins; any NaN makes the row background."""
    if any(math.isnan(value) for value in row):
        return background, math.nan
    return row.index(max(row)), max(row)


def naive_smooth(rows, width):
    """Mean over the rows around each one of a single video; rows with NaN stay and are left out."""
    whole = [not any(math.isnan(value) for value in row) for row in rows]
    smooth = []
    for i, row in enumerate(rows):
        around = [j for j in range(i - width // 2, i + width // 2 + 1) if 0 <= j < len(rows) and whole[j]]
        smooth.append([_mean([rows[j][c] for j in around]) for c in range(len(row))] if whole[i] else list(row))
    return smooth


def _mean(values):
    total = 0.0
    for value in values:
        total += value
    return total / len(values)


def naive_runs(labels, scores, background, max_gap=0):
    """Runs (label, first, beyond, score) of one video: rows of a label linked where only a small gap lies between."""
    action = [label != background and not math.isnan(score) for label, score in zip(labels, scores, strict=True)]
    runs = []
    for label in set(labels):
        places = [i for i, other in enumerate(labels) if other == label and action[i]]
        chains = []
        for i in places:
            linked = chains and i - chains[-1][-1] - 1 <= max_gap and not any(action[chains[-1][-1] + 1 : i])
            if linked:
                chains[-1].append(i)
            else:
                chains.append([i])
        runs += [(label, chain[0], chain[-1] + 1, max(scores[i] for i in chain)) for chain in chains]
    return sorted(runs, key=lambda run: run[1])


def naive_threshold_runs(rows, background, threshold, max_gap=0):
    """Runs (label, first, beyond, score) of one video, each class on its own; by (first, beyond, label)."""
    runs = []
    for label in range(len(rows[0]) if rows else 0):
        if label == background:
            continue
        ones = [0 if row[label] >= threshold else 1 for row in rows]  # 1: background of this class alone
        scores = [row[label] if one == 0 else 0.0 for row, one in zip(rows, ones, strict=True)]
        runs += [(label, *run[1:]) for run in naive_runs(ones, scores, 1, max_gap)]
    return sorted(runs, key=lambda run: (run[1], run[2], run[0]))


def naive_tiou(one, other):
    """tIoU of two (start, end, ...); 0 where the union is not positive."""
    intersection = max(0, min(one[1], other[1]) - max(one[0], other[0]))
    union = (one[1] - one[0]) + (other[1] - other[0]) - intersection
    return intersection / union if union > 0 else 0.0


def naive_union(pieces):
    """Earliest start, latest end, highest score of several (start, end, score)."""
    return (min(p[0] for p in pieces), max(p[1] for p in pieces), max(p[2] for p in pieces))


def naive_absorb(pieces, threshold):
    """Unions of one class in one video, by the fixed point rule; pieces are (start, end, score)."""
    kept = []
    for piece in sorted(pieces, key=lambda p: (-p[2], p[0], p[1])):
        grown = piece
        while True:
            above = [other for other in kept if naive_tiou(other, grown) > threshold]
            if not above:
                break
            kept.remove(above[0])
            grown = naive_union([grown, above[0]])
        kept.append(grown)
    return sorted(kept)


def naive_components(pieces, threshold):
    """Unions of the connected components of pairs above the threshold."""
    groups = [[piece] for piece in pieces]
    for one, other in combinations(pieces, 2):
        if naive_tiou(one, other) > threshold:
            first = next(group for group in groups if any(piece is one for piece in group))
            second = next(group for group in groups if any(piece is other for piece in group))
            if first is not second:
                groups = [group for group in groups if group is not second]
                first += second
    return sorted(naive_union(group) for group in groups)


def naive_sweep(pieces, threshold):
    """Unions of neighbours by (start, end)."""
    kept = []
    for piece in sorted(pieces):
        if kept and naive_tiou(kept[-1], piece) > threshold:
            kept[-1] = naive_union([kept[-1], piece])
        else:
            kept.append(piece)
    return sorted(kept)


NAIVE_UNIONS = {
    "absorb": naive_absorb,
    "components": naive_components,
    "sweep": naive_sweep,
    "none": lambda pieces, threshold: sorted(pieces),
}


def naive_fuse(models, weights, threshold=0.5, missing="zero", union="absorb", decimals=3):
    """Fuse models {video: [(label, start, end, score)]} into {video: sorted [(label, start, end, score)]}.

    Bounds are compared and united in whole units of the rounding; models of weight 0 are left out.
    """
    voices = [(model, weight) for model, weight in zip(models, weights, strict=True) if weight > 0]
    unit = 10**decimals
    said = {}
    for number, (model, _) in enumerate(voices):
        for video, segments in model.items():
            for label, start, end, score in segments:
                key = (video, label, round(start * unit), round(end * unit))
                if key[2] < key[3]:
                    votes = said.setdefault(key, {})
                    votes[number] = max(score, votes.get(number, -math.inf))
    pieces = {(video, label): [] for video, label, _, _ in said}
    for (video, label, start, end), votes in said.items():
        voiced = math.fsum(voices[number][1] * score for number, score in votes.items())
        weight = math.fsum(weight for number, (_, weight) in enumerate(voices) if missing == "zero" or number in votes)
        pieces[video, label].append((start, end, voiced / weight))
    fused = {video: [] for model, _ in voices for video in model}
    for (video, label), listed in pieces.items():
        united = listed if threshold is None else NAIVE_UNIONS[union](listed, threshold)
        fused[video] += [(label, start / unit, end / unit, score) for start, end, score in united]
    return {video: sorted(segments) for video, segments in fused.items()}
