"""Dilated residual convolutions over a video's rows, in torch: what is trained."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from tsmfeat.heads.mlp_torch import project

if TYPE_CHECKING:
    # The module that chooses among the kinds, this one among them.
    from tsmfeat.heads.bodies import BatchVideos


def represent_tcn(
    body: Mapping[str, Tensor], inputs: Tensor, videos: "BatchVideos", drop: Callable[[Tensor], Tensor]
) -> Tensor:
    """Return what the output layers of each run see of each row; as `tsmfeat.heads.tcn.represent_tcn`, with dropout.

    Parameters
    ----------
    body
        The arrays of `tsmfeat.heads.tcn.initial_tcn`, float32, with an axis of R runs before their own.
    inputs
        float32 (B, D), standardised: rows of whole videos.
    videos
        The first and the last row of each row's video.
    drop
        Drops entries of (R, B, H): of the projected inputs, and of what a layer is about to add.

    Returns
    -------
    float32 (R, B, H)
    """
    hidden = drop(project(body["input_weight"], body["input_bias"], inputs))
    place = torch.arange(len(inputs), device=inputs.device)
    for layer in range(body["dilated_weight"].shape[1]):
        before = _shift(hidden, 1 << layer, (place - videos.first) >= 1 << layer)
        after = _shift(hidden, -(1 << layer), (videos.last - place) >= 1 << layer)
        seen = torch.cat([before, hidden, after], dim=2)
        found = project(body["dilated_weight"][:, layer], body["dilated_bias"][:, layer], seen).relu()
        hidden = hidden + drop(project(body["pointwise_weight"][:, layer], body["pointwise_bias"][:, layer], found))
    return hidden


def _shift(hidden: Tensor, by: int, kept: Tensor) -> Tensor:
    """Move rows down (up where negative); rows whose neighbour lies outside their video get zeros.

    Slices, whose gradient is a copy: a gather's would be a scattered sum.
    """
    reach = min(abs(by), hidden.shape[1])
    left = hidden.shape[1] - reach
    moved = hidden[:, :left] if by > 0 else hidden[:, reach:]
    padding = (0, 0, reach, 0) if by > 0 else (0, 0, 0, reach)
    return functional.pad(moved, padding) * kept[:, None]
