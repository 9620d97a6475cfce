"""Detections dealt out to their classes and ranked there by score."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

Floats = npt.NDArray[np.float64]
Indexes = npt.NDArray[np.int64]
Ids = npt.NDArray[np.int32]

_LOW_HALF = np.int64(0xFFFFFFFF)


class Detections(NamedTuple):
    """Detections as plain arrays, in a numbering of their own that two tables translate.

    Attributes
    ----------
    label, video
        int32 (P,).
    start, end, score
        float64 (P,).
    class_of
        int32: the class of each label; the number of classes where it is none of them.
    video_of
        int32: the video of each video; -1 where no truth knows it.
    """

    label: Ids
    video: Ids
    start: Floats
    end: Floats
    score: Floats
    class_of: Ids
    video_of: Ids


class Pieces(NamedTuple):
    """Segments as plain arrays: video int32 (N,), start and end float64 (N,) in seconds."""

    video: Ids
    start: Floats
    end: Floats


def take_pieces(pieces: Pieces, index: Indexes) -> Pieces:
    """Return some segments in the order of an index."""
    return Pieces(pieces.video[index], pieces.start[index], pieces.end[index])


class TieRule(NamedTuple):
    """Where equal scores and NaN stand.

    Attributes
    ----------
    reversed_rows
        Whether the later row goes first among equals.
    nan_last
        Whether NaN scores rank last; otherwise first.
    """

    reversed_rows: bool = False
    nan_last: bool = False


class Ranking(NamedTuple):
    """Detections class after class, each class by decreasing score.

    Attributes
    ----------
    rows
        int64 (P,): row numbers; those of unknown classes come last, in order.
    offset
        int64 (K + 2,): class k owns ``rows[offset[k]:offset[k + 1]]``; place K is the unknown ones.
    order
        int64 (P,): where each stands in `pieces`.
    pieces
        The detections class by class, within a class in the order of their rows.
    is_tied
        bool (P,): whether the score equals that of the detection before it in the class.
    num_tied
        Detections of known classes whose score equals another's of the same class.
    """

    rows: Indexes
    offset: Indexes
    order: Indexes
    pieces: Pieces
    is_tied: npt.NDArray[np.bool_]
    num_tied: int


def rank_detections(detections: Detections, num_classes: int, ties: TieRule = TieRule()) -> Ranking:  # noqa: B008
    """Order detections by class, then decreasing score, then row.

    Parameters
    ----------
    detections
        P of them.
    num_classes
        K.
    ties
        Where equal scores and NaN stand.

    Returns
    -------
    Ranking

    Notes
    -----
    numpy's default sort leaves equal scores in any order, but is several times faster than its stable one. Rows are
    dealt out to their classes first, so that each sort and all that follows works within a cache's size. Where equal
    scores are out of order, each row gets a key of 64 bits, the number of its run of equal scores above its place, and
    the keys are sorted.

    Takes 45 bytes a detection beside its arguments, 37 of them in what it returns.

    Examples
    --------
    >>> label, same = np.array([0, 1, 0, 0], np.int32), np.arange(2, dtype=np.int32)
    >>> score = np.array([0.5, 0.1, 0.9, 0.5])
    >>> ranking = rank_detections(Detections(label, label, score, score, score, same, same), 2)
    >>> ranking.rows.tolist(), ranking.offset.tolist(), ranking.num_tied
    ([2, 0, 3, 1], [0, 3, 4, 4], 2)
    """
    count = len(detections.label)
    offset = np.zeros(num_classes + 2, np.int64)
    of_label = np.bincount(detections.label, minlength=len(detections.class_of))
    np.add.at(offset[1:], detections.class_of, of_label)
    np.cumsum(offset, out=offset)
    # By numpy, which asks the system for large pages, as numba does not.
    pieces = Pieces(np.empty(count, np.int32), np.empty(count), np.empty(count))
    falling, dealt_rows, order = np.empty(count), np.empty(count, np.int64), np.empty(count, np.int64)
    is_tied, out_of_order = np.zeros(count, np.bool_), np.zeros(num_classes, np.bool_)
    _deal(detections, offset, pieces, falling, dealt_rows)
    for begin, end in zip(offset[:-2].tolist(), offset[1:-1].tolist(), strict=True):
        order[begin:end] = _argsort(falling[begin:end], ties.nan_last)
    num_tied = _number_runs(falling, offset, ties.reversed_rows, (order, is_tied, out_of_order))
    for group in np.flatnonzero(out_of_order).tolist():
        order[offset[group] : offset[group + 1]].sort()
    rows = falling.view(np.int64)  # its room serves again
    _settle(offset, ties.reversed_rows, order, dealt_rows, rows)
    return Ranking(rows, offset, order, pieces, is_tied, int(num_tied))


def _argsort(falling: Floats, nan_last: bool) -> Indexes:
    order = np.argsort(falling)
    if len(order) and not nan_last:
        last = falling[order[-1]]
        if last != last:  # NaN; thousands of calls make numpy's own test too slow
            return np.roll(order, np.count_nonzero(np.isnan(falling)))
    return order


@njit(cache=True, nogil=True)
def _deal(detections: Detections, offset: Indexes, pieces: Pieces, falling: Floats, dealt_rows: Indexes) -> None:
    cursor = offset[:-1].copy()
    for row in range(len(detections.label)):
        # Unsigned indexes spare numba the question whether they count from the end.
        group = np.uintp(detections.class_of[np.uintp(detections.label[row])])
        place = np.uintp(cursor[group])
        cursor[group] += 1
        dealt_rows[place] = row
        pieces.video[place] = detections.video_of[np.uintp(detections.video[row])]
        pieces.start[place] = detections.start[row]
        pieces.end[place] = detections.end[row]
        falling[place] = -detections.score[row]


@njit(cache=True, nogil=True)
def _number_runs(
    falling: Floats,
    offset: Indexes,
    reversed_rows: bool,
    out: tuple[Indexes, npt.NDArray[np.bool_], npt.NDArray[np.bool_]],
) -> int:
    """Turn places into keys, mark ties and the classes where keys are out of order, and count the tied."""
    order, is_tied, out_of_order = out
    num_tied = 0
    for group in range(len(out_of_order)):
        begin = offset[group]
        run, previous, last_key = np.int64(-1), np.nan, np.int64(-1)
        for place in range(begin, offset[group + 1]):
            local = order[np.uintp(place)]
            value = falling[np.uintp(begin + local)]
            if run >= 0 and (value == previous or (np.isnan(value) and np.isnan(previous))):
                num_tied += 1 if is_tied[place - 1] else 2
                is_tied[place] = True
            else:
                run += 1
            key = (run << 32) | (_LOW_HALF - local if reversed_rows else local)
            order[np.uintp(place)] = key
            if key < last_key:
                out_of_order[group] = True
            previous, last_key = value, key
    return num_tied


@njit(cache=True, nogil=True)
def _settle(offset: Indexes, reversed_rows: bool, order: Indexes, dealt_rows: Indexes, rows: Indexes) -> None:
    """Turn the keys of known classes into places, and list the rows."""
    for group in range(len(offset) - 2):
        begin = offset[group]
        for place in range(begin, offset[group + 1]):
            low = order[place] & _LOW_HALF
            order[place] = begin + (_LOW_HALF - low if reversed_rows else low)
            rows[place] = dealt_rows[np.uintp(order[place])]
    for place in range(offset[-2], offset[-1]):
        order[place] = place
        rows[place] = dealt_rows[place]
