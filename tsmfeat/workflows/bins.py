"""The view of BinEgo-360's leaderboard: videos cut into bins of ten seconds, each a video of its own."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tsmfeat.errors import InputError
from tsmfeat.formats.binego360_bins import BIN_SECONDS, MIN_PIECE_SECONDS, name_bin
from tsmfeat.values.annotations import NO_SCENE, Annotations
from tsmfeat.values.predictions import Predictions
from tsmfeat.values.segments import Segments
from tsmfeat.values.vocabulary import Vocabulary

Floats = npt.NDArray[np.float64]
Indexes = npt.NDArray[np.int64]

_LONGEST_SECONDS = 1e6
_LATEST_SECONDS = 1e9
# Keys of (video, bin) in one integer: bins of the times allowed are numbered from -1e8 to 1e8.
_VIDEO_STRIDE = 1 << 32
_HALFWAY = 1e-6


class Bins(NamedTuple):
    """True pieces in bins.

    Attributes
    ----------
    annotations
        A video a bin that holds a piece, named ``{video}_{b}_{b+10}``. Times stay those of the whole video; scenes
        belong to whole videos and are left out.
    video_ids
        The V whole videos.
    owner
        int64 (B,): from 0 up without gaps, equal for the bins of one video.
    key
        int64 (B,), sorted: video and bin in one number.
    place
        int64 (B,): the bin of each key.
    """

    annotations: Annotations
    video_ids: tuple[str, ...]
    owner: Indexes
    key: Indexes
    place: Indexes


class BinnedPredictions(NamedTuple):
    """Predicted pieces in bins, and how many lie in bins of annotated videos that hold no true piece."""

    predictions: Predictions
    num_outside: int


class _Pieces(NamedTuple):
    """Pieces of segments: the segment's row, the bin's number from the start of the video, start and end."""

    row: Indexes
    number: Indexes
    start: Floats
    end: Floats


def cut_annotations(annotations: Annotations, are_pieces: bool = False) -> Bins:
    """Cut true segments at multiples of ten seconds; a bin exists where a piece of half a second lies in it.

    Parameters
    ----------
    annotations
        Of whole videos.
    are_pieces
        Whether they come from a file in bins: then none is too short, as the file was made by this very rule.

    Returns
    -------
    Bins

    Raises
    ------
    InputError
        No piece is long enough, or an end is not finite or out of range.

    Notes
    -----
    ``run/Prepare/Standard_NewFile/s7_tal_golden_in_10s.py`` of x360dataset/x360dataset-kit: pieces shorter than 0.5 s
    are left out before bounds are rounded to one decimal as Python rounds. Reversed and zero-length segments, where a
    protocol keeps them, have no piece.

    Examples
    --------
    >>> actions, none = Vocabulary(("walk",)), Vocabulary(())
    >>> truth = Annotations(("a",), actions, Segments([0], [0], [8.25], [20.3], [1.0]), [25.0], ("",), [-1], none)
    >>> bins = cut_annotations(truth)
    >>> bins.annotations.video_ids, bins.annotations.segments.start.tolist()
    (('a_0_10', 'a_10_20'), [8.2, 10.0])
    """
    segments = annotations.segments
    pieces = _cut_at_bins(segments)
    length = pieces.end - pieces.start
    start, end = round_to_decimal(pieces.start), round_to_decimal(pieces.end)
    kept = start < end if are_pieces else (length > 0) & (length >= MIN_PIECE_SECONDS)
    if not kept.any():
        raise InputError(
            f"no true segment reaches {MIN_PIECE_SECONDS} s within a bin; there is nothing to score", "use --unit video"
        )
    row, number = pieces.row[kept], pieces.number[kept]
    video = segments.video[row].astype(np.int64)
    key, first, inverse = np.unique(_key_of(video, number), return_index=True, return_inverse=True)
    order = np.argsort(first)  # bins by first appearance
    place = np.empty(len(key), np.int64)
    place[order] = np.arange(len(key))
    opened = first[order]
    binned = _bin_annotations(annotations, video[opened], number[opened])
    cut = Segments(place[inverse].astype(np.int32), segments.label[row], start[kept], end[kept], segments.score[row])
    owner = np.unique(video[opened], return_inverse=True)[1].astype(np.int64)
    ambiguous = _cut_ambiguous(annotations.ambiguous, key, place)
    return Bins(replace(binned, segments=cut, ambiguous=ambiguous), annotations.video_ids, owner, key, place)


def cut_predictions(predictions: Predictions, bins: Bins, every_bin: bool = False) -> BinnedPredictions:
    """Cut predicted segments at multiples of ten seconds, into the bins of the truth.

    Parameters
    ----------
    predictions
        Of whole videos.
    bins
        Those of the truth.
    every_bin
        What happens to pieces in bins of annotated videos that hold no true piece. The challenge has no row for such
        bins, so what is predicted there cannot be submitted: it is left out. Where this is set it stays, as false
        positives. Pieces in videos that the annotations lack stay in either case.

    Returns
    -------
    BinnedPredictions
        Rows in their order, the pieces of one by time; bounds rounded to one decimal, pieces without length then left
        out. Scenes are left out: they belong to whole videos.

    Raises
    ------
    InputError
        An end is not finite or out of range.

    Examples
    --------
    >>> actions, none = Vocabulary(("walk",)), Vocabulary(())
    >>> truth = Annotations(("a",), actions, Segments([0], [0], [8.0], [15.0], [1.0]), [20.0], ("",), [-1], none)
    >>> found = Predictions(("a",), actions, Segments([0], [0], [8.5], [25.0], [0.9]))
    >>> binned = cut_predictions(found, cut_annotations(truth))
    >>> binned.predictions.segments.end.tolist(), binned.num_outside
    ([10.0, 20.0], 1)
    """
    segments = predictions.segments
    pieces = _cut_at_bins(segments)
    start, end = round_to_decimal(pieces.start), round_to_decimal(pieces.end)
    video = _video_numbers(predictions.video_ids, bins.video_ids)[segments.video[pieces.row]]
    key = _key_of(video, pieces.number)
    at = np.minimum(np.searchsorted(bins.key, key), len(bins.key) - 1)
    is_bin = bins.key[at] == key
    is_annotated = video < len(bins.video_ids)
    has_length = start < end
    num_outside = int((has_length & is_annotated & ~is_bin).sum())
    kept = has_length & (is_bin | ~is_annotated | every_bin)
    row = pieces.row[kept]
    place, names = _place_pieces(bins, key[kept], np.where(is_bin, bins.place[at], -1)[kept], predictions)
    cut = Segments(place, segments.label[row], start[kept], end[kept], segments.score[row])
    found = Predictions(names, predictions.vocabulary, cut, num_dropped=predictions.num_dropped)
    return BinnedPredictions(found, num_outside)


def round_to_decimal(values: Floats) -> Floats:
    """Return values rounded to one decimal as Python's ``round`` does, which decides halves by the exact value.

    Examples
    --------
    >>> round_to_decimal(np.array([0.15, 0.25, 0.35])).tolist(), np.round(0.15, 1).item()
    ([0.1, 0.2, 0.3], 0.2)
    """
    tenfold = values * 10
    rounded = np.rint(tenfold) / 10
    # numpy rounds the product, which may have become a half by rounding itself.
    for place in np.flatnonzero(np.abs(tenfold - np.floor(tenfold) - 0.5) < _HALFWAY):
        rounded[place] = round(float(values[place]), 1)
    return rounded


def _cut_at_bins(segments: Segments) -> _Pieces:
    _require_times(segments)
    first = np.floor(segments.start / BIN_SECONDS).astype(np.int64)
    count = np.maximum(np.ceil(segments.end / BIN_SECONDS).astype(np.int64) - first, 0)
    row = np.repeat(np.arange(len(segments)), count)
    number = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count) + first[row]
    begin = (number * BIN_SECONDS).astype(np.float64)
    start, end = np.maximum(segments.start[row], begin), np.minimum(segments.end[row], begin + BIN_SECONDS)
    return _Pieces(row, number, start, end)


def _require_times(segments: Segments) -> None:
    bounds = np.abs([segments.start, segments.end])
    with np.errstate(over="ignore", invalid="ignore"):
        bad = ~(bounds <= _LATEST_SECONDS).all(axis=0) | (segments.end - segments.start > _LONGEST_SECONDS)
    if bad.any():
        row = int(np.argmax(bad))
        raise InputError(
            f"row {row} lasts from {segments.start[row]} to {segments.end[row]} s; to be cut into bins a segment is "
            "finite and lasts at most a million seconds",
            "times are seconds: convert milliseconds or frames first; --protocol paper drops what is not finite",
        )


def _key_of(video: Indexes, number: Indexes) -> Indexes:
    key: Indexes = video * _VIDEO_STRIDE + number
    return key


def _video_numbers(names: Sequence[str], known: Sequence[str]) -> Indexes:
    """Return the places of names among the known ones; the others are numbered after them."""
    place_of = {name: place for place, name in enumerate(known)}
    return np.array([place_of.setdefault(name, len(place_of)) for name in names], np.int64)


def _cut_ambiguous(segments: Segments, key: Indexes, place: Indexes) -> Segments:
    """Return the pieces in bins that there are; not rounded, as they are met or not."""
    pieces = _cut_at_bins(segments)
    own = _key_of(segments.video[pieces.row].astype(np.int64), pieces.number)
    at = np.minimum(np.searchsorted(key, own), len(key) - 1)
    kept = (key[at] == own) & (pieces.start < pieces.end)
    row = pieces.row[kept]
    bins = place[at[kept]].astype(np.int32)
    return Segments(bins, segments.label[row], pieces.start[kept], pieces.end[kept], segments.score[row])


def _bin_annotations(annotations: Annotations, video: Indexes, number: Indexes) -> Annotations:
    """Return a video a bin, without segments."""
    begin = number * BIN_SECONDS
    left = annotations.duration_seconds[video] - begin
    # The last bin ends with its video, as far as that is known and no true piece lies beyond it.
    duration = np.where((left > 0) & (left < BIN_SECONDS), left, float(BIN_SECONDS))
    listed = list(zip(video.tolist(), begin.tolist(), strict=True))
    return Annotations(
        tuple(name_bin(annotations.video_ids[owner], second) for owner, second in listed),
        annotations.vocabulary,
        Segments.empty(),
        duration,
        tuple(annotations.subset[owner] for owner, _ in listed),
        np.full(len(listed), NO_SCENE, np.int32),
        Vocabulary(()),
        annotations.num_dropped,
        annotations.num_ambiguous,
    )


def _place_pieces(
    bins: Bins, key: Indexes, place: Indexes, predictions: Predictions
) -> tuple[npt.NDArray[np.int32], tuple[str, ...]]:
    """Return the bin of each piece and the names of all bins: those of the truth, then those without any."""
    other, inverse = np.unique(key[place < 0], return_inverse=True)
    placed = place.copy()
    placed[place < 0] = len(bins.place) + inverse
    names = list(dict.fromkeys([*bins.video_ids, *predictions.video_ids]))
    more = [name_bin(names[video], number * BIN_SECONDS) for video, number in map(_split_key, other.tolist())]
    return placed.astype(np.int32), (*bins.annotations.video_ids, *more)


def _split_key(key: int) -> tuple[int, int]:
    video = (key + _VIDEO_STRIDE // 2) // _VIDEO_STRIDE
    return video, key - video * _VIDEO_STRIDE
