"""What a trunk can be asked for: options and their choices, light enough for ``--help``."""

import re
from dataclasses import dataclass

from tsmfeat.errors import ConfigurationError, did_you_mean
from tsmfeat.trunk.specs import SPECS

TRUNKS = tuple(SPECS)
PRECISIONS = ("auto", "fp32", "bf16", "fp16")
SHIFTS = ("auto", "on", "off")

_CHECKPOINTS = (
    "pass the path of a checkpoint file (.pth of torchvision, official TSM or mmaction2, or a .safetensors written by "
    "tsmfeat), imagenet for torchvision's file where torch keeps its downloads, or random:SEED for an untrained trunk, "
    "such as random:0"
)
IMAGENET = "imagenet"
_DEVICE = re.compile(r"auto|cpu|cuda(:[0-9]{1,3})?")
_ALMOST_RANDOM = re.compile(r"rand(om)?(:.*)?", re.IGNORECASE)
_RANDOM = re.compile(r"random:([0-9]{1,18})")


@dataclass(frozen=True)
class TrunkOptions:
    """How clips become embeddings.

    Parameters
    ----------
    trunk
        One of `TRUNKS`.
    checkpoint
        Path of a checkpoint file, ``"imagenet"`` or ``"random:SEED"``. There is no default: it makes the features.
    num_frames
        Frames T of a clip.
    shift
        ``"auto"`` is on, unless the checkpoint shows that its network was trained without the temporal shift.
        ``"on"`` shifts such a network too; ``"off"`` takes any as a per-frame network. Both are said.
    shift_div
        ``1 / shift_div`` of the channels is shifted each way.
    precision
        ``"auto"`` is the precision of an existing output, else bf16 on CUDA and fp32 on the CPU.
    device
        ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"cuda:1"``.
    batch_size
        Clips in one forward pass; `None` is chosen from device and frame size.

    Raises
    ------
    ConfigurationError
        A value that cannot be carried out; the message names the choices.

    Examples
    --------
    >>> TrunkOptions("resnet18", "random:0").num_frames
    8
    >>> TrunkOptions("resnet81", "random:0")
    Traceback (most recent call last):
    ...
    tsmfeat.errors.ConfigurationError: trunk 'resnet81' is not known (hint: did you mean 'resnet18'?)
    """

    trunk: str = "resnext101_64x4d"
    checkpoint: str = ""
    num_frames: int = 8
    shift: str = "auto"
    shift_div: int = 8
    precision: str = "auto"
    device: str = "auto"
    batch_size: int | None = None

    def __post_init__(self) -> None:
        """Check every value, so that nothing fails after an hour of decoding."""
        require_trunk(self.trunk)
        _require_checkpoint(self.checkpoint)
        _require_choice("shift", self.shift, SHIFTS)
        _require_choice("precision", self.precision, PRECISIONS)
        _require_at_least("num_frames", self.num_frames, 1)
        # Two shares of the channels move: one from the future, one from the past.
        _require_at_least("shift_div", self.shift_div, 2)
        if self.batch_size is not None:
            _require_at_least("batch_size", self.batch_size, 1)
        if not _DEVICE.fullmatch(self.device):
            raise ConfigurationError(f"device {self.device!r} is not known", "choose auto, cpu, cuda or cuda:N")


def require_trunk(name: str) -> None:
    """Refuse a name that no trunk has.

    Raises
    ------
    ConfigurationError
        Names the nearest trunk, or all.
    """
    _require_choice("trunk", name, TRUNKS)


def random_seed(checkpoint: str) -> int | None:
    """Return the seed of a ``random:SEED`` checkpoint, or `None` where the text is something else.

    Examples
    --------
    >>> random_seed("random:7"), random_seed("resnet50.pth")
    (7, None)
    """
    match = _RANDOM.fullmatch(checkpoint)
    return int(match[1]) if match else None


def _require_checkpoint(checkpoint: str) -> None:
    if not checkpoint:
        raise ConfigurationError("no checkpoint given; a trunk's checkpoint has no default", _CHECKPOINTS)
    if _ALMOST_RANDOM.fullmatch(checkpoint) and random_seed(checkpoint) is None:
        raise ConfigurationError(f"checkpoint {checkpoint!r} has no whole-number seed", "write it as random:0")


def _require_choice(field: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        hint = did_you_mean(value, choices) or "choose one of " + ", ".join(choices)
        raise ConfigurationError(f"{field} {value!r} is not known", hint)


def _require_at_least(field: str, value: int, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ConfigurationError(f"{field} is {value!r}; expected a whole number of at least {least}", "change it")
