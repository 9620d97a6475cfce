"""Checks of a feature store, over all its files: indexes, specs, copies, and on demand every row."""

from collections.abc import Sequence
from pathlib import Path

from tsmfeat.errors import InputError, SpecMismatchError
from tsmfeat.store.folders import expand_paths, output_files
from tsmfeat.store.packing import find_damaged, find_differing_copies
from tsmfeat.store.reader import FeatureStore, open_features
from tsmfeat.store.validation import FileIndex, read_index


def check_store(path: Path, deep: bool) -> list[str]:
    """Return what is wrong with a store; its files are judged one by one, so that one does not hide another.

    Parameters
    ----------
    path
        A store file, a folder of parts, or the output of an extraction that has not been packed yet.
    deep
        Whether every row is read: its checksum, and whether it is finite.

    Raises
    ------
    StoreError
        There is nothing to check.
    """
    problems: list[str] = []
    indexes: list[FileIndex] = []
    for file in output_files(path) or expand_paths(path):
        try:
            indexes.append(read_index(file))
        except (InputError, SpecMismatchError) as error:
            problems.append(error.message if file != path else error.message.removeprefix(f"{path}: "))
    problems += _other_specs(indexes)
    same = [index.path for index in indexes if index.spec == indexes[0].spec]
    if same:
        with open_features(same) as store:
            problems += _check_rows(store, deep)
    return problems


def _other_specs(indexes: Sequence[FileIndex]) -> list[str]:
    first = indexes[0] if indexes else None
    return [
        f"{index.path}: belongs to other features than {first.path}: {', '.join(first.spec.differences(index.spec))}"
        for index in indexes
        if first is not None and index.spec != first.spec
    ]


def _check_rows(store: FeatureStore, deep: bool) -> list[str]:
    damaged = find_damaged(store) if deep else []
    if damaged:
        return [video.reason for video in damaged]
    try:
        differing = find_differing_copies(store)
    except InputError as error:
        return [error.message]
    return [
        f"video {video_id!r}: stored twice, with embeddings that differ by more than rounding; the first by file name "
        "counts"
        for video_id in differing
    ]
