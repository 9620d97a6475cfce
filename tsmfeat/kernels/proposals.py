"""How soon each truth is found among the ranked proposals of its video, whatever their class."""

import numpy as np
import numpy.typing as npt
from numba import njit

from tsmfeat.kernels.overlap import tiou
from tsmfeat.kernels.ranking import Pieces

Indexes = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@njit(cache=True, nogil=True)
def find_first_ranks(
    proposals: Pieces, proposal_offset: Indexes, truths: Pieces, limit: Indexes, thresholds: Floats
) -> npt.NDArray[np.int64]:
    """Return the rank of the first proposal that reaches each threshold with each truth.

    Parameters
    ----------
    proposals
        P segments by video, within a video by decreasing score.
    proposal_offset
        int64 (V + 1,): video v owns the proposals ``proposal_offset[v]:proposal_offset[v + 1]``.
    truths
        G segments.
    limit
        int64 (V,): proposals looked at in each video.
    thresholds
        float64 (T,), increasing.

    Returns
    -------
    int64 (G, T)
        Ranks from 0; the largest int64 where no proposal reaches the threshold.

    Examples
    --------
    >>> def pieces(*bounds):
    ...     return Pieces(np.zeros(len(bounds), np.int32), *np.array(bounds, np.float64).T)
    >>> found, wanted = pieces((0, 4), (0, 8)), pieces((0, 10))
    >>> find_first_ranks(found, np.array([0, 2]), wanted, np.array([2]), np.array([0.4, 0.8])).tolist()
    [[0, 1]]
    """
    ranks = np.full((len(truths.video), len(thresholds)), np.iinfo(np.int64).max, np.int64)
    for truth in range(len(truths.video)):
        video = truths.video[truth]
        low, reached = proposal_offset[video], 0
        for rank in range(limit[video]):
            place = low + rank
            overlap = tiou(proposals.start[place], proposals.end[place], truths.start[truth], truths.end[truth])
            while reached < len(thresholds) and overlap >= thresholds[reached]:
                ranks[truth, reached] = rank
                reached += 1
            if reached == len(thresholds):
                break
    return ranks


@njit(cache=True, nogil=True)
def count_found_within(ranks: Indexes, video: npt.NDArray[np.int32], allowed: Indexes) -> Indexes:
    """Return how many truths are found among the first proposals of their videos, for many numbers of proposals.

    Parameters
    ----------
    ranks
        int64 (G, T): of `find_first_ranks`.
    video
        int32 (G,).
    allowed
        int64 (V, J), growing with j: the proposals of each video that count.

    Returns
    -------
    int64 (T, J)
    """
    num_places = allowed.shape[1]
    found = np.zeros((ranks.shape[1], num_places), np.int64)
    for truth in range(ranks.shape[0]):
        for t in range(ranks.shape[1]):
            for place in range(num_places - 1, -1, -1):
                if ranks[truth, t] >= allowed[video[truth], place]:
                    break
                found[t, place] += 1
    return found
