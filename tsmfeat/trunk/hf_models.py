"""Video transformers of the transformers library as trunks: the mean of the last hidden state over its tokens."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tsmfeat.errors import CheckpointError, EnvironmentLackError
from tsmfeat.files import sha256_file
from tsmfeat.trunk.foreign import Filled, ForeignTrunk, TrunkFacts, mean_float32, seeded
from tsmfeat.trunk.hf_folders import find_folder
from tsmfeat.trunk.hf_layouts import VideoLayout, layout_of
from tsmfeat.trunk.hf_preprocessing import read_preprocessing
from tsmfeat.trunk.listing import listed
from tsmfeat.trunk.names import split_trunk
from tsmfeat.trunk.options import PRETRAINED, TrunkOptions, random_seed

_WEIGHTS_FILE = "model.safetensors"


def load_hf(options: TrunkOptions) -> ForeignTrunk:
    """Build an ``hf:NAME`` trunk: a video transformer, the mean of its last hidden state over all tokens.

    NAME is a folder with a ``config.json``, or a name on the Hugging Face hub. Frame size and number of frames are
    those its config allows; mean and standard deviation are those of its preprocessor's config, ImageNet's where
    there is none. ``random:SEED`` is the library's initialisation from torch's generator.

    Raises
    ------
    ConfigurationError
        No such folder, a kind of model whose input is not known, or a number of frames that it cannot take.
    CheckpointError
        A file that cannot be read or does not fill the network.
    EnvironmentLackError
        transformers is not installed, or the model can neither be found nor downloaded.
    """
    transformers = _import_transformers()
    pretrained = options.checkpoint == PRETRAINED
    folder = find_folder(split_trunk(options.trunk)[1], weights=pretrained)
    mean, std, notes = read_preprocessing(folder)
    with _quietly(transformers), seeded(random_seed(options.checkpoint) or 0):
        config = _read_config(transformers, folder)
        layout = layout_of(config, options.trunk)
        layout.require_num_frames(options.num_frames, options.trunk)
        network, filled = _build(transformers, config, folder, pretrained, layout)
    facts = TrunkFacts(
        options.num_frames,
        (layout.side, layout.side),
        mean,
        std,
        int(config.hidden_size),
        filled.sha256,
        (*notes, *filled.notes),
    )
    return ForeignTrunk(network, mean_over_tokens, facts)


def mean_over_tokens(network: nn.Module, frames: Tensor) -> Tensor:
    """Embed frames ``[clips, T, 3, H, W]``; return the mean of the last hidden state over tokens, ``[clips, D]``."""
    tokens: Tensor = network(frames).last_hidden_state
    return mean_float32(tokens, 1)


def _import_transformers() -> Any:  # noqa: ANN401 - a library without types
    try:
        import transformers
    except ImportError as error:
        raise EnvironmentLackError(
            f"trunks hf:NAME need the library transformers ({error})", 'pip install "tsmfeat[hf]"'
        ) from error
    return transformers


@contextmanager
def _quietly(transformers: Any) -> Iterator[None]:  # noqa: ANN401
    """Keep the library's bars and advice off the screen; what matters is said in notes."""
    logging = transformers.utils.logging
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def _read_config(transformers: Any, folder: Path) -> Any:  # noqa: ANN401
    try:
        # Said, not left open: else the library asks at the terminal whether to run code that lies in the folder.
        return transformers.AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise CheckpointError(
            f"{folder}: its config.json cannot be used ({_one_line(error)})", "copy the model's files again"
        ) from error


def _build(
    transformers: Any,  # noqa: ANN401
    config: Any,  # noqa: ANN401
    folder: Path,
    pretrained: bool,
    layout: VideoLayout,
) -> tuple[nn.Module, Filled]:
    if not pretrained:
        return _encoder(transformers.AutoModel.from_config(config, trust_remote_code=False), layout), Filled()
    model, notes = _load_pretrained(transformers, folder)
    return _encoder(model, layout), Filled(_weights_sha256(folder), notes)


def _encoder(model: nn.Module, layout: VideoLayout) -> nn.Module:
    # V-JEPA 2 comes with a predictor, which is for its own training.
    return model.get_submodule(layout.part) if layout.part else model


def _load_pretrained(transformers: Any, folder: Path) -> tuple[nn.Module, tuple[str, ...]]:  # noqa: ANN401
    try:
        model, found = transformers.AutoModel.from_pretrained(
            folder, local_files_only=True, output_loading_info=True, dtype=torch.float32, trust_remote_code=False
        )
    except (OSError, RuntimeError, ValueError) as error:
        raise CheckpointError(
            f"checkpoint pretrained: {folder} holds no weights that can be read ({_one_line(error)})",
            f"put the model's {_WEIGHTS_FILE} there, or pass --checkpoint random:0",
        ) from error
    left_out = _account(model, found, folder)
    note = f"{folder}: {listed(left_out)} left out: a trunk ends before its decoder and its classifier"
    return model, (note,) if left_out else ()


def _account(model: nn.Module, found: Mapping[str, Any], folder: Path) -> list[str]:
    """Return the keys that were left out; refuse a network with a part that was not filled, or was cut off."""
    missing, left_out = sorted(found["missing_keys"]), sorted(found["unexpected_keys"])
    # Of the parts that a trunk has, nothing may be left out: it would be a network of another depth.
    parts = {name for name, _ in model.named_children()}
    cut = [name for name in left_out if _first_part(model, name) in parts]
    odd = sorted(map(str, found.get("mismatched_keys") or ()))
    if missing or cut or odd:
        raise CheckpointError(
            f"checkpoint pretrained: {folder} does not fit its config.json: missing {listed(missing)}; "
            f"not used {listed(cut)}; of other shapes {listed(odd)}",
            "copy the model's files again",
        )
    return left_out


def _first_part(model: nn.Module, key: str) -> str:
    prefix = str(getattr(model, "base_model_prefix", ""))
    return key.removeprefix(f"{prefix}.").partition(".")[0]


def _weights_sha256(folder: Path) -> str:
    file = folder / _WEIGHTS_FILE
    return sha256_file(file) if file.is_file() else ""


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:160]
