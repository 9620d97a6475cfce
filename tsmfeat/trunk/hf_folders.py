"""Where the files of a model of the Hugging Face hub lie: a folder given, or the hub's own cache of downloads."""

from pathlib import Path

from tsmfeat.errors import ConfigurationError, EnvironmentLackError
from tsmfeat.trunk.names import is_hub_name

_CONFIGS = "*.json"
_SAFE_WEIGHTS = "*.safetensors"
_OLD_WEIGHTS = "pytorch_model*.bin"


def find_folder(name: str, *, weights: bool) -> Path:
    """Return the folder of a model's files; of a name on the hub they are downloaded once.

    Parameters
    ----------
    name
        A folder with a ``config.json``, or a name on the hub. A folder of that name goes before the hub.
    weights
        Whether the weights are wanted too, not only the configs.

    Raises
    ------
    ConfigurationError
        No such folder, or one without ``config.json``.
    EnvironmentLackError
        The hub cannot be reached, or has no such model.
    """
    folder = Path(name).expanduser()
    if not folder.is_dir():
        if is_hub_name(name):
            return _download(name, weights)
        raise ConfigurationError(
            f"hf:{name}: no such folder here",
            "check the path (features record a folder by its own name only: run where it lies), or write hf:OWNER/NAME "
            "as on the hub",
        )
    if not (folder / "config.json").is_file():
        raise ConfigurationError(f"hf:{name}: the folder holds no config.json", "pass the folder of a model")
    return folder


def _download(name: str, weights: bool) -> Path:
    from huggingface_hub import snapshot_download

    try:
        folder = Path(snapshot_download(name, allow_patterns=[_CONFIGS, _SAFE_WEIGHTS] if weights else [_CONFIGS]))
        if weights and not any(folder.glob(_SAFE_WEIGHTS)):
            folder = Path(snapshot_download(name, allow_patterns=[_CONFIGS, _OLD_WEIGHTS]))
    except (OSError, ValueError) as error:
        raise EnvironmentLackError(
            f"hf:{name}: not in the hub's cache here, and cannot be downloaded ({type(error).__name__})",
            "where there is a network: hf download " + name + "; then copy its cache (HF_HOME), or pass hf:FOLDER",
        ) from error
    if not (folder / "config.json").is_file():
        raise EnvironmentLackError(f"hf:{name}: the hub's model has no config.json", "pass another hf:NAME")
    return folder
