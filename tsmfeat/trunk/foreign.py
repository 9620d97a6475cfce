"""Networks of other libraries as trunks: one module around each, that says what the protocol asks for."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tsmfeat.errors import CheckpointError, InputError
from tsmfeat.files import digest_tensors, load_arrays, sha256_file
from tsmfeat.trunk import reading
from tsmfeat.trunk.accounting import account_for
from tsmfeat.trunk.protocol import Triple, require_frames

_COUNTER = "num_batches_tracked"

# A network and its frames ``[clips, num_frames, 3, H, W]``; returns ``[clips, D]``.
Embed = Callable[[nn.Module, Tensor], Tensor]


@dataclass(frozen=True)
class TrunkFacts:
    """What is known of a network of another library, as in `tsmfeat.trunk.protocol.Trunk`."""

    num_frames: int
    frame_size: tuple[int, int] | None
    mean: Triple
    std: Triple
    embedding_size: int
    checkpoint_sha256: str = ""
    checkpoint_notes: tuple[str, ...] = ()
    # Empty: that of the network's tensors, mean and std.
    checkpoint_digest: str = ""
    # Whether frames are embedded one by one, so that one shows whether their size is taken.
    per_frame: bool = False


@dataclass(frozen=True)
class Filled:
    """What a network was filled from: a file's SHA-256, and what was left out of it, in sentences for the user."""

    sha256: str = ""
    notes: tuple[str, ...] = ()


class ForeignTrunk(nn.Module):
    """A network of another library that meets `tsmfeat.trunk.protocol.Trunk`.

    Parameters
    ----------
    network
        On the CPU; it is put into eval mode, without gradients.
    embed
        How the network embeds frames.
    facts
        What the protocol asks for.

    Examples
    --------
    >>> facts = TrunkFacts(2, None, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5), 3)
    >>> trunk = ForeignTrunk(nn.Identity(), lambda network, frames: network(frames).mean((1, 3, 4)), facts)
    >>> trunk(torch.ones(4, 2, 3, 8, 8)).shape
    torch.Size([4, 3])
    """

    def __init__(self, network: nn.Module, embed: Embed, facts: TrunkFacts) -> None:
        super().__init__()
        self.network = network.eval().requires_grad_(False)
        self._embed = embed
        self._num_trial_frames = 1 if facts.per_frame else facts.num_frames
        self.num_frames, self.frame_size = facts.num_frames, facts.frame_size
        self.mean, self.std = facts.mean, facts.std
        self.embedding_size = facts.embedding_size
        self.checkpoint_digest = facts.checkpoint_digest or digest_network(network, facts.mean, facts.std)
        self.checkpoint_sha256 = facts.checkpoint_sha256
        self.checkpoint_notes = facts.checkpoint_notes
        self.shifted_blocks: tuple[str, ...] = ()
        self.eval()

    def forward(self, frames: Tensor) -> Tensor:
        """Embed clips: ``[clips, num_frames, 3, H, W]``, normalised with `mean` and `std`, to ``[clips, D]``.

        Raises
        ------
        InputError
            Frames of another shape, or embeddings of another.
        """
        require_frames(frames, self.num_frames)
        return self._embed_checked(frames)

    def embed_black(self, height: int, width: int) -> Tensor:
        """Embed as few black frames as show whether a size is taken; what the network raises is its own."""
        return self._embed_checked(torch.zeros(1, self._num_trial_frames, 3, height, width))

    def _embed_checked(self, frames: Tensor) -> Tensor:
        embeddings: object = self._embed(self.network, frames)
        if not isinstance(embeddings, Tensor):
            raise InputError(
                f"the network gave {type(embeddings).__name__}; expected a tensor [clips, {self.embedding_size}]",
                "return the embeddings alone",
            )
        if embeddings.shape != (len(frames), self.embedding_size):
            raise InputError(
                f"the network gave embeddings of shape {tuple(embeddings.shape)} for {len(frames)} clips; "
                f"expected {(len(frames), self.embedding_size)}",
                "its embedding_size says otherwise",
            )
        return embeddings


def mean_float32(values: Tensor, axis: int) -> Tensor:
    """Return the mean over an axis, summed in float32 also under autocast."""
    return values.mean(axis, dtype=torch.promote_types(values.dtype, torch.float32))


def digest_network(network: nn.Module, mean: Triple, std: Triple) -> str:
    """Return the identity of a network's tensors and of its preprocessing: other means are other embeddings."""
    tensors = {name: value.detach().float().numpy() for name, value in _floating(network.state_dict()).items()}
    preprocessing = {"preprocessing.mean": np.array(mean), "preprocessing.std": np.array(std)}
    return digest_tensors({**tensors, **preprocessing})


def fill_network(network: nn.Module, path: Path, trunk: str, left_out: tuple[str, ...] = ()) -> Filled:
    """Fill a network with the state dict of a file: every key is used or named, every parameter is filled.

    Parameters
    ----------
    network
        Its state dict says what is needed.
    path
        A torch file, read with ``weights_only``, or safetensors; the content decides.
    trunk
        For messages.
    left_out
        Beginnings of the names of a classifier, which a trunk does without.

    Raises
    ------
    CheckpointError
        The file cannot be read safely, is damaged, or does not fit.
    """
    safetensors = reading.is_safetensors(path)
    sha256 = sha256_file(path)
    reading.require_name_digest(path, sha256)
    found: Mapping[str, Any] = _read_safetensors(path) if safetensors else reading.read_torch_file(path)
    # What torch's wrappers for many devices put before every name.
    if all(name.startswith("module.") for name in found):
        found = {name.removeprefix("module."): value for name, value in found.items()}
    state = network.state_dict()
    whole = {name: value for name, value in state.items() if name not in _floating(state)}
    _require_same(found, whole, path)
    shapes = {name: tuple(value.shape) for name, value in state.items() if name not in whole}
    others = {name: value for name, value in found.items() if name not in whole}
    tensors, notes = account_for(others, shapes, str(path), trunk, left_out)
    network.load_state_dict({**whole, **tensors})
    return Filled(sha256, notes)


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    return {name: torch.from_numpy(array) for name, array in load_arrays(path).items()}


def _floating(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value for name, value in state.items() if value.is_floating_point()}


def _require_same(found: Mapping[str, Any], whole: Mapping[str, Tensor], path: Path) -> None:
    """Refuse a file whose whole-number tables are not the network's own; counters of training batches do not count."""
    for name, value in whole.items():
        given = found.get(name, value)
        if not name.endswith(_COUNTER) and not (isinstance(given, Tensor) and torch.equal(given, value)):
            raise CheckpointError(f"{path}: {name} is another table than this network's", "pass its own checkpoint")


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Let torch draw from a seed while the context lasts; its generator is put back after it.

    Examples
    --------
    >>> with seeded(1):
    ...     first = torch.rand(1)
    >>> with seeded(1):
    ...     bool(torch.rand(1) == first)
    True
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield
