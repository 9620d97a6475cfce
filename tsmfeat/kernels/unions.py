"""Rules that unite overlapping segments of one class in one video.

All three take rows sorted by (video, label, start, end) and unite two segments only if their tIoU **exceeds** the
threshold. A union spans from the earlier start to the later end and keeps the higher score.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from tsmfeat.kernels.ordering import Floats, Indexes, sort_rows
from tsmfeat.kernels.overlap import tiou


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


@njit(cache=True, nogil=True)
def unite_absorb(rows: Rows, threshold: float) -> Rows:
    """Unite until no two segments of a class and video overlap by more than the threshold.

    Segments come by (-score, start, end). Each is united with the first kept one whose tIoU exceeds the threshold,
    which leaves the kept ones; the grown union is compared with all kept ones again until it exceeds with none, and
    is then kept last. The result is a fixed point: independent of the order of the input, and unchanged by a second
    pass.

    Parameters
    ----------
    rows
        Sorted by (video, label, start, end).
    threshold
        In 0..1; a tIoU equal to it does not unite.

    Returns
    -------
    Rows
        By (video, label, start, end).

    Examples
    --------
    >>> same = np.zeros(2, np.int32)
    >>> two = Rows(same, same, np.array([0.0, 4.0]), np.array([10.0, 14.0]), np.array([0.9, 0.6]))
    >>> one = unite_absorb(two, 0.4)
    >>> one.start.tolist(), one.end.tolist(), one.score.tolist()
    ([0.0], [14.0], [0.9])
    """
    united = _copy_rows(rows)
    order = np.arange(len(rows.start))
    spare = np.empty_like(order)
    falling = -rows.score
    kept = first = int(np.int64(0))  # a literal 0 would compile what it is handed to twice
    while first < len(order):
        last = _find_cluster_end(rows, first)
        if last == first + 1:
            _put_row(united, kept, rows, first)
            kept += 1
        else:
            sort_rows(order, first, last, falling, rows.start, spare)
            base = kept
            kept = _absorb_cluster(rows, order[first:last], threshold, united, base)
            _sort_by_start(united, base, kept)
        first = last
    return _trim_rows(united, kept)


@njit(cache=True, nogil=True)
def unite_components(rows: Rows, threshold: float) -> Rows:
    """Unite the connected components of the pairs whose own tIoU exceeds the threshold.

    Not a fixed point: two unions may overlap by more than the threshold.

    Parameters
    ----------
    rows
        Sorted by (video, label, start, end).
    threshold
        In 0..1; a tIoU equal to it does not unite.

    Returns
    -------
    Rows
        By (video, label, start), then the order in which the unions' first segments came.
    """
    united = _copy_rows(rows)
    parent = np.arange(len(rows.start))
    place_of = np.empty_like(parent)
    kept = first = 0
    while first < len(parent):
        last = _find_cluster_end(rows, first)
        _link_pairs(rows, first, last, threshold, parent)
        for row in range(first, last):
            root = _find_root(parent, row)
            if root == row:
                place_of[row] = kept
                _put_row(united, kept, rows, row)
                kept += 1
            else:
                _grow(united, place_of[root], rows.start[row], rows.end[row], rows.score[row])
        first = last
    return _trim_rows(united, kept)


@njit(cache=True, nogil=True)
def unite_sweep(rows: Rows, threshold: float) -> Rows:
    """Go through the segments by start and unite each with the one before it, where their tIoU exceeds the threshold.

    The one before is the union grown so far. A short segment between two long ones keeps them apart.

    Parameters
    ----------
    rows
        Sorted by (video, label, start, end).
    threshold
        In 0..1; a tIoU equal to it does not unite.

    Returns
    -------
    Rows
        By (video, label, start, end).
    """
    united = _copy_rows(rows)
    kept = first = 0
    while first < len(rows.start):
        last = _find_cluster_end(rows, first)
        for row in range(first, last):
            start, end, score = rows.start[row], rows.end[row], rows.score[row]
            if row > first and tiou(united.start[kept - 1], united.end[kept - 1], start, end) > threshold:
                _grow(united, kept - 1, start, end, score)
            else:
                _put_row(united, kept, rows, row)
                kept += 1
        first = last
    return _trim_rows(united, kept)


@njit(cache=True, nogil=True, inline="always")
def _find_cluster_end(rows: Rows, first: int) -> int:
    """Return where the stretch of touching segments ends: no rule unites across it, since tIoU is 0 there."""
    end = rows.end[first]
    last = first + 1
    while (
        last < len(rows.start)
        and rows.start[last] < end
        and rows.label[last] == rows.label[first]
        and rows.video[last] == rows.video[first]
    ):
        end = max(end, rows.end[last])
        last += 1
    return last


@njit(cache=True, nogil=True)
def _absorb_cluster(rows: Rows, order: Indexes, threshold: float, united: Rows, base: int) -> int:
    """Keep the rows in `united` from place `base` on; return the place after the last."""
    kept = base
    for row in order:
        start, end, score = rows.start[row], rows.end[row], rows.score[row]
        place = base
        while place < kept:
            if tiou(united.start[place], united.end[place], start, end) > threshold:
                start, end = min(start, united.start[place]), max(end, united.end[place])
                score = max(score, united.score[place])
                _close_gap(united, place, kept)
                kept -= 1
                place = base
            else:
                place += 1
        _put_row(united, kept, rows, row)
        united.start[kept], united.end[kept], united.score[kept] = start, end, score
        kept += 1
    return kept


@njit(cache=True, nogil=True)
def _close_gap(rows: Rows, gap: int, last: int) -> None:
    for place in range(gap + 1, last):
        _put_row(rows, place - 1, rows, place)


@njit(cache=True, nogil=True)
def _sort_by_start(rows: Rows, first: int, last: int) -> None:
    for place in range(first + 1, last):
        start, end, score = rows.start[place], rows.end[place], rows.score[place]
        hole = place
        while hole > first and (start, end) < (rows.start[hole - 1], rows.end[hole - 1]):
            _put_row(rows, hole, rows, hole - 1)
            hole -= 1
        rows.start[hole], rows.end[hole], rows.score[hole] = start, end, score


@njit(cache=True, nogil=True)
def _link_pairs(rows: Rows, first: int, last: int, threshold: float, parent: Indexes) -> None:
    for row in range(first, last):
        for other in range(row + 1, last):
            if rows.start[other] >= rows.end[row]:
                break
            if tiou(rows.start[row], rows.end[row], rows.start[other], rows.end[other]) > threshold:
                one, two = _find_root(parent, row), _find_root(parent, other)
                # The lowest row is the root, so a root is met before the rest of its component.
                parent[max(one, two)] = min(one, two)


@njit(cache=True, nogil=True)
def _find_root(parent: Indexes, row: int) -> int:
    while parent[row] != row:
        parent[row] = parent[parent[row]]
        row = parent[row]
    return row


@njit(cache=True, nogil=True, inline="always")
def _grow(united: Rows, place: int, start: float, end: float, score: float) -> None:
    united.start[place] = min(united.start[place], start)
    united.end[place] = max(united.end[place], end)
    united.score[place] = max(united.score[place], score)


@njit(cache=True, nogil=True, inline="always")
def _put_row(target: Rows, place: int, source: Rows, row: int) -> None:
    target.video[place] = source.video[row]
    target.label[place] = source.label[row]
    target.start[place] = source.start[row]
    target.end[place] = source.end[row]
    target.score[place] = source.score[row]


@njit(cache=True, nogil=True)
def _copy_rows(rows: Rows) -> Rows:
    return Rows(rows.video.copy(), rows.label.copy(), rows.start.copy(), rows.end.copy(), rows.score.copy())


@njit(cache=True, nogil=True)
def _trim_rows(rows: Rows, count: int) -> Rows:
    return Rows(
        rows.video[:count],
        rows.label[:count],
        rows.start[:count],
        rows.end[:count],
        rows.score[:count],
    )
