"""The temporal shift: a share of the channels moves one frame back, another one frame on."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import Module


def shift_frames(frames: Tensor, num_frames: int, shift_div: int = 8) -> Tensor:
    """Move the first channels in from the next frame and the following ones in from the previous frame.

    With ``fold = C // shift_div``: channels ``[0, fold)`` of frame t come from frame t + 1, channels
    ``[fold, 2 fold)`` from frame t - 1, the rest stays. Where there is no such frame in the clip they are zero;
    nothing crosses from one clip to another.

    Parameters
    ----------
    frames
        ``[clips * num_frames, C, H, W]``, the frames of a clip one after the other; any dtype and memory format.
    num_frames
        Frames T of a clip.
    shift_div
        The share of channels that moves each way is ``1 / shift_div``.

    Returns
    -------
    Tensor
        New, of the shape and memory format of `frames`.

    References
    ----------
    Lin, Gan, Han, *TSM: Temporal Shift Module for Efficient Video Understanding*, ICCV 2019.

    Examples
    --------
    >>> x = torch.tensor([[1, 2, 3], [4, 5, 6]])[:, :, None, None]
    >>> shift_frames(x, num_frames=2, shift_div=3)[:, :, 0, 0].tolist()
    [[4, 0, 3], [0, 2, 6]]
    """
    fold = frames.shape[1] // shift_div
    shifted = torch.empty_like(frames)
    # Views of [clips, T, C, H, W]: no copy in either memory format.
    by_clip = (frames.shape[0] // num_frames, num_frames, *frames.shape[1:])
    old, new = frames.view(by_clip), shifted.view(by_clip)
    new[:, :-1, :fold] = old[:, 1:, :fold]
    new[:, -1, :fold] = 0
    new[:, 1:, fold : 2 * fold] = old[:, :-1, fold : 2 * fold]
    new[:, 0, fold : 2 * fold] = 0
    new[:, :, 2 * fold :] = old[:, :, 2 * fold :]
    return shifted


def shift_inputs(num_frames: int, shift_div: int, module: Module, inputs: tuple[Any, ...]) -> tuple[Tensor]:
    """Shift the only input of a module: the forward pre-hook of a convolution, once its first two places are filled.

    A hook, not a wrapping module, so that the names in the state dict stay torchvision's.

    Examples
    --------
    >>> from functools import partial
    >>> identity = torch.nn.Identity()
    >>> handle = identity.register_forward_pre_hook(partial(shift_inputs, 2, 3))
    >>> identity(torch.tensor([[1, 2, 3], [4, 5, 6]])[:, :, None, None])[:, :, 0, 0].tolist()
    [[4, 0, 3], [0, 2, 6]]
    """
    (frames,) = inputs
    return (shift_frames(frames, num_frames, shift_div),)
