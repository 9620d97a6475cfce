"""Folds of videos: by the hash of their ids, the same ones on every machine and in every order."""

from collections.abc import Sequence

from tsmfeat.errors import ConfigurationError
from tsmfeat.priors.folds import fold_videos


def assign_folds(video_ids: Sequence[str], num_folds: int) -> dict[str, int]:
    """Deal videos out to folds of equal size, by the order of the SHA-256 of their ids.

    Parameters
    ----------
    video_ids
        V unique ids.
    num_folds
        From 2 to V.

    Returns
    -------
    dict
        The fold of each id, from 0.

    Raises
    ------
    ConfigurationError
        Fewer than two folds, or more folds than videos.

    Examples
    --------
    >>> assign_folds(["a", "b", "c"], 2)
    {'c': 0, 'b': 1, 'a': 0}
    """
    if not 2 <= num_folds <= len(video_ids):
        raise ConfigurationError(
            f"{num_folds} folds of {len(video_ids)} annotated videos; there are at least 2, and a video in each",
            f"use --folds {max(2, min(5, len(video_ids)))}",
        )
    return fold_videos(video_ids, num_folds)


def assign_all_folds(video_ids: Sequence[str], found_ids: Sequence[str], num_folds: int) -> dict[str, int]:
    """Deal out annotated videos, and by themselves those that are only predicted: what is found there is false.

    Parameters
    ----------
    video_ids
        Annotated ones.
    found_ids
        Predicted ones, among them annotated ones.
    num_folds
        At most as many as annotated videos.

    Returns
    -------
    dict
        The fold of each id, from 0.

    Examples
    --------
    >>> sorted(assign_all_folds(["a", "b"], ["b", "x", "y"], 2).items())
    [('a', 1), ('b', 0), ('x', 0), ('y', 1)]
    """
    known = set(video_ids)
    others = [name for name in found_ids if name not in known]
    return fold_videos(video_ids, num_folds) | fold_videos(others, num_folds)
