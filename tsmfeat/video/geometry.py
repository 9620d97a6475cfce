"""Frame geometry: how a decoded frame becomes a frame of the trunk's size, as a name and as numbers."""

import re
from dataclasses import dataclass

from tsmfeat.errors import ConfigurationError

_SQUARE = re.compile(r"square([1-9]\d{0,3})(?:-roll(\d{1,2}))?", re.ASCII)
_CROPPED_ROLL = re.compile(r"short\d+-crop\d+-roll\d+", re.ASCII)
_SHORT = re.compile(r"short([1-9]\d{0,3})-crop([1-9]\d{0,3})", re.ASCII)


@dataclass(frozen=True)
class FrameGeometry:
    """The size of a resized frame and the way to it.

    Parameters
    ----------
    name
        As users write it, such as ``"short256-crop224"``.
    height, width
        Of the finished frame, in pixels.
    short_side
        The frame is first resized, keeping its proportions, until its shorter side has so many pixels, and the
        centre is cut out. None: the frame is squashed to `height` × `width`.
    num_rolls
        Of a panorama: over how many horizontal rolls of the frame a clip's embedding is averaged. Reading frames is
        the same for any.

    Examples
    --------
    >>> parse_geometry("square256-roll4")
    FrameGeometry(name='square256-roll4', height=256, width=256, short_side=None, num_rolls=4)
    """

    name: str
    height: int
    width: int
    short_side: int | None = None
    num_rolls: int = 1

    @property
    def frame_bytes(self) -> int:
        """Bytes of one finished uint8 RGB frame."""
        return self.height * self.width * 3

    @property
    def frame_name(self) -> str:
        """Name of the geometry of single frames: rolls are made of them later.

        Examples
        --------
        >>> parse_geometry("square256-roll4").frame_name, parse_geometry("square256").frame_name
        ('square256', 'square256')
        """
        return self.name.partition("-roll")[0]

    def resized_size(self, height: int, width: int) -> tuple[int, int]:
        """Return height and width after resizing and before the crop, for a frame of the given size.

        The shorter side becomes `short_side`, the longer one ``int(short_side · long / short)``, as in the official
        TSM code; a squashed frame has its final size at once.

        Examples
        --------
        >>> parse_geometry("short256-crop224").resized_size(1080, 1920)
        (256, 455)
        """
        if self.short_side is None:
            return self.height, self.width
        if height <= width:
            return self.short_side, int(self.short_side * width / height)
        return int(self.short_side * height / width), self.short_side

    def crop_start(self, height: int, width: int) -> tuple[int, int]:
        """Return the first row and column of the centre crop of a resized frame; halves round to even.

        Examples
        --------
        >>> parse_geometry("short256-crop224").crop_start(256, 455)
        (16, 116)
        """
        return round((height - self.height) / 2), round((width - self.width) / 2)


def parse_geometry(name: str) -> FrameGeometry:
    """Return the geometry a name stands for: ``squareN`` or ``shortN-cropM`` with M ≤ N, up to 9999 pixels.

    ``squareN-rollK`` is ``squareN`` of a panorama, whose left and right ends meet: K from 2 to N.

    Raises
    ------
    ConfigurationError
        Another pattern, a crop larger than the short side, or rolls of frames whose ends were cut off.

    Examples
    --------
    >>> parse_geometry("short256-crop224").height
    224
    """
    if match := _SQUARE.fullmatch(name):
        side, rolls = int(match[1]), match[2]
        if rolls is not None and not 2 <= int(rolls) <= side:
            raise ConfigurationError(
                f"resize {name!r}: a panorama of {side} columns is rolled 2 to {min(side, 99)} times",
                "use square256-roll4",
            )
        return FrameGeometry(name, side, side, num_rolls=int(rolls or 1))
    if (match := _SHORT.fullmatch(name)) and int(match[2]) <= int(match[1]):
        crop = int(match[2])
        return FrameGeometry(name, crop, crop, int(match[1]))
    if _CROPPED_ROLL.fullmatch(name):
        raise ConfigurationError(
            f"resize {name!r}: a crop cuts off the ends of a panorama, so it cannot be rolled", "use square256-roll4"
        )
    raise ConfigurationError(
        f"resize {name!r}: a geometry is squareN or shortN-cropM with M <= N",
        "use square256, short256-crop224 or short256-crop256",
    )
