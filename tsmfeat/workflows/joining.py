"""Views of the same videos joined on the time grid: a row holds what each view shows of one interval."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from tsmfeat.errors import InputError
from tsmfeat.heads.views import JoinedViews
from tsmfeat.values.progress import Progress
from tsmfeat.workflows.inference import GatheredFeatures, gather_features

if TYPE_CHECKING:
    # Opening stores loads HDF5, which prediction files do not need.
    from tsmfeat.store.reader import FeatureStore


def gather_joined(stores: "Sequence[FeatureStore]", video_ids: Sequence[str]) -> GatheredFeatures:
    """Read some videos of one store a view into memory, joined.

    Parameters
    ----------
    stores
        One a view, of one step.
    video_ids
        Each is in one of the stores at least.

    Raises
    ------
    InputError
        A video is in none of the stores.
    """
    if len(stores) == 1:
        return gather_features(stores[0], video_ids)
    parts = [gather_features(store, [name for name in video_ids if name in store]) for store in stores]
    return join_features(parts, video_ids)


def join_features(parts: Sequence[GatheredFeatures], video_ids: Sequence[str]) -> GatheredFeatures:
    """Lay the views of some videos side by side, interval by interval; nothing is interpolated.

    Parameters
    ----------
    parts
        One a view, of one step; each holds some of the videos, whole.
    video_ids
        Each is in one of the parts at least.

    Returns
    -------
    GatheredFeatures
        A video has as many intervals as the longest of its views, and the duration of the longest. Rows beyond a
        view's end, and those of a view that is not there, are 0 and told by `GatheredFeatures.views`. One part alone
        is taken as it is.

    Raises
    ------
    InputError
        A video is in none of the parts.

    Examples
    --------
    >>> def gathered(count, value):
    ...     rows = np.full((count, 1), value, np.float16)
    ...     return GatheredFeatures(("a",), rows, np.array([0, count]), 0.5, np.array([count / 2]))
    >>> joined = join_features([gathered(1, 5), gathered(2, 7)], ["a"])
    >>> joined.embeddings.tolist(), joined.views.present.tolist(), joined.duration_seconds.tolist()
    ([[5.0, 7.0], [0.0, 7.0]], [[True, True], [False, True]], [1.0])
    """
    if len(parts) == 1:
        return parts[0]
    places = [{name: place for place, name in enumerate(part.video_ids)} for part in parts]
    for name in video_ids:
        if not any(name in place for place in places):
            raise InputError(f"video {name!r}: no view of it is stored; one at least is joined", "extract it")
    counts, durations = np.zeros(len(video_ids), np.int64), np.zeros(len(video_ids))
    for part, place in zip(parts, places, strict=True):
        here = [number for number, name in enumerate(video_ids) if name in place]
        own = [place[video_ids[number]] for number in here]
        counts[here] = np.maximum(counts[here], np.diff(part.row_offset)[own])
        durations[here] = np.maximum(durations[here], part.duration_seconds[own])
    row_offset = np.concatenate([[0], np.cumsum(counts)])
    sizes = tuple(part.embeddings.shape[1] for part in parts)
    views = JoinedViews(sizes, np.zeros((int(row_offset[-1]), len(parts)), np.bool_))
    table = np.zeros((int(row_offset[-1]), views.embedding_size), np.float16)
    for number, (part, place, columns) in enumerate(zip(parts, places, views.columns(), strict=True)):
        for name, first in zip(video_ids, row_offset[:-1].tolist(), strict=True):
            if name in place:
                rows = part.embeddings[part.row_offset[place[name]] : part.row_offset[place[name] + 1]]
                table[first : first + len(rows), columns] = rows
                views.present[first : first + len(rows), number] = True
    return GatheredFeatures(tuple(video_ids), table, row_offset, parts[0].step_seconds, durations, views)


def warn_of_lacking_views(
    stores: "Sequence[FeatureStore]", video_ids: Sequence[str], progress: Progress, advice: str = ""
) -> None:
    """Tell which views are missing where several are joined.

    Parameters
    ----------
    stores
        One a view.
    video_ids
        Each is in one of the stores at least.
    progress
        Warned of each view that videos lack.
    advice
        What helps, if anything.
    """
    for store in stores:
        lacking = [video_id for video_id in video_ids if video_id not in store]
        if lacking:
            progress.warn(
                f"view {store.spec.view!r}: {len(lacking)} of {len(video_ids)} videos lack it, such as {lacking[0]!r}: "
                f"it is masked there{advice and '; '}{advice}"
            )
