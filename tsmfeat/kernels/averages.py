"""Weighted averages of segments that several models share."""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from tsmfeat.kernels.ordering import Floats, Indexes, sort_rows
from tsmfeat.kernels.rows import Rows, empty_rows, first_rows

_MOST_SCALE_BITS = 40


class Voices(NamedTuple):
    """Who says what, and how much it counts.

    Attributes
    ----------
    model
        int32 (N,): the model of each row, never falling.
    weight
        float64 (M,): positive.
    """

    model: npt.NDArray[np.int32]
    weight: Floats


class KeyLayout(NamedTuple):
    """How video, label, start and row share the bits of a key, from the highest to the lowest.

    Attributes
    ----------
    num_labels
        A group is ``video * num_labels + label``.
    earliest, scale
        A start is kept as the whole part of ``(start - earliest) * scale``.
    start_bits, row_bits
        Bits of start and row.
    """

    num_labels: int
    earliest: float
    scale: float
    start_bits: int
    row_bits: int


def average_segments(rows: Rows, voices: Voices, absent_counts: bool, room: Rows | None = None) -> Rows:
    """Average the scores of rows with equal video, label, start and end over the models.

    A model that says one segment several times counts with its highest score.

    Parameters
    ----------
    rows
        In any order within a model; no NaN.
    voices
        The model of each row, and the weights.
    absent_counts
        Whether a model without the segment counts as a score of 0; otherwise it is left out of the average.
    room
        Where the averages are written, as long as the rows; None: new memory.

    Returns
    -------
    Rows
        Sorted by (video, label, start, end), no two equal.

    Examples
    --------
    >>> same = np.zeros(2, np.int32)
    >>> rows = Rows(same, same, np.zeros(2), np.ones(2), np.array([0.8, 0.6]))
    >>> voices = Voices(np.array([0, 1], np.int32), np.array([3.0, 1.0]))
    >>> average_segments(rows, voices, True).score.round(9).tolist()
    [0.75]
    """
    averages = empty_rows(len(rows.start)) if room is None else room
    return first_rows(averages, _average_in_order(rows, order_segments(rows), voices, absent_counts, averages))


@njit(cache=True, nogil=True)
def _average_in_order(rows: Rows, order: Indexes, voices: Voices, absent_counts: bool, averages: Rows) -> int:
    total = voices.weight.sum()
    settled = voiced = weight = best = 0.0  # settled: the voices of the models before this one
    model = kept = -1
    before = int(np.int64(0))
    for place in range(len(order)):
        row = order[np.uintp(place)]
        if place == 0 or not is_same_segment(rows, before, row):
            kept += 1
            _open_average(averages, kept, rows, row)
            voiced, weight, model = 0.0, 0.0, -1
        score, speaker = rows.score[np.uintp(row)], voices.model[np.uintp(row)]
        if speaker == model:
            best = max(best, score)
        else:
            model, best, settled = speaker, score, voiced
            weight += voices.weight[model]
        voiced = settled + voices.weight[model] * best
        averages.score[np.uintp(kept)] = voiced / (total if absent_counts else weight)
        before = row
    return kept + 1


def order_segments(rows: Rows) -> Indexes:
    """Return the row numbers by (video, label, start, end), equal rows in their own order.

    Parameters
    ----------
    rows
        No NaN.

    Returns
    -------
    int64 (N,)

    Notes
    -----
    Keys of one whole number each, the row among them, are sorted by numpy's vectorised sort, which is several times
    faster than its argsort. A start that does not fit into its bits is cut off: that keeps its order among others, and
    what is equal then is sorted by the whole bounds.
    """
    layout = _plan_keys(rows)
    if layout is None:
        return np.lexsort((rows.end, rows.start, rows.label, rows.video))
    keys = np.empty(len(rows.start), np.int64)
    _pack_keys(rows, layout, keys)
    keys.sort()
    return _unpack_rows(keys, layout.row_bits, rows)


def _plan_keys(rows: Rows) -> KeyLayout | None:
    """Divide the 63 bits of a key between video and label, start, and row; None where the last cannot do with that."""
    if len(rows.start) == 0:
        return None
    num_labels = int(rows.label.max()) + 1
    row_bits = len(rows.start).bit_length()
    start_bits = 63 - row_bits - (num_labels * (int(rows.video.max()) + 1)).bit_length()
    earliest, latest = float(rows.start.min()), float(rows.start.max())
    if start_bits < 1 or not math.isfinite(latest - earliest):
        return None
    # A power of two scales without rounding; the largest that leaves the latest start within its bits.
    scale = math.ldexp(1.0, min(start_bits - math.frexp(latest - earliest)[1], _MOST_SCALE_BITS))
    return KeyLayout(num_labels, earliest, scale, start_bits, row_bits)


@njit(cache=True, nogil=True)
def _pack_keys(rows: Rows, layout: KeyLayout, keys: Indexes) -> None:
    for row in range(len(keys)):
        group = np.int64(rows.video[row]) * layout.num_labels + rows.label[row]
        start = np.int64((rows.start[row] - layout.earliest) * layout.scale)
        keys[row] = (((group << layout.start_bits) | start) << layout.row_bits) | row


@njit(cache=True, nogil=True)
def _unpack_rows(keys: Indexes, row_bits: int, rows: Rows) -> Indexes:
    """Turn sorted keys into their rows, in place; where keys differ by their rows only, bounds decide first."""
    spare = np.empty(len(keys), np.int64)
    mask = (1 << row_bits) - 1
    prefix, before = -1, 0
    first = int(np.int64(0))  # a literal 0 would compile sort_rows twice
    is_mixed = False
    for place in range(len(keys)):
        key = keys[np.uintp(place)]
        row = key & mask
        if key >> row_bits == prefix:
            is_mixed |= _starts_later(rows, before, row)
        else:
            if is_mixed:
                sort_rows(keys, first, place, rows.start, rows.end, spare)
            first, prefix, is_mixed = place, key >> row_bits, False
        keys[np.uintp(place)] = before = row
    if is_mixed:
        sort_rows(keys, first, len(keys), rows.start, rows.end, spare)
    return keys


@njit(cache=True, nogil=True, inline="always")
def _starts_later(rows: Rows, one: int, other: int) -> bool:
    here, there = np.uintp(one), np.uintp(other)
    if rows.start[here] != rows.start[there]:
        return bool(rows.start[here] > rows.start[there])
    return bool(rows.end[here] > rows.end[there])


@njit(cache=True, nogil=True, inline="always")
def is_same_segment(rows: Rows, one: int, other: int) -> bool:
    """Tell whether two rows are equal but for their scores."""
    here, there = np.uintp(one), np.uintp(other)
    return bool(
        rows.start[here] == rows.start[there]
        and rows.end[here] == rows.end[there]
        and rows.label[here] == rows.label[there]
        and rows.video[here] == rows.video[there]
    )


@njit(cache=True, nogil=True, inline="always")
def _open_average(averages: Rows, kept: int, rows: Rows, row: int) -> None:
    # Unsigned indexes spare numba the question whether they count from the end.
    here, there = np.uintp(kept), np.uintp(row)
    averages.video[here], averages.label[here] = rows.video[there], rows.label[there]
    averages.start[here], averages.end[here] = rows.start[there], rows.end[there]
