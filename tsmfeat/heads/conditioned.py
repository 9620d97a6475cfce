"""A head that sees each interval in the light of its whole video: a bilinear form of low rank of the two.

The representation of interval i of video V is its embedding and, beside it, ``(U e_i) * (W m_V)``: r products of the
embedding with the mean embedding ``m_V`` of the video. Linear outputs on it can therefore turn an action's weight with
what the video shows elsewhere, and no label tells them what to look for. Without the products it is the linear head.

A product of two linear forms is the second-order term of factorisation machines (Rendle 2010); here one factor belongs
to the interval and one to the video, as gates do in feature-wise modulation (FiLM, Perez et al. 2018).
"""

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from tsmfeat.heads.standardization import Standardization

Floats = npt.NDArray[np.float32]
Draw = Callable[[tuple[int, ...]], Floats]


def initial_conditioned(rank: int, embedding_size: int, draw: Draw) -> dict[str, Floats]:
    """Return the parameters a fit starts from.

    Both factors are drawn so that each of their outputs has variance 1 on independent standardised inputs.

    Parameters
    ----------
    rank
        r.
    embedding_size
        D.
    draw
        Returns standard normal numbers of a shape.

    Returns
    -------
    dict
        ``input_weight`` and ``context_weight``, float32 (r, D); ``input_bias`` and ``context_bias``, float32 (r,).

    Examples
    --------
    >>> body = initial_conditioned(3, 4, np.ones)
    >>> body["input_weight"].shape, float(body["context_weight"][0, 0]), body["input_bias"].tolist()
    ((3, 4), 0.5, [0.0, 0.0, 0.0])
    """
    body = {}
    for factor in ("input", "context"):
        body[f"{factor}_weight"] = np.asarray(draw((rank, embedding_size)) / np.sqrt(embedding_size), np.float32)
        body[f"{factor}_bias"] = np.zeros(rank, np.float32)
    return body


def fold_conditioned(body: Mapping[str, Floats], standardization: Standardization) -> dict[str, Floats]:
    """Return the parameters that do on raw embeddings what the given ones do on standardised ones.

    Parameters
    ----------
    body
        As in `initial_conditioned`.
    standardization
        What the inputs went through in training.

    Returns
    -------
    dict
        The body, and ``centre`` and ``scale``, float32 (D,): the outputs too are on ``(embedding - centre) * scale``.

    Examples
    --------
    >>> halved = Standardization(np.array([4.0]), np.array([2.0]))
    >>> body = {"input_weight": np.float32([[3.0]]), "input_bias": np.float32([1.0])}
    >>> folded = fold_conditioned(body, halved)
    >>> folded["centre"].tolist(), folded["scale"].tolist()
    ([4.0], [0.5])
    """
    return {
        **body,
        "centre": standardization.mean.astype(np.float32),
        "scale": (1.0 / standardization.deviation).astype(np.float32),
    }


def represent_conditioned(body: Mapping[str, Floats], embeddings: Floats, row_offset: npt.NDArray[np.int64]) -> Floats:
    """Return what the outputs see of each interval.

    Parameters
    ----------
    body
        As of `fold_conditioned`.
    embeddings
        float32 (N, D), raw.
    row_offset
        int64 (V + 1,): video v owns rows ``row_offset[v]:row_offset[v + 1]``.

    Returns
    -------
    float32 (N, D + r)

    Examples
    --------
    >>> one = {name: np.float32([1.0]) for name in ("input_bias", "context_bias", "scale")}
    >>> body = one | {"centre": np.float32([0]), "input_weight": np.float32([[1]]), "context_weight": np.float32([[2]])}
    >>> represent_conditioned(body, np.float32([[1], [3], [5]]), np.array([0, 2, 3])).tolist()
    [[1.0, 10.0], [3.0, 20.0], [5.0, 66.0]]
    """
    inputs = (embeddings - body["centre"]) * body["scale"]
    count = np.diff(row_offset)
    means = np.zeros((len(count), inputs.shape[1]), np.float32)
    for video, (first, last) in enumerate(zip(row_offset[:-1].tolist(), row_offset[1:].tolist(), strict=True)):
        if last > first:
            means[video] = inputs[first:last].mean(axis=0, dtype=np.float64)
    context = means @ body["context_weight"].T + body["context_bias"]
    products = (inputs @ body["input_weight"].T + body["input_bias"]) * np.repeat(context, count, axis=0)
    return np.hstack([inputs, products])
