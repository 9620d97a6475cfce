"""Detections for the diagnosis that hold every kind of error and no equal scores, made without chance."""

import gzip
import json


def read_json(path):
    content = path.read_bytes()
    return json.loads(gzip.decompress(content) if path.suffix == ".gz" else content)


def spoil(results):
    """Move each detection, name every ninth wrongly, repeat every fourth, and give each a score of its own."""
    labels = sorted({row["label"] for rows in results.values() for row in rows})
    spoilt, number = {}, 0
    for video, rows in results.items():
        spoilt[video] = []
        for row in rows:
            for copy in range(2 if number % 4 == 0 else 1):
                start, end = row["segment"]
                move = ((number * 7919 + copy * 331) % 1000 / 1000 - 0.5) * (end - start)
                label = labels[(labels.index(row["label"]) + (number % 9 == 0)) % len(labels)]
                score = 1 - ((number * 2 + copy) * 4099 % 16001) / 20000
                spoilt[video].append({"label": label, "segment": [start + move, end + move / 2], "score": score})
            number += 1
    return spoilt


def keep_comparable(results, database, subset):
    """Leave out what DETAD cannot take: unknown labels, and videos without a truth that it keeps.

    Its script compares the second and later detections of a video without truth with the truths of another video.
    """
    of_subset = {name: video for name, video in database.items() if video["subset"] == subset}
    labels = {truth["label"] for video in of_subset.values() for truth in video["annotations"]}
    known = {
        name
        for name, video in of_subset.items()
        if any(
            0 < truth["segment"][1] - truth["segment"][0] <= video.get("duration", float("inf"))
            for truth in video["annotations"]
        )
    }
    return {name: [row for row in rows if row["label"] in labels] for name, rows in results.items() if name in known}
