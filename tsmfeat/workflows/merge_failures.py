"""The failures of merged stores: one list beside the result, of the videos that none of the stores holds."""

from collections.abc import Mapping, Sequence, Set
from pathlib import Path

from tsmfeat.errors import InputError
from tsmfeat.store.folders import is_packed_output
from tsmfeat.values.progress import Progress
from tsmfeat.workflows.failures import Failure, failures_path, load_failures, save_failures
from tsmfeat.workflows.merge_sources import folders_of

# The view of a store's features, and the ids of its videos.
StoredVideos = tuple[str, Set[str]]
_PATTERN = "failures*.csv"


def gather_failures(stores: Sequence[str | Path], progress: Progress) -> dict[str, Failure]:
    """Return what the runs that made some stores listed as failed, by `Failure.key`; the most attempts count.

    A list that cannot be read costs only itself: it is named, and the stores are merged all the same.
    """
    gathered: dict[str, Failure] = {}
    for path in _lists_of(stores):
        try:
            listed = load_failures(path)
        except InputError as error:
            progress.warn(f"{error.message}; merged without it")
            continue
        for key, failure in listed.items():
            known = gathered.get(key)
            if known is None or failure.attempts > known.attempts:
                gathered[key] = failure
    return gathered


def _lists_of(stores: Sequence[str | Path]) -> list[Path]:
    folders = folders_of(stores)
    beside = [failures_path(Path(store)) for store in stores if is_packed_output(Path(store))]
    beside += [path for folder in folders for path in folder.glob(f"*.{_PATTERN}")]
    inside = [path for folder in folders for path in folder.glob(_PATTERN)]
    found = {path.resolve(): path for path in [*beside, *inside] if path.is_file()}
    return sorted(found.values())


def write_failures(out: Path, failures: Mapping[str, Failure], stored: Sequence[StoredVideos]) -> tuple[Path, int]:
    """List the videos that some merged store of their view lacks, in the place of an earlier list of the output.

    Parameters
    ----------
    out
        Where the stores were merged into.
    failures
        What `gather_failures` found.
    stored
        What each merged store holds.

    Returns
    -------
    path, num_failed
        The list; there is none where nothing failed.
    """
    left = {key: failure for key, failure in failures.items() if not _is_stored(failure, stored)}
    path = failures_path(out)
    save_failures(path, left, _listed_keys(path))
    return path, len(left)


def _is_stored(failure: Failure, stored: Sequence[StoredVideos]) -> bool:
    of_view = [failure.video_id in video_ids for view, video_ids in stored if view == failure.view]
    return bool(of_view) and all(of_view)


def _listed_keys(path: Path) -> set[str]:
    try:
        return set(load_failures(path))
    except InputError:
        return set()
