"""The temporal shift trunk: clips of frames become embeddings."""

from functools import partial

import torch
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet

from tsmfeat.errors import ConfigurationError
from tsmfeat.trunk.checkpoint import load_state
from tsmfeat.trunk.names import TRUNKS
from tsmfeat.trunk.options import TrunkOptions
from tsmfeat.trunk.placement import decide_shift
from tsmfeat.trunk.protocol import IMAGENET_MEAN, IMAGENET_STD, require_frames
from tsmfeat.trunk.shift import shift_inputs
from tsmfeat.trunk.specs import SPECS, STAGES, TrunkSpec


class TemporalShiftTrunk(nn.Module):
    """A residual network whose blocks look one frame ahead and one frame back.

    The state dict has torchvision's names, without the classifier (``fc``).

    Parameters
    ----------
    spec
        Which network.
    num_frames
        Frames T of a clip.
    shift
        Whether frames are shifted at all; without it the trunk is a per-frame network (TSN).
    shift_div
        ``1 / shift_div`` of the channels is shifted each way.

    Attributes
    ----------
    num_frames, frame_size, mean, std
        As in `tsmfeat.trunk.protocol.Trunk`; frames of any size are taken.
    embedding_size
        D.
    shifted_blocks
        Names of the blocks whose first convolution sees shifted frames.
    checkpoint_digest
        Identity of the tensors (`tsmfeat.files.digest_tensors`); empty until `build_trunk` loads some.
    checkpoint_sha256
        SHA-256 of the checkpoint file; empty for ``random:SEED``.
    checkpoint_notes
        What the loader left out of the file, and what it says of the shift, in sentences for the user.
    """

    def __init__(self, spec: TrunkSpec, num_frames: int = 8, shift: bool = True, shift_div: int = 8) -> None:
        super().__init__()
        block = Bottleneck if spec.bottleneck else BasicBlock
        network = ResNet(block, list(spec.blocks), groups=spec.groups, width_per_group=spec.width_per_group)
        for name in ("conv1", "bn1", "relu", "maxpool", *STAGES):
            self.add_module(name, network.get_submodule(name))
        self.num_frames = num_frames
        self.frame_size: tuple[int, int] | None = None
        self.mean, self.std = IMAGENET_MEAN, IMAGENET_STD
        self.embedding_size = spec.embedding_size
        self.shifted_blocks = spec.shifted_blocks if shift else ()
        self.checkpoint_digest = ""
        self.checkpoint_sha256 = ""
        self.checkpoint_notes: tuple[str, ...] = ()
        for name in self.shifted_blocks:
            conv = self.get_submodule(f"{name}.conv1")
            conv.register_forward_pre_hook(partial(shift_inputs, num_frames, shift_div))

    def forward(self, frames: Tensor) -> Tensor:
        """Embed clips.

        Parameters
        ----------
        frames
            ``[clips, num_frames, 3, H, W]``, floating, already ``(v / 255 - mean) / std``; any H and W.

        Returns
        -------
        Tensor
            ``[clips, D]``: the mean over positions and frames, summed in float32 also under autocast.

        Raises
        ------
        InputError
            Another shape.
        """
        require_frames(frames, self.num_frames)
        maps: Tensor = frames.flatten(0, 1)
        for layer in self.children():
            maps = layer(maps)
        per_frame = maps.mean((2, 3), dtype=torch.promote_types(maps.dtype, torch.float32))
        return per_frame.view(*frames.shape[:2], self.embedding_size).mean(1)


def build_trunk(
    name: str, num_frames: int = 8, checkpoint: str = "random:0", shift: bool = True, shift_div: int = 8
) -> TemporalShiftTrunk:
    """Build a trunk from a checkpoint, ready to embed.

    Parameters
    ----------
    name
        One of `tsmfeat.trunk.names.TRUNKS`, named as in torchvision.
    num_frames
        Frames T of a clip.
    checkpoint
        Path of a file, ``"imagenet"`` or ``"random:SEED"``.
    shift
        Whether the temporal shift is on. `load_temporal_shift` can leave that to the checkpoint.
    shift_div
        ``1 / shift_div`` of the channels is shifted each way.

    Returns
    -------
    TemporalShiftTrunk
        On the CPU, in eval mode, without gradients.

    Raises
    ------
    ConfigurationError
        A value that cannot be carried out.
    CheckpointError
        A file that cannot be read, or does not fit the trunk.

    Examples
    --------
    >>> trunk = build_trunk("resnet18", num_frames=2)
    >>> trunk(torch.zeros(3, 2, 3, 32, 32)).shape
    torch.Size([3, 512])
    """
    return load_temporal_shift(TrunkOptions(name, checkpoint, num_frames, "on" if shift else "off", shift_div))


def load_temporal_shift(options: TrunkOptions) -> TemporalShiftTrunk:
    """Build a temporal shift trunk as options say, with the shift that fits its checkpoint.

    Parameters
    ----------
    options
        With ``shift="auto"`` the shift is on, unless the checkpoint was trained without.

    Returns
    -------
    TemporalShiftTrunk
        On the CPU, in eval mode, without gradients; `TemporalShiftTrunk.shifted_blocks` says what was decided.

    Raises
    ------
    ConfigurationError
        A trunk of another library.
    CheckpointError
        A file that cannot be read, does not fit the trunk, or was trained with frames shifted elsewhere.
    EnvironmentLackError
        ``"imagenet"`` is not where torch keeps its downloads.
    """
    if options.trunk not in TRUNKS:
        raise ConfigurationError(
            f"trunk {options.trunk!r} is no temporal shift trunk", "use tsmfeat.trunk.loading.load_trunk"
        )
    name, spec = options.trunk, SPECS[options.trunk]
    loaded = load_state(options.checkpoint, name, trunk_shapes(name))
    shift, notes = decide_shift(loaded.placement, options.shift, spec.shifted_blocks, options.checkpoint, name)
    # On the meta device nothing is allocated or initialised: the loaded tensors become the parameters.
    with torch.device("meta"):
        trunk = TemporalShiftTrunk(spec, options.num_frames, shift, options.shift_div)
    trunk.load_state_dict(loaded.tensors, assign=True)
    trunk.checkpoint_digest = loaded.digest
    trunk.checkpoint_sha256 = loaded.file_sha256
    trunk.checkpoint_notes = (*loaded.notes, *notes)
    return trunk.eval().requires_grad_(False)


def trunk_shapes(name: str) -> dict[str, tuple[int, ...]]:
    """Return the shapes of a trunk's state dict by name.

    Examples
    --------
    >>> trunk_shapes("resnet18")["conv1.weight"]
    (64, 3, 7, 7)
    """
    with torch.device("meta"):
        trunk = TemporalShiftTrunk(SPECS[name], shift=False)
    return {key: tuple(value.shape) for key, value in trunk.state_dict().items()}
