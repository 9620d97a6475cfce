"""What it costs a head to change its mind from row to row."""

from typing import TYPE_CHECKING

from torch import Tensor

if TYPE_CHECKING:
    from tsmfeat.heads.bodies import BatchVideos

TRUNCATION = 4.0
"""Differences of log-probabilities beyond this one cost no more: a true change of action is free above it."""


def smoothing_loss(logs: Tensor, videos: "BatchVideos") -> Tensor:
    """Return the truncated mean squared change of log-probabilities from one row of a video to the next, by run.

    The earlier row is taken as given, so that the later one learns from it and not the other way round; no change is
    seen from one video to another.

    Parameters
    ----------
    logs
        float32 (R, B, K): log-probabilities of rows of whole videos.
    videos
        The first and the last row of each row's video.

    Returns
    -------
    float32 (R,)
        0 where no video has two rows.

    Notes
    -----
    MS-TCN (Abu Farha and Gall, CVPR 2019), equations 6 to 8; there it has a factor of 0.15.

    Examples
    --------
    >>> import torch
    >>> from tsmfeat.heads.bodies import BatchVideos
    >>> videos = BatchVideos(torch.tensor([0, 0, 2]), torch.tensor([1, 1, 2]))
    >>> smoothing_loss(torch.tensor([[[-1.0, -1.0], [-2.0, -9.0], [0.0, 0.0]]]), videos)  # (1 ** 2 + 4 ** 2) / 2
    tensor([8.5000])
    """
    changes = (logs[:, 1:] - logs[:, :-1].detach()).square().clamp_max(TRUNCATION**2)
    same = videos.first[1:] == videos.first[:-1]
    return (changes * same[:, None]).sum(dim=(1, 2)) / (same.sum().clamp_min(1) * logs.shape[2])
