"""A folder of arrays becomes a feature store: features of any other tool, or arrays that a store was exported to."""

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tsmfeat.errors import ConfigurationError, InputError
from tsmfeat.files import canonical_json, sha256_text
from tsmfeat.formats.row_checks import refuse_problems
from tsmfeat.store.folders import files_in, is_packed_output, parts_folder
from tsmfeat.store.streaming import VideoRecord, write_records
from tsmfeat.store.validation import read_index
from tsmfeat.values.features import FeatureSpec, require_same_spec
from tsmfeat.values.progress import Progress, Silence
from tsmfeat.workflows.array_counts import KnownVideos, known_videos
from tsmfeat.workflows.array_files import INDEX_NAME, ArrayFile, checksum_rows, find_arrays, float16_blocks, read_shape
from tsmfeat.workflows.array_index import read_array_index
from tsmfeat.workflows.array_options import ArrayOptions
from tsmfeat.workflows.kinds import require_replaceable

_SILENCE = Silence()
_DEFAULTS = ArrayOptions()
_ABSENT = "none"


@dataclass(frozen=True)
class ArrayReport:
    """What a conversion between arrays and a store read and wrote.

    Parameters
    ----------
    out
        What was written.
    kind
        What it is: ``"features"`` or ``"arrays"``.
    spec
        Fields of the features' `FeatureSpec`.
    num_videos, num_intervals
        Videos, and rows of all of them.
    num_cut
        Videos whose last row was left out, since their duration has no interval for it.
    num_short
        Videos that lack the row of their last interval.
    num_without_array
        Videos of ``--against`` that have no array.
    seconds
        Wall time.
    """

    out: str
    kind: str
    spec: dict[str, Any]
    num_videos: int
    num_intervals: int
    num_cut: int
    num_short: int
    num_without_array: int
    seconds: float


def import_arrays(
    folder: Path, out: Path, options: ArrayOptions = _DEFAULTS, progress: Progress = _SILENCE
) -> ArrayReport:
    """Write the arrays of a folder into one store file.

    Every file is checked to its last value before anything is written, and all that is wrong is listed at once. Rows
    are read through a memory map, a few megabytes at a time.

    Parameters
    ----------
    folder
        ``.npy`` files of one video each, float16, float32 or float64 (N, D): one row an interval. Where it has a
        `features.json`, as an exported store has, that says what the arrays are.
    out
        The ``.h5`` file. A store of the same spec is replaced.
    options
        What the arrays are; the name and the step are required where there is no `features.json`.
    progress
        Told of every video, and of rows left out.

    Raises
    ------
    ConfigurationError
        Something is not declared, or declared in vain; or `out` is no place for a store file.
    InputError
        Files that are damaged, of several embedding sizes, with values float16 cannot hold, or of other lengths than
        those they are checked against.
    SpecMismatchError
        `out` holds features of another spec.
    OutputError
        No room, or the folder cannot be written.
    """
    began = time.monotonic()
    present = _present_spec(out)
    indexed = (folder / INDEX_NAME).exists()
    if indexed:
        spec, records, arrays = _read_exported(folder, options, progress)
        report = _report(out, spec, records, ({}, 0))
    else:
        spec, records, arrays, known = _read_declared(folder, options, progress)
        report = _report(out, spec, records, (known.changes, len(known.counts.keys() - arrays.keys())))
    if present is not None:
        require_same_spec(present, spec, str(out), "these arrays")
    write_records(out, spec, records, lambda record: float16_blocks(arrays[record.video_id], record.num_intervals))
    return replace(report, seconds=time.monotonic() - began)


def _present_spec(out: Path) -> FeatureSpec | None:
    """Refuse an output that cannot be one; return the spec of the store that is there, if any."""
    if not is_packed_output(out):
        raise ConfigurationError(
            f"{out}: arrays become one store file, and its name ends in .h5",
            f"use {out}.h5; or --from FORMAT, where annotations beside the arrays are meant",
        )
    if present := files_in(parts_folder(out)):
        raise ConfigurationError(
            f"{present[0].parent}: holds parts of an extraction into {out}", "finish that one, or choose another name"
        )
    if not out.exists():
        return None
    require_replaceable(out, "features")
    return read_index(out).spec if out.stat().st_size else None


def _read_exported(
    folder: Path, options: ArrayOptions, progress: Progress
) -> tuple[FeatureSpec, list[VideoRecord], dict[str, ArrayFile]]:
    if options != _DEFAULTS:
        raise ConfigurationError(
            f"{folder}: its {INDEX_NAME} says what the arrays are, and options do too",
            f"leave the options out; or remove {INDEX_NAME}, if the arrays are no longer those it speaks of",
        )
    index = read_array_index(folder)
    found = {path.name: path for path in find_arrays(folder, "path")[0].values() if path.parent == folder}
    problems = [f"{name}: is missing" for name in sorted(set(index.names.values()) - set(found))]
    problems += [f"{name}: {INDEX_NAME} does not name it" for name in sorted(set(found) - set(index.names.values()))]
    arrays, unreadable = _read_shapes({v: found[name] for v, name in index.names.items() if name in found}, folder)
    problems += unreadable
    progress.begin("check", len(arrays), "videos")
    for record in index.records:
        if array := arrays.get(record.video_id):
            problems += _differences(array, record, index.spec.embedding_size)
            progress.advance(1, record.video_id)
    progress.end()
    refuse_problems(folder, problems)
    return index.spec, list(index.records), arrays


def _differences(array: ArrayFile, record: VideoRecord, size: int) -> list[str]:
    """Return how an array differs from what was exported, as no or one problem."""
    name = array.path.name
    if array.shape != (record.num_intervals, size):
        return [f"{name}: has shape {array.shape}; {INDEX_NAME} says {(record.num_intervals, size)}"]
    try:
        same = checksum_rows(array, record.num_intervals) == record.embedding_crc32
    except ValueError as error:
        return [f"{name}: {error}"]
    return [] if same else [f"{name}: holds other values than those {INDEX_NAME} was written for"]


def _read_declared(
    folder: Path, options: ArrayOptions, progress: Progress
) -> tuple[FeatureSpec, list[VideoRecord], dict[str, ArrayFile], KnownVideos]:
    if not options.name or options.step_seconds is None:
        raise ConfigurationError(
            f"{folder}: arrays do not say what made them, nor how far apart their rows are",
            "declare both, for example --name vggish --step 0.5",
        )
    found, problems = find_arrays(folder, options.id_rule)
    if not found and not problems:
        raise InputError(f"{folder}: no .npy file in it but hidden ones", "name a folder of arrays")
    arrays, unreadable = _read_shapes(found, folder)
    problems += unreadable + _other_sizes(arrays, folder)
    known = known_videos({v: array.shape[0] for v, array in arrays.items()}, options, progress)
    problems += known.problems
    records = []
    progress.begin("check", len(arrays), "videos")
    for video_id, array in arrays.items():
        count = known.taken.get(video_id, array.shape[0])
        try:
            records.append(_record(video_id, array, count, options, known.durations))
        except ValueError as error:
            problems.append(f"{array.path.relative_to(folder).as_posix()}: {error}")
        progress.advance(1, video_id)
    progress.end()
    refuse_problems(folder, problems)
    size = next(iter(arrays.values())).shape[1]
    return declared_spec(options, options.step_seconds, size), records, arrays, known


def _read_shapes(files: Mapping[str, Path], folder: Path) -> tuple[dict[str, ArrayFile], list[str]]:
    arrays, problems = {}, []
    for video_id, path in files.items():
        try:
            arrays[video_id] = read_shape(path)
        except ValueError as error:
            problems.append(f"{path.relative_to(folder).as_posix()}: {error}")
    return arrays, problems


def _other_sizes(arrays: Mapping[str, ArrayFile], folder: Path) -> list[str]:
    sizes = Counter(array.shape[1] for array in arrays.values())
    if len(sizes) < 2:
        return []
    usual, count = sizes.most_common(1)[0]
    return [
        f"{a.path.relative_to(folder).as_posix()}: rows of {a.shape[1]} values; {count:,} files have {usual}"
        for a in arrays.values()
        if a.shape[1] != usual
    ]


def _record(
    video_id: str, array: ArrayFile, count: int, options: ArrayOptions, durations: Mapping[str, float]
) -> VideoRecord:
    crc = checksum_rows(array, count)
    # Without better knowledge a video ends with its last row.
    duration = durations.get(video_id, count * (options.step_seconds or 0.0))
    return VideoRecord(video_id, count, crc, np.full(count, options.num_frames, np.uint8), duration)


def declared_spec(options: ArrayOptions, step_seconds: float, embedding_size: int) -> FeatureSpec:
    """Return the spec of features that another tool computed, by what the user declares.

    The checkpoint's digest is that of the declared name and origin: there are no weights to take one of.

    Examples
    --------
    >>> spec = declared_spec(ArrayOptions("vggish", origin="AudioSet, 2017"), 0.5, 128)
    >>> spec.trunk, spec.geometry, spec.shift, spec.clip_seconds
    ('npy:vggish', 'none', False, 0.5)
    """
    declared = canonical_json({"name": options.name, "origin": options.origin})
    return FeatureSpec(
        options.trunk,
        sha256_text(declared),
        options.num_frames,
        step_seconds,
        step_seconds if options.clip_seconds is None else options.clip_seconds,
        _ABSENT,
        _ABSENT,
        False,
        8,
        "fp32",
        embedding_size,
        options.view,
    )


def _report(
    out: Path, spec: FeatureSpec, records: list[VideoRecord], changes: tuple[Mapping[str, int], int]
) -> ArrayReport:
    by_video, num_without_array = changes
    return ArrayReport(
        str(out),
        "features",
        spec.to_dict(),
        len(records),
        sum(record.num_intervals for record in records),
        sum(change < 0 for change in by_video.values()),
        sum(change > 0 for change in by_video.values()),
        num_without_array,
        0.0,
    )
