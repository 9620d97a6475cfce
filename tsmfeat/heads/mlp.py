"""The body of an `mlp` head: one hidden layer that both tasks share. numpy: what scoring needs."""

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from tsmfeat.heads.standardization import Standardization, fold

Floats = npt.NDArray[np.float32]
Draw = Callable[[tuple[int, ...]], Floats]

NORM_EPSILON = 1e-5
# Of the tangent that GELU is computed by here and in training: exact for neither, equal for both.
_GELU_SCALE, _GELU_CUBE = 0.7978845608028654, 0.044715


def initial_mlp(hidden_size: int, embedding_size: int, draw: Draw) -> dict[str, Floats]:
    """Return a body before training.

    Parameters
    ----------
    hidden_size
        Units H.
    embedding_size
        D.
    draw
        Returns standard normal numbers of a shape.

    Examples
    --------
    >>> {name: values.shape for name, values in initial_mlp(4, 9, np.ones).items()}
    {'input_weight': (4, 9), 'input_bias': (4,), 'norm_scale': (4,), 'norm_shift': (4,)}
    """
    return {
        "input_weight": np.asarray(draw((hidden_size, embedding_size)) / np.sqrt(embedding_size), np.float32),
        "input_bias": np.zeros(hidden_size, np.float32),
        "norm_scale": np.ones(hidden_size, np.float32),
        "norm_shift": np.zeros(hidden_size, np.float32),
    }


def fold_mlp(body: Mapping[str, Floats], standardization: Standardization) -> dict[str, Floats]:
    """Return the body that does on raw embeddings what the given one does on standardised ones."""
    weight, bias = fold(body["input_weight"], body["input_bias"], standardization)
    return {**body, "input_weight": weight, "input_bias": bias}


def represent_mlp(body: Mapping[str, Floats], embeddings: Floats) -> Floats:
    """Return ``GELU(LayerNorm(A e + b))``, float32 (N, H).

    Parameters
    ----------
    body
        As of `initial_mlp`.
    embeddings
        float32 (N, D).

    Examples
    --------
    >>> body = initial_mlp(2, 1, np.ones) | {"input_bias": np.float32([0, 1])}
    >>> represent_mlp(body, np.float32([[0.0]])).round(4).tolist() == np.float32([[-0.1588, 0.8412]]).tolist()
    True
    """
    hidden = embeddings @ body["input_weight"].T + body["input_bias"]
    centred = hidden - hidden.mean(axis=1, keepdims=True)
    scaled = centred / np.sqrt(np.square(centred).mean(axis=1, keepdims=True) + np.float32(NORM_EPSILON))
    return gelu(scaled * body["norm_scale"] + body["norm_shift"])


def gelu(values: Floats) -> Floats:
    """Return ``x Φ(x)`` by its usual tangent (Hendrycks & Gimpel 2016).

    Examples
    --------
    >>> gelu(np.float32([0.0, 1.0])).round(4).tolist() == np.float32([0.0, 0.8412]).tolist()
    True
    """
    inner = np.float32(_GELU_SCALE) * (values + np.float32(_GELU_CUBE) * values**3)
    return np.asarray(np.float32(0.5) * values * (1 + np.tanh(inner)), np.float32)
