"""Simulated test sets: truths of many videos, and systems that find them with a given chance."""

import numpy as np
from factories_metrics import annotations_of, predictions_of

LABELS = [f"action{k}" for k in range(8)]


def simulated_truths(random, num_videos, per_video=3):
    """Truths ten seconds apart; most of a video's are of one class."""
    rows = []
    for video in range(num_videos):
        main = random.integers(len(LABELS))
        for place in range(1 + random.poisson(per_video)):
            label = main if random.random() < 0.7 else random.integers(len(LABELS))
            rows.append((f"v{video}", LABELS[label], 10.0 * place, 10.0 * place + 5))
    return rows


def simulated_predictions(random, truths, chance, scale=1.0):
    """Each truth is found with a chance, three false alarms a video; `scale` bends the scores without reordering."""
    rows = [(*truth, random.normal(1, 1)) for truth in truths if random.random() < chance]
    for video in dict.fromkeys(row[0] for row in truths):
        for place in range(3):
            start = 1000.0 + 10 * place
            rows.append((video, LABELS[random.integers(len(LABELS))], start, start + 5, random.normal(0, 1)))
    return [(*row[:4], float(1 / (1 + np.exp(-row[4]))) ** scale) for row in rows]


def simulated_set(seed, num_videos, chances, scales=(1.0, 1.0)):
    """Return annotations, and predictions of one system a chance."""
    random = np.random.default_rng(seed)
    truths = simulated_truths(random, num_videos)
    systems = [
        predictions_of(simulated_predictions(random, truths, chance, scale), labels=LABELS)
        for chance, scale in zip(chances, scales, strict=True)
    ]
    return annotations_of(truths, [f"v{video}" for video in range(num_videos)], LABELS), systems
