"""The forward pass of a pyramid while it is trained: what `tsmfeat.heads.pyramid` does, in torch."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from tsmfeat.heads.pyramid import EPSILON
from tsmfeat.heads.pyramid_places import Places

Body = Mapping[str, Tensor]


class PyramidTensors(NamedTuple):
    """What a pyramid says of every place, before the sigmoid.

    Attributes
    ----------
    logits
        float32 (P, C).
    distances
        float32 (P, 2): to the start and to the end, in strides of the place's level.
    ground
        float32 (N, H): representation of each interval, level 0.
    pooled
        float32 (V, H): mean representation of each video.
    """

    logits: Tensor
    distances: Tensor
    ground: Tensor
    pooled: Tensor


class _Neighbourhood(NamedTuple):
    has_previous: Tensor
    has_next: Tensor


def run_pyramid_torch(body: Body, inputs: Tensor, places: Places) -> PyramidTensors:
    """Return what a pyramid says of every place of a batch of whole videos.

    Parameters
    ----------
    body
        As of `tsmfeat.heads.pyramid.initial_pyramid`.
    inputs
        float32 (N, D), standardised.
    places
        Of the batch's videos, each of one interval or more.
    """
    around = _Neighbourhood(
        *(torch.from_numpy(mask).to(inputs.device) for mask in (places.has_previous, places.has_next))
    )
    num_rows = int(places.level_offset[1])
    ground = _Neighbourhood(*(mask[:num_rows] for mask in around))
    level = _settle(body, "input", torch.addmm(body["input_bias"], inputs, body["input_weight"].t()))
    level = _convolve_all(body, "base", level, ground)
    pooled = _pool_videos(level, places.first[0])
    values = torch.cat(_pool_levels(level, places, around))
    logits = torch.addmm(body["class_bias"], _convolve_all(body, "class", values, around), body["class_weight"].t())
    bounds = torch.addmm(body["bounds_bias"], _convolve_all(body, "bounds", values, around), body["bounds_weight"].t())
    counts = torch.from_numpy(np.diff(places.level_offset)).to(inputs.device)
    scale = torch.repeat_interleave(body["level_scale"], counts)[:, None]
    return PyramidTensors(logits, functional.softplus(bounds * scale), level, pooled)


def _pool_levels(level: Tensor, places: Places, around: _Neighbourhood) -> list[Tensor]:
    levels = [level]
    for number in range(1, places.num_levels):
        rows = slice(int(places.level_offset[number - 1]), int(places.level_offset[number]))
        previous, following = _neighbours(level, _Neighbourhood(*(mask[rows] for mask in around)))
        highest = torch.maximum(torch.maximum(previous, level), following)
        level = highest.index_select(0, torch.from_numpy(places.below_level(number)).to(level.device))
        levels.append(level)
    return levels


def _pool_videos(values: Tensor, first: npt.NDArray[np.int64]) -> Tensor:
    lengths = torch.from_numpy(np.diff(first)).to(values.device)
    owner = torch.repeat_interleave(torch.arange(len(lengths), device=values.device), lengths)
    sums = values.new_zeros(len(lengths), values.shape[1]).index_add(0, owner, values)
    return sums / lengths.clamp_min(1)[:, None]


def _convolve_all(body: Body, name: str, values: Tensor, around: _Neighbourhood) -> Tensor:
    layer = 0
    while f"{name}{layer}_weight" in body:
        key = f"{name}{layer}"
        previous, following = _neighbours(values, around)
        joined = torch.cat([previous, values, following], dim=1)
        values = _settle(body, key, torch.addmm(body[f"{key}_bias"], joined, body[f"{key}_weight"].t()))
        layer += 1
    return values


def _settle(body: Body, key: str, values: Tensor) -> Tensor:
    size = values.shape[1:]
    return functional.relu(functional.layer_norm(values, size, body[f"{key}_scale"], body[f"{key}_shift"], EPSILON))


def _neighbours(values: Tensor, around: _Neighbourhood) -> tuple[Tensor, Tensor]:
    return values.roll(1, 0) * around.has_previous, values.roll(-1, 0) * around.has_next
