"""A head that regresses boundaries: a pyramid of max-pooled levels over neighbouring intervals. No torch.

The shape is TemporalMaxer's (Tang et al., arXiv 2303.09055): a projection and convolutions, then levels by max pooling
without parameters. On every place of every level, shared towers give a score for each action and the distances to a
start and an end, as in ActionFormer (Zhang et al., ECCV 2022).
"""

import math
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tsmfeat.heads.options import HeadOptions
from tsmfeat.heads.pyramid_places import Places, lay_places
from tsmfeat.heads.standardization import Standardization, fold

Floats = npt.NDArray[np.float32]
Body = Mapping[str, Floats]

NUM_LAYERS = 2
"""Convolutions between the projection and level 0."""
NUM_TOWER_LAYERS = 1
"""Convolutions of each tower."""
TOWERS = ("class", "bounds")
EPSILON = 1e-5
# What a place says before training, in strides of its level: of the order of what it will be asked.
_INITIAL_DISTANCE = 2.0
# RetinaNet's prior (Lin et al., ICCV 2017): at first nearly every place says nothing, as nearly every place should.
_INITIAL_PROBABILITY = 0.01


def initial_pyramid(
    options: HeadOptions, embedding_size: int, num_actions: int, draw: Callable[[tuple[int, ...]], Floats]
) -> dict[str, Floats]:
    """Return the parameters of all but the classes of intervals and the scenes, as they are before training.

    Parameters
    ----------
    options
        Their `hidden_size` H and `num_levels` L.
    embedding_size, num_actions
        D and C.
    draw
        From a shape to standard normal float32 numbers.

    Returns
    -------
    dict
        ``input_weight`` (H, D); layers ``base0``, ``class0``, ``bounds0``, … with ``_weight`` (H, 3 H: previous place,
        the place itself, next place); after every layer ``_bias``, and ``_scale`` and ``_shift`` of its normalisation
        (H,); ``class_weight`` (C, H) and ``class_bias`` (C,); ``bounds_weight`` (2, H) and ``bounds_bias`` (2,): start
        and end; ``level_scale`` (L,).
    """
    size = options.hidden_size
    body = _initial_layer("input", (size, embedding_size), draw)
    for name in _layer_names():
        body |= _initial_layer(name, (size, 3 * size), draw)
    body["class_weight"] = draw((num_actions, size)) * np.float32(0.01)
    body["class_bias"] = np.full(num_actions, -math.log(1.0 / _INITIAL_PROBABILITY - 1.0), np.float32)
    body["bounds_weight"] = draw((2, size)) * np.float32(0.01)
    body["bounds_bias"] = np.full(2, math.log(math.expm1(_INITIAL_DISTANCE)), np.float32)
    body["level_scale"] = np.ones(options.num_levels, np.float32)
    return body


def _layer_names() -> list[str]:
    towers = [f"{tower}{layer}" for tower in TOWERS for layer in range(NUM_TOWER_LAYERS)]
    return [f"base{layer}" for layer in range(NUM_LAYERS)] + towers


def _initial_layer(name: str, shape: tuple[int, int], draw: Callable[[tuple[int, ...]], Floats]) -> dict[str, Floats]:
    # He et al. 2015: the deviation that half-silenced inputs keep theirs with.
    deviation = np.float32(math.sqrt(2.0 / shape[1]))
    zeros, ones = np.zeros(shape[0], np.float32), np.ones(shape[0], np.float32)
    return {
        f"{name}_weight": draw(shape) * deviation,
        f"{name}_bias": zeros,
        f"{name}_scale": ones,
        f"{name}_shift": zeros.copy(),
    }


def count_levels(body: Body) -> int:
    """Return the number of levels of a pyramid."""
    return len(body["level_scale"])


def count_layers(body: Body, name: str) -> int:
    """Return how many layers of a name, such as ``"base"``, a pyramid has.

    Examples
    --------
    >>> count_layers({"base0_weight": np.zeros((1, 3)), "base1_weight": np.zeros((1, 3))}, "base")
    2
    """
    count = 0
    while f"{name}{count}_weight" in body:
        count += 1
    return count


def fold_pyramid(body: Body, standardization: Standardization) -> dict[str, Floats]:
    """Return the parameters that do on raw embeddings what the given ones do on standardised ones."""
    weight, bias = fold(body["input_weight"], body["input_bias"], standardization)
    return {**body, "input_weight": weight, "input_bias": bias}


def represent_pyramid(body: Body, embeddings: Floats, row_offset: npt.NDArray[np.int64]) -> Floats:
    """Return the representation of each interval: level 0 of the pyramid.

    Parameters
    ----------
    body
        As of `initial_pyramid`.
    embeddings
        float32 (N, D).
    row_offset
        int64 (V + 1,): video v owns rows ``row_offset[v]:row_offset[v + 1]``.

    Returns
    -------
    float32 (N, H)
        0 or more. A video's rows depend on that video only.
    """
    places = lay_places(row_offset, 1)
    values = _settle(body, "input", embeddings @ body["input_weight"].T + body["input_bias"])
    return _convolve_all(body, "base", values, places)


class PyramidOutputs(NamedTuple):
    """What a pyramid says of every place.

    Attributes
    ----------
    places
        P places of V videos.
    scores
        float32 (P, C): probability of each action, by itself; they need not add up to anything.
    distances
        float32 (P, 2): from the place back to a start and on to an end, 0 or more, in strides of the place's level.
    pooled
        float32 (V, H): mean representation of each video; 0 in one without intervals.
    """

    places: Places
    scores: Floats
    distances: Floats
    pooled: Floats


def run_pyramid(body: Body, embeddings: Floats, row_offset: npt.NDArray[np.int64]) -> PyramidOutputs:
    """Return what a pyramid says of every place of some videos.

    Parameters
    ----------
    body
        As of `initial_pyramid`.
    embeddings, row_offset
        As in `represent_pyramid`.
    """
    places = lay_places(row_offset, count_levels(body))
    level = represent_pyramid(body, embeddings, row_offset)
    pooled = pool_videos(level, row_offset)
    levels = [level]
    for number in range(1, places.num_levels):
        level = _max_pool(level, places, number)
        levels.append(level)
    values = np.concatenate(levels)
    scores = _sigmoid(_convolve_all(body, "class", values, places) @ body["class_weight"].T + body["class_bias"])
    bounds = _convolve_all(body, "bounds", values, places) @ body["bounds_weight"].T + body["bounds_bias"]
    scale = np.repeat(body["level_scale"], np.diff(places.level_offset))[:, None]
    return PyramidOutputs(places, scores, np.logaddexp(np.float32(0), bounds * scale), pooled)


def pool_videos(values: Floats, row_offset: npt.NDArray[np.int64]) -> Floats:
    """Return the mean of each video's rows, float32 (V, H); 0 in a video without rows.

    Examples
    --------
    >>> pool_videos(np.float32([[1.0], [3.0], [5.0]]), np.array([0, 2, 2, 3])).tolist()
    [[2.0], [0.0], [5.0]]
    """
    means = np.zeros((len(row_offset) - 1, values.shape[1]), np.float32)
    for video, (first, last) in enumerate(pairwise(row_offset.tolist())):
        if last > first:
            means[video] = values[first:last].mean(axis=0)
    return means


def _convolve_all(body: Body, name: str, values: Floats, places: Places) -> Floats:
    for layer in range(count_layers(body, name)):
        key = f"{name}{layer}"
        previous, following = _neighbours(values, places.has_previous, places.has_next)
        joined = np.concatenate([previous, values, following], axis=1)
        values = _settle(body, key, joined @ body[f"{key}_weight"].T + body[f"{key}_bias"])
    return values


def _settle(body: Body, key: str, values: Floats) -> Floats:
    """Normalise each place over its channels, and let nothing fall below 0."""
    centred = values - values.mean(axis=1, keepdims=True)
    deviation = np.sqrt(np.square(centred).mean(axis=1, keepdims=True) + np.float32(EPSILON))
    normal = centred / deviation * body[f"{key}_scale"] + body[f"{key}_shift"]
    return np.asarray(np.maximum(normal, 0), np.float32)


def _neighbours(values: Floats, has_previous: Floats, has_next: Floats) -> tuple[Floats, Floats]:
    # What is shifted round the ends is silenced, as every neighbour in another video is.
    return np.roll(values, 1, axis=0) * has_previous, np.roll(values, -1, axis=0) * has_next


def _max_pool(level: Floats, places: Places, number: int) -> Floats:
    """Return a level from the one below: the maximum of the place under each and its two neighbours."""
    rows = slice(places.level_offset[number - 1], places.level_offset[number])
    # Nothing is below 0, so the 0 of a neighbour that is not there never wins.
    previous, following = _neighbours(level, places.has_previous[rows], places.has_next[rows])
    return np.maximum(np.maximum(previous, level), following)[places.below_level(number)]


def _sigmoid(values: Floats) -> Floats:
    return np.asarray(np.exp(-np.logaddexp(np.float32(0), -values)), np.float32)
