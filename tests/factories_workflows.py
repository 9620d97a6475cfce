"""A small data set on disk: annotations and stores whose features tell actions and scenes apart."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
from factories_store import make_features, make_spec, write_parts

ACTIONS = ("run", "eat", "read")
SCENES = ("kitchen", "garden")
SUBSETS = {"training": 12, "validation": 4, "testing": 4}
SIZE = 8


def make_database(counts=SUBSETS, seed=0):
    """Return ActivityNet's `database`: segments of whole seconds, so that grids of 0.5 and 1 s can hit every bound."""
    rng = np.random.default_rng(seed)
    subsets = [name for name, count in counts.items() for _ in range(count)]
    return {f"video {index:02}": _make_video(rng, index, subset) for index, subset in enumerate(subsets)}


def _make_video(rng, index, subset):
    at, annotations = 1, []
    for turn in range(4):
        end = at + int(rng.integers(1, 4))
        annotations.append({"label": ACTIONS[(index + turn) % 3], "segment": [float(at), float(end)]})
        at = end + int(rng.integers(1, 3))
    return {"subset": subset, "duration": at + 0.25, "scene": SCENES[index % 2], "annotations": annotations}


def write_database(path: Path, database) -> Path:
    path.write_text(json.dumps({"version": "1", "database": database}))
    return path


def write_store(folder: Path, database, spec=None, noise=0.3, seed=0) -> Path:
    """Publish features that are one-hot in action and scene, plus noise."""
    spec = spec or make_spec(SIZE)
    rng = np.random.default_rng(seed)
    videos = []
    for video_id, video in database.items():
        features = make_features(rng, video_id, int(video["duration"] / spec.step_seconds), SIZE)
        rows = rng.normal(0.0, noise, features.embeddings.shape)
        for entry in video["annotations"]:
            first, last = (round(bound / spec.step_seconds) for bound in entry["segment"])
            rows[first:last, ACTIONS.index(entry["label"])] += 4.0
        rows[:, 3 + SCENES.index(video["scene"])] += 4.0
        videos.append(replace(features, embeddings=rows.astype(np.float16), duration_seconds=float(video["duration"])))
    write_parts(folder, videos, 8, spec)
    return folder


def write_predictions_file(path: Path, results, scenes=None) -> Path:
    content = {"version": "1", "results": results, "external_data": {}}
    path.write_text(json.dumps(content if scenes is None else content | {"scenes": scenes}))
    return path


def perfect_results(database, subset="testing", score=0.9):
    """Return `results` that say exactly what is annotated."""
    return {
        video_id: [{**entry, "score": score} for entry in video["annotations"]]
        for video_id, video in database.items()
        if video["subset"] == subset
    }
