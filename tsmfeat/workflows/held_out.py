"""What each fold of the videos is predicted with, put together."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from tsmfeat.values.predictions import Predictions
from tsmfeat.values.segments import Segments
from tsmfeat.values.vocabulary import Vocabulary


def pool_folds(found: Sequence[Predictions], fold_of: Mapping[str, int]) -> Predictions:
    """Return predictions in which every video is as its own fold has it.

    Parameters
    ----------
    found
        Of each fold, for all videos; matched by the names of videos and classes.
    fold_of
        The place in `found` that counts for a video; the first for videos that it does not name.

    Returns
    -------
    Predictions
        Videos and classes by first appearance, without scenes; rows in the order they had, which decides between equal
        scores.

    Examples
    --------
    >>> actions, row = Vocabulary(("run",)), ([0, 1], [0, 0], [0.0, 0.0], [1.0, 1.0])
    >>> found = [Predictions(("a", "b"), actions, Segments(*row, [score, score])) for score in (0.25, 0.5)]
    >>> pool_folds(found, {"a": 1, "b": 0}).segments.score.tolist()
    [0.5, 0.25]
    """
    videos: dict[str, int] = {}
    actions: dict[str, int] = {}
    rows, parts = [], []
    for fold, each in enumerate(found):
        video = np.array([videos.setdefault(name, len(videos)) for name in each.video_ids], np.int32)
        label = np.array([actions.setdefault(name, len(actions)) for name in each.vocabulary.names], np.int32)
        is_own = np.array([fold_of.get(name, 0) == fold for name in each.video_ids], np.bool_)
        mine = np.flatnonzero(is_own[each.segments.video])
        part = each.segments.take(mine)
        rows.append(mine)
        parts.append(replace(part, video=video[part.video], label=label[part.label]))
    pooled = Segments.concatenate(parts).take(np.argsort(np.concatenate(rows), kind="stable"))
    return Predictions(tuple(videos), Vocabulary(tuple(actions)), pooled)
