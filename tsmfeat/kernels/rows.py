"""Segments of many videos and classes as plain arrays."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from tsmfeat.kernels.ordering import Floats

Maps = tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]


class Rows(NamedTuple):
    """Segments of many videos and classes.

    Attributes
    ----------
    video, label
        int32 (N,).
    start, end, score
        float64 (N,): times in any unit; no NaN, start < end.
    """

    video: npt.NDArray[np.int32]
    label: npt.NDArray[np.int32]
    start: Floats
    end: Floats
    score: Floats


def empty_rows(count: int) -> Rows:
    """Return room for rows, not filled.

    One block, allocated by numpy: from 4 MB on it asks the system for large pages, as numba does not, and a page that
    is touched for the first time costs more than the work on it. Untouched pages cost nothing.
    """
    times = np.empty((4, count), np.float64)
    ids = times[3].view(np.int32)
    return Rows(ids[:count], ids[count:], times[0], times[1], times[2])


def halve_rows(rows: Rows) -> tuple[Rows, Rows]:
    """Return the two halves of room for an even number of rows, as views."""
    middle = len(rows.start) // 2
    rest = Rows(rows.video[middle:], rows.label[middle:], rows.start[middle:], rows.end[middle:], rows.score[middle:])
    return first_rows(rows, middle), rest


def first_rows(rows: Rows, count: int) -> Rows:
    """Return the first rows, as views."""
    return Rows(rows.video[:count], rows.label[:count], rows.start[:count], rows.end[:count], rows.score[:count])


@njit(cache=True, nogil=True)
def scale_rows(rows: Rows, maps: Maps, unit: float, room: Rows, at: int) -> int:
    """Copy rows with their bounds in whole units, those without length left out.

    Parameters
    ----------
    rows
        Any: also reversed ones and ones that are not finite, which have no length.
    maps
        int32: the video and the label in `room` of each video and label of the rows.
    unit
        Units of `room` in one of the rows.
    room
        Written to from place `at` on; as long as all rows need.
    at
        The first free place.

    Returns
    -------
    int
        The first place that is still free.

    Examples
    --------
    >>> ids, room = np.arange(2, dtype=np.int32), empty_rows(2)
    >>> rows = Rows(ids, ids, np.array([0.0, 1.0]), np.array([0.4, 2.5]), np.ones(2))
    >>> scale_rows(rows, (ids, ids), 1.0, room, 0), room.end[:1].tolist()
    (1, [2.0])
    """
    video_map, label_map = maps
    for row in range(len(rows.start)):
        # Unsigned indexes spare numba the question whether they count from the end.
        here, there = np.uintp(row), np.uintp(at)
        start, end, score = np.rint(rows.start[here] * unit), np.rint(rows.end[here] * unit), rows.score[here]
        room.start[there], room.end[there], room.score[there] = start, end, score
        room.video[there] = video_map[np.uintp(rows.video[here])]
        room.label[there] = label_map[np.uintp(rows.label[here])]
        at += start < end and np.isfinite(start) and np.isfinite(end) and np.isfinite(score)
    return int(at)
