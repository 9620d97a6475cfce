"""The failures of merged stores: one list beside the result, of the videos that none of the stores holds."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from tsmfeat.errors import InputError
from tsmfeat.store.folders import is_packed_output
from tsmfeat.values.progress import Progress
from tsmfeat.workflows.failures import Failure, failures_path, load_failures, save_failures
from tsmfeat.workflows.merge_sources import folders_of

_PATTERN = "failures*.csv"


def gather_failures(stores: Sequence[str | Path], progress: Progress) -> dict[str, Failure]:
    """Return what the runs that made some stores listed as failed; the row with the most attempts counts.

    A list that cannot be read costs only itself: it is named, and the stores are merged all the same.
    """
    gathered: dict[str, Failure] = {}
    for path in _lists_of(stores):
        try:
            listed = load_failures(path)
        except InputError as error:
            progress.warn(f"{error.message}; merged without it")
            continue
        for video_id, failure in listed.items():
            known = gathered.get(video_id)
            if known is None or failure.attempts > known.attempts:
                gathered[video_id] = failure
    return gathered


def _lists_of(stores: Sequence[str | Path]) -> list[Path]:
    folders = folders_of(stores)
    beside = [failures_path(Path(store)) for store in stores if is_packed_output(Path(store))]
    beside += [path for folder in folders for path in folder.glob(f"*.{_PATTERN}")]
    inside = [path for folder in folders for path in folder.glob(_PATTERN)]
    found = {path.resolve(): path for path in [*beside, *inside] if path.is_file()}
    return sorted(found.values())


def write_failures(out: Path, failures: dict[str, Failure], stored: Iterable[set[str]]) -> tuple[Path, int]:
    """List the videos that some of the merged stores lack, and drop an earlier list of the output.

    Parameters
    ----------
    out
        Where the stores were merged into.
    failures
        What `gather_failures` found.
    stored
        Ids of the videos of each store.

    Returns
    -------
    path, num_failed
        The list; there is none where nothing failed.
    """
    everywhere = set.intersection(*stored)
    left = {video_id: failure for video_id, failure in failures.items() if video_id not in everywhere}
    path = failures_path(out)
    save_failures(path, left, _known_ids(path) | everywhere)
    return path, len(left)


def _known_ids(path: Path) -> set[str]:
    try:
        return set(load_failures(path))
    except InputError:
        return set()
