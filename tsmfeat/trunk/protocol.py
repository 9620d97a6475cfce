"""The narrow protocol every trunk meets, whoever built it, and the checks that go with it."""

from typing import Protocol

import torch
from torch import Tensor, nn

from tsmfeat.errors import ConfigurationError, InputError
from tsmfeat.trunk.names import split_trunk

Triple = tuple[float, float, float]

# RGB mean and standard deviation of ImageNet on a scale of 0 to 1: what every torchvision network was trained with.
IMAGENET_MEAN: Triple = (0.485, 0.456, 0.406)
IMAGENET_STD: Triple = (0.229, 0.224, 0.225)


class Trunk(Protocol):
    """What embeds clips: frames ``[clips, num_frames, 3, H, W]`` become embeddings ``[clips, embedding_size]``.

    Attributes
    ----------
    num_frames
        Frames of a clip.
    frame_size
        Height and width it takes; None: any.
    mean, std
        RGB, on a scale of 0 to 1: frames come as ``(v / 255 - mean) / std``.
    embedding_size
        D.
    checkpoint_digest
        Identity of what it computes with.
    checkpoint_sha256
        SHA-256 of the checkpoint's file; empty where there is not exactly one.
    checkpoint_notes
        What the loader has to say, in sentences for the user.
    shifted_blocks
        Names of the blocks that see shifted frames; empty where none does.
    """

    num_frames: int
    frame_size: tuple[int, int] | None
    mean: Triple
    std: Triple
    embedding_size: int
    checkpoint_digest: str
    checkpoint_sha256: str
    checkpoint_notes: tuple[str, ...]
    shifted_blocks: tuple[str, ...]

    def __call__(self, frames: Tensor) -> Tensor:
        """Embed clips."""
        ...


def require_frames(frames: Tensor, num_frames: int) -> None:
    """Refuse frames that are not ``[clips, num_frames, 3, H, W]``.

    Raises
    ------
    InputError
        Another shape.
    """
    if frames.ndim != 5 or frames.shape[1] != num_frames or frames.shape[2] != 3:
        raise InputError(
            f"frames have shape {tuple(frames.shape)}; this trunk takes [clips, {num_frames}, 3, H, W]",
            "sample num_frames RGB frames a clip",
        )


def require_fitting(trunk: Trunk, name: str, height: int, width: int) -> None:
    """Refuse a frame size that a trunk cannot take, before hours of decoding.

    A trunk of another library that states no size of its own embeds one black clip to find out.

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
    elif split_trunk(name)[0]:
        _embed_black(trunk, name, height, width)


def _embed_black(trunk: Trunk, name: str, height: int, width: int) -> None:
    try:
        with torch.inference_mode():
            trunk(torch.zeros(1, trunk.num_frames, 3, height, width))
    except (RuntimeError, AssertionError, ValueError) as error:
        # What a library's network says of a size it cannot halve or cut into patches.
        words = " ".join(str(error).split())[:160]
        raise ConfigurationError(
            f"{name} cannot take frames of {height}×{width} pixels ({type(error).__name__}: {words})",
            "use another --resize, such as square224",
        ) from error


def require_module(trunk: Trunk) -> nn.Module:
    """Return a trunk as the torch module it is.

    Raises
    ------
    ConfigurationError
        It is something else.
    """
    if not isinstance(trunk, nn.Module):
        raise ConfigurationError(f"a trunk is a torch module; found {type(trunk).__name__}", "derive it from nn.Module")
    return trunk
