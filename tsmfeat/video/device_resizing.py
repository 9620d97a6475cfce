"""Resizing where the decoded frame lies, so that only finished frames leave the device."""

from typing import TYPE_CHECKING

from tsmfeat.video.geometry import FrameGeometry

if TYPE_CHECKING:
    from torch import Tensor


def resize_on_device(frame: "Tensor", geometry: FrameGeometry) -> "Tensor":
    """Resize (and crop) a frame with the antialiased bilinear filter of `tsmfeat.video.transforms.resize_frame`.

    Parameters
    ----------
    frame
        uint8 (H, W, 3), RGB, on any device.
    geometry
        The finished size.

    Returns
    -------
    Tensor
        uint8 (geometry.height, geometry.width, 3), on the same device.

    Notes
    -----
    As Pillow does, rows are filtered first and rounded to whole grey levels, halves up, then columns. Pillow's weights
    are fixed-point numbers of 22 bits and these are floats, so that a pixel may differ by one level.

    Examples
    --------
    >>> import torch
    >>> from tsmfeat.video.geometry import parse_geometry
    >>> frame = torch.full((30, 40, 3), 7, dtype=torch.uint8)
    >>> resize_on_device(frame, parse_geometry("short8-crop4"))[0, 0].tolist()
    [7, 7, 7]
    """
    import torch
    from torch.nn.functional import interpolate

    height, width = geometry.resized_size(*frame.shape[:2])
    planes = frame.permute(2, 0, 1)[None].float()
    for size in ((frame.shape[0], width), (height, width)):
        if tuple(planes.shape[2:]) != size:
            planes = interpolate(planes, size, mode="bilinear", align_corners=False, antialias=True)
            planes = planes.add_(0.5).floor_().clamp_(0, 255)
    pixels = planes[0].to(torch.uint8).permute(1, 2, 0)
    top, left = geometry.crop_start(height, width)
    return pixels[top : top + geometry.height, left : left + geometry.width].contiguous()
