"""BinEgo-360's bins of ten seconds: cutting segments at their edges, naming them, and joining the pieces again.

As the challenge's kit does: x360dataset/x360dataset-kit, run/Prepare/Standard_NewFile/s7_tal_golden_in_10s.py.
"""

import math
import re
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator

import numpy as np

from tsmfeat.values.segments import Segments

BIN_SECONDS = 10
# Pieces of true segments shorter than this are left out, those of predictions never.
MIN_PIECE_SECONDS = 0.5
_BIN_ID = re.compile(r"(?P<video>.+)_(?P<first>-?\d{1,9})_(?P<last>-?\d{1,9})", re.ASCII | re.DOTALL)

Piece = tuple[int, float, float]


def name_bin(video_id: str, first_second: int) -> str:
    """Return the id of a bin.

    Examples
    --------
    >>> name_bin("kitchen", 20)
    'kitchen_20_30'
    """
    return f"{video_id}_{first_second}_{first_second + BIN_SECONDS}"


def split_bin_id(bin_id: str) -> tuple[str, int] | None:
    """Return the video id and the first second of a bin; None where an id is not that of a bin.

    Examples
    --------
    >>> split_bin_id("kitchen_2_20_30"), split_bin_id("kitchen_2"), split_bin_id("kitchen_3_13")
    (('kitchen_2', 20), None, None)
    """
    match = _BIN_ID.fullmatch(bin_id)
    if match is None:
        return None
    first, last = int(match["first"]), int(match["last"])
    return (match["video"], first) if last == first + BIN_SECONDS and first % BIN_SECONDS == 0 else None


def cut_at_bins(start: float, end: float) -> Iterator[Piece]:
    """Yield the pieces of a segment: a bin's first second, and the piece's start and end.

    Edges are whole numbers, as in the kit: its cells read ``[1, 5.5, 10]``.

    Examples
    --------
    >>> list(cut_at_bins(5.5, 21.25))
    [(0, 5.5, 10), (10, 10, 20), (20, 20, 21.25)]
    """
    first = math.floor(start / BIN_SECONDS) * BIN_SECONDS
    last = math.ceil(end / BIN_SECONDS) * BIN_SECONDS
    for begin in range(first, last, BIN_SECONDS):
        yield begin, max(start, begin), min(end, begin + BIN_SECONDS)


def cut_truth(start: float, end: float) -> Iterator[Piece]:
    """Yield the pieces of a true segment that are long enough, rounded to one decimal.

    Examples
    --------
    >>> list(cut_truth(9.75, 12.34))
    [(10, 10, 12.3)]
    """
    for begin, left, right in cut_at_bins(start, end):
        if left < right and right - left >= MIN_PIECE_SECONDS:
            yield begin, round(left, 1), round(right, 1)


def cut_prediction(start: float, end: float) -> Iterator[Piece]:
    """Yield the pieces of a predicted segment, rounded to one decimal; those without length then are left out.

    Examples
    --------
    >>> list(cut_prediction(9.75, 12.34)), list(cut_prediction(9.98, 10.5))
    ([(0, 9.8, 10), (10, 10, 12.3)], [(10, 10, 10.5)])
    """
    for begin, left, right in cut_at_bins(start, end):
        if round(left, 1) < round(right, 1):
            yield begin, round(left, 1), round(right, 1)


def join_pieces(segments: Segments) -> Segments:
    """Return segments with those pieces made one that meet at the edge of a bin.

    Two pieces are one where video, label and score are equal and one ends at the very multiple of ten seconds at which
    the other begins; each is joined once, in the order of the rows. What was cut off as too short is not brought
    back, and two true segments that happen to meet at an edge become one too.

    Examples
    --------
    >>> pieces = Segments([0, 0, 0], [1, 1, 1], [5.5, 10.0, 15.0], [10.0, 12.0, 17.0], [1.0, 1.0, 1.0])
    >>> whole = join_pieces(pieces)
    >>> whole.start.tolist(), whole.end.tolist()
    ([5.5, 15.0], [12.0, 17.0])
    """
    follower = _followers(segments)
    follows = set(follower.values())
    heads = [row for row in range(len(segments)) if row not in follows]
    ends = [segments.end[_last_of(row, follower)] for row in heads]
    kept = segments.take(np.array(heads, np.int64))
    return Segments(kept.video, kept.label, kept.start, np.array(ends, np.float64), kept.score)


def all_bins(ids: Iterable[str]) -> bool:
    """Tell whether there are ids, and all of them are those of bins.

    Examples
    --------
    >>> all_bins(["a_0_10", "b_20_30"]), all_bins(["a_0_10", "b"]), all_bins([])
    (True, False, False)
    """
    listed = list(ids)
    return bool(listed) and all(split_bin_id(name) is not None for name in listed)


def _followers(segments: Segments) -> dict[int, int]:
    """Return for each row the one that continues it at the edge of a bin."""
    columns = [getattr(segments, name).tolist() for name in ("video", "label", "score", "start", "end")]
    rows = list(enumerate(zip(*columns, strict=True)))
    waiting: dict[tuple[float, ...], deque[int]] = defaultdict(deque)
    for row, (*same, start, _) in rows:
        if start % BIN_SECONDS == 0:
            waiting[*same, start].append(row)
    follower = {}
    for row, (*same, start, end) in rows:
        if end % BIN_SECONDS == 0 and start < end and waiting.get((*same, end)):
            follower[row] = waiting[*same, end].popleft()
    return follower


def _last_of(row: int, follower: dict[int, int]) -> int:
    while row in follower:
        row = follower[row]
    return row
