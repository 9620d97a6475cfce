"""A pyramid place by place: layout, forward pass, targets, losses, suppression. Imports nothing of ours."""

import math

import numpy as np


def naive_places(lengths: list[int], num_levels: int) -> list[tuple[int, int, int]]:
    """Return (level, video, index) of every place, in order."""
    found = []
    for level in range(num_levels):
        for video, length in enumerate(lengths):
            found += [(level, video, index) for index in range(math.ceil(length / 2**level))]
    return found


def naive_settle(body: dict, key: str, value: np.ndarray) -> np.ndarray:
    mean = sum(value) / len(value)
    variance = sum((entry - mean) ** 2 for entry in value) / len(value)
    normal = (value - mean) / math.sqrt(variance + 1e-5)
    return np.maximum(normal * body[f"{key}_scale"] + body[f"{key}_shift"], 0)


def naive_convolve(body: dict, key: str, rows: list[np.ndarray]) -> list[np.ndarray]:
    weight, bias = body[f"{key}_weight"], body[f"{key}_bias"]
    size = weight.shape[1] // 3
    found = []
    for index in range(len(rows)):
        value = bias.copy()
        for tap, neighbour in enumerate((index - 1, index, index + 1)):
            if 0 <= neighbour < len(rows):
                value = value + weight[:, tap * size : (tap + 1) * size] @ rows[neighbour]
        found.append(naive_settle(body, key, value))
    return found


def naive_tower(body: dict, name: str, rows: list[np.ndarray]) -> list[np.ndarray]:
    layer = 0
    while f"{name}{layer}_weight" in body:
        rows = naive_convolve(body, f"{name}{layer}", rows)
        layer += 1
    return rows


def naive_run(body: dict, video: np.ndarray) -> list[list[tuple]]:
    """Return the (scores, distances) of every place of every level of one video, in float64."""
    body = {name: np.asarray(values, np.float64) for name, values in body.items()}
    rows = [naive_settle(body, "input", body["input_weight"] @ row + body["input_bias"]) for row in video]
    rows = naive_tower(body, "base", rows)
    levels = []
    for level, scale in enumerate(body["level_scale"]):
        if level:
            middles = range(0, len(rows), 2)
            rows = [np.max([rows[k] for k in (i - 1, i, i + 1) if 0 <= k < len(rows)], axis=0) for i in middles]
        logits = [body["class_weight"] @ row + body["class_bias"] for row in naive_tower(body, "class", rows)]
        scores = [1 / (1 + np.exp(-logit)) for logit in logits]
        bounds = [body["bounds_weight"] @ row + body["bounds_bias"] for row in naive_tower(body, "bounds", rows)]
        levels.append([(s, np.log1p(np.exp(scale * b))) for s, b in zip(scores, bounds, strict=True)])
    return levels


def naive_targets(lengths: list[int], num_levels: int, segments: list[tuple]) -> dict[int, tuple]:
    """Return {place: (labels, left, right)}; segments are (video, label, start, end) in intervals."""
    found, is_used = {}, set()
    places = naive_places(lengths, num_levels)
    candidates = {}
    for place, (level, video, index) in enumerate(places):
        stride, centre = 2**level, index * 2**level + 0.5
        low = 2 * stride if level else 0
        high = 4 * stride if level < num_levels - 1 else math.inf
        for number, (owner, _, start, end) in enumerate(segments):
            left, right = centre - start, end - centre
            near_middle = abs(centre - (start + end) / 2) < 1.5 * stride
            if owner == video and left > 0 and right > 0 and near_middle and low <= max(left, right) <= high:
                candidates.setdefault(place, []).append(number)
                is_used.add(number)
    for number, (owner, _, start, end) in enumerate(segments):
        middle = math.floor((start + end) / 2)
        if number not in is_used and end - start < 1 and 0 <= middle < lengths[owner]:
            candidates.setdefault(places.index((0, owner, middle)), []).append(number)
    for place, numbers in candidates.items():
        level, _, index = places[place]
        stride, centre = 2**level, index * 2**level + 0.5
        sizes = {number: segments[number][3] - segments[number][2] for number in numbers}
        shortest = min(sizes.values())
        chosen = next(number for number in sorted(numbers) if sizes[number] == shortest)
        labels = {segments[number][1] for number in numbers if sizes[number] <= shortest + 1e-3}
        _, _, start, end = segments[chosen]
        found[place] = labels, max(centre - start, 0) / stride, max(end - centre, 0) / stride
    return found


def naive_focal(logit: float, target: int) -> float:
    p = 1 / (1 + math.exp(-logit))
    return -0.25 * (1 - p) ** 2 * math.log(p) if target else -0.75 * p**2 * math.log(1 - p)


def naive_distance_iou(found: tuple[float, float], wanted: tuple[float, float]) -> float:
    """Loss of two segments round 0, from their bounds alone."""
    (a, b), (c, d) = (-found[0], found[1]), (-wanted[0], wanted[1])
    inside = max(0.0, min(b, d) - max(a, c))
    union = (b - a) + (d - c) - inside
    span = max(b, d) - min(a, c)
    return 1 - inside / union + ((a + b) / 2 - (c + d) / 2) ** 2 / span**2


def naive_tiou(a: tuple[float, float], b: tuple[float, float]) -> float:
    inside = max(0.0, min(a[1], b[1]) - max(a[0], b[0]))
    return inside / ((a[1] - a[0]) + (b[1] - b[0]) - inside)


def naive_soft_suppression(segments: list[list], sigma: float) -> list[list]:
    """Segments are [label, start, end, score]; return them with their weakened scores."""
    left, settled = [list(segment) for segment in segments], []
    while left:
        best = max(left, key=lambda segment: (segment[3], -segment[1], -segment[2]))
        left.remove(best)
        settled.append(best)
        for other in left:
            if other[0] == best[0]:
                other[3] *= math.exp(-(naive_tiou(best[1:3], other[1:3]) ** 2) / sigma)
    return settled
