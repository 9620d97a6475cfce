"""Where heads are fitted."""

import torch

from tsmfeat.errors import EnvironmentLackError


def resolve_device(name: str) -> torch.device:
    """Return the device of a name.

    Parameters
    ----------
    name
        One of `tsmfeat.heads.options.DEVICES`.

    Raises
    ------
    EnvironmentLackError
        CUDA is asked for, and there is none.

    Examples
    --------
    >>> resolve_device("cpu")
    device(type='cpu')
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise EnvironmentLackError("device cuda: this machine has none that torch can use", "use --device auto")
    found = name if name != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(found)
