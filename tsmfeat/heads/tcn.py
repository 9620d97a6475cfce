"""Dilated residual convolutions over a video's rows, in numpy: initial values, folding, inference."""

import math
from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from tsmfeat.heads.options import HeadOptions
from tsmfeat.heads.standardization import Standardization, fold

Floats = npt.NDArray[np.float32]
Body = Mapping[str, Floats]

NUM_TAPS = 3


def initial_tcn(
    options: HeadOptions, embedding_size: int, draw: Callable[[tuple[int, ...]], Floats]
) -> dict[str, Floats]:
    """Return the body before training: a projection of the inputs, then layers of equal size.

    Weights have the deviation of torch's own default, ``1 / sqrt(3 * inputs)``; biases are 0.

    Parameters
    ----------
    options
        Their `hidden_size` H and `num_layers` L.
    embedding_size
        D.
    draw
        Returns standard normal numbers of a shape, float32.

    Returns
    -------
    ``input_weight`` (H, D), ``input_bias`` (H,); of the layers ``dilated_weight`` (L, H, 3 H), whose inputs are the
    earlier, the same and the later row, ``dilated_bias`` (L, H), ``pointwise_weight`` (L, H, H), ``pointwise_bias``
    (L, H).

    Examples
    --------
    >>> body = initial_tcn(HeadOptions(head="tcn", hidden_size=4, num_layers=2), 5, lambda shape: np.ones(shape))
    >>> {name: values.shape for name, values in body.items()}["dilated_weight"]
    (2, 4, 12)
    """
    size, depth = options.hidden_size, options.num_layers
    shapes = {
        "input": (size, embedding_size),
        "dilated": (depth, size, NUM_TAPS * size),
        "pointwise": (depth, size, size),
    }
    body = {}
    for name, shape in shapes.items():
        body[f"{name}_weight"] = draw(shape) * np.float32(1 / math.sqrt(3 * shape[-1]))
        body[f"{name}_bias"] = np.zeros(shape[:-1], np.float32)
    return body


def fold_tcn(body: Body, standardization: Standardization) -> dict[str, Floats]:
    """Return the body that does on raw embeddings what the given one does on standardised ones.

    Parameters
    ----------
    body
        As of `initial_tcn`.
    standardization
        What the inputs went through in training.

    Examples
    --------
    >>> body = {"input_weight": np.float32([[1.0]]), "input_bias": np.float32([0.5])}
    >>> folded = fold_tcn(body, Standardization(np.array([4.0]), np.array([2.0])))
    >>> folded["input_weight"].tolist(), folded["input_bias"].tolist()
    ([[0.5]], [-1.5])
    """
    weight, bias = fold(body["input_weight"], body["input_bias"], standardization)
    return {**body, "input_weight": weight, "input_bias": bias}


def represent_tcn(body: Body, embeddings: Floats, row_offset: npt.NDArray[np.int64]) -> Floats:
    """Return what the output layers see of each row: the row in the light of its video, and of no other.

    Layer l (from 0) adds to a row what a convolution over the rows ``2**l`` before and after it, a ReLU and a matrix
    make of it; before a video's first and after its last row there is nothing (zeros). A row thus sees
    ``2**L - 1`` rows on either side.

    Parameters
    ----------
    body
        As of `fold_tcn`.
    embeddings
        float32 (N, D).
    row_offset
        int64 (V + 1,): video v owns rows ``row_offset[v]:row_offset[v + 1]``.

    Returns
    -------
    float32 (N, H)

    Notes
    -----
    The layer of MS-TCN (Abu Farha and Gall, CVPR 2019, section 3.1), one stage.

    Examples
    --------
    One layer that adds the row before: not across the border of two videos.

    >>> body = {"input_weight": np.float32([[1]]), "dilated_weight": np.float32([[[1, 0, 0]]])}
    >>> body |= {"pointwise_weight": np.float32([[[1]]]), "pointwise_bias": np.float32([[0]])}
    >>> body |= {"input_bias": np.float32([0]), "dilated_bias": np.float32([[0]])}
    >>> represent_tcn(body, np.float32([[1], [2], [4], [8]]), np.array([0, 2, 4])).ravel().tolist()
    [1.0, 3.0, 4.0, 12.0]
    """
    hidden = embeddings @ body["input_weight"].T + body["input_bias"]
    lengths = np.diff(row_offset)
    place = np.arange(len(hidden)) - np.repeat(row_offset[:-1], lengths)
    rest = np.repeat(lengths, lengths) - 1 - place
    seen = np.empty((len(hidden), NUM_TAPS, hidden.shape[1]), np.float32)
    around = seen.reshape(len(hidden), NUM_TAPS * hidden.shape[1])
    for layer in range(len(body["dilated_weight"])):
        _look_around(hidden, 1 << layer, place, rest, seen)
        found = around @ body["dilated_weight"][layer].T + body["dilated_bias"][layer]
        np.maximum(found, 0, out=found)
        hidden += found @ body["pointwise_weight"][layer].T + body["pointwise_bias"][layer]
    return hidden


def _look_around(
    hidden: Floats, dilation: int, place: npt.NDArray[np.int64], rest: npt.NDArray[np.int64], seen: Floats
) -> None:
    """Fill in each row's neighbours: zeros where fewer than `dilation` rows of its video stand on that side."""
    reach = min(dilation, len(hidden))
    seen[reach:, 0] = hidden[: len(hidden) - reach]
    seen[place < dilation, 0] = 0
    seen[:, 1] = hidden
    seen[: len(hidden) - reach, 2] = hidden[reach:]
    seen[rest < dilation, 2] = 0
