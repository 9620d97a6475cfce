"""How a video transformer wants its pixels: mean and standard deviation from its preprocessor's config."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tsmfeat.errors import CheckpointError
from tsmfeat.trunk.protocol import IMAGENET_MEAN, IMAGENET_STD, Triple, as_triple

# The newer name first.
_FILES = ("video_preprocessor_config.json", "preprocessor_config.json")


def read_preprocessing(folder: Path) -> tuple[Triple, Triple, tuple[str, ...]]:
    """Return mean and standard deviation on a scale of 0 to 1, and what is to be said of them.

    Parameters
    ----------
    folder
        Of the model.

    Raises
    ------
    CheckpointError
        A config that is no JSON object, or without three usable numbers each.
    """
    for name in _FILES:
        if (folder / name).is_file():
            return (*_parse(folder / name), ())
    note = f"{folder}: no {' and no '.join(_FILES)}, so frames are normalised with ImageNet's mean and std"
    return IMAGENET_MEAN, IMAGENET_STD, (note,)


def _parse(path: Path) -> tuple[Triple, Triple]:
    try:
        config = json.loads(path.read_bytes())
        return normalisation(config)
    except (OSError, ValueError, TypeError, KeyError, ZeroDivisionError, AttributeError) as error:
        raise CheckpointError(
            f"{path}: says no mean and std ({type(error).__name__}: {error})", "copy the model's files again"
        ) from error


def normalisation(config: Mapping[str, Any]) -> tuple[Triple, Triple]:
    """Return the mean and std on a scale of 0 to 1 that equal what a preprocessor does to values of 0 to 255.

    It may multiply by a factor, subtract 1 (ViViT's ``offset``), then subtract a mean and divide by a deviation.

    Examples
    --------
    >>> normalisation({"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]})
    ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    >>> normalisation({"rescale_factor": 1 / 127.5, "offset": True, "do_normalize": False})
    ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    """
    factor = float(config.get("rescale_factor", 1 / 255)) if config.get("do_rescale", True) else 1.0
    offset = 1.0 if config.get("offset") else 0.0
    normalised = config.get("do_normalize", True)
    mean = as_triple(config["image_mean"]) if normalised else (0.0, 0.0, 0.0)
    std = as_triple(config["image_std"]) if normalised else (1.0, 1.0, 1.0)
    # 255 · (1 / 255) is 1 up to rounding: ImageNet's own numbers must come out as they are.
    scale = round(255 * factor, 9)
    means, stds = [(offset + value) / scale for value in mean], [value / scale for value in std]
    if not all(value > 0 for value in stds):
        raise ValueError(f"std {stds}")
    return as_triple(means), as_triple(stds)
