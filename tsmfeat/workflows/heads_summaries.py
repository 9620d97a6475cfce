"""What a heads checkpoint holds."""

from pathlib import Path
from typing import Any

from tsmfeat.files import read_header
from tsmfeat.heads.checkpoint import load_heads


def describe_heads(path: Path) -> dict[str, Any]:
    """Return what ``tsmfeat inspect --json`` prints about heads.

    Raises
    ------
    CheckpointError
        Not heads of ours, or damaged.
    SpecMismatchError
        Written by another version.
    """
    heads = load_heads(path)
    return {
        "kind": "heads",
        "head": heads.weights.kind,
        "path": str(path),
        "version": read_header(path)["version"],
        "tasks": ["action", "scene"] if heads.weights.num_scenes else ["action"],
        "spec": heads.spec.to_dict(),
        "joined": [spec.to_dict() for spec in heads.joined],
        "classes": list(heads.vocabulary.names),
        "scenes": list(heads.scene_vocabulary.names),
        "options": heads.options,
        "record": heads.record,
        "validation": heads.record.get("validation"),
        "num_bytes": path.stat().st_size,
    }
