"""Whether a trunk takes frames of a size, known before hours of decoding."""

import torch

from tsmfeat.errors import ConfigurationError
from tsmfeat.trunk.foreign import ForeignTrunk
from tsmfeat.trunk.protocol import Trunk


def require_fitting(trunk: Trunk, name: str, height: int, width: int) -> None:
    """Refuse a frame size that a trunk cannot take, before hours of decoding.

    A trunk of another library that states no size of its own embeds black frames to find out.

    Parameters
    ----------
    trunk
        In eval mode, on the CPU.
    name
        As the user wrote it, for messages.
    height, width
        Pixels of a frame.

    Raises
    ------
    ConfigurationError
        The remedy is in its hint.
    """
    if trunk.frame_size is not None:
        if trunk.frame_size != (height, width):
            taken = "×".join(map(str, trunk.frame_size))
            square = len(set(trunk.frame_size)) == 1
            raise ConfigurationError(
                f"{name} takes frames of {taken} pixels only; they would have {height}×{width}",
                f"use --resize square{trunk.frame_size[0]}" if square else "use another trunk: frames here are square",
            )
    elif isinstance(trunk, ForeignTrunk):
        _embed_black(trunk, name, height, width)


def _embed_black(trunk: ForeignTrunk, name: str, height: int, width: int) -> None:
    try:
        with torch.inference_mode():
            trunk.embed_black(height, width)
    except (RuntimeError, AssertionError, ValueError) as error:
        # What a library's network says of a size it cannot halve or cut into patches.
        words = " ".join(str(error).split())[:160]
        raise ConfigurationError(
            f"{name} cannot take frames of {height}×{width} pixels ({type(error).__name__}: {words})",
            "use another --resize, such as square224",
        ) from error
