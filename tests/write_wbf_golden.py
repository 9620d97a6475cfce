"""Write tests/data/fusion/wbf_1d.json with the real package: pip install ensemble-boxes==1.0.9, then run this."""

import json
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np

SETTINGS = (
    (0.55, [1, 1, 1], 12),
    (0.3, [3, 1], 14),
    (0.5, [1, 2, 0.5, 1, 0.25], 9),
    (0.7, [0.6, 0.4], 16),
    (0, [1, 1], 8),
)


def make_case(rng, threshold, weights, count):
    """Segments of 0..1 jittered about five centres, to four decimals."""
    from ensemble_boxes.ensemble_boxes_wbf_1d import weighted_boxes_fusion_1d

    boxes, scores, labels = [], [], []
    centre, length, kind = rng.uniform(0.1, 0.9, 5), rng.uniform(0.05, 0.3, 5), rng.integers(0, 2, 5)
    for _ in weights:
        pick = rng.integers(0, 5, count)
        start = np.clip(centre[pick] - length[pick] / 2 + rng.normal(0, 0.02, count), 0, 1)
        end = np.clip(centre[pick] + length[pick] / 2 + rng.normal(0, 0.02, count), 0, 1)
        start = np.maximum(np.round(np.minimum(start, end - 0.01), 4), 0)
        boxes.append(np.stack([start, np.round(end, 4)], axis=1).tolist())
        labels.append(kind[pick].tolist())
        scores.append(np.round(rng.uniform(0.01, 1, count), 6).tolist())
    found = weighted_boxes_fusion_1d(boxes, scores, labels, weights=weights, iou_thr=threshold)
    rows = [[int(label), *np.round([*box, score], 8).tolist()] for box, score, label in zip(*found, strict=True)]
    case = {"iou_thr": threshold, "weights": weights, "boxes": boxes, "scores": scores, "labels": labels}
    return case | {"expected": sorted(rows)}


def main():
    """Write the file."""
    rng = np.random.default_rng(11)
    made_with = (
        f"write_wbf_golden.py: weighted_boxes_fusion_1d, conf_type avg, ensemble-boxes {version('ensemble-boxes')}"
    )
    content = {"made_with": made_with, "cases": [make_case(rng, *setting) for setting in SETTINGS]}
    (Path(__file__).parent / "data" / "fusion" / "wbf_1d.json").write_text(json.dumps(content) + "\n")


if __name__ == "__main__":
    sys.exit(main())
