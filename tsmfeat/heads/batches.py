"""Rows of a feature table become batches: gathered, cast, standardised and dropped."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from tsmfeat.heads.block_order import shuffle_blocks
from tsmfeat.heads.class_balance import BackgroundDraws, draw_background
from tsmfeat.heads.randomness import random_bits
from tsmfeat.heads.standardization import Standardization
from tsmfeat.heads.views import JoinedViews, Presence, drop_views, fill_missing

_LEVELS = 1 << 16
_PASS_ROWS = 64


@dataclass(frozen=True, eq=False)
class Batches:
    """What it takes to draw batches; made by `make_batches`.

    Parameters
    ----------
    features
        float16 or float32 (N, D).
    rows
        int64 (K,): the rows drawn from.
    mean, scale
        float32 (D,): an input is ``(embedding - mean) * scale``; the scale makes up for the dropout.
    num_dropped_levels
        An entry is dropped where 16 random bits are below this number.
    order, bits
        The randomness of the rows' order and of the dropout.
    pieces
        int64 (P + 1,): where the stretches of rows begin that stay together; None: rows are drawn one by one.
    views, view_dropout, view_order
        Which of several joined views each row of `features` has, None for one view; the probability that a view is
        masked; its randomness.
    background
        Which of its rows an epoch has; None: all of them.
    in_blocks
        Whether the order stays within some blocks of rows for a while, for a table that lies on a disk.
    """

    features: npt.NDArray[Any]
    rows: npt.NDArray[np.int64]
    mean: npt.NDArray[np.float32]
    scale: npt.NDArray[np.float32]
    num_dropped_levels: int
    order: np.random.Generator
    bits: np.random.SFC64
    pieces: npt.NDArray[np.int64] | None = None
    views: JoinedViews | None = None
    view_dropout: float = 0.0
    view_order: np.random.Generator | None = None
    background: BackgroundDraws | None = None
    in_blocks: bool = False


def make_batches(
    features: npt.NDArray[Any],
    rows: npt.NDArray[np.int64],
    standardization: Standardization,
    dropout: float,
    seed: int,
    pieces: npt.NDArray[np.int64] | None = None,
) -> Batches:
    """Return the source of batches.

    Parameters
    ----------
    features, rows
        As in `Batches`.
    standardization
        Applied to every input.
    dropout
        Probability that an entry of an input is 0, rounded to 1/65536; the others are scaled up to keep the mean.
    seed
        Of the order and of the dropout.
    pieces
        As in `Batches`.

    Examples
    --------
    >>> table = np.float16([[1.0, 2.0], [3.0, 4.0]])
    >>> halved = Standardization(np.array([1.0, 2.0]), np.array([2.0, 2.0]))
    >>> draw_inputs(make_batches(table, np.array([1, 0]), halved, 0.0, 0), np.array([0])).tolist()
    [[1.0, 1.0]]
    """
    # Something is always kept, however near to 1 the probability is.
    levels = min(round(dropout * _LEVELS), _LEVELS - 1)
    scale = _LEVELS / ((_LEVELS - levels) * standardization.deviation)
    return Batches(
        features,
        rows,
        standardization.mean.astype(np.float32),
        scale.astype(np.float32),
        levels,
        np.random.Generator(random_bits(seed, "order")),
        random_bits(seed, "dropout"),
        pieces,
    )


def mask_views(batches: Batches, views: JoinedViews, view_dropout: float, seed: int) -> Batches:
    """Return batches of joined views: the input of a view that a row lacks, or that is dropped, is 0.

    Parameters
    ----------
    batches
        As of `make_batches`; its `features` are joined.
    views
        Which views each row of `features` has.
    view_dropout
        Probability that a whole view is masked (`tsmfeat.heads.views.drop_views`): of a row, or of all rows of a
        stretch that stays together.
    seed
        Of the draws.
    """
    return replace(
        batches, views=views, view_dropout=view_dropout, view_order=np.random.Generator(random_bits(seed, "view"))
    )


def draw_presence(
    batches: Batches, views: JoinedViews, places: npt.NDArray[np.int64], begins: npt.NDArray[np.int64] | None
) -> Presence:
    """Return which views each row of a batch shows, bool (B, V), after a new draw of the view dropout.

    Parameters
    ----------
    batches
        The source.
    views
        Its own.
    places, begins
        As `draw_batches` yields them.
    """
    present: Presence = views.present[batches.rows[places]]
    if not batches.view_dropout or batches.view_order is None:
        return present
    if begins is None:
        return drop_views(present, batches.view_dropout, batches.view_order)
    # A view is lost for a whole video, as it is where a camera failed.
    whole = np.logical_or.reduceat(present, begins[:-1], axis=0)
    kept = drop_views(whole, batches.view_dropout, batches.view_order)
    return present & np.repeat(kept, np.diff(begins), axis=0)


def draw_order(batches: Batches) -> npt.NDArray[np.int64]:
    """Return places in `rows`, each at most once, in a new random order: an epoch's."""
    if batches.background is None:
        places = np.arange(len(batches.rows))
    else:
        places = draw_background(batches.background)
    if batches.in_blocks:
        return places[shuffle_blocks(len(places), batches.order)]
    return batches.order.permutation(places)


def draw_batches(batches: Batches, size: int) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64] | None]]:
    """Yield an epoch: the places in `rows` of each batch, and where in it the stretches begin that stay together.

    Parameters
    ----------
    batches
        The source.
    size
        Rows of a batch. Where rows stay together, a batch is the fewest stretches that have as many: it may be larger.

    Examples
    --------
    >>> table, one = np.zeros((5, 1), np.float16), Standardization(np.zeros(1), np.ones(1))
    >>> source = make_batches(table, np.arange(5), one, 0.0, 0, np.array([0, 3, 5]))
    >>> sorted((places.tolist(), begins.tolist()) for places, begins in draw_batches(source, 2))
    [([0, 1, 2], [0, 3]), ([3, 4], [0, 2])]
    """
    if batches.pieces is None:
        order = draw_order(batches)
        for first in range(0, len(order), size):
            yield order[first : first + size], None
        return
    length = np.diff(batches.pieces)
    order = batches.order.permutation(len(length))
    ends = np.cumsum(length[order])
    first = 0
    while first < len(order):
        begun = ends[first - 1] if first else 0
        last = min(int(np.searchsorted(ends, begun + size)) + 1, len(order))
        chosen = order[first:last]
        places = [np.arange(batches.pieces[piece], batches.pieces[piece + 1]) for piece in chosen]
        yield np.concatenate(places), np.concatenate([[0], np.cumsum(length[chosen])])
        first = last


def draw_inputs(batches: Batches, places: npt.NDArray[np.int64], begins: npt.NDArray[np.int64] | None = None) -> Tensor:
    """Return the inputs at some places in `rows`, float32 (B, D), with a new dropout mask.

    Parameters
    ----------
    batches
        The source.
    places, begins
        As `draw_batches` yields them.
    """
    rows = batches.rows[places]
    # Always torch's own memory: its alignment never varies, and with it no bit of a matmul.
    inputs = torch.empty(len(rows), batches.features.shape[1])
    raw = _draw_bits(batches, inputs.shape)
    # Some rows after another: all passes over them find them in the processor's cache.
    for first in range(0, len(rows), _PASS_ROWS):
        part = inputs[first : first + _PASS_ROWS]
        # torch casts float16 three times faster than numpy.
        part.copy_(torch.from_numpy(np.ascontiguousarray(batches.features[rows[first : first + _PASS_ROWS]])))
        values = part.numpy()
        np.subtract(values, batches.mean, out=values)
        np.multiply(values, batches.scale, out=values)
        if raw is not None:
            kept = raw[first : first + _PASS_ROWS] >= batches.num_dropped_levels
            # Bytes first: numpy multiplies by truth values three times slower.
            np.multiply(values, kept.view(np.uint8).astype(np.float32), out=values)
    if batches.views is not None:
        fill_missing(inputs.numpy(), batches.views, draw_presence(batches, batches.views, places, begins))
    return inputs


def _draw_bits(batches: Batches, shape: tuple[int, ...]) -> npt.NDArray[np.uint16] | None:
    """Return sixteen random bits an entry; None without dropout.

    Raw ones are twelve times faster than a Bernoulli draw, which would cost more than the matmul.
    """
    if not batches.num_dropped_levels:
        return None
    count = shape[0] * shape[1]
    return batches.bits.random_raw(-(-count // 4)).view(np.uint16)[:count].reshape(shape)
