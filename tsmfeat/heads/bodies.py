"""The bodies of runs that are trained together: initial values, what they make of inputs, and their folding."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from tsmfeat.heads.conditioned import fold_conditioned, initial_conditioned
from tsmfeat.heads.conditioned_torch import represent_conditioned
from tsmfeat.heads.mlp import fold_mlp, initial_mlp
from tsmfeat.heads.mlp_torch import represent_mlp
from tsmfeat.heads.options import HeadOptions
from tsmfeat.heads.randomness import random_bits
from tsmfeat.heads.standardization import Standardization
from tsmfeat.heads.tcn import fold_tcn, initial_tcn
from tsmfeat.heads.tcn_torch import represent_tcn

Floats = npt.NDArray[np.float32]
_LEVELS = 1 << 16


@dataclass(frozen=True, eq=False)
class BatchVideos:
    """Which rows of a batch belong together.

    Parameters
    ----------
    first, last
        int64 (B,): the first and the last row, within the batch, of each row's video.
    """

    first: Tensor
    last: Tensor


def initial_body(options: HeadOptions, embedding_size: int) -> dict[str, Floats]:
    """Return the body of one run before training; empty for linear heads.

    Parameters
    ----------
    options
        Their kind, sizes and seed.
    embedding_size
        D.
    """
    generator = np.random.Generator(random_bits(options.seed, "body"))

    def draw(shape: tuple[int, ...]) -> Floats:
        return generator.standard_normal(shape, np.float32)

    match options.head:
        case "mlp":
            return initial_mlp(options.hidden_size, embedding_size, draw)
        case "tcn":
            return initial_tcn(options, embedding_size, draw)
        case "conditioned":
            return initial_conditioned(options.rank, embedding_size, draw)
        case _:
            return {}


def representation_size(options: HeadOptions, embedding_size: int) -> int:
    """Return H: how many numbers the output layers see.

    Examples
    --------
    >>> representation_size(HeadOptions(), 2048), representation_size(HeadOptions("mlp", hidden_size=64), 2048)
    (2048, 64)
    """
    match options.head:
        case "linear":
            return embedding_size
        case "conditioned":
            return embedding_size + options.rank
        case _:
            return options.hidden_size


def represent(
    kind: str, body: dict[str, Tensor], inputs: Tensor, videos: BatchVideos | None, drop: Callable[[Tensor], Tensor]
) -> Tensor:
    """Return what the output layers of every run see: float32 (R, B, H), or the inputs where all see these.

    Parameters
    ----------
    kind
        One of `tsmfeat.heads.options.HEADS`.
    body
        Arrays with a leading axis of R runs.
    inputs
        float32 (B, D), standardised.
    videos
        Of kinds with context.
    drop
        Drops hidden units, each run by its own probability.
    """
    match kind:
        case "mlp":
            return represent_mlp(body, inputs, drop)
        case "tcn" if videos is not None:
            return represent_tcn(body, inputs, videos, drop)
        case "conditioned" if videos is not None:
            return represent_conditioned(body, inputs, videos, drop)
        case _:
            return inputs


def fold_body(kind: str, body: Mapping[str, Floats], standardization: Standardization) -> dict[str, Floats]:
    """Return the body of one run for raw embeddings."""
    match kind:
        case "mlp":
            return fold_mlp(body, standardization)
        case "tcn":
            return fold_tcn(body, standardization)
        case "conditioned":
            return fold_conditioned(body, standardization)
        case _:
            return dict(body)


def make_dropper(options: Sequence[HeadOptions]) -> Callable[[Tensor], Tensor]:
    """Return what drops hidden units of runs of one seed: the same random bits, each run by its own probability.

    Parameters
    ----------
    options
        Of R runs.
    """
    levels = np.array([min(round(one.dropout * _LEVELS), _LEVELS - 1) for one in options])
    bits = random_bits(options[0].seed, "hidden")

    def drop(hidden: Tensor) -> Tensor:
        if not levels.any():
            return hidden
        count = hidden.shape[-2] * hidden.shape[-1]
        raw = bits.random_raw(-(-count // 4)).view(np.uint16)[:count].reshape(hidden.shape[-2:])
        scale = (_LEVELS / (_LEVELS - levels)).astype(np.float32)[:, None, None]
        factor = np.where(raw >= levels[:, None, None], scale, np.float32(0))
        return hidden * torch.from_numpy(factor).to(hidden.device)

    return drop
