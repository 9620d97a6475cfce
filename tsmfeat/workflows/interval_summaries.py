"""What a file of interval scores holds."""

from pathlib import Path
from typing import Any

import numpy as np

from tsmfeat.formats.interval_scores import read_with_header


def describe_interval_scores(path: Path) -> dict[str, Any]:
    """Return what ``tsmfeat inspect --json`` prints about interval scores.

    Raises
    ------
    CheckpointError
        Not interval scores of ours, or damaged.
    SpecMismatchError
        Written by another version.
    """
    found, header = read_with_header(path)
    counts = np.diff(found.row_offset).tolist()
    columns = zip(found.video_ids, counts, found.duration_seconds.tolist(), strict=True)
    return {
        "kind": "interval-scores",
        "path": str(path),
        "version": header["version"],
        "num_videos": len(found.video_ids),
        "num_intervals": len(found.scores),
        "num_undefined": int(np.isnan(found.scores).any(axis=1).sum()),
        "step_seconds": found.step_seconds,
        "dtype": found.scores.dtype.name,
        "classes": list(found.vocabulary.names),
        "scenes": list(found.scene_vocabulary.names),
        "spec": header["spec"],
        "record": header["record"],
        "videos": [
            {"video_id": name, "num_intervals": count, "duration_seconds": length if np.isfinite(length) else None}
            for name, count, length in columns
        ],
        "num_bytes": path.stat().st_size,
    }
