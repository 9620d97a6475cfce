"""What a trunk can be asked for: options and their choices, light enough for ``--help``."""

import re
from dataclasses import dataclass

from tsmfeat.errors import ConfigurationError, did_you_mean
from tsmfeat.trunk.names import HF, PREFIXES, PYTHON, TRUNKS, require_trunk_name, split_trunk

PRECISIONS = ("auto", "fp32", "bf16", "fp16")
SHIFTS = ("auto", "on", "off")

_CHECKPOINTS = (
    "pass the path of a checkpoint file (.pth of torchvision, official TSM or mmaction2, or a .safetensors written by "
    "tsmfeat), imagenet for torchvision's file where torch keeps its downloads, or random:SEED for an untrained trunk, "
    "such as random:0"
)
_OTHERS_CHECKPOINTS = {
    "timm": "pass pretrained (timm downloads it once), the path of a file with its state dict, or random:SEED",
    "hf": "pass pretrained (the folder's own model.safetensors, or the hub's, downloaded once), or random:SEED",
    "python": "leave it out (the function loads what it wants), or pass the path of a file with its state dict, or "
    "random:SEED",
}
IMAGENET = "imagenet"
PRETRAINED = "pretrained"
_DEVICE = re.compile(r"auto|cpu|cuda(:[0-9]{1,3})?")
_ALMOST_RANDOM = re.compile(r"rand(om)?(:.*)?", re.IGNORECASE)
_RANDOM = re.compile(r"random:([0-9]{1,18})")


@dataclass(frozen=True)
class TrunkOptions:
    """How clips become embeddings.

    Parameters
    ----------
    trunk
        One of `tsmfeat.trunk.names.TRUNKS`, or one of another library: ``"timm:NAME"`` (an image backbone),
        ``"hf:NAME"`` (a video transformer, by its name on the Hugging Face hub or its local folder), or
        ``"python:module:function"`` (a function that builds one).
    checkpoint
        Path of a checkpoint file (not of hf, which takes a folder), ``"imagenet"`` (of `TRUNKS`), ``"pretrained"``
        (of timm and hf) or ``"random:SEED"``. There is no default: it makes the features. Only a ``python:`` trunk
        can do without.
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
    compile
        Whether torch compiles the forward pass: minutes at the start, faster from then on; batches are padded.

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
    compile: bool = False

    def __post_init__(self) -> None:
        """Check every value, so that nothing fails after an hour of decoding."""
        require_trunk_name(self.trunk)
        _require_checkpoint(self.checkpoint, split_trunk(self.trunk)[0])
        _require_choice("shift", self.shift, SHIFTS)
        if self.shift == "on" and self.trunk not in TRUNKS:
            raise ConfigurationError(
                f"shift 'on': trunk {self.trunk!r} has no temporal shift", "leave --shift out, or use a plain trunk"
            )
        _require_choice("precision", self.precision, PRECISIONS)
        _require_at_least("num_frames", self.num_frames, 1)
        # Two shares of the channels move: one from the future, one from the past.
        _require_at_least("shift_div", self.shift_div, 2)
        if self.batch_size is not None:
            _require_at_least("batch_size", self.batch_size, 1)
        if not _DEVICE.fullmatch(self.device):
            raise ConfigurationError(f"device {self.device!r} is not known", "choose auto, cpu, cuda or cuda:N")


def require_trunk(name: str) -> None:
    """Refuse a name that no temporal shift trunk has.

    Raises
    ------
    ConfigurationError
        Names the nearest trunk, or all.
    """
    if split_trunk(name)[0] in PREFIXES:
        raise ConfigurationError(
            f"trunk {name!r} is of another library; only checkpoints of temporal shift trunks are meant here",
            "extract takes its files as they are",
        )
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


def _require_checkpoint(checkpoint: str, prefix: str) -> None:
    remedy = _OTHERS_CHECKPOINTS.get(prefix, _CHECKPOINTS)
    if not checkpoint and prefix != PYTHON:
        raise ConfigurationError("no checkpoint given; a trunk's checkpoint has no default", remedy)
    if _ALMOST_RANDOM.fullmatch(checkpoint) and random_seed(checkpoint) is None:
        raise ConfigurationError(f"checkpoint {checkpoint!r} has no whole-number seed", "write it as random:0")
    if (checkpoint == IMAGENET and prefix) or (checkpoint == PRETRAINED and prefix in ("", PYTHON)):
        whose = f"a {prefix}: trunk" if prefix else "a temporal shift trunk"
        raise ConfigurationError(f"checkpoint {checkpoint!r} says nothing of {whose}", remedy)
    if prefix == HF and checkpoint != PRETRAINED and random_seed(checkpoint) is None:
        # The library renames tensors between file and network: only it can read its files.
        raise ConfigurationError(
            f"checkpoint {checkpoint!r}: a model of hf: is a folder with config.json and model.safetensors",
            "pass --trunk hf:FOLDER --checkpoint pretrained, or random:SEED",
        )


def _require_choice(field: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        hint = did_you_mean(value, choices) or "choose one of " + ", ".join(choices)
        raise ConfigurationError(f"{field} {value!r} is not known", hint)


def _require_at_least(field: str, value: int, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ConfigurationError(f"{field} is {value!r}; expected a whole number of at least {least}", "change it")
