"""Pixels of a decoded frame: upright, then of the trunk's size."""

import numpy as np
import numpy.typing as npt
from PIL import Image

from tsmfeat.video.geometry import FrameGeometry

# A display matrix of zeros has no angle; FFmpeg then states a huge number.
_LARGEST_ANGLE = 360


def display_angle(rotation: int) -> int:
    """Return a display rotation as FFmpeg states it; 0 where it is no angle.

    Examples
    --------
    >>> display_angle(-90), display_angle(-(2**31))
    (-90, 0)
    """
    return rotation if abs(rotation) <= _LARGEST_ANGLE else 0


def quarter_turns(rotation: int) -> int:
    """Return the quarter turns, counter-clockwise, that are nearest to a display rotation.

    Examples
    --------
    >>> [quarter_turns(angle) for angle in (-90, 0, 44, 180, -(2**31))]
    [3, 0, 0, 2, 0]
    """
    return round(display_angle(rotation) / 90) % 4


def rotate_upright(frame: npt.NDArray[np.uint8], rotation: int) -> npt.NDArray[np.uint8]:
    """Turn a frame by its display rotation.

    Parameters
    ----------
    frame
        uint8 (H, W, 3).
    rotation
        Degrees, counter-clockwise, as FFmpeg states them; the nearest quarter turn is made.

    Returns
    -------
    ndarray
        uint8 (H, W, 3) or (W, H, 3); a view where no turn is needed.

    Examples
    --------
    >>> frame = np.zeros((2, 3, 3), np.uint8)
    >>> frame[0, 0] = 255
    >>> rotate_upright(frame, -90)[:, :, 0].tolist()
    [[0, 255], [0, 0], [0, 0]]
    """
    quarters = quarter_turns(rotation)
    return np.ascontiguousarray(np.rot90(frame, quarters)) if quarters else frame


def resize_frame(frame: npt.NDArray[np.uint8], geometry: FrameGeometry) -> npt.NDArray[np.uint8]:
    """Resize (and crop) a frame with antialiased bilinear filtering on uint8, as the official TSM code does.

    Parameters
    ----------
    frame
        uint8 (H, W, 3), RGB.
    geometry
        The finished size.

    Returns
    -------
    ndarray
        uint8 (geometry.height, geometry.width, 3).

    Notes
    -----
    The filter is Pillow's. Short-side scaling and centre crop follow `GroupScale` and `GroupCenterCrop` of
    mit-han-lab/temporal-shift-module.

    Examples
    --------
    >>> from tsmfeat.video.geometry import parse_geometry
    >>> resize_frame(np.full((30, 40, 3), 7, np.uint8), parse_geometry("square4"))[0, 0].tolist()
    [7, 7, 7]
    """
    height, width = geometry.resized_size(*frame.shape[:2])
    resized = Image.fromarray(frame).resize((width, height), Image.Resampling.BILINEAR)
    return crop_frame(np.asarray(resized), geometry)


def crop_frame(frame: npt.NDArray[np.uint8], geometry: FrameGeometry) -> npt.NDArray[np.uint8]:
    """Cut the centre out of a frame that has been resized.

    Parameters
    ----------
    frame
        uint8 (H, W, 3), of the size `FrameGeometry.resized_size` gives.
    geometry
        The finished size.

    Returns
    -------
    ndarray
        uint8 (geometry.height, geometry.width, 3): a view.

    Examples
    --------
    >>> from tsmfeat.video.geometry import parse_geometry
    >>> crop_frame(np.zeros((4, 6, 3), np.uint8), parse_geometry("short4-crop2")).shape
    (2, 2, 3)
    """
    top, left = geometry.crop_start(*frame.shape[:2])
    return frame[top : top + geometry.height, left : left + geometry.width]
