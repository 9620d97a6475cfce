"""What a run was and what it reached, as one JSON object for `runs.jsonl`."""

import math
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tsmfeat.errors import CheckpointError
from tsmfeat.files import canonical_json, is_safetensors, read_header, sha256_file, sha256_text
from tsmfeat.values.features import FeatureSpec
from tsmfeat.workflows.fit_options import FitOptions
from tsmfeat.workflows.repository import find_commit

if TYPE_CHECKING:
    from tsmfeat.workflows.ablation_report import AblationReport
    from tsmfeat.workflows.fit_report import FitReport
    from tsmfeat.workflows.score_report import ScoreReport
    from tsmfeat.workflows.tuning_report import TuneReport

Record = dict[str, Any]
"""JSON-able."""

RECORDED = ("fit-heads", "score", "tune", "ablate")
"""Commands that leave records."""

# A tenth of a second; what is larger is known by its size.
_MOST_HASHED_BYTES = 64 << 20


def describe_run(command: str, command_line: str, output: str | Path | None, parts: Mapping[str, Any]) -> Record:
    """Return a run's record: what its command knows of it, and when, with what and where it ran.

    Parameters
    ----------
    command
        One of `RECORDED`.
    command_line
        As a shell reads it.
    output
        What was written; None: nothing.
    parts
        Of `fit_parts` and the like.
    """
    record = {
        "command": command,
        "time": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "tsmfeat": version("tsmfeat"),
        "command_line": command_line,
        "git_commit": find_commit(Path.cwd()),
        "output": None if output is None else str(output),
        **parts,
    }
    ready: Record = _json_ready(record)
    return ready


def fit_parts(
    report: "FitReport", features: Sequence[str | Path], annotations: str | Path, options: FitOptions
) -> Record:
    """Return what `fit-heads` knows of its run; the score is that of the validation videos, or out of fold."""
    judged = report.validation or {}
    final = judged.get("final_score")
    num_folded = report.num_training_videos - report.pseudo.get("num_videos", 0)
    # The options are those asked for, in whose place a sweep puts others.
    setting = {"setting": dict(report.ranking[0].setting)} if report.num_runs > 1 else {}
    return {
        **setting,
        "options": asdict(options),
        "specs": _specs_of([report.out]),
        "annotations": describe_file(annotations),
        "inputs": [describe_store(path) for path in features],
        "scores": {
            "final_score": final,
            "validation_score": final,
            "map": judged.get("map"),
            "tiou_thresholds": judged.get("tiou_thresholds"),
            "scene_accuracy": judged.get("scene_accuracy"),
            "final_score_sd": report.folds.get("seeds_deviation") if report.folds else _seed_deviation(report),
            "judged_on": None if not judged else "out of fold" if report.folds else "validation",
            "num_videos": num_folded if report.folds else report.num_validation_videos,
        },
        "seconds": report.seconds,
    }


def _seed_deviation(report: "FitReport") -> float | None:
    """Return the deviation over the seeds of the setting that was kept; not a number, and so null, for one seed."""
    return report.ranking[0].deviation if report.ranking else None


def score_parts(report: "ScoreReport", features: Sequence[str | Path], annotations: str | Path) -> Record:
    """Return what `score` knows of its run; of a single heads checkpoint also its validation score."""
    found, bootstrap = report.evaluation, report.uncertainty.bootstrap
    return {
        "options": asdict(report.options),
        "specs": _specs_of(report.sources),
        "annotations": describe_file(annotations),
        "inputs": [*map(describe_file, report.sources), *map(describe_store, features)],
        "weights": list(report.weights),
        "scores": {
            "final_score": found.final_score,
            "interval": None if bootstrap is None else list(bootstrap.final_score),
            "validation_score": _validation_score(report.sources[0]) if len(report.sources) == 1 else None,
            "map": found.map.tolist(),
            "tiou_thresholds": list(found.tiou_thresholds),
            "scene_accuracy": report.scenes.top1,
            "judged_on": report.options.subset or "all",
            "protocol": found.protocol,
        },
        "seconds": report.seconds,
    }


def tune_parts(report: "TuneReport", features: Sequence[str | Path], annotations: str | Path) -> Record:
    """Return what `tune` knows of its run; the score is the honest one, with its deviation over the folds."""
    held = report.held_out
    return {
        "options": asdict(report.options),
        "specs": _specs_of(report.sources),
        "annotations": describe_file(annotations),
        "inputs": [*map(describe_file, report.sources), *map(describe_store, features)],
        "setting": asdict(report.setting),
        "scores": {
            "final_score": held.tuned_score,
            "final_score_sd": _deviation(held.tuned_of_folds),
            "default_score": held.default_score,
            "honest_gain": held.gain,
            "honest_gain_interval": list(held.interval),
            "optimistic_score": report.optimistic_score,
            "judged_on": f"{report.num_folds} folds",
            "num_videos": report.num_videos,
            "protocol": report.options.protocol,
        },
        "seconds": report.seconds,
    }


def ablate_parts(report: "AblationReport", features: Sequence[str | Path], annotations: str | Path) -> Record:
    """Return what `ablate` knows of its run; the score is that of the learned ensemble, or of the only features."""
    best = report.ensembles[-1] if report.ensembles else report.best_cell
    return {
        "options": asdict(report.options),
        "specs": [_describe_spec(spec) for spec in report.specs.values()],
        "annotations": describe_file(annotations),
        "inputs": [describe_store(path) for path in features],
        "scores": {
            "final_score": best.final_score,
            "final_score_sd": best.final_score_sd,
            "interval": list(best.interval),
            "map": best.map.tolist(),
            "tiou_thresholds": list(report.tiou_thresholds),
            "scene_accuracy": best.scene_accuracy,
            "cell": best.name,
            "cells": {cell.name: cell.final_score for cell in (*report.cells, *report.ensembles)},
            "judged_on": f"{report.options.num_folds} folds",
            "num_videos": report.num_videos,
            "protocol": "paper",
        },
        "seconds": report.seconds,
    }


def _deviation(values: Sequence[float]) -> float | None:
    known = [value for value in values if math.isfinite(value)]
    return float(np.std(known, ddof=1)) if len(known) > 1 else None


def describe_file(path: str | Path) -> Record:
    """Return a file's name, bytes and SHA-256 (of a folder: those of its files); a large file's digest is None."""
    path = Path(path)
    if not path.is_dir():
        size = path.stat().st_size
        return {"name": str(path), "bytes": size, "sha256": sha256_file(path) if size <= _MOST_HASHED_BYTES else None}
    inside = sorted(file for file in path.iterdir() if file.is_file())
    size = sum(file.stat().st_size for file in inside)
    small = size <= _MOST_HASHED_BYTES
    digests = {file.name: sha256_file(file) for file in inside} if small else {}
    return {"name": str(path), "bytes": size, "sha256": sha256_text(canonical_json(digests)) if small else None}


def describe_store(path: str | Path) -> Record:
    """Return a store's name, sizes and digest: of its spec, its videos and the checksums of their rows.

    Equal features have an equal digest, in one file or in many parts; no row is read. A folder may hold several kinds.
    """
    # Only heads have stores: scoring prediction files needs no HDF5, which takes a while to load.
    from tsmfeat.store.folders import expand_paths
    from tsmfeat.workflows.view_stores import open_by_spec

    with ExitStack() as stack:
        stores = open_by_spec(expand_paths(path), stack)
        checksums = [store.column("embedding_crc32").tolist() for store in stores]
        contents = [
            [store.spec.digest(), dict(zip(store.video_ids, column, strict=True))]
            for store, column in zip(stores, checksums, strict=True)
        ]
        return {
            "name": str(path),
            "num_videos": len({video_id for store in stores for video_id in store.video_ids}),
            "num_intervals": sum(store.num_intervals for store in stores),
            "sha256": sha256_text(canonical_json(contents[0] if len(contents) == 1 else contents)),
        }


def _specs_of(sources: Sequence[str]) -> list[Record]:
    """Return the specs of the features behind some sources, each once; prediction files tell none."""
    found = {}
    for source in sources:
        header = _header_of(source)
        content = header.get("spec")
        listed = content if isinstance(content, list) else [content] if isinstance(content, dict) else []
        for each in [*listed, *header.get("joined", [])]:
            spec = FeatureSpec.from_dict(each)
            found[spec.digest()] = _describe_spec(spec)
    return list(found.values())


def _describe_spec(spec: FeatureSpec) -> Record:
    return {"sha256": spec.digest(), "short": shorten_spec(spec), "fields": spec.to_dict()}


def shorten_spec(spec: FeatureSpec) -> str:
    """Return what tells features apart at a glance.

    Examples
    --------
    >>> shorten_spec(FeatureSpec("resnet18", "ab" * 32, 8, 0.5, 0.5, "square256", "pil", True, 8, "fp32", 512))
    'resnet18#ababab t0.5 T8 square256 shift fp32'
    """
    shift = "shift" if spec.shift else "no-shift"
    clip = f"clip{spec.clip_seconds:g} " if spec.clip_seconds != spec.step_seconds else ""
    return (
        f"{spec.trunk}#{spec.checkpoint_digest[:6]} t{spec.step_seconds:g} {clip}T{spec.num_frames} {spec.geometry} "
        f"{shift} {spec.precision} {spec.view}"
    ).rstrip()


def _validation_score(source: str) -> float | None:
    judged = _header_of(source).get("record", {}).get("validation") or {}
    score: float | None = judged.get("final_score")
    return score


def _header_of(source: str) -> Record:
    """Return the header of a file of ours; empty for any other."""
    with suppress(CheckpointError):
        if is_safetensors(Path(source)):
            return read_header(Path(source))
    return {}


def _json_ready(value: Any) -> Any:  # noqa: ANN401 - whatever JSON can hold
    """Return a value as JSON has it: lists, and null for NaN and infinity."""
    if isinstance(value, dict):
        return {str(key): _json_ready(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_json_ready(item) for item in value]
    if isinstance(value, np.generic):
        return _json_ready(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, str | int | float | bool | None) else str(value)
