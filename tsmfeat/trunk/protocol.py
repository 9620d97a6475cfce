"""The narrow protocol every trunk meets, whoever built it, and the checks that go with it."""

from collections.abc import Iterable
from typing import Protocol

from torch import Tensor, nn

from tsmfeat.errors import ConfigurationError, InputError

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


def as_triple(values: Iterable[float]) -> Triple:
    """Return the three numbers of a library's or a file's list.

    Raises
    ------
    ValueError, TypeError
        They are not three numbers.

    Examples
    --------
    >>> as_triple([0.5, 0.5, 1])
    (0.5, 0.5, 1.0)
    """
    red, green, blue = map(float, values)
    return red, green, blue


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
