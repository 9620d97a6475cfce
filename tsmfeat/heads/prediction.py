"""Heads on embeddings: interval scores, and a video's scene. No torch: scoring starts two seconds sooner."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from tsmfeat.errors import ConfigurationError, SpecMismatchError
from tsmfeat.heads.model import HeadParameters
from tsmfeat.heads.options import CONTEXT_HEADS, SEGMENT_HEADS
from tsmfeat.heads.representation import represent
from tsmfeat.heads.temperature import apply_activation, log_softmax
from tsmfeat.heads.views import JoinedViews, fill_missing

_BLOCK_ROWS = 1024


def predict_probabilities(
    weights: HeadParameters,
    embeddings: npt.NDArray[Any],
    row_offset: npt.NDArray[np.int64] | None = None,
    views: JoinedViews | None = None,
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float64] | None]:
    """Return what the heads say of each interval.

    Rows are taken block by block, so memory is that of the results. Equal inputs give equal bits on one machine.

    Parameters
    ----------
    weights
        Fitted heads.
    embeddings
        float16 or float32 (N, D), raw.
    row_offset
        int64 (V + 1,): video v owns rows ``row_offset[v]:row_offset[v + 1]``; None: all are one video's. Kinds without
        context do not look at it.
    views
        Which of several joined views each row has; None where they all are there.

    Returns
    -------
    action
        float32 (N, C + 1): probabilities; background is the last column. Rows of a sigmoid do not sum to 1.
    scene
        float64 (N, S): log-probabilities; None without a scene head.

    Raises
    ------
    SpecMismatchError
        The embeddings have another size than the heads were fitted on.
    ConfigurationError
        Heads that say segments instead.

    Examples
    --------
    >>> weights = HeadParameters(np.float32([[2.0], [0.0]]), np.zeros(2))
    >>> action, scene = predict_probabilities(weights, np.float16([[0.0], [1.0]]))
    >>> action.round(3).tolist() == np.float32([[0.5, 0.5], [0.881, 0.119]]).tolist(), scene
    (True, None)
    """
    count = len(embeddings)
    action = np.empty((count, weights.num_actions + 1), np.float32)
    scene = np.empty((count, weights.num_scenes), np.float64)
    for rows, block in _represent_blocks(weights, embeddings, row_offset, views):
        action[rows] = apply_activation(block @ weights.action_weight.T + weights.action_bias, weights.activation)
        if weights.scene_weight is not None and weights.scene_bias is not None:
            scene[rows] = log_softmax((block @ weights.scene_weight.T + weights.scene_bias).astype(np.float64))
    return action, scene if weights.num_scenes else None


def score_actions(
    weights: HeadParameters,
    embeddings: npt.NDArray[Any],
    row_offset: npt.NDArray[np.int64] | None = None,
    views: JoinedViews | None = None,
) -> npt.NDArray[np.float32]:
    """Return the actions' scores before the activation, float32 (N, C + 1): what a temperature divides.

    Parameters
    ----------
    weights, embeddings, row_offset, views
        As in `predict_probabilities`.

    Examples
    --------
    >>> score_actions(HeadParameters(np.float32([[2.0], [0.0]]), np.ones(2)), np.float16([[0.0], [1.0]])).tolist()
    [[1.0, 1.0], [3.0, 1.0]]
    """
    scores = np.empty((len(embeddings), weights.num_actions + 1), np.float32)
    for rows, block in _represent_blocks(weights, embeddings, row_offset, views):
        scores[rows] = block @ weights.action_weight.T + weights.action_bias
    return scores


def _represent_blocks(
    weights: HeadParameters,
    embeddings: npt.NDArray[Any],
    row_offset: npt.NDArray[np.int64] | None,
    views: JoinedViews | None,
) -> Iterator[tuple[slice, npt.NDArray[np.float32]]]:
    """Yield what the output layers see, some rows at a time."""
    if weights.kind in SEGMENT_HEADS:
        raise ConfigurationError(
            f"a {weights.kind} head says segments; it has no scores of intervals",
            "use tsmfeat predict or score, or fit heads of another kind, such as --head linear",
        )
    if embeddings.ndim != 2 or embeddings.shape[1] != weights.embedding_size:
        raise SpecMismatchError(
            f"embeddings of shape {embeddings.shape}; the heads expect (N, {weights.embedding_size})",
            "use the features the heads were fitted on",
        )
    for offsets in _cut_blocks(weights.kind, len(embeddings), row_offset):
        rows = slice(int(offsets[0]), int(offsets[-1]))
        # Cast first: a float16 matmul on a CPU is some forty times slower.
        block = embeddings[rows].astype(np.float32)
        if views is not None and weights.missing is not None:
            fill_missing(block, views, views.present[rows], weights.missing)
        yield rows, represent(weights, block, offsets - offsets[0])


def _cut_blocks(kind: str, count: int, row_offset: npt.NDArray[np.int64] | None) -> Iterator[npt.NDArray[np.int64]]:
    """Yield offsets of the rows taken at once: some rows, or, of kinds with context, some whole videos."""
    if kind not in CONTEXT_HEADS:
        for first in range(0, count, _BLOCK_ROWS):
            yield np.array([first, min(first + _BLOCK_ROWS, count)])
        return
    offsets = np.array([0, count]) if row_offset is None else np.asarray(row_offset, np.int64)
    place, last = 0, len(offsets) - 1
    while place < last:
        # At least one video, however long it is.
        end = max(int(np.searchsorted(offsets, offsets[place] + _BLOCK_ROWS, side="right")) - 1, place + 1)
        yield offsets[place : end + 1]
        place = end


def pool_scenes(scene_log_probs: npt.NDArray[np.float64], row_offset: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return each video's scene probabilities: the mean of its intervals' log-probabilities, normalised.

    Parameters
    ----------
    scene_log_probs
        float64 (N, S).
    row_offset
        int64 (V + 1,): video v owns rows ``row_offset[v]:row_offset[v + 1]``.

    Returns
    -------
    float64 (V, S)
        Rows sum to 1; NaN in a video without intervals.

    Examples
    --------
    >>> pool_scenes(np.log([[0.8, 0.2], [0.2, 0.8]]), [0, 2, 2]).tolist()
    [[0.5, 0.5], [nan, nan]]
    """
    offsets: npt.NDArray[np.int64] = np.asarray(row_offset, np.int64)
    count = np.diff(offsets)
    pooled = np.full((len(count), scene_log_probs.shape[1]), np.nan)
    some = count > 0
    if some.any():
        # Videos without rows own nothing between their neighbours, so leaving them out moves no border.
        sums = np.add.reduceat(scene_log_probs, offsets[:-1][some], axis=0)
        pooled[some] = np.exp(log_softmax(sums / count[some, None]))
    return pooled
