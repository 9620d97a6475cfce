"""Where a pyramid looks: the places of all its levels over many videos, in one flat list without padding."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Places:
    """Places of a pyramid: level by level, within a level video by video, within a video by time.

    Level 0 has a place for each interval. Each level above has every second place of the one below, so a video of n
    intervals has ``ceil(n / 2**l)`` places on level l.

    Parameters
    ----------
    level_offset
        int64 (L + 1,): level l owns places ``level_offset[l]:level_offset[l + 1]``.
    first
        int64 (L, V + 1): video v owns places ``first[l, v]:first[l, v + 1]`` of level l.
    video
        int64 (P,): whose each place is.
    stride
        int64 (P,): intervals from a place to the next, 2**l.
    centre
        float64 (P,): in intervals since the video's start; place i of level l lies at ``i * 2**l + 0.5``.
    has_previous, has_next
        float32 (P, 1): 1 where the neighbour belongs to the same video and level, else 0.
    below
        int64 (P - N,): of each place above level 0, the place under it on the level below, counted from that level's
        first.
    """

    level_offset: _Ints
    first: _Ints
    video: _Ints
    stride: _Ints
    centre: npt.NDArray[np.float64]
    has_previous: npt.NDArray[np.float32]
    has_next: npt.NDArray[np.float32]
    below: _Ints

    @property
    def num_levels(self) -> int:
        """The levels L."""
        return len(self.level_offset) - 1

    def below_level(self, level: int) -> _Ints:
        """Return `below` of one level above 0."""
        base = self.level_offset[1]
        return self.below[self.level_offset[level] - base : self.level_offset[level + 1] - base]


def lay_places(row_offset: npt.ArrayLike, num_levels: int) -> Places:
    """Return the places of videos.

    Parameters
    ----------
    row_offset
        int64 (V + 1,): video v has intervals ``row_offset[v]:row_offset[v + 1]``.
    num_levels
        L, 1 or more.

    Examples
    --------
    >>> places = lay_places([0, 3, 5], num_levels=2)
    >>> places.centre.tolist(), places.stride.tolist()
    ([0.5, 1.5, 2.5, 0.5, 1.5, 0.5, 2.5, 0.5], [1, 1, 1, 1, 1, 2, 2, 2])
    >>> places.below_level(1).tolist(), places.has_next[:, 0].tolist()
    ([0, 2, 3], [1.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.0])
    """
    offsets: _Ints = np.asarray(row_offset, np.int64)
    lengths = offsets[1:] - offsets[:-1]
    count = np.stack([-(-lengths // (1 << level)) for level in range(num_levels)])
    level_offset = np.concatenate([[0], np.cumsum(count.sum(axis=1))])
    within = np.concatenate([np.zeros((num_levels, 1), np.int64), np.cumsum(count, axis=1)], axis=1)
    flat = count.ravel()
    run = np.repeat(np.arange(flat.size), flat)
    index = np.arange(level_offset[-1]) - (np.cumsum(flat) - flat)[run]
    level, video = np.divmod(run, max(len(lengths), 1))
    stride: _Ints = np.asarray(2**level, np.int64)
    upper = level > 0
    return Places(
        level_offset,
        within + level_offset[:-1, None],
        video,
        stride,
        index * stride + 0.5,
        (index > 0).astype(np.float32)[:, None],
        (index + 1 < flat[run]).astype(np.float32)[:, None],
        within[level[upper] - 1, video[upper]] + 2 * index[upper],
    )
