"""Folds of videos, and the strength that serves best on the other folds."""

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt


def fold_videos(video_ids: Sequence[str], num_folds: int) -> dict[str, int]:
    """Return the fold of each video, told by the hash of its id: the same on every machine and in every order.

    Folds differ by at most one video.

    Examples
    --------
    >>> sorted(fold_videos(["a", "b", "c", "d"], 2).items())
    [('a', 1), ('b', 0), ('c', 1), ('d', 0)]
    """
    ranked = sorted(set(video_ids), key=lambda video_id: hashlib.sha256(video_id.encode()).digest())
    return {video_id: rank % num_folds for rank, video_id in enumerate(ranked)}


def choose_strengths(gammas: Sequence[float], held_in: npt.NDArray[np.float64]) -> tuple[float, ...]:
    """Return the strength of each fold: the one that scores best on the other folds; of equal ones the weakest.

    Parameters
    ----------
    gammas
        G strengths.
    held_in
        float64 (G, K): the score of each strength on all videos but those of each fold.

    Examples
    --------
    >>> choose_strengths([1.0, 0.0], np.array([[0.5, 0.7], [0.5, 0.6]]))
    (0.0, 1.0)
    """
    order = np.argsort(gammas)
    best = order[np.argmax(held_in[order], axis=0)]
    return tuple(float(gammas[index]) for index in best.tolist())
