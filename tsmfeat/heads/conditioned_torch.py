"""The body of a `conditioned` head while it is trained: as `tsmfeat.heads.conditioned`, of several runs at once."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from tsmfeat.heads.mlp_torch import project

if TYPE_CHECKING:
    from tsmfeat.heads.bodies import BatchVideos


def represent_conditioned(
    body: dict[str, Tensor], inputs: Tensor, videos: "BatchVideos", drop: Callable[[Tensor], Tensor]
) -> Tensor:
    """Return inputs and products, float32 (R, B, D + r), some of them dropped.

    Parameters
    ----------
    body
        As of `tsmfeat.heads.conditioned.initial_conditioned`, each array with a leading axis of R runs.
    inputs
        float32 (B, D), standardised, of whole videos.
    videos
        Which rows are one video's.
    drop
        Drops numbers of the representation, each run by its own probability.
    """
    means, place = average_videos(inputs, videos.first)
    context = project(body["context_weight"], body["context_bias"], means)
    products = project(body["input_weight"], body["input_bias"], inputs) * context[:, place]
    return drop(torch.cat([inputs.expand(len(products), -1, -1), products], dim=2))


def average_videos(inputs: Tensor, first: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean row of each video, and which of these means is each row's own.

    Parameters
    ----------
    inputs
        float32 (B, D): the rows of one video after those of another.
    first
        int64 (B,): the first row of each row's video.

    Returns
    -------
    means, place
        float32 (V, D) and int64 (B,).

    Examples
    --------
    >>> means, place = average_videos(torch.tensor([[1.0], [3.0], [7.0]]), torch.tensor([0, 0, 2]))
    >>> means.tolist(), place.tolist()
    ([[2.0], [7.0]], [0, 0, 1])
    """
    begins, place, count = torch.unique_consecutive(first, return_inverse=True, return_counts=True)
    sums = torch.zeros(len(begins), inputs.shape[1], device=inputs.device).index_add_(0, place, inputs)
    return sums / count[:, None], place
