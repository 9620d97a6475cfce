"""Folds of videos: by the hash of their ids, the same ones on every machine and in every order."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tsmfeat.errors import ConfigurationError, InputError
from tsmfeat.formats.video_columns import read_video_column
from tsmfeat.priors.folds import fold_videos
from tsmfeat.values.progress import Progress, Silence

_SILENCE = Silence()


def deal_videos(
    video_ids: Sequence[str],
    annotations: str | Path,
    num_folds: int,
    group: str,
    progress: Progress = _SILENCE,
    followers: Sequence[str] = (),
) -> dict[str, int]:
    """Return the fold of each video, those of one group in one.

    Parameters
    ----------
    video_ids
        Dealt out.
    annotations
        Where a column of groups is looked up, unless `group` names another file.
    num_folds
        At most one a video, or group.
    group
        A column, or ``COLUMN@FILE.csv``; empty: every video by itself.
    progress
        Warned of videos without a group.
    followers
        Videos that are not dealt out: those whose group a fold holds are returned with that fold.

    Raises
    ------
    ConfigurationError
        More folds than videos or groups.
    InputError
        A column that is not there, or that says nothing of any of the videos.
    """
    if not group:
        return assign_folds(video_ids, num_folds)
    group_of = _read_groups(annotations, group)
    _require_known(video_ids, group_of, group, progress)
    folds = assign_group_folds(video_ids, group_of, num_folds)
    fold_of_group = {group_of[name]: fold for name, fold in folds.items() if name in group_of}
    held = {name: fold_of_group.get(group_of.get(name, "")) for name in followers}
    return folds | {name: fold for name, fold in held.items() if fold is not None}


def number_groups(video_ids: Sequence[str], annotations: str | Path, group: str) -> npt.NDArray[np.int64]:
    """Return the number of each video's group, int64 (V,), from 0 up in the order of the videos.

    Parameters
    ----------
    video_ids, annotations, group
        As in `deal_videos`; a video without a group is one by itself.
    """
    group_of = _read_groups(annotations, group) if group else {}
    numbers: dict[tuple[bool, str], int] = {}
    keys = [(name in group_of, group_of.get(name, name)) for name in video_ids]
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], np.int64)


def _read_groups(annotations: str | Path, group: str) -> dict[str, str]:
    column, _, file = group.partition("@")
    return read_video_column(file or annotations, column)


def _require_known(video_ids: Sequence[str], group_of: Mapping[str, str], group: str, progress: Progress) -> None:
    """Refuse groups of other videos: folds of single videos would flatter without a word."""
    lacking = [name for name in video_ids if name not in group_of]
    if len(lacking) == len(video_ids):
        raise InputError(
            f"--group {group}: says nothing of any of the {len(video_ids)} videos, such as {lacking[0]!r}; "
            "groups are of these",
            f"use their ids; it has for example {next(iter(group_of), '')!r}",
        )
    if lacking:
        progress.warn(
            f"--group {group}: says nothing of {len(lacking)} of {len(video_ids)} videos, such as {lacking[0]!r}; "
            "each is a group of its own"
        )


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
