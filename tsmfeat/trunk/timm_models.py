"""Image backbones of timm as trunks: each frame by itself, the mean over a clip's frames."""

from pathlib import Path
from typing import Any

from torch import Tensor, nn

from tsmfeat.errors import CheckpointError, ConfigurationError, EnvironmentLackError, did_you_mean
from tsmfeat.trunk.foreign import Filled, ForeignTrunk, TrunkFacts, fill_network, mean_float32, seeded
from tsmfeat.trunk.names import split_trunk
from tsmfeat.trunk.options import PRETRAINED, TrunkOptions, random_seed
from tsmfeat.trunk.protocol import as_triple


def load_timm(options: TrunkOptions) -> ForeignTrunk:
    """Build a ``timm:NAME`` trunk: ``timm.create_model(NAME, num_classes=0)``, the mean over a clip's frames.

    Mean, standard deviation and, where the network takes one only, the frame size are those of timm's own config.
    ``random:SEED`` is timm's initialisation from torch's generator: another version may draw other numbers.

    Raises
    ------
    ConfigurationError
        timm has no such model.
    CheckpointError
        A file that cannot be read or does not fit, or ``pretrained`` of a model without published weights.
    EnvironmentLackError
        timm is not installed, or the weights can neither be found nor downloaded.
    """
    timm = _import_timm()
    name, checkpoint = split_trunk(options.trunk)[1], options.checkpoint
    _require_model(timm, name)
    with seeded(random_seed(checkpoint) or 0):
        network = _load_pretrained(timm, name) if checkpoint == PRETRAINED else timm.create_model(name, num_classes=0)
    filled = Filled()
    if checkpoint != PRETRAINED and random_seed(checkpoint) is None:
        filled = fill_network(network, Path(checkpoint), options.trunk, _classifier(network.pretrained_cfg))
    return ForeignTrunk(network, mean_over_frames, _facts(network, options.num_frames, filled))


def mean_over_frames(network: nn.Module, frames: Tensor) -> Tensor:
    """Embed frames ``[clips, T, 3, H, W]`` one by one; return the mean of each clip, ``[clips, D]``."""
    per_frame: Tensor = network(frames.flatten(0, 1))
    return mean_float32(per_frame.view(*frames.shape[:2], -1), 1)


def _facts(network: Any, num_frames: int, filled: Filled) -> TrunkFacts:  # noqa: ANN401 - attributes of timm's own
    config = network.pretrained_cfg
    height, width = map(int, config["input_size"][1:])
    return TrunkFacts(
        num_frames,
        (height, width) if config.get("fixed_input_size") else None,
        as_triple(config["mean"]),
        as_triple(config["std"]),
        int(network.head_hidden_size),
        filled.sha256,
        filled.notes,
        per_frame=True,
    )


def _import_timm() -> Any:  # noqa: ANN401 - a library without types
    try:
        import timm
    except ImportError as error:
        raise EnvironmentLackError(
            f"trunks timm:NAME need the library timm ({error})", 'pip install "tsmfeat[timm]"'
        ) from error
    return timm


def _require_model(timm: Any, name: str) -> None:  # noqa: ANN401
    plain = name.partition(".")[0]
    if not timm.is_model(plain):
        hint = (
            did_you_mean(plain, timm.list_models()) or "python -c 'import timm; print(timm.list_models())' lists them"
        )
        raise ConfigurationError(f"timm {timm.__version__} has no model {name!r}", hint)


def _load_pretrained(timm: Any, name: str) -> Any:  # noqa: ANN401
    try:
        return timm.create_model(name, num_classes=0, pretrained=True)
    except OSError as error:
        raise EnvironmentLackError(
            f"checkpoint pretrained: the weights of timm's {name} are not here and cannot be downloaded",
            "run once where there is a network and copy its cache (HF_HOME), or pass a file as --checkpoint",
        ) from error
    except RuntimeError as error:
        raise CheckpointError(
            f"checkpoint pretrained: timm has no weights of {name} ({' '.join(str(error).split())[:120]})",
            "pass a file as --checkpoint, or another timm:NAME",
        ) from error


def _classifier(config: dict[str, Any]) -> tuple[str, ...]:
    names = config.get("classifier") or ()
    return tuple(f"{name}." for name in ([names] if isinstance(names, str) else names))
