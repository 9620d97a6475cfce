"""Rules that unite overlapping segments of one class in one video.

They take rows sorted by (video, label, start, end), as absorption does, which has a module of its own, and unite two
segments only if their tIoU **exceeds** the threshold. A union spans from the earlier start to the later end and keeps
the higher score.
"""

import numpy as np
from numba import njit

from tsmfeat.kernels.ordering import Indexes
from tsmfeat.kernels.overlap import tiou
from tsmfeat.kernels.rows import Rows, empty_rows, first_rows


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
    united = empty_rows(len(rows.start))
    return first_rows(united, _join_all(rows, threshold, united))


@njit(cache=True, nogil=True)
def _join_all(rows: Rows, threshold: float, united: Rows) -> int:
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
    return kept


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
    united = empty_rows(len(rows.start))
    return first_rows(united, _sweep_all(rows, threshold, united))


@njit(cache=True, nogil=True)
def _sweep_all(rows: Rows, threshold: float, united: Rows) -> int:
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
    return kept


@njit(cache=True, nogil=True, inline="always")
def _find_cluster_end(rows: Rows, first: int) -> int:
    """Return where the stretch of touching segments ends: no rule unites across it, since tIoU is 0 there."""
    end = rows.end[np.uintp(first)]
    last = first + 1
    while last < len(rows.start):
        here = np.uintp(last)
        if not (
            rows.start[here] < end and rows.label[here] == rows.label[first] and rows.video[here] == rows.video[first]
        ):
            break
        end = max(end, rows.end[here])
        last += 1
    return last


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
