"""Folds of videos: by the hash of their ids, the same ones on every machine and in every order."""

import hashlib
from collections.abc import Mapping, Sequence

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
            f"use --folds {min(5, len(video_ids))}" if len(video_ids) > 1 else "annotate more videos",
        )
    return fold_videos(video_ids, num_folds)


def assign_group_folds(video_ids: Sequence[str], group_of: Mapping[str, str], num_folds: int) -> dict[str, int]:
    """Deal out videos so that those of one group share a fold; folds hold about equally many videos.

    Groups are dealt out by their size, and by the SHA-256 of their names, each to the fold that holds the fewest.

    Parameters
    ----------
    video_ids
        V unique ids.
    group_of
        The group of each; a video without one is a group of its own.
    num_folds
        At least 2, and at most the number of groups.

    Returns
    -------
    dict
        The fold of each id, from 0.

    Raises
    ------
    ConfigurationError
        Fewer than two folds, or more folds than groups.

    Examples
    --------
    >>> sorted(assign_group_folds(["a1", "a2", "b", "c"], {"a1": "a", "a2": "a"}, 2).items())
    [('a1', 0), ('a2', 0), ('b', 1), ('c', 1)]
    """
    members: dict[tuple[str, str], list[str]] = {}
    for name in video_ids:
        members.setdefault(("group", group_of[name]) if name in group_of else ("video", name), []).append(name)
    if not 2 <= num_folds <= len(members):
        raise ConfigurationError(
            f"{num_folds} folds of {len(members)} groups of videos; there are at least 2, and a group in each",
            f"use --folds {min(5, len(members))}, or another --group" if len(members) > 1 else "use another --group",
        )
    sizes = [0] * num_folds
    folds: dict[str, int] = {}
    for group in sorted(
        members, key=lambda key: (-len(members[key]), hashlib.sha256("\0".join(key).encode()).digest())
    ):
        fold = sizes.index(min(sizes))
        sizes[fold] += len(members[group])
        folds |= dict.fromkeys(members[group], fold)
    return folds


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
