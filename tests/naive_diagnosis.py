"""A slow diagnosis in plain Python, written from the words of DETAD's rules; imports nothing of ours.

predictions: (video, label, start, end, score) in file order; truths: (video, label, start, end) in file order.
"""

import math
from collections import Counter, defaultdict


def naive_overlap(one, other):
    inner = max(0.0, min(one[1], other[1]) - max(one[0], other[0]))
    union = (one[1] - one[0]) + (other[1] - other[0]) - inner
    return inner / union if union > 0 else 0.0


def naive_classes(truths):
    return list(dict.fromkeys(row[1] for row in truths))


def naive_ranked(predictions, label):
    own = [row for row in predictions if row[1] == label]
    return sorted(own, key=lambda row: -row[4])  # stable: equal scores in file order


def naive_assigned(ranked, truths, threshold):
    """For each detection of a class in rank order: index of the truth that it takes, or None."""
    taken, assigned = set(), []
    for video, label, start, end, _ in ranked:
        free = [
            (naive_overlap((start, end), truth[2:4]), index)
            for index, truth in enumerate(truths)
            if truth[0] == video and truth[1] == label and index not in taken
        ]
        fitting = [candidate for candidate in free if candidate[0] >= threshold]
        best = max(fitting)[1] if fitting else None
        taken.add(best)
        assigned.append(best)
    return assigned


def naive_outcome(row, is_hit, truths, threshold):
    if is_hit:
        return "true positive"
    best, best_label = 0.0, None
    for truth in truths:
        if truth[0] == row[0]:
            value = naive_overlap(row[2:4], truth[2:4])
            if best_label is None or value > best:
                best, best_label = value, truth[1]
    same = best_label == row[1]
    if best_label is not None and best >= threshold:
        return "double detection" if same else "wrong label"
    if best_label is not None and best >= 0.1:
        return "localisation" if same else "confusion"
    return "background"


def naive_precision_area(hits, num_truths, num_usual):
    """Area under normalised precision over recall; hits: true or false per detection."""
    points, positives = [], 0
    for count, hit in enumerate(hits, start=1):
        positives += hit
        recall = positives / num_truths
        points.append((recall, recall * num_usual / (recall * num_usual + count - positives) if positives else 0.0))
    area, reached = 0.0, 0.0
    for place, (recall, _) in enumerate(points):
        if recall > reached:
            area += (recall - reached) * max(precision for _, precision in points[place:])
            reached = recall
    return area


class NaiveDiagnosis:
    """Everything as plain numbers; `bucket` holds the bucket of each truth, of one characteristic."""

    KINDS = ("true positive", "double detection", "wrong label", "localisation", "confusion", "background")

    def __init__(self, predictions, truths, thresholds, bucket):
        self.truths, self.thresholds, self.bucket = truths, thresholds, bucket
        self.classes = naive_classes(truths)
        self.count = Counter(row[1] for row in truths)
        self.usual = len(truths) / len(self.classes)
        self.ranked = {label: naive_ranked(predictions, label) for label in self.classes}
        self.keys = [(label, t) for label in self.classes for t in thresholds]
        self.assigned = {(label, t): naive_assigned(self.ranked[label], truths, t) for label, t in self.keys}
        self.outcomes = {key: self._name_outcomes(*key) for key in self.keys}

    def _name_outcomes(self, label, t):
        rows = zip(self.ranked[label], self.assigned[label, t], strict=True)
        return [naive_outcome(row, truth is not None, self.truths, t) for row, truth in rows]

    def first(self, label, t):
        return self.outcomes[label, t][: 10 * self.count[label]]

    def counts(self):
        return [
            [sum(self.first(label, t).count(kind) for label in self.classes) for kind in self.KINDS]
            for t in self.thresholds
        ]

    def profile(self):
        portions = defaultdict(list)
        for label, t in self.keys:
            for place, name in enumerate(self.outcomes[label, t]):
                portions[place // self.count[label]].append(name)
        return [[mean([name == kind for name in portions[g]]) for kind in self.KINDS] for g in range(10)]

    def first_map(self, plain, without=None):
        areas = []
        for label, t in self.keys:
            hits = [name == "true positive" for name in self.first(label, t) if name != without]
            usual = self.count[label] if plain else self.usual
            areas.append(naive_precision_area(hits, self.count[label], usual))
        return mean(areas)

    def cost(self, plain):
        return [self.first_map(plain, kind) - self.first_map(plain) for kind in self.KINDS[1:]]

    def map_n(self):
        areas = []
        for label, t in self.keys:
            hits = [truth is not None for truth in self.assigned[label, t]]
            areas.append(naive_precision_area(hits, self.count[label], self.usual))
        return mean(areas)

    def bucket_map(self, wanted):
        areas = []
        for label in self.classes:
            here = [row[1] == label and self.bucket[i] == wanted for i, row in enumerate(self.truths)]
            if any(here):
                areas += self._bucket_areas(label, here)
        return mean(areas)

    def _bucket_areas(self, label, here):
        taken = [[self.assigned[label, t][place] for t in self.thresholds] for place in range(len(self.ranked[label]))]
        kept = [row for row in taken if all(truth is None or here[truth] for truth in row)]
        columns = range(len(self.thresholds))
        return [naive_precision_area([row[k] is not None for row in kept], sum(here), self.usual) for k in columns]

    def found(self, t):
        seen = set()
        for label in self.classes:
            positives = 0
            for rank, truth in enumerate(self.assigned[label, t], start=1):
                positives += truth is not None
                weight = positives / self.count[label] * self.usual
                if truth is not None and weight / (weight + rank - positives) > 0.05:
                    seen.add(truth)
        return seen

    def missed(self, wanted=None):
        inside = {i for i, bucket in enumerate(self.bucket) if wanted is None or bucket == wanted}
        if not inside:
            return math.nan
        return 1 - mean([len(self.found(t) & inside) / len(inside) for t in self.thresholds])


def mean(values):
    return sum(values) / len(values) if values else math.nan
