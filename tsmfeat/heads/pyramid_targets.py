"""Annotated segments become what the places of a pyramid should say."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tsmfeat.heads.pyramid_places import Places

# ActionFormer (section 3.2 and its code): a place answers for a segment if it lies within 1.5 strides of the segment's
# middle, and if the farther bound is at most 4 strides away, and on levels above 0 at least 2.
CENTRE_RADIUS = 1.5
FARTHEST, NEAREST = 4.0, 2.0
# Segments so many intervals longer than the shortest count as equally long: all their actions are targets.
SAME_LENGTH = 1e-3

_Ints = npt.NDArray[np.int64]
_Floats = npt.NDArray[np.float64]


class SegmentRows(NamedTuple):
    """Annotated segments of the videos of a batch.

    Attributes
    ----------
    video
        int64 (K,): place of the video in the batch.
    label
        int64 (K,).
    start, end
        float64 (K,): in intervals since the video's start, start < end.
    """

    video: _Ints
    label: _Ints
    start: _Floats
    end: _Floats


class PyramidTargets(NamedTuple):
    """What places should say.

    Attributes
    ----------
    positive, label
        int64 (J,): pairs of a place and an action it should name; a place may have several.
    regressed
        int64 (R,): the places of `positive`, each once, ascending.
    distances
        float32 (R, 2): from each of them back to the start and on to the end of its segment, in strides of its level,
        0 or more.
    is_learned
        bool (K,): whether any place answers for a segment.
    """

    positive: _Ints
    label: _Ints
    regressed: _Ints
    distances: npt.NDArray[np.float32]
    is_learned: npt.NDArray[np.bool_]


class _Pairs(NamedTuple):
    place: _Ints
    segment: _Ints


def assign_places(places: Places, segments: SegmentRows) -> PyramidTargets:
    """Return what each place should say.

    A place answers for a segment that it lies in, near its middle, and whose size is that of its level. Of several it
    takes the shortest; those as long (within 0.001 intervals) give their actions too. A segment that lies between two
    places is taken by the place of level 0 whose interval its middle lies in; distances are then cut at 0.

    Parameters
    ----------
    places
        Of the videos.
    segments
        In any order; those beyond the last interval find no place.

    Examples
    --------
    >>> from tsmfeat.heads.pyramid_places import lay_places
    >>> one = SegmentRows(np.array([0]), np.array([2]), np.array([1.25]), np.array([3.0]))
    >>> found = assign_places(lay_places([0, 6], 2), one)
    >>> found.positive.tolist(), found.label.tolist(), found.distances.tolist()
    ([1, 2], [2, 2], [[0.25, 1.5], [1.25, 0.5]])
    """
    pairs = _candidates(places, segments)
    pairs = _with_forsaken(places, segments, pairs)
    return _settle(places, segments, pairs)


def _candidates(places: Places, segments: SegmentRows) -> _Pairs:
    """Return all pairs of a place and a segment it may answer for."""
    found = [_candidates_of_level(places, segments, level) for level in range(places.num_levels)]
    return _Pairs(*(np.concatenate(column) for column in zip(*found, strict=True)))


def _candidates_of_level(places: Places, segments: SegmentRows, level: int) -> _Pairs:
    stride = 1 << level
    middle = (segments.start + segments.end) / 2
    # The places within 1.5 strides on both sides are three in a row, or four where they fall on the border itself.
    first = np.ceil((middle - 0.5) / stride - CENTRE_RADIUS).astype(np.int64)
    index = (first[:, None] + np.arange(4)).ravel()
    segment = np.repeat(np.arange(len(middle)), 4)
    centre = index * stride + 0.5
    low, high = places.first[level, segments.video[segment]], places.first[level, segments.video[segment] + 1]
    near = np.minimum(centre - segments.start[segment], segments.end[segment] - centre)
    far = np.maximum(centre - segments.start[segment], segments.end[segment] - centre)
    fits = (index >= 0) & (index < high - low) & (near > 0)
    fits &= np.abs(centre - middle[segment]) < CENTRE_RADIUS * stride
    fits &= (far >= (NEAREST * stride if level else 0.0)) & (
        far <= (FARTHEST * stride if level + 1 < places.num_levels else np.inf)
    )
    return _Pairs((low + index)[fits], segment[fits])


def _with_forsaken(places: Places, segments: SegmentRows, pairs: _Pairs) -> _Pairs:
    """Add the pairs of segments that no place lies in: shorter than an interval, between two places."""
    middle = np.floor((segments.start + segments.end) / 2).astype(np.int64)
    count = places.first[0, segments.video + 1] - places.first[0, segments.video]
    # A long segment without a place has its middle beyond the grid; its size would be that of no place of level 0.
    alone = (middle >= 0) & (middle < count) & (segments.end - segments.start < 1)
    alone[pairs.segment] = False
    forsaken = np.flatnonzero(alone)
    place = places.first[0, segments.video[forsaken]] + middle[forsaken]
    return _Pairs(np.concatenate([pairs.place, place]), np.concatenate([pairs.segment, forsaken]))


def _settle(places: Places, segments: SegmentRows, pairs: _Pairs) -> PyramidTargets:
    """Let each place take its shortest segment."""
    length = (segments.end - segments.start)[pairs.segment]
    order = np.lexsort((pairs.segment, length, pairs.place))
    place, segment, length = pairs.place[order], pairs.segment[order], length[order]
    regressed, begins = np.unique(place, return_index=True)
    shortest = np.repeat(length[begins], np.diff(np.append(begins, len(place))))
    kept = length <= shortest + SAME_LENGTH
    named = np.unique(np.stack([place[kept], segments.label[segment[kept]]], axis=1), axis=0)
    chosen = segment[begins]
    centre, stride = places.centre[regressed], places.stride[regressed]
    distances = np.stack([centre - segments.start[chosen], segments.end[chosen] - centre], axis=1) / stride[:, None]
    is_learned = np.zeros(len(segments.start), np.bool_)
    is_learned[segment[kept]] = True
    return PyramidTargets(
        named[:, 0], named[:, 1], regressed, np.maximum(distances, 0.0).astype(np.float32), is_learned
    )
