"""The rule that unites overlapping segments of one class in one video until none overlap too much.

Everything here works on clusters: stretches of rows of one video and class that touch. A function makes a pass over
all of them, since to hand five arrays to a function of one cluster costs more than its work.
"""

import numpy as np
from numba import njit

from tsmfeat.kernels.ordering import Floats, Indexes, sort_rows
from tsmfeat.kernels.overlap import tiou
from tsmfeat.kernels.rows import Rows, empty_rows, first_rows

Pieces = tuple[Floats, Floats, Floats]
"""Start, end and score of segments, without the video and label that they share with their cluster."""

# Clusters up to this length are sorted by insertion: few, and in the cache.
_SHORT = 48


def unite_absorb(rows: Rows, threshold: float, in_place: bool = False) -> Rows:
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
    in_place
        Whether the rows' own memory is used: fresh pages cost a quarter of the time. The rows are lost then.

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
    united = rows if in_place else empty_rows(len(rows.start))
    return first_rows(united, _absorb_all(rows, threshold, united))


@njit(cache=True, nogil=True)
def _absorb_all(rows: Rows, threshold: float, united: Rows) -> int:
    # No pass writes to a place before it has read it and all before it: `united` may be the rows themselves.
    pieces = (united.start, united.end, united.score)
    offset = _gather_by_score(rows, pieces)
    _sort_long_clusters(pieces, offset)
    kept_offset = _absorb_clusters(pieces, offset, threshold)
    _sort_by_start(pieces, kept_offset)
    for cluster in range(len(offset) - 1):
        first = np.uintp(offset[cluster])
        for place in range(kept_offset[cluster], kept_offset[cluster + 1]):
            united.video[np.uintp(place)], united.label[np.uintp(place)] = rows.video[first], rows.label[first]
    return int(kept_offset[-1])


@njit(cache=True, nogil=True)
def _gather_by_score(rows: Rows, pieces: Pieces) -> Indexes:
    """Copy the rows to `pieces`, in each short cluster the highest score first; return the clusters' offsets."""
    start, end, score = pieces
    offset = np.empty(len(start) + 1, np.int64)
    num_clusters = first = 0
    until, video, label = -np.inf, np.int32(-1), np.int32(-1)
    for row in range(len(start)):
        # Unsigned indexes spare numba the question whether they count from the end.
        here = np.uintp(row)
        if rows.start[here] >= until or rows.label[here] != label or rows.video[here] != video:
            offset[num_clusters] = first = row
            num_clusters += 1
            until, video, label = -np.inf, rows.video[here], rows.label[here]
        until = max(until, rows.end[here])
        low, high, own, hole = rows.start[here], rows.end[here], rows.score[here], row
        while hole > first and score[np.uintp(hole - 1)] < own and row - first < _SHORT:
            to, source = np.uintp(hole), np.uintp(hole - 1)
            start[to], end[to], score[to] = start[source], end[source], score[source]
            hole -= 1
        to = np.uintp(hole)
        start[to], end[to], score[to] = low, high, own
    offset[num_clusters] = len(start)
    return offset[: num_clusters + 1]


@njit(cache=True, nogil=True)
def _sort_long_clusters(pieces: Pieces, offset: Indexes) -> None:
    """Finish what `_gather_by_score` left: it sorts no more than the first pieces of a cluster."""
    score = pieces[2]
    # Loops, though numpy has words for them: each such word takes numba half a second to compile.
    room, order, spare = np.empty(0), np.empty(0, np.int64), np.empty(0, np.int64)
    for cluster in range(len(offset) - 1):
        first, last = offset[cluster], offset[cluster + 1]
        if last - first <= _SHORT:
            continue
        if len(order) == 0:
            room, order, spare = np.empty(len(score)), np.empty(len(score), np.int64), np.empty(len(score), np.int64)
        for row in range(first, last):
            room[row], order[row] = -score[row], row
        sort_rows(order, first, last, room, room, spare)
        for column in pieces:
            for row in range(first, last):
                room[row] = column[order[row]]
            for row in range(first, last):
                column[row] = room[row]


@njit(cache=True, nogil=True)
def _absorb_clusters(pieces: Pieces, offset: Indexes, threshold: float) -> Indexes:
    """Move what is kept of the clusters to the front of `pieces`; return its offsets."""
    start, end, score = pieces
    kept_offset = np.zeros_like(offset)
    kept = 0
    for cluster in range(len(offset) - 1):
        base = kept
        for coming in range(offset[cluster], offset[cluster + 1]):
            here = np.uintp(coming)
            low, high, best = start[here], end[here], score[here]
            place = base
            while place < kept:
                one = np.uintp(place)
                if tiou(start[one], end[one], low, high) > threshold:
                    low, high, best = min(low, start[one]), max(high, end[one]), max(best, score[one])
                    kept -= 1
                    for gap in range(place, kept):
                        to, source = np.uintp(gap), np.uintp(gap + 1)
                        start[to], end[to], score[to] = start[source], end[source], score[source]
                    place = base
                else:
                    place += 1
            to = np.uintp(kept)
            start[to], end[to], score[to] = low, high, best
            kept += 1
        kept_offset[cluster + 1] = kept
    return kept_offset


@njit(cache=True, nogil=True)
def _sort_by_start(pieces: Pieces, offset: Indexes) -> None:
    start, end, score = pieces
    for cluster in range(len(offset) - 1):
        first = offset[cluster]
        for place in range(first + 1, offset[cluster + 1]):
            here = np.uintp(place)
            low, high, best = start[here], end[here], score[here]
            hole = place
            while hole > first and (low, high) < (start[np.uintp(hole - 1)], end[np.uintp(hole - 1)]):
                to, source = np.uintp(hole), np.uintp(hole - 1)
                start[to], end[to], score[to] = start[source], end[source], score[source]
                hole -= 1
            to = np.uintp(hole)
            start[to], end[to], score[to] = low, high, best
