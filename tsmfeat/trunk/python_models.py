"""Trunks from a user's own function: ``python:module:function``."""

import importlib
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from tsmfeat.errors import ConfigurationError
from tsmfeat.trunk.foreign import Filled, ForeignTrunk, TrunkFacts, fill_network, seeded
from tsmfeat.trunk.names import split_trunk
from tsmfeat.trunk.options import TrunkOptions, random_seed
from tsmfeat.trunk.protocol import Triple

_NEEDED = (
    "it needs embedding_size (a whole number), mean and std (three numbers each, on a scale of 0 to 1); it may have "
    "frame_size (height, width), checkpoint_digest, checkpoint_sha256 and checkpoint_notes"
)


def load_python(options: TrunkOptions) -> ForeignTrunk:
    """Build a ``python:module:function`` trunk: what ``function(num_frames)`` returns.

    That is a torch module which maps float frames ``[clips, num_frames, 3, H, W]``, already
    ``(v / 255 - mean) / std``, to ``[clips, D]``. It has ``embedding_size``, ``mean`` and ``std``, and may have
    ``frame_size`` (any, where it has none) and the other attributes of `tsmfeat.trunk.protocol.Trunk`. The function
    is called on the CPU; with ``random:SEED`` torch draws from that seed meanwhile; with a file the module's state
    dict is filled from it.

    Raises
    ------
    ConfigurationError
        The module or function is not there or fails, or what it returns lacks something; the message says what.
    CheckpointError
        A file that cannot be read or does not fit.
    """
    network = _call(options)
    filled = Filled()
    if options.checkpoint and random_seed(options.checkpoint) is None:
        filled = fill_network(network, Path(options.checkpoint), options.trunk)
    return ForeignTrunk(network, embed_clips, _facts(network, options, filled))


def embed_clips(network: nn.Module, frames: Tensor) -> Tensor:
    """Embed frames ``[clips, T, 3, H, W]`` with a network that does just that."""
    embeddings: Tensor = network(frames)
    return embeddings


def _call(options: TrunkOptions) -> nn.Module:
    trunk = options.trunk
    module_name, _, function_name = split_trunk(trunk)[1].partition(":")
    try:
        module = importlib.import_module(module_name)
    except Exception as error:
        raise ConfigurationError(
            f"{trunk}: cannot be imported ({type(error).__name__}: {error})",
            "install or mend it, or put its folder on PYTHONPATH: PYTHONPATH=. tsmfeat",
        ) from error
    function = getattr(module, function_name, None)
    if not callable(function):
        raise ConfigurationError(f"{trunk}: {module_name} has no function {function_name!r}", "check the name")
    try:
        with seeded(random_seed(options.checkpoint) or 0):
            network = function(options.num_frames)
    except Exception as error:
        raise ConfigurationError(
            f"{trunk}: {function_name}({options.num_frames}) failed ({type(error).__name__}: {error})",
            "mend the function: it is called with the number of frames; --debug shows where it failed",
        ) from error
    if not isinstance(network, nn.Module):
        raise ConfigurationError(f"{trunk}: returned {type(network).__name__}; expected a torch module", _NEEDED)
    return network


def _facts(network: nn.Module, options: TrunkOptions, filled: Filled) -> TrunkFacts:
    num_frames = getattr(network, "num_frames", options.num_frames)
    if num_frames != options.num_frames:
        raise ConfigurationError(
            f"{options.trunk} takes clips of {num_frames} frames; num_frames is {options.num_frames}",
            f"use --num-frames {num_frames}",
        )
    size = getattr(network, "embedding_size", None)
    if not isinstance(size, int) or size < 1:
        raise ConfigurationError(f"{options.trunk}: embedding_size is {size!r}", _NEEDED)
    return TrunkFacts(
        num_frames,
        _frame_size(network, options.trunk),
        _triple(network, "mean", options.trunk),
        _triple(network, "std", options.trunk),
        size,
        filled.sha256 or str(getattr(network, "checkpoint_sha256", "")),
        (*getattr(network, "checkpoint_notes", ()), *filled.notes),
        # A file's tensors are the identity then, whatever the function says of its own.
        "" if filled.sha256 else str(getattr(network, "checkpoint_digest", "")),
    )


def _triple(network: nn.Module, name: str, trunk: str) -> Triple:
    values: Any = getattr(network, name, None)
    try:
        red, green, blue = map(float, values)
    except (TypeError, ValueError):
        raise ConfigurationError(f"{trunk}: {name} is {values!r}", _NEEDED) from None
    if name == "std" and not min(red, green, blue) > 0:
        raise ConfigurationError(f"{trunk}: std is {values!r}; a deviation is positive", _NEEDED)
    return red, green, blue


def _frame_size(network: nn.Module, trunk: str) -> tuple[int, int] | None:
    size: Any = getattr(network, "frame_size", None)
    if size is None:
        return None
    try:
        height, width = map(int, size)
    except (TypeError, ValueError):
        raise ConfigurationError(f"{trunk}: frame_size is {size!r}", _NEEDED) from None
    return height, width
