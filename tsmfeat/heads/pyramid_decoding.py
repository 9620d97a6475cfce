"""What the places of a pyramid say becomes scored segments. No torch: scoring starts two seconds sooner."""

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tsmfeat.errors import SpecMismatchError
from tsmfeat.heads.model import HeadParameters
from tsmfeat.heads.pyramid import PyramidOutputs, run_pyramid
from tsmfeat.heads.views import JoinedViews, fill_missing
from tsmfeat.kernels.pools import pool_segments
from tsmfeat.kernels.rows import Rows
from tsmfeat.kernels.suppression import suppress_soft
from tsmfeat.values.segments import Segments

LEAST_SCORE = 0.001
"""Segments below are left out, before and after the suppression."""
MOST_CANDIDATES = 2000
"""So many of a video, the best of all levels and actions, go into the suppression."""
MOST_SEGMENTS = 200
"""So many of a video are kept."""
# Intervals: anything shorter is no segment but a place that found nothing.
_SHORTEST = 0.05
_BLOCK_ROWS = 4096

_Ints = npt.NDArray[np.int64]
_Floats = npt.NDArray[np.float64]


class Grid(NamedTuple):
    """The intervals of some videos.

    Attributes
    ----------
    row_offset
        int64 (V + 1,): video v owns rows ``row_offset[v]:row_offset[v + 1]``.
    step_seconds
        The step t.
    duration_seconds
        float64 (V,): NaN where unknown.
    views
        Which of several joined views each row has; None where they all are there.
    """

    row_offset: _Ints
    step_seconds: float
    duration_seconds: _Floats
    views: JoinedViews | None = None


def decode_videos(
    weights: HeadParameters, embeddings: npt.NDArray[Any], grid: Grid
) -> tuple[Segments, npt.NDArray[np.float64] | None]:
    """Return the segments that a pyramid finds, and the scene of each video.

    Every place gives a segment for each action. Those of a video that score 0.001 or more, the best 2,000 at most, go
    through a soft suppression by class (`tsmfeat.kernels.suppression.suppress_soft`), and the best 200 are kept. A
    video's segments depend on that video only.

    Parameters
    ----------
    weights
        Fitted heads of kind ``"pyramid"``; the ``nms_sigma`` of their body is that of the suppression.
    embeddings
        float16 or float32 (N, D), raw.
    grid
        Whose rows they are.

    Returns
    -------
    segments
        By video, label, start; seconds, within the video.
    scenes
        float64 (V, S): probabilities, NaN in a video without intervals; None without a scene head.

    Raises
    ------
    SpecMismatchError
        The embeddings have another size than the heads were fitted on.
    """
    if embeddings.ndim != 2 or embeddings.shape[1] != weights.embedding_size:
        raise SpecMismatchError(
            f"embeddings of shape {embeddings.shape}; the heads expect (N, {weights.embedding_size})",
            "use the features the heads were fitted on",
        )
    found, scenes = [], []
    for first, last in _blocks(grid.row_offset):
        offset = grid.row_offset[first : last + 1]
        rows = embeddings[offset[0] : offset[-1]].astype(np.float32)
        if grid.views is not None and weights.missing is not None:
            fill_missing(rows, grid.views, grid.views.present[offset[0] : offset[-1]], weights.missing)
        outputs = run_pyramid(weights.body, rows, offset - offset[0])
        part = Grid(offset, grid.step_seconds, grid.duration_seconds[first:last])
        kept = decode(outputs, part, float(weights.body["nms_sigma"][0]))
        found.append(Rows(kept.video + np.int32(first), *kept[1:]))
        scenes.append(_name_scenes(weights, outputs, np.diff(offset) > 0))
    segments = Segments(*(np.concatenate(column) for column in zip(*found, strict=True))) if found else Segments.empty()
    empty = np.empty((0, weights.num_scenes))
    return segments, np.concatenate([empty, *scenes]) if weights.num_scenes else None


def _blocks(row_offset: _Ints) -> list[tuple[int, int]]:
    """Cut videos into blocks of some thousand rows, each of one video at least."""
    block = (row_offset[1:] - 1) // _BLOCK_ROWS
    borders = np.flatnonzero(np.diff(block)) + 1
    bounds = [0, *borders.tolist(), len(block)]
    return [(first, last) for first, last in pairwise(bounds) if last > first]


def _name_scenes(weights: HeadParameters, outputs: PyramidOutputs, is_known: npt.NDArray[np.bool_]) -> _Floats:
    if weights.scene_weight is None or weights.scene_bias is None:
        return np.empty((len(is_known), 0))
    scores = (outputs.pooled @ weights.scene_weight.T + weights.scene_bias).astype(np.float64)
    shares = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    shares[~is_known] = np.nan
    return np.asarray(shares, np.float64)


def decode(outputs: PyramidOutputs, grid: Grid, sigma: float) -> Rows:
    """Return the segments that places speak of, weakened by better ones that they overlap.

    Parameters
    ----------
    outputs
        Of the grid's videos.
    grid
        Whose rows they are.
    sigma
        Of the suppression.

    Returns
    -------
    Rows
        By video, label, start; the video counted in the grid.
    """
    rows = _candidates(outputs, grid)
    kept = suppress_soft(pool_segments(rows, np.zeros(len(rows.video), np.int32)), np.ones(1), sigma)
    return _best(_take(kept, np.flatnonzero(kept.score >= LEAST_SCORE)), MOST_SEGMENTS)


def _candidates(outputs: PyramidOutputs, grid: Grid) -> Rows:
    places = outputs.places
    place, label = np.nonzero(outputs.scores >= LEAST_SCORE)
    reach = outputs.distances[place].astype(np.float64) * places.stride[place, None]
    start = np.maximum(places.centre[place] - reach[:, 0], 0.0) * grid.step_seconds
    until = np.nan_to_num(grid.duration_seconds, nan=np.inf)[places.video[place]]
    end = np.minimum((places.centre[place] + reach[:, 1]) * grid.step_seconds, until)
    score = outputs.scores[place, label].astype(np.float64)
    rows = Rows(places.video[place].astype(np.int32), label.astype(np.int32), start, end, score)
    return _best(_take(rows, np.flatnonzero(end - start >= _SHORTEST * grid.step_seconds)), MOST_CANDIDATES)


def _take(rows: Rows, kept: _Ints) -> Rows:
    return Rows(rows.video[kept], rows.label[kept], rows.start[kept], rows.end[kept], rows.score[kept])


def _best(rows: Rows, most: int) -> Rows:
    """Keep the best so many of each video, in their order; of equal scores those that come first."""
    order = np.lexsort((-rows.score, rows.video))
    first = np.searchsorted(rows.video[order], rows.video[order])
    return _take(rows, np.sort(order[np.arange(len(order)) - first < most]))
